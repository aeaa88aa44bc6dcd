"""Kills every command at every operation on files, and follows what rescomp says until the work is done: python benchmarks/crash_points.py

A command runs once on a disk (dying_disk.py) that, at every operation, keeps what would lie there if the process died then: before the
operation (kill), in the middle of what it writes (torn), with the loss of all that was not synced (power), of what unsynced files held
(zeroed), or of some of either, drawn (mixed). For Ctrl-C, after which a process tidies up (interrupt), it runs once for each. From each of
these the same command is given again, and then whatever command the messages name, until nothing is left to do. Survived: the files equal
those of an undisturbed run byte for byte, nothing else lies there, and no finished epoch was trained twice.

Deaths that leave the same files and the same epochs behind are gone on from once. What does not change files is remembered (remembered.py).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import rescomp
from rescomp.benchmarks.crash_commands import make_data, scenarios, stand_in_tool
from rescomp.benchmarks.crash_sweep import ALL_MODES, Trial, sweep
from rescomp.model_directory import write_atomically


@dataclass
class Log:
    """Trials in a file, a line each, of one state of the sources: a sweep that was stopped goes on."""

    path: Path | None
    trials: list[Trial] = field(default_factory=list)

    def __post_init__(self) -> None:
        head = json.dumps({"sources": sources()})
        if self.path is None:
            return
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        if lines and lines[0] != head:
            sys.exit(f"{self.path} is of other sources: give another file")
        self.trials = [Trial(**json.loads(line)) for line in lines[1:]]
        if not lines:
            self.path.write_text(f"{head}\n")

    def add(self, trial: Trial) -> None:
        self.trials.append(trial)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(vars(trial)) + "\n")

    def known(self, scenario: str) -> list[tuple[str, int]]:
        return [(trial.mode, trial.number) for trial in self.trials if trial.scenario == scenario]


def sources() -> str:
    """Digest of every source of the package that a command may run."""
    folder, total = Path(rescomp.__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        if path.relative_to(folder).parts[0] not in ("tests", "docs", "benchmarks"):
            total.update(path.read_bytes())
    return total.hexdigest()


def page(trials: Sequence[Trial]) -> str:
    """The table of docs/proof.md: for every command its moments, and in how many of them each way of dying was survived."""
    names = list(dict.fromkeys(trial.scenario for trial in trials))
    modes = [mode for mode in ALL_MODES if any(trial.mode == mode for trial in trials)]

    def row(name: str, chosen: Sequence[Trial]) -> str:
        moments = sum({trial.scenario: trial.moments for trial in chosen}.values())
        return "| " + " | ".join([name, f"{moments:,}", *(_survived(chosen, mode) for mode in modes)]) + " |"

    head = ["| command | moments | " + " | ".join(f"`{mode}`" for mode in modes) + " |", "|---|" + "---:|" * (len(modes) + 1)]
    rows = [row(f"`{name}`", [trial for trial in trials if trial.scenario == name]) for name in names]
    return "\n".join([*head, *rows, row("together", trials), ""])


def _survived(trials: Sequence[Trial], mode: str) -> str:
    """How many of those tried, where some were not."""
    tried = [trial for trial in trials if trial.mode == mode]
    survived = sum(trial.failure is None for trial in tried)
    return "" if not tried else f"{survived:,}" if survived == len(tried) else f"{survived:,} of {len(tried):,}"


def run(options: argparse.Namespace) -> int:
    """Every scenario asked for."""
    log, modes = Log(options.log), options.modes.split(",")
    with tempfile.TemporaryDirectory(prefix="rescomp-crash-") as name, stand_in_tool(Path(name)):
        folder = Path(name)
        make_data(folder / "data.npz")
        for scenario in scenarios(folder / "data.npz", folder / "files"):
            if options.only and scenario.name not in options.only:
                continue
            rng = random.Random(f"{options.seed} {scenario.name}")

            def points(count: int, rng: random.Random = rng) -> Sequence[int]:
                every = range(1, count + 1)
                return every if options.sample is None else sorted(rng.sample(every, min(count, options.sample)))

            begun, tried = time.monotonic(), 0
            for trial in sweep(scenario, folder / "files", points, modes, log.known(scenario.name)):
                log.add(trial)
                tried += 1
                if trial.failure is not None:
                    print(f"  {trial.scenario}, {trial.mode} at operation {trial.number} ({trial.operation}): {trial.failure}", flush=True)
            print(f"{scenario.name}: {tried} tried in {time.monotonic() - begun:.0f} s", flush=True)
    if options.output:
        write_atomically(options.output, page(log.trials).encode())
    print(page(log.trials))
    return int(any(trial.failure is not None for trial in log.trials))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="names of scenarios")
    parser.add_argument("--modes", default=",".join(ALL_MODES))
    parser.add_argument("--sample", type=int, help="operations a scenario, drawn; without it, all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="keep trials here, a line each, and go on with those that are not there")
    parser.add_argument("-o", "--output", type=Path, help="write the table here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(arguments()))
