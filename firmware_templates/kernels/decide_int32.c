/* SPDX-License-Identifier: 0BSD */
#include "rescomp_decision.h"

enum { DECISION, CANDIDATE, COUNT, REST };
enum { UNKNOWN = 1, FIRST = 2 };

/* The class with the largest average, the first among equals. */
static int16_t find_best(const int32_t *average, rescomp_count classes)
{
    rescomp_count best = 0;

    for (rescomp_count i = 1; i < classes; ++i) {
        if (average[i] > average[best]) {
            best = i;
        }
    }
    return (int16_t)best;
}

/* The decision that the averages speak for while `held` holds. */
static int16_t find_wanted(const int32_t *average, int16_t held, int16_t best, const rescomp_decision_rule *rule)
{
    if (rule->threshold && average[best] < rule->threshold[best] * (INT32_C(1) << rule->smoothing)) {
        return UNKNOWN;
    }
    if (held >= FIRST && average[best] - average[held - FIRST] <= rule->margin) {
        return held;
    }
    return (int16_t)(best + FIRST);
}

void rescomp_decide_int32(const int32_t *average, const int16_t *memory, int16_t *output, rescomp_count classes,
                          rescomp_decision_rule rule)
{
    const int16_t most = (int16_t)(classes + FIRST - 1);
    const int16_t held = (int16_t)rescomp_clamp(memory[DECISION], 0, most);
    const int16_t candidate = (int16_t)rescomp_clamp(memory[CANDIDATE], 0, most);
    const int16_t rest = (int16_t)rescomp_clamp(memory[REST], 0, rule.refractory);
    const int16_t wanted = find_wanted(average, held, find_best(average, classes), &rule);
    int16_t count = wanted == candidate ? (int16_t)rescomp_clamp(memory[COUNT], 0, rule.hold) : 0;

    output[DECISION] = held;
    output[REST] = (int16_t)(rest > 0 ? rest - 1 : 0);
    if (wanted == held) {
        count = 0;
    } else {
        count = count < rule.hold ? (int16_t)(count + 1) : count;
        if (count == rule.hold && rest == 0) {
            output[DECISION] = wanted;
            output[REST] = wanted >= FIRST ? rule.refractory : 0;
            count = 0;
        }
    }
    output[CANDIDATE] = wanted;
    output[COUNT] = count;
}
