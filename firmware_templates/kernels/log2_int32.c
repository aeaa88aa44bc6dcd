/* SPDX-License-Identifier: 0BSD */
#include "rescomp_frontend.h"
#include "rescomp_leading_bit.h"

enum { ONE_BITS = 10, ONE = 1 << ONE_BITS, INTERVAL_BITS = 5 };

/* log2 of value >= 1 in Q10: the place of its leading bit, and a line between two entries of the table. */
static int32_t logarithm(uint32_t value, const RESCOMP_FLASH int16_t *table)
{
    const uint8_t zeros = rescomp_leading_zeros(value);
    const uint32_t mantissa = value << zeros << 1;
    const RESCOMP_FLASH int16_t *const entry = table + (mantissa >> (32 - INTERVAL_BITS));
    const int32_t fraction = (int32_t)((mantissa << INTERVAL_BITS) >> (32 - ONE_BITS));

    return (31 - zeros) * (int32_t)ONE + entry[0] + rescomp_round_half_up_shift((entry[1] - entry[0]) * fraction, ONE_BITS);
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
