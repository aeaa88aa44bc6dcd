/* SPDX-License-Identifier: 0BSD */
#include "crc.h"

uint32_t crc_add(uint32_t crc, uint8_t byte, uint32_t polynomial)
{
    crc ^= byte;
    for (uint8_t bit = 0; bit < 8; ++bit) {
        crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
    }
    return crc;
}
