"""A serial port, or what stands for one (a TCP socket, a pseudo-terminal): bytes in and out, every failure a sentence."""

from __future__ import annotations

import errno
import re
import select
import time
from collections.abc import Sequence
from typing import Any, Self

from ..errors import DeviceError, InputError, missing_package

BAUD = 115200
WRITE_SECONDS = 5.0
"""How long a port may refuse to take bytes."""
_POLL_SECONDS = 0.005
"""Between two looks at a port that cannot be waited for."""


def parse_port(argument: str) -> tuple[str, int]:
    """`PORT[@BAUD]` as port and baud rate. Raises InputError when no port is named."""
    found = re.fullmatch(r"(.+?)(?:@([0-9]{1,9}))?", argument)
    if found is None:
        raise InputError(f"serial needs a port, as in serial:/dev/ttyACM0 or serial:socket://localhost:5000; {present_ports()}")
    return found[1], int(found[2] or BAUD)


def present_ports() -> str:
    """What a user can choose from, as half a sentence."""
    names = port_names()
    return f"present here: {', '.join(names)}" if names else "no serial port is present here"


def port_names() -> Sequence[str]:
    """The serial ports of this machine."""
    try:
        from serial.tools.list_ports import comports
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    return sorted(port.device for port in comports())


class SerialLine:
    """An open port. Raises DeviceError from every method when the port fails; nothing waits longer than it says."""

    def __init__(self, port: str, baud: int = BAUD) -> None:
        self.port, self.baud = port, baud
        self._serial = _open(port, baud)
        self._descriptor = self._find_descriptor()
        self.bytes_sent = self.bytes_received = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        self._serial.close()

    def write(self, data: bytes) -> None:
        """Hand over bytes to be sent."""
        import serial

        try:
            self._serial.write(data)
        except serial.SerialTimeoutException as error:
            raise DeviceError(f"{self.port} takes no bytes: nothing reads at its other end; connect the board again") from error
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from error
        self.bytes_sent += len(data)

    def read(self, seconds: float) -> bytes:
        """The bytes that have arrived; waits for some, at most so long."""
        import serial

        try:
            self._wait(max(0.0, seconds))
            data = bytes(self._serial.read(4096))
        except (serial.SerialException, OSError, TypeError) as error:
            # pyserial reads from None when another thread or the system has closed the port
            raise self._gone(error) from error
        self.bytes_received += len(data)
        return data

    def _wait(self, seconds: float) -> None:
        if self._descriptor is not None:
            select.select([self._descriptor], [], [], seconds)
            return
        end = time.monotonic() + seconds
        while not self._serial.in_waiting and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)

    def _find_descriptor(self) -> int | None:
        """What select can wait for; None where the system or the kind of port has no such thing."""
        try:
            descriptor = int(self._serial.fileno())
            select.select([descriptor], [], [], 0)
        except (AttributeError, OSError, ValueError, NotImplementedError):
            return None
        return descriptor

    def _gone(self, error: Exception) -> DeviceError:
        return DeviceError(f"{self.port} was unplugged or closed in the middle of the conversation ({error}): connect it and try again")


def _open(port: str, baud: int) -> Any:
    try:
        import serial
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    keywords = {} if "://" in port else {"exclusive": True}
    try:
        return serial.serial_for_url(port, baudrate=baud, timeout=0, write_timeout=WRITE_SECONDS, **keywords)
    except ValueError as error:
        raise DeviceError(f"{port} at {baud} baud cannot be opened ({error}): {present_ports()}") from error
    except (serial.SerialException, OSError) as error:
        raise DeviceError(_why_not_open(port, error)) from error


def _why_not_open(port: str, error: Exception) -> str:
    number, text = getattr(error, "errno", None), str(error)
    if "://" in port:
        return f"nothing listens at {port} ({text.rpartition(': ')[2]}): start the board, the emulator or the bridge first"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
        return f"there is no port {port}: {present_ports()}"
    if number in (errno.EACCES, errno.EPERM) and "lock" not in text:
        return f"permission to open {port} is denied: on Debian, join the group dialout (usermod -aG dialout $USER)"
    if number in (errno.EBUSY, errno.EAGAIN, errno.EACCES) or "PermissionError" in text:
        return f"{port} is busy: another program (a serial monitor?) has it open; close that first"
    return f"{port} cannot be opened ({text}): is it a serial port? {present_ports()}"
