/* SPDX-License-Identifier: 0BSD */
/* The definition of RESCOMP_KERNEL, a ReLU of values of type RESCOMP_ACTIVATION. */
#include "rescomp_kernels.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_count count)
{
    for (rescomp_count i = 0; i < count; ++i) {
        output[i] = input[i] > 0 ? input[i] : 0;
    }
}
