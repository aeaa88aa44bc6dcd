/* SPDX-License-Identifier: 0BSD */
#include "rescomp_readout.h"

void rescomp_block_count_int16(const int16_t *block_steps, int16_t *output, int16_t length)
{
    const int16_t before = block_steps[0];

    output[0] = before > 0 && before < length ? (int16_t)(before + 1) : 1;
}
