"""Board files: each one that comes with rescomp loads, and every mistake in one of the user's own has its sentence."""

import json
import re
from pathlib import Path

import pytest

import rescomp
from rescomp.boards import board_names, list_boards, load_board, read_board
from rescomp.boards.usb import name_device, name_drive
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.targets.cores import CORES

ROOT = Path(rescomp.__file__).parent
WANTED = ("arduino-uno", "microbit-v1", "raspberry-pi-pico", "nucleo-f401re", "arduino-mega-2560", "arduino-nano", "microbit-v2")
OWN = """
title = "My board"
core = "cortex-m0"
clock_hz = 8_000_000

[memory]
flash_bytes = 32_768
ram_bytes = 4_096
flash_origin = 0x08000000

[console]
sources = ["./my_uart.c", "cortex-m/cycles_systick.c"]
defines = { UART_CLOCK_HZ = "8000000u" }
cycle_bits = 24
baud = 9600
usb = ["dead:beef"]

[[flash]]
method = "pyocd"
target = "stm32f051"
"""


@pytest.fixture
def own(tmp_path):
    """A function (changes of the text) -> the file."""
    (tmp_path / "my_uart.c").write_text("/* a UART */\n")

    def write(*changes, name="my-board.toml"):
        text = OWN
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", board_names())
def test_every_board_loads(name):
    board = load_board(name)
    core = board.find_core()
    assert board.name == name
    assert core.name == board.core
    assert board.has_firmware
    assert not board.own
    assert core.flash_bytes <= CORES[core.name].flash_bytes or core.family.name != "avr"
    assert 0 < core.stack_bytes < core.ram_bytes


def test_the_boards_that_were_promised():
    names = board_names()
    assert set(WANTED) <= set(names)
    emulated = {board.core for board in list_boards() if board.is_emulated}
    assert emulated == set(CORES)


def test_the_memories_of_an_emulated_board_are_the_machine_s():
    for board in list_boards():
        if board.is_emulated:
            assert board.find_core() == CORES[board.core]


def test_a_board_of_one_s_own(own):
    board = load_board(None, own())
    assert (board.name, board.own, board.evidence) == ("my-board", True, "your own")
    assert board.texts == {"my_uart.c": "/* a UART */\n"}
    assert board.template_sources() == ("cortex-m/cycles_systick.c",)
    core = board.find_core()
    assert (core.flash_origin, core.flash_bytes, core.ram_bytes) == (0x08000000, 32768, 4096)
    assert core.ram_origin == CORES["cortex-m0"].ram_origin
    assert load_board(str(own())).name == "my-board"
    assert load_board("my-board", own()).name == "my-board"
    assert [each.name for each in list_boards(own())][-1] == "my-board"


