/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a matrix-vector product of values of type RESCOMP_ACTIVATION and of the weights of a bitmap
 * (rescomp_sparse.h), whose values RESCOMP_VALUE reads.
 */
#include "rescomp_kernels.h"
#include "rescomp_sparse.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_count columns, rescomp_count rows,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const rescomp_count row_bytes = (rescomp_count)((columns + 7u) / 8);
    rescomp_sparse_reader values = rescomp_sparse_reader_at(weight + (uint32_t)rows * row_bytes);

    for (rescomp_count row = 0; row < rows; ++row) {
        int32_t sum = 0;

        for (rescomp_count byte = 0; byte < row_bytes; ++byte) {
            const RESCOMP_ACTIVATION *entry = input + byte * 8u;

            for (unsigned places = *weight++; places != 0; places >>= 1) {
                if (places & 1) {
                    sum += (int32_t)*entry * RESCOMP_VALUE(&values);
                }
                ++entry;
            }
        }
        output[row] = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
    }
}
