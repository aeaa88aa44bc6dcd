/* SPDX-License-Identifier: 0BSD */
/* For depthwise convolutions with int8 weights. The file that includes it defines RESCOMP_ACTIVATION, the type of inputs and outputs. */
#ifndef RESCOMP_CHANNEL_DOT_H
#define RESCOMP_CHANNEL_DOT_H

#include "rescomp_kernels.h"
#include "rescomp_window.h"

/* One channel at one position; input and weight point to the channel's first entry. Along a row its entries are `channels` apart. */
static int32_t channel_dot(const RESCOMP_ACTIVATION *input, const RESCOMP_FLASH int8_t *weight,
                           const rescomp_conv2d_shape *shape, rescomp_window at)
{
    const rescomp_count count = rescomp_window_run(at, shape);
    int32_t sum = 0;

    if (count == 0) {
        return 0;
    }
    for (rescomp_count i = at.top; i < at.bottom; ++i) {
        const RESCOMP_ACTIVATION *const source = input + rescomp_window_source(at, shape, i);
        const RESCOMP_FLASH int8_t *const factor = weight + rescomp_window_kernel(at, shape, i);

        for (rescomp_count k = 0; k < count; k = (rescomp_count)(k + shape->input.channels)) {
            sum += (int32_t)source[k] * factor[k];
        }
    }
    return sum;
}

#endif
