/* SPDX-License-Identifier: 0BSD */
#ifndef RESCOMP_WINDOW_H
#define RESCOMP_WINDOW_H

#include "rescomp_kernels.h"

/* The part of a patch that lies inside the input: patch rows [top, bottom), in each of them columns [left, right). */
typedef struct {
    int32_t y, x; /* the patch's corner in the input, negative inside the padding */
    uint16_t top, bottom, left, right;
} rescomp_window;

static inline rescomp_window rescomp_place_window(const rescomp_conv2d_shape *shape, uint16_t out_y, uint16_t out_x)
{
    const int32_t y = (int32_t)out_y * shape->stride.y - shape->pad.y;
    const int32_t x = (int32_t)out_x * shape->stride.x - shape->pad.x;

    return (rescomp_window){
        .y = y,
        .x = x,
        .top = (uint16_t)rescomp_clamp(-y, 0, shape->kernel.y),
        .bottom = (uint16_t)rescomp_clamp(shape->input.height - y, 0, shape->kernel.y),
        .left = (uint16_t)rescomp_clamp(-x, 0, shape->kernel.x),
        .right = (uint16_t)rescomp_clamp(shape->input.width - x, 0, shape->kernel.x),
    };
}

/* Of row i of a patch: where its run of contiguous entries begins in the input and in the weights of one output channel. */
static inline int32_t rescomp_window_source(rescomp_window at, const rescomp_conv2d_shape *shape, uint16_t i)
{
    return ((at.y + i) * shape->input.width + at.x + at.left) * shape->input.channels;
}

static inline int32_t rescomp_window_kernel(rescomp_window at, const rescomp_conv2d_shape *shape, uint16_t i)
{
    return ((int32_t)i * shape->kernel.x + at.left) * shape->input.channels;
}

/* How many entries such a run has. */
static inline uint16_t rescomp_window_run(rescomp_window at, const rescomp_conv2d_shape *shape)
{
    return at.right > at.left ? (uint16_t)((at.right - at.left) * shape->input.channels) : 0;
}

#endif
