/* SPDX-License-Identifier: 0BSD */
/* Rows of int8 weights beside inputs of type RESCOMP_ACTIVATION. */
#ifndef RESCOMP_DOT_INT8_H
#define RESCOMP_DOT_INT8_H

#include "rescomp_math.h"

#define RESCOMP_WEIGHT int8_t

static inline int32_t rescomp_row_bytes(int32_t columns)
{
    return columns;
}

/* The inner product of inputs and `count` weights of a row, from its entry `first` on. */
static inline int32_t rescomp_dot(const RESCOMP_ACTIVATION *input, const RESCOMP_FLASH RESCOMP_WEIGHT *row, int32_t first,
                                  rescomp_count count)
{
    int32_t sum = 0;

    row += first;
    for (rescomp_count i = 0; i < count; ++i) {
        sum += (int32_t)input[i] * row[i];
    }
    return sum;
}

#endif
