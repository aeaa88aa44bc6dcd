/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a convolution of values of type RESCOMP_ACTIVATION and of the weights of a bitmap
 * (rescomp_sparse.h), whose values RESCOMP_VALUE reads.
 */
#include "rescomp_kernels.h"
#include "rescomp_sparse_patch.h"

/* One output channel. */
static rescomp_sparse_sums sparse_dot(const rescomp_sparse_block *block, const RESCOMP_ACTIVATION *input,
                                      const RESCOMP_FLASH uint8_t *bitmap, int32_t columns, rescomp_sparse_reader *values)
{
    rescomp_sparse_line line = rescomp_sparse_first_line(block);
    rescomp_sparse_sums sums = {0, 0, 0, 0};
    rescomp_sparse_reader reader = *values;

    for (int32_t first = 0; first < columns; first += 8) {
        int32_t place = first;

        for (unsigned places = *bitmap++; places != 0; places >>= 1) {
            if (places & 1) {
                rescomp_sparse_next(&sums, &line, block, input, place, RESCOMP_VALUE(&reader));
            }
            ++place;
        }
    }
    *values = reader;
    return sums;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const int32_t columns = (int32_t)shape.kernel.y * (int32_t)shape.kernel.x * (int32_t)shape.input.channels;
    const int32_t row_bytes = (columns + 7) / 8;

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width;) {
            const rescomp_sparse_block block = rescomp_sparse_block_at(&shape, out_y, out_x);
            const RESCOMP_FLASH uint8_t *bitmap = weight;
            rescomp_sparse_reader values = rescomp_sparse_reader_at(weight + (int32_t)shape.output.channels * row_bytes);

            for (rescomp_count row = 0; row < shape.output.channels; ++row) {
                const rescomp_sparse_sums sums = sparse_dot(&block, input, bitmap, columns, &values);

                bitmap += row_bytes;
                rescomp_sparse_store(sums, &block, output, row, shape.output.channels, &by);
            }
            output += block.count * shape.output.channels;
            out_x = (rescomp_count)(out_x + block.count);
        }
    }
}
