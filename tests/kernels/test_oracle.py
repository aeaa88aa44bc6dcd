"""What the kernel tests see of a function besides its result: each kind of wrong that they look for, planted in a kernel of its own."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rescomp.targets.cores import AVR, CORES
from rescomp.tests.kernels.test_products import CASE, CHECKED_CALL, KERNELS
from rescomp.tests.kernels.test_products_avr import Device
from rescomp.validate.emulation import build_sources, run_firmware

HERE = Path(__file__).parent
GUARD_BROKEN, CONSTANT_CHANGED, REGISTERS_CHANGED = 1, 2, 4
FLOATS = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
"""Cores with registers d8 to d15, whether or not the code for them computes with floats."""
ARM = "    .syntax unified\n    .thumb\n    .fpu fpv5-sp-d16\n"
HIGH = "    mov r0, {0}\n    adds r0, #1\n    mov {0}, r0\n"
THUMB = {
    **{f"r{i}": f"    adds r{i}, #1\n" for i in range(4, 8)},
    **{f"r{i}": HIGH.format(f"r{i}") for i in range(8, 12)},
    "r4 in place of r8": "    mov r8, r4\n",
    "r4 without its upper half": "    uxth r4, r4\n",
    "sp": "    sub sp, #8\n",
}
FLOAT = {f"s{i}": f"    movs r0, #0\n    vmov s{i}, r0\n" for i in range(16, 32)}
RISCV = {
    **{f"s{i}": f"    addi s{i}, s{i}, 1\n" for i in range(12)},
    "s1 in place of s2": "    mv s2, s1\n",
    "gp": "    addi gp, gp, 4\n",
    "tp": "    addi tp, tp, 4\n",
    "sp": "    addi sp, sp, -16\n",
}
AVR_FAULTS = {
    **{f"r{i}": f"    inc r{i}\n" for i in (*range(1, 18), 28, 29)},
    "sp": "    pop r25\n    pop r24\n    push r18\n    push r24\n    push r25\n",
    "sp of 22 bits": "    pop r26\n    pop r25\n    pop r24\n    push r18\n    push r24\n    push r25\n    push r26\n",
}
STORES = {"before": "BUFFER(uint8_t, {0})[-1] = 1", "behind": "BUFFER(uint8_t, {0})[buffers[{0}].size] = 1"}
BUFFERS = ("INPUT", "WEIGHT", "BIAS", "MULTIPLIER", "SHIFT", "ACCUMULATOR", "TABLE")


def faults_of(core):
    """Name of a fault: the instructions that make it."""
    thumb = {**THUMB, **(FLOAT if core.name in FLOATS else {})}
    return thumb if core.name.startswith("cortex") else RISCV


def stores():
    """Name of a fault: (the C that makes it, what the oracle says)."""
    around = {f"{place} {name}": (text.format(name), GUARD_BROKEN) for name in BUFFERS for place, text in STORES.items()}
    return {**around, **{f"in {name}": (f"BUFFER(uint8_t, {name})[0] ^= 1", CONSTANT_CHANGED) for name in BUFFERS[:5]}}


def planted_text(faults, back):
    functions = [f"    .global planted_{i}\nplanted_{i}:\n{fault}    {back}\n" for i, fault in enumerate(("", *faults.values()))]
    thumb = back == "bx lr"
    kinds = [f"    .type planted_{i}, %function\n    .thumb_func\n" if thumb else "" for i in range(len(functions))]
    return (ARM if thumb else "") + "    .text\n" + "".join(kind + function for kind, function in zip(kinds, functions, strict=True))


def calls_text(count):
    """calls.h: the planted functions, and behind them the stores that only C makes."""
    lines = [f"void planted_{i}(void);" for i in range(count)]
    lines += ["#define BUFFER(type, index) ((type *)(void *)buffers[index].at)", "static void call(const test_case *of)", "{"]
    lines += ["    switch (of->kernel) {"]
    lines += [f"    case {i}: CHECKED(planted_{i})(); break;" for i in range(count)]
    lines += [f"    case {count + i}: {text}; break;" for i, (text, _) in enumerate(stores().values())]
    return "\n".join([*lines, "    default: break;", "    }", "}", ""])


def a_case(kernel):
    """One whose buffers are all of eight bytes."""
    header = np.zeros((), CASE)
    header["kernel"], header["table"], header["output"] = kernel, 8, 8
    for i in range(5):
        header[f"constant{i}"] = 8
    return header.tobytes() + bytes(40)


@cache
def seen(core, folder):
    """What the oracle says of each planted function, of one that is right before all others, and of each store."""
    faults = faults_of(core)
    (folder / "planted.S").write_text(planted_text(faults, "bx lr" if core.name.startswith("cortex") else "ret"))
    (folder / "calls.h").write_text(calls_text(1 + len(faults)))
    sources = [folder / "planted.S", HERE / "products_main.c", CHECKED_CALL]
    firmware = build_sources(core, sources, [f"-I{KERNELS}", f"-I{folder}"], folder)
    names = ["nothing", *faults, *stores()]
    output = run_firmware(core, firmware, np.uint32(len(names)).tobytes() + b"".join(map(a_case, range(len(names)))))
    words = np.frombuffer(output, [("wrong", "<u4"), ("output", "u1", 8)])["wrong"]
    return dict(zip(names, words.tolist(), strict=True))


@pytest.mark.parametrize("core", [core.name for core in CORES.values() if core.family is not AVR])
def test_what_a_kernel_must_leave_alone_is_seen_when_it_does_not(emulated, tmp_path_factory, core):
    core = emulated(core)
    faults = dict.fromkeys(faults_of(core), REGISTERS_CHANGED)
    assert seen(core, tmp_path_factory.mktemp(core.name)) == {
        "nothing": 0,
        **faults,
        **{name: wrong for name, (_, wrong) in stores().items()},
    }


@pytest.fixture(scope="module", params=["atmega328p", "atmega2560"])
def planted_device(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("avr")
    (folder / "planted.S").write_text(
        "".join(
            f"    .global rescomp_planted_{i}\nrescomp_planted_{i}:\n{fault}    ret\n" for i, fault in enumerate(("", *AVR_FAULTS.values()))
        )
    )
    return request.param, Device(request.param, folder, [folder / "planted.S"])


def test_what_a_kernel_must_leave_alone_on_avr_is_seen_when_it_does_not(planted_device):
    mcu, device = planted_device
    device.call("planted_0")
    for number, name in enumerate(AVR_FAULTS, 1):
        if name.startswith("sp") and (name == "sp of 22 bits") != (mcu == "atmega2560"):
            continue
        device.clear()
        with pytest.raises(AssertionError, match="stack pointer has moved" if name.startswith("sp") else "lost a register"):
            device.call(f"planted_{number}")
