/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_mul_int16(const int16_t *a, const int16_t *b, int16_t *output, rescomp_count count, uint8_t shift, int16_t low,
                       int16_t high)
{
    for (rescomp_count i = 0; i < count; ++i) {
        output[i] = (int16_t)rescomp_clamp(rescomp_round_half_up_shift((int32_t)a[i] * b[i], shift), low, high);
    }
}
