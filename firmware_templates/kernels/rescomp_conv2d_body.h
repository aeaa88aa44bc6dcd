/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a convolution of values of type RESCOMP_ACTIVATION and of the weights that rescomp_dot
 * reads (rescomp_dot_<weights>.h).
 */
#include "rescomp_kernels.h"
#include "rescomp_patch_dot.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH RESCOMP_WEIGHT *weight, rescomp_requantization by)
{
    const int32_t row_bytes = rescomp_row_bytes((int32_t)shape.kernel.y * (int32_t)shape.kernel.x * (int32_t)shape.input.channels);

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);

            for (rescomp_count row = 0; row < shape.output.channels; ++row) {
                const int32_t sum = rescomp_patch_dot(input, weight + (int32_t)row * row_bytes, &shape, at);

                *output++ = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
            }
        }
    }
}
