"""What crash_points.py kills: every command that writes, from every state that it is given in, and how a user goes on after a death."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rescomp.cli import main
from rescomp.tests.goldens.directories import DIRECTORIES
from rescomp.train import loop

MOST_COMMANDS = 12
SMALL = ("model.hidden_size=4", "train.epochs=2", "quantize.epochs=2", "train.threads=1")
FLASHED, TOOL = "microbit-v1", "pyocd"
"""The board whose tool is a stand-in that does nothing, and needs no port."""


@dataclass(frozen=True)
class Outcome:
    """Of one command line."""

    code: int
    said: str


def call(words: Sequence[str]) -> Outcome:
    """`rescomp <words>` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    return Outcome(code, err.getvalue() + out.getvalue())


def named(said: str) -> list[str] | None:
    """The first command that a message names, if it is one to go on with."""
    found = re.search(r"`rescomp ([^`]+)`", said) or re.search(r"(?:next|go on with): rescomp (.+)", said)
    return shlex.split(found[1]) if found else None


@contextlib.contextmanager
def counting_epochs() -> Iterator[dict[str, list[int]]]:
    """Epochs trained meanwhile, by stage."""
    seen: dict[str, list[int]] = {}
    original = loop._Run.epoch

    def epoch(run: loop._Run, number: int, anew: loop.Anew | None) -> tuple[float, float]:
        seen.setdefault(run.schedule.stage, []).append(number)
        return original(run, number, anew)

    loop._Run.epoch = epoch  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        loop._Run.epoch = original  # type: ignore[method-assign]


@contextlib.contextmanager
def interrupted_after_an_epoch() -> Iterator[None]:
    """Ctrl-C in the second epoch."""
    original = loop._Run.epoch

    def epoch(run: loop._Run, number: int) -> tuple[float, float]:
        if number == 2:
            raise KeyboardInterrupt
        return original(run, number)

    loop._Run.epoch = epoch  # type: ignore[method-assign]
    try:
        yield
    finally:
        loop._Run.epoch = original  # type: ignore[method-assign]


@dataclass(frozen=True)
class Scenario:
    """A command, what it finds, and begin: the commands before it. cut: the last of them is interrupted after an epoch.

    core: whose compiler and emulator it needs. earlier: the stored model directory of an earlier version that is there before them.
    """

    name: str
    command: tuple[str, ...]
    begin: tuple[tuple[str, ...], ...] = ()
    cut: bool = False
    core: str = ""
    earlier: str = ""


def scenarios(data: Path, root: Path) -> list[Scenario]:
    """Every command that writes, all that it writes under `root`."""
    sets = tuple(part for key in SMALL for part in ("--set", key))
    model, against = str(root / "model"), ("--against", "onnxruntime")
    fresh = ("--data", str(data), *sets, "-o", model)
    other = ("--data", str(data), *sets, "--set", "model.hidden_size=5", "-o", model)
    train, quantize, export = ("train", *fresh), ("quantize", model), ("export", model)
    verify_torch = ("verify", model, "--against", "torch", "--stress", "off")
    verify, run = ("verify", model, *against), ("run", *fresh, *against)
    other_weights, two = (*quantize, "--weights", "int8"), ("--seeds", "0,1")
    done = (train, quantize, export, verify)
    return [
        Scenario("train", train),
        Scenario("train --force", (*train, "--force"), (("run", *other, *against),)),
        Scenario("train --resume", ("train", "--resume", "-o", model), (train,), cut=True),
        Scenario("quantize", quantize, (train,)),
        Scenario("quantize again, other weights", other_weights, done),
        Scenario("quantize --resume", (*quantize, "--resume"), (*done, other_weights), cut=True),
        Scenario("quantize --force", (*quantize, "--force"), (train, other_weights), cut=True),
        Scenario("export", export, (train, quantize)),
        Scenario("export again, for a core and as a package", (*export, "--core", "cortex-m4", "--format", "c,arduino"), done),
        Scenario("verify", verify, (train, quantize, export)),
        Scenario("verify again, another witness", ("verify", model, "--against", "tflite"), done),
        Scenario("evaluate", ("evaluate", model, "--stream"), (train, quantize)),
        Scenario("evaluate after verify", ("evaluate", model, "--stream", "--perturb"), done),
        Scenario("migrate", ("migrate", model), (verify_torch,), earlier="own_gru"),
        Scenario("predict", ("predict", model, "--data", str(data), "-o", str(root / "answers.csv")), (train, quantize)),
        Scenario("train --from", ("train", "--from", model, "--data", str(data), "-o", str(root / "next")), (train, quantize)),
        Scenario("check --markdown", ("check", model, "--markdown", str(root / "summary.md")), done),
        Scenario("flash", ("flash", model, "--board", FLASHED, "--method", TOOL), done, core="cortex-m0"),
        Scenario("run", run),
        Scenario("run --force", (*run, "--force"), (("run", *other, *against),)),
        Scenario("run --resume", ("run", "--resume", "-o", model, *against), (train,), cut=True),
        Scenario("run --seeds", (*run, *two)),
        Scenario("run --seeds --force", (*run, *two, "--force"), (("run", *other, *against, *two),)),
    ]


