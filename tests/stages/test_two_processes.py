"""Two processes on one directory: whatever command comes second is told who works there, before it does anything."""

import subprocess
import sys

import pytest

from rescomp.benchmarks.crash_commands import SMALL, call
from rescomp.cli import command_line
from rescomp.model_directory import MANIFEST
from rescomp.store import LOCK, Disk, injected

SECONDS = 60
HOLDS = """
import contextlib, pathlib, sys
from rescomp.store import holding
with contextlib.ExitStack() as stack:
    for name in sys.argv[1:]:
        stack.enter_context(holding(pathlib.Path(name)))
    print(flush=True)
    sys.stdin.read()
"""
FRESH = ["--data", "no-such-file.npz", *(part for key in SMALL for part in ("--set", key)), "-o"]
"""What comes before data are read."""
WRITING = {
    "train": (
        ["train", *FRESH, "M"],
        ["train", *FRESH, "M", "--force"],
        ["train", "--resume", "-o", "M"],
        ["train", "--from", "M", "--data", "no-such-file.npz", "-o", "M", "--force"],
    ),
    "quantize": (["quantize", "M"], ["quantize", "M", "--weights", "int8"], ["quantize", "M", "--resume"], ["quantize", "M", "--force"]),
    "export": (["export", "M"], ["export", "M", "--core", "cortex-m4"], ["export", "M", "--format", "arduino"]),
    "verify": (["verify", "M"], ["verify", "M", "--against", "c", "--samples", "1"]),
    "evaluate": (["evaluate", "M"], ["evaluate", "M", "--stream"]),
    "migrate": (["migrate", "M"],),
    "import": (["import", "no-such-file.onnx", "--calibrate", "no-such-file.npz", "-o", "M"],),
    "flash": (["flash", "M", "--board", "qemu-cortex-m3"], ["flash", "M", "--board", "arduino-uno", "--port", "/dev/null"]),
    "run": (
        ["run", *FRESH, "M"],
        ["run", *FRESH, "M", "--force"],
        ["run", *FRESH, "M", "--fit", "const=2KB"],
        ["run", "--resume", "-o", "M"],
        ["run", *FRESH, "M", "--seeds", "0"],
    ),
}
READING = {
    "inspect": ["inspect", "M"],
    "predict": ["predict", "M", "--data", "new.npz", "-o", "answers.csv"],
    "profile": ["profile", "M", "--core", "cortex-m0"],
    "check": ["check", "M"],
    "boards": ["boards"],
    "doctor": ["doctor"],
    "report": ["report", "M", "-o", "/dev/null/none.html"],
    "completion": ["completion", "bash"],
    "init": ["init", "--data", "japanese_vowels", "-o", "/dev/null/none.toml"],
}
"""Of these a second may run beside a stage."""


class NoWriting(Disk):
    def write(self, path, data, mode=0o666):
        raise AssertionError(f"{path} is written")

    rename = write


@pytest.fixture
def hold():
    """A function that gives the number of another process, which holds folders until the test ends."""
    started = []

    def start(*folders):
        command = [sys.executable, "-c", HOLDS, *map(str, folders)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        process.stdout.readline()
        return process.pid

    yield start
    for process in started:
        process.stdin.close()
        process.wait(SECONDS)


def test_every_command_is_known_here():
    assert WRITING.keys() | READING.keys() | {"search"} == command_line.commands.keys(), "a search is begun by many at once"
    assert not WRITING.keys() & READING.keys()


@pytest.mark.parametrize("words", [words for commands in WRITING.values() for words in commands], ids=" ".join)
def test_who_comes_second_is_told_who_holds_the_directory(model_dir, hold, words):
    number = hold(model_dir)
    with injected(NoWriting()):
        outcome = call([str(model_dir) if word == "M" else word for word in words])
    told = f"{model_dir} is in use by process {number} (-c {model_dir}): wait until that has ended, or choose another directory"
    before, _, said = outcome.said.rpartition("rescomp: ")
    assert (outcome.code, said) == (2, f"{told}\n")
    assert before.count("\n") == before.startswith("read ") == bool(before)


def test_a_directory_that_is_being_begun_is_told_too(tmp_path, hold):
    number = hold(tmp_path)
    for words in (
        ["run", *FRESH, str(tmp_path)],
        ["train", *FRESH, str(tmp_path)],
        ["quantize", str(tmp_path)],
        ["inspect", str(tmp_path)],
    ):
        outcome = call(words)
        assert outcome.code == 2
        assert f"is in use by process {number} (" in outcome.said
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_any_seed_s_directory_is_told_before_the_first_begins(tmp_path, hold, options):
    for seed in range(3):
        (tmp_path / f"seed-{seed}").mkdir()
    number = hold(tmp_path / "seed-2")
    outcome = call(["run", *FRESH, str(tmp_path), "--seeds", "0,1,2", *options])
    assert outcome.code == 2
    assert outcome.said.startswith(f"rescomp: {tmp_path / 'seed-2'} is in use by process {number} (")
    assert list((tmp_path / "seed-0").iterdir()) == []


def test_one_may_read_beside_a_stage(model_dir, recordings, tmp_path, hold):
    hold(model_dir)
    assert call(["inspect", str(model_dir)]).code == 0
    new = ["--data", str(recordings)]
    assert call(["evaluate", str(model_dir), *new]).code == 0
    assert call(["predict", str(model_dir), *new, "-o", str(tmp_path / "answers.csv")]).code == 0
    assert call(["train", "--from", str(model_dir), *new, "-o", str(tmp_path / "next"), "--set", "train.epochs=0"]).code == 0
    assert (model_dir / LOCK).is_file()
    assert (model_dir / MANIFEST).is_file()


def test_only_shown_commands_of_flash_write_nothing(model_dir, hold):
    hold(model_dir)
    assert call(["flash", str(model_dir), "--board", "arduino-uno", "--dry-run"]).code == 0
