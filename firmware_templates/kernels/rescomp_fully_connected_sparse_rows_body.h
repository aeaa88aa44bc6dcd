/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a matrix-vector product of values of type RESCOMP_ACTIVATION and of stored rows
 * (rescomp_sparse.h) that rescomp_dot reads (rescomp_dot_<weights>.h).
 */
#include "rescomp_kernels.h"
#include "rescomp_sparse.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_count columns, rescomp_count rows,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const RESCOMP_FLASH RESCOMP_WEIGHT *dense = (const RESCOMP_FLASH RESCOMP_WEIGHT *)(weight + (rows + 7u) / 8);

    for (rescomp_count row = 0; row < rows; ++row) {
        int32_t sum = 0;

        if (rescomp_sparse_bit(weight, row)) {
            sum = rescomp_dot(input, dense, 0, columns);
            dense += rescomp_row_bytes((int32_t)columns);
        }
        output[row] = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
    }
}
