/* SPDX-License-Identifier: 0BSD */
/* A frame's points lie where its magnitudes will, are transformed there, and become two magnitudes at a time. */
#include "rescomp_spectrum_read.h"
#include "rescomp_spectrum_transform.h"
#include "rescomp_spectrum_split.h"

/* Stages m, 2 m, .. before `end`. */
static void transform(int32_t *points, rescomp_count count, rescomp_count m, rescomp_count end, const RESCOMP_FLASH int16_t *sine)
{
    for (; 4 * m <= end; m *= 4) {
        transform_twice(points, count, m, sine);
    }
    if (m < end) {
        transform_once(points, count, m, sine);
    }
}

void rescomp_spectrum_int16(const int16_t *input, int32_t *magnitude, int16_t *doublings, rescomp_count channels, rescomp_frame frame)
{
    const rescomp_count count = frame.size / 2;
    rescomp_count middle = 1;

    for (rescomp_count m = 2; m < count; m *= 4) {
        middle *= 2;
    }
    for (rescomp_count channel = 0; channel < channels; ++channel, magnitude += count) {
        uint8_t twice = read_frame(input + channel, magnitude, channels, &frame);

        transform(magnitude, count, 1, middle, frame.sine);
        twice = (uint8_t)(twice + scale(magnitude, count));
        transform(magnitude, count, middle, count, frame.sine);
        split(magnitude, count, frame.sine);
        doublings[channel] = twice;
    }
}
