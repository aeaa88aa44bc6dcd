/* SPDX-License-Identifier: 0BSD */
/* For rescomp_spectrum_read.h, two samples at a time, each pair written straight to its place in the order of reversed bits. */
#ifndef RESCOMP_SPECTRUM_READ_H
#define RESCOMP_SPECTRUM_READ_H

#include "rescomp_spectrum_point.h"
#include "rescomp_spectrum_window.h"

/* Where the samples of a channel are read, and what is subtracted: the one before, of which `kept` holds all bits or none, less a part. */
typedef struct {
    const int16_t *sample;
    rescomp_count channels;
    int32_t part, before; /* part: 2^(17 - shift) */
    uint32_t kept;
} reader;

static inline reader reader_of(const int16_t *input, rescomp_count channels, const rescomp_frame *frame)
{
    reader from;

    from.sample = frame->pre_emphasis ? input + channels : input;
    from.channels = channels;
    from.part = INT32_C(1) << (17 - (frame->pre_emphasis ? frame->pre_emphasis : 1));
    from.kept = frame->pre_emphasis ? 0xffffffff : 0;
    from.before = *input;
    return from;
}

/* now - (before - shift(before, s)), saturated, of two samples; shift(x, s) = (x 2^(1 - s) + 1) / 2, both rounded down. */
static inline uint32_t emphasised(const reader *from, int32_t first, int32_t second)
{
    const uint32_t before = packed(from->before, first);
    const uint32_t part = packed((int32_t)times_lower((uint32_t)from->part, before), (int32_t)times_upper((uint32_t)from->part, before));

    return saturated_differences(packed(first, second), differences(before, half_sum(part, 0x00010001u)) & from->kept);
}

static inline uint32_t next_of(reader *from)
{
    const int32_t first = from->sample[0], second = from->sample[from->channels];
    const uint32_t pair = emphasised(from, first, second);

    from->sample += 2 * from->channels;
    from->before = second;
    return pair;
}

static inline uint32_t reversed(uint32_t i, uint32_t unused_bits)
{
    uint32_t result;

    __asm__("rbit %0, %1" : "=r"(result) : "r"(i));
    return result >> unused_bits;
}

/* Reads a run of samples; returns the bits of what their weights make of them. */
static uint32_t read_run(reader *reading, int32_t *points, run by, uint32_t unused_bits)
{
    reader from = *reading;
    uint32_t bits = 0;

    for (uint32_t i = by.first; i < by.first + by.pairs; ++i, by.weight += 2 * by.step) {
        const uint32_t pair = next_of(&from);
        const int32_t lower = plus_lower(pair, (uint32_t)by.weight[0], 1 << 14);
        const int32_t upper = plus_upper_lower(pair, (uint32_t)by.weight[by.step], 1 << 14);

        bits |= magnitudes_of(packed_by_15(lower, upper));
        points[reversed(i, unused_bits)] = (int32_t)pair;
    }
    *reading = from;
    return bits;
}

/* shift(value, 16 - doublings) is the upper half of (value + 2^(15 - doublings)) 2^doublings. */
static void weigh_run(int32_t *points, run by, uint32_t unused_bits, uint8_t doublings)
{
    const int32_t half = INT32_C(1) << (15 - doublings);

    for (uint32_t i = by.first; i < by.first + by.pairs; ++i, by.weight += 2 * by.step) {
        int32_t *const at = points + reversed(i, unused_bits);
        const uint32_t pair = (uint32_t)*at;
        const int32_t lower = plus_lower(pair, (uint32_t)by.weight[0], half);
        const int32_t upper = plus_upper_lower(pair, (uint32_t)by.weight[by.step], half);

        *at = (int32_t)packed_upper((int32_t)((uint32_t)lower << doublings), (int32_t)((uint32_t)upper << doublings));
    }
}

static uint8_t read_frame(const int16_t *input, int32_t *points, rescomp_count channels, const rescomp_frame *frame)
{
    const uint32_t pairs = frame->length / 2, unused_bits = (uint32_t)__builtin_clz(frame->size / 2) + 1;
    reader from = reader_of(input, channels, frame);
    uint32_t bits = 0;
    int32_t last = 0;
    uint8_t doublings;

    for (uint8_t i = 0; i < RUNS; ++i) {
        bits |= read_run(&from, points, run_of(i, frame), unused_bits);
    }
    for (uint32_t i = pairs; i < frame->size / 2; ++i) {
        points[reversed(i, unused_bits)] = 0;
    }
    if (frame->length % 2) {
        last = (int16_t)(emphasised(&from, *from.sample, 0) & 0xffff) * frame->window[place_of(2 * pairs, frame->length)];
        bits |= magnitudes_of((uint32_t)rescomp_round_half_up_shift(last, Q15) & 0xffff);
    }
    doublings = zeros_of(gathered((int32_t)bits));
    for (uint8_t i = 0; i < RUNS; ++i) {
        weigh_run(points, run_of(i, frame), unused_bits, doublings);
    }
    if (frame->length % 2) {
        write_point(points + reversed(pairs, unused_bits), point_of(rescomp_round_half_up_shift(last, 16 - doublings), 0));
    }
    return doublings;
}

#endif
