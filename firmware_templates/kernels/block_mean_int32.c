/* SPDX-License-Identifier: 0BSD */
#include "rescomp_readout.h"

/* Of division by steps: 2^bits <= steps, and 2^(15 + bits) / steps, rounded down, below 2^15. */
typedef struct {
    uint32_t steps;
    uint32_t reciprocal;
    uint8_t bits;
} rescomp_divisor;

static rescomp_divisor find_divisor(uint32_t steps)
{
    rescomp_divisor by = {steps, 0, 0};

    while (steps >> by.bits > 1) {
        ++by.bits;
    }
    by.reciprocal = (UINT32_C(1) << (15 + by.bits)) / steps;
    by.reciprocal -= by.reciprocal >> 15; /* of a power of two */
    return by;
}

/*
 * dividend / steps, rounded down, for a quotient of at most 2^16. Many cores divide in software: the product with the reciprocal is
 * below 2^32, never too large, and at most 5 too small.
 */
static uint32_t divide(uint32_t dividend, const rescomp_divisor *by)
{
    uint32_t quotient = ((dividend >> by->bits) * by->reciprocal) >> 15;
    uint32_t rest = dividend - quotient * by->steps;

    while (rest >= by->steps) {
        rest -= by->steps;
        ++quotient;
    }
    return quotient;
}

void rescomp_block_mean_int32(const int32_t *sum, const int16_t *block_steps, int16_t *output, rescomp_count count,
                              int16_t length, int32_t bound, int16_t low, int16_t high)
{
    const int32_t steps = rescomp_clamp(block_steps[0], 1, length);
    const rescomp_divisor by = find_divisor((uint32_t)steps);
    const int32_t reach = steps * bound;

    for (rescomp_count i = 0; i < count; ++i) {
        /* Not negative, and below 2^31. */
        const uint32_t lifted = (uint32_t)(rescomp_clamp(sum[i], -reach, reach) + reach) + (uint32_t)(steps / 2);

        output[i] = (int16_t)rescomp_clamp((int32_t)divide(lifted, &by) - bound, low, high);
    }
}
