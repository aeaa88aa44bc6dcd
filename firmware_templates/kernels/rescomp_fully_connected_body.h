/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a matrix-vector product of values of type RESCOMP_ACTIVATION and of the weights that
 * rescomp_dot reads (rescomp_dot_<weights>.h).
 */
#include "rescomp_kernels.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_count columns, rescomp_count rows,
                    const RESCOMP_FLASH RESCOMP_WEIGHT *weight, rescomp_requantization by)
{
    for (rescomp_count row = 0; row < rows; ++row) {
        output[row] = (RESCOMP_ACTIVATION)rescomp_requantize(rescomp_dot(input, weight, 0, columns), &by, row);
        weight += rescomp_row_bytes((int32_t)columns);
    }
}
