/* SPDX-License-Identifier: 0BSD */
#ifndef RESCOMP_WINDOW_H
#define RESCOMP_WINDOW_H

#include "rescomp_kernels.h"

/* The part of a patch that lies inside the input: patch rows [top, bottom), in each of them columns [left, right). */
typedef struct {
    int32_t y, x; /* the patch's corner in the input, negative inside the padding */
    rescomp_count top, bottom, left, right;
} rescomp_window;

static inline rescomp_window rescomp_place_window(const rescomp_conv2d_shape *shape, rescomp_count out_y, rescomp_count out_x)
{
    const int32_t y = (int32_t)out_y * (int32_t)shape->stride.y - (int32_t)shape->pad.y;
    const int32_t x = (int32_t)out_x * (int32_t)shape->stride.x - (int32_t)shape->pad.x;

    return (rescomp_window){
        .y = y,
        .x = x,
        .top = (rescomp_count)rescomp_clamp(-y, 0, (int32_t)shape->kernel.y),
        .bottom = (rescomp_count)rescomp_clamp((int32_t)shape->input.height - y, 0, (int32_t)shape->kernel.y),
        .left = (rescomp_count)rescomp_clamp(-x, 0, (int32_t)shape->kernel.x),
        .right = (rescomp_count)rescomp_clamp((int32_t)shape->input.width - x, 0, (int32_t)shape->kernel.x),
    };
}

/* Of row i of a patch: where its run of contiguous entries begins in the input and in the weights of one output channel. */
static inline int32_t rescomp_window_source(rescomp_window at, const rescomp_conv2d_shape *shape, rescomp_count i)
{
    return ((at.y + (int32_t)i) * (int32_t)shape->input.width + at.x + (int32_t)at.left) * (int32_t)shape->input.channels;
}

static inline int32_t rescomp_window_kernel(rescomp_window at, const rescomp_conv2d_shape *shape, rescomp_count i)
{
    return ((int32_t)i * (int32_t)shape->kernel.x + (int32_t)at.left) * (int32_t)shape->input.channels;
}

/* How many entries such a run has. */
static inline rescomp_count rescomp_window_run(rescomp_window at, const rescomp_conv2d_shape *shape)
{
    return at.right > at.left ? (rescomp_count)((at.right - at.left) * shape->input.channels) : 0;
}

#endif
