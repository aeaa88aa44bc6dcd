/*
 * Calls the depthwise convolutions on the test cases that it reads, and answers each with a word of what went wrong (0: nothing) and the
 * output. What buffers and parameters are stands in test_depthwise.py.
 */
#include <string.h>

#include "checked_call.h"
#include "io.h"
#include "rescomp_kernels.h"

enum { GUARD_BROKEN = 1, INPUT_CHANGED = 2, REGISTERS_CHANGED = 4 };
enum { ARENA_BYTES = 4096, GUARD_BYTES = 16, GUARD = 0xa5, FRESH = 0x77 };
enum { INPUT, WEIGHT, BIAS, MULTIPLIER, SHIFT, OUTPUT, BUFFERS };

typedef struct {
    uint16_t kernel;
    uint16_t bytes[BUFFERS], offsets[BUFFERS];
    uint16_t input[3], output[3], window[6]; /* height, width, channels; the kernel's, stride's and padding's y and x */
    uint16_t steps[2];                       /* of multipliers and shifts */
    int16_t low, high;
} test_case;

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(8)));
static uint8_t *buffers[BUFFERS];

/* Empty ones are NULL. */
#define BUFFER(type, index) (of->bytes[index] ? (type *)(void *)buffers[index] : NULL)

static void call(const test_case *of)
{
    const rescomp_conv2d_shape shape = rescomp_conv2d_shape_of(rescomp_size_of(of->input[0], of->input[1], of->input[2]),
                                                               rescomp_size_of(of->output[0], of->output[1], of->output[2]),
                                                               rescomp_pair_of(of->window[0], of->window[1]),
                                                               rescomp_pair_of(of->window[2], of->window[3]),
                                                               rescomp_pair_of(of->window[4], of->window[5]));
    const rescomp_requantization by = rescomp_requantize_by(BUFFER(int32_t, BIAS), BUFFER(int16_t, MULTIPLIER), (uint8_t)of->steps[0],
                                                            BUFFER(int8_t, SHIFT), (uint8_t)of->steps[1], of->low, of->high);

    if (of->kernel == 0) {
        CHECKED(rescomp_depthwise_conv2d_int8_int8)
        (BUFFER(int8_t, INPUT), BUFFER(int8_t, OUTPUT), shape, BUFFER(int8_t, WEIGHT), by);
    } else {
        CHECKED(rescomp_depthwise_conv2d_int16_int8)
        (BUFFER(int16_t, INPUT), BUFFER(int16_t, OUTPUT), shape, BUFFER(int8_t, WEIGHT), by);
    }
}

/* A number that changes when a byte outside the output does. */
static uint32_t fingerprint(const test_case *of)
{
    uint32_t sum = 1;

    for (int i = 0; i < OUTPUT; ++i) {
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
        for (; at < buffers[i]; ++at) {
            if (*at != GUARD) {
                return 0;
            }
        }
        at += of->bytes[i];
    }
    for (; at < arena + ARENA_BYTES; ++at) {
        if (*at != GUARD) {
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
        if (i < OUTPUT) {
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
    io_write(buffers[OUTPUT], of->bytes[OUTPUT]);
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
