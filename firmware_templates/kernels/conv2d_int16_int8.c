/* SPDX-License-Identifier: 0BSD */
#include "rescomp_dot.h"
#include "rescomp_kernels.h"

/* The part of a patch that lies inside the input: patch rows [top, bottom), in each of them columns [left, right). */
typedef struct {
    int32_t y, x; /* the patch's corner in the input, negative inside the padding */
    uint16_t top, bottom, left, right;
} window;

static window place_window(const rescomp_conv2d_shape *shape, uint16_t out_y, uint16_t out_x)
{
    const int32_t y = (int32_t)out_y * shape->stride.y - shape->pad.y;
    const int32_t x = (int32_t)out_x * shape->stride.x - shape->pad.x;

    return (window){
        .y = y,
        .x = x,
        .top = (uint16_t)rescomp_clamp(-y, 0, shape->kernel.y),
        .bottom = (uint16_t)rescomp_clamp(shape->input.height - y, 0, shape->kernel.y),
        .left = (uint16_t)rescomp_clamp(-x, 0, shape->kernel.x),
        .right = (uint16_t)rescomp_clamp(shape->input.width - x, 0, shape->kernel.x),
    };
}

/* One output channel at one position: in each row of the patch, columns and channels are contiguous on both sides. */
static int32_t patch_dot(const int16_t *input, const RESCOMP_FLASH int8_t *weight, const rescomp_conv2d_shape *shape, window at)
{
    int32_t sum = 0;

    if (at.right <= at.left) {
        return 0;
    }
    for (uint16_t i = at.top; i < at.bottom; ++i) {
        const int32_t source = ((at.y + i) * shape->input.width + at.x + at.left) * shape->input.channels;
        const int32_t kernel = ((int32_t)i * shape->kernel.x + at.left) * shape->input.channels;

        sum += rescomp_dot_int16_int8(input + source, weight + kernel, (uint16_t)((at.right - at.left) * shape->input.channels));
    }
    return sum;
}

void rescomp_conv2d_int16_int8(const int16_t *input, int16_t *output, rescomp_conv2d_shape shape,
                               const RESCOMP_FLASH int8_t *weight, rescomp_requantization by)
{
    const int32_t columns = (int32_t)shape.kernel.y * shape.kernel.x * shape.input.channels;

    for (uint16_t out_y = 0; out_y < shape.output.height; ++out_y) {
        for (uint16_t out_x = 0; out_x < shape.output.width; ++out_x) {
            const window at = place_window(&shape, out_y, out_x);

            for (uint16_t row = 0; row < shape.output.channels; ++row) {
                *output++ = rescomp_requantize(patch_dot(input, weight + row * columns, &shape, at), &by, row);
            }
        }
    }
}
