/* SPDX-License-Identifier: 0BSD */
/* A call between values that compilers keep in registers which the called function has to leave as they were. */
#ifndef HELD_H
#define HELD_H

#include "io.h"

/* There is room for a second state: what each layer writes is held against its output's place. */
#define HELD_MEMORY

#define HELD_EACH(what) \
    what(0) what(1) what(2) what(3) what(4) what(5) what(6) what(7) what(8) what(9) what(10) what(11)
#define HELD_TAKE(i) const unsigned held_##i = held_values[i];
#define HELD_STILL(i) &&held_##i == held_values[i]

/* More than there are such registers on any machine. */
static volatile unsigned held_values[12] = {
    0x5a10u, 0xa511u, 0x5a12u, 0xa513u, 0x5a14u, 0xa515u, 0x5a16u, 0xa517u, 0x5a18u, 0xa519u, 0x5a1au, 0xa51bu,
};

#define HELD(function, ...) \
    do { \
        HELD_EACH(HELD_TAKE) \
        function(__VA_ARGS__); \
        if (!(1 HELD_EACH(HELD_STILL))) { \
            io_fail("a register that a call has to leave as it was is changed\n"); \
        } \
    } while (0)

#endif
