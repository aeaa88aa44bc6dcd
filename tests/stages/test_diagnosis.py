"""doctor: what it finds, and that it survives what it finds."""

import importlib.metadata
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rescomp import DISTRIBUTION, stages
from rescomp.cli import main
from rescomp.stages import diagnosis
from rescomp.validate.registry import WITNESSES


@pytest.fixture(scope="module")
def found():
    return stages.doctor()


def test_it_says_what_is_here(found):
    document = json.loads(json.dumps(found.as_json()))
    assert document["schema"] == 1
    assert document["python"] == ".".join(map(str, sys.version_info[:3]))
    packages = {item["name"]: item for item in document["packages"]}
    assert packages["numpy"]["version"] == importlib.metadata.version("numpy")
    assert {"torch", "onnxruntime", "pyserial"} <= packages.keys()
    assert not {"pytest", DISTRIBUTION} & packages.keys()
    assert {"gcc", "arm-none-eabi-gcc", "qemu-system-arm", "libsimavr", "avrdude"} <= {item["name"] for item in document["tools"]}
    assert [witness["name"] for witness in document["witnesses"]] == list(WITNESSES)
    for item in (*document["packages"], *document["tools"]):
        assert item["get"].startswith(("apt-get install ", "pip install ")), item
        parts = (item["get"], item["get"].removeprefix("pip install "))
        assert item["version"] or any(part in line for line in document["missing"] for part in parts)


def test_witnesses_that_pass_their_tests_are_ready(found):
    ready = {witness.name: witness for witness in found.witnesses}
    assert ready["onnxruntime"].ready, ready["onnxruntime"].reason
    assert not ready["onnxruntime"].reason


def test_nothing_at_all_is_no_failure(monkeypatch, tmp_path, capsys):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(diagnosis.shutil, "which", lambda name: None)
    monkeypatch.setattr(diagnosis.importlib.metadata, "version", absent)
    monkeypatch.setattr(diagnosis, "find_ports", lambda: None)
    monkeypatch.setattr(diagnosis, "SIMAVR_HEADER", "nowhere.h")
    monkeypatch.setattr(diagnosis, "ask_witnesses", lambda names: [diagnosis.Readiness(name, False, "no") for name in names])
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "pip install pyserial" in text
    for command in ("apt-get install gcc-avr avr-libc", "apt-get install avrdude"):
        assert f"\n  {command}\n" in text
    assert text.count("\n  pip install ") == 1
    assert " onnx onnxruntime " in text.partition("\n  pip install ")[2].splitlines()[0]
    assert "installed" not in text.replace("uninstalled", "")


X86 = (
    "processor : 0\nmodel name\t: A processor\nflags\t\t: fpu avx2 {}\n\nprocessor : 1\nmodel name\t: A processor\nflags\t\t: fpu avx2 {}\n"
)


@pytest.mark.parametrize(("text", "machine", "flags", "advice"), [
    (X86.format("", ""), "x86_64", ("avx2",), "session.x64quantprecision = 1"),
    (X86.format("avx_vnni", "avx_vnni"), "x86_64", ("avx2", "avx_vnni"), "exact with any options"),
    (X86.format("avx512_vnni", "avx512_vnni"), "x86_64", ("avx2", "avx512_vnni"), "exact with any options"),
    ("processor : 0\nFeatures : fp asimd asimddp\n", "aarch64", ("asimd", "asimddp"), ""),
])  # fmt: skip
def test_the_processor(tmp_path, text, machine, flags, advice):
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    processor = diagnosis.read_processor(path, machine)
    assert processor.flags == flags
    assert advice in processor.advice
    assert bool(advice) == bool(processor.advice)


def test_a_system_without_a_list_of_processors(tmp_path):
    assert diagnosis.read_processor(tmp_path / "none", "arm64") == diagnosis.Processor("arm64", "", None, "")


