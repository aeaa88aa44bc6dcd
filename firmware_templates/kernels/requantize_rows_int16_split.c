/* SPDX-License-Identifier: 0BSD */
#include "rescomp_row_scales.h"

/*
 * (value * multiplier) >> 16, by splitting value = high * 2^16 + low: flooring the low product's surplus bits first does not
 * change the floor of the sum.
 */
static inline int32_t multiply_and_shift(int32_t value, int32_t multiplier)
{
    return (value >> 16) * multiplier + (((value & 0xffff) * multiplier) >> 16);
}

void rescomp_requantize_rows_int16_split(const int32_t *accumulator, int16_t *output, rescomp_count rows, rescomp_row_scales by)
{
    for (rescomp_count row = 0; row < rows; ++row) {
        const uint32_t scale = by.scale[row];
        const int32_t product = multiply_and_shift(rescomp_lifted_sum(accumulator, row, &by), (int32_t)(scale >> 16));

        /* The shift leaves one bit, by which the result is rounded. */
        output[row] = (int16_t)rescomp_clamp(rescomp_round_half_up_shift(product >> (scale & 0xff), 1), by.low, by.high);
    }
}
