"""What exported C takes of a core's flash: it is linked alone, with the library functions that it calls and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import DeviceError
from ..graph.ir import IntegerModel
from ..targets.cores import RISCV, Core
from .c_program import build_program, exported_sources, first_lines, run_tool, workspace
from .emulation import compiler_flags, find_tool


def flash_bytes(core: Core, model: IntegerModel, exported: Path, flags: Sequence[str] = ()) -> int:
    """Bytes of flash of all functions and constants in `exported`, and of what they need of the compiler's and the C library.

    No startup code, no main function, no input and output. flags: further ones for the compiler, behind -O2. Raises
    MissingToolError, InputError without an export, RescompError when the compiler refuses.
    """
    exported = exported.resolve()
    entry = f"{model.name}_{'step' if model.is_recurrent else 'run'}"
    with workspace() as folder:
        command = [*compiler_flags(core), *flags, f"-I{exported}"]
        link = ("-nostartfiles", f"-Wl,--entry={entry},--no-gc-sections", *_memory(core))
        build_program(command, folder, "model.elf", exported_sources(exported, model), link)
        result = run_tool([find_tool(f"{core.family.prefix}size"), "model.elf"], folder)
    try:
        text, data, *_ = map(int, result.stdout.splitlines()[1].split()[:2])
    except (IndexError, ValueError) as error:
        raise DeviceError(f"{core.family.prefix}size does not say how large the model is: {first_lines(result.stderr)}") from error
    return text + data


def _memory(core: Core) -> Sequence[str]:
    """How much there is: picolibc's own linker script, which a link without any takes, has 64 KB of flash and 32 KB of RAM else."""
    if core.family is not RISCV:
        return ()
    sizes = {"flash_size": core.flash_bytes, "ram": core.ram_origin, "ram_size": core.ram_bytes}
    return [f"-Wl,--defsym=__{name}={size:#x}" for name, size in {"flash": core.flash_origin, **sizes}.items()]
