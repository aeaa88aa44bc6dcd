"""Programs on emulated cores: built with the core's own compiler around io.h, run by QEMU or under libsimavr."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import DeviceError, InputError, MissingToolError
from ..export.c_source import Source
from ..export.c_templates import read_template, render
from ..graph.ir import IntegerModel
from ..model_directory import C_FOLDER
from ..targets.cores import AVR, Core
from ..targets.kernel_choice import Target
from .build import RESCOMP_S_OWN, Build
from .c_kernels import exported_source
from .c_program import WARNINGS, Program, build_program, exported_sources, first_lines, run_tool, tool_version, workspace, write_program
from .checked_kernels import CheckedKernels
from .witness import Job

PACKAGES: Mapping[str, str] = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "avr-gcc": "gcc-avr avr-libc",
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-riscv32": "qemu-system-misc",
    "libsimavr": "libsimavr-dev libelf-dev",
    "gcc": "gcc libc6-dev",
}
"""Debian packages by command, compilers with their C library; and those of libsimavr."""
PLATFORM_FILES: Mapping[str, Sequence[str]] = {
    "semihosting": ("io.c", "start.c", "start.h", "link.ld"),
    "cortex-m": ("reset.c", "semihosting.h"),
    "riscv": ("reset.c", "semihosting.h"),
    "avr": ("io.c", "link.ld"),
}
"""Of each folder of firmware_templates/platforms; link.ld is a template."""
SIMAVR: Sequence[str] = ("-I/usr/include/simavr", "-I/usr/local/include/simavr", "-lsimavr", "-lelf")
"""What compiles a program around libsimavr."""
FIRMWARE = "firmware.elf"
INPUT_FILE, OUTPUT_FILE = "input.bin", "output.bin"
"""What semihosting opens in the emulator's working directory."""


def find_tool(command: str) -> str:
    """Path of a command. Raises MissingToolError with the package that brings it."""
    path = shutil.which(command)
    if path is None:
        raise _missing(command)
    return path


def check_tools(core: Core) -> None:
    """Raise MissingToolError when something is missing that building for this core, or running on it, needs."""
    _compiler(core)
    _emulator(core)


def tool_versions(core: Core, build: Build = RESCOMP_S_OWN) -> str:
    """Emulator and compiler with their versions, as an Answer states them."""
    emulator = _simavr_version() if core.family is AVR else tool_version(_emulator(core))
    return f"{emulator}, {tool_version(build.compiler or _compiler(core))}"


def export_folder(core: Core, directory: Path) -> str:
    """Name of the folder of a model directory whose C runs on this core: its own export where there is one, or the generic one."""
    return core.export_folder if (directory / core.export_folder).is_dir() else C_FOLDER


def target_of(core: Core, directory: Path) -> Target | None:
    """For which that C was exported; None for the generic one."""
    return Target(core) if export_folder(core, directory) == core.export_folder else None


def source_on(core: Core, job: Job) -> Source:
    """What the C in the job's directory that runs on this core was written of."""
    folder = export_folder(core, job.directory)
    return exported_source(job.model, job.directory / folder, core if folder == core.export_folder else None)


def build_firmware(
    core: Core,
    model: IntegerModel,
    exported: Path,
    flags: Sequence[str],
    folder: Path,
    program: Program = "main",
    build: Build = RESCOMP_S_OWN,
) -> Path:
    """The ELF file, in `folder`, of the exported C of `model` and a main function, which reads vectors and writes what the model makes.

    flags: further ones for the compiler, which stand behind -O2. build: a product's compiler and flags instead of rescomp's.
    Raises BudgetError when it does not fit the core's memory, MissingToolError, InputError without an export, RescompError when the
    compiler refuses.
    """
    exported = exported.resolve()
    own = exported_sources(exported, model)
    checked = CheckedKernels(core, own) if program == "layers" else None
    sources = write_program(folder, model, {**_platform_texts(core), **(checked.texts if checked else {})}, program)
    return _build(core, [*own, *sources], [*flags, f"-I{exported}"], folder, build, checked.link if checked else ())


def build_sources(core: Core, sources: Sequence[Path], flags: Sequence[str], folder: Path) -> Path:
    """The ELF file, in `folder`, of sources with their own main function on io.h. Raises what build_firmware raises."""
    texts = {"io.h": read_template("platforms/io.h"), **_platform_texts(core)}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    platform = [folder / name for name in texts if name.endswith(".c")]
    return _build(core, [*(source.resolve() for source in sources), *platform], [*flags, f"-I{folder}"], folder)


def run_firmware(core: Core, elf: Path, data: bytes, extra_arguments: Sequence[str] = ()) -> bytes:
    """What the program writes when it reads `data`. extra_arguments: further ones for the emulator.

    Raises DeviceError when it faults, reads more than there is, or does not end.
    """
    emulator = _emulator(core)
    with workspace() as folder:
        if core.family is AVR:
            result = run_tool([emulator, *extra_arguments, core.machine, str(elf.resolve())], folder, data)
            output = result.stdout
        else:
            (folder / INPUT_FILE).write_bytes(data)
            result = run_tool([emulator, *_machine(core), *extra_arguments, "-kernel", str(elf.resolve())], folder)
            output = (folder / OUTPUT_FILE).read_bytes() if result.returncode == 0 else b""
    if result.returncode:
        printed = first_lines(result.stderr if core.family is AVR else result.stderr + result.stdout)
        raise DeviceError(f"the emulated {core.machine} failed (status {result.returncode}): {printed}")
    return output


