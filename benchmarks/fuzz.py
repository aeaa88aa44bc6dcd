"""Mutated files against the commands that read them: no traceback, no hang, no memory above a gigabyte, no file where none belongs.

    python benchmarks/fuzz.py --work DIRECTORY --tries 100000 --seed 0
    python benchmarks/fuzz.py --work DIRECTORY --only 4711             one try again, with its traceback

A try takes a directory of files, mutates one of them as what it is (fuzz_mutations.py), repairs the digests that speak of it, and runs one
command in a fork of this process, which has imported everything. Findings go to DIRECTORY/findings.jsonl, the counts to standard output.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import pkgutil
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import fuzz_mutations as mutations
from fuzz_bases import SMALL, make_bases
from fuzz_mutations import pick

SECONDS = 60
"""Of a try, gcc and interpreters included; a run of the undamaged files takes less than two."""
MEMORY = 1 << 30
"""That a try may allocate beside what the parent holds."""
WRITTEN = 256 << 20
"""Of one file that a try may write."""
FORESEEN = frozenset({0, 2, 3, 4, 5, 6, 7})
"""Exit codes of the command line but 1, which is a traceback."""

Command = Sequence[str]
"""Arguments; {d} is the mutated directory, {o} a directory that does not exist yet."""


@dataclass(frozen=True)
class Target:
    """Files that are mutated, and the commands of which one then reads them. base: the directory that holds them."""

    base: str
    pattern: str
    mutate: mutations.Mutation
    commands: Sequence[Command]
    weight: float = 1.0
    limit: float = SECONDS


INSPECT, CHECK = ("inspect", "{d}", "--json"), ("check", "{d}", "--json")
EXPORT_C, EXPORT_ALL = ("export", "{d}", "--format", "c"), ("export", "{d}", "--format", "onnx,tflite")
PACKAGES = tuple(("export", "{d}", "--format", name) for name in ("arduino", "zephyr", "esp-idf", "platformio"))
QUANTIZE, RESUME = ("quantize", "{d}", "--set", "quantize.epochs=0"), ("train", "--resume", "-o", "{d}")
FLASH = ("flash", "{d}", "--board", "arduino-uno", "--dry-run")


def witness(name: str) -> Command:
    return ("verify", "{d}", "--json", "--against", name)


def training(*arguments: str) -> Command:
    return ("train", "-o", "{o}", *(word for key in SMALL for word in ("--set", key)), "--set", "train.epochs=0", *arguments)


ANY = (INSPECT, CHECK, EXPORT_C, EXPORT_ALL, *PACKAGES, QUANTIZE, witness("onnxruntime"), witness("torch"), FLASH)
MODELS = ("recurrent", "whole", "hourglass")
RECIPE_ALONE = ("train", "-o", "{o}", "--recipe", "{d}/recipe.toml", "--set", "train.epochs=0")
CHECKS = ("check", "{d}/m", "--json", "--limits", "{d}/limits.toml", "--baseline", "{d}/baseline.json", "--profile", "{d}/profile.json")


def targets() -> list[Target]:
    m = mutations
    found = []
    for base in MODELS:
        found += [
            Target(base, "manifest.json", m.mutate_json, ANY, 2),
            Target(base, "graph.json", m.mutate_json, (INSPECT, EXPORT_C, EXPORT_ALL, *PACKAGES, witness("onnxruntime")), 6),
            Target(base, "weights.npz", m.mutate_npz, (INSPECT, EXPORT_C, EXPORT_ALL, witness("onnxruntime")), 4),
            Target(base, "vectors/test.npz", m.mutate_npz, (witness("onnxruntime"), *PACKAGES, witness("torch")), 4),
            Target(base, "recipe.toml", m.mutate_toml, (QUANTIZE, witness("torch"), INSPECT), 2),
            Target(base, "report.json", m.mutate_json, (CHECK, FLASH, PACKAGES[0]), 2),
            Target(base, "SHA256SUMS", m.mutate_text, ANY),
            Target(base, "metrics.jsonl", m.mutate_text, (QUANTIZE, INSPECT)),
            Target(base, "float.safetensors", m.mutate_safetensors, (QUANTIZE,), 2),
            Target(base, "quantized.safetensors", m.mutate_safetensors, (witness("torch"),), 2),
            Target(base, "model*.onnx", m.mutate_onnx, (witness("onnxruntime"),), 2),
            Target(base, "model.tflite", m.mutate_bytes, (witness("tflite"), witness("tflite-micro")), 1),
            Target(base, "c/*.[ch]", m.mutate_text, (CHECK, FLASH), 0.5),
        ]
    found += [
        Target("whole", "net.json", m.mutate_json, (QUANTIZE, witness("torch")), 2),
        Target("own", "*.json", m.mutate_json, (QUANTIZE, witness("torch"), INSPECT), 2),
        Target("interrupted", "checkpoint.safetensors", m.mutate_safetensors, (RESUME,), 3),
        Target("interrupted", "metrics.jsonl", m.mutate_text, (RESUME,), 2),
        Target("interrupted", "manifest.json", m.mutate_json, (RESUME,)),
        Target("interrupted", "recipe.toml", m.mutate_toml, (RESUME,)),
        Target("inputs", "set.npz", m.mutate_npz, (training("--data", "{d}/set.npz"),), 6),
        Target("inputs", "log.csv", m.mutate_text, (training("--data", "{d}/log.csv"),), 4),
        Target("inputs", "logs/*/*.csv", m.mutate_text, (training("--data", "{d}/logs", "--set", "data.window=8"),), 4),
        Target("inputs", "*.ts", m.mutate_text, (training("--data", "{d}/a.ts,{d}/b.ts"),), 4),
        Target("inputs", "images/*/*.png", m.mutate_png, (training("--data", "{d}/images", "--model", "dscnn2d"),), 4),
        Target(
            "inputs", "recipe.toml", m.mutate_toml, (("train", "-o", "{o}", "--recipe", "{d}/recipe.toml", "--set", "train.epochs=0"),), 6
        ),
        Target("checks", "limits.toml", m.mutate_toml, (CHECKS,), 3),
        Target("checks", "baseline.json", m.mutate_json, (CHECKS,), 2),
        Target("checks", "profile.json", m.mutate_json, (CHECKS,), 2),
        Target("inputs", "board.toml", m.mutate_toml, (("boards", "--board-file", "{d}/board.toml"),), 3),
        Target("checks", "board.toml", m.mutate_toml, (("flash", "{d}/m", "--board-file", "{d}/board.toml", "--dry-run"),), 2),
    ]
    return found


def repair(directory: Path, changed: str, before: bytes, after: bytes) -> None:
    """Everything that speaks of the changed file's digest speaks of the new one."""
    old, new = (hashlib.sha256(data).hexdigest().encode() for data in (before, after))
    folder = directory / "m" if (directory / "m").is_dir() else directory
    digests = {old: new, **_graph_digests(folder, changed, before, after)}
    for name in ("manifest.json", "report.json"):
        path = folder / name
        if path.is_file() and name != changed:
            text = path.read_bytes()
            for was, now in digests.items():
                text = text.replace(was, now)
            path.write_bytes(text)
    sums = folder / "SHA256SUMS"
    if sums.is_file() and changed != "SHA256SUMS":
        names = [line.partition(b"  ")[2].decode() for line in sums.read_bytes().splitlines()]
        lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names if (folder / name).is_file()]
        sums.write_text("".join(lines))


