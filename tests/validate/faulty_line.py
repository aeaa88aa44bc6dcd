"""A TCP line to a device that drops, corrupts, duplicates and delays bytes and frames, the same ones for the same seed."""

from __future__ import annotations

import heapq
import itertools
import random
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

KINDS = ("drop", "corrupt", "duplicate", "delay")
BYTE_DELAY, FRAME_DELAY = (0.0, 0.02), (0.0, 0.3)
"""Seconds for which a byte, with all that follow it, or a frame alone is held back. A frame that waits is overtaken by later ones."""


@dataclass(frozen=True)
class Faults:
    """Fractions of all bytes, and of all frames, to which one of `kinds` happens, in each direction."""

    bytes: float = 0.0
    frames: float = 0.0
    kinds: tuple[str, ...] = KINDS
    seed: int = 0


class Direction:
    """One way of the line: bytes in, bytes out at their time."""

    def __init__(self, faults: Faults, seed: int, counts: Counter[str]) -> None:
        self._faults, self._random, self._counts = faults, random.Random(seed), counts
        self._frame = bytearray()
        self._queue: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        self._floor = 0.0

    def feed(self, data: bytes) -> None:
        """Cut into frames (a zero ends one), and damage them."""
        for byte in data:
            self._frame.append(byte)
            if byte == 0:
                self._send_frame(bytes(self._frame))
                self._frame.clear()

    def due(self, now: float) -> bytes:
        out = b""
        while self._queue and self._queue[0][0] <= now:
            out += heapq.heappop(self._queue)[2]
        return out

    def wait(self, now: float) -> float | None:
        return max(0.0, self._queue[0][0] - now) if self._queue else None

    def _send_frame(self, frame: bytes) -> None:
        now, kind = time.monotonic(), self._draw(self._faults.frames if len(frame) > 1 else 0.0, "frame")
        if kind == "corrupt":
            place = self._random.randrange(len(frame))
            frame = frame[:place] + bytes([frame[place] ^ 1 << self._random.randrange(8)]) + frame[place + 1 :]
        later = now + self._random.uniform(*FRAME_DELAY) if kind == "delay" else max(now, self._floor)
        for _ in range({"drop": 0, "duplicate": 2}.get(kind, 1)):
            self._send_bytes(frame, later, alone=kind == "delay")

    def _send_bytes(self, frame: bytes, when: float, *, alone: bool) -> None:
        if not self._faults.bytes:
            self._push(when, frame)
            return
        out = bytearray()
        for byte in frame:
            kind = self._draw(self._faults.bytes, "byte")
            if kind == "delay":
                self._push(when, bytes(out))
                out.clear()
                when += self._random.uniform(*BYTE_DELAY)
                if not alone:
                    self._floor = when
            mask = 1 << self._random.randrange(8) if kind == "corrupt" else 0
            out += bytes([byte ^ mask]) * {"drop": 0, "duplicate": 2}.get(kind, 1)
        self._push(when, bytes(out))

    def _push(self, when: float, data: bytes) -> None:
        heapq.heappush(self._queue, (when, next(self._order), data))

    def _draw(self, probability: float, what: str) -> str:
        if not probability or self._random.random() >= probability:
            return ""
        kind = self._random.choice(self._faults.kinds)
        self._counts[f"{what} {kind}"] += 1
        return kind


@contextmanager
def faulty_line(port: str, faults: Faults) -> Iterator[tuple[str, Counter[str]]]:
    """Gives the port of a bad line to the good one at `port` (socket://HOST:PORT), and a count of what it has done so far."""
    target = urlsplit(port)
    counts: Counter[str] = Counter()
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, (target.hostname, target.port), faults, counts, over), daemon=True)
        thread.start()
        try:
            yield f"socket://127.0.0.1:{listener.getsockname()[1]}", counts
        finally:
            over.set()
            thread.join()


def _serve(listener: socket.socket, target: tuple[str, int], faults: Faults, counts: Counter[str], over: threading.Event) -> None:
    for connection in itertools.count():
        while not select.select([listener], [], [], 0.05)[0]:
            if over.is_set():
                return
        host, _ = listener.accept()
        with host, socket.create_connection(target) as device:
            for end in (host, device):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            seed = 1000 * faults.seed + 2 * connection
            _pass_on({host: device, device: host}, [Direction(faults, seed + i, counts) for i in range(2)], over)


def _pass_on(ends: dict[socket.socket, socket.socket], directions: list[Direction], over: threading.Event) -> None:
    ways = dict(zip(ends, directions, strict=True))
    while not over.is_set():
        now = time.monotonic()
        waits = [0.05, *(wait for way in directions if (wait := way.wait(now)) is not None)]
        try:
            for end in select.select(list(ends), [], [], min(waits))[0]:
                data = end.recv(65536)
                if not data:
                    return
                ways[end].feed(data)
            now = time.monotonic()
            for end, way in ways.items():
                data = way.due(now)
                if data:
                    ends[end].sendall(data)
        except OSError:
            return
