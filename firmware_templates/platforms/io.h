/* SPDX-License-Identifier: 0BSD */
/* What a platform gives to main.c: a stream of bytes in and one out. A failure ends the program with a non-zero status. */
#ifndef IO_H
#define IO_H

#include <stdint.h>

void io_open(void);
void io_read(void *data, uint32_t size);
void io_write(const void *data, uint32_t size);
void io_close(void);

#endif
