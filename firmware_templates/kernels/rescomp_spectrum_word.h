/* SPDX-License-Identifier: 0BSD */
/* How a complex number is read from a word and written to one, its real part in the lower half. */
#ifndef RESCOMP_SPECTRUM_WORD_H
#define RESCOMP_SPECTRUM_WORD_H

#include "rescomp_frontend.h"

typedef struct {
    int32_t re, im;
} point;

static inline point point_of(int32_t re, int32_t im)
{
    const point made = {re, im};

    return made;
}

static inline point point_at(const int32_t *word)
{
    return point_of((int16_t)((uint32_t)*word & 0xffff), *word >> 16);
}

static inline void write_point(int32_t *word, point value)
{
    *word = (int32_t)(((uint32_t)value.im << 16) | ((uint32_t)value.re & 0xffff));
}

#endif
