/* SPDX-License-Identifier: 0BSD */
/* The layers of a decision, in the manner of rescomp_kernels.h. */
#ifndef RESCOMP_DECISION_H
#define RESCOMP_DECISION_H

#include "rescomp_math.h"

/*
 * output = average - average * 2^-smoothing + score, the average with `smoothing` more fraction bits than the scores and clamped to
 * their range first: it may hold any bits. 0 <= smoothing <= 14. The output may be the average.
 */
void rescomp_exponential_average_int16(const int32_t *average, const int16_t *score, int32_t *output, rescomp_count count,
                                       uint8_t smoothing);
void rescomp_exponential_average_int8(const int32_t *average, const int8_t *score, int32_t *output, rescomp_count count,
                                      uint8_t smoothing);

/* What a decision takes. */
typedef struct {
    const RESCOMP_FLASH int16_t *threshold; /* of each class, in the unit of the scores; NULL: none */
    uint8_t smoothing;                      /* fraction bits of the averages beyond those of the scores */
    int32_t margin;                         /* in the unit of the averages */
    int16_t hold;                           /* steps for which a candidate stands, from 1 on */
    int16_t refractory;                     /* steps of rest after a decision for a class */
} rescomp_decision_rule;

static inline rescomp_decision_rule rescomp_decision_rule_of(const RESCOMP_FLASH int16_t *threshold, uint8_t smoothing,
                                                             int32_t margin, int16_t hold, int16_t refractory)
{
    rescomp_decision_rule rule;

    rule.threshold = threshold;
    rule.smoothing = smoothing;
    rule.margin = margin;
    rule.hold = hold;
    rule.refractory = refractory;
    return rule;
}

/*
 * memory and output: the decision (0: none yet, 1: unknown, 2 + class), the candidate likewise, the steps for which it has stood, and
 * the steps of rest that remain. The memory may hold any bits: each entry is clamped to its range first. The output may be the memory.
 */
void rescomp_decide_int32(const int32_t *average, const int16_t *memory, int16_t *output, rescomp_count classes,
                          rescomp_decision_rule rule);

#endif
