"""A program around generated C: its main function, and how it is built and run."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

from ..errors import BudgetError, DeviceError, InputError, UnsupportedError
from ..export.c import export_c, translate
from ..export.c_templates import read_template, render
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from ..store import read_file
from ..targets.kernel_choice import Target, graph_on
from .alignment_calls import SAMPLES_AT_ONCE
from .c_vectors import MOST_PUSHED, decode_values, encode_samples

WARNINGS: Sequence[str] = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-Wpedantic")
"""Generated C, the kernels and the programs around them compile with these."""
COMPILE_SECONDS, RUN_SECONDS = 120, 600
PROGRAMS_KEPT = 16
"""Of those built last: the same one runs one set of vectors after the other."""
PROBE = "probe"
Program = Literal["main", "layers", "uses", "stream"]
"""The programs around generated C: whole sequences, each layer on values of its own, all else that the header offers, and for counting
a stream of a model with a policy.
"""
TAP_FLAG, USES_PREFIX = "-DRESCOMP_TAP", "-DUSES_"
READ_AT_ONCE = {"most_pushed": MOST_PUSHED, "samples_at_once": SAMPLES_AT_ONCE}
"""Of samples, by what the programs call them."""
FIXED = frozenset({"io.c", "reset.c", "start.c"})
"""Files of a platform that do not depend on the model."""
_OVERFLOWS: Sequence[tuple[str, str]] = (
    (r"region `(?P<memory>\w+)' overflowed by (?P<bytes>\d+)", "its {memory} is {bytes} bytes too small for the model"),
    (r"(?:not within|not fit in) region `(?P<memory>\w+)'", "its {memory} is too small for the model"),
    (
        r"not fit the first 65536 bytes of flash|rescomp_constants_past_64_KB",
        "the constants are more than the 65536 bytes that the core's 16-bit addresses reach",
    ),
    (r"size of array [^\n]{1,300} is too large", "a matrix is more than the 32767 bytes that the core counts up to"),
)
"""What linkers and compilers say about too much of something (those of AVR without an amount), and what we do."""
_MEMORIES: Mapping[str, str] = {"text": "flash", "data": "ram"}
"""What the linker of AVR calls them."""


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
_NO_ROOM = re.compile(rb"No space left|[Cc]annot create temporary|[Cc]an't create|cannot open output|Read-only file system|quota")
"""What compilers, assemblers and linkers say when they cannot write."""


@contextmanager
def workspace() -> Iterator[Path]:
    """A temporary directory. Raises InputError when none can be made, or when it is full."""
    try:
        with tempfile.TemporaryDirectory(prefix="rescomp-", ignore_cleanup_errors=True) as name:
            yield Path(name)
    except FileNotFoundError as error:
        if error.filename is not None:
            raise
        raise _no_room(str(error.strerror)) from error  # of tempfile: every candidate failed
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _no_room(str(error.strerror)) from error


def _no_room(cause: str) -> InputError:
    return InputError(f"cannot write temporary files ({cause}): free space there, or set TMPDIR to a folder that can be written")


def write_program(folder: Path, model: IntegerModel, platform: Mapping[str, str], program: Program = "main") -> list[Path]:
    """Write a main function, io.h, held.h and the platform's files (name to text); returns the sources among them."""
    texts = {
        f"{program}.c": render(f"platforms/{program}.c.j2", source=translate(model), **READ_AT_ONCE),
        **{name: read_template(f"platforms/{name}") for name in ("io.h", "held.h")},
        **platform,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts if name.endswith((".c", ".S"))]


def exported_sources(folder: Path, model: IntegerModel) -> list[Path]:
    """The C and assembly files of an export. Raises InputError when there is none."""
    main = folder / f"{model.name}.c"
    if not main.is_file():
        raise InputError(f"{folder} holds no {main.name}: run `rescomp export --format c` first")
    return [main, *sorted(path for path in (folder / "rescomp").iterdir() if path.suffix in {".c", ".S"})]


