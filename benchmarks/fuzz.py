"""Mutated files against the commands that read them: no traceback, no hang, no memory above a gigabyte, no file where none belongs.

    python benchmarks/fuzz.py --work DIRECTORY --tries 100000 --seed 0
    python benchmarks/fuzz.py --work DIRECTORY --seed 0 --only 4711    one try again, with its traceback

A try takes a directory of files (fuzz_bases.py), mutates one of them as what it is (fuzz_targets.py, fuzz_mutations.py), repairs digests
that speak of it (fuzz_repair.py), and runs one command in a fork of this process, which has imported everything (fuzz_process.py). Each
try is a line of DIRECTORY/tries-SEED.jsonl; those that are there are not tried again. Their counts go to standard output.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_bases import WITH_STATE, make_bases
from fuzz_mutations import pick
from fuzz_process import HANG, MEMORY, WarmParent
from fuzz_repair import is_refused_by_digest, repair
from fuzz_targets import Target, targets

FORESEEN = frozenset({0, 2, 3, 4, 5, 6, 7})
"""Exit codes of the command line but 1, which is a traceback."""
REPAIRED = 0.95
"""Of the tries, have their digests repaired."""


CONTAINED = ("cannot run", "AddressSanitizer")
"""Of sentences about memory that an interpreter was refused, or a sanitizer, which maps terabytes that the limits of a try do not allow."""
RECURRENT = (*WITH_STATE, "interrupted", "checks")
"""Bases of nets with state."""
VARIANTS = {True: ("step", "step without optimization", "sequence"), False: ("whole", "whole without optimization")}
"""Of onnxruntime, by whether the net has state."""


@dataclass(frozen=True)
class Try:
    """One try and how it ended. fault: empty, or what must not happen. read: whether no digest kept the command from the file.

    megabytes: the largest resident memory of the command and of the processes it started, what it shares with the warm parent included.
    """

    number: int
    target: str
    command: str
    repaired: bool
    read: bool
    code: int
    fault: str
    said: str
    seconds: float
    megabytes: int


class Fuzzer:
    """Runs tries by number: a number gives the same try in any order."""

    def __init__(self, work: Path, seed: int) -> None:
        self.work, self.seed = work, seed
        self.targets = targets()
        weights = np.array([target.weight for target in self.targets])
        self.shares = weights / weights.sum()
        self.parent = WarmParent()

    def run(self, number: int, debug: bool = False) -> Try:
        sandbox = Path(tempfile.mkdtemp(prefix=f"try-{number}-", dir=self.work / "sandboxes"))
        try:
            return self._run(number, sandbox, debug)
        finally:
            shutil.rmtree(sandbox, ignore_errors=True)

    def _run(self, number: int, sandbox: Path, debug: bool) -> Try:
        rng = np.random.default_rng((self.seed, number))
        target: Target = self.targets[int(rng.choice(len(self.targets), p=self.shares))]
        directory = lay_out(self.work / target.base, sandbox)
        path = pick(rng, sorted(path for path in directory.glob(target.pattern) if path.is_file()))
        before = path.read_bytes()
        after = target.mutate(rng, before)
        path.write_bytes(after)
        repaired = bool(rng.random() < REPAIRED)
        if repaired:
            repair(directory, path.relative_to(directory).as_posix(), before, after)
        command = fill_in(pick(rng, target.commands), sandbox, target.base, rng)
        outside, start = listing(sandbox), time.monotonic()
        end = self.parent.run(sandbox, command, debug)
        seconds = round(time.monotonic() - start, 3)
        said = (sandbox / "said").read_text(errors="replace")
        fault = _fault(end.code, end.megabytes, said, outside, listing(sandbox))
        where, words = f"{target.base}/{target.pattern}", " ".join(command).replace(str(sandbox), "")
        kept = said if debug else said[-600:] if fault else said.strip().splitlines()[-1:] and said.strip().splitlines()[-1][-300:]
        read = not is_refused_by_digest(said)
        return Try(number, where, words, repaired, read, end.code, fault, kept or "", seconds, end.megabytes)


def lay_out(base: Path, sandbox: Path) -> Path:
    """The directory to be mutated, and the folders that a command may write."""
    shutil.copytree(base, sandbox / "d")
    for name in ("cwd", "home", "tmp", "out"):
        (sandbox / name).mkdir()
    return sandbox / "d"


def fill_in(command: Sequence[str], sandbox: Path, base: str, rng: np.random.Generator) -> list[str]:
    """The command's arguments for this sandbox; {v}: a variant of onnxruntime that this kind of net has."""
    variants = VARIANTS[base in RECURRENT]
    return [word.format(d=sandbox / "d", o=sandbox / "out" / "m", v=pick(rng, variants)) for word in command]


def listing(sandbox: Path) -> set[str]:
    """Every path but those in which a command may write: the model directory, its output, temporary files."""
    parts = (path.relative_to(sandbox) for path in sandbox.rglob("*"))
    return {str(part) for part in parts if part.parts[0] not in ("d", "out", "tmp", "said")}


def _fault(code: int, megabytes: int, said: str, before: set[str], after: set[str]) -> str:
    if code == HANG:
        return "hang"
    if code not in FORESEEN:
        return "traceback" if code in (1, 98) else f"code {code}"
    if "Traceback (most recent call last)" in said or "rescomp: unexpected " in said:
        return "traceback"
    if megabytes << 20 > MEMORY or ("emory" in said and "allocate" in said and not any(words in said for words in CONTAINED)):
        return "memory"
    written = after - before
    return f"wrote {min(written)}" if written else ""


def kind_of(found: Try) -> str:
    """What findings of one kind have in common: their last line without numbers and quoted text."""
    last = found.said.strip().splitlines()[-1:] or [""]
    return f"{found.fault}: " + re.sub(r"/\S+|'[^']*'|\d+", "*", last[0])[:160]


