/* SPDX-License-Identifier: 0BSD */
/* The definition of RESCOMP_KERNEL, a convolution of values of type RESCOMP_ACTIVATION and of 3:4 ternary weights. */
#include "rescomp_kernels.h"
#include "rescomp_ternary.h"

/* Walks a patch in the order of the weights' columns: channels fastest, then width, then height. */
typedef struct {
    int32_t y, x; /* the patch's corner in the input, negative inside the padding */
    rescomp_count row, column, channel;
} cursor;

/* The patch's next entry; 0 in the padding and past the patch's end. */
static RESCOMP_ACTIVATION next_entry(cursor *at, const RESCOMP_ACTIVATION *input, const rescomp_conv2d_shape *shape)
{
    const int32_t y = at->y + (int32_t)at->row;
    const int32_t x = at->x + (int32_t)at->column;
    const rescomp_count channel = at->channel;

    if (at->row == shape->kernel.y) {
        return 0;
    }
    if (++at->channel == shape->input.channels) {
        at->channel = 0;
        if (++at->column == shape->kernel.x) {
            at->column = 0;
            ++at->row;
        }
    }
    if (y < 0 || y >= (int32_t)shape->input.height || x < 0 || x >= (int32_t)shape->input.width) {
        return 0;
    }
    return input[(y * (int32_t)shape->input.width + x) * (int32_t)shape->input.channels + (int32_t)channel];
}

static const RESCOMP_FLASH uint8_t *accumulate_patch(int32_t accumulator[RESCOMP_TERNARY_ROWS], cursor at,
                                                     const RESCOMP_ACTIVATION *input, const rescomp_conv2d_shape *shape,
                                                     const RESCOMP_FLASH uint8_t *weight)
{
    while (at.row < shape->kernel.y) {
        RESCOMP_ACTIVATION group[RESCOMP_TERNARY_COLUMNS];

        for (uint8_t i = 0; i < RESCOMP_TERNARY_COLUMNS; ++i) {
            group[i] = next_entry(&at, input, shape);
        }
        rescomp_ternary_accumulate(accumulator, group, weight);
        weight += RESCOMP_TERNARY_BYTES;
    }
    return weight;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const cursor start = {
                .y = (int32_t)out_y * (int32_t)shape.stride.y - (int32_t)shape.pad.y,
                .x = (int32_t)out_x * (int32_t)shape.stride.x - (int32_t)shape.pad.x,
            };
            const RESCOMP_FLASH uint8_t *block = weight;

            for (rescomp_count first_row = 0; first_row < shape.output.channels; first_row = (rescomp_count)(first_row + RESCOMP_TERNARY_ROWS)) {
                int32_t accumulator[RESCOMP_TERNARY_ROWS] = {0, 0, 0, 0, 0, 0, 0, 0};

                block = accumulate_patch(accumulator, start, input, &shape, block);
                output = rescomp_ternary_store(accumulator, output, first_row, shape.output.channels, &by);
            }
        }
    }
}
