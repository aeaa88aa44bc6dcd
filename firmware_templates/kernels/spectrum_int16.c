/* SPDX-License-Identifier: 0BSD */
/*
 * A complex point is one word, its real part in the lower half: even samples are real parts, odd ones imaginary. A frame's points lie
 * where its magnitudes will, are transformed there with decimation in time, and become two magnitudes at a time.
 */
#include "rescomp_frontend.h"

enum { MOST_ZEROS = 13, Q15 = 15, Q14 = 14 };

static inline int32_t point_of(int32_t re, int32_t im)
{
    return (int32_t)(((uint32_t)im << 16) | ((uint32_t)re & 0xffff));
}

static inline int32_t re_of(int32_t point)
{
    return (int16_t)((uint32_t)point & 0xffff);
}

static inline int32_t im_of(int32_t point)
{
    return point >> 16;
}

static inline int32_t magnitude_of(int32_t value)
{
    const int32_t sign = value >> 31;

    return (value ^ sign) - sign;
}

/*
 * How often the largest of some magnitudes is doubled to reach 2^14, MOST_ZEROS times at most. bits: all of them, one over another, for
 * the highest bit alone decides.
 */
static uint8_t zeros_of(int32_t bits)
{
    uint8_t zeros = 0;

    while (zeros < MOST_ZEROS && bits < INT32_C(1) << 14) {
        bits *= 2;
        ++zeros;
    }
    return zeros;
}

/* Where the samples of a channel are read, and the one before. */
typedef struct {
    const int16_t *sample;
    rescomp_count channels;
    uint8_t pre_emphasis;
    int32_t before;
} reader;

static inline int32_t next_of(reader *from)
{
    const int32_t now = *from->sample, before = from->before;

    from->sample += from->channels;
    if (from->pre_emphasis == 0) {
        return now;
    }
    from->before = now;
    return rescomp_saturate_int16(now - before + rescomp_round_half_up_shift(before, from->pre_emphasis));
}

static inline int32_t weight_of(rescomp_count i, const rescomp_frame *frame)
{
    return frame->window[2 * i <= frame->length ? i : frame->length - i];
}

static inline int32_t weighted_size(int32_t sample, rescomp_count i, const rescomp_frame *frame)
{
    return magnitude_of(rescomp_round_half_up_shift(sample * weight_of(i, frame), Q15));
}

/* The weighted frame, scaled so that its largest part lies between 2^13 and 2^14 where it can; returns the doublings. */
static uint8_t read_frame(const int16_t *input, int32_t *point, rescomp_count channels, const rescomp_frame *frame)
{
    const rescomp_count pairs = frame->length / 2, odd = frame->length % 2;
    const int16_t *first = frame->pre_emphasis ? input + channels : input;
    reader from = {first, channels, frame->pre_emphasis, *input};
    int32_t bits = 0;
    uint8_t doublings, shift;

    for (rescomp_count i = 0; i < pairs; ++i) {
        const int32_t re = next_of(&from), im = next_of(&from);

        bits |= weighted_size(re, 2 * i, frame) | weighted_size(im, 2 * i + 1, frame);
        point[i] = point_of(re, im);
    }
    for (rescomp_count i = pairs; i < frame->size / 2; ++i) {
        point[i] = 0;
    }
    if (odd) {
        point[pairs] = point_of(next_of(&from), 0);
        bits |= weighted_size(re_of(point[pairs]), 2 * pairs, frame);
    }
    doublings = zeros_of(bits);
    shift = (uint8_t)(16 - doublings);
    for (rescomp_count i = 0; i < pairs; ++i) {
        const int32_t re = re_of(point[i]) * weight_of(2 * i, frame), im = im_of(point[i]) * weight_of(2 * i + 1, frame);

        point[i] = point_of(rescomp_round_half_up_shift(re, shift), rescomp_round_half_up_shift(im, shift));
    }
    if (odd) {
        point[pairs] = point_of(rescomp_round_half_up_shift(re_of(point[pairs]) * weight_of(2 * pairs, frame), shift), 0);
    }
    return doublings;
}

/* Into the order of reversed bits. */
static void permute(int32_t *point, rescomp_count count)
{
    rescomp_count j = 0;

    for (rescomp_count i = 0; i < count; ++i) {
        rescomp_count bit = count / 2;

        if (i < j) {
            const int32_t kept = point[i];

            point[i] = point[j];
            point[j] = kept;
        }
        for (; bit > 0 && (j & bit); bit /= 2) {
            j ^= bit;
        }
        j |= bit;
    }
}

