/* SPDX-License-Identifier: 0BSD */
/* Rows of int4 weights, each padded to whole bytes, beside inputs of type RESCOMP_ACTIVATION. */
#ifndef RESCOMP_DOT_INT4_H
#define RESCOMP_DOT_INT4_H

#include "rescomp_int4.h"

#define RESCOMP_WEIGHT uint8_t

static inline int32_t rescomp_row_bytes(int32_t columns)
{
    return (columns + 1) / 2;
}

/* The inner product of inputs and `count` weights of a row, from its entry `first` on. */
static inline int32_t rescomp_dot(const RESCOMP_ACTIVATION *input, const RESCOMP_FLASH RESCOMP_WEIGHT *row, int32_t first,
                                  rescomp_count count)
{
    int32_t sum = 0;

    row += first / 2;
    if (first % 2 != 0 && count > 0) {
        sum += (int32_t)*input++ * rescomp_int4_of((unsigned)*row++ >> 4);
        --count;
    }
    for (; count > 1; count = (rescomp_count)(count - 2)) {
        const unsigned pair = *row++;

        sum += (int32_t)*input++ * rescomp_int4_of(pair);
        sum += (int32_t)*input++ * rescomp_int4_of(pair >> 4);
    }
    return count > 0 ? sum + (int32_t)*input * rescomp_int4_of(*row) : sum;
}

#endif
