/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_bias_add_int16(const int16_t *input, int16_t *output, uint16_t positions, uint16_t channels,
                            const RESCOMP_FLASH int16_t *bias)
{
    for (uint16_t position = 0; position < positions; ++position) {
        for (uint16_t channel = 0; channel < channels; ++channel) {
            *output++ = rescomp_saturate_int16((int32_t)*input++ + bias[channel]);
        }
    }
}
