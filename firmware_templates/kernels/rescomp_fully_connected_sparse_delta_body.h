/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a matrix-vector product of values of type RESCOMP_ACTIVATION and of the weights of a delta
 * (rescomp_sparse.h), whose values RESCOMP_VALUE reads.
 */
#include "rescomp_kernels.h"
#include "rescomp_sparse.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_count columns, rescomp_count rows,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    rescomp_sparse_reader reader = rescomp_sparse_reader_at(weight);
    int32_t column = rescomp_sparse_skip(&reader);

    for (rescomp_count row = 0; row < rows; ++row) {
        int32_t sum = 0;

        while (column < (int32_t)columns) {
            sum += (int32_t)input[column] * RESCOMP_VALUE(&reader);
            column += 1 + rescomp_sparse_skip(&reader);
        }
        column -= (int32_t)columns;
        output[row] = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
    }
}
