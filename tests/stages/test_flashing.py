"""flash: the exact commands of every method, what is refused before anything is written, and emulated boards from end to end."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rescomp import stages
from rescomp.boards import list_boards, load_board
from rescomp.boards.uf2 import pack_uf2
from rescomp.cli import main
from rescomp.errors import BudgetError, DeviceError, InputError, MissingToolError, UnsupportedError
from rescomp.model_directory import REPORT, ModelDirectory, to_json
from rescomp.stages import drives as places
from rescomp.stages import flashing
from rescomp.stages.diagnosis import Port
from rescomp.validate.board_firmware import Fit

PORTS = (
    Port("/dev/ttyACM7", "", "2341:0043", "Arduino Uno", ""),
    Port("/dev/ttyUSB3", "", "10c4:ea60", "a board with CP210x", ""),
)


@pytest.fixture
def ports(monkeypatch):
    """A function that decides which ports and drives are there."""

    def plug(*ports, drives=()):
        monkeypatch.setattr(flashing, "find_ports", lambda: ports)
        monkeypatch.setattr(places, "find_ports", lambda: ports)
        monkeypatch.setattr(places, "MOUNTS", [f"{drive.parent}/{{}}" for drive in drives])

    plug()
    return plug


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """A function (name, exit status, what it prints) that puts a tool on the search path; returns the file of its arguments."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def install(name, status=0, says=""):
        log = folder / f"{name}.log"
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "$@" >>{log}\necho "{says}" >&2\nexit {status}\n')
        path.chmod(0o755)
        return log

    return install


@pytest.fixture
def open_port(monkeypatch):
    """Every serial port can be opened."""
    opened = []

    class Line:
        def __init__(self, port):
            opened.append(port)

        def close(self):
            pass

    monkeypatch.setattr(flashing, "SerialLine", Line)
    return opened


SHOWN = {
    ("arduino-uno", None): [
        "avr-objcopy -O ihex -R .eeprom M/arduino-uno/firmware.elf M/arduino-uno/firmware.hex",
        "avrdude -p atmega328p -c arduino -P /dev/ttyACM7 -b 115200 -D -U flash:w:M/arduino-uno/firmware.hex:i",
    ],
    ("arduino-mega-2560", None): [
        "avr-objcopy -O ihex -R .eeprom M/arduino-mega-2560/firmware.elf M/arduino-mega-2560/firmware.hex",
        "avrdude -p atmega2560 -c wiring -P PORT -b 115200 -D -U flash:w:M/arduino-mega-2560/firmware.hex:i",
    ],
    ("microbit-v1", None): [
        "arm-none-eabi-objcopy -O ihex M/microbit-v1/firmware.elf M/microbit-v1/firmware.hex",
        "cp M/microbit-v1/firmware.hex /media/MICROBIT/",
    ],
    ("microbit-v1", "pyocd"): ["pyocd load --no-wait --target nrf51 M/microbit-v1/firmware.elf"],
    ("raspberry-pi-pico", None): [
        "arm-none-eabi-objcopy -O binary M/raspberry-pi-pico/firmware.elf M/raspberry-pi-pico/firmware.bin",
        "# M/raspberry-pi-pico/firmware.bin becomes M/raspberry-pi-pico/firmware.uf2: family 0xe48bff56, from 0x20000000 on",
        "cp M/raspberry-pi-pico/firmware.uf2 /media/RPI-RP2/",
    ],
    ("nucleo-f401re", None): [
        "pyocd pack install stm32f401retx",
        "pyocd load --no-wait --target stm32f401retx M/nucleo-f401re/firmware.elf",
    ],
    ("nucleo-f401re", "stm32loader"): [
        "# stm32loader erases all of the chip's flash first: --erase-chip agrees to that",
        "arm-none-eabi-objcopy -O binary M/nucleo-f401re/firmware.elf M/nucleo-f401re/firmware.bin",
        "stm32loader -p /dev/ttyUSB3 -b 115200 -f F4 -e -w -v -a 0x08000000 -g 0x08000000 M/nucleo-f401re/firmware.bin",
    ],
    ("qemu-cortex-m3", None): ["# QEMU: Arm MPS2 AN385 runs M/qemu-cortex-m3/firmware.elf; rescomp starts the emulator"],
}  # fmt: skip


