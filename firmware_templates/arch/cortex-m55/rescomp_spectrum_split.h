/* SPDX-License-Identifier: 0BSD */
/* Helium for rescomp_spectrum_split.h, four pairs of frequencies at a time. */
#ifndef RESCOMP_SPECTRUM_SPLIT_H
#define RESCOMP_SPECTRUM_SPLIT_H

#include "rescomp_spectrum_points_mve.h"

static inline int32x4_t lengths_of(int32x4_t re, int32x4_t im)
{
    const int32x4_t a = vabsq_s32(re), b = vabsq_s32(im);

    return vmlaq_n_s32(vmulq_n_s32(vaddq_s32(a, b), 3), vmaxq_s32(a, b), 5);
}

/* Frequencies first, first + 1, .. and count - first, .., of points a and b, by c - j s in Q14. */
static inline void split_lanes(int32_t *points, uint32_t count, uint32_t first, const int16_t *sine)
{
    const mve_pred16_t active = vctp32q(count / 2 - first);
    const uint32x4_t k = from_on(first), mirrored = vsubq_u32(vdupq_n_u32(count), k);
    const int16x8_t a = vreinterpretq_s16_s32(vldrwq_z_s32(points + first, active));
    const int16x8_t b = vreinterpretq_s16_s32(vldrwq_gather_shifted_offset_z_s32(points, mirrored, active));
    const int32x4_t c = vrshrq_n_s32(vldrhq_gather_shifted_offset_z_s32(sine, vsubq_u32(vdupq_n_u32(count / 2), k), active), 1);
    const int32x4_t s = vrshrq_n_s32(vldrhq_z_s32(sine + first, active), 1);
    const int32x4_t even_re = vaddq_s32(vmovlbq_s16(a), vmovlbq_s16(b)), even_im = vsubq_s32(vmovltq_s16(a), vmovltq_s16(b));
    const int32x4_t odd_re = vaddq_s32(vmovltq_s16(a), vmovltq_s16(b)), odd_im = vsubq_s32(vmovlbq_s16(b), vmovlbq_s16(a));
    const int32x4_t re = vaddq_s32(vmulq_s32(odd_re, c), vmulq_s32(odd_im, s));
    const int32x4_t im = vrshrq_n_s32(vsubq_s32(vmulq_s32(odd_im, c), vmulq_s32(odd_re, s)), 14);
    const int32x4_t near = lengths_of(vaddq_s32(even_re, vrshrq_n_s32(re, 14)), vaddq_s32(im, even_im));
    const int32x4_t far = lengths_of(vaddq_s32(even_re, vrshrq_n_s32(vnegq_s32(re), 14)), vsubq_s32(im, even_im));

    vstrwq_p_s32(points + first, near, active);
    vstrwq_scatter_shifted_offset_p_s32(points, mirrored, far, active);
}

static void split(int32_t *points, rescomp_count count, const RESCOMP_FLASH int16_t *sine)
{
    const rescomp_count quarter = count / 2;
    const int32x4_t middle = vdupq_n_s32(points[quarter]);
    const int16x8_t twice = vreinterpretq_s16_s32(middle);

    points[0] = 0;
    points[quarter] = vgetq_lane_s32(lengths_of(vshlq_n_s32(vmovlbq_s16(twice), 1), vshlq_n_s32(vmovltq_s16(twice), 1)), 0);
    for (rescomp_count k = 1; k < quarter; k += LANES) {
        split_lanes(points, count, k, sine);
    }
}

#endif
