/* SPDX-License-Identifier: 0BSD */
#include "rescomp_frontend.h"

#include <string.h>

#include "rescomp_alignment.h"

void rescomp_align_int16(const int16_t *input, const int16_t *alignment, int16_t *output, int16_t *kept, rescomp_count readings,
                         rescomp_count channels, const RESCOMP_FLASH int16_t *axes, rescomp_count turned, int16_t low, int16_t high)
{
    int32_t rotation[9];

    for (uint8_t i = 0; i < 9; ++i) {
        const int32_t identity = rescomp_identity_entry(i);

        rotation[i] = rescomp_clamp(alignment[i] + identity, -RESCOMP_ROTATION_ONE, RESCOMP_ROTATION_ONE);
        kept[i] = (int16_t)(rotation[i] - identity);
    }
    memcpy(output, input, (size_t)readings * channels * sizeof *output);
    for (; readings > 0; --readings, input += channels, output += channels) {
        for (rescomp_count i = 0; i < turned; i += 3) {
            const int32_t x = input[axes[i]], y = input[axes[i + 1]], z = input[axes[i + 2]];

            for (uint8_t row = 0; row < 3; ++row) {
                const int32_t *by = rotation + 3 * row;
                const int32_t turned_to = rescomp_round_half_up_shift(by[0] * x + by[1] * y + by[2] * z, RESCOMP_ROTATION_BITS);

                output[axes[i + row]] = (int16_t)rescomp_clamp(turned_to, low, high);
            }
        }
    }
}
