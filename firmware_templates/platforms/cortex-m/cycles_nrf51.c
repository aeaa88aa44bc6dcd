/* SPDX-License-Identifier: 0BSD */
/* An nRF51 has no SysTick: timer 0 counts the 16 MHz of its core. */
#include "uart.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

enum { TIMER_32_BITS = 3 };

#define TIMER_START REGISTER(0x40008000u)
#define TIMER_CAPTURE REGISTER(0x40008040u)
#define TIMER_BIT_MODE REGISTER(0x40008508u)
#define TIMER_PRESCALER REGISTER(0x40008510u)
#define TIMER_CAPTURED REGISTER(0x40008540u)

void cycles_open(void)
{
    TIMER_BIT_MODE = TIMER_32_BITS;
    TIMER_PRESCALER = 0;
    TIMER_START = 1;
}

uint32_t cycles_now(void)
{
    TIMER_CAPTURE = 1;
    return TIMER_CAPTURED;
}
