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
import os
import shlex
import sys
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from har2_jobs import BASE, FINAL, VALIDATIONS, Job, all_jobs, convert, data_file, float_bytes, size
from har2_table import Record, render
from linear_baseline import linear_baseline
from net_stages import Progress, fine_tune, train_float, train_sparse_float
from page_options import DATA_VARIABLE
from results_log import append_result, locked, read_results, versions

from rescomp import stages
from rescomp.data.dataset import Dataset, Split, load_dataset
from rescomp.errors import RescompError
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import to_toml


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
