/* SPDX-License-Identifier: 0BSD */
/*
 * For statistics_int16.c and deviation_sum_int16.c: two channels of a frame at once, one sample of each in the halves of a word, which the
 * DSP extension compares and chooses from. Of a channel that is alone both halves are it.
 */
#ifndef RESCOMP_CHANNEL_PAIR_H
#define RESCOMP_CHANNEL_PAIR_H

#include "rescomp_core.h"
#include "rescomp_frontend.h"

/* sample[0] and sample[second] are those of the two channels; step: from one sample to the next. */
typedef struct {
    const int16_t *sample;
    rescomp_count second, step, samples;
} channel_pair;

/* Of each channel of a pair. sum: of its samples; mean: floor(16 sum / samples). minimum, maximum: in halves. */
typedef struct {
    int32_t sum[2], mean[2];
    uint32_t minimum, maximum;
} pair_spread;

/* Samples that are no less than the mean, counted in halves, and their sums; how often the side changes, in halves. */
typedef struct {
    int32_t above[2];
    uint32_t count, crossings;
} pair_sides;

/* The lower halves of both. */
static inline uint32_t in_halves(int32_t lower, int32_t upper)
{
    uint32_t result;

    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(result) : "r"(lower), "r"(upper));
    return result;
}

static inline int16_t half_of(uint32_t word, rescomp_count upper)
{
    return (int16_t)(uint16_t)(upper ? word >> 16 : word);
}

/* In halves what is less than the least so far, or larger than the largest, takes its place. */
static inline void keep_least(uint32_t *so_far, uint32_t now)
{
    uint32_t difference;

    __asm__("ssub16 %1, %2, %0\n\tsel %0, %0, %2" : "+r"(*so_far), "=&r"(difference) : "r"(now) : "cc");
}

static inline void keep_largest(uint32_t *so_far, uint32_t now)
{
    uint32_t difference;

    __asm__("ssub16 %1, %2, %0\n\tsel %0, %2, %0" : "+r"(*so_far), "=&r"(difference) : "r"(now) : "cc");
}

/* In halves 1 where a >= edge, else 0; *above: a there, else 0. */
static inline uint32_t reaches(uint32_t a, uint32_t edge, uint32_t *above)
{
    const uint32_t ones = UINT32_C(0x00010001), zeros = 0;
    uint32_t result;

    __asm__("ssub16 %0, %2, %3\n\tsel %1, %2, %5\n\tsel %0, %4, %5"
            : "=&r"(result), "=&r"(*above)
            : "r"(a), "r"(edge), "r"(ones), "r"(zeros)
            : "cc");
    return result;
}

/* sum + the lower, and the upper, half of a word. */
static inline int32_t plus_lower(int32_t sum, uint32_t word)
{
    int32_t result;

    __asm__("sxtah %0, %1, %2" : "=r"(result) : "r"(sum), "r"(word));
    return result;
}

static inline int32_t plus_upper(int32_t sum, uint32_t word)
{
    int32_t result;

    __asm__("sxtah %0, %1, %2, ror #16" : "=r"(result) : "r"(sum), "r"(word));
    return result;
}

static inline channel_pair pair_of(const int16_t *input, rescomp_count left, rescomp_count channels, rescomp_count samples)
{
    channel_pair pair;

    pair.sample = input;
    pair.second = left > 1;
    pair.step = channels;
    pair.samples = samples;
    return pair;
}

static inline uint32_t samples_at(const int16_t *sample, rescomp_count second)
{
    return in_halves(sample[0], sample[second]);
}

static inline pair_spread spread_of(channel_pair pair)
{
    pair_spread of;

    of.sum[0] = of.sum[1] = 0;
    of.minimum = of.maximum = samples_at(pair.sample, pair.second);
    for (rescomp_count i = pair.samples; i > 0; --i, pair.sample += pair.step) {
        const int32_t first = pair.sample[0], second = pair.sample[pair.second];
        const uint32_t both = in_halves(first, second);

        of.sum[0] += first;
        of.sum[1] += second;
        keep_least(&of.minimum, both);
        keep_largest(&of.maximum, both);
    }
    for (rescomp_count k = 0; k < 2; ++k) {
        const uint32_t lifted = (uint32_t)of.sum[k] + UINT32_C(32768) * pair.samples;

        of.mean[k] = (int32_t)(lifted * 16 / pair.samples) - INT32_C(524288);
    }
    return of;
}

/* A sample of 16 x is no less than the mean where x is no less than the mean over 16, rounded up. */
static inline pair_sides sides_of(channel_pair pair, const pair_spread *spread)
{
    const uint32_t edge = in_halves((spread->mean[0] + 15) >> 4, (spread->mean[1] + 15) >> 4);
    pair_sides of = {{0, 0}, 0, 0};
    uint32_t above, before = reaches(samples_at(pair.sample, pair.second), edge, &above);

    for (rescomp_count i = pair.samples; i > 0; --i, pair.sample += pair.step) {
        const uint32_t now = reaches(samples_at(pair.sample, pair.second), edge, &above);

        of.above[0] = plus_lower(of.above[0], above);
        of.above[1] = plus_upper(of.above[1], above);
        of.count += now;
        of.crossings += now ^ before;
        before = now;
    }
    return of;
}

/* The sum of |16 x - mean| of channel k: those above less those below, where 16 x - mean is 0 or less. */
static inline uint32_t magnitudes_of(channel_pair pair, const pair_spread *spread, const pair_sides *sides, rescomp_count k)
{
    const int32_t more = 2 * (int32_t)half_of(sides->count, k) - (int32_t)pair.samples;

    return (uint32_t)(16 * (2 * sides->above[k] - spread->sum[k]) - spread->mean[k] * more);
}

#endif
