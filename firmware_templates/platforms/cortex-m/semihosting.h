/* SPDX-License-Identifier: 0BSD */
/* The call to the debugger or emulator, on any Cortex-M. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

/* argument: a number, or the address of a block of arguments, as the operation wants it. */
static inline uint32_t semihosting(uint32_t operation, uintptr_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* Both end the emulation; the second one prints a message, and the program has failed. */
void semihosting_exit(int failed);
void semihosting_fail(const char *message);

#endif
