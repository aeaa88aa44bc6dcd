/* SPDX-License-Identifier: 0BSD */
/* The definition of RESCOMP_KERNEL, a change of format from values of type RESCOMP_INPUT to such of type RESCOMP_OUTPUT. */
#include "rescomp_kernels.h"

void RESCOMP_KERNEL(const RESCOMP_INPUT *input, RESCOMP_OUTPUT *output, uint16_t positions, uint16_t channels,
                    uint8_t pre_shift, rescomp_requantization by)
{
    for (uint16_t position = 0; position < positions; ++position) {
        for (uint16_t channel = 0; channel < channels; ++channel) {
            *output++ = (RESCOMP_OUTPUT)rescomp_requantize(*input++ * (INT32_C(1) << pre_shift), &by, channel);
        }
    }
}
