/* SPDX-License-Identifier: 0BSD */
/*
 * An STM32's pins, but for the F1's. PORT_CLOCK: the register that clocks the port, with PORT_CLOCK_BIT; PORT_BASE: of the port.
 * UART_TX_PIN and UART_RX_PIN are two of its pins 0 to 7; UART_PIN_FUNCTION is the number of the UART among what they can do.
 */
#include "pins.h"

#include <stdint.h>

enum { ALTERNATE = 2, PULLED_UP = 1 };

static volatile struct {
    uint32_t mode, output_type, speed, pull, input, output, set, lock, function[2];
} *const port = (void *)PORT_BASE;

/* Puts `value` into the field of `bits` bits that belongs to a pin. */
static uint32_t place(uint32_t word, uint32_t pin, uint32_t bits, uint32_t value)
{
    const uint32_t mask = ((UINT32_C(1) << bits) - 1) << (bits * pin);

    return (word & ~mask) | value << (bits * pin);
}

void pins_open(void)
{
    volatile uint32_t *const clock = (volatile uint32_t *)PORT_CLOCK;
    static const uint8_t pins[] = {UART_TX_PIN, UART_RX_PIN};

    *clock |= UINT32_C(1) << PORT_CLOCK_BIT;
    (void)*clock; /* the port takes two cycles to wake up */
    port->pull = place(port->pull, UART_RX_PIN, 2, PULLED_UP);
    for (uint8_t i = 0; i < sizeof pins; ++i) {
        port->function[0] = place(port->function[0], pins[i], 4, UART_PIN_FUNCTION);
        port->mode = place(port->mode, pins[i], 2, ALTERNATE);
    }
}
