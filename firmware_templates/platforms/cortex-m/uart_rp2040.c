/* SPDX-License-Identifier: 0BSD */
/* UART 0 of an RP2040 on GP0 (out) and GP1 (in). The core, its UART and SysTick run from the crystal, whose rate is UART_CLOCK_HZ. */
#include "uart.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define RESET_CLEAR REGISTER(0x4000f000u)
#define RESET_DONE REGISTER(0x4000c008u)
#define REFERENCE_SOURCE REGISTER(0x40008030u)
#define REFERENCE_SELECTED REGISTER(0x40008038u)
#define SYSTEM_SOURCE REGISTER(0x4000803cu)
#define SYSTEM_SELECTED REGISTER(0x40008044u)
#define PERIPHERAL_SOURCE REGISTER(0x40008048u)
#define CRYSTAL REGISTER(0x40024000u)
#define CRYSTAL_STATE REGISTER(0x40024004u)
#define CRYSTAL_STARTUP REGISTER(0x4002400cu)
#define PIN_FUNCTION(pin) REGISTER(0x40014004u + 8u * (pin))
#define PIN_PAD(pin) REGISTER(0x4001c004u + 4u * (pin))
#define UART_DATA REGISTER(0x40034000u)
#define UART_STATE REGISTER(0x40034018u)
#define UART_DIVIDER REGISTER(0x40034024u)
#define UART_FRACTION REGISTER(0x40034028u)
#define UART_LINE REGISTER(0x4003402cu)
#define UART_CONTROL REGISTER(0x40034030u)

#define PINS_PADS_UART (UINT32_C(1) << 5 | UINT32_C(1) << 8 | UINT32_C(1) << 22)
#define CRYSTAL_ON UINT32_C(0xfabaa0) /* the word that enables it, and its range of 1 to 15 MHz */
#define CRYSTAL_STABLE (UINT32_C(1) << 31)
#define PERIPHERAL_ON (UINT32_C(1) << 11) /* from the system's clock */

enum { FROM_REFERENCE = 0, FROM_CRYSTAL = 2 };
enum { FUNCTION_UART = 2, INPUT_PULLED_UP = 0x5a };
enum { RX_EMPTY = 0x10, TX_FULL = 0x20 }; /* of state */
enum { EIGHT_BITS_AND_FIFO = 0x70, ENABLE_RX_TX = 0x301 }; /* of line and control */

static void start_crystal(void)
{
    SYSTEM_SOURCE = FROM_REFERENCE;
    while (SYSTEM_SELECTED != UINT32_C(1) << FROM_REFERENCE) {
    }
    CRYSTAL_STARTUP = UART_CLOCK_HZ / 1000 / 256 + 1; /* a millisecond, in 256 of its cycles */
    CRYSTAL = CRYSTAL_ON;
    while ((CRYSTAL_STATE & CRYSTAL_STABLE) == 0) {
    }
    REFERENCE_SOURCE = FROM_CRYSTAL;
    while (REFERENCE_SELECTED != UINT32_C(1) << FROM_CRYSTAL) {
    }
    PERIPHERAL_SOURCE = PERIPHERAL_ON;
}

void uart_open(void)
{
    const uint32_t divider = (4 * UART_CLOCK_HZ + UART_BAUD / 2) / UART_BAUD; /* of the sixteenfold rate, in 1/64 */

    start_crystal();
    RESET_CLEAR = PINS_PADS_UART;
    while ((RESET_DONE & PINS_PADS_UART) != PINS_PADS_UART) {
    }
    PIN_PAD(1) = INPUT_PULLED_UP;
    UART_DIVIDER = divider >> 6;
    UART_FRACTION = divider & 63;
    UART_LINE = EIGHT_BITS_AND_FIFO;
    UART_CONTROL = ENABLE_RX_TX;
    PIN_FUNCTION(0) = FUNCTION_UART;
    PIN_FUNCTION(1) = FUNCTION_UART;
}

int uart_read(void)
{
    while ((UART_STATE & RX_EMPTY) != 0) {
    }
    return (int)(UART_DATA & 0xff);
}

void uart_write(uint8_t byte)
{
    while ((UART_STATE & TX_FULL) != 0) {
    }
    UART_DATA = byte;
}

void uart_flush(void)
{
}