def test_a_board_without_a_uart_is_data_only(own):
    changes = ('sources = ["./my_uart.c", "cortex-m/cycles_systick.c"]\n', ""), ('defines = { UART_CLOCK_HZ = "8000000u" }\n', "")
    board = load_board(None, own(*changes, ("cycle_bits = 24\n", "")))
    assert not board.has_firmware
    assert board.evidence == "data only"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("clock_hz", "clock_hertz", "unknown key 'clock_hertz'; the nearest one is 'clock_hz'|clock_hz is missing"),
        ("ram_bytes", "ram_byte", r"unknown key 'memory.ram_byte'; the nearest one is 'ram_bytes'"),
        ("target", "goal", r"flash.0.target is missing|unknown key 'flash.0.goal'"),
        ('"pyocd"', '"magic"', r"flash.0.method: a way to flash is one of avrdude, pyocd"),
        ("ram_bytes = 4_096", "ram_bytes = 0", r"memory.ram_bytes = 0: input should be greater than 0"),
        ("ram_bytes = 4_096", 'ram_bytes = "4K"', r"memory.ram_bytes = '4K': input should be a valid integer"),
        ('"cortex-m0"', '"cortex-m0plus"', r"there is no core 'cortex-m0plus' here; the nearest one is 'cortex-m0'"),
        ('"dead:beef"', '"DEAD:BEEF"', r"console.usb.0 = 'DEAD:BEEF': vendor and product in lower-case hexadecimal"),
        ('"cortex-m/cycles_systick.c"', '"cortex-m/cycles.c"', r"rescomp has no cortex-m/cycles.c in firmware_templates/platforms"),
        ('"cortex-m/cycles_systick.c"', '"../parity/main.c"', r"console.sources.1 = '../parity/main.c': a C, header or assembly file"),
        ('"./my_uart.c"', '"./our_uart.c"', r"cannot read .*our_uart.c"),
        ('"./my_uart.c"', '"./../my_uart.c"', r"a C, header or assembly file"),
        ("cycle_bits = 24", "cycle_bits = 16", r"console.cycle_bits = 16"),
        ("[memory]", "[memory", "is not valid TOML"),
        ('target = "stm32f051"', 'target = "--script=x.py"', r"flash.0.target = '--script=x.py': one word"),
        ('target = "stm32f051"', 'target = "@options"', r"flash.0.target = '@options': one word"),
        ('target = "stm32f051"', 'target = "a; rm -r b"', r"flash.0.target = .*: one word"),
        ('method = "pyocd"\ntarget = "stm32f051"', 'method = "avrdude"\npart = "m328"\nprogrammer = "-U"', r"flash.0.programmer = '-U'"),
        ('method = "pyocd"\ntarget = "stm32f051"', 'method = "stm32loader"\nfamily = "-e"', r"flash.0.family = '-e': one word"),
        ('target = "stm32f051"', 'target = "s"\n[emulator]\nmachine = "virt,dumpdtb=/tmp/x"', r"emulator.machine = .*: one word"),
        ('UART_CLOCK_HZ = "8000000u"', '"X -include /etc/passwd" = "1"', r"console.defines = .* is no macro"),
        ('UART_CLOCK_HZ = "8000000u"', 'UART_CLOCK_HZ = "1 -include x"', r"console.defines = .* is no macro"),
        ('"./my_uart.c"', '"./@my_uart.c"', r"console.sources.0 = .*: a C, header or assembly file"),
        ('"./my_uart.c"', '"./-my_uart.c"', r"console.sources.0 = .*: a C, header or assembly file"),
        ('"./my_uart.c"', '"./my_uart.so"', r"console.sources.0 = .*: a C, header or assembly file"),
        ('title = "My board"', 'title = "\\u001b[2J"', r"my-board\.toml is not valid TOML: .* holds a control character"),
        ('title = "My board"', 'title = "two\\nlines"', r"title = .*: one line of text that can be printed"),
        ('target = "stm32f051"', 'target = "stm32f051"\n[emulator]\nmachine = "x"\nserial = -1', r"emulator.serial = -1"),
        ('method = "pyocd"\ntarget = "stm32f051"', 'method = "qemu"', r"names its machine"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(own, old, new, said):
    path = own((old, new))
    with pytest.raises(InputError, match=said) as error:
        read_board(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value).partition("TOML")[0]


def test_files_and_names_that_are_none(own, tmp_path):
    with pytest.raises(InputError, match="there is no board 'arduino-un'; the nearest one is 'arduino-uno'"):
        load_board("arduino-un")
    with pytest.raises(InputError, match=r"cannot read the board .*nowhere\.toml: No such file"):
        load_board(None, tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="describes the board 'my-board', not 'arduino-uno'"):
        load_board("arduino-uno", own())
    with pytest.raises(InputError, match=r"lower-case letters, digits and hyphens: rename My_Board\.toml"):
        load_board(None, own(name="My_Board.toml"))
    with pytest.raises(InputError, match="no board is named"):
        load_board(None)


def test_what_windows_editors_and_cards_make_of_a_board_s_file(own, tmp_path):
    path = own()
    for copy, mark in ((tmp_path / "plain.toml", b""), (tmp_path / "marked.TOML", b"\xef\xbb\xbf")):
        copy.write_bytes(mark + path.read_bytes().replace(b"\n", b"\r\n"))
        assert load_board(str(copy)).name == copy.stem
    (path.parent / "my_uart.c").write_bytes(b"\xef\xbb\xbf/* a UART */\r\n")
    assert read_board(path).texts == {"my_uart.c": "/* a UART */\n"}
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(InputError, match=r"my-board\.toml is not valid TOML: it is UTF-16 text: save it in UTF-8"):
        read_board(path)


def test_usb_numbers():
    assert name_device(0x2341, 0x0043) == "Arduino Uno"
    assert name_device(0x0D28, 0x0204) == "BBC micro:bit v1, BBC micro:bit v2 or another board with DAPLink"
    assert name_device(0x2341, 0x9999) == "an Arduino"
    assert name_device(0xDEAD, 0xBEEF) == ""


def test_drives():
    assert name_drive("RPI-RP2") == "Raspberry Pi Pico, waiting for a UF2 file"
    assert name_drive("microbit") == "BBC micro:bit v1 or BBC micro:bit v2"
    assert name_drive("NOD_F401RE") == "STM32 Nucleo"
    assert name_drive("backup") == ""


def test_boards_are_listed(own, capsys):
    assert main(["boards", "--board-file", str(own())]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^arduino-uno +Arduino Uno +atmega328p +32,256 +2,048 +16 +avrdude +run on an emulator \(atmega328p\)$", text, re.M)
    assert re.search(r"^raspberry-pi-pico .* compiled only$", text, re.M)
    assert re.search(r"^my-board .* your own$", text, re.M)


def test_boards_as_json(capsys):
    assert main(["boards", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert [board["name"] for board in document["boards"]] == [board.name for board in list_boards()]
    uno = next(board for board in document["boards"] if board["name"] == "arduino-uno")
    assert (uno["flash_bytes"], uno["ram_bytes"], uno["flash"], uno["baud"]) == (32256, 2048, ["avrdude"], 115200)


def test_the_table_in_the_documentation_is_the_command_s():
    text = (ROOT / "docs/boards.md").read_text()
    for board in list_boards():
        if not board.is_emulated:
            core = board.find_core()
            ways = ", ".join(method.method for method in board.flash)
            row = (
                f"| `{board.name}` | {board.title} | {board.core} | {core.flash_bytes:,} | {core.ram_bytes:,} | {ways} | {board.evidence} |"
            )
            assert row in text
