/* SPDX-License-Identifier: 0BSD */
/* From the transform of pairs of samples to the magnitudes of the frame's own frequencies. */
#ifndef RESCOMP_SPECTRUM_SPLIT_H
#define RESCOMP_SPECTRUM_SPLIT_H

#include "rescomp_spectrum_point.h"

static inline int32_t length_of(int32_t re, int32_t im)
{
    re = magnitude_of(re);
    im = magnitude_of(im);
    return 3 * (re + im) + 5 * (re > im ? re : im);
}

/* Frequencies k and count - k, of points a and b, which are replaced. w: e^(-2 pi j k / size) in Q15, and is used in Q14. */
static inline void split_pair(int32_t *first, int32_t *last, turn w)
{
    const point a = point_at(first), b = point_at(last);
    const int32_t c = (w.c + 1) >> 1, s = (w.s + 1) >> 1;
    const int32_t even_re = a.re + b.re, even_im = a.im - b.im, odd_re = a.im + b.im, odd_im = b.re - a.re;
    const int32_t re = odd_re * c + odd_im * s, im = rescomp_round_half_up_shift(odd_im * c - odd_re * s, Q14);

    *first = length_of(even_re + rescomp_round_half_up_shift(re, Q14), im + even_im);
    *last = length_of(even_re + rescomp_round_half_up_shift(-re, Q14), im - even_im);
}

static void split(int32_t *points, rescomp_count count, const RESCOMP_FLASH int16_t *sine)
{
    const rescomp_count quarter = count / 2;

    points[0] = 0;
    for (rescomp_count k = 1; k < quarter; ++k) {
        split_pair(points + k, points + count - k, turn_of((uint16_t)sine[quarter - k], (uint16_t)sine[k]));
    }
    points[quarter] = length_of(2 * point_at(points + quarter).re, 2 * point_at(points + quarter).im);
}

#endif
