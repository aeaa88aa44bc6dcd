/* SPDX-License-Identifier: 0BSD */
#include "rescomp_int4.h"
#include "rescomp_kernels.h"

void rescomp_fully_connected_int16_int4(const int16_t *input, int16_t *output, uint16_t columns, uint16_t rows,
                                        const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    for (uint16_t row = 0; row < rows; ++row) {
        output[row] = rescomp_requantize(rescomp_dot_int16_int4(input, weight, 0, columns), &by, row);
        weight += rescomp_int4_row_bytes(columns);
    }
}
