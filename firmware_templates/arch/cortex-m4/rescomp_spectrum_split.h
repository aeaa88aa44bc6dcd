/* SPDX-License-Identifier: 0BSD */
/* For rescomp_spectrum_split.h: products of both parts at once. */
#ifndef RESCOMP_SPECTRUM_SPLIT_H
#define RESCOMP_SPECTRUM_SPLIT_H

#include "rescomp_spectrum_point.h"

static inline int32_t length_of(int32_t re, int32_t im)
{
    re = magnitude_of(re);
    im = magnitude_of(im);
    return 3 * (re + im) + 5 * (re > im ? re : im);
}

/*
 * Frequencies k and count - k, of points a and b, which are replaced. w: e^(-2 pi j k / size) in Q15, and is used in Q14: c, s.
 * re = (a_im + b_im) c + (b_re - a_re) s, im = (b_re - a_re) c - (a_im + b_im) s.
 */
static inline void split_pair(int32_t *first, int32_t *last, turn w)
{
    const uint32_t a = point_at(first), b = point_at(last), v = half_sum(w, 0x00010001u);
    const int32_t even_re = (int16_t)(a & 0xffff) + (int16_t)(b & 0xffff), even_im = ((int32_t)a >> 16) - ((int32_t)b >> 16);
    const int32_t re = plus_across(b, v, (int32_t)across_difference(v, a));
    const int32_t im = (plus_straight_difference(b, v, 1 << 13) - (int32_t)straight(a, v)) >> Q14;

    *first = length_of(even_re + (((1 << 13) + re) >> Q14), im + even_im);
    *last = length_of(even_re + (((1 << 13) - re) >> Q14), im - even_im);
}

static void split(int32_t *points, rescomp_count count, const RESCOMP_FLASH int16_t *sine)
{
    const rescomp_count quarter = count / 2;
    const int32_t middle = points[quarter];

    points[0] = 0;
    for (rescomp_count k = 1; k < quarter; ++k) {
        split_pair(points + k, points + count - k, turn_of(sine[quarter - k], sine[k]));
    }
    points[quarter] = length_of(2 * (int16_t)(middle & 0xffff), 2 * (middle >> 16));
}

#endif
