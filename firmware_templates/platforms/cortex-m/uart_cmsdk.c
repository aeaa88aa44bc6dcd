/* SPDX-License-Identifier: 0BSD */
/* The UART of Arm's Cortex-M System Design Kit, at UART_BASE, clocked with UART_CLOCK_HZ. */
#include "uart.h"

enum { TX_FULL = 1, RX_FULL = 2 };     /* of state */
enum { TX_ENABLE = 1, RX_ENABLE = 2 }; /* of control */

static volatile struct {
    uint32_t data, state, control, interrupt, divider;
} *const uart = (void *)UART_BASE;

void uart_open(void)
{
    uart->divider = UART_CLOCK_HZ / UART_BAUD;
    uart->control = TX_ENABLE | RX_ENABLE;
}

int uart_read(void)
{
    while ((uart->state & RX_FULL) == 0) {
    }
    return (int)(uart->data & 0xff);
}

void uart_write(uint8_t byte)
{
    while ((uart->state & TX_FULL) != 0) {
    }
    uart->data = byte;
}

void uart_flush(void)
{
}
