/* SPDX-License-Identifier: 0BSD */
/* The definition of RESCOMP_KERNEL, the magnitudes of values of type RESCOMP_ACTIVATION. */
#include "rescomp_kernels.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_count count, int16_t high)
{
    for (rescomp_count i = 0; i < count; ++i) {
        const int32_t magnitude = input[i] < 0 ? -(int32_t)input[i] : input[i];
        output[i] = (RESCOMP_ACTIVATION)(magnitude < high ? magnitude : high);
    }
}
