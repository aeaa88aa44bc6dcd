"""The generated C on emulated cores: the same program as on the host, with startup code and semihosting around it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..errors import DeviceError, InputError, MissingToolError, nearest
from ..export.c import read_template, render
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from .c_program import (
    WARNINGS,
    build_program,
    decode_trace,
    encode_vectors,
    exported_sources,
    first_lines,
    run_probe,
    run_tool,
    tool_version,
    workspace,
    write_program,
)
from .witness import Answer, Job


@dataclass(frozen=True)
class Family:
    """Cores that share tools and startup code. folder: of firmware_templates/platforms."""

    emulator: str
    compiler: str
    folder: str


@dataclass(frozen=True)
class Core:
    """An emulated machine, by the emulator's name for it, and its memory: origins, and sizes in bytes."""

    family: Family
    machine: str
    flags: Sequence[str]
    flash_origin: int
    flash_bytes: int
    ram_origin: int
    ram_bytes: int
    stack_bytes: int = 2048


CORTEX_M = Family("qemu-system-arm", "arm-none-eabi-gcc", "cortex-m")
CORES: Mapping[str, Core] = {
    "cortex-m0": Core(CORTEX_M, "microbit", ("-mcpu=cortex-m0", "-mthumb"), 0, 256 * 1024, 0x20000000, 16 * 1024),
}
DEFAULT = "cortex-m0"
PACKAGES: Mapping[str, str] = {"qemu-system-arm": "qemu-system-arm", "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi"}
"""Debian packages by command."""


class Qemu:
    """Compiles what lies in the job's c/ folder for a core, and runs it there. The argument names the core."""

    name: ClassVar[str] = "qemu"

    def check(self, argument: str) -> None:
        """See Witness."""
        family = find_core(argument or DEFAULT).family
        _tool(family.emulator)
        _tool(family.compiler)

    def answers(self, job: Job) -> Iterator[Answer]:
        """One answer, of the core that the argument names (cortex-m0 without one)."""
        name = job.argument or DEFAULT
        core = find_core(name)
        version = f"{tool_version(_tool(core.family.emulator))}, {tool_version(_tool(core.family.compiler))}"
        output = _build_and_run(core, job.model, job.directory / "c", (), encode_vectors(job))
        yield Answer(f"{name} -O2", version, decode_trace(job, output))

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """Every value, by the tap of a fresh export, on the default core."""
        core = find_core(DEFAULT)
        return run_probe(graph, inputs, lambda model, folder, data: _build_and_run(core, model, folder, ("-DRESCOMP_TAP",), data))


def find_core(name: str) -> Core:
    """The core of that name. Raises InputError with the nearest known one."""
    if name not in CORES:
        raise InputError(f"there is no emulated core {name!r}; the nearest one is {nearest(name, CORES)!r} (of {', '.join(CORES)})")
    return CORES[name]


def _tool(command: str) -> str:
    path = shutil.which(command)
    if path is None:
        raise MissingToolError(f"the witness qemu needs {command}, which is not installed: on Debian, apt-get install {PACKAGES[command]}")
    return path


def _build_and_run(core: Core, model: IntegerModel, exported: Path, flags: Sequence[str], data: bytes) -> bytes:
    emulator = _tool(core.family.emulator)
    with workspace() as folder:
        _build(core, model, exported.resolve(), flags, folder)
        (folder / "input.bin").write_bytes(data)
        result = run_tool([emulator, *_machine(core), "-kernel", "firmware.elf"], folder)
        if result.returncode:
            printed = first_lines(result.stderr + result.stdout)
            raise DeviceError(f"the emulated {core.machine} failed (status {result.returncode}): {printed}")
        return (folder / "output.bin").read_bytes()


def _machine(core: Core) -> Sequence[str]:
    quiet = ("-display", "none", "-monitor", "none", "-serial", "none")
    return ("-machine", core.machine, *quiet, "-semihosting-config", "enable=on,target=native")


def _build(core: Core, model: IntegerModel, exported: Path, flags: Sequence[str], folder: Path) -> None:
    names = ("io.c", "startup.c")
    platform = {name: read_template(f"platforms/{core.family.folder}/{name}") for name in names}
    platform["link.ld"] = render(f"platforms/{core.family.folder}/link.ld.j2", core=core)
    sources = [*exported_sources(exported, model), *write_program(folder, model, platform)]
    link = ("-nostartfiles", "-T", "link.ld")
    compiler = (_tool(core.family.compiler), "-std=c99", "-O2", *core.flags, *WARNINGS, *flags, f"-I{exported}")
    build_program(compiler, folder, "firmware.elf", sources, link)
