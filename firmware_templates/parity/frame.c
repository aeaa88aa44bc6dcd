/* SPDX-License-Identifier: 0BSD */
#include "frame.h"

#include "crc.h"
#include "uart.h"

enum { LONGEST_RUN = 254 }; /* bytes without a zero that one code byte stands for */

/* Over the complement of a CRC and the message before it, the CRC is always this. */
#define CRC_RESIDUE UINT32_C(0xdebb20e3)

static uint32_t crc_of(const uint8_t *data, uint16_t length)
{
    uint32_t crc = CRC_START;

    while (length-- > 0) {
        crc = crc_add(crc, *data++, CRC_IEEE);
    }
    return crc;
}

/* Takes bytes from the line up to the zero behind a frame that is not empty. Returns the decoded length, or what went wrong. */
static int32_t decode(uint8_t *data, uint16_t room)
{
    uint16_t length = 0;
    uint8_t left = 0, zero_follows = 0, begun = 0, damaged = 0;

    for (;;) {
        const int byte = uart_read();
        int value = byte;

        if (byte < 0) {
            return FRAME_CLOSED;
        }
        if (byte == 0) {
            if (begun) {
                return damaged || left != 0 ? FRAME_DAMAGED : (int32_t)length;
            }
            continue;
        }
        begun = 1;
        if (left == 0) {
            value = zero_follows ? 0 : -1;
            left = (uint8_t)(byte - 1);
            zero_follows = byte != LONGEST_RUN + 1;
        } else {
            --left;
        }
        if (value >= 0) {
            if (length == room) {
                damaged = 1;
            } else {
                data[length++] = (uint8_t)value;
            }
        }
    }
}

int32_t frame_receive(uint8_t *body, uint16_t largest)
{
    const int32_t length = decode(body, (uint16_t)(largest + FRAME_CRC_BYTES));

    if (length < 0) {
        return length;
    }
    if (length < FRAME_CRC_BYTES || crc_of(body, (uint16_t)length) != CRC_RESIDUE) {
        return FRAME_DAMAGED;
    }
    return length - FRAME_CRC_BYTES;
}

void frame_send(uint8_t *body, uint16_t length)
{
    const uint32_t crc = ~crc_of(body, length);
    uint16_t start = 0;

    for (uint8_t i = 0; i < FRAME_CRC_BYTES; ++i) {
        body[length++] = (uint8_t)(crc >> 8 * i);
    }
    uart_write(0);
    for (;;) {
        uint8_t run = 0;

        while (run < LONGEST_RUN && start + run < length && body[start + run] != 0) {
            ++run;
        }
        uart_write((uint8_t)(run + 1));
        for (uint8_t i = 0; i < run; ++i) {
            uart_write(body[start + i]);
        }
        start = (uint16_t)(start + run);
        if (start == length) {
            break;
        }
        if (run < LONGEST_RUN) {
            ++start; /* the zero that ended the run, which may be the last byte: then an empty run follows */
        }
    }
    uart_write(0);
    uart_flush();
}
