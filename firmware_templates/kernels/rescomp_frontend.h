/* SPDX-License-Identifier: 0BSD */
/* The layers of a front-end, from samples to logarithms of a spectrum or to statistics, and a rotation, in the manner of rescomp_kernels.h. */
#ifndef RESCOMP_FRONTEND_H
#define RESCOMP_FRONTEND_H

#include "rescomp_math.h"

/* What a spectrum takes. */
typedef struct {
    rescomp_count size;                  /* points of the transform, a power of two from 16 to 1024 */
    rescomp_count length;                /* samples of a frame, behind which zeros follow */
    uint8_t pre_emphasis;                /* its shift, 1 to 14, and one sample more is read; 0: none */
    const RESCOMP_FLASH int16_t *window; /* length / 2 + 1 entries: window[length - i] = window[i] */
    const RESCOMP_FLASH int16_t *sine;   /* sin(2 pi i / size) in Q15, i < size / 4 */
} rescomp_frame;

static inline rescomp_frame rescomp_frame_of(rescomp_count size, rescomp_count length, uint8_t pre_emphasis,
                                             const RESCOMP_FLASH int16_t *window, const RESCOMP_FLASH int16_t *sine)
{
    rescomp_frame frame;

    frame.size = size;
    frame.length = length;
    frame.pre_emphasis = pre_emphasis;
    frame.window = window;
    frame.sine = sine;
    return frame;
}

/*
 * magnitude = that of each frequency of a frame input[samples][channels], size / 2 a channel, 0 for frequency 0; times 2^-doublings of its
 * channel. The magnitudes serve as memory for the transform.
 */
void rescomp_spectrum_int16(const int16_t *input, int32_t *magnitude, int16_t *doublings, rescomp_count channels,
                            rescomp_frame frame);

/*
 * output[channel][j] = sum of weight[i] * input[channel][first[j] + i], count[j] weights for each band. Sums stay below 2^31. The
 * output may be the input where first[j] >= j for every band.
 */
void rescomp_band_sum_int32(const int32_t *input, int32_t *output, rescomp_count channels, rescomp_count bins, rescomp_count bands,
                            const RESCOMP_FLASH int16_t *first, const RESCOMP_FLASH int16_t *count,
                            const RESCOMP_FLASH int8_t *weight);

/* output = log2(input) - doublings of its channel + offset of its band, in Q10, at least floor. table: log2(1 + i / 32), 33 entries. */
void rescomp_log2_int32(const int32_t *input, const int16_t *doublings, int16_t *output, rescomp_count channels,
                        rescomp_count bands, const RESCOMP_FLASH int16_t *table, const RESCOMP_FLASH int16_t *offset,
                        int16_t floor);

/* Statistics of a channel, in their order behind one another. */
enum {
    RESCOMP_MEAN = 1,
    RESCOMP_DEVIATION = 2,
    RESCOMP_MINIMUM = 4,
    RESCOMP_MAXIMUM = 8,
    RESCOMP_ZERO_CROSSINGS = 16
};

/* floor(16 * sum of a channel / samples). Lifted by 2^15 a sample the sum lies in 0..2^26. */
static inline int32_t rescomp_fine_mean(const int16_t *input, rescomp_count samples, rescomp_count channels)
{
    uint32_t lifted = 0;

    for (rescomp_count i = samples; i > 0; --i, input += channels) {
        lifted += (uint32_t)(*input + INT32_C(32768));
    }
    return (int32_t)(lifted * 16 / samples) - INT32_C(524288);
}

/* output[channel] = those of the statistics of input[samples][channels] that are wanted, side by side. 2 to 1024 samples. */
void rescomp_statistics_int16(const int16_t *input, int16_t *output, rescomp_count samples, rescomp_count channels, uint8_t wanted);

/*
 * sum = that of |d|^power of each channel, d its samples less their mean in sixteenths, doubled while all stay below 2^20, then times
 * 2^-shift, rounded; 2^-doublings of it. power 1 has shift 0. Sums stay below 2^31.
 */
void rescomp_deviation_sum_int16(const int16_t *input, int32_t *sum, int16_t *doublings, rescomp_count samples,
                                 rescomp_count channels, uint8_t power, uint8_t shift);

/*
 * output = input[readings][channels], but for `turned` channels named by axes, three of each sensor: turned by the rotation that
 * an alignment of any bits stands for, within low..high. kept = the alignment within its range; it may lie where the alignment does.
 */
void rescomp_align_int16(const int16_t *input, const int16_t *alignment, int16_t *output, int16_t *kept, rescomp_count readings,
                         rescomp_count channels, const RESCOMP_FLASH int16_t *axes, rescomp_count turned, int16_t low,
                         int16_t high);

#endif
