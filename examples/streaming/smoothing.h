/* SPDX-License-Identifier: 0BSD */
/*
 * From the scores of one time step after another to a decision that does not flicker: an exponential average of the scores over about
 * SMOOTHING_SPAN of them, and a class that holds until another one's average is better by SMOOTHING_MARGIN.
 */
#ifndef SMOOTHING_H
#define SMOOTHING_H

#include "model.h"

#include <stdint.h>

#ifndef SMOOTHING_SPAN
#define SMOOTHING_SPAN 8 /* scores; 1 averages nothing */
#endif
#ifndef SMOOTHING_MARGIN
#define SMOOTHING_MARGIN (INT32_C(1) << MODEL_SCORE_FRACTION_BITS) /* 1.0, in the scores' own integers */
#endif

#define SMOOTHING_ONE 256 /* averages are kept in so many parts of a score */

typedef struct {
    int32_t average[MODEL_CLASSES];
    uint16_t decision;
    uint8_t begun;
} smoothing;

void smoothing_init(smoothing *state);

/* The decision after these scores. */
uint16_t smoothing_add(smoothing *state, const model_score *scores);

#endif
