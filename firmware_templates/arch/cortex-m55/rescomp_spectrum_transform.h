/* SPDX-License-Identifier: 0BSD */
/*
 * Helium for rescomp_spectrum_transform.h, four k of a stage at a time; where m is less than four, those of several groups. All lanes are
 * multiplied, and then those taken back whose factor is 1 or -j.
 */
#ifndef RESCOMP_SPECTRUM_TRANSFORM_H
#define RESCOMP_SPECTRUM_TRANSFORM_H

#include "rescomp_spectrum_points_mve.h"

/* Factors c - j s of four lanes, c in the lower half, s in the upper one; in which lanes they are 1 and -j instead. */
typedef struct {
    int16x8_t w;
    mve_pred16_t is_one, is_minus_j;
} turns;

static inline int16x8_t from_halves(int32x4_t lower, int32x4_t upper)
{
    return vreinterpretq_s16_s32(vsliq_n_s32(lower, upper, 16));
}

/* -j times points */
static inline int16x8_t turned_on(int16x8_t points)
{
    return vcaddq_rot270_s16(vdupq_n_s16(0), points);
}

/* re c + im s, im c - re s, rounded half up */
static inline int16x8_t multiplied(int16x8_t points, int16x8_t w)
{
    return vqrdmladhq_s16(vqrdmlsdhxq_s16(points, points, w), points, w);
}

/* The points of some lanes as they are, those of others. */
static inline int16x8_t unless(mve_pred16_t kept, int16x8_t points, int16x8_t others)
{
    return vpselq_s16(points, others, kept);
}

static inline int16x8_t turned(int16x8_t points, const turns *by)
{
    return unless(by->is_one, points, unless(by->is_minus_j, turned_on(points), multiplied(points, by->w)));
}

/* Entries of a quarter of a sine; of no use past it. */
static inline int32x4_t sines(const int16_t *sine, uint32x4_t places, uint32_t quarter)
{
    return vldrhq_gather_shifted_offset_s32(sine, vminq_u32(places, vdupq_n_u32(quarter - 1)));
}

/* e^(-pi j k / m) */
static inline turns turns_of(uint32x4_t k, uint32_t m, uint32_t quarter, const int16_t *sine)
{
    const uint32x4_t at = vmulq_n_u32(k, 2 * quarter / m), last = vdupq_n_u32(2 * quarter);
    const int32x4_t c = sines(sine, vabdq_u32(at, vdupq_n_u32(quarter)), quarter);
    const int32x4_t s = sines(sine, vminq_u32(at, vsubq_u32(last, at)), quarter);
    turns found;

    found.w = from_halves(vnegq_m_s32(c, c, vcmphiq_n_u32(at, quarter)), s);
    found.is_one = vcmpeqq_n_u32(k, 0);
    found.is_minus_j = vcmpeqq_n_u32(at, quarter);
    return found;
}

/* -j times factors: -s, c in their halves. */
static inline int16x8_t factors_on(int16x8_t w)
{
    const int32x4_t words = vreinterpretq_s32_s16(w);

    return from_halves(vnegq_s32(vshrq_n_s32(words, 16)), words);
}

/* Stage m of points 0 and 1, 2 and 3, m apart, by w, and stage 2 m of 0 and 2 by v, which is never -j, 1 and 3 by -j v, which is u. */
static inline void join_four(int32_t *p, uint32_t m, uint32x4_t places, const turns *w, const turns *v, int16x8_t u)
{
    const int16x8_t x0 = vaddq_n_s16(gathered(p, places), 3); /* 3: what it gives is raised by 1 */
    const int16x8_t x1 = turned(gathered(p + m, places), w);
    const int16x8_t x2 = vaddq_n_s16(gathered(p + 2 * m, places), 1);
    const int16x8_t x3 = turned(gathered(p + 3 * m, places), w);
    const int16x8_t y0 = vhaddq_s16(x0, x1), y1 = vhsubq_s16(x0, x1), y2 = vhaddq_s16(x2, x3), y3 = vhsubq_s16(x2, x3);
    const int16x8_t t2 = unless(v->is_one, y2, multiplied(y2, v->w));
    const int16x8_t t3 = unless(v->is_one, turned_on(y3), multiplied(y3, u));

    scatter(p, places, vhaddq_s16(y0, t2));
    scatter(p + 2 * m, places, vhsubq_s16(y0, t2));
    scatter(p + m, places, vhaddq_s16(y1, t3));
    scatter(p + 3 * m, places, vhsubq_s16(y1, t3));
}

static inline void join_two(int32_t *p, uint32_t m, uint32x4_t places, const turns *w)
{
    const int16x8_t a = vaddq_n_s16(gathered(p, places), 1), b = turned(gathered(p + m, places), w);

    scatter(p, places, vhaddq_s16(a, b));
    scatter(p + m, places, vhsubq_s16(a, b));
}

/*
 * Where the lanes' first points lie, before k is added: in `groups` groups of `apart` m points. A group takes as many lanes as it has k;
 * where there are too few groups, lanes do what others do.
 */
static inline uint32x4_t places_of(uint32x4_t k, uint32_t m, uint32_t apart, uint32_t groups)
{
    const uint32x4_t group = vminq_u32(vsubq_u32(from_on(0), vandq_u32(k, vdupq_n_u32(LANES - 1))), vdupq_n_u32((groups - 1) * m));

    return m < LANES ? vmlaq_n_u32(k, group, apart) : from_on(0);
}

static void transform_once(int32_t *points, uint32_t count, uint32_t m, const int16_t *sine)
{
    const uint32_t stride = m < LANES ? LANES * 2 : 2 * m;

    for (uint32_t first = 0; first < m; first += LANES) {
        const uint32x4_t k = vandq_u32(from_on(first), vdupq_n_u32(m - 1)), places = places_of(k, m, 2, count / (2 * m));
        const turns w = turns_of(k, m, count / 2, sine);

        for (uint32_t i = first; i < count; i += stride) {
            join_two(points + i, m, places, &w);
        }
    }
}

static void transform_twice(int32_t *points, uint32_t count, uint32_t m, const int16_t *sine)
{
    const uint32_t stride = m < LANES ? LANES * 4 : 4 * m;

    for (uint32_t first = 0; first < m; first += LANES) {
        const uint32x4_t k = vandq_u32(from_on(first), vdupq_n_u32(m - 1)), places = places_of(k, m, 4, count / (4 * m));
        const turns w = turns_of(k, m, count / 2, sine), v = turns_of(k, 2 * m, count / 2, sine);
        const int16x8_t u = factors_on(v.w);

        for (uint32_t i = first; i < count; i += stride) {
            join_four(points + i, m, places, &w, &v, u);
        }
    }
}

/* Doubles all points as often as the largest part stays below 2^14; returns how often. */
static uint8_t scale(int32_t *points, rescomp_count count)
{
    const int32_t *const end = points + count;
    uint16_t largest = 0;
    uint8_t zeros;

    for (const int32_t *p = points; p < end; p += LANES) {
        largest = vmaxavq_s16(largest, points_at(p));
    }
    zeros = zeros_of((int32_t)largest);
    if (zeros < 2) {
        return 0;
    }
    --zeros;
    for (int32_t *p = points; p < end; p += LANES) {
        write_points(p, vshlq_r_s16(points_at(p), zeros));
    }
    return zeros;
}

#endif
