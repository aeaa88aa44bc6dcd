/* SPDX-License-Identifier: 0BSD */
/* The DSP extension for statistics_int16.c: two channels at once. */
#include "rescomp_channel_pair.h"

/* The statistics of channel k of a pair; returns where those of the next one go. */
static int16_t *write_channel(int16_t *output, channel_pair pair, const pair_spread *spread, const pair_sides *sides, rescomp_count k,
                              uint8_t wanted)
{
    if (wanted & RESCOMP_MEAN) {
        *output++ = (int16_t)rescomp_round_half_up_shift(spread->mean[k], 4);
    }
    if (wanted & RESCOMP_DEVIATION) {
        const uint32_t sum = magnitudes_of(pair, spread, sides, k) + UINT32_C(8) * pair.samples;

        *output++ = rescomp_saturate_int16((int32_t)(sum / (UINT32_C(16) * pair.samples)));
    }
    if (wanted & RESCOMP_MINIMUM) {
        *output++ = half_of(spread->minimum, k);
    }
    if (wanted & RESCOMP_MAXIMUM) {
        *output++ = half_of(spread->maximum, k);
    }
    if (wanted & RESCOMP_ZERO_CROSSINGS) {
        *output++ = half_of(sides->crossings, k);
    }
    return output;
}

void rescomp_statistics_int16(const int16_t *input, int16_t *output, rescomp_count samples, rescomp_count channels, uint8_t wanted)
{
    for (rescomp_count channel = 0; channel < channels; channel += 2, input += 2) {
        const channel_pair pair = pair_of(input, channels - channel, channels, samples);
        const pair_spread spread = spread_of(pair);
        pair_sides sides = {{0, 0}, 0, 0};

        if (wanted & (RESCOMP_DEVIATION | RESCOMP_ZERO_CROSSINGS)) {
            sides = sides_of(pair, &spread);
        }
        for (rescomp_count k = 0; k <= pair.second; ++k) {
            output = write_channel(output, pair, &spread, &sides, k, wanted);
        }
    }
}
