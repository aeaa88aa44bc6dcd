/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a convolution of values of type RESCOMP_ACTIVATION and of stored kernels
 * (rescomp_sparse.h), whose values RESCOMP_VALUE_AT reads.
 */
#include "rescomp_kernels.h"
#include "rescomp_sparse_patch.h"

/* One kernel, whose values begin at `place`; source: the entry of its channel that the first value is for. */
static void kernel_dot(rescomp_sparse_sums *sums, const rescomp_sparse_block *block, const RESCOMP_ACTIVATION *input,
                       const RESCOMP_FLASH uint8_t *values, uint32_t place, int32_t source, const rescomp_conv2d_shape *shape)
{
    const int32_t channels = (int32_t)shape->input.channels;
    rescomp_sparse_sums sum = *sums;

    source += (int32_t)block->top * block->input_line;
    place += (uint32_t)block->top * shape->kernel.x;
    for (rescomp_count line = block->top; line < block->bottom; ++line) {
        for (int32_t within = 0; within < block->kernel_line; within += channels) {
            rescomp_sparse_add(&sum, block, input, source + within, within, RESCOMP_VALUE_AT(values, place));
            ++place;
        }
        source += block->input_line;
    }
    *sums = sum;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const rescomp_count row_bytes = (rescomp_count)((shape.input.channels + 7u) / 8);
    const RESCOMP_FLASH uint8_t *const values = weight + (uint32_t)shape.output.channels * row_bytes;
    const uint32_t entries = (uint32_t)shape.kernel.y * shape.kernel.x;

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width;) {
            const rescomp_sparse_block block = rescomp_sparse_block_at(&shape, out_y, out_x);
            const RESCOMP_FLASH uint8_t *bitmap = weight;
            uint32_t place = 0;

            for (rescomp_count row = 0; row < shape.output.channels; ++row) {
                rescomp_sparse_sums sums = {0, 0, 0, 0};

                for (rescomp_count byte = 0; byte < row_bytes; ++byte) {
                    int32_t source = block.source + (int32_t)byte * 8;

                    for (unsigned kernels = *bitmap++; kernels != 0; kernels >>= 1) {
                        if (kernels & 1) {
                            kernel_dot(&sums, &block, input, values, place, source, &shape);
                            place += entries;
                        }
                        ++source;
                    }
                }
                rescomp_sparse_store(sums, &block, output, row, shape.output.channels, &by);
            }
            output += block.count * shape.output.channels;
            out_x = (rescomp_count)(out_x + block.count);
        }
    }
}
