/* SPDX-License-Identifier: 0BSD */
#ifndef RESCOMP_DOT_H
#define RESCOMP_DOT_H

#include "rescomp_math.h"

/* The inner product of int16 inputs and int8 weights. */
static inline int32_t rescomp_dot_int16_int8(const int16_t *input, const RESCOMP_FLASH int8_t *weight, uint16_t count)
{
    int32_t sum = 0;

    for (uint16_t i = 0; i < count; ++i) {
        sum += (int32_t)input[i] * weight[i];
    }
    return sum;
}

#endif