def write_export(folder: Path, model: IntegerModel, target: Target | None = None) -> None:
    """A fresh export of `model`, for a core or plain."""
    for name, data in export_c(model, target).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def run_tool(command: Sequence[str], folder: Path, data: bytes = b"", seconds: float | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a compiler, an emulator or a program in `folder`. Raises DeviceError when it takes too long (None: RUN_SECONDS)."""
    seconds = seconds or RUN_SECONDS
    try:
        return subprocess.run(command, cwd=folder, input=data, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{Path(command[0]).name} was stopped after {seconds:g} seconds without an end") from error


def build_program(
    compiler: Sequence[str],
    folder: Path,
    program: str,
    sources: Sequence[Path],
    link: Sequence[str] = (),
    linker: Sequence[str] | None = None,
) -> None:
    """Compile `sources` (absolute paths) with the command and flags in `compiler`, and link them to folder/program.

    linker: command and flags, where another one links than compiles.

    What no model changes, and what was built of the same files by the same command, is compiled once in this process. Raises InputError
    with the compiler's first lines when it refuses.
    """
    kept = Path(_folder("programs").name) / f"{_name_program(compiler, folder, sources, link, linker or ())}.program"
    if not kept.exists():
        _build_program(compiler, folder, program, sources, link, linker)
        shutil.copy2(folder / program, kept)
        for old in sorted(kept.parent.glob("*.program"), key=lambda path: path.stat().st_mtime_ns)[:-PROGRAMS_KEPT]:
            old.unlink()
    else:
        shutil.copy2(kept, folder / program)


def _name_program(compiler: Sequence[str], folder: Path, sources: Sequence[Path], link: Sequence[str], linker: Sequence[str]) -> str:
    """Of all that a build reads: the command, the sources, and whatever lies in `folder` and in the export."""
    included = {Path(word[2:]) for word in compiler if word.startswith("-I")}
    exported = {root for root in included if any(source.is_relative_to(root) for source in sources)}
    files = {*sources, *(path for root in (folder, *exported) for path in root.rglob("*") if path.is_file())}
    words = [word for word in (*compiler, "", *link, "", *linker) if not (word.startswith("-I") and Path(word[2:]) in exported)]
    total = hashlib.sha256(repr(words).encode())
    for path in sorted(files, key=lambda path: (path.name, path)):
        total.update(f"{path.name} ".encode() + hashlib.sha256(read_file(path)).digest())
    return total.hexdigest()


def _build_program(
    compiler: Sequence[str], folder: Path, program: str, sources: Sequence[Path], link: Sequence[str], linker: Sequence[str] | None
) -> None:
    own = tuple(word for word in compiler if word != TAP_FLAG and not word.startswith(USES_PREFIX))  # kernels read neither
    inputs = [_object(own, source) if source.parent.name == "rescomp" or source.name in FIXED else source for source in sources]
    if linker is not None:
        inputs = [_compile_alone(compiler, folder, path) if path.suffix in {".c", ".S"} else path for path in inputs]
    _compile((*(linker or compiler), "-o", program, *map(str, inputs), *link), folder)


def _compile_alone(compiler: Sequence[str], folder: Path, source: Path) -> Path:
    target = folder / f"{source.stem}.o"
    _compile((*compiler, "-c", "-o", str(target), str(source)), folder)
    return target


def _object(compiler: tuple[str, ...], source: Path) -> Path:
    """The object file of a source that includes only headers beside it: found by its text, theirs, and the command."""
    texts = [read_file(path) for path in (source, *_headers(source))]
    key = hashlib.sha256(b"\0".join((*(word.encode() for word in compiler if not word.startswith("-I")), *texts))).hexdigest()
    folder = object_folder()
    target = folder / f"{key}.o"
    if not target.exists():
        made = folder / f"{key}-{os.getpid()}.o"
        _compile((*compiler, "-c", "-o", str(made), str(source)), folder)
        made.replace(target)  # whole, for another process that shares the folder
    return target


def _headers(source: Path) -> list[Path]:
    """Those beside it that it may include: whose names it, or one that it may include, holds."""
    beside = {path.name.encode(): path for path in source.parent.glob("*.h")}
    found: dict[bytes, Path] = {}
    unread = [source]
    while unread:
        text = read_file(unread.pop()).replace(b"\\\n", b"")
        named = {name: path for name, path in beside.items() if name in text and name not in found}
        found |= named
        unread += named.values()
    return [found[name] for name in sorted(found)]


def object_folder() -> Path:
    """Where the object files lie that no model changes, as long as this process lives."""
    return Path(_folder("objects").name)


@cache
def _folder(kind: str) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix=f"rescomp-{kind}-")


def _compile(command: Sequence[str], folder: Path) -> None:
    result = run_tool(command, folder, seconds=COMPILE_SECONDS)
    _check_size(result.stderr.decode(errors="replace"))
    if result.returncode:
        lines = result.stderr.splitlines()
        room = next((line for line in lines if _NO_ROOM.search(line)), None)
        if room is not None:
            raise _no_room(first_lines(room, 1))
        said = first_lines(next((line for line in lines if b"error" in line), result.stderr), 1)
        raise InputError(
            f"{Path(command[0]).name} refuses the C ({said}): correct --cc and --cflags if they were given, and export it again if it was "
            "changed; what rescomp itself wrote is a fault of rescomp or of this compiler, please report it"
        )
    made = folder / command[command.index("-o") + 1]
    if not made.is_file():
        raise InputError(f"{Path(command[0]).name} made no program and said nothing: is it a C compiler?")


def _check_size(said: str) -> None:
    for pattern, message in _OVERFLOWS:
        found = re.search(pattern, said)
        if found:
            facts = {name: _MEMORIES.get(value, value) for name, value in found.groupdict().items()}
            raise BudgetError(f"the program does not fit: {message.format(**facts)}")


def first_lines(output: bytes, count: int = 4) -> str:
    """The first non-empty lines of a tool's output, in one line."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip(" =\t")]
    return " | ".join(lines[:count]) or "it printed nothing"


def tool_version(command: str) -> str:
    """`name version` as the tool's --version states it on its first line."""
    line = run_tool([command, "--version"], Path.cwd(), seconds=30).stdout.decode(errors="replace").splitlines()[0]
    number = re.search(r"\d+\.\d+[.\w]*", re.sub(r"\([^)]*\)", "", line))
    return f"{Path(command).name} {number[0] if number else line}"


def probe_model(graph: Graph) -> IntegerModel:
    """A model without state of one graph, state inputs included among its inputs; the last node gives its scores."""
    if not graph.nodes:
        raise UnsupportedError(f"graph {graph.name!r} has no layer to look at")
    probe = replace(graph, name="whole", state={}, outputs=graph.nodes[-1].outputs[:1])
    return IntegerModel(PROBE, {"whole": probe})


def run_probe(
    graph: Graph,
    inputs: Mapping[str, IntArray],
    build_and_run: Callable[[IntegerModel, Path, bytes], bytes],
    target: Target | None = None,
) -> dict[str, IntArray]:
    """Witness.run_graph for generated C: a fresh export of the graph, for a core or the plain one, run with the tap compiled in.

    build_and_run(model, folder of the export, input) gives what the program wrote. On a core, values inside what it computes in one
    pass are missing.
    """
    with workspace() as folder:
        model = probe_model(graph)
        write_export(folder, model, target)
        output = build_and_run(model, folder, encode_samples(graph, inputs))
    return decode_values(graph_on(model.graphs["whole"], target), output, len(next(iter(inputs.values()))))
