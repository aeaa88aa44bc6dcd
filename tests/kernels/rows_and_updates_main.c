/*
 * Calls kernels on the test cases that it reads, and answers each with a word of what went wrong (0: nothing) and the output. The numbers
 * of kernels, and what buffers and parameters are, stand in test_rows_and_updates.py.
 */
#include <stddef.h>
#include <string.h>

#include "checked_call.h"
#include "io.h"
#include "rescomp_kernels.h"

enum { GUARD_BROKEN = 1, INPUT_CHANGED = 2, REGISTERS_CHANGED = 4 };
enum { ARENA_BYTES = 2048, GUARD_BYTES = 16, GUARD = 0xa5, FRESH = 0x77 };
enum { INPUTS = 6, OUTPUT = INPUTS, BUFFERS };

typedef struct {
    uint16_t kernel, count, overwritten; /* of the inputs, the one that the output overwrites, or OUTPUT */
    uint16_t bytes[BUFFERS], offsets[BUFFERS];
    int16_t parameters[5];
} test_case;

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(8)));
static uint8_t *buffers[BUFFERS];

#define BUFFER(type, index) ((type *)(void *)buffers[index])

static rescomp_requantization shifts(const test_case *of)
{
    return rescomp_requantize_by(BUFFER(int32_t, 1), NULL, 0, BUFFER(int8_t, 2), (uint8_t)of->parameters[0], of->parameters[1],
                                 of->parameters[2]);
}

static rescomp_row_scales scales(const test_case *of)
{
    return rescomp_scale_by(BUFFER(int32_t, 1), BUFFER(uint32_t, 2), (uint8_t)of->parameters[0], of->parameters[1],
                            of->parameters[2]);
}

static void call(const test_case *of, uint8_t *output)
{
    int16_t *const words = (int16_t *)(void *)output;
    const rescomp_fastgrnn_cell cell = rescomp_fastgrnn_cell_of(of->parameters[3], of->parameters[4], (uint8_t)of->parameters[0],
                                                                of->parameters[1], of->parameters[2]);
    const int16_t *const a = BUFFER(int16_t, 0), *const b = BUFFER(int16_t, 1), *const state = BUFFER(int16_t, 2);
    const int16_t *const gate_bias = BUFFER(int16_t, 3), *const candidate_bias = BUFFER(int16_t, 4);
    const int16_t *const table = BUFFER(int16_t, 5);

    switch (of->kernel) {
    case 0:
        CHECKED(rescomp_fastgrnn_update_lookup_int16)(a, b, state, words, of->count, gate_bias, candidate_bias, cell, table);
        break;
    case 1:
        CHECKED(rescomp_fastgrnn_update_mirrored_lookup_int16)
        (a, b, state, words, of->count, gate_bias, candidate_bias, cell, table);
        break;
    case 2:
        CHECKED(rescomp_fastgrnn_update_piecewise_linear_int16)(a, b, state, words, of->count, gate_bias, candidate_bias, cell);
        break;
    case 3:
        CHECKED(rescomp_requantize_rows_int16_high)(BUFFER(int32_t, 0), words, of->count, scales(of));
        break;
    case 4:
        CHECKED(rescomp_requantize_rows_int16_split)(BUFFER(int32_t, 0), words, of->count, scales(of));
        break;
    case 5:
        CHECKED(rescomp_requantize_rows_int16_shift)(BUFFER(int32_t, 0), words, of->count, shifts(of));
        break;
    default:
        CHECKED(rescomp_requantize_rows_int8_shift)(BUFFER(int32_t, 0), (int8_t *)output, of->count, shifts(of));
        break;
    }
}

/* A number that changes when a byte does. */
static uint32_t fingerprint(const test_case *of)
{
    uint32_t sum = 1;

    for (int i = 0; i < INPUTS; ++i) {
        for (int k = 0; k < of->bytes[i] && i != of->overwritten; ++k) {
            sum = sum * 31 + buffers[i][k];
        }
    }
    return sum;
}

static int guards_hold(const test_case *of)
{
    const uint8_t *at = arena;

    for (int i = 0; i < BUFFERS; ++i) {
        if (buffers[i]) {
            while (at < buffers[i]) {
                if (*at++ != GUARD) {
                    return 0;
                }
            }
            at += of->bytes[i];
        }
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
    uint8_t *next = arena, *output;
    uint32_t wrong = 0, before;

    memset(arena, GUARD, sizeof arena);
    for (int i = 0; i < BUFFERS; ++i) {
        buffers[i] = of->bytes[i] ? next + GUARD_BYTES + of->offsets[i] : NULL;
        if (buffers[i] && i < INPUTS) {
            io_read(buffers[i], of->bytes[i]);
        } else if (buffers[i]) {
            memset(buffers[i], FRESH, of->bytes[i]);
        }
        next += (GUARD_BYTES + of->offsets[i] + of->bytes[i] + 7) / 8 * 8;
    }
    output = buffers[of->overwritten];
    before = fingerprint(of);
    registers_changed = 0;
    call(of, output);
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
    io_write(output, of->bytes[of->overwritten]);
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
