/* SPDX-License-Identifier: 0BSD */
/* A call that ends the program unless every register comes back as it was that the called function has to leave so: checked_call.S. */
#ifndef HELD_H
#define HELD_H

#include "io.h"

void checked_call(void);
extern void (*checked_function)(void);
extern uint32_t registers_changed;

#define HELD(function, ...) \
    do { \
        (checked_function = (void (*)(void))(function), (__typeof__(&(function)))checked_call)(__VA_ARGS__); \
        if (registers_changed) { \
            io_fail("a register that a call has to leave as it was is changed\n"); \
        } \
    } while (0)

#endif
