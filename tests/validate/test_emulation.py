"""Programs of one's own on emulated cores: what goes in and comes out, and what is said when they fail."""

import shutil
import subprocess

import numpy as np
import pytest

from rescomp.errors import DeviceError, InputError, MissingToolError
from rescomp.targets.cores import CORES, find_core
from rescomp.validate import emulation
from rescomp.validate.emulation import PACKAGES, check_tools, run_program

ECHO = """
    static uint8_t block[64];
    uint16_t blocks;

    io_read(&blocks, 2);
    while (blocks-- > 0) {
        io_read(block, sizeof block);
        io_write(block, sizeof block);
    }
"""
START_OF_MEMORY = """
    static uint32_t counted = 123456789, zero;
    static const char text[] = "constant";

    io_write(&counted, 4);
    io_write(&zero, 4);
    io_write(text, 8);
    counted = zero = 1;
"""
DEEP = """
    io_write(&(uint16_t){deep(500)}, 2);
"""
DEEP_FUNCTION = """
static uint16_t deep(uint16_t levels)
{
    volatile uint8_t frame[16];

    frame[0] = 1;
    return levels == 0 ? 0 : (uint16_t)(deep((uint16_t)(levels - 1)) + frame[0]);
}
"""


@pytest.fixture
def run(tmp_path):
    def build_and_run(core, body, data=b"", before="", flags=()):
        text = f'#include "io.h"\n{before}\nint main(void)\n{{\n    io_open();\n{body}\n    io_close();\n    return 0;\n}}\n'
        (tmp_path / "main.c").write_text(text)
        return run_program(core, [tmp_path / "main.c"], flags, data)

    return build_and_run


@pytest.mark.parametrize("name", CORES)
def test_bytes_go_in_and_out(emulated, run, name):
    data = np.random.default_rng(0).bytes(64 * 300)
    assert run(emulated(name), ECHO, (300).to_bytes(2, "little") + data) == data


@pytest.mark.parametrize("name", ["cortex-m55", "riscv32imc", "atmega328p"])
def test_memory_is_initialized(emulated, run, name):
    assert run(emulated(name), START_OF_MEMORY) == (123456789).to_bytes(4, "little") + bytes(4) + b"constant"


@pytest.mark.parametrize("name", ["cortex-m0", "riscv32imc", "atmega328p"])
def test_flags_reach_the_compiler_behind_the_usual_ones(emulated, run, name):
    body = '#ifdef __OPTIMIZE_SIZE__\n    io_write("s", VALUE);\n#endif'
    assert run(emulated(name), body, flags=("-Os", "-DVALUE=1")) == b"s"


@pytest.mark.parametrize("name", CORES)
def test_reading_past_the_end_is_an_error(emulated, run, name):
    core = emulated(name)
    with pytest.raises(DeviceError, match=f"{core.machine} failed .*the input ends too early"):
        run(core, ECHO, b"\1\0" + bytes(63))


@pytest.mark.parametrize(
    ("name", "instruction"),
    [
        ("cortex-m4", ".fpu fpv4-sp-d16\\n\\tvadd.f32 s0, s1, s2"),
        ("cortex-m7", ".fpu fpv5-d16\\n\\tvadd.f32 s0, s1, s2"),
        ("cortex-m33", ".fpu fpv5-sp-d16\\n\\tvadd.f32 s0, s1, s2"),
        ("cortex-m0", ".short 0xde00"),
        ("riscv32imc", "unimp"),
    ],
)
def test_what_the_core_does_not_know_or_has_switched_off_is_a_fault(emulated, run, name, instruction):
    with pytest.raises(DeviceError, match="a fault"):
        run(emulated(name), f'    __asm__ volatile("{instruction}");')


def test_the_vector_unit_of_a_cortex_m55_is_on(emulated, run):
    body = """
    static int32_t x[4] = {1, -2, 3, 1 << 30};

    __asm__ volatile("vldrw.32 q0, [%0]\\n\\tvadd.i32 q0, q0, q0\\n\\tvstrw.32 q0, [%0]" : : "r"(x) : "memory");
    io_write(x, sizeof x);
"""
    assert np.frombuffer(run(emulated("cortex-m55"), body), "<i4").tolist() == [2, -4, 6, -(1 << 31)]


def test_a_stack_that_outgrows_an_avr_is_seen(emulated, run):
    assert run(emulated("cortex-m0"), DEEP, before=DEEP_FUNCTION) == (500).to_bytes(2, "little")
    with pytest.raises(DeviceError, match="the stack ran into the program's variables"):
        run(emulated("atmega328p"), DEEP, before=DEEP_FUNCTION + "static volatile uint8_t variables[1000];")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 0;", "stopped before it was done"),
        ('__asm__ volatile("cli\\n\\tsleep");', "stopped before it was done"),
        ('__asm__ volatile("jmp 0");', "began again"),
        ('__asm__ volatile("jmp 0x7000");', "crashed"),
    ],
)
def test_an_avr_program_that_does_not_come_to_its_end(emulated, run, body, said):
    with pytest.raises(DeviceError, match=said):
        run(emulated("atmega328p"), body)


def test_every_core_is_found_by_its_name():
    assert list(CORES) == [core.name for core in CORES.values()]
    assert all(find_core(name) is core for name, core in CORES.items())
    with pytest.raises(InputError, match="the nearest one is 'riscv32imc'"):
        find_core("riscv32")


@pytest.mark.parametrize("name", CORES)
def test_a_missing_tool_names_its_package(monkeypatch, tmp_path, name):
    family = CORES[name].family
    emulator = family.emulator if family.emulator.startswith("qemu") else "gcc"
    for missing in (family.compiler, emulator):
        monkeypatch.setattr(shutil, "which", lambda command, missing=missing: None if command == missing else "/bin/true")
        monkeypatch.setattr(emulation, "_file_of", lambda compiler, library: tmp_path.joinpath("libc.a"))
        (tmp_path / "libc.a").touch()
        with pytest.raises(MissingToolError, match=f"{missing}, .*apt-get install {PACKAGES[missing]}$"):
            check_tools(CORES[name])
    (tmp_path / "libc.a").unlink()
    monkeypatch.setattr(shutil, "which", lambda command: "/bin/true")
    with pytest.raises(MissingToolError, match=f"apt-get install {PACKAGES[family.compiler]}$"):
        check_tools(CORES[name])


def test_a_missing_libsimavr_names_its_package(monkeypatch):
    refusal = subprocess.CompletedProcess((), 1, b"", b"simavr_host.c:7:10: fatal error: sim_avr.h: No such file or directory")
    monkeypatch.setattr(emulation, "find_tool", lambda command: f"/nowhere/{command}")
    monkeypatch.setattr(emulation, "_compiler", lambda core: "")
    monkeypatch.setattr(emulation, "run_tool", lambda *arguments, **options: refusal)
    with pytest.raises(MissingToolError, match="apt-get install libsimavr-dev libelf-dev"):
        check_tools(CORES["atmega328p"])
