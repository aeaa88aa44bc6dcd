/* SPDX-License-Identifier: 0BSD */
/* What a platform gives to main.c: a stream of bytes in and one out. A failure ends the program with a non-zero status. */
#ifndef IO_H
#define IO_H

#include <stdint.h>

void io_open(void);
void io_read(void *data, uint32_t size);
void io_write(const void *data, uint32_t size);
void io_close(void);
void io_fail(const char *message); /* ends the program; the message is a line */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define IO_BIG_ENDIAN
#endif

/* Integers of `entry` bytes each: little-endian in the stream, whatever the machine is. */
static inline void io_read_integers(void *data, uint32_t size, uint32_t entry)
{
    io_read(data, size);
#ifdef IO_BIG_ENDIAN
    for (uint8_t *first = data, *end = first + size; first < end; first += entry) {
        for (uint32_t i = 0; i < entry / 2; i++) {
            const uint8_t byte = first[i];

            first[i] = first[entry - 1 - i];
            first[entry - 1 - i] = byte;
        }
    }
#else
    (void)entry;
#endif
}

static inline void io_write_integers(const void *data, uint32_t size, uint32_t entry)
{
#ifdef IO_BIG_ENDIAN
    for (uint32_t start = 0; start < size; start += entry) {
        for (uint32_t i = entry; i-- > 0;) {
            io_write((const uint8_t *)data + start + i, 1);
        }
    }
#else
    (void)entry;
    io_write(data, size);
#endif
}

#define IO_READ(array) io_read_integers((array), sizeof(array), sizeof *(array))
#define IO_WRITE(array) io_write_integers((array), sizeof(array), sizeof *(array))

#endif
