/*
 * Calls the kernels of calls.h on the test cases that it reads, and answers each with a word of what went wrong (0: nothing) and the
 * rows. calls.h, which test_products.py writes, defines call(): it hands a case's buffers to the kernel of that number.
 */
#include <string.h>

#include "checked_call.h"
#include "io.h"
#include "rescomp_kernels.h"

enum { GUARD_BROKEN = 1, CONSTANT_CHANGED = 2, REGISTERS_CHANGED = 4 };
enum { ARENA_BYTES = 9600, GUARD_BYTES = 16, GUARD = 0xa5, FRESH = 0x77, MOST_BUFFERS = 8 };
enum { INPUT, WEIGHT, BIAS, MULTIPLIER, SHIFT, CONSTANTS, ACCUMULATOR = CONSTANTS, TABLE, BUFFERS };

typedef struct {
    uint16_t kernel, columns, rows, table_bytes, output_bytes, input_offset;
    uint16_t constant_bytes[CONSTANTS];
    int16_t low, high;
    uint8_t multiplier_step, shift_step;
} test_case;

typedef struct {
    uint8_t *at;
    uint32_t size;
} buffer;

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(8)));
static buffer buffers[BUFFERS];

#include "calls.h"

static uint8_t *lay_out(uint8_t *next, int index, uint32_t size, uint32_t offset)
{
    uint8_t *const at = next + GUARD_BYTES + offset;

    buffers[index].at = at;
    buffers[index].size = size;
    return next + GUARD_BYTES + offset + (size + 7) / 8 * 8;
}

/* A sum of the bytes inside or outside buffers which changes when one of them does. */
static uint32_t fingerprint(const uint8_t *from, const uint8_t *to)
{
    uint32_t sum = 1;

    while (from < to) {
        sum = sum * 31 + *from++;
    }
    return sum;
}

static uint32_t constants(void)
{
    uint32_t sum = 0;

    for (int i = 0; i < CONSTANTS; ++i) {
        sum = sum * 31 + fingerprint(buffers[i].at, buffers[i].at + buffers[i].size);
    }
    return sum;
}

static int guards_hold(void)
{
    const uint8_t *at = arena;

    for (int i = 0; i <= BUFFERS; ++i) {
        const uint8_t *const end = i < BUFFERS ? buffers[i].at : arena + ARENA_BYTES;

        for (; at < end; ++at) {
            if (*at != GUARD) {
                return 0;
            }
        }
        if (i < BUFFERS) {
            at += buffers[i].size;
        }
    }
    return 1;
}

static void run_case(const test_case *of)
{
    uint8_t *next = arena;
    uint32_t wrong = 0, before;

    memset(arena, GUARD, sizeof arena);
    for (int i = 0; i < CONSTANTS; ++i) {
        next = lay_out(next, i, of->constant_bytes[i], i == INPUT ? of->input_offset : 0);
        next += (8 - ((uintptr_t)next & 7)) & 7;
        io_read(buffers[i].at, buffers[i].size);
    }
    next = lay_out(next, ACCUMULATOR, of->output_bytes, 0);
    memset(buffers[ACCUMULATOR].at, FRESH, of->output_bytes);
    lay_out(next, TABLE, of->table_bytes, 0);
    before = constants();
    registers_changed = 0;
    call(of);
    if (!guards_hold()) {
        wrong |= GUARD_BROKEN;
    }
    if (constants() != before) {
        wrong |= CONSTANT_CHANGED;
    }
    if (registers_changed) {
        wrong |= REGISTERS_CHANGED;
    }
    io_write(&wrong, sizeof wrong);
    io_write(buffers[ACCUMULATOR].at, of->output_bytes);
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
