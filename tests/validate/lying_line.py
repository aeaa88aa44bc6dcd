"""A TCP line on which a board's answers are wrong and look right: the CRC of the frame is that of what it now holds."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

from rescomp.tests.validate.test_serial_port import other_end
from rescomp.validate.parity_protocol import Deframer, encode_frame

ANSWER = 0x80
"""The bit by which an answer's command differs from its request's."""


def lying_line(good: str, lies: Callable[[int], bool]) -> AbstractContextManager[str]:
    """The port of a line to the board at `good`. lies: asked once an answer, with its command, whether a bit of its results is to change."""
    host, _, number = good.removeprefix("socket://").partition(":")

    def serve(connection: socket.socket) -> None:
        with socket.create_connection((host, int(number))) as device:
            deframers = {connection: Deframer(), device: Deframer()}
            while True:
                for end in select.select([connection, device], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    for body in deframers[end].feed(data):
                        if end is device and lies(body[4]):
                            body = body[:7] + bytes([body[7] ^ 1]) + body[8:]
                        (device if end is connection else connection).sendall(encode_frame(body))

    return other_end(serve)
