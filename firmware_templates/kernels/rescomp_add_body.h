/* SPDX-License-Identifier: 0BSD */
/* The definition of RESCOMP_KERNEL, a sum of values of type RESCOMP_ACTIVATION. */
#include "rescomp_kernels.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *a, const RESCOMP_ACTIVATION *b, RESCOMP_ACTIVATION *output, rescomp_count count,
                    int16_t low, int16_t high)
{
    for (rescomp_count i = 0; i < count; ++i) {
        output[i] = (RESCOMP_ACTIVATION)rescomp_clamp((int32_t)a[i] + b[i], low, high);
    }
}
