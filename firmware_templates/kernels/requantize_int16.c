/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_requantize_int16(const int16_t *input, int16_t *output, uint16_t positions, uint16_t channels,
                              uint8_t pre_shift, rescomp_requantization by)
{
    for (uint16_t position = 0; position < positions; ++position) {
        for (uint16_t channel = 0; channel < channels; ++channel) {
            *output++ = rescomp_requantize(*input++ * (INT32_C(1) << pre_shift), &by, channel);
        }
    }
}
