"""The firmware of each board: compiled, weighed, and where an emulator has the board's UART, run as the very ELF file that is flashed."""

import re
from dataclasses import replace

import numpy as np
import pytest

from rescomp.boards import board_names, load_board
from rescomp.boards.description import Board
from rescomp.errors import BudgetError, UnsupportedError
from rescomp.export.c import translate
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import FullyConnected, Relu
from rescomp.graph.weights import Int8Weight
from rescomp.validate.board_firmware import Fit, board_uart, build_board_firmware, section_sizes
from rescomp.validate.c_program import run_tool, write_export
from rescomp.validate.emulation import find_tool
from rescomp.validate.parity_firmware import UARTS, choose_frame_bytes
from rescomp.validate.parity_protocol import SMALLEST_FRAME
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import SerialPort
from rescomp.validate.witness import Job

ON_EMULATORS = [name for name in board_names() if load_board(name).emulator and not load_board(name).is_emulated]


@pytest.fixture(scope="module")
def job(build_board):
    """A model like the default one: 12 channels, 16 states, ternary weights; without any exports that a board would need."""
    board = build_board("host", count=4, longest=6, inputs=12, hidden=16, weights="ternary", low_rank=True)
    return Job(board.model, board.directory, board.x, board.lengths), board


@pytest.fixture(scope="module")
def built(job, emulated, tmp_path_factory):
    """A function (board) -> ELF file and how it fits."""
    made = {}

    def build(name):
        if name not in made:
            board = load_board(name)
            emulated(board.core)
            made[name] = build_board_firmware(board, job[0], job[0].directory / "c", tmp_path_factory.mktemp(name))
        return made[name]

    return build


@pytest.mark.parametrize("name", board_names())
def test_it_compiles_and_fits(built, name):
    elf, fit = built(name)
    board = load_board(name)
    core = board.find_core()
    assert fit.problems == []
    assert (fit.flash_bytes, fit.ram_bytes, fit.reserve) == (core.flash_bytes, core.ram_bytes, core.stack_bytes)
    assert 3000 < fit.flash < fit.flash_bytes
    assert fit.stack is not None
    assert 50 < fit.stack < 1000
    sizes = section_sizes(core, elf)
    loaded = sum(sizes.get(section, 0) for section in (".text", ".data"))
    assert fit.flash == loaded
    assert fit.ram == sum(sizes.get(section, 0) for section in (".data", ".bss", ".noinit"))


def symbols(board, elf):
    core = board.find_core()
    listed = run_tool([find_tool(f"{core.family.prefix}nm"), str(elf)], elf.parent).stdout.decode().splitlines()
    return {line.split()[-1]: int(line.split()[0], 16) for line in listed if len(line.split()) == 3}


@pytest.mark.parametrize("name", [name for name in board_names() if load_board(name).find_core().family.name == "cortex-m"])
def test_vectors_and_stack_are_where_the_part_looks(built, name):
    elf, _ = built(name)
    core, found = load_board(name).find_core(), symbols(load_board(name), elf)
    assert found["link_stack_top"] == core.ram_origin + core.ram_bytes
    assert found["link_vectors"] % 256 == 0
    if name == "raspberry-pi-pico":
        assert found["entry"] & ~1 == core.flash_origin  # the boot ROM begins the program at its lowest address
        image = elf.parent / "firmware.bin"
        run_tool([find_tool("arm-none-eabi-objcopy"), "-O", "binary", str(elf), str(image)], elf.parent)
        words = np.frombuffer(image.read_bytes()[256:264], "<u4").tolist()
        assert words == [core.ram_origin + core.ram_bytes, found["reset_handler"] | 1]
    else:
        assert found["link_vectors"] == core.flash_origin


@pytest.mark.parametrize("name", ON_EMULATORS)
def test_the_elf_that_is_flashed_agrees_over_its_uart(built, job, name):
    elf, _ = built(name)
    board, (_, made) = load_board(name), job
    with serial_machine(board.find_core(), elf, serial=board.emulator.serial) as port:
        witness = SerialPort()
        assert made.verify(port, witness).mismatches == 0
        (answer,) = witness.answers(made.job(port))
        assert answer.variant == board.core


def small_sister(ram_bytes, texts=None, **memory):
    """QEMU has an STM32F100 only, with 8 KB of RAM: the board's own code, and what lies in `texts`, linked for that."""
    full = load_board("nucleo-f103rb")
    document = full.model_dump() | {
        "memory": full.memory.model_dump() | {"ram_bytes": ram_bytes, **memory},
        "console": full.console.model_dump() | {"sources": (*full.console.sources, *(f"./{name}" for name in texts or {}))},
        "emulator": {"machine": "stm32vldiscovery", "serial": 1},
    }
    return Board.model_validate(document).describe("small", own=False, texts=texts or {})


def test_the_uart_of_an_stm32f1_on_its_small_sister(job, emulated, tmp_path):
    emulated("cortex-m3")
    board = small_sister(8192)
    elf, _ = build_board_firmware(board, job[0], job[0].directory / "c", tmp_path)
    with serial_machine(board.find_core(), elf, serial=1) as port:
        assert job[1].verify(port).mismatches == 0


