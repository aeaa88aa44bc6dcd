/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, the accumulators of a matrix-vector product: of values of type RESCOMP_ACTIVATION and of the
 * weights that rescomp_dot reads (rescomp_dot_<weights>.h).
 */
#include "rescomp_kernels.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, uint16_t columns, uint16_t rows,
                    const RESCOMP_FLASH RESCOMP_WEIGHT *weight, int32_t *accumulator)
{
    for (uint16_t row = 0; row < rows; ++row) {
        accumulator[row] = rescomp_dot(input, weight, 0, columns);
        weight += rescomp_row_bytes(columns);
    }
}
