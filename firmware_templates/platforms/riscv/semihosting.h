/* SPDX-License-Identifier: 0BSD */
/* The call to the debugger or emulator, on any 32-bit RISC-V: an ebreak between two instructions that do nothing. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

/* argument: a number, or the address of a block of arguments, as the operation wants it. */
static inline uint32_t semihosting(uint32_t operation, uintptr_t argument)
{
    register uint32_t a0 __asm__("a0") = operation;
    register uintptr_t a1 __asm__("a1") = argument;

    __asm__ volatile(".balign 16\n\t" /* all three in one page of memory */
                     ".option push\n\t"
                     ".option norvc\n\t"
                     "slli zero, zero, 0x1f\n\t"
                     "ebreak\n\t"
                     "srai zero, zero, 7\n\t"
                     ".option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

/* Both end the emulation; the second one prints a message, and the program has failed. */
void semihosting_exit(int failed);
void semihosting_fail(const char *message);

#endif
