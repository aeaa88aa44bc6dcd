"""How long an export takes, by two versions of rescomp: ratios of one run. Writes docs/export_time.md.

    git worktree add --detach BEFORE b9b00a2
    python benchmarks/export_time.py --work DIRECTORY --before BEFORE [--repeats 15] [--output docs/export_time.md]

Each version is a process of its own, which makes the models of the same recipes, untrained, and exports them again and again with
everything imported. The two take turns, export by export, so that a busy machine slows both alike; what counts is the median of the
ratios of the turns, in seconds of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
OUTPUT = ROOT / "docs" / "export_time.md"
UNTRAINED = ("train.epochs=0", "quantize.epochs=0", "train.threads=1")
CELLS = ("model.hidden_size=32",)
MODELS: Mapping[str, tuple[str, Sequence[str]]] = {
    "fastgrnn": ("ternary", ("model.kind=fastgrnn", *CELLS)),
    "fastgrnn, low rank, piecewise linear": (
        "int4",
        ("model.kind=fastgrnn", "model.rank_w=4", "model.rank_u=8", "model.nonlinearity=piecewise_linear", *CELLS),
    ),
    "gru": ("int8", ("model.kind=gru", *CELLS)),
    "lstm, two layers": ("int4", ("model.kind=lstm", "model.layers=2", *CELLS)),
    "resnet1d": ("int8", ("model.kind=resnet1d",)),
    "dscnn1d, streaming": ("int8", ("model.kind=dscnn1d", "model.streaming=true")),
    "hourglass": ("ternary", ("model.kind=hourglass", "model.widths=[64,16]")),
}
"""By name: weights, and settings that both versions know."""
SERVER = """
import contextlib, json, sys, time
from rescomp.cli import main
for line in sys.stdin:
    begin = time.process_time()
    with contextlib.redirect_stdout(sys.stderr):
        code = main(json.loads(line))
    print(json.dumps([code, time.process_time() - begin]), flush=True)
"""


class Version:
    """A tree of rescomp in a process that takes its commands."""

    def __init__(self, tree: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        link, self.models = folder / "rescomp", folder / "models"
        if not link.exists():
            link.symlink_to(tree.resolve(), target_is_directory=True)
        environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", SERVER]
        with (folder / "log.txt").open("w") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, cwd=folder, text=True
            )

    def seconds(self, *words: str) -> float:
        """Of the processor, for a command of rescomp."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        code, seconds = json.loads(self._process.stdout.readline())
        if code:
            raise SystemExit(f"{' '.join(words)} ended with {code}: see log.txt beside {self.models}")
        return float(seconds)

    def make(self, name: str) -> Path:
        """The model directory of that name."""
        weights, settings = MODELS[name]
        path = self.models / name.replace(", ", "-").replace(" ", "_")
        if not (path / "graph.json").exists():
            options = [word for setting in (*UNTRAINED, *settings) for word in ("--set", setting)]
            self.seconds("train", "-o", str(path), "--force", "--weights", weights, *options)
            self.seconds("quantize", str(path))
        return path

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def ratios(before: Version, after: Version, repeats: int) -> Iterator[tuple[str, float, float, float]]:
    """(model, seconds of the version after, median of the ratios, what a quarter of them is above) for each."""
    for name in MODELS:
        paths = before.make(name), after.make(name)
        turns = [[each.seconds("export", str(path)) for each, path in zip((before, after), paths, strict=True)] for _ in range(repeats + 1)]
        found = sorted(now / then for then, now in turns[1:])
        print(f"{name}: {', '.join(f'{ratio:.2f}' for ratio in found)}", flush=True)
        yield name, statistics.median(now for _, now in turns[1:]), statistics.median(found), found[-(len(found) // 4) - 1]


def page(rows: Sequence[tuple[str, float, float, float]], before: str, repeats: int) -> str:
    """The page."""
    told = "\n".join(f"| {name} | {1000 * seconds:.0f} | {ratio:.2f} | {high:.2f} |" for name, seconds, ratio, high in rows)
    medians = [ratio for _, _, ratio, _ in rows]
    mean = statistics.geometric_mean(medians)
    where = f"{platform.machine()}, Python {platform.python_version()}"
    return f"""# Export time

What `rescomp export` takes of the processor, ONNX, TFLite and C of an untrained model, against the version before nets were one program
({before}), in one run in which the two take turns: {mean:.2f} times as much over all models, {max(medians):.2f} at most.

| model | ms | ratio, median | a quarter of the ratios is above |
|---|---|---|---|
{told}

Made by `python benchmarks/export_time.py --work DIRECTORY --before BEFORE --repeats {repeats}` on {where}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--after", type=Path, default=ROOT)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    versions = [Version(getattr(options, name), options.work.resolve() / name) for name in ("before", "after")]
    rows = list(ratios(versions[0], versions[1], options.repeats))
    for version in versions:
        version.close()
    asked = ["git", "-C", options.before, "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
    options.output.write_text(page(rows, revision.stdout.strip(), options.repeats))
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
