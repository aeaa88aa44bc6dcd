/* SPDX-License-Identifier: 0BSD */
#include "rescomp_readout.h"

void rescomp_block_maximum_int16(const int16_t *maximum, const int16_t *input, const int16_t *block_steps, int16_t *output,
                                 rescomp_count count, int16_t low, int16_t high)
{
    const int begins = block_steps[0] <= 1;

    for (rescomp_count i = 0; i < count; ++i) {
        const int16_t before = (int16_t)rescomp_clamp(maximum[i], low, high);

        output[i] = begins || before < input[i] ? input[i] : before;
    }
}
