"""Kills every command at every operation on files, and follows what rescomp says until the work is done: python benchmarks/crash_points.py

A command runs on a disk (store/disk.py) that stops at operation N: before it (kill), in the middle of what it writes (torn), with the loss
of all that was not synced (power), of what unsynced files held (zeroed), or of some of either, drawn (mixed). Then the same command is
given again, and then whatever command the messages name, until nothing is left to do. Survived: the directory equals that of an
undisturbed run byte for byte, nothing else lies there, and no finished epoch was trained twice.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rescomp.cli import main
from rescomp.model_directory import write_atomically
from rescomp.store import Disk, disk, injected
from rescomp.train import loop

MODES = ("kill", "torn", "power", "zeroed", "mixed")
MOST_COMMANDS = 12
SMALL = ("model.hidden_size=4", "train.epochs=2", "quantize.epochs=2", "train.threads=1")


class Dead(BaseException):
    """The process is no more: nothing that it would still do may change a file."""


@dataclass(frozen=True)
class Change:
    """To the names in `folder`, that a loss of power takes back until the folder is synced."""

    folder: Path
    names: tuple[Path, ...]
    undo: Callable[[], None]


@dataclass
class DyingDisk(Disk):
    """Counts operations, and dies at number `last`; of files it remembers what a loss of power would undo.

    last: None for a disk that never dies.
    """

    last: int | None = None
    mode: str = "kill"
    count: int = 0
    log: list[str] = field(default_factory=list)
    pending: list[Change] = field(default_factory=list)
    unsynced: dict[int, Path] = field(default_factory=dict)

    def write(self, path: Path, data: bytes, mode: int = 0o666) -> None:
        half = self._step(f"write {path.name}")
        super().write(path, data[: len(data) // 2] if half else data, mode)
        self.unsynced[path.stat().st_ino] = path
        self._undoing(lambda: path.unlink(missing_ok=True), path)
        if half:
            self._die()

    def sync(self, path: Path) -> None:
        self._step(f"sync {path.name}")
        if path.is_dir():
            self.pending = [change for change in self.pending if change.folder != path]
        else:
            self.unsynced.pop(path.stat().st_ino, None)

    def rename(self, source: Path, target: Path) -> None:
        self._step(f"rename {source.name} {target.name}")
        before = target.read_bytes() if target.is_file() else None
        super().rename(source, target)
        self._undoing(lambda: _rename_back(source, target, before), target, source)

    def unlink(self, path: Path) -> None:
        if not path.exists():
            super().unlink(path)
        self._step(f"unlink {path.name}")
        before = path.read_bytes()
        super().unlink(path)
        self._undoing(lambda: _restore(path, before), path)

    def mkdir(self, path: Path) -> None:
        if path.exists():
            super().mkdir(path)
        self._step(f"mkdir {path.name}")
        super().mkdir(path)
        self._undoing(lambda: shutil.rmtree(path, ignore_errors=True), path)

    def rmdir(self, path: Path) -> None:
        self._step(f"rmdir {path.name}")
        super().rmdir(path)
        self.pending = [replace(change, folder=path.parent) if change.folder == path else change for change in self.pending]
        self._undoing(lambda: path.mkdir(exist_ok=True), path)

    def _undoing(self, undo: Callable[[], None], *names: Path) -> None:
        self.pending.append(Change(names[0].parent, names, undo))

    def _step(self, what: str) -> bool:
        """Count an operation; whether it is to be cut off in its middle."""
        if self.last is not None and self.count >= self.last:
            raise Dead
        self.count += 1
        self.log.append(what)
        if self.count != self.last:
            return False
        if self.mode == "torn" and what.startswith("write"):
            return True
        self._die()
        return False

    def _die(self) -> None:
        self.lose_power(self.last)
        raise Dead

    def lose_power(self, seed: int | None) -> None:
        """Take back what was not synced, as the mode says; seed: of what is drawn."""
        rng = random.Random(seed)
        if self.mode in ("power", "zeroed", "mixed"):
            for path in self._files_without_data():
                if self.mode != "mixed" or rng.random() < 0.5:
                    path.write_bytes(b"")
        kept: list[Path] = []
        for change in reversed(self.pending if self.mode in ("power", "mixed") else []):
            later = any(name == other or name in other.parents for name in change.names for other in kept)
            if later or (self.mode == "mixed" and rng.random() < 0.5):
                kept += change.names
            else:
                change.undo()

    def _files_without_data(self) -> list[Path]:
        folders = {change.folder for change in self.pending} | {path.parent for path in self.unsynced.values()}
        files = (path for folder in sorted(folders) if folder.is_dir() for path in sorted(folder.iterdir()))
        return [path for path in files if path.is_file() and path.stat().st_ino in self.unsynced]


def _rename_back(source: Path, target: Path, before: bytes | None) -> None:
    if target.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        target.rename(source)
    if before is not None:
        _restore(target, before)


def _restore(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


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

    def epoch(run: loop._Run, number: int) -> tuple[float, float]:
        seen.setdefault(run.schedule.stage, []).append(number)
        return original(run, number)

    loop._Run.epoch = epoch  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        loop._Run.epoch = original  # type: ignore[method-assign]


@dataclass(frozen=True)
class Scenario:
    """A command, what it finds, and begin: the commands before it. cut: the last of them is interrupted after an epoch."""

    name: str
    command: tuple[str, ...]
    begin: tuple[tuple[str, ...], ...] = ()
    cut: bool = False


def scenarios(data: Path, place: Path) -> list[Scenario]:
    """Every command that writes, from every state that it is given in."""
    sets = tuple(part for key in SMALL for part in ("--set", key))
    model, against = str(place), ("--against", "onnxruntime")
    fresh = ("--data", str(data), *sets, "-o", model)
    other = ("--data", str(data), *sets, "--set", "model.hidden_size=5", "-o", model)
    train, quantize, export = ("train", *fresh), ("quantize", model), ("export", model)
    verify, run = ("verify", model, *against), ("run", *fresh, *against)
    done = (train, quantize, export, verify)
    return [
        Scenario("train", train),
        Scenario("train --force", (*train, "--force"), (("run", *other, *against),)),
        Scenario("train --resume", ("train", "--resume", "-o", model), (train,), cut=True),
        Scenario("quantize", quantize, (train,)),
        Scenario("quantize again, other weights", (*quantize, "--weights", "int8"), done),
        Scenario("quantize --resume", (*quantize, "--resume"), (*done, (*quantize, "--weights", "int8")), cut=True),
        Scenario("export", export, (train, quantize)),
        Scenario("export again, for a core and as a package", (*export, "--core", "cortex-m4", "--format", "c,arduino"), done),
        Scenario("verify", verify, (train, quantize, export)),
        Scenario("run", run),
        Scenario("run --force", (*run, "--force"), (("run", *other, *against),)),
        Scenario("run --resume", ("run", "--resume", "-o", model, *against), (train,), cut=True),
        Scenario("run --seeds", (*run, "--seeds", "0,1")),
    ]


def prepare(scenario: Scenario, place: Path) -> None:
    """Bring `place` to where the scenario's command finds it."""
    shutil.rmtree(place, ignore_errors=True)
    for number, words in enumerate(scenario.begin):
        last = number == len(scenario.begin) - 1
        if scenario.cut and last:
            with interrupted_after_an_epoch():
                call(words)
        else:
            outcome = call(words)
            assert outcome.code == 0, outcome.said


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


