/* SPDX-License-Identifier: 0BSD */
/* The host: standard input and output. */
#include "io.h"

#include <stdio.h>
#include <stdlib.h>

void io_fail(const char *message)
{
    fputs(message, stderr);
    exit(EXIT_FAILURE);
}

static void require(int condition, const char *message)
{
    if (!condition) {
        io_fail(message);
    }
}

void io_open(void)
{
}

void io_read(void *data, uint32_t size)
{
    require(fread(data, 1, size, stdin) == size, "the input ends too early\n");
}

void io_write(const void *data, uint32_t size)
{
    require(fwrite(data, 1, size, stdout) == size, "the output cannot be written\n");
}

void io_close(void)
{
    require(fflush(stdout) == 0, "the output cannot be written\n");
}
