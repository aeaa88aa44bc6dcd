/* SPDX-License-Identifier: 0BSD */
#include "rescomp_readout.h"

void rescomp_block_sum_int32(const int32_t *sum, const int16_t *input, const int16_t *block_steps, int32_t *output,
                             rescomp_count count, int32_t bound)
{
    const int32_t limit = (block_steps[0] > 1 ? block_steps[0] - INT32_C(1) : 0) * bound; /* 0: a block begins */

    for (rescomp_count i = 0; i < count; ++i) {
        output[i] = rescomp_clamp(sum[i], -limit, limit) + input[i];
    }
}
