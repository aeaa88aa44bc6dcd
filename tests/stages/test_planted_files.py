"""What somebody else put into a model directory is never written through, never waited for, and told before the work."""

import os
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

from rescomp import stages
from rescomp.benchmarks.crash_commands import call, counting_epochs
from rescomp.benchmarks.dying_disk import contents
from rescomp.errors import DeviceError
from rescomp.model_directory import CHECKPOINT, METRICS
from rescomp.stages import flashing
from rescomp.store import LOCK

SETS = ["model.hidden_size=4", "train.epochs=1", "quantize.epochs=1", "train.threads=1"]
FRESH = ["--data", "D", *(word for key in SETS for word in ("--set", key)), "-o"]
COMMANDS = {
    "train --force": ["train", *FRESH, "M", "--force"],
    "train --resume": ["train", "--resume", "-o", "M"],
    "quantize": ["quantize", "M", "--weights", "int8", "--set", "quantize.epochs=1"],
    "quantize --resume": ["quantize", "M", "--resume"],
    "export": ["export", "M"],
    "export for a core": ["export", "M", "--core", "cortex-m4", "--format", "arduino"],
    "verify": ["verify", "M", "--against", "onnxruntime", "--samples", "1", "--stress", "off"],
    "check": ["check", "M", "--markdown", "summary.md"],
    "inspect": ["inspect", "M"],
    "run --force": ["run", *FRESH, "M", "--force", "--against", "onnxruntime"],
    "run --resume": ["run", "--resume", "-o", "M", "--against", "onnxruntime"],
    "run --seeds": ["run", *FRESH, "S", "--seeds", "0", "--against", "onnxruntime"],
    "run --seeds --force": ["run", *FRESH, "S", "--seeds", "0", "--against", "onnxruntime", "--force"],
    "flash": ["flash", "M", "--board", "microbit-v1", "--method", "pyocd"],
    "profile": ["profile", "M", "--core", "cortex-m0"],
}
FILES = ["manifest.json", "SHA256SUMS", "graph.json", "float.safetensors", "vectors/test.npz", "c/rescomp/rescomp_math.h", METRICS]
OTHERS = [CHECKPOINT, LOCK, "new", "c/new"]
PASSING = [".staging/0", ".staging/journal.json.new", f".{METRICS}.partial", f".{CHECKPOINT}.partial", LOCK]
"""What a process leaves that dies."""
FOLDERS = ["c", "c/rescomp", "vectors", "firmware", "c-cortex-m4", "new"]


def make_socket(path):
    before = Path.cwd()
    os.chdir(path.parent)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(before)


ENDLESS = {"pipe": os.mkfifo, "socket": make_socket, "device": lambda path: path.symlink_to("/dev/zero")}


@pytest.fixture
def model_dir(finished, tmp_path):
    """Also that of seed 0."""
    return Path(shutil.copytree(finished, tmp_path / "several" / "seed-0"))