def test_packages_come_from_the_metadata_and_suit_this_python():
    requirements = [
        "numpy>=1.26",
        "pyserial>=3.5; extra == 'serial'",
        "for-old>=1; python_version < '3.0' and extra == \"tflite\"",
        "for-new>=1; python_version >= '3.0' and extra == 'tflite'",
        "numpy<2; extra == 'tflite'",
        "rescomp-mcu[serial]; extra == 'all'",
        "pytest; extra == 'dev'",
    ]
    found = list(diagnosis.find_packages(requirements))
    assert [(item.name, item.get) for item in found] == [
        ("numpy", "pip install numpy"),
        ("pyserial", "pip install pyserial"),
        ("for-new", "pip install for-new"),
    ]
    assert found[2].version is None


def test_witnesses_that_crash_do_not_take_the_doctor_with_them(monkeypatch):
    monkeypatch.setattr(diagnosis, "_QUESTION", "import os; os.abort()")
    (answer,) = diagnosis.ask_witnesses(["tflite"])
    assert not answer.ready
    assert "crashed" in answer.reason or "Abort" in answer.reason


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    (answer,) = diagnosis.ask_witnesses(["c"])
    assert not answer.ready
    assert "apt-get install gcc" in answer.reason


def port(**entries):
    return SimpleNamespace(**{"device": "/dev/null", "description": "n/a", "vid": None, "pid": None, **entries})


def test_boards_are_known_by_their_usb_numbers():
    assert diagnosis.describe_port(port(vid=0x2341, pid=0x0043)).board == "Arduino Uno"
    assert diagnosis.describe_port(port(vid=0x2341, pid=0x9999)).board == "an Arduino"
    assert diagnosis.describe_port(port(vid=0x0D28, pid=0x0204)) == diagnosis.Port(
        "/dev/null", "", "0d28:0204", "BBC micro:bit v1, BBC micro:bit v2 or another board with DAPLink", ""
    )
    unknown = diagnosis.describe_port(port(vid=0xDEAD, pid=0xBEEF, description="Thing"))
    assert (unknown.board, unknown.description, unknown.usb) == ("", "Thing", "dead:beef")
    assert diagnosis.describe_port(port()) == diagnosis.Port("/dev/null", "", "", "", "")


def test_a_port_that_may_not_be_opened_says_what_to_do(monkeypatch):
    monkeypatch.setattr(diagnosis.os, "access", lambda device, mode: False)
    assert "dialout" in diagnosis.describe_port(port()).problem


def test_ports_of_boards_come_first(monkeypatch):
    list_ports = pytest.importorskip("serial.tools.list_ports")
    found = [port(device="/dev/ttyS0"), port(device="/dev/ttyACM0", vid=0x2E8A, pid=0x000A)]
    monkeypatch.setattr(list_ports, "comports", lambda: found)
    assert [each.device for each in diagnosis.find_ports()] == ["/dev/ttyACM0", "/dev/ttyS0"]


def test_drives(tmp_path):
    for label in ("RPI-RP2", "MICROBIT", "NOD_F401RE", "backup"):
        (tmp_path / label).mkdir()
    assert [label for label, _ in diagnosis.find_drives([tmp_path, tmp_path / "none"])] == ["MICROBIT", "NOD_F401RE", "RPI-RP2"]


def test_printed_for_people(found, monkeypatch, capsys):
    ports = (diagnosis.Port("/dev/ttyACM0", "", "2341:0043", "Arduino Uno", "no permission"),)
    monkeypatch.setattr(stages, "doctor", lambda: replace(found, ports=ports, drives=(("RPI-RP2", "Raspberry Pi Pico"),)), raising=False)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "/dev/ttyACM0  2341:0043  Arduino Uno  no permission" in text
    assert "drive RPI-RP2: Raspberry Pi Pico" in text
    assert f"numpy           {importlib.metadata.version('numpy')}" in text


def test_no_torch_is_imported_to_look_around():
    code = "import sys\nfrom rescomp.stages.diagnosis import doctor\nprint('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/", timeout=120)
    assert result.stdout.strip() == "False"
