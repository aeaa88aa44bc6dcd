/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_piecewise_linear_sigmoid_int16(const int16_t *input, int16_t *output, uint16_t count)
{
    const int32_t one = INT32_C(1) << 12;

    for (uint16_t i = 0; i < count; ++i) {
        output[i] = (int16_t)rescomp_clamp((input[i] + one) * 4, 0, INT16_MAX);
    }
}