def contents(place: Path) -> dict[str, bytes | None]:
    """Every file's bytes, and None for every folder."""
    return {path.relative_to(place).as_posix(): path.read_bytes() if path.is_file() else None for path in place.rglob("*")}


def go_on(scenario: Scenario, *, changed: bool) -> str | None:
    """Give the command again and follow the messages, until it or what goes on for it has ended; why that failed, or None.

    changed: whether it did anything before it died; then it is given without --force, which would begin anew.
    """
    words, said = [word for word in scenario.command if word != "--force" or not changed], []
    for _ in range(MOST_COMMANDS):
        outcome = call(words)
        said.append(f"rescomp {shlex.join(words)}: {outcome.code} {outcome.said.strip()}")
        following = named(outcome.said)
        if outcome.code == 0 and (words[0] == scenario.command[0] or following is None):
            return None
        if following is None or following == words:
            return "\n".join(said)
        if outcome.code and _is_past(scenario, words, following):
            return None
        words = following
    return "\n".join(said)


def _is_past(scenario: Scenario, words: Sequence[str], following: Sequence[str]) -> bool:
    """Whether what was asked is finished, and the message names the stage after it."""
    order = ("train", "quantize", "export", "verify")
    if scenario.command[0] not in order or following[0] not in order or words[0] != scenario.command[0]:
        return False
    return order.index(following[0]) > order.index(scenario.command[0])


@dataclass(frozen=True)
class Undisturbed:
    """What a scenario's command does when nothing happens: its operations, the files it leaves, the epochs it trains."""

    log: tuple[str, ...]
    contents: Mapping[str, bytes | None]
    epochs: Mapping[str, list[int]]


def undisturbed(scenario: Scenario, start: Path, place: Path) -> Undisturbed:
    """Run the command once, from `start`."""
    _copy(start, place)
    counted = DyingDisk()
    with injected(counted), counting_epochs() as epochs:
        outcome = call(scenario.command)
    assert outcome.code == 0, outcome.said
    return Undisturbed(tuple(counted.log), contents(place), epochs)


