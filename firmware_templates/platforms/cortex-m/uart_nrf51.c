/* SPDX-License-Identifier: 0BSD */
/*
 * The UART of an nRF51 (micro:bit), which the nRF52 has too beside a newer one. UART_TX_PIN, UART_RX_PIN: 0 to 31 on port 0, and on
 * an nRF52 from 32 on those of port 1.
 */
#include "uart.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

enum { UART_ENABLED = 4, INPUT_PULLED_UP = 0x0c };

#define CLOCK_START REGISTER(0x40000000u)
#define CLOCK_STARTED REGISTER(0x40000100u)
#define UART_START_RX REGISTER(0x40002000u)
#define UART_START_TX REGISTER(0x40002008u)
#define UART_RX_READY REGISTER(0x40002108u)
#define UART_TX_READY REGISTER(0x4000211cu)
#define UART_ENABLE REGISTER(0x40002500u)
#define UART_SELECT_TX REGISTER(0x4000250cu)
#define UART_SELECT_RX REGISTER(0x40002514u)
#define UART_RX REGISTER(0x40002518u)
#define UART_TX REGISTER(0x4000251cu)
#define UART_BAUD_RATE REGISTER(0x40002524u)
#define GPIO(pin) (0x50000000u + (pin) / 32u * 0x300u)
#define GPIO_SET(pin) REGISTER(GPIO(pin) + 0x508u)
#define GPIO_OUTPUT(pin) REGISTER(GPIO(pin) + 0x518u)
#define GPIO_CONFIGURATION(pin) REGISTER(GPIO(pin) + 0x700u + (pin) % 32u * 4u)

/* The rate is given in 2^-32 of 16 MHz; the hardware wants the low twelve bits to be zero. */
#define BAUD_UNITS ((uint32_t)(((UINT64_C(UART_BAUD) << 32) / 16000000 + 0x800) & 0xfffff000u))

void uart_open(void)
{
    CLOCK_START = 1; /* the crystal: the oscillator that runs after reset is less exact */
    while (CLOCK_STARTED == 0) {
    }
    GPIO_SET(UART_TX_PIN) = UINT32_C(1) << UART_TX_PIN % 32;
    GPIO_OUTPUT(UART_TX_PIN) = UINT32_C(1) << UART_TX_PIN % 32;
    GPIO_CONFIGURATION(UART_RX_PIN) = INPUT_PULLED_UP; /* after reset the input is cut off */
    UART_SELECT_TX = UART_TX_PIN;
    UART_SELECT_RX = UART_RX_PIN;
    UART_BAUD_RATE = BAUD_UNITS;
    UART_ENABLE = UART_ENABLED;
    UART_START_RX = 1;
    UART_START_TX = 1;
}

int uart_read(void)
{
    while (UART_RX_READY == 0) {
    }
    UART_RX_READY = 0; /* before the byte is taken: another one may be waiting behind it */
    return (int)(UART_RX & 0xff);
}

void uart_write(uint8_t byte)
{
    UART_TX_READY = 0;
    UART_TX = byte;
    while (UART_TX_READY == 0) {
    }
}

void uart_flush(void)
{
}
