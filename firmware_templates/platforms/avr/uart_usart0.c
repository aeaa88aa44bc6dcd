/* SPDX-License-Identifier: 0BSD */
/* USART 0 of an ATmega whose core runs with UART_CLOCK_HZ; timer 1 counts its cycles, an interrupt those past 16 bits. */
#include "uart.h"

#include <avr/interrupt.h>
#include <avr/io.h>

static volatile uint16_t overflows;

ISR(TIMER1_OVF_vect)
{
    ++overflows;
}

void uart_open(void)
{
    UBRR0 = (uint16_t)((UART_CLOCK_HZ + 4 * UART_BAUD) / (8 * UART_BAUD) - 1);
    UCSR0A = _BV(U2X0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0);
}

int uart_read(void)
{
    while ((UCSR0A & _BV(RXC0)) == 0) {
    }
    return UDR0;
}

void uart_write(uint8_t byte)
{
    while ((UCSR0A & _BV(UDRE0)) == 0) {
    }
    UDR0 = byte;
}

void uart_flush(void)
{
}

void cycles_open(void)
{
    TCCR1A = 0;
    TCCR1B = _BV(CS10);
    TIMSK1 = _BV(TOIE1);
    sei();
}

uint32_t cycles_now(void)
{
    uint16_t low, high;

    cli();
    low = TCNT1;
    high = overflows;
    if ((TIFR1 & _BV(TOV1)) != 0 && low < 0x8000u) {
        ++high; /* the timer has just passed 16 bits, and its interrupt waits */
    }
    sei();
    return (uint32_t)high << 16 | low;
}