def _graph_digests(folder: Path, changed: str, before: bytes, after: bytes) -> Mapping[bytes, bytes]:
    """The old and the new digest of the integer graph, where the change left one."""
    from rescomp.graph.serialize import decode, digest, from_npz

    if changed not in ("graph.json", "weights.npz"):
        return {}
    other = (folder / ("weights.npz" if changed == "graph.json" else "graph.json")).read_bytes()
    try:
        pairs = [(data, other) if changed == "graph.json" else (other, data) for data in (before, after)]
        old, new = (digest(decode(document, from_npz(arrays, ""))).encode() for document, arrays in pairs)
    except Exception:
        return {}
    return {old: new}


@dataclass(frozen=True)
class Try:
    """One try and how it ended. fault: empty, or what must not happen."""

    number: int
    target: str
    command: str
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
        self.data_limit = _status("VmData") + MEMORY
        self.resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def prepare(self, number: int, sandbox: Path) -> tuple[Target, str, list[str]]:
        """(target, the file mutated, arguments), with everything laid out in the sandbox."""
        rng = np.random.default_rng((self.seed, number))
        target = self.targets[int(rng.choice(len(self.targets), p=self.shares))]
        directory = sandbox / "d"
        shutil.copytree(self.work / target.base, directory)
        for name in ("cwd", "home", "tmp", "out"):
            (sandbox / name).mkdir()
        files = sorted(path for path in directory.glob(target.pattern) if path.is_file())
        path = pick(rng, files)
        before = path.read_bytes()
        after = target.mutate(rng, before)
        path.write_bytes(after)
        if rng.random() < 0.95:
            repair(directory, path.relative_to(directory).as_posix(), before, after)
        command = pick(rng, target.commands)
        return target, path.relative_to(directory).as_posix(), [word.format(d=directory, o=sandbox / "out" / "m") for word in command]

    def run(self, number: int, debug: bool = False) -> Try:
        sandbox = Path(tempfile.mkdtemp(prefix=f"try-{number}-", dir=self.work / "sandboxes"))
        try:
            target, file, arguments = self.prepare(number, sandbox)
            outside = _listing(sandbox)
            start = time.monotonic()
            code, megabytes = self._fork(sandbox, arguments, debug, target.limit)
            seconds = time.monotonic() - start
            said = (sandbox / "said").read_text(errors="replace")
            fault = _fault(code, said, outside, _listing(sandbox))
            where = f"{target.base}/{file}"
            return Try(
                number,
                where,
                " ".join(arguments).replace(str(sandbox), ""),
                code,
                fault,
                said if debug else said[-600:],
                seconds,
                megabytes,
            )
        finally:
            shutil.rmtree(sandbox, ignore_errors=True)

    def _fork(self, sandbox: Path, arguments: list[str], debug: bool, limit: float) -> tuple[int, int]:
        """(exit code, negative for a signal; resident megabytes past the parent's)."""
        child = os.fork()
        if child == 0:
            self._become_command(sandbox, arguments, debug)
        status, usage = _wait(child, limit)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        return status, max(0, usage.ru_maxrss - self.resident) >> 10

    def _become_command(self, sandbox: Path, arguments: list[str], debug: bool) -> None:
        code = 99
        try:
            os.setsid()
            said = os.open(sandbox / "said", os.O_WRONLY | os.O_CREAT)
            null = os.open(os.devnull, os.O_RDONLY)
            for number, descriptor in ((0, null), (1, said), (2, said)):
                os.dup2(descriptor, number)
            os.chdir(sandbox / "cwd")
            os.environ |= {"HOME": str(sandbox / "home"), "TMPDIR": str(sandbox / "tmp"), **({"RESCOMP_DEBUG": "1"} if debug else {})}
            tempfile.tempdir = None
            resource.setrlimit(resource.RLIMIT_DATA, (self.data_limit, self.data_limit))
            resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN, WRITTEN))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            from rescomp.cli import main

            code = main(arguments)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
            code = 98
        finally:
            os._exit(code)


