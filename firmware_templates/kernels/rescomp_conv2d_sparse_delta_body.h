/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a convolution of values of type RESCOMP_ACTIVATION and of the weights of a delta
 * (rescomp_sparse.h), whose values RESCOMP_VALUE reads.
 */
#include "rescomp_kernels.h"
#include "rescomp_sparse_patch.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const int32_t columns = (int32_t)shape.kernel.y * (int32_t)shape.kernel.x * (int32_t)shape.input.channels;

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width;) {
            const rescomp_sparse_block block = rescomp_sparse_block_at(&shape, out_y, out_x);
            rescomp_sparse_reader reader = rescomp_sparse_reader_at(weight);
            int32_t place = rescomp_sparse_skip(&reader);

            for (rescomp_count row = 0; row < shape.output.channels; ++row) {
                rescomp_sparse_line line = rescomp_sparse_first_line(&block);
                rescomp_sparse_sums sums = {0, 0, 0, 0};

                while (place < columns) {
                    rescomp_sparse_next(&sums, &line, &block, input, place, RESCOMP_VALUE(&reader));
                    place += 1 + rescomp_sparse_skip(&reader);
                }
                place -= columns;
                rescomp_sparse_store(sums, &block, output, row, shape.output.channels, &by);
            }
            output += block.count * shape.output.channels;
            out_x = (rescomp_count)(out_x + block.count);
        }
    }
}
