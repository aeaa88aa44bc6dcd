/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a convolution of values of type RESCOMP_ACTIVATION and of stored rows (rescomp_sparse.h) that
 * rescomp_dot reads (rescomp_dot_<weights>.h).
 */
#include "rescomp_kernels.h"
#include "rescomp_patch_dot.h"
#include "rescomp_sparse.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_conv2d_shape shape,
                    const RESCOMP_FLASH uint8_t *weight, rescomp_requantization by)
{
    const int32_t row_bytes = rescomp_row_bytes((int32_t)shape.kernel.y * (int32_t)shape.kernel.x * (int32_t)shape.input.channels);

    for (rescomp_count out_y = 0; out_y < shape.output.height; ++out_y) {
        for (rescomp_count out_x = 0; out_x < shape.output.width; ++out_x) {
            const rescomp_window at = rescomp_place_window(&shape, out_y, out_x);
            const RESCOMP_FLASH RESCOMP_WEIGHT *dense =
                (const RESCOMP_FLASH RESCOMP_WEIGHT *)(weight + (shape.output.channels + 7u) / 8);

            for (rescomp_count row = 0; row < shape.output.channels; ++row) {
                int32_t sum = 0;

                if (rescomp_sparse_bit(weight, row)) {
                    sum = rescomp_patch_dot(input, dense, &shape, at);
                    dense += row_bytes;
                }
                *output++ = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
            }
        }
    }
}