def _wait(child: int, seconds: float) -> tuple[int, Any]:
    until, pause = time.monotonic() + seconds, 0.001
    killed = False
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            return (-9999 if killed else os.waitstatus_to_exitcode(status)), usage
        if time.monotonic() > until and not killed:
            os.killpg(child, signal.SIGKILL)
            killed = True
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)


def _listing(sandbox: Path) -> set[str]:
    """Every path but those in which a command may write: the model directory, its output, temporary files."""
    return {
        str(path.relative_to(sandbox))
        for path in sandbox.rglob("*")
        if path.relative_to(sandbox).parts[0] not in ("d", "out", "tmp", "said")
    }


def _fault(code: int, said: str, before: set[str], after: set[str]) -> str:
    if code == -9999:
        return "hang"
    if code not in FORESEEN:
        return "traceback" if code in (1, 98) else f"code {code}"
    if "Traceback (most recent call last)" in said or "rescomp: unexpected " in said:
        return "traceback"
    if "emory" in said and "allocate" in said:
        return "memory"
    written = after - before
    return f"wrote {min(written)}" if written else ""


def _status(key: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)[1]) << 10


def kind_of(found: Try) -> str:
    """What findings of one kind have in common: their last line without numbers and quoted text."""
    last = found.said.strip().splitlines()[-1:] or [""]
    return f"{found.fault}: " + re.sub(r"/\S+|'[^']*'|\d+", "*", last[0])[:160]