RING = {"ring.c": "#include <stdint.h>\n\nextern uint8_t ring[4500];\nuint8_t ring[4500];\n"}


@pytest.mark.parametrize("board", [small_sister(1152, stack_bytes=64), small_sister(8192, RING)], ids=["deep stack", "buffer of its uart"])
def test_a_board_too_small_for_long_frames_gets_the_smallest(job, emulated, tmp_path, board):
    emulated("cortex-m3")
    assert choose_frame_bytes(board.find_core(), translate(job[0].model)) > SMALLEST_FRAME
    elf, fit = build_board_firmware(board, job[0], job[0].directory / "c", tmp_path)
    assert fit.problems == []
    assert f"#define PARITY_FRAME_BYTES {SMALLEST_FRAME} " in (tmp_path / "parity_model.h").read_text()
    with serial_machine(board.find_core(), elf, serial=1) as port:
        assert job[1].verify(port).mismatches == 0


def test_a_board_too_small_for_the_smallest_frames_is_told_what_these_lack(job, emulated, tmp_path):
    emulated("cortex-m3")
    board = small_sister(1000, stack_bytes=64)
    with pytest.raises(BudgetError) as error:
        build_board_firmware(board, job[0], job[0].directory / "c", tmp_path)
    assert f"#define PARITY_FRAME_BYTES {SMALLEST_FRAME} " in (tmp_path / "parity_model.h").read_text()
    ram = section_sizes(board.find_core(), tmp_path / "firmware.elf")[".bss"]
    taken, stack = (int(re.search(pattern, str(error.value))[1].replace(",", "")) for pattern in (r"RAM: ([\d,]+)", r"\(([\d,]+) of them"))
    assert taken == ram + stack > 1000


def large_model(entries):
    """A product of as many constants: more flash than RAM."""
    rows, columns = 64, entries // 64
    weight = Int8Weight((np.arange(rows * columns) % 255 - 127).reshape(rows, columns).astype(np.int8))
    scale = Requantization(np.full(rows, 1 << 14, np.int32), np.full(rows, 28, np.int32))
    op = FullyConnected(weight, np.zeros(0, np.int32), scale, Format(8))
    graph = Graph("whole", (Value("x", TensorType((columns,), Format(8, bound=10922))),), (Node("y", op, ("x",), ("y",)),), ("y",))
    return IntegerModel("large", {"whole": graph})


def refused(board, model, tmp_path):
    write_export(tmp_path / "c", model)
    (tmp_path / "build").mkdir()
    job = Job(model, tmp_path, np.zeros((1, *model.input.type.shape), np.int16), np.ones(1, np.int64))
    with pytest.raises(BudgetError) as error:
        build_board_firmware(load_board(board), job, tmp_path / "c", tmp_path / "build")
    return str(error.value)


def test_too_much_flash_is_told_to_the_byte(emulated, tmp_path):
    emulated("atmega328p")
    said = refused("arduino-uno", large_model(32000), tmp_path)
    numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]+\d", said.partition("flash: ")[2])]
    assert said.startswith("the parity firmware, the model in it, does not fit Arduino Uno: flash: ")
    assert numbers[0] > 32256 + 3000
    assert numbers[1] == 32256
    assert numbers[2] == numbers[0] - numbers[1]


@pytest.mark.parametrize(("board", "entries", "ram"), [("arduino-uno", 1500, 2048), ("microbit-v1", 12000, 16384)])
def test_too_much_ram_is_told_to_the_byte(emulated, tmp_path, board, entries, ram):
    emulated(load_board(board).core)
    t = TensorType((entries,), Format(3))
    model = IntegerModel("large", {"whole": Graph("whole", (Value("x", t),), (Node("relu", Relu(), ("x",), ("y",)),), ("y",))})
    said = refused(board, model, tmp_path)
    core = load_board(board).find_core()
    assert f"of {ram:,} bytes ({core.stack_bytes:,} of them for the stack)" in said
    taken = int(said.partition("RAM: ")[2].split()[0].replace(",", ""))
    assert taken > 4 * entries
    assert f"{taken - ram:,} too many" in said
    assert "flash:" not in said


def test_what_fits_exactly_fits():
    fit = Fit(flash=1000, ram=900, stack=100, reserve=50, flash_bytes=1000, ram_bytes=1000)
    assert fit.problems == []
    assert replace(fit, flash=1001).problems == ["flash: 1,001 of 1,000 bytes, 1 too many"]
    assert replace(fit, stack=101).problems == ["RAM: 1,001 of 1,000 bytes (101 of them for the stack), 1 too many"]
    assert replace(fit, stack=None, reserve=101).problems == replace(fit, stack=101).problems


def test_the_micro_bit_is_the_machine_that_is_emulated():
    uart = board_uart(load_board("microbit-v1"))
    assert uart == UARTS["cortex-m0"]


def test_a_board_without_a_uart_has_no_firmware():
    board = Board.model_validate({"title": "T", "core": "cortex-m0", "clock_hz": 1, "flash": [{"method": "pyocd", "target": "x"}]})
    with pytest.raises(UnsupportedError, match=r"name its C files as console\.sources"):
        board_uart(board)
