/* SPDX-License-Identifier: 0BSD */
/* int4 entries: two to a byte, two's complement, the first in the low half. */
#ifndef RESCOMP_INT4_H
#define RESCOMP_INT4_H

#include "rescomp_math.h"

/* The entry in the low half of `half`, whose upper bits do not matter. */
static inline int8_t rescomp_int4_of(unsigned half)
{
    return (int8_t)((int)((half & 15) ^ 8) - 8);
}

#endif
