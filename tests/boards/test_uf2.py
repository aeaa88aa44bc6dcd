"""The UF2 container, field by field."""

import struct

import pytest

from rescomp.boards.uf2 import pack_uf2


def test_every_field():
    image = bytes(range(256)) * 2 + b"the rest"
    data = pack_uf2(image, 0x20000000, 0xE48BFF56)
    assert len(data) == 3 * 512
    for number in range(3):
        block = data[512 * number : 512 * (number + 1)]
        first, second, flags, address, size, index, count, family = struct.unpack_from("<8I", block)
        assert block[:4] == b"UF2\n"
        assert (first, second) == (0x0A324655, 0x9E5D5157)
        assert flags == 0x2000
        assert address == 0x20000000 + 256 * number
        assert (size, index, count, family) == (256, number, 3, 0xE48BFF56)
        assert block[32:288] == image[256 * number : 256 * (number + 1)].ljust(256, b"\0")
        assert block[288:508] == bytes(220)
        assert block[508:] == struct.pack("<I", 0x0AB16F30)


def test_a_whole_block_is_not_followed_by_an_empty_one():
    assert len(pack_uf2(bytes(256), 0x10000000, 1)) == 512


@pytest.mark.parametrize(("image", "address"), [(b"", 0), (b"x", 128)])
def test_what_makes_no_uf2(image, address):
    with pytest.raises(ValueError, match="makes no UF2"):
        pack_uf2(image, address, 1)
