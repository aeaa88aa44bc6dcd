/* SPDX-License-Identifier: 0BSD */
/*
 * The body of a concatenation, for the file that includes it once and defines RESCOMP_ACTIVATION (the type of the entries) and
 * RESCOMP_KERNEL (the function's name).
 */
#include <string.h>

#include "rescomp_readout.h"

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *a, const RESCOMP_ACTIVATION *b, RESCOMP_ACTIVATION *output,
                    rescomp_count positions, rescomp_count a_channels, rescomp_count b_channels)
{
    for (rescomp_count i = 0; i < positions; ++i) {
        memcpy(output, a, a_channels * sizeof *output);
        memcpy(output + a_channels, b, b_channels * sizeof *output);
        a += a_channels;
        b += b_channels;
        output += a_channels + b_channels;
    }
}
