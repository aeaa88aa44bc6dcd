/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a convolution of values of type RESCOMP_ACTIVATION and of the weights of a bitmap
 * (rescomp_sparse.h), whose values RESCOMP_VALUE reads.
 */
#include "rescomp_kernels.h"
#include "rescomp_sparse_patch.h"

/* One output channel at one position, whose first line is `line`. */
static int32_t sparse_dot(rescomp_sparse_line line, const RESCOMP_ACTIVATION *input, const RESCOMP_FLASH uint8_t *bitmap,
                          int32_t columns, rescomp_sparse_reader *values, const rescomp_window *at,
                          const rescomp_conv2d_shape *shape, const rescomp_sparse_lines *lines)
{
    int32_t sum = 0;

    for (int32_t first = 0; first < columns; first += 8) {
        int32_t place = first;

        for (unsigned places = *bitmap++; places != 0; places >>= 1) {
            if (places & 1) {
                sum += (int32_t)rescomp_sparse_entry(&line, place, input, at, shape, lines) * RESCOMP_VALUE(values);
            }
            ++place;
        }
    }
    return sum;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const rescomp_sparse_lines lines = rescomp_sparse_lines_of(&shape);
    const int32_t columns = (int32_t)shape.kernel.y * lines.kernel;
    const int32_t row_bytes = (columns + 7) / 8;

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);
            const rescomp_sparse_line first = rescomp_sparse_line_at(&at, &shape, &lines);
            rescomp_sparse_reader values = rescomp_sparse_reader_at(weight + (int32_t)shape.output.channels * row_bytes);

            for (rescomp_count row = 0; row < shape.output.channels; ++row) {
                const int32_t sum =
                    sparse_dot(first, input, weight + (int32_t)row * row_bytes, columns, &values, &at, &shape, &lines);

                *output++ = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
            }
        }
    }
}
