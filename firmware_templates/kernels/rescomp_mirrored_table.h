/* SPDX-License-Identifier: 0BSD */
/*
 * The half table of rescomp_half_table.h behind its mirror image: tanh at -8, -8 + 1/16, ... 8 in Q15 (257 entries). Looking
 * up a value needs neither its magnitude nor its sign. The half table rounds half away from zero; half up above zero and half
 * down below it is the same, and only there does the sign come in. Values are given as value + 2^15, 0..2^16 - 1.
 */
#ifndef RESCOMP_MIRRORED_TABLE_H
#define RESCOMP_MIRRORED_TABLE_H

#include "rescomp_math.h"

#define RESCOMP_MIRRORED_TABLE_OFFSET (UINT32_C(1) << 15)

/*
 * From the entry below a value: what its last `fraction_bits` bits add to that entry, times 2^fraction_bits, with the rounding
 * constant of a shift by so many bits.
 */
static inline int32_t rescomp_mirrored_table_rest(const RESCOMP_FLASH int16_t *entry, uint32_t value, uint8_t fraction_bits)
{
    const int32_t fraction = (int32_t)(value & ((UINT32_C(1) << fraction_bits) - 1));
    const int32_t is_positive = (int32_t)(value >> 15);

    return ((int32_t)entry[1] - entry[0]) * fraction + is_positive + ((INT32_C(1) << (fraction_bits - 1)) - 1);
}

/* Q12 -> Q15. */
static inline int32_t rescomp_mirrored_lookup_tanh(uint32_t value, const RESCOMP_FLASH int16_t *table)
{
    const RESCOMP_FLASH int16_t *entry = table + (value >> 8);

    return entry[0] + (rescomp_mirrored_table_rest(entry, value, 8) >> 8);
}

/* Q12 -> Q15: (1 + tanh(x / 2)) / 2, rounded half up. Half the argument is one fraction bit more, from -4 to 4. */
static inline int32_t rescomp_mirrored_lookup_sigmoid(uint32_t value, const RESCOMP_FLASH int16_t *table)
{
    const RESCOMP_FLASH int16_t *entry = table + (64 + (value >> 9));
    const int32_t one = INT32_C(1) << 15;

    return ((int32_t)entry[0] * 512 + rescomp_mirrored_table_rest(entry, value, 9) + (one + 1) * 512) >> 10;
}

#endif
