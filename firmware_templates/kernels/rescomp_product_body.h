/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, the accumulators of a matrix-vector product: of values of type RESCOMP_ACTIVATION and of the
 * weights that rescomp_dot reads (rescomp_dot_<weights>.h).
 */
#include "rescomp_kernels.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, rescomp_count columns, rescomp_count rows,
                    const RESCOMP_FLASH RESCOMP_WEIGHT *weight, int32_t *accumulator)
{
    for (rescomp_count row = 0; row < rows; ++row) {
        accumulator[row] = rescomp_dot(input, weight, 0, columns);
        weight += rescomp_row_bytes((int32_t)columns);
    }
}