@contextlib.contextmanager
def stand_in_tool(folder: Path) -> Iterator[None]:
    """A flashing tool on the search path that does nothing."""
    tool = folder / "tools" / TOOL
    tool.parent.mkdir(exist_ok=True)
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{tool.parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def prepare(scenario: Scenario, root: Path) -> None:
    """Bring `root` to where the scenario's command finds it."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    if scenario.earlier:
        shutil.unpack_archive(DIRECTORIES / f"{scenario.earlier}.zip", root / "model")
    for number, words in enumerate(scenario.begin):
        last = number == len(scenario.begin) - 1
        if scenario.cut and last:
            with interrupted_after_an_epoch():
                call(words)
        else:
            outcome = call(words)
            assert outcome.code == 0, outcome.said


def go_on(scenario: Scenario, *, changed: bool) -> str | None:
    """Give the command again and follow the messages, until it or what goes on for it has ended; why that failed, or None.

    changed: whether it did anything before it died; then it is given without --force, which would begin anew.
    """
    words, said = [word for word in scenario.command if word != "--force" or not changed], []
    for _ in range(MOST_COMMANDS):
        outcome = call(words)
        said.append(f"rescomp {shlex.join(words)}: {outcome.code} {outcome.said.strip()}")
        if replacing := re.search(r"the same command with `--force --seeds (\d+)`", outcome.said):
            call([*_without(words, "--seeds"), "--force", "--seeds", replacing[1]])
            continue
        following = named(outcome.said)
        if outcome.code == 0 and (words[0] == scenario.command[0] or following is None):
            return None
        if following is None or following == words:
            return "\n".join(said)
        if outcome.code and _is_past(scenario, words, following):
            return None
        words = following
    return "\n".join(said)


def _without(words: Sequence[str], option: str) -> list[str]:
    """Without an option and its value."""
    return [word for word, before in zip(words, ("", *words), strict=False) if option not in (word, before)]


def _is_past(scenario: Scenario, words: Sequence[str], following: Sequence[str]) -> bool:
    """Whether what was asked is finished, and the message names the stage after it."""
    order = ("train", "quantize", "export", "verify")
    if scenario.command[0] not in order or following[0] not in order or words[0] != scenario.command[0]:
        return False
    return order.index(following[0]) > order.index(scenario.command[0])


def make_data(path: Path) -> None:
    """Sixty short recordings of three classes."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (rng.normal(size=(60, 6, 2)) + y[:, None, None]).astype(np.float32)
    np.savez(path, x_train=x[:36], y_train=y[:36], x_test=x[36:], y_test=y[36:])
