/* SPDX-License-Identifier: 0BSD */
/* The DSP extension for rescomp_depthwise_conv2d_body.h: four channels at once where only shifts rescale them. */
#define RESCOMP_ACTIVATION int8_t
#include "rescomp_channel_dot.h"
#include "rescomp_four_channels_dsp.h"

#define CHANNELS 4
#define IN_EACH_BYTE UINT32_C(0x01010101)

static const int32_t no_bias[CHANNELS] = {0, 0, 0, 0};

/* Of `channels` channels, how many four_channels computes. */
static rescomp_count in_fours(rescomp_count channels, const rescomp_requantization *by)
{
    if (by->multiplier) {
        return 0;
    }
    for (rescomp_count c = 0; c < (by->shift_step ? channels : 1); ++c) {
        if (by->shift[c] < 1) {
            return 0;
        }
    }
    return channels / CHANNELS * CHANNELS;
}

/* What is the same at all positions. shift: four of them, where there is one for all channels. */
static four_channels_position everywhere(const rescomp_conv2d_shape *shape, const rescomp_requantization *by, const int8_t *shift)
{
    four_channels_position at;

    at.bias_step = by->bias ? CHANNELS * sizeof *by->bias : 0;
    at.bias = by->bias ? by->bias : no_bias;
    at.shift_step = by->shift_step ? CHANNELS : 0;
    at.shift = by->shift_step ? by->shift : shift;
    at.low = (uint8_t)by->low * IN_EACH_BYTE;
    at.high = (uint8_t)by->high * IN_EACH_BYTE;
    at.weight_row = shape->kernel.x * shape->input.channels;
    return at;
}

/* The first `fours` channels of the position whose window, which is not empty, is `window`. */
static void first_channels(const int8_t *input, int8_t *output, const int8_t *weight, const rescomp_conv2d_shape *shape,
                           rescomp_window window, rescomp_count fours, four_channels_position at)
{
    const uint32_t channels = shape->input.channels, kernel_row = at.weight_row;
    uint32_t input_row = shape->input.width * channels, passed = 0;

    at.output = output;
    at.output_end = output + fours;
    at.rows = window.bottom - window.top;
    at.run = window.right - window.left;
    if (at.run != 2 && at.run != 3) {
        passed = at.run * channels;
    }
    at.input_back = at.rows * input_row - CHANNELS;
    at.weight_back = at.rows * kernel_row - CHANNELS;
    input_row -= passed;
    at.weight_row -= passed;
    four_channels(input + rescomp_window_source(window, shape, window.top), weight + rescomp_window_kernel(window, shape, window.top),
                  channels, input_row, at);
}

void rescomp_depthwise_conv2d_int8_int8(const int8_t *input, int8_t *output, rescomp_conv2d_shape shape,
                                        const RESCOMP_FLASH int8_t *weight, rescomp_requantization by)
{
    const int8_t shift[CHANNELS] = {*by.shift, *by.shift, *by.shift, *by.shift};
    const four_channels_position at = everywhere(&shape, &by, shift);
    const rescomp_count fours = in_fours(shape.output.channels, &by);

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window window = rescomp_place_window(&shape, out_y, out_x);
            rescomp_count c = 0;

            if (fours > 0 && window.right > window.left && window.bottom > window.top) {
                first_channels(input, output, weight, &shape, window, fours, at);
                c = fours;
            }
            for (; c < shape.output.channels; ++c) {
                output[c] = (int8_t)rescomp_requantize(channel_dot(input + c, weight + c, &shape, window), &by, c);
            }
            output += shape.output.channels;
        }
    }
}
