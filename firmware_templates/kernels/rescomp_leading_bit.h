/* SPDX-License-Identifier: 0BSD */
/* The place of a number's leading bit. */
#ifndef RESCOMP_LEADING_BIT_H
#define RESCOMP_LEADING_BIT_H

#include "rescomp_math.h"

/* Moves out the highest `by` bits if they are zeros; returns how many these are. */
static inline uint8_t rescomp_zeros_moved_out(uint32_t *value, uint8_t by)
{
    if (*value >> (32 - by)) {
        return 0;
    }
    *value <<= by;
    return by;
}

/* How many zeros stand before the leading bit of value, which is not 0. */
static inline uint8_t rescomp_leading_zeros(uint32_t value)
{
    uint8_t zeros = rescomp_zeros_moved_out(&value, 16);

    zeros = (uint8_t)(zeros + rescomp_zeros_moved_out(&value, 8));
    zeros = (uint8_t)(zeros + rescomp_zeros_moved_out(&value, 4));
    zeros = (uint8_t)(zeros + rescomp_zeros_moved_out(&value, 2));
    return (uint8_t)(zeros + rescomp_zeros_moved_out(&value, 1));
}

#endif
