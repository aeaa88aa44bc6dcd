/* SPDX-License-Identifier: 0BSD */
/*
 * The body of a depthwise convolution with int8 weights, for the file that includes it once and defines
 * RESCOMP_ACTIVATION (the type of inputs and outputs) and RESCOMP_KERNEL (the function's name).
 */
#include "rescomp_channel_dot.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH int8_t *weight, rescomp_requantization by)
{
    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);

            for (rescomp_count c = 0; c < shape.output.channels; ++c) {
                *output++ = (RESCOMP_ACTIVATION)rescomp_requantize(channel_dot(input + c, weight + c, &shape, at), &by, c);
            }
        }
    }
}
