/* SPDX-License-Identifier: 0BSD */
/* How a word is written of two halves. */
#ifndef RESCOMP_SPECTRUM_WORD_H
#define RESCOMP_SPECTRUM_WORD_H

#include "rescomp_math.h"

static inline void write_halves(int32_t *word, int32_t lower, int32_t upper)
{
    *word = (int32_t)(((uint32_t)upper << 16) | ((uint32_t)lower & 0xffff));
}

#endif
