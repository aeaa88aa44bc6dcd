/* SPDX-License-Identifier: 0BSD */
/*
 * Helium for the points of a transform: a vector is four of them, each a word with its real part in the lower half. Indices of places are
 * words, one a lane.
 */
#ifndef RESCOMP_SPECTRUM_POINTS_MVE_H
#define RESCOMP_SPECTRUM_POINTS_MVE_H

#include <arm_mve.h>

#include "rescomp_core.h"
#include "rescomp_frontend.h"
#include "rescomp_spectrum_zeros.h"

enum { LANES = 4, SAMPLES = 8 };

static inline int16x8_t points_at(const int32_t *words)
{
    return vreinterpretq_s16_s32(vldrwq_s32(words));
}

static inline void write_points(int32_t *words, int16x8_t points)
{
    vstrwq_s32(words, vreinterpretq_s32_s16(points));
}

/* From places that may lie anywhere, each four bytes. */
static inline int16x8_t gathered(const int32_t *words, uint32x4_t places)
{
    return vreinterpretq_s16_s32(vldrwq_gather_shifted_offset_s32(words, places));
}

static inline void scatter(int32_t *words, uint32x4_t places, int16x8_t points)
{
    vstrwq_scatter_shifted_offset_s32(words, places, vreinterpretq_s32_s16(points));
}

/* i, i + 1, i + 2, i + 3 */
static inline uint32x4_t from_on(uint32_t i)
{
    return vidupq_n_u32(i, 1);
}

#endif
