/* SPDX-License-Identifier: 0BSD */
/* Frames on the serial line: a body and its CRC-32, COBS-encoded between zero bytes. docs/protocol.md describes them. */
#ifndef FRAME_H
#define FRAME_H

#include <stdint.h>

enum {
    FRAME_CRC_BYTES = 4, /* a buffer for a body has room for that many bytes more */
    FRAME_DAMAGED = -1,
    FRAME_CLOSED = -2
};

/* Waits for the next frame and decodes it. Returns the length of its body, FRAME_DAMAGED (it is too long, too short, or its CRC
   is wrong) or FRAME_CLOSED. `body` has room for `largest` bytes and the CRC. */
int32_t frame_receive(uint8_t *body, uint16_t largest);

/* Sends `length` bytes as a frame; writes their CRC behind them. */
void frame_send(uint8_t *body, uint16_t length);

#endif
