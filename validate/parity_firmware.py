"""Building the parity firmware: exported C, the protocol's code around it, and a core's serial line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError, UnsupportedError
from ..export.c import translate
from ..export.c_source import Source
from ..export.c_templates import read_template, render
from ..graph.formats import Format, TensorType
from ..graph.ir import IntegerModel
from ..targets.cores import AVR, Core
from .c_program import WARNINGS, build_program, exported_sources
from .emulation import FIRMWARE, PLATFORM_FILES, compiler_flags, find_tool
from .parity_protocol import LARGEST_FRAME, PROTOCOL, SMALLEST_FRAME, Hello
from .serial_line import BAUD

HOST = "host"
"""Name of the core of this machine."""
PARITY_FILES: Sequence[str] = ("main.c", "parity.c", "parity.h", "frame.c", "frame.h", "crc.c", "crc.h", "uart.h")
PUSHED_AT_ONCE = 31
"""Samples that the firmware hands to the model at a time, an odd number."""
SMALL_VARIABLES = 200
"""Bytes of RAM, at most, that the firmware takes beside the buffers counted one by one."""


@dataclass(frozen=True)
class Uart:
    """A serial line and a counter of cycles. files: of firmware_templates/platforms, which define what parity/uart.h declares.

    defines: macros that they read; UART_BAUD is added. cycle_bits: of the counter; 0 without one. texts: further files, by name.
    """

    files: Sequence[str]
    cycle_bits: int
    defines: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def _cmsdk(base: int, clock: int) -> Uart:
    files = ("cortex-m/uart_cmsdk.c", "cortex-m/cycles_systick.c")
    return Uart(files, 24, {"UART_BASE": f"{base:#x}u", "UART_CLOCK_HZ": f"{clock}u"})


_AVR = Uart(("avr/uart_usart0.c",), 32, {"UART_CLOCK_HZ": "16000000ul"})
UARTS: Mapping[str, Uart] = {
    HOST: Uart(("host/uart_host.c",), 0),
    "cortex-m0": Uart(("cortex-m/uart_nrf51.c", "cortex-m/cycles_nrf51.c"), 32, {"UART_TX_PIN": "24", "UART_RX_PIN": "25"}),
    "cortex-m3": _cmsdk(0x40004000, 25_000_000),
    "cortex-m4": _cmsdk(0x40004000, 25_000_000),
    "cortex-m7": _cmsdk(0x40004000, 25_000_000),
    "cortex-m33": _cmsdk(0x50200000, 20_000_000),
    "cortex-m55": _cmsdk(0x59303000, 25_000_000),
    "riscv32imc": Uart(("riscv/uart_16550.c",), 32, {"UART_BASE": "0x10000000u", "UART_CLOCK_HZ": "3686400u"}),
    "atmega328p": _AVR,
    "atmega2560": _AVR,
}
"""Of the emulated machine of each core; a real board brings its own."""


def build_parity_firmware(
    core: Core | None,
    model: IntegerModel,
    exported: Path,
    folder: Path,
    *,
    uart: Uart | None = None,
    baud: int = BAUD,
    frame_bytes: int | None = None,
    flags: Sequence[str] = (),
) -> Path:
    """The program, in `folder`, that answers the parity protocol with the C of `model` in `exported`: an ELF file.

    core: None for this machine, where standard input and output are the line. uart: of the board; None for that of the machine that
    emulates the core. frame_bytes: of the longest body of a frame; None for what the RAM allows. flags: further ones for the compiler.
    Raises BudgetError when the program does not fit the core's memory, MissingToolError without its compiler, InputError without an
    export.
    """
    exported, source = exported.resolve(), translate(model)
    uart = uart or UARTS[core.name if core else HOST]
    if frame_bytes is None:
        frame_bytes = LARGEST_FRAME if core is None else choose_frame_bytes(core, source)
    hello = describe_firmware(core, source, _Export(exported, model), frame_bytes, uart.cycle_bits)
    texts = {name: read_template(f"parity/{name}") for name in PARITY_FILES}
    texts.update({Path(path).name: read_template(f"platforms/{path}") for path in uart.files})
    texts.update(uart.texts)
    texts.update(_model_texts(source, hello))
    macros = [f"-D{name}={value}" for name, value in {**uart.defines, "UART_BAUD": str(baud), "RESCOMP_TAP": "1"}.items()]
    link: Sequence[str] = ()
    if core is None:
        command = [find_tool("gcc"), "-std=c99", "-O2", *WARNINGS]
    else:
        command, link = compiler_flags(core), _linker_arguments(core)
        texts.update(_startup_texts(core))
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    sources = [folder / name for name in texts if name.endswith(".c")]
    command = [*command, *macros, *flags, f"-I{exported}", f"-I{folder.resolve()}"]
    build_program(command, folder, FIRMWARE, [*exported_sources(exported, model), *(path.resolve() for path in sources)], link)
    return folder / FIRMWARE


def choose_frame_bytes(core: Core, source: Source) -> int:
    """Of the longest body: a quarter of the RAM that is left beside stack and model, since there are two buffers for one."""
    state = source.listener_bytes if source.model.reads_samples else source.state_bytes + source.scratch_bytes
    taken = state + sum(value.type.nbytes for value in (*source.inputs, source.scores))
    taken += 2 * PUSHED_AT_ONCE * source.model.samples.type.shape[1] if source.model.reads_samples else 0
    left = core.ram_bytes - core.stack_bytes - taken - SMALL_VARIABLES
    return min(LARGEST_FRAME, max(SMALLEST_FRAME, left // 4 // 16 * 16))


class _Export:
    """What the header of an export says that it computes."""

    def __init__(self, folder: Path, model: IntegerModel) -> None:
        path = folder / f"{model.name}.h"
        if not path.is_file():
            raise InputError(f"{folder} holds no {path.name}: run `rescomp export --format c` first")
        text, macro = path.read_text(encoding="utf-8"), model.name.upper()
        found = {key: re.search(rf'^#define {macro}_{key} "?(\w+)', text, re.MULTILINE) for key in self._KEYS}
        missing = [key for key, match in found.items() if match is None]
        if missing:
            raise InputError(f"{path} does not define {macro}_{missing[0]}: run `rescomp export --format c` again")
        values = [match[1] for match in found.values() if match]
        self.graph = bytes.fromhex(values[0])
        self.contract, self.api, self.layers = (int(value) for value in values[1:])

    _KEYS = ("GRAPH_SHA256", "CONTRACT_VERSION", "API_VERSION", "LAYERS")


def describe_firmware(core: Core | None, source: Source, export: _Export, frame_bytes: int, cycle_bits: int) -> Hello:
    """What the firmware will say of itself."""
    sides = (source.inputs, source.kept, (source.scores,))
    read, kept, given = (sum(value.type.nbytes for value in side) for side in sides)
    kept += 2 if source.decide_states else 0  # and the decision
    if export.layers > 0xFFFF:
        raise UnsupportedError("the parity protocol counts layers up to 65535")
    numbers = (PROTOCOL, export.api, export.contract, frame_bytes, cycle_bits, export.layers)
    return Hello(*numbers, read, kept, given, export.graph, core.name if core else HOST, source.name)


def step_layers(source: Source) -> int:
    """How many of the numbered layers belong to front-end and step; the others follow them."""
    return sum(len(layer.taps) for layer in source.layers if layer.graph in ("frontend", "step"))


def _model_texts(source: Source, hello: Hello) -> dict[str, str]:
    """parity_model.h and parity_model.c."""
    state = "listener.state" if source.model.reads_samples else "state"
    buffers: dict[str, list[tuple[str, TensorType]]] = {
        "inputs": [(value.identifier, value.type) for value in source.inputs],
        "states": [(f"{state}.{value.identifier}", value.type) for value in source.kept],
    }
    if source.decide_states:
        buffers["states"].append(("decision", TensorType((1,), Format(0))))
    context = {"source": source, "hello": hello, "packed": list(hello.pack()), "step_layers": step_layers(source), **buffers}
    context["pushed"] = PUSHED_AT_ONCE if source.model.reads_samples else 0
    context["frontend_layers"] = sum(len(layer.taps) for layer in source.layers if layer.graph == "frontend")
    names = ("parity_model.h", "parity_model.c")
    return {name: render(f"parity/{name}.j2", **context) for name in names}


def _startup_texts(core: Core) -> dict[str, str]:
    """Startup code and the linker script, with nothing in semihosting's place: a board has no host."""
    texts = {}
    for platform in core.family.platforms:
        for name in PLATFORM_FILES[platform]:
            path = f"platforms/{platform}/{name}"
            if name != "io.c":
                texts[name] = render(f"{path}.j2", core=core) if name == "link.ld" else read_template(path)
    if core.family is not AVR:
        texts["no_semihosting.c"] = read_template("parity/no_semihosting.c")
    return texts


def _linker_arguments(core: Core) -> list[str]:
    if core.family is not AVR:
        return [*core.family.link, "-T", "link.ld"]
    sizes = {"TEXT": core.flash_bytes, "DATA": core.ram_bytes - core.stack_bytes}
    return [*core.family.link, "link.ld", *(f"-Wl,--defsym=__{region}_REGION_LENGTH__={size}" for region, size in sizes.items())]
