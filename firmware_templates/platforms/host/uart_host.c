/* SPDX-License-Identifier: 0BSD */
/* The host: standard input and output are the line. It has no counter of cycles. */
#include "uart.h"

#include <stdio.h>

void uart_open(void)
{
}

int uart_read(void)
{
    const int byte = getchar();

    return byte == EOF ? -1 : byte;
}

void uart_write(uint8_t byte)
{
    putchar(byte);
}

void uart_flush(void)
{
    fflush(stdout);
}

void cycles_open(void)
{
}

uint32_t cycles_now(void)
{
    return 0;
}
