/* SPDX-License-Identifier: 0BSD */
/* A frame's samples, emphasised and weighted, as points in the order of reversed bits. */
#ifndef RESCOMP_SPECTRUM_READ_H
#define RESCOMP_SPECTRUM_READ_H

#include "rescomp_spectrum_point.h"
#include "rescomp_spectrum_window.h"

/* Where the samples of a channel are read, and what is subtracted: the one before, of which `kept` holds all bits or none, less a part. */
typedef struct {
    const int16_t *sample;
    rescomp_count channels;
    uint8_t shift;
    int32_t before, kept;
} reader;

static inline reader reader_of(const int16_t *input, rescomp_count channels, const rescomp_frame *frame)
{
    reader from;

    from.sample = frame->pre_emphasis ? input + channels : input;
    from.channels = channels;
    from.shift = frame->pre_emphasis ? frame->pre_emphasis : 1;
    from.kept = frame->pre_emphasis ? -1 : 0;
    from.before = *input & from.kept;
    return from;
}

static inline int32_t next_of(reader *from)
{
    const int32_t now = *from->sample, emphasised = now - from->before + rescomp_round_half_up_shift(from->before, from->shift);

    from->sample += from->channels;
    from->before = now & from->kept;
    return emphasised == (int16_t)emphasised ? emphasised : emphasised < 0 ? INT16_MIN : INT16_MAX;
}

/* |shift(value, 15)| in the bits from 15 on. */
static inline int32_t size_of(int32_t value)
{
    return (value ^ (value >> 31)) + (INT32_C(1) << 14);
}

/* Writes a run of samples as points; returns the bits of what their weights make of them. */
static int32_t read_run(reader *reading, int32_t *to, run by)
{
    reader from = *reading;
    const int32_t *const end = to + by.pairs;
    int32_t bits = 0;

    for (; to < end; ++to, by.weight += 2 * by.step) {
        const int32_t re = next_of(&from), im = next_of(&from);

        bits |= size_of(re * by.weight[0]) | size_of(im * by.weight[by.step]);
        write_point(to, point_of(re, im));
    }
    *reading = from;
    return bits;
}

static void weigh_run(int32_t *to, run by, uint8_t shift)
{
    const int32_t *const end = to + by.pairs;
    const int32_t half = INT32_C(1) << (shift - 1);

    for (; to < end; ++to, by.weight += 2 * by.step) {
        const point value = point_at(to);

        write_point(to, point_of((value.re * by.weight[0] + half) >> shift, (value.im * by.weight[by.step] + half) >> shift));
    }
}

/* Into the order of reversed bits. */
static void permute(int32_t *points, rescomp_count count)
{
    rescomp_count j = 0;

    for (rescomp_count i = 0; i < count; ++i) {
        rescomp_count bit = count / 2;

        if (i < j) {
            const int32_t kept = points[i];

            points[i] = points[j];
            points[j] = kept;
        }
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
    int32_t bits = 0, last = 0;
    uint8_t doublings;

    for (uint8_t i = 0; i < RUNS; ++i) {
        const run by = run_of(i, frame);

        bits |= read_run(&from, points + by.first, by);
    }
    for (rescomp_count i = pairs; i < frame->size / 2; ++i) {
        points[i] = 0;
    }
    if (frame->length % 2) {
        last = next_of(&from) * frame->window[place_of(2 * pairs, frame->length)];
        bits |= size_of(last);
    }
    doublings = zeros_of(bits >> Q15);
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
