/* SPDX-License-Identifier: 0BSD */
/*
 * One table for two non-linearities: tanh at 0, 1/16, ... 8 in Q15 (129 entries). tanh is odd, and
 * sigmoid(x) = (1 + tanh(x / 2)) / 2.
 */
#ifndef RESCOMP_HALF_TABLE_H
#define RESCOMP_HALF_TABLE_H

#include "rescomp_math.h"

/* tanh of value * 2^-(fraction_bits + 4) in Q15: an entry every 2^fraction_bits, linear in between. */
static inline int32_t rescomp_half_table_tanh(int16_t value, uint8_t fraction_bits, const RESCOMP_FLASH int16_t *table)
{
    const int32_t magnitude = rescomp_clamp(value < 0 ? -(int32_t)value : value, 0, INT16_MAX);
    const int32_t fraction = magnitude & ((INT32_C(1) << fraction_bits) - 1);
    const RESCOMP_FLASH int16_t *entry = table + (magnitude >> fraction_bits);
    const int32_t rise = (int32_t)entry[1] - entry[0];
    const int32_t result = entry[0] + rescomp_round_half_up_shift(rise * fraction, fraction_bits);

    return value < 0 ? -result : result;
}

/* Q12 -> Q15. */
static inline int16_t rescomp_lookup_tanh(int16_t value, const RESCOMP_FLASH int16_t *table)
{
    return (int16_t)rescomp_half_table_tanh(value, 8, table);
}

/* Q12 -> Q15. Half the argument is one fraction bit more. */
static inline int16_t rescomp_lookup_sigmoid(int16_t value, const RESCOMP_FLASH int16_t *table)
{
    const int32_t one = INT32_C(1) << 15;

    return (int16_t)rescomp_round_half_up_shift(one + rescomp_half_table_tanh(value, 9, table), 1);
}

#endif