@pytest.mark.parametrize(("board", "method"), SHOWN)
def test_a_dry_run_tells_the_commands_and_does_nothing(model_dir, ports, monkeypatch, board, method):
    ports(*(PORTS[1:] if method == "stm32loader" else PORTS))
    monkeypatch.setenv("PATH", "")
    before = {path: path.stat().st_mtime_ns for path in model_dir.rglob("*")}
    result = stages.flash(model_dir, board, method=method, dry_run=True)
    assert [line.replace(str(model_dir / "firmware"), "M") for line in result.commands] == SHOWN[board, method]
    assert result.fit is None
    assert {path: path.stat().st_mtime_ns for path in model_dir.rglob("*")} == before


def test_a_whole_chip_is_not_erased_unasked(model_dir, ports):
    ports(*PORTS[1:])
    with pytest.raises(
        InputError, match=r"stm32loader erases all of the flash of .*: agree to that by --erase-chip, or flash it by --method pyocd"
    ):
        stages.flash(model_dir, "nucleo-f401re", method="stm32loader")


def test_every_method_of_every_board_is_planned(model_dir, ports):
    for board in list_boards():
        for way in board.flash:
            assert stages.flash(model_dir, board.name, method=way.method, dry_run=True).commands


def test_a_dry_run_on_the_command_line_is_a_shell_script(model_dir, ports, capsys):
    ports(*PORTS)
    assert main(["flash", str(model_dir), "--board", "arduino-uno", "--dry-run"]) == 0
    *commands, last = capsys.readouterr().out.splitlines()
    assert [command.split()[0] for command in commands] == ["avr-objcopy", "avrdude"]
    assert last == f"# next: rescomp verify {model_dir} --against serial:/dev/ttyACM7"


