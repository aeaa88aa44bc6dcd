/* SPDX-License-Identifier: 0BSD */
#include "rescomp_readout.h"

void rescomp_block_mean_int32(const int32_t *sum, const int16_t *block_steps, int16_t *output, rescomp_count count,
                              int16_t length, int32_t bound, int16_t low, int16_t high)
{
    const int32_t steps = rescomp_clamp(block_steps[0], 1, length);
    const int32_t reach = steps * bound;

    for (rescomp_count i = 0; i < count; ++i) {
        /* Not negative, and below 2^31: the division is a floor, and has no sign to look after. */
        const uint32_t lifted = (uint32_t)(rescomp_clamp(sum[i], -reach, reach) + reach) + (uint32_t)(steps / 2);

        output[i] = (int16_t)rescomp_clamp((int32_t)(lifted / (uint32_t)steps) - bound, low, high);
    }
}
