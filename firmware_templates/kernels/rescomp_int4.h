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

/* Bytes of a row that is padded to whole bytes. */
static inline uint16_t rescomp_int4_row_bytes(int32_t columns)
{
    return (uint16_t)((columns + 1) / 2);
}

/* The inner product of int16 inputs and `count` int4 weights of a row, from its entry `first` on. */
static inline int32_t rescomp_dot_int16_int4(const int16_t *input, const RESCOMP_FLASH uint8_t *row, int32_t first, uint16_t count)
{
    int32_t sum = 0;

    row += first / 2;
    if (first % 2 != 0 && count > 0) {
        sum += (int32_t)*input++ * rescomp_int4_of((unsigned)*row++ >> 4);
        --count;
    }
    for (; count > 1; count = (uint16_t)(count - 2)) {
        const unsigned pair = *row++;

        sum += (int32_t)*input++ * rescomp_int4_of(pair);
        sum += (int32_t)*input++ * rescomp_int4_of(pair >> 4);
    }
    return count > 0 ? sum + (int32_t)*input * rescomp_int4_of(*row) : sum;
}

#endif
