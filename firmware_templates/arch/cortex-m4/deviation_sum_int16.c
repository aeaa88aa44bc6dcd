/* SPDX-License-Identifier: 0BSD */
/* The DSP extension for deviation_sum_int16.c: two channels at once. */
#include "rescomp_channel_pair.h"

enum { MOST_ZEROS = 14 };

/* Of the largest |16 x - mean| of channel k, how often it is doubled to reach 2^19, MOST_ZEROS times at most. */
static uint8_t zeros_of(const pair_spread *spread, rescomp_count k)
{
    const int32_t over = 16 * half_of(spread->maximum, k) - spread->mean[k], under = spread->mean[k] - 16 * half_of(spread->minimum, k);

    return (uint8_t)(__builtin_clz((uint32_t)(over > under ? over : under) | (UINT32_C(1) << (19 - MOST_ZEROS))) - 12);
}

/*
 * The sums of squares of both channels: shift((16 x - mean) factor, shift)^2. The product is below 2^20, however far its parts wrap.
 */
static void add_squares(channel_pair pair, const uint32_t *factor, const uint32_t *offset, uint8_t shift, int32_t *squares)
{
    int32_t first = 0, second = 0;

    for (rescomp_count i = pair.samples; i > 0; --i, pair.sample += pair.step) {
        const int32_t a = (int32_t)((uint32_t)pair.sample[0] * factor[0] + offset[0]) >> shift;
        const int32_t b = (int32_t)((uint32_t)pair.sample[pair.second] * factor[1] + offset[1]) >> shift;

        first += a * a;
        second += b * b;
    }
    squares[0] = first;
    squares[1] = second;
}

void rescomp_deviation_sum_int16(const int16_t *input, int32_t *sum, int16_t *doublings, rescomp_count samples, rescomp_count channels,
                                 uint8_t power, uint8_t shift)
{
    for (rescomp_count channel = 0; channel < channels; channel += 2, input += 2) {
        const channel_pair pair = pair_of(input, channels - channel, channels, samples);
        const pair_spread spread = spread_of(pair);
        const uint8_t zeros[2] = {zeros_of(&spread, 0), zeros_of(&spread, 1)};
        int32_t sums[2];

        if (power == 1) {
            const pair_sides sides = sides_of(pair, &spread);

            sums[0] = (int32_t)(magnitudes_of(pair, &spread, &sides, 0) << zeros[0]);
            sums[1] = (int32_t)(magnitudes_of(pair, &spread, &sides, 1) << zeros[1]);
        } else {
            const uint32_t factor[2] = {UINT32_C(16) << zeros[0], UINT32_C(16) << zeros[1]}, half = UINT32_C(1) << (shift - 1);
            const uint32_t offset[2] = {half - ((uint32_t)spread.mean[0] << zeros[0]), half - ((uint32_t)spread.mean[1] << zeros[1])};

            add_squares(pair, factor, offset, shift, sums);
        }
        for (rescomp_count k = 0; k <= pair.second; ++k) {
            *sum++ = sums[k];
            *doublings++ = (int16_t)(power * zeros[k]);
        }
    }
}
