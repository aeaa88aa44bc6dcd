"""Frames, hello and digest as bytes, without a device."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.validate.parity_protocol import (
    LARGEST_FRAME,
    SMALLEST_FRAME,
    Command,
    Deframer,
    Digest,
    Hello,
    Request,
    decode_frame,
    encode_frame,
    parse_reply,
)

HELLO = Hello(2, 4, 1, 1024, 32, 12, 24, 32, 18, bytes(range(32)), "cortex-m33", "gesture")
BODIES = [
    b"",
    b"\0",
    b"\0\0\0",
    b"a",
    b"a\0",
    b"\0a",
    bytes(range(256)),
    b"x" * 253,
    b"x" * 254,
    b"x" * 255,
    b"x" * 508,
    bytes(254) + b"x" * 254,
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{len(body)} bytes {body[:2].hex()}")
def test_a_frame_holds_its_body_and_no_zero(body):
    frame = encode_frame(body)
    assert (frame[0], frame[-1]) == (0, 0)
    assert 0 not in frame[1:-1]
    assert decode_frame(frame[1:-1]) == body


def test_random_bodies_come_back():
    rng = np.random.default_rng(0)
    for _ in range(500):
        body = rng.integers(0, rng.choice([2, 5, 256]), rng.integers(0, 600)).astype(np.uint8).tobytes()
        assert decode_frame(encode_frame(body)[1:-1]) == body


def test_a_known_frame():
    """CRC-32 of "123456789" is cbf43926, and COBS replaces the one zero."""
    assert encode_frame(b"123456789") == b"\0\x0e123456789\x26\x39\xf4\xcb\0"
    assert encode_frame(b"1\x002")[1:4] == b"\x021\x06"


def test_every_flipped_bit_and_every_cut_is_noticed():
    encoded = encode_frame(b"some results\0\x01\x02")[1:-1]
    for place in range(len(encoded)):
        assert decode_frame(encoded[:place]) is None
        for bit in range(8):
            assert decode_frame(encoded[:place] + bytes([encoded[place] ^ 1 << bit]) + encoded[place + 1 :]) is None


def test_the_stream_may_be_cut_anywhere():
    bodies = [b"one", b"t\0wo", b"three"]
    stream = b"noise" + b"".join(map(encode_frame, bodies))
    for size in (1, 2, 7, 100):
        deframer, found = Deframer(), []
        for start in range(0, len(stream), size):
            found += deframer.feed(stream[start : start + size])
        assert found == [None, *bodies]


def test_a_stream_without_end_is_one_damaged_frame_after_the_other():
    deframer = Deframer(longest=100)
    assert [*deframer.feed(b"x" * 101), *deframer.feed(b"y" * 99 + b"\0"), *deframer.feed(encode_frame(b"ok"))] == [None, None, b"ok"]


def test_the_digest_is_crc_32c():
    digest = Digest()
    digest.add(b"12345")
    digest.add(b"6789")
    assert (digest.value, digest.count) == (0xE3069283, 9)


def test_hello_comes_back_and_fits_the_smallest_frame():
    assert Hello.unpack(HELLO.pack()) == HELLO
    longest = Hello(2, 4, 1, LARGEST_FRAME, 32, 12, 24, 32, 18, bytes(32), "c" * 99, "n" * 99)
    assert len(longest.pack()) + 6 <= SMALLEST_FRAME
    assert Hello.unpack(longest.pack()).name == "n" * 32


def test_hello_of_another_protocol_is_a_number():
    data = bytearray(HELLO.pack())
    data[4:6] = (513).to_bytes(2, "little")
    assert Hello.unpack(bytes(data[:6])) == 513


def test_a_cut_hello_is_refused_everywhere():
    data = HELLO.pack()
    for end in range(len(data)):
        with pytest.raises(ValueError, match=r"hello"):
            Hello.unpack(data[:end])


@pytest.mark.parametrize("field", ["core", "name"])
def test_a_hello_with_control_characters_is_refused(field):
    with pytest.raises(ValueError, match="hello"):
        Hello.unpack(replace(HELLO, **{field: "\x1b[2J"}).pack())


def test_an_echo_is_no_answer():
    request = Request(1, 2, Command.RESET)
    body = decode_frame(request.frame()[1:-1])
    assert parse_reply(body + b"\0") is None
    assert parse_reply(b"\1\0\2\0\x82\0").answers(request)
    assert not parse_reply(b"\1\0\3\0\x82\0").answers(request)