def set_up(work: Path) -> None:
    """The undamaged directories, made once, and an empty folder for sandboxes."""
    if not (work / "checks" / "board.toml").is_file():
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        subprocess.run([sys.executable, __file__, "--work", str(work), "--make"], check=True, cwd="/", timeout=1200)
    shutil.rmtree(work / "sandboxes", ignore_errors=True)
    (work / "sandboxes").mkdir()
    sys.path.insert(0, str(work))


def commands(every: Sequence[Target]) -> Iterator[tuple[str, Sequence[str]]]:
    """(base, command), each once."""
    yield from dict.fromkeys((target.base, tuple(command)) for target in every for command in target.commands)


def warm_up(fuzzer: Fuzzer) -> None:
    """Run in the parent each command that compiles nothing, of one base: templates are parsed and classes built once, not in every fork."""
    for command, base in {command: base for base, command in commands(fuzzer.targets)}.items():
        if "c" not in command or "verify" not in command:
            with tempfile.TemporaryDirectory(dir=fuzzer.work / "sandboxes") as sandbox:
                lay_out(fuzzer.work / base, Path(sandbox))
                fuzzer.parent.run_here(fill_in(command, Path(sandbox), base, np.random.default_rng(0)))
    fuzzer.parent.settle()


def check_bases(fuzzer: Fuzzer) -> None:
    """Raise SystemExit unless every command takes the undamaged files: a refusal of these would hide what it reads behind."""
    for base, command in commands(fuzzer.targets):
        sandbox, start = Path(tempfile.mkdtemp(prefix="undamaged-", dir=fuzzer.work / "sandboxes")), time.monotonic()
        lay_out(fuzzer.work / base, sandbox)
        end = fuzzer.parent.run(sandbox, fill_in(command, sandbox, base, np.random.default_rng(0)), debug=False)
        if end.code not in (0, 3):
            raise SystemExit(
                f"{base}: {' '.join(command)} ends with {end.code} on undamaged files: {(sandbox / 'said').read_text()[-500:]}"
            )
        shutil.rmtree(sandbox)
        print(f"undamaged {base}: {' '.join(command)}: {time.monotonic() - start:.2f} s, {end.megabytes} megabytes", flush=True)


def fuzz(work: Path, seed: int, numbers: Iterable[int]) -> Iterator[Try]:
    """The tries of these numbers that the record lacks."""
    record = work / f"tries-{seed}.jsonl"
    set_up(work)
    done = {found.number for found in read_tries(record)}
    fuzzer = Fuzzer(work, seed)
    warm_up(fuzzer)
    check_bases(fuzzer)
    with record.open("a") as file:
        for number in numbers:
            if number not in done:
                found = fuzzer.run(number)
                file.write(json.dumps(asdict(found)) + "\n")
                file.flush()
                yield found


def read_tries(record: Path) -> list[Try]:
    """All tries of a record; a last line that a death cut off is none."""
    lines = record.read_text().splitlines(keepends=True) if record.is_file() else []
    return [Try(**json.loads(line)) for line in lines if line.endswith("}\n")]


def summary(tries: Sequence[Try]) -> dict[str, Any]:
    """Counts of a record: by exit code, by kind of finding, by file, by command."""
    repaired = [found for found in tries if found.repaired]
    files, read = (Counter(found.target.partition("/")[2] for found in some) for some in (repaired, [f for f in repaired if f.read]))
    commands = {name: [f for f in tries if name_of(f) == name] for name in sorted({name_of(found) for found in tries})}
    return {
        "tries": len(tries),
        "codes": dict(sorted(Counter(found.code for found in tries).items())),
        "findings": dict(Counter(kind_of(found) for found in tries if found.fault)),
        "read behind the digests, of those repaired": {name: f"{read[name]} of {count}" for name, count in sorted(files.items())},
        "by command: tries, most megabytes, most seconds": {
            name: [len(some), max(f.megabytes for f in some), round(max(f.seconds for f in some), 1)] for name, some in commands.items()
        },
    }


def name_of(found: Try) -> str:
    """The command without what differs from try to try, and its witness or format."""
    words = found.command.split()
    after = [words[words.index(option) + 1] for option in ("--against", "--format") if option in words]
    more = [re.sub(r"[/:].*", "", word) for word in after]
    return " ".join([words[0], *(["--resume"] if "--resume" in words else []), *more, *(["layers"] if "quick" in words else [])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--summary", action="store_true", help="of all records in DIRECTORY, without a try")
    asked = parser.parse_args()
    work = asked.work.resolve()
    if asked.make:
        make_bases(work)
    elif asked.only is not None:
        set_up(work)
        print(json.dumps(asdict(Fuzzer(work, asked.seed).run(asked.only, debug=True)), indent=1).replace("\\n", "\n"))
    elif asked.summary:
        print(json.dumps(summary([found for record in sorted(work.glob("tries-*.jsonl")) for found in read_tries(record)]), indent=1))
    else:
        report(fuzz(work, asked.seed, range(asked.first, asked.first + asked.tries)))
        print(json.dumps(summary(read_tries(work / f"tries-{asked.seed}.jsonl")), indent=1))


def report(tries: Iterator[Try]) -> None:
    """Say now and then how far it is, and every finding at once."""
    start, findings = time.monotonic(), 0
    for count, found in enumerate(tries, start=1):
        findings += bool(found.fault)
        if found.fault:
            print(f"{found.number} {found.target} {found.command}: {kind_of(found)}", flush=True)
        if count % 100 == 0:
            print(f"{count} tries, {count / (time.monotonic() - start):.1f} a second, {findings} findings", flush=True)


if __name__ == "__main__":
    main()
