/* SPDX-License-Identifier: 0BSD */
/* Helium for rescomp_spectrum_read.h, eight samples at a time; those behind the frame's last are zeros that are not read. */
#ifndef RESCOMP_SPECTRUM_READ_H
#define RESCOMP_SPECTRUM_READ_H

#include "rescomp_spectrum_points_mve.h"

/* What lies behind sample `first` of a channel: eight samples, or as many as `active` says. */
static inline int16x8_t samples_from(const int16_t *input, uint16x8_t numbers, rescomp_count channels, mve_pred16_t active)
{
    return vldrhq_gather_shifted_offset_z_s16(input, vmulq_n_u16(numbers, (uint16_t)channels), active);
}

/* now - (before - shift(before, s)), saturated */
static inline int16x8_t emphasised(const int16_t *input, uint16x8_t numbers, rescomp_count channels, uint8_t shift, mve_pred16_t active)
{
    const int16x8_t before = samples_from(input, numbers, channels, active);
    int16x8_t now;

    if (shift == 0) {
        return before;
    }
    now = samples_from(input + channels, numbers, channels, active);
    return vqsubq_s16(now, vsubq_s16(before, vrshlq_n_s16(before, -shift)));
}

/* A window is stored up to its middle: sample i has weight number min(i, length - i). */
static inline int16x8_t weights_of(uint16x8_t numbers, const int16_t *window, uint16_t length, mve_pred16_t active)
{
    return vldrhq_gather_shifted_offset_z_s16(window, vminq_u16(numbers, vsubq_u16(vdupq_n_u16(length), numbers)), active);
}

/* Both are parts of 16 bits of points: shift(samples weights, shift). */
static inline int16x8_t weighted(int16x8_t samples, int16x8_t weights, int32_t shift)
{
    const int32x4_t lower = vrshlq_n_s32(vmullbq_int_s16(samples, weights), -shift);
    const int32x4_t upper = vrshlq_n_s32(vmulltq_int_s16(samples, weights), -shift);

    return vmovntq_s32(vmovnbq_s32(samples, lower), upper);
}

/* The weighted frame, scaled so that its largest part lies between 2^13 and 2^14 where it can; returns the doublings. */
static uint8_t read_frame(const int16_t *input, int32_t *points, rescomp_count channels, const rescomp_frame *frame)
{
    const rescomp_count size = frame->size, length = frame->length;
    const int16_t *const window = frame->window;
    const uint8_t pre_emphasis = frame->pre_emphasis;
    const int32_t bits = 31 - __builtin_clz(size / 2);
    uint32_t largest = 0;
    uint8_t doublings;

    for (uint32_t i = 0; i < size; i += SAMPLES) {
        const mve_pred16_t active = vctp16q(i < length ? length - i : 0);
        const uint16x8_t numbers = vidupq_n_u16(i, 1);
        const int16x8_t samples = emphasised(input, numbers, channels, pre_emphasis, active);

        largest = vmaxavq_s16((uint16_t)largest, vqrdmulhq_s16(samples, weights_of(numbers, window, (uint16_t)length, active)));
        scatter(points, vbrsrq_n_u32(from_on(i / 2), bits), samples);
    }
    doublings = zeros_of((int32_t)largest);
    for (uint32_t i = 0; i < length; i += SAMPLES) {
        const uint32x4_t places = vbrsrq_n_u32(from_on(i / 2), bits);
        const int16x8_t weights = weights_of(vidupq_n_u16(i, 1), window, (uint16_t)length, vctp16q(length - i));

        scatter(points, places, weighted(gathered(points, places), weights, 16 - doublings));
    }
    return doublings;
}

#endif