def test_avrdude_gets_what_the_dry_run_said(model_dir, ports, tools, emulated, open_port, capsys):
    emulated("atmega328p")
    ports(*PORTS)
    log = tools("avrdude")
    shown = stages.flash(model_dir, "arduino-uno", dry_run=True)
    assert main(["flash", str(model_dir), "--board", "arduino-uno", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["commands"] == list(shown.commands)
    assert log.read_text().strip() == shown.commands[1].removeprefix("avrdude ")
    assert open_port == ["/dev/ttyACM7"]
    assert document["port"] == "/dev/ttyACM7"
    assert document["next"] == f"rescomp verify {model_dir} --against serial:/dev/ttyACM7"
    assert 5000 < document["fit"]["flash"] < document["fit"]["flash_bytes"] == 32256
    hex_file = (model_dir / "firmware/arduino-uno/firmware.hex").read_text()
    assert hex_file.startswith(":10000000")
    ModelDirectory.open(model_dir).check(["firmware/arduino-uno/firmware.elf", "firmware/arduino-uno/firmware.hex"])


def test_a_uf2_file_arrives_on_the_drive(model_dir, ports, emulated, tmp_path):
    emulated("cortex-m0")
    (tmp_path / "RPI-RP2").mkdir()
    ports(drives=[tmp_path / "RPI-RP2"])
    result = stages.flash(model_dir, "raspberry-pi-pico")
    image = (model_dir / "firmware/raspberry-pi-pico/firmware.bin").read_bytes()
    assert (tmp_path / "RPI-RP2/firmware.uf2").read_bytes() == pack_uf2(image, 0x20000000, 0xE48BFF56)
    assert len(image) >= result.fit.flash
    assert result.port is None


def test_a_hex_file_arrives_on_the_drive_that_is_named(model_dir, ports, emulated, tmp_path):
    emulated("cortex-m0")
    ports(Port("/dev/ttyACM1", "", "0d28:0204", "", ""))
    (tmp_path / "drive").mkdir()
    result = stages.flash(model_dir, "microbit-v1", port=str(tmp_path / "drive"))
    assert (tmp_path / "drive/firmware.hex").read_text().rstrip().endswith(":00000001FF")
    assert result.port == "/dev/ttyACM1"


def test_the_same_firmware_twice(model_dir, ports, tools, emulated, open_port):
    emulated("atmega328p")
    tools("avrdude")
    kept = []
    for _ in range(2):
        stages.flash(model_dir, "arduino-uno", port="/dev/ttyX")
        kept.append((model_dir / "firmware/arduino-uno/firmware.elf").read_bytes())
    assert kept[0] == kept[1]


def test_a_core_s_own_export_is_taken(model_dir, ports, tools, emulated, open_port):
    emulated("atmega328p")
    tools("avrdude")
    generic = stages.flash(model_dir, "arduino-uno", port="/dev/ttyX").fit
    stages.export_model(model_dir, ["c"], cores=["atmega328p"])
    assert stages.flash(model_dir, "arduino-uno", port="/dev/ttyX").fit != generic


def test_a_new_quantization_takes_the_firmware_away(model_dir, ports, tools, emulated, open_port):
    emulated("atmega328p")
    tools("avrdude")
    stages.flash(model_dir, "arduino-uno", port="/dev/ttyX")
    stages.quantize(model_dir, weights="int4")
    assert not (model_dir / "firmware").exists()


def test_a_tool_that_fails_is_quoted(model_dir, ports, tools, emulated, open_port):
    emulated("atmega328p")
    tools("avrdude", 1, "avrdude: stk500_getsync() attempt 10 of 10: not in sync")
    with pytest.raises(DeviceError, match=r"avrdude failed \(status 1\): avrdude: stk500_getsync.*not in sync") as error:
        stages.flash(model_dir, "arduino-uno", port="/dev/ttyX")
    assert error.value.exit_code == 6


@pytest.mark.parametrize(
    ("board", "method", "tool", "get"),
    [
        ("arduino-uno", None, "avrdude", "apt-get install avrdude"),
        ("microbit-v1", "pyocd", "pyocd", "pip install pyocd"),
        ("nucleo-f401re", "stm32loader", "stm32loader", "pip install stm32loader"),
    ],
)
def test_a_missing_tool_is_named(model_dir, ports, monkeypatch, board, method, tool, get):
    monkeypatch.setattr(places.shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingToolError, match=f"needs {tool}, which is not installed: {get}"):
        stages.flash(model_dir, board, method=method, port="/dev/ttyX", erase_chip=True)


def test_ports_and_drives_that_are_not_there(model_dir, ports, tmp_path):
    ports(PORTS[1])
    with pytest.raises(DeviceError, match=r"no port of Arduino Uno is plugged in: .*usually /dev/ttyACM0; present here: /dev/ttyUSB3"):
        stages.flash(model_dir, "arduino-uno")
    ports()
    with pytest.raises(DeviceError, match="no serial port is present here"):
        stages.flash(model_dir, "arduino-uno")
    with pytest.raises(DeviceError, match=r"no drive RPI-RP2 of Raspberry Pi Pico is mounted: plug it in \(hold BOOTSEL"):
        stages.flash(model_dir, "raspberry-pi-pico")
    with pytest.raises(DeviceError, match="is no folder"):
        stages.flash(model_dir, "raspberry-pi-pico", port=str(tmp_path / "nowhere"))


def test_several_ports_and_several_drives(model_dir, ports, tmp_path):
    ports(PORTS[0], Port("/dev/ttyACM8", "", "2a03:0043", "", ""))
    with pytest.raises(DeviceError, match="/dev/ttyACM7, /dev/ttyACM8 could each be the port of Arduino Uno: choose one with --port"):
        stages.flash(model_dir, "arduino-uno")
    drives = [tmp_path / name for name in ("MICROBIT", "MICROBIT1")]
    for drive in drives:
        drive.mkdir()
    ports(drives=drives)
    with pytest.raises(DeviceError, match="MICROBIT1 could each be the drive"):
        stages.flash(model_dir, "microbit-v1")


def test_a_port_that_cannot_be_opened_stops_before_anything_is_built(model_dir, ports, tools):
    log = tools("avrdude")
    with pytest.raises(DeviceError, match="there is no port /dev/ttyNowhere"):
        stages.flash(model_dir, "arduino-uno", port="/dev/ttyNowhere")
    assert not log.exists()
    assert not (model_dir / "firmware").exists()


def test_a_model_that_does_not_fit_is_never_flashed(model_dir, ports, tools, emulated, open_port, tmp_path):
    emulated("atmega328p")
    log = tools("avrdude")
    text = (Path(flashing.__file__).parents[1] / "boards/arduino-uno.toml").read_text().replace("32_256", "6_000").replace("2_048", "700")
    (tmp_path / "tiny.toml").write_text(text)
    with pytest.raises(BudgetError, match=r"does not fit Arduino Uno: flash: [\d,]+ of 6,000 bytes, [\d,]+ too many; RAM: .* too many"):
        stages.flash(model_dir, board_file=tmp_path / "tiny.toml", port="/dev/ttyX")
    assert not log.exists()
    assert main(["flash", str(model_dir), "--board", str(tmp_path / "tiny.toml"), "--port", "/dev/ttyX"]) == 4


def test_other_refusals(model_dir, ports, tmp_path):
    with pytest.raises(InputError, match=r"not flashed by 'pyocd'; the nearest way is 'avrdude'"):
        stages.flash(model_dir, "arduino-uno", method="pyocd")
    with pytest.raises(InputError, match="the nearest one is 'microbit-v1'"):
        stages.flash(model_dir, "microbit1")
    with pytest.raises(InputError, match="no board is named"):
        stages.flash(model_dir)
    (tmp_path / "mine.toml").write_text('title = "Mine"\ncore = "cortex-m0"\nclock_hz = 1\n[[flash]]\nmethod = "pyocd"\ntarget = "x"\n')
    with pytest.raises(UnsupportedError, match=r"console\.sources"):
        stages.flash(model_dir, board_file=tmp_path / "mine.toml")
    with pytest.raises(InputError, match="TCP port"):
        stages.flash(model_dir, "qemu-cortex-m0", port="/dev/ttyACM0", ready=lambda _: None)


def test_without_an_export(model_dir, ports, emulated, open_port, tools):
    tools("avrdude")
    ModelDirectory.open(model_dir).remove("c")
    with pytest.raises(InputError, match=r"has no c/three_gestures\.c: run `rescomp export .*` first"):
        stages.flash(model_dir, "arduino-uno", port="/dev/ttyX")


def test_c_of_another_graph_is_not_flashed(model_dir, ports, emulated, open_port, tools):
    tools("avrdude")
    header = model_dir / "c/three_gestures.h"
    text = re.sub(r'(_GRAPH_SHA256 ")[0-9a-f]{4}', r"\g<1>0000", header.read_text())
    ModelDirectory.open(model_dir).write({"c/three_gestures.h": text.encode()})
    with pytest.raises(InputError, match=r"three_gestures\.h is of another graph \(0000"):
        stages.flash(model_dir, "arduino-uno", port="/dev/ttyX")
    assert not (model_dir / "firmware").exists()


def test_a_directory_with_a_report_of_another_model_is_not_flashed(model_dir):
    stages.verify(model_dir, "c")
    report = json.loads((model_dir / REPORT).read_text())
    ModelDirectory.open(model_dir).write({REPORT: to_json({**report, "graph_sha256": "0" * 64})})
    with pytest.raises(InputError, match=r"report\.json is of another model"):
        stages.flash(model_dir, "arduino-uno", dry_run=True)


@pytest.mark.parametrize("board", ["qemu-cortex-m0", "simavr-atmega328p"])
def test_an_emulated_board_is_flashed_and_verified(model_dir, emulated, board, capsys):
    emulated(load_board(board).core)
    assert main(["flash", str(model_dir), "--board", board, "--run-verify", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    evidence = document["verification"]["evidence"]
    assert {entry["set"] for entry in evidence} >= {"test", "stress"}
    for entry in evidence:
        assert entry["mismatches"] == 0
        assert entry["compared"] > 500
        assert set(entry["files"]) == {f"firmware/{board}/firmware.elf"}
    assert document["port"].startswith("socket://127.0.0.1:")


def test_some_samples_of_each_set_over_the_line(model_dir, emulated):
    emulated("cortex-m0")
    found = stages.flash(model_dir, "qemu-cortex-m0", run_verify=True, samples=3).verification
    assert {entry.sampled for entry in found.witnesses if entry.set in ("test", "stress")} == {3}
    assert found.mismatches == 0
    for samples, said in ((3, "--samples is of --run-verify"), (0, "--samples takes a number of sequences from 1 on")):
        with pytest.raises(InputError, match=said):
            stages.flash(model_dir, "qemu-cortex-m0", run_verify=samples == 0, samples=samples)


def test_an_emulated_board_runs_until_it_is_interrupted(model_dir, emulated):
    emulated("cortex-m3")
    command = [sys.executable, "-m", "rescomp", "flash", str(model_dir), "--board", "qemu-cortex-m3", "--port", "pty"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/") as process:
        said = ""
        while "next: " not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        port = re.search(r"--against serial:(/dev/\S+)$", said, re.MULTILINE)[1]
        assert re.search(r"^flash +[\d,]+ +4,194,304$", said, re.MULTILINE)
        assert stages.verify(model_dir, f"serial:{port}").mismatches == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read().count("\n") == 1


def test_a_stack_that_was_not_measured_is_said(capsys):
    from rescomp.printing import print_flashed

    fit = Fit(flash=1000, ram=500, stack=None, reserve=100, flash_bytes=2000, ram_bytes=1000)
    print_flashed(flashing.Flashed("b", "B", "pyocd", "f", fit, (), None, "rescomp verify"))
    assert re.search(r"^stack +not measured +500$", capsys.readouterr().out, re.MULTILINE)
