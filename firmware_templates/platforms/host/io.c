/* SPDX-License-Identifier: 0BSD */
/* The host: standard input and output. */
#include "io.h"

#include <stdio.h>
#include <stdlib.h>

static void require(int condition, const char *message)
{
    if (!condition) {
        fprintf(stderr, "%s\n", message);
        exit(EXIT_FAILURE);
    }
}

void io_open(void)
{
}

void io_read(void *data, uint32_t size)
{
    require(fread(data, 1, size, stdin) == size, "the input ends too early");
}

void io_write(const void *data, uint32_t size)
{
    require(fwrite(data, 1, size, stdout) == size, "the output cannot be written");
}

void io_close(void)
{
    require(fflush(stdout) == 0, "the output cannot be written");
}