@pytest.fixture
def give(model_dir, recordings, tmp_path, monkeypatch):
    """A function that gives a command in the model directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    (tmp_path / "pyocd").write_text("#!/bin/sh\n")
    (tmp_path / "pyocd").chmod(0o755)
    stands_for = {"M": str(model_dir), "D": str(recordings), "S": str(model_dir.parent)}
    return lambda name: call([stands_for.get(word, word) for word in COMMANDS[name]])


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside"
    (path / "folder").mkdir(parents=True)
    (path / "file").write_text("mine")
    return path


@contextmanager
def planted(path, make):
    """Something else in the place of what is there, if anything is."""
    kept = path.parent.parent / "kept"
    missing = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        path.rename(kept)
    make(path)
    yield
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if kept.exists():
        kept.rename(path)
    if missing:
        path.parent.rmdir()


def one_sentence(outcome):
    *stages_named, last = outcome.said.splitlines()
    return outcome.code == 2 and last.startswith("rescomp: ") and all(line.endswith(" ...") for line in stages_named)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", ENDLESS)
def test_what_might_never_end_is_not_read(model_dir, give, name, kind):
    for place in (*FILES, *OTHERS):
        with planted(model_dir / place, ENDLESS[kind]):
            outcome = give(name)
            assert one_sentence(outcome), (place, outcome)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_linked_folder_is_told_before_the_work(model_dir, give, outside, name):
    before = contents(outside)
    for place in FOLDERS:
        with planted(model_dir / place, lambda path: path.symlink_to(outside / "folder")), counting_epochs() as epochs:
            outcome = give(name)
            assert one_sentence(outcome), (place, outcome)
            assert f"{place} is a link, and rescomp writes into folders of its own alone: move it away" in outcome.said
        assert epochs == {}
    assert contents(outside) == before


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("inspect", "check", "profile")])
def test_a_folder_in_the_place_of_a_file_is_told_before_the_work(model_dir, give, name):
    for place in (
        *(file for file in FILES if "/" not in file),
        *OTHERS[:2],
        "vectors/test.npz",
        "quantized.safetensors",
        "report.json",
        ".staging/0",
        f".{METRICS}.partial",
    ):
        with planted(model_dir / place, Path.mkdir), counting_epochs() as epochs:
            outcome = give(name)
            assert one_sentence(outcome), (place, outcome)
        assert epochs == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_written_through_a_linked_file(model_dir, give, outside, name, emulated):
    """Every file of the directory is a link to an equal one, and what a dead process leaves is a link, too."""
    if name in ("flash", "profile"):
        emulated("cortex-m0")
    shutil.copytree(model_dir, outside / "model")
    for file in contents(model_dir):
        if (model_dir / file).is_file():
            (model_dir / file).unlink()
            (model_dir / file).symlink_to(outside / "model" / file)
    (model_dir / ".staging").mkdir()
    for file in PASSING:
        (model_dir / file).symlink_to(outside / "file")
    before = contents(outside)
    assert give(name).code in (0, 2, 7)
    assert contents(outside) == before


def test_the_directory_that_is_named_may_be_a_link(model_dir, tmp_path):
    (tmp_path / "link").symlink_to(model_dir)
    (model_dir / "model.onnx").unlink()
    assert call(["export", str(tmp_path / "link")]).code == 0
    assert (model_dir / "model.onnx").is_file()


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to(path.name), os.mkfifo, Path.touch])
def test_a_directory_that_is_none_is_told(tmp_path, recordings, make):
    make(tmp_path / "model")
    data = ["--data", str(recordings), "-o", str(tmp_path / "model")]
    for words in (["train", *data], ["run", *data, "--force"], ["run", *data, "--seeds", "0"], ["export", str(tmp_path / "model")]):
        assert one_sentence(call(words)), words


def test_a_seed_s_directory_is_no_link(model_dir, give, outside):
    model_dir.rename(outside / "seed-0")
    model_dir.symlink_to(outside / "seed-0")
    before = contents(outside)
    for name in ("run --seeds", "run --seeds --force"):
        assert "seed-0 is a link, and rescomp writes into folders of its own alone" in give(name).said
    assert contents(outside) == before


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/stdout"), os.mkfifo, Path.mkdir])
def test_a_summary_is_written_to_a_plain_file(model_dir, give, make):
    make(Path("summary.md"))
    before = Path("summary.md").lstat()
    assert one_sentence(give("check"))
    assert Path("summary.md").lstat() == before


def test_a_summary_replaces_no_link(give, outside):
    Path("summary.md").symlink_to(outside / "file")
    assert "summary.md is a link, which rescomp neither follows nor replaces: name the file itself" in give("check").said
    assert (outside / "file").read_text() == "mine"


def test_firmware_is_not_copied_through_a_link(model_dir, outside, tmp_path, monkeypatch, emulated):
    emulated("cortex-m0")
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "firmware.hex").symlink_to(outside / "file")
    monkeypatch.setattr(flashing, "find_ports", lambda: ())
    with pytest.raises(DeviceError, match=r"firmware\.hex is a link, and no board's drive holds one: remove it"):
        stages.flash(model_dir, "microbit-v1", port=str(drive))
    assert (outside / "file").read_text() == "mine"
