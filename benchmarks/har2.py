"""UCI HAR in two and in six classes: the paper's ablation, cells and storages at equal bytes, the frontier. Writes docs/har2.md.

    export RESCOMP_BENCHMARK_DATA=FOLDER                                  (holds uci_har.npz; or --data-folder FOLDER)
    python benchmarks/har2.py --list [--jobs PATTERN]                     names, bytes and whether they are done
    python benchmarks/har2.py --jobs 'har2/frontier-1024/*/s0'            trains on two thirds of the subjects, scores the others
    python benchmarks/har2.py --jobs 'har2/frontier-1024/*' --final       trains on all of them, looks at the test set
    python benchmarks/har2.py --table                                     docs/har2.md from results.jsonl

A job is a configuration and a seed. Each recipe has its own directory under --work, named by a digest of it and shared by jobs of the
same recipe; a finished job is skipped, an interrupted one goes on from its checkpoint. Several processes may work on one queue.
Without --final nothing ever reads the test set: the data set is made of the training subjects alone, and what the stages call its
test split are the subjects held out. `--set train.input_noise=0.3` tries other settings in directories of their own.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from har2_jobs import BASE, FINAL, VALIDATIONS, Job, all_jobs, convert, data_file, float_bytes, size
from har2_table import Record, render
from linear_baseline import linear_baseline

from rescomp import DISTRIBUTION, stages
from rescomp.compress import SparseSupport, anneal, matrices
from rescomp.data.dataset import Dataset, Split, load_dataset
from rescomp.errors import RescompError
from rescomp.model_directory import CHECKPOINT, RECIPE, ModelDirectory, write_atomically
from rescomp.models import RecurrentNet, build, use_loop
from rescomp.recipe import Recipe, Sparse, to_toml
from rescomp.stages.net_readings import steps
from rescomp.train.checkpoint import CheckpointFile, load_net, save_net
from rescomp.train.determinism import make_deterministic
from rescomp.train.evaluate import accuracy
from rescomp.train.loop import fit
from rescomp.train.metrics import EpochReport
from rescomp.train.schedule import quantize_schedule

DATA_VARIABLE = "RESCOMP_BENCHMARK_DATA"
RECORDED = (DISTRIBUTION, "torch", "numpy", "onnxruntime")
REPORTED_EVERY = 5


def main() -> None:
    options = parse()
    jobs = selected(options)
    if options.list:
        list_jobs(jobs, options)
    elif options.table:
        options.output.write_text(render(read_results(options.work)), encoding="utf-8")
        print(options.output)
    else:
        convert(data_folder(options), options.work)
        record_baselines(options)
        work_off(jobs, options)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-folder", type=Path, help=f"holds uci_har.npz (default: ${DATA_VARIABLE})")
    parser.add_argument("--work", type=Path, default=Path("har2-work"), help="model directories and results.jsonl (default: %(default)s)")
    parser.add_argument("--jobs", default="*", help="pattern of names, with * ? [], several separated by commas")
    parser.add_argument("--final", action="store_true", help="train on all training subjects and look at the test set")
    parser.add_argument("--list", action="store_true", help="show the jobs and their bytes, train nothing")
    parser.add_argument("--table", action="store_true", help="render --output from results.jsonl, train nothing")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "docs" / "har2.md")
    parser.add_argument("--epochs", help="TRAIN,QUANTIZE instead of each job's own")
    parser.add_argument("--epochs-scale", type=float, default=1.0, help="shorten or lengthen every job")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    return parser.parse_args()


def selected(options: argparse.Namespace) -> list[Job]:
    """The jobs that --jobs names, with the epochs and settings of the command line."""
    patterns = options.jobs.split(",")
    jobs = [job for job in all_jobs() if any(fnmatch(job.name, pattern) for pattern in patterns)]
    if not jobs:
        raise SystemExit(f"no job is named {options.jobs!r}: --list shows them")
    return [replace(job, epochs=epochs_of(job, options), settings=tuple(options.settings)) for job in jobs]


def epochs_of(job: Job, options: argparse.Namespace) -> tuple[int, int]:
    asked = tuple(map(int, options.epochs.split(","))) if options.epochs else job.epochs
    training, tuning = (max(1, round(count * options.epochs_scale)) for count in asked)
    return training, tuning


def data_folder(options: argparse.Namespace) -> Path:
    folder = options.data_folder or os.environ.get(DATA_VARIABLE)
    if not folder:
        raise SystemExit(f"where is uci_har.npz? give --data-folder FOLDER, or set {DATA_VARIABLE}")
    return Path(folder)


def split_of(seed: int, options: argparse.Namespace) -> str:
    """Name of the split of the data that a job of `seed` reads."""
    return FINAL if options.final else VALIDATIONS[seed]


def phase_of(options: argparse.Namespace) -> str:
    return "final" if options.final else "validation"


def list_jobs(jobs: list[Job], options: argparse.Namespace) -> None:
    """One line a job; `!` marks one that exceeds its budget."""
    done = recorded(options.work)
    columns = ("model", "weights", "scales", "biases", "tables")
    print(f"{'job':44} {'epochs':>7} {'budget':>6} " + " ".join(f"{name:>7}" for name in columns) + f" {'float':>6}  done")
    for job in jobs:
        found = size(job)
        numbers = " ".join(f"{found.bytes[name]:>7}" for name in columns)
        over = "!" if job.budget and found.bytes["model"] > job.budget else " "
        finished = [phase for phase in ("validation", "final") if (phase, job.name, job.key()) in done]
        epochs = "+".join(map(str, job.epochs))
        print(f"{job.name:44} {epochs:>7} {job.budget or '':>6}{over}{numbers} {found.float_bytes:>6}  {' '.join(finished)}", flush=True)


def work_off(jobs: list[Job], options: argparse.Namespace) -> None:
    """Every selected job that is not done and that no other process is working on. A failure does not stop the others."""
    failed = 0
    for number, job in enumerate(jobs, start=1):
        place = options.work / phase_of(options) / f"{job.task}.{job.key()}"
        print(f"[{number}/{len(jobs)}] {phase_of(options)} {job.name}", flush=True)
        with locked(place, wait=False) as free:
            if not free or is_recorded(job, options):
                print("  done already" if free else "  another process is at it")
                continue
            try:
                append_result(options.work, carry_out(job, place, options))
            except RescompError as error:
                failed += 1
                print(f"  failed: {error}", file=sys.stderr, flush=True)
    if failed:
        raise SystemExit(f"{failed} of {len(jobs)} jobs failed")


def is_recorded(job: Job, options: argparse.Namespace) -> bool:
    return (phase_of(options), job.name, job.key()) in recorded(options.work)


def recorded(work: Path) -> set[tuple[str, str, str]]:
    """(phase, job, key) of all that is done."""
    return {(record["phase"], record["job"], record["key"]) for record in read_results(work) if record["kind"] == "job"}


def carry_out(job: Job, place: Path, options: argparse.Namespace) -> Record:
    """All stages of one job, each only if it has not been done; its record."""
    recipe = job.recipe(str(data_file(options.work, job.task, split_of(job.seed, options))))
    float_place = options.work / phase_of(options) / f"{job.task}.float.{job.float_key()}"
    with locked(float_place, wait=True):
        train_float(recipe, float_place)
    own = Progress(place)
    float_accuracy = train_sparse_float(recipe, float_place, place, own) if job.float_sparse else None
    fine_tune(recipe, float_place, place, own)
    own.stage("export")
    stages.export_model(place, listener=own)
    verification = stages.verify(place, listener=own)
    own.keep()
    inspection = stages.inspect(place)
    found = ModelDirectory.open(place).manifest().accuracy
    record = {
        **identity(job, options),
        "accuracy": {"float": found.float_ if float_accuracy is None else float_accuracy, "integer": found.integer},
        "bytes": inspection.bytes,
        "ram": {"state": inspection.state, "scratch": inspection.scratch},
        "float_bytes": float_bytes(job),
        "compared": verification.compared,
        "mismatches": sum(report.mismatches for report in verification.witnesses),
        "witnesses": [report.who for report in verification.witnesses],
        "not_run": list(verification.not_run),
        "seconds": round(Progress(float_place).seconds + own.seconds),
    }
    print(f"  {record['accuracy']}  {record['bytes']['model']} bytes  {record['mismatches']} mismatches  {record['seconds']} s", flush=True)
    return record


def identity(job: Job, options: argparse.Namespace) -> Record:
    """What the record is of, and the command that makes it."""
    flags = [f"--epochs={','.join(map(str, job.epochs))}", *(f"--set={setting}" for setting in job.settings)]
    command = ["python", "benchmarks/har2.py", "--jobs", job.name, *flags, *(["--final"] if options.final else [])]
    return {
        "kind": "job",
        "phase": phase_of(options),
        "job": job.name,
        "key": job.key(),
        "recipe": to_toml(job.recipe()).decode(),
        "settings": list(job.settings),
        "base": list(BASE),
        "epochs": list(job.epochs),
        "command": shlex.join(command),
        "versions": versions(),
        "threads": job.recipe().train.threads,
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in RECORDED}}


def train_float(recipe: Recipe, place: Path) -> None:
    """The float net, begun, gone on with, or left as it is."""
    directory, listener = ModelDirectory(place), Progress(place)
    if directory.has("manifest.json") and directory.manifest().accuracy.float_ is not None:
        listener.stage("the float net is there")
        return
    stages.train_model(None if directory.has(CHECKPOINT) else recipe, place, force=True, listener=listener)
    listener.keep()


def fine_tune(recipe: Recipe, float_place: Path, place: Path, listener: Progress) -> None:
    """A copy of the float net's directory with this job's recipe, and quantize in it."""
    if not place.exists():
        partial = place.with_name(f"{place.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(float_place, partial)
        ModelDirectory.open(partial).write({RECIPE: to_toml(recipe)})
        partial.rename(place)
    directory = ModelDirectory.open(place)
    if directory.has(CHECKPOINT):
        stages.quantize(place, resume=True, listener=listener)
    elif directory.manifest().accuracy.integer is None:
        stages.quantize(place, listener=listener)
    listener.keep()


def train_sparse_float(recipe: Recipe, float_place: Path, place: Path, listener: Progress) -> float:
    """Iterative hard thresholding of the float net, no quantization (the paper's L+S); returns its accuracy."""
    result = place.with_name(f"{place.name}.sparse.safetensors")
    checkpoint = CheckpointFile(place.with_name(f"{place.name}.checkpoint.safetensors"))
    sparse = next(entry for entry in recipe.compress if isinstance(entry, Sparse))
    dataset = load_dataset(recipe.data)
    make_deterministic(recipe.train.seed, recipe.train.threads)
    net = build(recipe.model, dataset.train.channels, len(dataset.classes))
    use_loop(net, recipe.train.loop)
    if result.exists():
        make_sparse(net, sparse)
        load_net(net, result)
    else:
        listener.stage("sparse float net")
        load_net(net, float_place / "float.safetensors")
        make_sparse(net, sparse)
        schedule = quantize_schedule(recipe.train, recipe.quantize, [sparse])
        on_step = annealing(net)
        resume = checkpoint.path.exists()
        training = steps(recipe, dataset.train)
        fit(net, training, schedule, on_step=on_step, spread=net.std, report=listener.epoch, checkpoint=checkpoint, resume=resume)
        save_net(net, result)
        checkpoint.path.unlink()
        listener.keep()
    return accuracy(net, steps(recipe, dataset.test))


def annealing(net: RecurrentNet) -> Callable[[int, int], None]:
    return lambda done, total: anneal(net, done, total)


def make_sparse(net: RecurrentNet, sparse: Sparse) -> None:
    """Supports for the cell's matrices, as compress puts them there."""
    for cell in net.cells:
        for projection, density in ((cell.input, sparse.density_w), (cell.recurrent, sparse.density_u)):
            for matrix in matrices(projection):  # type: ignore[arg-type]
                matrix.support = SparseSupport.of(matrix.weight, density or sparse.density, sparse)


class Progress:
    """Prints stages and some epochs, and keeps the seconds worked on `place` in a file beside it, over interruptions."""

    def __init__(self, place: Path) -> None:
        self.path = place.with_name(f"{place.name}.seconds")
        self.seconds = float(self.path.read_text()) if self.path.exists() else 0.0
        self._since = time.monotonic()

    def keep(self) -> None:
        """Add the time since the last call."""
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, f"{self.seconds:.1f}\n".encode())

    def stage(self, title: str) -> None:
        print(f"  {title}", flush=True)

    def progress(self, progress: object) -> None:
        pass

    def warning(self, text: str) -> None:
        print(f"  warning: {text}", flush=True)

    def epoch(self, report: EpochReport) -> None:
        before = self.seconds
        self.keep()
        if report.epoch % REPORTED_EVERY == 0 or report.epoch in (1, report.epochs):
            figures = f"loss {report.loss:.4f}  training accuracy {report.accuracy:.2%}  {self.seconds - before:.1f} s"
            print(f"  {report.stage} {report.epoch}/{report.epochs}  {figures}  {report.schedule or ''}", flush=True)


