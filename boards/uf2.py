"""UF2: a file of blocks of 512 bytes, each with its place in memory, which boot ROMs take as a file copied to a drive."""

from __future__ import annotations

import struct

UF2_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
"""The first two words of a block, and its last."""
FAMILY_PRESENT = 0x2000
PAYLOAD, BLOCK = 256, 512
"""Bytes of the image in a block, and of the block."""


def pack_uf2(image: bytes, address: int, family: int) -> bytes:
    """Blocks that put `image` at `address`, filled up with zeros to a multiple of PAYLOAD. family: the part's number."""
    if not image or address % PAYLOAD:
        raise ValueError(
            f"an image of {len(image)} bytes at {address:#x} makes no UF2: it begins at a multiple of {PAYLOAD}, and is not empty"
        )
    count = -(-len(image) // PAYLOAD)
    blocks = []
    for number in range(count):
        start = number * PAYLOAD
        header = struct.pack("<8I", *UF2_MAGIC[:2], FAMILY_PRESENT, address + start, PAYLOAD, number, count, family)
        block = header + image[start : start + PAYLOAD]
        blocks.append(block.ljust(BLOCK - 4, b"\0") + struct.pack("<I", UF2_MAGIC[2]))
    return b"".join(blocks)
