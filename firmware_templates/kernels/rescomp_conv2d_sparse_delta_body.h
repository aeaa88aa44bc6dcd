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
    const rescomp_sparse_lines lines = rescomp_sparse_lines_of(&shape);
    const int32_t columns = (int32_t)shape.kernel.y * lines.kernel;

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);
            const rescomp_sparse_line first = rescomp_sparse_line_at(&at, &shape, &lines);
            rescomp_sparse_reader reader = rescomp_sparse_reader_at(weight);
            int32_t place = rescomp_sparse_skip(&reader);

            for (rescomp_count row = 0; row < shape.output.channels; ++row) {
                rescomp_sparse_line line = first;
                int32_t sum = 0;

                while (place < columns) {
                    sum += (int32_t)rescomp_sparse_entry(&line, place, input, &at, &shape, &lines) * RESCOMP_VALUE(&reader);
                    place += 1 + rescomp_sparse_skip(&reader);
                }
                place -= columns;
                *output++ = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
            }
        }
    }
}