@contextmanager
def locked(place: Path, *, wait: bool) -> Iterator[bool]:
    """Whether this process alone may work on `place`; the lock ends with the process."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def read_results(work: Path) -> list[Record]:
    """Every whole line of results.jsonl."""
    path = work / "results.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def append_result(work: Path, record: Record) -> None:
    """One line more, on disk before this returns: one write, alone with the file, after a line that an interruption cut off."""
    with (work / "results.jsonl").open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        start = "\n" if file.read(1) not in (b"", b"\n") else ""
        file.write(f"{start}{json.dumps(record, sort_keys=True)}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def record_baselines(options: argparse.Namespace) -> None:
    """Logistic regression on the means and standard deviations of the channels, for the split of each seed, once."""
    known = {(record["split"], record["task"]) for record in read_results(options.work) if record["kind"] == "linear"}
    wanted = {(split_of(job.seed, options), job.task) for job in selected(options)}
    for split, task in sorted(wanted - known):
        dataset = statistics_of(load_dataset(str(data_file(options.work, task, split))))
        found = linear_baseline(dataset, 1)
        figures = {"accuracy": found.accuracy, "bytes": found.bytes, "penalty": found.penalty}
        append_result(options.work, {"kind": "linear", "split": split, "task": task, "versions": versions(), **figures})


def statistics_of(dataset: Dataset) -> Dataset:
    """Each sequence as one step: the channels' means, then their standard deviations."""
    return replace(dataset, train=_one_step(dataset.train), test=_one_step(dataset.test))


def _one_step(split: Split) -> Split:
    x = np.concatenate([split.x.mean(axis=1), split.x.std(axis=1)], axis=1, dtype=np.float32)[:, None]
    return replace(split, x=x, lengths=np.ones_like(split.lengths))


if __name__ == "__main__":
    main()
