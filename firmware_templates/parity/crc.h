/* SPDX-License-Identifier: 0BSD */
/* Reflected CRC-32, a bit at a time: no table. */
#ifndef CRC_H
#define CRC_H

#include <stdint.h>

#define CRC_START UINT32_C(0xffffffff)
#define CRC_IEEE UINT32_C(0xedb88320)       /* of frames, as in Ethernet and zip */
#define CRC_CASTAGNOLI UINT32_C(0x82f63b78) /* of results: another polynomial, which sees what the first one overlooks */

/* Adds a byte. The CRC of a message is the complement of what is there after its last byte. */
uint32_t crc_add(uint32_t crc, uint8_t byte, uint32_t polynomial);

#endif
