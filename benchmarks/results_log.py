"""results.jsonl: a line a finished job, of several processes; and locks that keep one job to one process."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from har2_table import Record

from rescomp import DISTRIBUTION

RECORDED = (DISTRIBUTION, "torch", "numpy", "onnxruntime")


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in RECORDED}}


def versions_line() -> str:
    """The same, for the end of a page."""
    found = versions()
    return ", ".join([*(f"{name} {found[name]}" for name in RECORDED), f"Python {found['python']}"])


@contextmanager
def locked(place: Path, *, wait: bool) -> Iterator[bool]:
    """Whether this process alone may work on `place`; the lock ends with the process."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def read_results(work: Path) -> list[Record]:
    """Every whole line of results.jsonl."""
    path = work / "results.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def append_result(work: Path, record: Record) -> None:
    """One line more, on disk before this returns: one write, alone with the file, after a line that an interruption cut off."""
    with (work / "results.jsonl").open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        start = "\n" if file.read(1) not in (b"", b"\n") else ""
        file.write(f"{start}{json.dumps(record, sort_keys=True)}\n".encode())
        file.flush()
        os.fsync(file.fileno())
