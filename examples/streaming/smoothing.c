/* SPDX-License-Identifier: 0BSD */
#include "smoothing.h"

void smoothing_init(smoothing *state)
{
    state->begun = 0;
    state->decision = 0;
}

/* The class with the largest average, the first among equals. */
static uint16_t find_best(const smoothing *state)
{
    uint16_t best = 0;

    for (uint16_t i = 1; i < MODEL_CLASSES; ++i) {
        if (state->average[i] > state->average[best]) {
            best = i;
        }
    }
    return best;
}

uint16_t smoothing_add(smoothing *state, const model_score *scores)
{
    uint16_t best;

    for (uint16_t i = 0; i < MODEL_CLASSES; ++i) {
        const int32_t score = (int32_t)scores[i] * SMOOTHING_ONE;

        /* C rounds the quotient towards zero, on every core. */
        state->average[i] = state->begun ? state->average[i] + (score - state->average[i]) / SMOOTHING_SPAN : score;
    }
    best = find_best(state);
    if (!state->begun || state->average[best] - state->average[state->decision] > SMOOTHING_MARGIN * SMOOTHING_ONE) {
        state->decision = best;
    }
    state->begun = 1;
    return state->decision;
}