def run_program(core: Core, sources: Sequence[Path], flags: Sequence[str], data: bytes) -> bytes:
    """Build sources with their own main function on io.h, and run them. Raises what build_sources and run_firmware raise."""
    with workspace() as folder:
        return run_firmware(core, build_sources(core, sources, flags, folder), data)


def run_model(
    core: Core,
    model: IntegerModel,
    exported: Path,
    flags: Sequence[str],
    data: bytes,
    program: Program = "main",
    build: Build = RESCOMP_S_OWN,
) -> bytes:
    """Build exported C, and run it. Raises what build_firmware and run_firmware raise."""
    with workspace() as folder:
        return run_firmware(core, build_firmware(core, model, exported, flags, folder, program, build), data)


def compiler_flags(core: Core) -> list[str]:
    """The compiler's path and the flags that it is always given for this core."""
    return [_compiler(core), f"-std={core.family.standard}", "-O2", *core.flags, *WARNINGS]


def _build(
    core: Core, sources: Sequence[Path], flags: Sequence[str], folder: Path, build: Build = RESCOMP_S_OWN, link: Sequence[str] = ()
) -> Path:
    compiler, linker = _commands(core, build)
    build_program([*compiler, *flags], folder, FIRMWARE, sources, [*core.family.link, *_linker_script(core), *link], linker)
    return folder / FIRMWARE


def _commands(core: Core, build: Build) -> tuple[list[str], list[str] | None]:
    """What compiles and, where that is another command, what links: clang does not know the linker and libraries of GCC's targets."""
    if not build:
        return compiler_flags(core), None
    compiler = build.compiler or _compiler(core)
    command = [compiler, f"-std={core.family.standard}", *core.flags, *build.options]
    if not tool_version(compiler).startswith("clang"):
        return command, None
    if any(flag.startswith("-flto") for flag in build.flags):
        raise InputError(f"--cflags has -flto, but what clang compiles is linked by {core.family.compiler} here: leave -flto out")
    return [word for word in command if not word.startswith("--specs")], [_compiler(core), *core.flags]


def _linker_script(core: Core) -> Sequence[str]:
    if core.family is not AVR:
        return ("-T", "link.ld")
    sizes = {"TEXT": core.flash_bytes, "DATA": core.ram_bytes - core.stack_bytes}
    return ("link.ld", *(f"-Wl,--defsym=__{region}_REGION_LENGTH__={size}" for region, size in sizes.items()))


def _platform_texts(core: Core) -> dict[str, str]:
    """Startup code, io.c and the linker script by file name."""
    texts = {}
    for platform in core.family.platforms:
        for name in PLATFORM_FILES[platform]:
            path = f"platforms/{platform}/{name}"
            texts[name] = render(f"{path}.j2", core=core) if name == "link.ld" else read_template(path)
    return texts


def _machine(core: Core) -> Sequence[str]:
    quiet = ("-display", "none", "-monitor", "none", "-serial", "none")
    firmware = ("-bios", "none") if core.family.name == "riscv" else ()
    return ("-machine", core.machine, *firmware, *quiet, "-semihosting-config", "enable=on,target=native")


def _compiler(core: Core) -> str:
    path = find_tool(core.family.compiler)
    if not _file_of(path, core.family.library).is_file():
        raise _missing(core.family.compiler)
    return path


@cache
def _file_of(compiler: str, name: str) -> Path:
    """Where a compiler finds a file of its libraries; the mere name if it does not."""
    return Path(run_tool([compiler, f"-print-file-name={name}"], Path("/"), seconds=30).stdout.decode().strip())


def _emulator(core: Core) -> str:
    if core.family is AVR:
        return str(compile_tool(find_tool("gcc"), "simavr_host.c", *SIMAVR))
    return find_tool(core.family.emulator)


@cache
def compile_tool(compiler: str, source: str, *flags: str) -> Path:
    """A program or a plugin of this machine that lies in this package as a C file, compiled once in this process.

    Raises MissingToolError where the compiler, or libsimavr for it, is not all there.
    """
    target = Path(_tool_folder().name) / Path(source).stem
    with as_file(files(__package__).joinpath(source)) as path:
        result = run_tool([compiler, "-std=gnu11", "-O2", str(path), "-o", str(target), *flags], target.parent)
    if result.returncode:
        if re.search(rb"(sim|avr)_\w+\.h|-lsimavr|-lelf|libelf", result.stderr):
            raise _missing("libsimavr")
        raise MissingToolError(f"{Path(compiler).name} cannot compile {source} ({first_lines(result.stderr, 1)})")
    return target


@cache
def _tool_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="rescomp-tools-")


def _simavr_version() -> str:
    """As the description says that its package keeps beside the library."""
    path = _file_of(find_tool("gcc"), "pkgconfig/simavr.pc")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    version = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
    return f"libsimavr {version[1]}" if version else "libsimavr"


def _missing(tool: str) -> MissingToolError:
    return MissingToolError(f"emulation needs {tool}, which is not (or only partly) installed: on Debian, apt-get install {PACKAGES[tool]}")
