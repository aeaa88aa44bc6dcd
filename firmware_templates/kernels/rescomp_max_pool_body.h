/* SPDX-License-Identifier: 0BSD */
/*
 * The body of a max pool, for the file that includes it once and defines RESCOMP_ACTIVATION (the type of inputs and
 * outputs) and RESCOMP_KERNEL (the function's name).
 */
#include "rescomp_kernels.h"
#include "rescomp_window.h"

/* One channel at one position, of which some part lies inside the input; input points to the channel's first entry. */
static RESCOMP_ACTIVATION channel_max(const RESCOMP_ACTIVATION *input, const rescomp_conv2d_shape *shape, rescomp_window at)
{
    const rescomp_count count = rescomp_window_run(at, shape);
    RESCOMP_ACTIVATION best = input[rescomp_window_source(at, shape, at.top)];

    for (rescomp_count i = at.top; i < at.bottom; ++i) {
        const RESCOMP_ACTIVATION *const source = input + rescomp_window_source(at, shape, i);

        for (rescomp_count k = 0; k < count; k = (rescomp_count)(k + shape->input.channels)) {
            best = source[k] > best ? source[k] : best;
        }
    }
    return best;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape)
{
    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);

            for (rescomp_count c = 0; c < shape.output.channels; ++c) {
                *output++ = channel_max(input + c, &shape, at);
            }
        }
    }
}
