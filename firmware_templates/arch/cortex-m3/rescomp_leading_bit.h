/* SPDX-License-Identifier: 0BSD */
/* For rescomp_leading_bit.h: an instruction. */
#ifndef RESCOMP_LEADING_BIT_H
#define RESCOMP_LEADING_BIT_H

#include "rescomp_core.h"
#include "rescomp_math.h"

/* How many zeros stand before the leading bit of value, which is not 0. */
static inline uint8_t rescomp_leading_zeros(uint32_t value)
{
    return (uint8_t)__builtin_clz(value);
}

#endif
