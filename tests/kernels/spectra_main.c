/*
 * Calls the kernels of a front-end on the test cases that it reads, and answers each with a word of what went wrong (0: nothing) and the
 * outputs. What buffers and parameters are stands in test_spectra.py.
 */
#include <string.h>

#include "checked_call.h"
#include "io.h"
#include "rescomp_frontend.h"

enum { GUARD_BROKEN = 1, INPUT_CHANGED = 2, REGISTERS_CHANGED = 4 };
enum { ARENA_BYTES = 8192, GUARD_BYTES = 16, GUARD = 0xa5, FRESH = 0x77 };
enum { INPUTS = 4, BUFFERS = 6 };

typedef struct {
    uint16_t kernel;
    uint16_t bytes[BUFFERS], offsets[BUFFERS]; /* of inputs, then of outputs */
    int16_t parameters[4];
    uint16_t unused;
} test_case;

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(8)));
static uint8_t *buffers[BUFFERS];

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

/* A number that changes when a byte of an input does. */
static uint32_t fingerprint(const test_case *of)
{
    uint32_t sum = 1;

    for (int i = 0; i < INPUTS; ++i) {
        for (int k = 0; k < of->bytes[i]; ++k) {
            sum = sum * 31 + buffers[i][k];
        }
    }
    return sum;
}

static int guards_hold(const test_case *of)
{
    const uint8_t *at = arena;

    for (int i = 0; i < BUFFERS; ++i) {
        while (at < buffers[i]) {
            if (*at++ != GUARD) {
                return 0;
            }
        }
        at += of->bytes[i];
    }
    while (at < arena + ARENA_BYTES) {
        if (*at++ != GUARD) {
            return 0;
        }
    }
    return 1;
}

static void run_case(const test_case *of)
{
    uint8_t *next = arena;
    uint32_t wrong = 0, before;

    memset(arena, GUARD, sizeof arena);
    for (int i = 0; i < BUFFERS; ++i) {
        buffers[i] = next + GUARD_BYTES + of->offsets[i];
        if (i < INPUTS) {
            io_read(buffers[i], of->bytes[i]);
        } else {
            memset(buffers[i], FRESH, of->bytes[i]);
        }
        next += (GUARD_BYTES + of->offsets[i] + of->bytes[i] + 7) / 8 * 8;
    }
    before = fingerprint(of);
    registers_changed = 0;
    call(of);
    if (!guards_hold(of)) {
        wrong |= GUARD_BROKEN;
    }
    if (fingerprint(of) != before) {
        wrong |= INPUT_CHANGED;
    }
    if (registers_changed) {
        wrong |= REGISTERS_CHANGED;
    }
    io_write(&wrong, sizeof wrong);
    for (int i = INPUTS; i < BUFFERS; ++i) {
        io_write(buffers[i], of->bytes[i]);
    }
}

int main(void)
{
    uint32_t count;

    io_open();
    io_read(&count, sizeof count);
    while (count-- != 0) {
        test_case of;

        io_read(&of, sizeof of);
        run_case(&of);
    }
    io_close();
    return 0;
}
