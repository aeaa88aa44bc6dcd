/* SPDX-License-Identifier: 0BSD */
/* The inner product of a patch of RESCOMP_ACTIVATION and the weights that rescomp_dot reads (rescomp_dot_<weights>.h). */
#ifndef RESCOMP_PATCH_DOT_H
#define RESCOMP_PATCH_DOT_H

#include "rescomp_window.h"

/* One output channel at one position: in each row of the patch, columns and channels are contiguous on both sides. */
static int32_t rescomp_patch_dot(const RESCOMP_ACTIVATION *input, const RESCOMP_FLASH RESCOMP_WEIGHT *weight,
                                 const rescomp_conv2d_shape *shape, rescomp_window at)
{
    const rescomp_count count = rescomp_window_run(at, shape);
    int32_t sum = 0;

    if (count == 0) {
        return 0;
    }
    for (rescomp_count i = at.top; i < at.bottom; ++i) {
        const RESCOMP_ACTIVATION *const source = input + rescomp_window_source(at, shape, i);

        sum += rescomp_dot(source, weight, rescomp_window_kernel(at, shape, i), count);
    }
    return sum;
}

#endif
