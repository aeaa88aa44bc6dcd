/* SPDX-License-Identifier: 0BSD */
/*
 * An STM32F1's pins. PORT_CLOCK: the register that clocks the port, with PORT_CLOCK_BIT; PORT_BASE: of the port. UART_TX_PIN and
 * UART_RX_PIN are two of its pins 0 to 7, and where the UART lies after reset.
 */
#include "pins.h"

#include <stdint.h>

enum { OUTPUT_OF_UART = 0x0a, INPUT_PULLED = 0x08 }; /* 2 MHz; which way is pulled, the output register says */

static volatile struct {
    uint32_t low, high, input, output;
} *const port = (void *)PORT_BASE;

static uint32_t place(uint32_t word, uint32_t pin, uint32_t value)
{
    return (word & ~(UINT32_C(0x0f) << (4 * pin))) | value << (4 * pin);
}

void pins_open(void)
{
    volatile uint32_t *const clock = (volatile uint32_t *)PORT_CLOCK;

    *clock |= UINT32_C(1) << PORT_CLOCK_BIT;
    (void)*clock; /* the port takes two cycles to wake up */
    port->output |= UINT32_C(1) << UART_RX_PIN;
    port->low = place(place(port->low, UART_TX_PIN, OUTPUT_OF_UART), UART_RX_PIN, INPUT_PULLED);
}
