"""Machines whose serial line is at hand: QEMU's and libsimavr's, and this one; a TCP port or a pseudo-terminal is the line."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ..errors import DeviceError
from ..targets.cores import AVR, Core
from .c_program import first_lines
from .emulation import SIMAVR, check_tools, compile_tool, find_tool

LineKind = Literal["tcp", "pty"]
START_SECONDS = 10.0


def check_machine(core: Core | None) -> None:
    """Raise MissingToolError when what runs a core's parity firmware, or builds it, is not installed."""
    if core is None:
        find_tool("gcc")
        return
    check_tools(core)
    if core.family is AVR:
        _simavr_serial()


@contextmanager
def serial_machine(core: Core | None, elf: Path, kind: LineKind = "tcp", *, number: int = 0, serial: int = 0) -> Iterator[str]:
    """A machine that runs a firmware while the context lasts; gives the port of its line, as pyserial opens it.

    core: None for this machine. number: of the TCP port; 0 for any that is free. serial: which of the machine's lines it is, as QEMU
    counts them. Raises DeviceError when the machine does not start, MissingToolError without its emulator.
    """
    with contextlib.ExitStack() as stack:
        if core is not None and core.family is not AVR and kind == "pty":
            yield stack.enter_context(_qemu_pty(core, elf, serial))
        elif kind == "pty":
            master, port = stack.enter_context(_pty())
            command = [str(elf)] if core is None else [_simavr_serial(), core.machine, str(elf), "stream", str(master)]
            stack.enter_context(_process(command, master, line=master if core is None else None))
            yield port
        else:
            listener = stack.enter_context(_listen(number))
            descriptor = listener.fileno()
            if core is None:
                stack.enter_context(_serve(elf, listener))
            elif core.family is AVR:
                stack.enter_context(_process([_simavr_serial(), core.machine, str(elf), "listen", str(descriptor)], descriptor))
            else:
                backend = f"socket,id=line,fd={descriptor},server=on,wait=off,nodelay=on"
                stack.enter_context(_process(_qemu(core, elf, backend, serial), descriptor))
            yield f"socket://127.0.0.1:{listener.getsockname()[1]}"


def _listen(number: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", number))
    except OSError as error:
        raise DeviceError(f"TCP port {number} cannot be listened at ({error.strerror}): choose another one") from error


def _qemu(core: Core, elf: Path, backend: str, serial: int) -> list[str]:
    """QEMU's command with one of the machine's serial lines on a character device, and nothing on those before it."""
    firmware = ("-bios", "none") if core.family.name == "riscv" else ()
    line = ("-chardev", backend, *("-serial", "null") * serial, "-serial", "chardev:line")
    return [
        find_tool(core.family.emulator),
        "-machine",
        core.machine,
        *firmware,
        "-display",
        "none",
        "-monitor",
        "none",
        *line,
        "-kernel",
        str(elf),
    ]


@contextmanager
def _qemu_pty(core: Core, elf: Path, serial: int) -> Iterator[str]:
    """QEMU makes the pseudo-terminal, and says on its standard output which one it is."""
    with _process(_qemu(core, elf, "pty,id=line", serial), output=subprocess.PIPE) as process:
        assert process.stdout is not None
        said, end = b"", time.monotonic() + START_SECONDS
        while not (found := re.search(rb"redirected to (\S+)", said)):
            if process.poll() is not None or not select.select([process.stdout], [], [], end - time.monotonic())[0]:
                raise DeviceError(f"the emulated {core.machine} did not start: {first_lines(said)}")
            said += os.read(process.stdout.fileno(), 4096)
        yield found[1].decode()


@contextmanager
def _pty() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal that passes every byte on: its master's descriptor and its slave's name. Both stay open."""
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        yield master, os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


@contextmanager
def _process(
    command: Sequence[str], *descriptors: int, line: int | None = None, output: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the context. line: its standard input and output."""
    ends = (subprocess.DEVNULL, output) if line is None else (line, line)
    with subprocess.Popen(command, stdin=ends[0], stdout=ends[1], pass_fds=descriptors) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _serve(elf: Path, listener: socket.socket) -> Iterator[None]:
    """Every connection gets a process of its own: a board that restarts whenever its line is opened."""
    processes: list[subprocess.Popen[bytes]] = []
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            if select.select([listener], [], [], 0.05)[0]:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                processes.append(subprocess.Popen([str(elf)], stdin=connection.fileno(), stdout=connection.fileno()))
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for process in processes:
            process.kill()
            process.wait()


def _simavr_serial() -> str:
    """Path of the program that runs an AVR with its line on a stream."""
    return str(compile_tool(find_tool("gcc"), "simavr_serial.c", *SIMAVR))
