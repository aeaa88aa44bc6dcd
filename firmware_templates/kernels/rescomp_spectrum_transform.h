/* SPDX-License-Identifier: 0BSD */
/*
 * A transform of points in the order of reversed bits, with decimation in time. A stage joins points m apart, a and b, to (a + w b) / 2
 * and (a - w b) / 2, rounded half up, with w = e^(-pi j k / m) for the k-th of a group of 2 m. Two stages are one pass over memory.
 * w = 1 and w = -j are no products.
 */
#ifndef RESCOMP_SPECTRUM_TRANSFORM_H
#define RESCOMP_SPECTRUM_TRANSFORM_H

#include "rescomp_spectrum_point.h"

/* What w is for k = 0, for k = m / 2, and between them. */
typedef enum { ONE, MINUS_J, ANY } factor;

/* e^(-2 pi j at / (4 quarter)), 0 < at < 2 quarter, at != quarter, from a quarter of a sine. */
static inline turn turn_at(rescomp_count at, rescomp_count quarter, const RESCOMP_FLASH int16_t *sine)
{
    return at < quarter ? turn_of(sine[quarter - at], sine[at]) : turn_of(-(int32_t)sine[at - quarter], sine[2 * quarter - at]);
}

static inline void join_two(int32_t *p, rescomp_count m, factor of, turn w)
{
    const point a = raised(point_at(p), 1), b = point_at(p + m), t = of == ANY ? turned(b, w) : b;

    write_point(p, of == MINUS_J ? half_sum_on(a, t) : half_sum(a, t));
    write_point(p + m, of == MINUS_J ? half_difference_on(a, t) : half_difference(a, t));
}

/* Stage m of points 0 and 1, 2 and 3, m apart, by w, and stage 2 m of 0 and 2 by v, of 1 and 3 by -j v. Where w is 1, so is v. */
static inline void join_four(int32_t *p, rescomp_count m, factor of, turn w, turn v)
{
    const point x0 = raised(point_at(p), 3), x2 = raised(point_at(p + 2 * m), 1); /* 3: what these give is raised by 1 */
    const point x1 = point_at(p + m), x3 = point_at(p + 3 * m);
    const point t1 = of == ANY ? turned(x1, w) : x1, t3 = of == ANY ? turned(x3, w) : x3;
    const point y0 = of == MINUS_J ? half_sum_on(x0, t1) : half_sum(x0, t1);
    const point y1 = of == MINUS_J ? half_difference_on(x0, t1) : half_difference(x0, t1);
    const point y2 = of == MINUS_J ? half_sum_on(x2, t3) : half_sum(x2, t3);
    const point y3 = of == MINUS_J ? half_difference_on(x2, t3) : half_difference(x2, t3);

    if (of == ONE) {
        write_point(p, half_sum(y0, y2));
        write_point(p + 2 * m, half_difference(y0, y2));
        write_point(p + m, half_sum_on(y1, y3));
        write_point(p + 3 * m, half_difference_on(y1, y3));
    } else {
        const point t2 = turned(y2, v), u3 = turned_on(y3, v);

        write_point(p, half_sum(y0, t2));
        write_point(p + 2 * m, half_difference(y0, t2));
        write_point(p + m, half_sum(y1, u3));
        write_point(p + 3 * m, half_difference(y1, u3));
    }
}

static void transform_once(int32_t *points, rescomp_count count, rescomp_count m, const RESCOMP_FLASH int16_t *sine)
{
    for (rescomp_count k = 0; k < m; ++k) {
        const factor of = k == 0 ? ONE : 2 * k == m ? MINUS_J : ANY;
        const turn w = of == ANY ? turn_at(k * (count / m), count / 2, sine) : turn_of(0, 0);

        for (rescomp_count i = k; i < count; i += 2 * m) {
            join_two(points + i, m, of, w);
        }
    }
}

static void transform_twice(int32_t *points, rescomp_count count, rescomp_count m, const RESCOMP_FLASH int16_t *sine)
{
    const rescomp_count half = m / 2, step = count / (2 * m), quarter = count / 2;
    const turn eighth = turn_of(sine[quarter / 2], sine[quarter / 2]);

    for (rescomp_count i = 0; i < count; i += 4 * m) {
        join_four(points + i, m, ONE, eighth, eighth);
    }
    for (rescomp_count i = half; half > 0 && i < count; i += 4 * m) {
        join_four(points + i, m, MINUS_J, eighth, eighth);
    }
    for (rescomp_count k = half == 1 ? 2 : 1; k < m; k += k + 1 == half ? 2 : 1) {
        const turn w = turn_at(2 * k * step, quarter, sine), v = turn_of(sine[quarter - k * step], sine[k * step]);

        for (rescomp_count i = k; i < count; i += 4 * m) {
            join_four(points + i, m, ANY, w, v);
        }
    }
}

/* Doubles all points as often as the largest part stays below 2^14; returns how often. */
static uint8_t scale(int32_t *points, rescomp_count count)
{
    const int32_t *const end = points + count;
    int32_t bits = 0;
    uint8_t zeros;

    for (const int32_t *p = points; p < end; ++p) {
        bits |= bits_of(point_at(p));
    }
    zeros = zeros_of(gathered(bits));
    if (zeros < 2) {
        return 0;
    }
    --zeros;
    for (int32_t *p = points; p < end; ++p) {
        write_point(p, doubled(point_at(p), zeros));
    }
    return zeros;
}

#endif
