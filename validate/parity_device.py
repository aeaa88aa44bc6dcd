"""The host's side of the parity protocol: a session with a parity firmware, and what it can be asked."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from ..errors import DeviceError
from .parity_exchange import LineReport, LostError, ParityExchange
from .parity_protocol import (
    DIGEST_BYTES,
    HEADER_BYTES,
    PROTOCOL,
    STATUS_BYTES,
    AlignCall,
    Command,
    Digest,
    Hello,
    ModelBuffer,
    Request,
    Status,
    describe_refusal,
)
from .serial_line import SerialLine

HELLO_SECONDS, ANSWER_SECONDS = 8.0, 10.0
"""How long a device may be silent before the first answer (an Arduino's bootloader takes two), and before any other one."""
REQUESTS_A_SESSION = 30000
"""Numbers have 16 bits: long before one returns, a new session begins."""
CALIBRATION_BYTES = 17
"""Three sums and a count of 32 bits, and what calibrate returned."""
_ALIGN = struct.Struct("<BBHH")
"""Of ALIGN: whether the results are told, what is called, how often, and how many samples it is given."""
_TRANSFER = 7
"""Bytes of the longest arguments before a piece of a buffer."""


class ParityDevice:
    """A conversation with a parity firmware over an open line.

    computing: seconds that the device may take, at most, for one step or run of its model.
    Every method raises DeviceError when the device is silent for too long, and LostError when `start` may help.
    """

    def __init__(self, line: SerialLine, computing: float = 0.0, hello_seconds: float = HELLO_SECONDS) -> None:
        self._line = line
        self._exchange = ParityExchange(line, computing)
        self._computing = computing
        self._hello_seconds = hello_seconds
        self._session, self._number = (int.from_bytes(os.urandom(2), "little") for _ in range(2))
        self._requests = 0
        self.digest = Digest()
        self.hello: Hello | None = None

    @property
    def report(self) -> LineReport:
        """What happened on the line."""
        return self._exchange.report

    @property
    def body_bytes(self) -> int:
        """Of the longest body that is worth sending over this line."""
        return self._exchange.body_bytes

    def start(self) -> Hello:
        """Begin a session: the device forgets state and digest. Raises DeviceError when there is no parity firmware at the other end."""
        self._session = (self._session + 1) & 0xFFFF
        self._requests, self.digest = 0, Digest()
        self._exchange.begin()
        data = self.ask(Command.HELLO, PROTOCOL.to_bytes(2, "little"), self._hello_seconds + self._computing)
        try:
            hello = Hello.unpack(data)
        except ValueError as error:
            raise DeviceError(f"the firmware at {self.port} is not rescomp's: flash the parity firmware of this model") from error
        if isinstance(hello, int):
            raise DeviceError(
                f"the firmware at {self.port} speaks version {hello} of the parity protocol and this rescomp version {PROTOCOL}: "
                "flash the parity firmware again with this rescomp"
            )
        if self.hello is None:
            self._exchange.body_bytes = self._exchange.largest_body = hello.frame_bytes
        self.hello = hello
        return hello

    @property
    def port(self) -> str:
        """Name of the port, for messages."""
        return self._line.port

    def restart(self) -> None:
        """Begin another session, after one was lost, with the same firmware."""
        self.report.restarts += 1
        before = self.hello
        if self.start() != before:
            raise DeviceError(f"another firmware answers at {self.port} than at the beginning: leave the board alone and try again")

    @property
    def wants_new_session(self) -> bool:
        """Whether so many numbers are used up that a new session should begin before the next sequence."""
        return self._requests > REQUESTS_A_SESSION

    def reset(self) -> None:
        """The state of the beginning of a sequence."""
        self.ask(Command.RESET)

    def step(self, inputs: bytes, count: int) -> bytes:
        """`count` steps on `inputs`; their states. Several must fit a frame."""
        return self._compute(Command.STEP, inputs, count, count * self.sizes.state_bytes, ModelBuffer.STATE)

    def scores(self) -> bytes:
        """The scores of the steps so far."""
        return self._compute(Command.SCORES, b"", 1, self.sizes.score_bytes, ModelBuffer.SCORES)

    def run(self, inputs: bytes, count: int) -> bytes:
        """A whole sequence of `count` steps, which fits a frame: states, then scores. Without state: a sample's scores."""
        return self._compute(Command.RUN, inputs, count, count * self.sizes.state_bytes + self.sizes.score_bytes, ModelBuffer.SCORES)

    def push(self, samples: bytes, expected: int, unread: Sequence[tuple[ModelBuffer, int]] = ()) -> bytes:
        """Samples as a sensor gives them, which fit a frame; the results of the steps among them, `expected` bytes.

        unread: place and size of each part of the results, where they are of one step and do not fit a frame.
        """
        seconds = ANSWER_SECONDS + len(samples) * self._computing
        answer = self.ask(Command.PUSH, bytes([not unread]) + samples, seconds, expected=expected * (not unread) + DIGEST_BYTES)
        results, digest = answer[:-DIGEST_BYTES], int.from_bytes(answer[-DIGEST_BYTES:], "little")
        return self._confirmed(results + b"".join(self.read(place, size) for place, size in unread), digest)

    def align(self, call: AlignCall, given: bytes = b"", *, often: int = 1, count: int = 0) -> bytes:
        """A call of the alignment; the state and the calibration after it, and what calibrate returned last.

        given: a rotation, an input, or `count` samples. often: how often these are added.
        """
        read = [(ModelBuffer.STATE, self.sizes.state_bytes), (ModelBuffer.CALIBRATION, CALIBRATION_BYTES)]
        expected = sum(size for _, size in read)
        told = self.results_fit(expected)
        head = _ALIGN.size + HEADER_BYTES
        if head + len(given) > self.body_bytes:
            self.write(ModelBuffer.FRAME if count else ModelBuffer.INPUT, given)
            given = b""
        answer = self.ask(Command.ALIGN, _ALIGN.pack(told, call, often, count) + given, expected=expected * told + DIGEST_BYTES)
        results, digest = answer[:-DIGEST_BYTES], int.from_bytes(answer[-DIGEST_BYTES:], "little")
        return self._confirmed(results if told else b"".join(self.read(place, size) for place, size in read), digest)

    def samples_a_frame(self, sample_bytes: int) -> int:
        """How many samples are worth one frame."""
        return max(1, (self.body_bytes - HEADER_BYTES - 1) // sample_bytes)

    def fits(self, arguments: int, results: int) -> bool:
        """Whether so many bytes of input and of results are worth one frame each."""
        return self._input_fits(arguments) and self.results_fit(results)

    def steps_a_frame(self) -> int:
        """How many steps are worth one frame."""
        body, sizes = self.body_bytes, self.sizes
        results = (body - HEADER_BYTES - STATUS_BYTES - DIGEST_BYTES) // sizes.state_bytes
        return max(1, min((body - HEADER_BYTES - 1) // sizes.input_bytes, results))

    def write(self, place: ModelBuffer, data: bytes) -> None:
        """Fill the buffer of the input or the state."""
        room = self.body_bytes - HEADER_BYTES - _TRANSFER
        for start in range(0, len(data), room):
            self.ask(Command.WRITE, bytes([place]) + start.to_bytes(4, "little") + data[start : start + room])

    def read(self, place: ModelBuffer, size: int) -> bytes:
        """The first `size` bytes of a buffer."""
        room, data = self.body_bytes - HEADER_BYTES - STATUS_BYTES, b""
        while len(data) < size:
            count = min(room, size - len(data))
            data += self.ask(Command.READ, bytes([place]) + len(data).to_bytes(4, "little") + count.to_bytes(2, "little"), expected=count)
        return data

    def layer(self, number: int, offset: int, size: int) -> bytes:
        """Compute with the state and input in their buffers; `size` bytes of a layer's output, which fit a frame."""
        arguments = number.to_bytes(2, "little") + offset.to_bytes(4, "little") + size.to_bytes(2, "little")
        return self.ask(Command.LAYER, arguments, ANSWER_SECONDS + self._computing, expected=size)

    @property
    def piece_bytes(self) -> int:
        """Of a layer's output that are worth one frame."""
        return self.body_bytes - HEADER_BYTES - STATUS_BYTES

    def cycles(self) -> tuple[int, int] | None:
        """Of the last step, and of the last scores (or run, without state). None for a core without a counter."""
        if not self.sizes.cycle_bits:
            return None
        data = self.ask(Command.CYCLES, expected=8)
        return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")

    def check_digest(self) -> None:
        """Compare the digest over all results of the session with what arrived. Raises LostError when they differ."""
        data = self.ask(Command.DIGEST, expected=8)
        if data != (self.digest.count & 0xFFFFFFFF).to_bytes(4, "little") + self.digest.value.to_bytes(4, "little"):
            raise LostError(f"the results that arrived from {self.port} are not those that the device computed")

    @property
    def sizes(self) -> Hello:
        """What the firmware said when the session began."""
        assert self.hello is not None
        return self.hello

    def _input_fits(self, size: int) -> bool:
        return HEADER_BYTES + 1 + size <= self.body_bytes

    def results_fit(self, size: int) -> bool:
        """Whether so many bytes of results are worth one frame."""
        return HEADER_BYTES + STATUS_BYTES + size + DIGEST_BYTES <= self.body_bytes

    def _compute(self, command: Command, inputs: bytes, count: int, expected: int, place: ModelBuffer) -> bytes:
        """Input and results that do not fit a frame go in pieces, before and behind the request."""
        told = self.results_fit(expected)
        if not self._input_fits(len(inputs)):
            self.write(ModelBuffer.INPUT, inputs)
            inputs = b""
        seconds = ANSWER_SECONDS + count * self._computing
        answer = self.ask(command, bytes([told]) + inputs, seconds, expected=expected * told + DIGEST_BYTES)
        results, digest = answer[:-DIGEST_BYTES], int.from_bytes(answer[-DIGEST_BYTES:], "little")
        if not told:
            results = self.read(place, expected)
        return self._confirmed(results, digest)

    def _confirmed(self, results: bytes, digest: int) -> bytes:
        """Results that the device has added to its digest. Raises LostError where that is another one."""
        self.digest.add(results)
        if self.digest.value != digest:
            raise LostError(f"the results that arrived from {self.port} are not those that the device computed")
        return results

    def ask(self, command: Command, arguments: bytes = b"", seconds: float = ANSWER_SECONDS, expected: int = 0) -> bytes:
        """The results of a request, `expected` bytes of them where it is not a hello. seconds: how long it may take in all."""
        self._number = (self._number + 1) & 0xFFFF
        self._requests += 1
        self.report.requests += 1
        request = Request(self._session, self._number, command, arguments)
        reply = self._exchange.exchange(request, seconds, len(arguments) + expected)
        if reply.status in (Status.NO_SESSION, Status.OUT_OF_ORDER):
            raise LostError(f"the board at {self.port} started again in the middle of the conversation")
        if reply.status != Status.OK:
            raise describe_refusal(request, reply.status)
        if command is not Command.HELLO and len(reply.results) != expected:
            raise DeviceError(f"the firmware answers {command.name.lower()} with {len(reply.results)} bytes where {expected} belong")
        return reply.results
