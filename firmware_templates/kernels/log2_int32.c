/* SPDX-License-Identifier: 0BSD */
#include "rescomp_frontend.h"

enum { ONE = 1024, HALF = 512, INTERVAL_BITS = 25, FRACTION_BITS = 15 };

/* log2 of value >= 1 in Q10: the place of its leading bit, and a line between two entries of the table. */
static int32_t logarithm(uint32_t value, const RESCOMP_FLASH int16_t *table)
{
    int32_t octaves = 30 * (int32_t)ONE;
    rescomp_count i;

    for (uint8_t by = 16; by > 0; by >>= 1) {
        if (value < UINT32_C(1) << (31 - by)) {
            value <<= by;
            octaves -= by * (int32_t)ONE;
        }
    }
    value -= UINT32_C(1) << 30;
    i = (rescomp_count)(value >> INTERVAL_BITS);
    return octaves + table[i] + (((table[i + 1] - table[i]) * (int32_t)((value >> FRACTION_BITS) & (ONE - 1)) + HALF) >> 10);
}

void rescomp_log2_int32(const int32_t *input, const int16_t *doublings, int16_t *output, rescomp_count channels, rescomp_count bands,
                        const RESCOMP_FLASH int16_t *table, const RESCOMP_FLASH int16_t *offset, int16_t floor)
{
    for (; channels > 0; --channels, ++doublings) {
        for (rescomp_count j = 0; j < bands; ++j) {
            const int32_t sum = *input++;
            const int32_t result = logarithm(sum > 0 ? (uint32_t)sum : 1, table) - *doublings * (int32_t)ONE + offset[j];

            *output++ = (int16_t)rescomp_clamp(result, floor, INT16_MAX);
        }
    }
}
