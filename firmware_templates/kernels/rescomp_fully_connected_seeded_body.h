/* SPDX-License-Identifier: 0BSD */
/*
 * The definition of RESCOMP_KERNEL, a matrix-vector product of values of type RESCOMP_ACTIVATION and of signs that are drawn anew
 * in every call.
 *
 * Every 32 columns of a row, row after row, take the next word of a xorshift32 that begins at the seed (which is not 0): the
 * first column its lowest bit, 1 = negative. A row begins with a word of its own; what is left of its last one is not used.
 */
#include "rescomp_kernels.h"

#define RESCOMP_WORD_SIGNS 32

static inline uint32_t rescomp_xorshift32(uint32_t word)
{
    word ^= word << 13;
    word ^= word >> 17;
    word ^= word << 5;
    return word;
}

void RESCOMP_KERNEL(const RESCOMP_ACTIVATION *input, RESCOMP_ACTIVATION *output, rescomp_count columns, rescomp_count rows,
                    uint32_t seed,
                    rescomp_requantization by)
{
    for (rescomp_count row = 0; row < rows; ++row) {
        const RESCOMP_ACTIVATION *entry = input;
        rescomp_count left = columns;
        int32_t sum = 0;

        while (left != 0) {
            const rescomp_count count = left < RESCOMP_WORD_SIGNS ? left : RESCOMP_WORD_SIGNS;
            uint32_t signs = seed = rescomp_xorshift32(seed);

            for (rescomp_count i = 0; i < count; ++i) {
                sum += signs & 1 ? -(int32_t)entry[i] : entry[i];
                signs >>= 1;
            }
            entry += count;
            left = (rescomp_count)(left - count);
        }
        output[row] = (RESCOMP_ACTIVATION)rescomp_requantize(sum, &by, row);
    }
}
