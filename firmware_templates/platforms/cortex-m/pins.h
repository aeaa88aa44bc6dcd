/* SPDX-License-Identifier: 0BSD */
/* What a family of parts gives to its UART: the pins, connected to it. */
#ifndef PINS_H
#define PINS_H

void pins_open(void);

#endif