def warm_up() -> None:
    """Import whatever a command may import."""
    import torch

    import rescomp

    for folder in ("stages", "validate", "export", "train", "models", "compress", "data", "graph", "boards"):
        for module in pkgutil.walk_packages([str(Path(rescomp.__file__).parent / folder)], f"rescomp.{folder}."):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    for name in (
        "rescomp.cli",
        "rescomp.printing",
        "onnx",
        "onnxruntime",
        "flatbuffers",
        "tflite",
        "PIL.Image",
        "torch._dynamo",
        "torch.fx",
    ):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    torch.set_num_threads(1)


def fuzz(work: Path, seed: int, numbers: Sequence[int]) -> Iterator[Try]:
    """The tries of these numbers, bases made first where they are missing."""
    if not (work / "checks" / "board.toml").is_file():
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        subprocess.run([sys.executable, __file__, "--work", str(work), "--make"], check=True, cwd="/", timeout=1200)
    shutil.rmtree(work / "sandboxes", ignore_errors=True)
    (work / "sandboxes").mkdir()
    sys.path.insert(0, str(work))
    warm_up()
    fuzzer = Fuzzer(work, seed)
    for number in numbers:
        yield fuzzer.run(number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--make", action="store_true")
    asked = parser.parse_args()
    work = asked.work.resolve()
    if asked.make:
        make_bases(work)
        return
    if asked.only is not None:
        sys.path.insert(0, str(work))
        warm_up()
        (work / "sandboxes").mkdir(exist_ok=True)
        print(json.dumps(asdict(Fuzzer(work, asked.seed).run(asked.only, debug=True)), indent=1).replace("\\n", "\n"))
        return
    report(work, fuzz(work, asked.seed, range(asked.first, asked.first + asked.tries)))


def report(work: Path, tries: Iterator[Try]) -> None:
    codes: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    slowest, largest, start = 0.0, 0, time.monotonic()
    for count, found in enumerate(tries, start=1):
        codes[found.code] += 1
        slowest, largest = max(slowest, found.seconds), max(largest, found.megabytes)
        if not found.fault and found.code:
            refusals[f"{found.target.rpartition('/')[2]} {kind_of(found)}"] += 1
        if found.fault:
            kinds[kind_of(found)] += 1
            if kinds[kind_of(found)] <= 5:
                with (work / "findings.jsonl").open("a") as file:
                    file.write(json.dumps({"kind": kind_of(found), **asdict(found)}) + "\n")
        if count % 100 == 0 or found.fault:
            rate = count / (time.monotonic() - start)
            print(f"{count} tries, {rate:.1f} a second, codes {dict(sorted(codes.items()))}, {len(kinds)} kinds of findings", flush=True)
    (work / "refusals.json").write_text(json.dumps(dict(refusals.most_common()), indent=1))
    print(
        json.dumps(
            {"codes": dict(sorted(codes.items())), "findings": dict(kinds), "slowest": round(slowest, 1), "megabytes": largest}, indent=1
        )
    )


if __name__ == "__main__":
    main()
