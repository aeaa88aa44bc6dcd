/* SPDX-License-Identifier: 0BSD */
#ifndef START_H
#define START_H

/* Initializes the memory, runs main and ends the emulation. Does not return. */
void start(void);

#endif
