/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a convolution of values of type RESCOMP_ACTIVATION: each position's patch is multiplied by all
 * weights with RESCOMP_PRODUCT and requantized with RESCOMP_REQUANTIZE_ROWS. A patch that lies in one piece in the input is read there;
 * another one is put together in `patch` first. RESCOMP_TABLE is defined where the product takes a table.
 */
#include <string.h>

#include "rescomp_kernels.h"
#include "rescomp_window.h"

static const RESCOMP_ACTIVATION *gather(const RESCOMP_ACTIVATION *input, const rescomp_conv2d_shape *shape, rescomp_window at,
                                        rescomp_count columns, RESCOMP_ACTIVATION *patch)
{
    const rescomp_count count = rescomp_window_run(at, shape);
    const int whole_rows = at.left == 0 && at.right == shape->kernel.x && at.top == 0 && at.bottom == shape->kernel.y;

    if (whole_rows && (shape->kernel.y == 1 || shape->kernel.x == shape->input.width)) {
        return input + rescomp_window_source(at, shape, 0);
    }
    if (!whole_rows) {
        memset(patch, 0, columns * sizeof *patch);
    }
    if (count > 0) {
        for (rescomp_count i = at.top; i < at.bottom; ++i) {
            memcpy(patch + rescomp_window_kernel(at, shape, i), input + rescomp_window_source(at, shape, i), count * sizeof *patch);
        }
    }
    return patch;
}

#ifdef RESCOMP_TABLE
#define TABLE_PARAMETER , uint16_t *table
#define TABLE_ARGUMENT , table
#else
#define TABLE_PARAMETER
#define TABLE_ARGUMENT
#endif

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH RESCOMP_WEIGHT *weight, rescomp_requantization by, RESCOMP_ACTIVATION *patch,
                    int32_t *accumulator TABLE_PARAMETER)
{
    const rescomp_count columns = (rescomp_count)(shape.kernel.y * shape.kernel.x * shape.input.channels);

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);

            RESCOMP_PRODUCT(gather(input, &shape, at, columns, patch), columns, shape.output.channels, weight,
                            accumulator TABLE_ARGUMENT);
            RESCOMP_REQUANTIZE_ROWS(accumulator, output, shape.output.channels, by);
            output += shape.output.channels;
        }
    }
}
