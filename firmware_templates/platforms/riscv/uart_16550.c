/* SPDX-License-Identifier: 0BSD */
/* A 16550 with its registers a byte apart, at UART_BASE, clocked with UART_CLOCK_HZ; the core's own counter of cycles. */
#include "uart.h"

enum { DATA = 0, DIVIDER_LOW = 0, DIVIDER_HIGH = 1, FIFO_CONTROL = 2, LINE_CONTROL = 3, LINE_STATUS = 5 };
enum { FIFO_ENABLE = 1, EIGHT_BITS = 3, SET_DIVIDER = 0x80 };
enum { RX_READY = 0x01, TX_EMPTY = 0x20 }; /* of the line's status */

static volatile uint8_t *const uart = (volatile uint8_t *)UART_BASE;

void uart_open(void)
{
    const uint32_t divider = (UART_CLOCK_HZ + 8u * UART_BAUD) / (16u * UART_BAUD);

    uart[LINE_CONTROL] = SET_DIVIDER;
    uart[DIVIDER_LOW] = (uint8_t)divider;
    uart[DIVIDER_HIGH] = (uint8_t)(divider >> 8);
    uart[LINE_CONTROL] = EIGHT_BITS;
    uart[FIFO_CONTROL] = FIFO_ENABLE;
}

int uart_read(void)
{
    while ((uart[LINE_STATUS] & RX_READY) == 0) {
    }
    return uart[DATA];
}

void uart_write(uint8_t byte)
{
    while ((uart[LINE_STATUS] & TX_EMPTY) == 0) {
    }
    uart[DATA] = byte;
}

void uart_flush(void)
{
}

void cycles_open(void)
{
}

uint32_t cycles_now(void)
{
    uint32_t value;

    __asm__ volatile(".option push\n\t"
                     ".option arch, +zicsr\n\t"
                     "csrr %0, mcycle\n\t"
                     ".option pop"
                     : "=r"(value));
    return value;
}
