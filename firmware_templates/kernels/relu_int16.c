/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_relu_int16(const int16_t *input, int16_t *output, uint16_t count)
{
    for (uint16_t i = 0; i < count; ++i) {
        output[i] = input[i] > 0 ? input[i] : 0;
    }
}
