/* SPDX-License-Identifier: 0BSD */
#include "rescomp_frontend.h"

/* What a channel's samples give beside their mean. */
typedef struct {
    uint32_t deviation; /* the sum of magnitudes, in sixteenths */
    int16_t minimum;
    int16_t maximum;
    int16_t crossings;
} summary;

static inline summary summary_of(const int16_t *input, rescomp_count samples, rescomp_count channels, int32_t mean)
{
    summary of = {0, *input, *input, 0};
    uint8_t below = *input * INT32_C(16) < mean;

    for (rescomp_count i = samples; i > 0; --i, input += channels) {
        const int32_t deviation = *input * INT32_C(16) - mean;
        const uint8_t now = deviation < 0;

        of.deviation += (uint32_t)(now ? -deviation : deviation);
        of.crossings = (int16_t)(of.crossings + (now != below));
        below = now;
        of.minimum = *input < of.minimum ? *input : of.minimum;
        of.maximum = *input > of.maximum ? *input : of.maximum;
    }
    return of;
}

void rescomp_statistics_int16(const int16_t *input, int16_t *output, rescomp_count samples, rescomp_count channels, uint8_t wanted)
{
    for (rescomp_count channel = 0; channel < channels; ++channel, ++input) {
        const int32_t mean = rescomp_fine_mean(input, samples, channels);
        summary of = {0, 0, 0, 0};

        if (wanted != RESCOMP_MEAN) {
            of = summary_of(input, samples, channels, mean);
        }

        if (wanted & RESCOMP_MEAN) {
            *output++ = (int16_t)rescomp_round_half_up_shift(mean, 4);
        }
        if (wanted & RESCOMP_DEVIATION) {
            *output++ = rescomp_saturate_int16((int32_t)((of.deviation + UINT32_C(8) * samples) / (UINT32_C(16) * samples)));
        }
        if (wanted & RESCOMP_MINIMUM) {
            *output++ = of.minimum;
        }
        if (wanted & RESCOMP_MAXIMUM) {
            *output++ = of.maximum;
        }
        if (wanted & RESCOMP_ZERO_CROSSINGS) {
            *output++ = of.crossings;
        }
    }
}
