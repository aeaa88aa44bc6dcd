/* SPDX-License-Identifier: 0BSD */
/*
 * An emulated AVR: the three general purpose I/O registers, which no peripheral uses, are a mailbox to the emulator's host.
 * Reading GPIOR1 takes the next byte of the input, writing GPIOR2 appends one to the output; a GPIOR0 of 1 says that the
 * program begins, one of 2 that it is done, and one of 3 that it failed, for a reason that is the output from there to the next zero.
 * An input that ends too early ends the emulation.
 */
#include "io.h"

#include <avr/io.h>

enum { BEGUN = 1, DONE = 2, FAILED = 3 };

void io_open(void)
{
    GPIOR0 = BEGUN;
}

void io_read(void *data, uint32_t size)
{
    uint8_t *byte = data;

    for (uint16_t left = (uint16_t)size; left != 0; --left) {
        *byte++ = GPIOR1;
    }
}

void io_write(const void *data, uint32_t size)
{
    const uint8_t *byte = data;

    for (uint16_t left = (uint16_t)size; left != 0; --left) {
        GPIOR2 = *byte++;
    }
}

void io_close(void)
{
    GPIOR0 = DONE;
}

void io_fail(const char *message)
{
    GPIOR0 = FAILED;
    do {
        GPIOR2 = (uint8_t)*message;
    } while (*message++ != '\0');
    for (;;) {
    }
}
