/* SPDX-License-Identifier: 0BSD */
/* What a platform gives to the parity firmware: a serial line, and a counter of the core's cycles. */
#ifndef UART_H
#define UART_H

#include <stdint.h>

void uart_open(void);

/* Waits for the next byte, 0..255; -1 when the line is closed for good, which ends the program. */
int uart_read(void);

void uart_write(uint8_t byte);

/* After the last byte of a frame, for lines that collect bytes. */
void uart_flush(void);

/* The counter runs after cycles_open, upwards and modulo 2^24 or 2^32 (PARITY_CYCLE_MASK); without one it always reads 0. */
void cycles_open(void);
uint32_t cycles_now(void);

#endif