/* a + t and a - t, halved, for the two points `apart`. */
static inline void write_pair(int32_t *point, rescomp_count apart, int32_t re, int32_t im)
{
    const int32_t a = point[0];

    point[0] = point_of((re_of(a) + re + 1) >> 1, (im_of(a) + im + 1) >> 1);
    point[apart] = point_of((re_of(a) - re + 1) >> 1, (im_of(a) - im + 1) >> 1);
}

/* One stage: pairs `m` apart, turned by 1, by -j, and by every other factor of which the table has a quarter. */
static void transform(int32_t *point, rescomp_count count, rescomp_count m, const RESCOMP_FLASH int16_t *sine)
{
    const rescomp_count step = count / m, quarter = count / 2;

    for (rescomp_count i = 0; i < count; i += 2 * m) {
        write_pair(point + i, m, re_of(point[i + m]), im_of(point[i + m]));
    }
    for (rescomp_count i = m / 2; m > 1 && i < count; i += 2 * m) {
        write_pair(point + i, m, im_of(point[i + m]), -re_of(point[i + m]));
    }
    for (rescomp_count k = 1; k < m; ++k) {
        const rescomp_count at = k * step;
        const int32_t s = at == quarter ? 0 : sine[at < quarter ? at : 2 * quarter - at];
        const int32_t c = at == quarter ? 0 : at < quarter ? sine[quarter - at] : -(int32_t)sine[at - quarter];

        if (at == quarter) {
            continue;
        }
        for (rescomp_count i = k; i < count; i += 2 * m) {
            const int32_t x = re_of(point[i + m]), y = im_of(point[i + m]);

            write_pair(point + i, m, rescomp_round_half_up_shift(x * c + y * s, Q15), rescomp_round_half_up_shift(y * c - x * s, Q15));
        }
    }
}

/* Doubles all points as often as the largest part stays below 2^14; returns how often. */
static uint8_t scale(int32_t *point, rescomp_count count)
{
    int32_t bits = 0;
    uint8_t zeros;

    for (rescomp_count i = 0; i < count; ++i) {
        bits |= magnitude_of(re_of(point[i])) | magnitude_of(im_of(point[i]));
    }
    zeros = zeros_of(bits);
    if (zeros < 2) {
        return 0;
    }
    for (rescomp_count i = 0; i < count; ++i) {
        const int32_t by = INT32_C(1) << (zeros - 1);

        point[i] = point_of(re_of(point[i]) * by, im_of(point[i]) * by);
    }
    return (uint8_t)(zeros - 1);
}

static inline int32_t length_of(int32_t re, int32_t im)
{
    re = magnitude_of(re);
    im = magnitude_of(im);
    return re > im ? 8 * re + 3 * im : 8 * im + 3 * re;
}

/* From the transform of pairs of samples to the magnitudes of the frame's own frequencies, k and count - k together. */
static void split(int32_t *point, rescomp_count count, const RESCOMP_FLASH int16_t *sine)
{
    const rescomp_count quarter = count / 2;

    point[0] = 0;
    point[quarter] = length_of(2 * re_of(point[quarter]), 2 * im_of(point[quarter]));
    for (rescomp_count k = 1; k < quarter; ++k) {
        const int32_t a = point[k], b = point[count - k];
        const int32_t c = (sine[quarter - k] + 1) >> 1, s = (sine[k] + 1) >> 1;
        const int32_t even_re = re_of(a) + re_of(b), even_im = im_of(a) - im_of(b);
        const int32_t odd_re = im_of(a) + im_of(b), odd_im = re_of(b) - re_of(a);
        const int32_t re = odd_re * c + odd_im * s, im = odd_im * c - odd_re * s;

        point[k] = length_of(even_re + rescomp_round_half_up_shift(re, Q14), even_im + rescomp_round_half_up_shift(im, Q14));
        point[count - k] = length_of(even_re + rescomp_round_half_up_shift(-re, Q14), rescomp_round_half_up_shift(im, Q14) - even_im);
    }
}

void rescomp_spectrum_int16(const int16_t *input, int32_t *magnitude, int16_t *doublings, rescomp_count channels, rescomp_frame frame)
{
    const rescomp_count count = frame.size / 2;
    rescomp_count middle = 1;

    for (rescomp_count m = 2; m < count; m *= 4) {
        middle *= 2;
    }
    for (rescomp_count channel = 0; channel < channels; ++channel, magnitude += count) {
        uint8_t doubled = read_frame(input + channel, magnitude, channels, &frame);

        permute(magnitude, count);
        for (rescomp_count m = 1; m < count; m *= 2) {
            if (m == middle) {
                doubled = (uint8_t)(doubled + scale(magnitude, count));
            }
            transform(magnitude, count, m, frame.sine);
        }
        split(magnitude, count, frame.sine);
        doublings[channel] = doubled;
    }
}
