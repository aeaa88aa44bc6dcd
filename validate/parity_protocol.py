"""The parity protocol as bytes: frames, requests, answers, and what the firmware says of itself. docs/protocol.md describes it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from ..errors import DeviceError, UnsupportedError

PROTOCOL = 2
HELLO_MAGIC = b"RSCP"
SMALLEST_FRAME, LARGEST_FRAME = 128, 1024
"""Bytes of the longest body of a frame that a firmware may announce: every hello fits the smallest."""
HEADER_BYTES, STATUS_BYTES, DIGEST_BYTES = 5, 1, 4
"""Bytes of a request before its arguments; of the status that follows in an answer; of the digest behind results."""
ANSWER = 0x80
"""Set in the command of an answer."""
CORE_CHARACTERS, NAME_CHARACTERS = 16, 32


class Command(IntEnum):
    """What the host may ask for."""

    HELLO = 1
    RESET = 2
    WRITE = 3
    STEP = 4
    SCORES = 5
    RUN = 6
    READ = 7
    LAYER = 8
    CYCLES = 9
    DIGEST = 10
    PUSH = 11
    ALIGN = 12


class Status(IntEnum):
    """How a request fared."""

    OK = 0
    DAMAGED = 1
    NO_SESSION = 2
    OUT_OF_ORDER = 3
    UNKNOWN_COMMAND = 4
    BAD_ARGUMENTS = 5


class ModelBuffer(IntEnum):
    """A buffer of the model, for WRITE and READ."""

    INPUT = 0
    STATE = 1
    SCORES = 2
    FEATURES = 3
    FRAME = 4
    CALIBRATION = 5


class AlignCall(IntEnum):
    """What ALIGN calls."""

    SET_ALIGNMENT = 0
    ADD_CALIBRATION = 1
    CALIBRATE = 2


@dataclass(frozen=True)
class Hello:
    """What a firmware says of itself. Sizes in bytes, without padding.

    frame_bytes: of the longest body. cycle_bits: of the counter of cycles; 0 without one. graph: SHA-256 of the integer model.
    """

    protocol: int
    api: int
    contract: int
    frame_bytes: int
    cycle_bits: int
    layers: int
    input_bytes: int
    state_bytes: int
    score_bytes: int
    graph: bytes
    core: str
    name: str

    def pack(self) -> bytes:
        """As it is sent."""
        numbers = (self.protocol, self.api, self.contract, self.frame_bytes, self.cycle_bits, self.layers)
        sizes = (self.input_bytes, self.state_bytes, self.score_bytes)
        core, name = self.core.encode()[:CORE_CHARACTERS], self.name.encode()[:NAME_CHARACTERS]
        return _FIXED.pack(HELLO_MAGIC, *numbers, *sizes, self.graph) + bytes([len(core)]) + core + bytes([len(name)]) + name

    @classmethod
    def unpack(cls, data: bytes) -> Hello | int:
        """What `pack` gave, or the number of the protocol where it is another one. Raises ValueError for anything else."""
        if data[:4] != HELLO_MAGIC or len(data) < 6:
            raise ValueError("no hello of this protocol")
        protocol = int.from_bytes(data[4:6], "little")
        if protocol != PROTOCOL:
            return protocol
        if len(data) < _FIXED.size + 2:
            raise ValueError("too short for a hello")
        core, rest = _text(data[_FIXED.size :])
        name, _ = _text(rest)
        _, *fields = _FIXED.unpack_from(data)
        values: list[Any] = [*fields, core, name]
        return cls(*values)


_FIXED = struct.Struct("<4sHHHHBHIII32s")


def _text(data: bytes) -> tuple[str, bytes]:
    if not data or len(data) <= data[0]:
        raise ValueError("a text of the hello is cut off")
    end = 1 + data[0]
    text = data[1:end].decode(errors="replace")
    if not text.isprintable():
        raise ValueError("a text of the hello is none")
    return text, data[end:]


@dataclass(frozen=True)
class Request:
    """One request. session and number: 0..65535; a new number is the last one plus 1."""

    session: int
    number: int
    command: Command
    arguments: bytes = b""

    def frame(self) -> bytes:
        """As it is sent."""
        return encode_frame(struct.pack("<HHB", self.session, self.number, self.command) + self.arguments)


@dataclass(frozen=True)
class Reply:
    """One answer. command: as it came, without the mark of an answer."""

    session: int
    number: int
    command: int
    status: int
    results: bytes

    def answers(self, request: Request) -> bool:
        """Whether it belongs to that request."""
        return (self.session, self.number, self.command) == (request.session, request.number, request.command)


def parse_reply(body: bytes) -> Reply | None:
    """An answer from the body of a frame; None for a request, which is an echo."""
    if len(body) < HEADER_BYTES + STATUS_BYTES or not body[HEADER_BYTES - 1] & ANSWER:
        return None
    session, number, command, status = struct.unpack_from("<HHBB", body)
    return Reply(session, number, command & ~ANSWER, status, body[HEADER_BYTES + STATUS_BYTES :])


def encode_frame(body: bytes) -> bytes:
    """A body as a frame: with its CRC-32, COBS-encoded, between zero bytes."""
    data = body + zlib.crc32(body).to_bytes(4, "little")
    encoded = bytearray()
    # A zero behind the data closes the last run, as every other one is closed by the zero that it stands for.
    for piece in data.split(b"\0"):
        while len(piece) >= 0xFE:
            encoded += b"\xff" + piece[:0xFE]
            piece = piece[0xFE:]
        encoded += bytes([len(piece) + 1]) + piece
    return b"\0" + bytes(encoded) + b"\0"


def decode_frame(encoded: bytes) -> bytes | None:
    """The body of what stood between two zero bytes; None when it is damaged."""
    data = bytearray()
    place = 0
    while place < len(encoded):
        code = encoded[place]
        run = encoded[place + 1 : place + code]
        if len(run) != code - 1:
            return None
        data += run
        place += code
        if code != 0xFF and place < len(encoded):
            data.append(0)
    if len(data) < 4 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        return None
    return bytes(data[:-4])


class Deframer:
    """Cuts a stream of bytes into frames. longest: encoded bytes, beyond which something is no frame."""

    def __init__(self, longest: int = 4 * LARGEST_FRAME) -> None:
        self._longest = longest
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """The bodies of the frames that `data` ends, in order; None for each that is damaged."""
        self._pending += data
        *ended, self._pending = self._pending.split(b"\0")
        for encoded in ended:
            if encoded:
                yield decode_frame(bytes(encoded))
        if len(self._pending) > self._longest:
            self._pending.clear()
            yield None


class Digest:
    """CRC-32C over all results of a session, in the order in which the device computed them."""

    def __init__(self) -> None:
        self.count = 0
        self._crc = 0xFFFFFFFF

    def add(self, data: bytes) -> None:
        """Append results."""
        table, crc = _castagnoli(), self._crc
        for byte in data:
            crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
        self._crc = crc
        self.count += len(data)

    @property
    def value(self) -> int:
        """As the device gives it."""
        return self._crc ^ 0xFFFFFFFF


@cache
def _castagnoli() -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def describe_refusal(request: Request, status: int) -> DeviceError | UnsupportedError:
    """The error for a request that a device understood and will not carry out."""
    name = request.command.name.lower()
    if status == Status.UNKNOWN_COMMAND:
        return UnsupportedError(f"the firmware does not know {name} for this model: build it again with this rescomp")
    return DeviceError(f"the firmware refuses {name} with status {status}: it is of another model or damaged; flash it again")
