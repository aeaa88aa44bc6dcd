/* SPDX-License-Identifier: 0BSD */
/* A frame's samples, emphasised and weighted, as points in the order of reversed bits. */
#ifndef RESCOMP_SPECTRUM_READ_H
#define RESCOMP_SPECTRUM_READ_H

#include "rescomp_spectrum_point.h"
#include "rescomp_spectrum_window.h"

/* Where the samples of a channel are read, and what is subtracted from the next: the one before less a part of it, or nothing. */
typedef struct {
    const int16_t *sample;
    rescomp_count channels;
    uint8_t shift;
    int32_t half, less;
} reader;

/* now - shift(now, s); with shift and half of 0 nothing. */
static inline int32_t less_of(int32_t now, const reader *from)
{
    return now - ((now + from->half) >> from->shift);
}

static inline reader reader_of(const int16_t *input, rescomp_count channels, const rescomp_frame *frame)
{
    reader from;

    from.sample = frame->pre_emphasis ? input + channels : input;
    from.channels = channels;
    from.shift = frame->pre_emphasis;
    from.half = frame->pre_emphasis ? INT32_C(1) << (frame->pre_emphasis - 1) : 0;
    from.less = less_of(*input, &from);
    return from;
}

static inline int32_t next_of(reader *from)
{
    const int32_t now = *from->sample, emphasised = now - from->less;

    from->sample += from->channels;
    from->less = less_of(now, from);
    return emphasised == (int16_t)emphasised ? emphasised : emphasised < 0 ? INT16_MIN : INT16_MAX;
}

/* |shift(value, 15)| is (size_of(value) + 2^14) / 2^15, rounded down. */
static inline int32_t size_of(int32_t value)
{
    return value ^ (value >> 31);
}

static inline int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* Writes a run of samples as points; returns the largest size of what their weights make of them. */
static int32_t read_run(reader *reading, int32_t *to, run by)
{
    reader from = *reading;
    const int32_t *const end = to + by.pairs;
    int32_t largest = 0;

    for (; to < end; ++to, by.weight += 2 * by.step) {
        const int32_t re = next_of(&from), im = next_of(&from);

        largest = larger(largest, size_of(re * weight_at(by.weight)));
        largest = larger(largest, size_of(im * weight_at(by.weight + by.step)));
        write_point(to, point_of(re, im));
    }
    *reading = from;
    return largest;
}

static void weigh_run(int32_t *to, run by, uint8_t shift)
{
    const int32_t *const end = to + by.pairs;

    for (; to < end; ++to, by.weight += 2 * by.step) {
        const point value = point_at(to);
        const int32_t re = value.re * weight_at(by.weight), im = value.im * weight_at(by.weight + by.step);

        write_point(to, point_of(rescomp_round_half_up_shift(re, shift), rescomp_round_half_up_shift(im, shift)));
    }
}

static inline void swap_upwards(int32_t *points, rescomp_count i, rescomp_count j)
{
    if (i < j) {
        const int32_t kept = points[i];

        points[i] = points[j];
        points[j] = kept;
    }
}

/* Into the order of reversed bits: j is i reversed, and the places of i + 1, i + 2 and i + 3 differ from it in the two highest bits. */
static void permute(int32_t *points, rescomp_count count)
{
    rescomp_count j = 0;

    for (rescomp_count i = 0; i < count; i += 4) {
        rescomp_count bit = count / 8;

        swap_upwards(points, i, j);
        swap_upwards(points, i + 1, j + count / 2);
        swap_upwards(points, i + 2, j + count / 4);
        swap_upwards(points, i + 3, j + count / 4 + count / 2);
        for (; j & bit; bit /= 2) {
            j ^= bit;
        }
        j |= bit;
    }
}

/* The weighted frame, scaled so that its largest part lies between 2^13 and 2^14 where it can; returns the doublings. */
static uint8_t read_frame(const int16_t *input, int32_t *points, rescomp_count channels, const rescomp_frame *frame)
{
    const rescomp_count pairs = frame->length / 2;
    reader from = reader_of(input, channels, frame);
    int32_t largest = 0, last = 0;
    uint8_t doublings;

    for (uint8_t i = 0; i < RUNS; ++i) {
        const run by = run_of(i, frame);

        largest = larger(largest, read_run(&from, points + by.first, by));
    }
    for (rescomp_count i = pairs; i < frame->size / 2; ++i) {
        points[i] = 0;
    }
    if (frame->length % 2) {
        last = next_of(&from) * frame->window[place_of(2 * pairs, frame->length)];
        largest = larger(largest, size_of(last));
    }
    doublings = zeros_of(rescomp_round_half_up_shift(largest, Q15));
    for (uint8_t i = 0; i < RUNS; ++i) {
        const run by = run_of(i, frame);

        weigh_run(points + by.first, by, (uint8_t)(16 - doublings));
    }
    if (frame->length % 2) {
        write_point(points + pairs, point_of(rescomp_round_half_up_shift(last, 16 - doublings), 0));
    }
    permute(points, frame->size / 2);
    return doublings;
}

#endif
