/* SPDX-License-Identifier: 0BSD */
#include "rescomp_frontend.h"

enum { MOST_ZEROS = 14 };

static inline int32_t size_of_deviation(int16_t sample, int32_t mean)
{
    const int32_t deviation = sample * INT32_C(16) - mean;

    return deviation < 0 ? -deviation : deviation;
}

/* How often the largest of some deviations is doubled to reach 2^19, MOST_ZEROS times at most. bits: all of them, one over another. */
static inline uint8_t zeros_of(int32_t bits)
{
    uint8_t zeros = 0;

    while (zeros < MOST_ZEROS && bits < INT32_C(1) << 19) {
        bits *= 2;
        ++zeros;
    }
    return zeros;
}

/* The sum of shift((16 x - mean) 2^zeros, shift)^2. The product is below 2^20, however far its parts wrap. */
static inline int32_t squares_of(const int16_t *input, rescomp_count samples, rescomp_count channels, int32_t mean, uint8_t zeros,
                                 uint8_t shift)
{
    const uint32_t factor = UINT32_C(16) << zeros, offset = (UINT32_C(1) << (shift - 1)) - ((uint32_t)mean << zeros);
    int32_t squares = 0;

    for (rescomp_count i = samples; i > 0; --i, input += channels) {
        const int32_t scaled = (int32_t)((uint32_t)*input * factor + offset) >> shift;

        squares += scaled * scaled;
    }
    return squares;
}

void rescomp_deviation_sum_int16(const int16_t *input, int32_t *sum, int16_t *doublings, rescomp_count samples, rescomp_count channels,
                                 uint8_t power, uint8_t shift)
{
    for (rescomp_count channel = 0; channel < channels; ++channel, ++input) {
        const int32_t mean = rescomp_fine_mean(input, samples, channels);
        const int16_t *sample = input;
        int32_t bits = 0, magnitudes = 0;
        uint8_t zeros;

        for (rescomp_count i = samples; i > 0; --i, sample += channels) {
            const int32_t size = size_of_deviation(*sample, mean);

            bits |= size;
            magnitudes += size;
        }
        zeros = zeros_of(bits);
        sum[channel] = power == 1 ? magnitudes * (INT32_C(1) << zeros) : squares_of(input, samples, channels, mean, zeros, shift);
        doublings[channel] = (int16_t)(power * zeros);
    }
}
