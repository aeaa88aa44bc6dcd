/* SPDX-License-Identifier: 0BSD */
/* A call that ends the program where a kernel in assembly changed a register that it has to leave as it was: checked_call.S. */
#ifndef HELD_H
#define HELD_H

#include "io.h"

extern uint32_t registers_changed;

#define HELD(function, ...) \
    do { \
        function(__VA_ARGS__); \
        if (registers_changed) { \
            io_fail("a register that a call has to leave as it was is changed\n"); \
        } \
    } while (0)

#endif