def trial(scenario: Scenario, start: Path, place: Path, reference: Undisturbed, last: int, mode: str) -> str | None:
    """Kill the command at one operation and go on; what is wrong then, or None."""
    _copy(start, place)
    before = _settled(start)
    with counting_epochs() as epochs:
        dying = DyingDisk(last, mode)
        with injected(dying), contextlib.suppress(Dead):
            call(scenario.command)
            dying.lose_power(last)  # after the end
        failure = go_on(scenario, changed=_settled(place) != before)
    if failure is not None:
        return failure
    found = contents(place)
    wrong = sorted(name for name in found.keys() | reference.contents.keys() if found.get(name, 0) != reference.contents.get(name, 0))
    if wrong:
        return f"other than without a kill: {', '.join(wrong)}"
    for stage, numbers in epochs.items():
        again = len(numbers) - len(reference.epochs.get(stage, []))
        if again > 1 or (again == 1 and _stored_before(reference, last, mode)):
            return f"{stage} trained epochs {numbers}, undisturbed {reference.epochs.get(stage)}"
    return None


def _stored_before(reference: Undisturbed, last: int, mode: str) -> bool:
    """Whether the operation before which the kill came is just after a checkpoint was put in its place: no epoch was under way."""
    done = reference.log[: last - 1]
    return mode in ("kill", "torn") and bool(done) and done[-1].startswith("rename .checkpoint")


def _copy(start: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    if start.is_dir():
        shutil.copytree(start, place, symlinks=True)


def _settled(place: Path) -> dict[str, bytes | None]:
    """What is there but for what a process leaves that died before it decided anything."""
    kept = {name: data for name, data in contents(place).items() if not name.startswith((".staging", ".lock"))}
    return kept if not (place / ".staging" / "journal.json").exists() else {}


def make_data(path: Path) -> None:
    """Sixty short recordings of three classes."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (rng.normal(size=(60, 6, 2)) + y[:, None, None]).astype(np.float32)
    np.savez(path, x_train=x[:36], y_train=y[:36], x_test=x[36:], y_test=y[36:])


def sweep(scenario: Scenario, folder: Path, points: Callable[[int], Sequence[int]], modes: Sequence[str]) -> tuple[int, list[str]]:
    """(trials, failures) of one scenario: at the operations that `points` chooses of their number, in every mode."""
    place, start = folder / "model", folder / "start"
    prepare(scenario, place)
    shutil.rmtree(start, ignore_errors=True)
    _copy(place, start)
    reference = undisturbed(scenario, start, place)
    tried, failures = 0, []
    for last in points(len(reference.log) + 1):
        what = (*reference.log, "the end")[last - 1]
        for mode in modes:
            if mode == "torn" and not what.startswith("write"):
                continue
            tried += 1
            failure = trial(scenario, start, place, reference, last, mode)
            if failure is not None:
                failures.append(f"{scenario.name}, {mode} at operation {last} of {len(reference.log)} ({what}): {failure}")
    return tried, failures


def page(rows: Sequence[tuple[str, int, int]]) -> str:
    """The table of docs/proof.md."""
    lines = ["| command | deaths tried | survived |", "|---|---:|---:|"]
    lines += [f"| `{name}` | {tried:,} | {survived:,} |" for name, tried, survived in rows]
    total = sum(row[1] for row in rows), sum(row[2] for row in rows)
    return "\n".join([*lines, f"| together | {total[0]:,} | {total[1]:,} |", ""])


def run(options: argparse.Namespace) -> int:
    """Every scenario asked for."""
    rows, rng = [], random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="rescomp-crash-") as name:
        folder = Path(name)
        make_data(folder / "data.npz")
        for scenario in scenarios(folder / "data.npz", folder / "model"):
            if options.only and scenario.name not in options.only:
                continue

            def points(count: int) -> Sequence[int]:
                every = range(1, count + 1)
                return every if options.sample is None else sorted(rng.sample(every, min(count, options.sample)))

            tried, failures = sweep(scenario, folder, points, options.modes.split(","))
            rows.append((scenario.name, tried, tried - len(failures)))
            print(f"{scenario.name}: {tried - len(failures)} of {tried} survived", flush=True)
            for failure in failures:
                print(f"  {failure}", flush=True)
    if options.output:
        write_atomically(options.output, page(rows).encode())
    print(page(rows))
    return int(any(tried != survived for _, tried, survived in rows))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="names of scenarios")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--sample", type=int, help="operations a scenario, drawn; without it, all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, help="write the table here")
    return parser.parse_args()


if __name__ == "__main__":
    assert type(disk()) is Disk
    sys.exit(run(arguments()))
