/*
 * A program of test cases: what it reads of each is called between guard bytes, and answered with a word of what went wrong (0: nothing) and
 * the outputs. Who includes this defines ARENA_BYTES, INPUTS and BUFFERS (inputs, then outputs), test_case with the bytes and the offset of
 * each buffer, and call.
 */
#ifndef GUARDED_CASES_H
#define GUARDED_CASES_H

#include <string.h>

#include "checked_call.h"
#include "io.h"

enum { GUARD_BROKEN = 1, INPUT_CHANGED = 2, REGISTERS_CHANGED = 4 };
enum { GUARD_BYTES = 16, GUARD = 0xa5, FRESH = 0x77 };

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(8)));
static uint8_t *buffers[BUFFERS];

static void call(const test_case *of);

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

#endif
