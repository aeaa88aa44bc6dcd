/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a convolution of values of type RESCOMP_ACTIVATION and of stored kernels (rescomp_sparse.h), whose
 * values RESCOMP_VALUE_AT reads.
 */
#include "rescomp_kernels.h"
#include "rescomp_sparse.h"
#include "rescomp_window.h"

/* One kernel at one position; input points to its channel. Its first value is at `place`. */
static int32_t kernel_dot(const RESCOMP_ACTIVATION *input, const RESCOMP_FLASH uint8_t *values, uint32_t place,
                          const rescomp_conv2d_shape *shape, rescomp_window at)
{
    const rescomp_count count = rescomp_window_run(at, shape);
    int32_t sum = 0;

    if (count == 0) {
        return 0;
    }
    for (rescomp_count i = at.top; i < at.bottom; ++i) {
        const RESCOMP_ACTIVATION *const source = input + rescomp_window_source(at, shape, i);
        uint32_t next = place + (uint32_t)i * shape->kernel.x + at.left;

        for (rescomp_count k = 0; k < count; k = (rescomp_count)(k + shape->input.channels)) {
            sum += (int32_t)source[k] * RESCOMP_VALUE_AT(values, next);
            ++next;
        }
    }
    return sum;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const rescomp_count row_bytes = (rescomp_count)((shape.input.channels + 7u) / 8);
    const RESCOMP_FLASH uint8_t *const values = weight + (uint32_t)shape.output.channels * row_bytes;
    const uint32_t entries = (uint32_t)shape.kernel.y * shape.kernel.x;

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);
            const RESCOMP_FLASH uint8_t *bitmap = weight;
            uint32_t place = 0;

            for (rescomp_count row = 0; row < shape.output.channels; ++row) {
                int32_t sum = 0;

                for (rescomp_count byte = 0; byte < row_bytes; ++byte) {
                    const RESCOMP_ACTIVATION *channel = input + byte * 8u;

                    for (unsigned kernels = *bitmap++; kernels != 0; kernels >>= 1) {
                        if (kernels & 1) {
                            sum += kernel_dot(channel, values, place, &shape, at);
                            place += entries;
                        }
                        ++channel;
                    }
                }
                *output++ = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
            }
        }
    }
}
