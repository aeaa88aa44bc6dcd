/* SPDX-License-Identifier: 0BSD */
#include "rescomp_dot.h"
#include "rescomp_kernels.h"

void rescomp_fully_connected_int16_int8(const int16_t *input, int16_t *output, uint16_t columns, uint16_t rows,
                                        const RESCOMP_FLASH int8_t *weight, rescomp_requantization by)
{
    for (uint16_t row = 0; row < rows; ++row) {
        output[row] = rescomp_requantize(rescomp_dot_int16_int8(input, weight, columns), &by, row);
        weight += columns;
    }
}
