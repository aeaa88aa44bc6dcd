/* SPDX-License-Identifier: 0BSD */
/* For rescomp_spectrum_word.h: two stores of half a word are less than putting the word together. */
#ifndef RESCOMP_SPECTRUM_WORD_H
#define RESCOMP_SPECTRUM_WORD_H

#include "rescomp_core.h"
#include "rescomp_math.h"

typedef int16_t __attribute__((__may_alias__)) half_word;

static inline void write_halves(int32_t *word, int32_t lower, int32_t upper)
{
    half_word *const halves = (half_word *)word;

    halves[0] = (int16_t)lower;
    halves[1] = (int16_t)upper;
}

#endif
