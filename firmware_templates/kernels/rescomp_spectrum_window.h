/* SPDX-License-Identifier: 0BSD */
/* Where the weights of a frame's samples lie: a window is stored up to its middle. */
#ifndef RESCOMP_SPECTRUM_WINDOW_H
#define RESCOMP_SPECTRUM_WINDOW_H

#include "rescomp_frontend.h"

/* None is negative: many cores read what has no sign faster. */
static inline int32_t weight_at(const RESCOMP_FLASH int16_t *place)
{
    return (uint16_t)*place;
}

/* Pairs of samples whose weights lie one behind another: up the half that is stored, at its end perhaps one pair, and down again. */
typedef struct {
    rescomp_count first, pairs;
    const RESCOMP_FLASH int16_t *weight;
    int8_t step;
} run;

enum { RUNS = 3 };

/* Where the weight of sample i is stored. */
static inline rescomp_count place_of(rescomp_count i, rescomp_count length)
{
    return 2 * i <= length ? i : length - i;
}

static run run_of(uint8_t number, const rescomp_frame *frame)
{
    const rescomp_count length = frame->length, pairs = length / 2, top = (pairs + 1) / 2;
    run found;

    found.first = number == 0 ? 0 : number == 1 ? top : top + 1;
    found.pairs = number == 0 ? top : pairs <= top ? 0 : number == 1 ? 1 : pairs - found.first;
    found.weight = frame->window;
    found.step = 0;
    if (found.pairs > 0) {
        const rescomp_count place = place_of(2 * found.first, length);

        found.weight += place;
        found.step = (int8_t)(place_of(2 * found.first + 1, length) - place);
    }
    return found;
}

#endif
