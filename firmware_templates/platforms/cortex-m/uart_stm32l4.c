/* SPDX-License-Identifier: 0BSD */
/*
 * The UART of an STM32F0, F3, F7, L4 or G4, at UART_BASE. UART_CLOCK: the register that clocks it, with UART_CLOCK_BIT; UART_CLOCK_HZ: its clock,
 * that of the core as it runs after reset.
 */
#include "pins.h"
#include "uart.h"

enum { RX_OVERRUN = 8, RX_READY = 0x20, TX_EMPTY = 0x80 }; /* of state */
enum { ENABLE = 1, TX_ENABLE = 8, RX_ENABLE = 4 };         /* of control */

static volatile struct {
    uint32_t control, control2, control3, rate, guard, timeout, request, state, clear, received, sent;
} *const uart = (void *)UART_BASE;

void uart_open(void)
{
    volatile uint32_t *const clock = (volatile uint32_t *)UART_CLOCK;

    pins_open();
    *clock |= UINT32_C(1) << UART_CLOCK_BIT;
    (void)*clock;
    uart->rate = (UART_CLOCK_HZ + UART_BAUD / 2) / UART_BAUD;
    uart->control = ENABLE | RX_ENABLE | TX_ENABLE;
}

int uart_read(void)
{
    while ((uart->state & RX_READY) == 0) {
        if ((uart->state & RX_OVERRUN) != 0) {
            uart->clear = RX_OVERRUN; /* until then it receives nothing more */
        }
    }
    return (int)(uart->received & 0xff);
}

void uart_write(uint8_t byte)
{
    while ((uart->state & TX_EMPTY) == 0) {
    }
    uart->sent = byte;
}

void uart_flush(void)
{
}
