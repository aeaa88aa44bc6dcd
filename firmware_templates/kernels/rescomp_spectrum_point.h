/* SPDX-License-Identifier: 0BSD */
/*
 * What is done with the complex numbers of a transform, whose even samples are real parts and whose odd ones are imaginary. The loops over
 * them (rescomp_spectrum_*.h) are written in these operations, for which a core may have an instruction.
 */
#ifndef RESCOMP_SPECTRUM_POINT_H
#define RESCOMP_SPECTRUM_POINT_H

#include "rescomp_frontend.h"
#include "rescomp_spectrum_word.h"
#include "rescomp_spectrum_zeros.h"

enum { Q15 = 15, Q14 = 14 };

typedef struct {
    int32_t re, im;
} point;

/* By what a point is multiplied: c - j s, in Q15. */
typedef struct {
    int32_t c, s;
} turn;

static inline point point_of(int32_t re, int32_t im)
{
    const point made = {re, im};

    return made;
}

static inline turn turn_of(int32_t c, int32_t s)
{
    const turn made = {c, s};

    return made;
}

/* In memory a point is a word, its real part in the lower half. */
static inline point point_at(const int32_t *word)
{
    return point_of((int16_t)((uint32_t)*word & 0xffff), *word >> 16);
}

static inline void write_point(int32_t *word, point value)
{
    write_halves(word, value.re, value.im);
}

/* times c - j s */
static inline point turned(point by, turn w)
{
    const int32_t straight = by.re * w.c + by.im * w.s, across = by.im * w.c - by.re * w.s;

    return point_of(rescomp_round_half_up_shift(straight, Q15), rescomp_round_half_up_shift(across, Q15));
}

/* times -j (c - j s) */
static inline point turned_on(point by, turn w)
{
    const int32_t straight = by.re * w.c + by.im * w.s, across = by.im * w.c - by.re * w.s;

    return point_of(rescomp_round_half_up_shift(across, Q15), rescomp_round_half_up_shift(-straight, Q15));
}

/* Both parts greater by `by`: what rounds halves up. */
static inline point raised(point value, int32_t by)
{
    return point_of(value.re + by, value.im + by);
}

static inline point half_sum(point a, point b)
{
    return point_of((a.re + b.re) >> 1, (a.im + b.im) >> 1);
}

static inline point half_difference(point a, point b)
{
    return point_of((a.re - b.re) >> 1, (a.im - b.im) >> 1);
}

/* (a - j b) / 2 */
static inline point half_sum_on(point a, point b)
{
    return point_of((a.re + b.im) >> 1, (a.im - b.re) >> 1);
}

/* (a + j b) / 2 */
static inline point half_difference_on(point a, point b)
{
    return point_of((a.re - b.im) >> 1, (a.im + b.re) >> 1);
}

static inline point doubled(point value, uint8_t times)
{
    return point_of(value.re * (INT32_C(1) << times), value.im * (INT32_C(1) << times));
}

static inline int32_t magnitude_of(int32_t value)
{
    const int32_t sign = value >> 31;

    return (value ^ sign) - sign;
}

/* The magnitudes of both parts, one over another, for the highest bit of all alone decides. */
static inline int32_t bits_of(point value)
{
    return magnitude_of(value.re) | magnitude_of(value.im);
}

/* From such bits of many points to those of a magnitude. */
static inline int32_t gathered(int32_t bits)
{
    return bits;
}

#endif
