"""One request of the parity protocol and its answer, over a line that damages and drops: asked again until it comes, or is too late."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import NoReturn

from ..errors import DeviceError, RescompError
from .parity_protocol import Command, Deframer, Reply, Request, Status, parse_reply
from .serial_line import SerialLine

WAIT_SECONDS = 0.05
"""How much longer than usual an answer may take before it is asked for again: what a busy machine at either end may add."""
ATTEMPTS = 12
"""Damaged or missing answers to one request after which the sequence begins again, in smaller frames."""
SMALLEST_BODY = 64
"""Bytes of a body that the host goes down to on a bad line."""
_FRAME_BYTES = 16
"""What a frame takes beside arguments or results, about."""


class LostError(DeviceError):
    """The conversation cannot go on, but may begin again: the device restarted, or an answer does not get through."""


@dataclass
class LineReport:
    """What happened on the line. repeated: requests sent again; damaged: frames that arrived broken; restarts: sessions lost.

    bytes: both ways.
    """

    requests: int = 0
    repeated: int = 0
    damaged: int = 0
    restarts: int = 0
    bytes: int = 0


@dataclass
class _Pace:
    """How long a request of one command takes: seconds for each byte to and fro. smallest: without repetition, lately."""

    seconds_a_byte: float
    smallest: float = 0.0

    def learn(self, seconds: float, size: int, *, repeated: bool) -> None:
        """From an exchange in which nothing arrived damaged. After a repetition it may have been slow, or its frame was dropped."""
        sample = seconds / size
        if not repeated:
            self.seconds_a_byte = max(sample, 0.7 * self.seconds_a_byte) if self.smallest else sample
            self.smallest = min(sample, 1.05 * self.smallest or sample)
        elif self.smallest:
            self.seconds_a_byte = max(self.seconds_a_byte, min(sample, 4 * self.smallest))


class ParityExchange:
    """Requests and answers over an open line. computing: see ParityDevice.

    body_bytes: of the longest body that is worth sending over this line; largest_body: that the firmware takes.
    """

    def __init__(self, line: SerialLine, computing: float) -> None:
        self._line = line
        self._computing = computing
        self._deframer = Deframer()
        self._arrived: deque[bytes] = deque()
        self._heard = bytearray()
        self._paces: dict[Command, _Pace] = {}
        self.report = LineReport()
        self.body_bytes = self.largest_body = SMALLEST_BODY

    def begin(self) -> None:
        """Forget what was heard before a session."""
        self._heard.clear()

    def exchange(self, request: Request, seconds: float, size: int) -> Reply:
        """Send until the answer comes. Asks again at once when a frame arrives damaged, and after a while when none arrives.

        seconds: how long it may take in all; size: bytes of arguments and results. Raises DeviceError when the device is silent for
        longer, and LostError when too much was damaged.
        """
        frame, size = request.frame(), size + 2 * _FRAME_BYTES
        pace = self._paces.setdefault(request.command, self._first_pace(request.command, size))
        start, heard, attempts, damaged = time.monotonic(), self._line.bytes_received, 0, 0
        end, wait = start + seconds + 40 * size / self._line.baud, WAIT_SECONDS + 2.5 * pace.seconds_a_byte * size
        longest_wait, retry_at = 4 * wait, start
        while True:
            if time.monotonic() >= retry_at:
                attempts += 1
                if attempts > ATTEMPTS and damaged and request.command is not Command.HELLO:
                    self._give_up(damaged, attempts - 1)
                self._line.write(frame)
                sent = time.monotonic()
                retry_at = sent + wait
            body = self._next_body(min(end, retry_at))
            now = time.monotonic()
            reply = parse_reply(body) if body else None
            if reply is not None and reply.answers(request):
                self._note(attempts)
                if not damaged:
                    pace.learn(now - start, size, repeated=attempts > 1)
                return reply
            if now >= end:
                raise self._silent(request, now - start, self._line.bytes_received - heard)
            if body is None:
                wait = min(1.5 * wait, longest_wait)
            elif body == b"" or (reply is not None and reply.status == Status.DAMAGED):
                # Ask again at once; but what comes sooner than the device can answer may speak of an earlier attempt.
                damaged += 1
                retry_at = min(retry_at, max(now, sent + 0.5 * pace.smallest * size))

    def _give_up(self, damaged: int, attempts: int) -> NoReturn:
        self.body_bytes = max(SMALLEST_BODY, self.body_bytes // 4)
        self.report.repeated += attempts - 1
        raise LostError(f"{damaged} frames to and from {self._line.port} were damaged in {attempts} attempts at one request")

    def _note(self, attempts: int) -> None:
        """Learn from an exchange how long the next frames may be."""
        self.report.repeated += attempts - 1
        self.report.bytes = self._line.bytes_sent + self._line.bytes_received
        if attempts == 1:
            self.body_bytes = min(self.largest_body, self.body_bytes + self.body_bytes // 10 + 1)
        elif attempts > 3:
            self.body_bytes = max(SMALLEST_BODY, self.body_bytes // 2)

    def _first_pace(self, command: Command, size: int) -> _Pace:
        """Before anything is known: a generous guess."""
        computing = self._computing / 10 if command in (Command.STEP, Command.RUN, Command.SCORES, Command.LAYER, Command.PUSH) else 0.0
        return _Pace(20 / self._line.baud + (0.1 + computing) / size)

    def _next_body(self, until: float) -> bytes | None:
        """The next frame's body, empty for a damaged frame; None when none came until then."""
        while not self._arrived:
            left = until - time.monotonic()
            if left <= 0:
                return None
            data = self._line.read(left)
            self._heard = (self._heard + data)[-64:]
            for body in self._deframer.feed(data):
                self.report.damaged += body is None
                self._arrived.append(body or b"")
        return self._arrived.popleft()

    def _silent(self, request: Request, seconds: float, received: int) -> RescompError:
        port = self._line.port
        if request.command is not Command.HELLO:
            if received:
                return DeviceError(f"no answer from {port} arrived whole in {seconds:.0f} seconds: the line damages too much, or drops it")
            return DeviceError(f"{port} stopped answering: nothing came for {seconds:.0f} seconds; reset the board and try again")
        if not received:
            return DeviceError(
                f"{port} is silent: nothing came in {seconds:.0f} seconds; is the board powered, its parity firmware flashed, "
                f"and {self._line.baud} its baud rate?"
            )
        if request.frame().strip(b"\0") in bytes(self._heard):
            return DeviceError(f"{port} echoes what is sent to it: its lines are joined, or a terminal stands at the other end")
        return DeviceError(
            f"something answers at {port} but no parity firmware (it sends {bytes(self._heard[-24:])!r}): flash the one of this model, "
            f"or give its baud rate, as in {port}@9600"
        )
