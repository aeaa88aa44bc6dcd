/* SPDX-License-Identifier: 0BSD */
#include "rescomp_row_scales.h"

void rescomp_requantize_rows_int16_high(const int32_t *accumulator, int16_t *output, rescomp_count rows, rescomp_row_scales by)
{
    for (rescomp_count row = 0; row < rows; ++row) {
        const int64_t product = (int64_t)rescomp_lifted_sum(accumulator, row, &by) * (int32_t)by.scale[row];

        output[row] = (int16_t)rescomp_clamp((int32_t)((product + (INT64_C(1) << 31)) >> 32), by.low, by.high);
    }
}
