/* SPDX-License-Identifier: 0BSD */
#include "rescomp_dot.h"
#include "rescomp_kernels.h"
#include "rescomp_window.h"

/* One output channel at one position: in each row of the patch, columns and channels are contiguous on both sides. */
static int32_t patch_dot(const int16_t *input, const RESCOMP_FLASH int8_t *weight, const rescomp_conv2d_shape *shape,
                         rescomp_window at)
{
    const uint16_t count = rescomp_window_run(at, shape);
    int32_t sum = 0;

    if (count == 0) {
        return 0;
    }
    for (uint16_t i = at.top; i < at.bottom; ++i) {
        const int16_t *const source = input + rescomp_window_source(at, shape, i);

        sum += rescomp_dot_int16_int8(source, weight + rescomp_window_kernel(at, shape, i), count);
    }
    return sum;
}

void rescomp_conv2d_int16_int8(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                               const RESCOMP_FLASH int8_t *weight, rescomp_requantization by)
{
    const int32_t columns = (int32_t)shape.kernel.y * shape.kernel.x * shape.input.channels;

    for (uint16_t out_y = 0; out_y < shape.output.height; ++out_y) {
        for (uint16_t out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);

            for (uint16_t row = 0; row < shape.output.channels; ++row) {
                *output++ = rescomp_requantize(patch_dot(input, weight + row * columns, &shape, at), &by, row);
            }
        }
    }
}
