/* SPDX-License-Identifier: 0BSD */
#include "rescomp_kernels.h"

void rescomp_bias_add_int16(const int16_t *input, int16_t *output, rescomp_count positions, rescomp_count channels,
                            const RESCOMP_FLASH int16_t *bias)
{
    for (rescomp_count position = 0; position < positions; ++position) {
        for (rescomp_count channel = 0; channel < channels; ++channel) {
            *output++ = rescomp_saturate_int16((int32_t)*input++ + bias[channel]);
        }
    }
}
