"""Deaths of one command at the operations that it does on files, and what becomes of each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rescomp.benchmarks.crash_commands import Scenario, call, counting_epochs, go_on, prepare
from rescomp.benchmarks.dying_disk import MODES, DyingDisk, Files, InterruptedDisk, contents, lay
from rescomp.benchmarks.remembered import remembering
from rescomp.store import Disk, injected

PASSING = re.compile(r"(^|/)(\.staging|\.lock|\.[^/]*\.partial)(/|$)")
"""What a process leaves that died before it decided anything."""
INTERRUPT = "interrupt"
ALL_MODES, INTERRUPTED = (*MODES, INTERRUPT), 130
Points = Callable[[int], Sequence[int]]
"""Chooses among so many operations."""


class CarelessDisk(Disk):
    """The disk of processes that do not die: waiting for it would change no byte."""

    def sync(self, path: Path) -> None:
        pass


@dataclass(frozen=True)
class Death:
    """Number and name of the operation, and what it left: files by name, and epochs trained until then, by stage."""

    mode: str
    number: int
    operation: str
    files: Mapping[str, bytes | None]
    epochs: Mapping[str, Sequence[int]]
    stored: bool
    """Whether no epoch was under way: a checkpoint came to its place just before."""


@dataclass(frozen=True)
class Undisturbed:
    """What a scenario's command does when nothing happens: its operations, the files it leaves, the epochs it trains."""

    start: Mapping[str, bytes | None]
    log: tuple[str, ...]
    contents: Mapping[str, bytes | None]
    epochs: Mapping[str, list[int]]


@dataclass(frozen=True)
class Trial:
    """What became of one death. moments: that the command has to die at. failure: None if it was survived."""

    scenario: str
    mode: str
    number: int
    operation: str
    moments: int
    failure: str | None


@dataclass
class Sweep:
    """One scenario, under `root`."""

    scenario: Scenario
    root: Path
    reference: Undisturbed
    continued: dict[str, tuple[str | None, Mapping[str, list[int]]]] = field(default_factory=dict)
    """By what lies there: what going on ends with, and the epochs that it trains."""
    known: dict[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, scenario: Scenario, root: Path) -> Sweep:
        prepare(scenario, root)
        start, counted = contents(root), DyingDisk(root)
        with injected(counted), counting_epochs() as epochs:
            outcome = call(scenario.command)
        assert outcome.code == 0, outcome.said
        return cls(scenario, root, Undisturbed(start, tuple(counted.log), contents(root), epochs))

    @property
    def count(self) -> int:
        """Of the moments to die at: before each operation, and after the end."""
        return len(self.reference.log) + 1

    def deaths(self, chosen: Mapping[int, Sequence[str]]) -> Iterator[Death]:
        """By the number of the operation, of the modes chosen for it, from one more run."""
        self._lay(self.reference.start)
        found: list[Death] = []

        def witness() -> None:
            for mode in _deadly(chosen, dying.count):
                epochs_now = {stage: list(numbers) for stage, numbers in epochs.items()}
                files = self._names(dying.left(mode, dying.count))
                found.append(Death(mode, dying.count, dying.log[-1], files, epochs_now, _stored(dying.log[:-1], mode)))

        dying = DyingDisk(self.root, witness=witness)
        with injected(dying), counting_epochs() as epochs:
            outcome = call(self.scenario.command)
        assert outcome.code == 0, outcome.said
        assert tuple(dying.log) == self.reference.log
        for mode in _deadly(chosen, self.count):
            files = self._names(dying.left(mode, self.count))
            found.append(Death(mode, self.count, "the end", files, epochs, _stored(dying.log, mode)))
        yield from found
        yield from (self._interrupt(number) for number, modes in chosen.items() if INTERRUPT in modes and number < self.count)

    def _interrupt(self, number: int) -> Death:
        self._lay(self.reference.start)
        stopped = InterruptedDisk(self.root, number)
        with injected(stopped), counting_epochs() as epochs:
            outcome = call(self.scenario.command)
        assert outcome.code == INTERRUPTED, outcome
        log = self.reference.log[:number]
        return Death(INTERRUPT, number, log[-1], contents(self.root), epochs, _stored(log[:-1], INTERRUPT))

    def trial(self, death: Death) -> Trial:
        """Go on from it; what is wrong then, if anything."""
        key = _digest(death.files)
        if key not in self.continued:
            self.continued[key] = self._continue(death.files)
        failure, epochs = self.continued[key]
        failure = failure or self._repeated(death, epochs)
        return Trial(self.scenario.name, death.mode, death.number, death.operation, self.count, failure)

    def _continue(self, files: Mapping[str, bytes | None]) -> tuple[str | None, Mapping[str, list[int]]]:
        self._lay(files)
        with injected(CarelessDisk()), counting_epochs() as epochs:
            failure = go_on(self.scenario, changed=_settled(files) != _settled(self.reference.start))
        return failure or self._difference(), epochs

    def _difference(self) -> str | None:
        found, expected = contents(self.root), self.reference.contents
        wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name, 0) != expected.get(name, 0))
        return f"other than without a death: {', '.join(wrong)}" if wrong else None

    def _repeated(self, death: Death, epochs: Mapping[str, Sequence[int]]) -> str | None:
        """Why an epoch was trained twice that was finished: one at most was under way."""
        for stage in death.epochs.keys() | epochs.keys():
            numbers, once = [*death.epochs.get(stage, ()), *epochs.get(stage, ())], self.reference.epochs.get(stage, [])
            again = len(numbers) - len(once)
            if again > 1 or (again == 1 and death.stored):
                return f"{stage} trained epochs {numbers}, undisturbed {once}"
        return None

    def _names(self, files: Files) -> dict[str, bytes | None]:
        """Equal files once, since a sweep keeps hundreds of directories."""
        known = self.known
        return {path.relative_to(self.root).as_posix(): data and known.setdefault(data, data) for path, data in files.items()}

    def _lay(self, files: Mapping[str, bytes | None]) -> None:
        lay({self.root / name: data for name, data in files.items()}, self.root)


def _deadly(chosen: Mapping[int, Sequence[str]], number: int) -> list[str]:
    return [mode for mode in chosen.get(number, ()) if mode != INTERRUPT]


def _stored(log: Sequence[str], mode: str) -> bool:
    return mode in ("kill", "torn", INTERRUPT) and bool(log) and log[-1].startswith("rename .checkpoint")


def _settled(files: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
    """What is there but for what a process leaves that died before it decided anything."""
    if any(name.endswith(".staging/journal.json") for name in files):
        return {}
    return {name: data for name, data in files.items() if not PASSING.search(name)}


def _digest(files: Mapping[str, bytes | None]) -> str:
    total = hashlib.sha256()
    for name in sorted(files):
        data = files[name]
        total.update(f"{name} {data if data is None else hashlib.sha256(data).hexdigest()}\n".encode())
    return total.hexdigest()


def sweep(scenario: Scenario, root: Path, points: Points, modes: Sequence[str], known: Sequence[tuple[str, int]] = ()) -> Iterator[Trial]:
    """Die at the operations that `points` chooses of their number, in every mode but what is `known`; torn only where files are written."""
    each = Sweep.of(scenario, root)
    chosen: dict[int, list[str]] = {}
    for number in points(each.count):
        writes = number < each.count and each.reference.log[number - 1].startswith("write")
        chosen[number] = [mode for mode in modes if (mode != "torn" or writes) and (mode, number) not in known]
    if any(chosen.values()):
        with remembering():
            yield from map(each.trial, each.deaths(chosen))
