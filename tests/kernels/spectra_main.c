/*
 * Calls the kernels of a front-end on the test cases that it reads, and answers each with a word of what went wrong (0: nothing) and the
 * outputs. What buffers and parameters are stands in test_spectra.py.
 */
#include "rescomp_frontend.h"

enum { ARENA_BYTES = 8192 };
enum { INPUTS = 4, BUFFERS = 6 };

typedef struct {
    uint16_t kernel;
    uint16_t bytes[BUFFERS], offsets[BUFFERS]; /* of inputs, then of outputs */
    int16_t parameters[4];
    uint16_t unused;
} test_case;

#include "guarded_cases.h"

#define BUFFER(type, index) ((type *)(void *)buffers[index])

static void call(const test_case *of)
{
    const int16_t *const by = of->parameters;
    const rescomp_frame frame = rescomp_frame_of((rescomp_count)by[1], (rescomp_count)by[2], (uint8_t)by[3], BUFFER(int16_t, 1),
                                                 BUFFER(int16_t, 2));
    const rescomp_count channels = (rescomp_count)by[0];

    switch (of->kernel) {
    case 0:
        CHECKED(rescomp_spectrum_int16)(BUFFER(int16_t, 0), BUFFER(int32_t, 4), BUFFER(int16_t, 5), channels, frame);
        break;
    case 1:
        CHECKED(rescomp_band_sum_int32)
        (BUFFER(int32_t, 0), BUFFER(int32_t, 4), channels, (rescomp_count)by[1], (rescomp_count)by[2], BUFFER(int16_t, 1),
         BUFFER(int16_t, 2), BUFFER(int8_t, 3));
        break;
    case 3:
        CHECKED(rescomp_statistics_int16)(BUFFER(int16_t, 0), BUFFER(int16_t, 4), (rescomp_count)by[1], channels, (uint8_t)by[2]);
        break;
    case 4:
        CHECKED(rescomp_deviation_sum_int16)
        (BUFFER(int16_t, 0), BUFFER(int32_t, 4), BUFFER(int16_t, 5), (rescomp_count)by[1], channels, (uint8_t)by[2], (uint8_t)by[3]);
        break;
    default:
        CHECKED(rescomp_log2_int32)
        (BUFFER(int32_t, 0), BUFFER(int16_t, 1), BUFFER(int16_t, 4), channels, (rescomp_count)by[1], BUFFER(int16_t, 2),
         BUFFER(int16_t, 3), by[2]);
        break;
    }
}
