/* SPDX-License-Identifier: 0BSD */
/* For rescomp_spectrum_word.h: two stores of half a word are less than putting the word together. */
#ifndef RESCOMP_SPECTRUM_WORD_H
#define RESCOMP_SPECTRUM_WORD_H

#include "rescomp_core.h"
#include "rescomp_frontend.h"

typedef int16_t __attribute__((__may_alias__)) half_word;

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
    half_word *const parts = (half_word *)word;

    parts[0] = (int16_t)value.re;
    parts[1] = (int16_t)value.im;
}

#endif
