/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_add_int16(const int16_t *a, const int16_t *b, int16_t *output, uint16_t count)
{
    for (uint16_t i = 0; i < count; ++i) {
        output[i] = rescomp_saturate_int16((int32_t)a[i] + b[i]);
    }
}
