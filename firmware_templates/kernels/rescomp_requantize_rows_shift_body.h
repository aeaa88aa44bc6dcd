/* SPDX-License-Identifier: 0BSD */
/* The definition of RESCOMP_KERNEL, the requantization of accumulators by shifts to values of type RESCOMP_ACTIVATION. */
#include "rescomp_kernels.h"

void RESCOMP_KERNEL(const int32_t *accumulator, RESCOMP_ACTIVATION *output, rescomp_count rows, rescomp_requantization by)
{
    for (rescomp_count row = 0; row < rows; ++row) {
        const int32_t sum = by.bias ? accumulator[row] + by.bias[row] : accumulator[row];

        output[row] = (RESCOMP_ACTIVATION)rescomp_clamp(rescomp_round_half_up_shift(sum, *by.shift), by.low, by.high);
        by.shift += by.shift_step;
    }
}
