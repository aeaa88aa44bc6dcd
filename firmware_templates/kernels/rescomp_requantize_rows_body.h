/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, the requantization of the accumulators of a product to values of type RESCOMP_ACTIVATION.
 * The questions that `by` answers alike for all rows are asked once: there is a loop for each answer.
 */
#include "rescomp_kernels.h"

static inline void rescomp_scale_rows(const int32_t *accumulator, RESCOMP_ACTIVATION *output, rescomp_count rows,
                                      rescomp_requantization by, int is_biased, int is_multiplied)
{
    for (rescomp_count row = 0; row < rows; ++row) {
        const int32_t sum = is_biased ? accumulator[row] + by.bias[row] : accumulator[row];
        const int32_t scaled = is_multiplied ? rescomp_scale_by_multiplier(sum, *by.multiplier, *by.shift)
                                             : rescomp_scale_by_power_of_two(sum, *by.shift);

        output[row] = (RESCOMP_ACTIVATION)rescomp_clamp(scaled, by.low, by.high);
        by.shift += by.shift_step;
        if (is_multiplied) {
            by.multiplier += by.multiplier_step;
        }
    }
}

void RESCOMP_KERNEL(const int32_t *accumulator, RESCOMP_ACTIVATION *output, rescomp_count rows, rescomp_requantization by)
{
    if (by.multiplier) {
        if (by.bias) {
            rescomp_scale_rows(accumulator, output, rows, by, 1, 1);
        } else {
            rescomp_scale_rows(accumulator, output, rows, by, 0, 1);
        }
    } else if (by.bias) {
        rescomp_scale_rows(accumulator, output, rows, by, 1, 0);
    } else {
        rescomp_scale_rows(accumulator, output, rows, by, 0, 0);
    }
}
