/* SPDX-License-Identifier: 0BSD */
/*
 * The body of an average pool, for the file that includes it once and defines RESCOMP_ACTIVATION (the type of inputs and
 * outputs) and RESCOMP_KERNEL (the function's name).
 */
#include "rescomp_kernels.h"
#include "rescomp_window.h"

/* One channel at one position; input points to the channel's first entry. Along a row its entries are `channels` apart. */
static int32_t channel_sum(const RESCOMP_ACTIVATION *input, const rescomp_conv2d_shape *shape, rescomp_window at)
{
    const rescomp_count count = rescomp_window_run(at, shape);
    int32_t sum = 0;

    if (count == 0) {
        return 0;
    }
    for (rescomp_count i = at.top; i < at.bottom; ++i) {
        const RESCOMP_ACTIVATION *const source = input + rescomp_window_source(at, shape, i);

        for (rescomp_count k = 0; k < count; k = (rescomp_count)(k + shape->input.channels)) {
            sum += source[k];
        }
    }
    return sum;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    rescomp_requantization by)
{
    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);

            for (rescomp_count c = 0; c < shape.output.channels; ++c) {
                *output++ = (RESCOMP_ACTIVATION)rescomp_requantize(channel_sum(input + c, &shape, at), &by, 0);
            }
        }
    }
}
