"""Commands in forks of a process that has imported everything, with limits, and what they took."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import pkgutil
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rescomp.validate import c_program

SECONDS = 60
"""Of a try, gcc and interpreters included; a run of the undamaged files takes less than two."""
INVOKE_SECONDS = 10
"""Of one run of a model, or of a program of its C: what takes the minutes that a user would wait is no hang."""
MEMORY = 1 << 30
"""That a command and each process that it starts may have resident, and allocate beside what the parent holds."""
WRITTEN = 256 << 20
"""Of one file that a try may write."""
HANG = -9999
"""For an exit code."""


@dataclass(frozen=True)
class End:
    """code: exit code, negative for a signal. megabytes: the largest resident memory."""

    code: int
    megabytes: int


class WarmParent:
    """Runs commands in forks of this process."""

    def __init__(self) -> None:
        _import_everything()
        c_program.object_folder()  # one for all forks
        self.settle()

    def settle(self) -> None:
        """Be as small as may be, and stay as it is."""
        gc.collect()
        gc.freeze()  # a collection in a child would copy every page of what it shares
        self._held = _status("VmData")

    def run_here(self, arguments: list[str]) -> None:
        """Run a command in this process, for what it leaves in memory; it says nothing."""
        from rescomp.cli import main
        from rescomp.validate.interpreter_process import PROCESS

        with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
            main(arguments)
        PROCESS.close()

    def run(self, sandbox: Path, arguments: list[str], debug: bool) -> End:
        child = os.fork()
        if child == 0:
            self._become_command(sandbox, arguments, debug)
        code, usage = _wait(child)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        _give_back_memory()
        return End(code, usage.ru_maxrss >> 10)

    def _become_command(self, sandbox: Path, arguments: list[str], debug: bool) -> None:
        code = 99
        try:
            self._move_into(sandbox)
            c_program.RUN_SECONDS = INVOKE_SECONDS
            os.environ |= {"HOME": str(sandbox / "home"), "TMPDIR": str(sandbox / "tmp"), **({"RESCOMP_DEBUG": "1"} if debug else {})}
            tempfile.tempdir = None
            for limit, value in ((resource.RLIMIT_DATA, self._held + MEMORY), (resource.RLIMIT_FSIZE, WRITTEN), (resource.RLIMIT_CORE, 0)):
                resource.setrlimit(limit, (value, value))
            from rescomp.cli import main
            from rescomp.validate import interpreter_process

            interpreter_process.start_child = lambda: _ForkedInterpreters(self._held)
            code = main(arguments)
            interpreter_process.PROCESS.close()
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
            code = 98
        finally:
            os._exit(code)

    def _move_into(self, sandbox: Path) -> None:
        os.setsid()
        said = os.open(sandbox / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in ((0, null), (1, said), (2, said)):
            os.dup2(descriptor, number)
        os.chdir(sandbox / "cwd")


class _ForkedInterpreters:
    """In the place of a subprocess.Popen: the interpreters' process as a fork, which has their libraries already."""

    def __init__(self, held: int) -> None:
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self.pid, self.returncode = os.fork(), None
        if self.pid == 0:
            os.dup2(requests, 0)
            os.dup2(answers, 1)
            for descriptor in (requests, answers, self._requests, self._answers):
                os.close(descriptor)
            _serve(held)
        os.close(requests)
        os.close(answers)
        self.stdin, self.stdout = os.fdopen(self._requests, "wb"), os.fdopen(self._answers, "rb")

    def poll(self) -> int | None:
        if self.returncode is None:
            self._reap(os.WNOHANG)
        return self.returncode

    def wait(self, timeout: float) -> int:
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("interpreters", timeout)
            time.sleep(0.001)
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self) -> None:
        for stream in (self.stdin, self.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        if self.returncode is None:
            self._reap(0)

    def _reap(self, options: int) -> None:
        pid, status = os.waitpid(self.pid, options)
        self.returncode = os.waitstatus_to_exitcode(status) if pid else None


def _serve(held: int) -> None:
    """Be the interpreters' process."""
    try:
        from rescomp.validate import interpreter_child

        interpreter_child.INVOKE_SECONDS = INVOKE_SECONDS
        interpreter_child.MEMORY_BYTES += held
        interpreter_child.serve()
    finally:
        os._exit(0)


def _wait(child: int) -> tuple[int, Any]:
    until, pause, killed = time.monotonic() + SECONDS, 0.001, False
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            return (HANG if killed else os.waitstatus_to_exitcode(status)), usage
        if time.monotonic() > until and not killed:
            os.killpg(child, signal.SIGKILL)
            killed = True
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)


def _give_back_memory() -> None:
    """To the system, what mutations held: a fork copies the tables of all pages."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _status(key: str) -> int:
    """Bytes."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)[1]) << 10


def _import_everything() -> None:
    """Whatever a command may import."""
    import torch

    import rescomp

    for folder in ("stages", "validate", "export", "train", "models", "compress", "data", "graph", "boards"):
        for module in pkgutil.walk_packages([str(Path(rescomp.__file__).parent / folder)], f"rescomp.{folder}."):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    others = "rescomp.cli", "rescomp.printing", "onnx", "onnxruntime", "flatbuffers", "tflite", "PIL.Image", "torch._dynamo", "torch.fx"
    interpreters = "tflite_runtime.interpreter", "ai_edge_litert.interpreter", "tflite_micro.python.tflite_micro.runtime"
    for name in (*others, *interpreters):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    torch.set_num_threads(1)
