/* SPDX-License-Identifier: 0BSD */
/*
 * The body of an exponential average, for the file that includes it once and defines RESCOMP_ACTIVATION (the type of the scores),
 * RESCOMP_BITS (their magnitude is 2^RESCOMP_BITS at most) and RESCOMP_KERNEL (the function's name).
 */
#include "rescomp_decision.h"

void RESCOMP_KERNEL(const int32_t *average, const RESCOMP_ACTIVATION *score, int32_t *output, rescomp_count count,
                    uint8_t smoothing)
{
    const int32_t limit = INT32_C(1) << (RESCOMP_BITS + smoothing);

    for (rescomp_count i = 0; i < count; ++i) {
        const int32_t before = rescomp_clamp(average[i], -limit, limit);

        output[i] = before - (smoothing ? rescomp_round_half_up_shift(before, smoothing) : before) + score[i];
    }
}
