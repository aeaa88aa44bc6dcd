"""Nets that run on without a reset, trained as before and with carried states. Writes docs/streaming_results.md.

    export RESCOMP_BENCHMARK_DATA=FOLDER                             (holds uci_har.npz; or --data-folder FOLDER)
    python benchmarks/streams.py --list [--jobs PATTERN]             names, and whether they are done
    python benchmarks/streams.py [--jobs 'har6/fold0/*']             trains, evaluates, adds a line to WORK/results.jsonl
    python benchmarks/streams.py --table                             benchmarks/streams.jsonl and docs/streaming_results.md from it

A job is a task, a split, a recipe, a seed and a storage; the order is such that what is done is of use when it is interrupted. A
finished job is skipped, an interrupted one goes on from its checkpoint. Recipes differ in train.carry and train.loss_share alone and
share their seeds. har6/fold0..2 train on two thirds of the training subjects and judge the others; har6/test looks at the test set.
"""

from __future__ import annotations

import argparse
import os
from fnmatch import fnmatch
from pathlib import Path

from net_stages import Progress, fine_tune, train_float
from page_options import DATA_VARIABLE
from results_log import append_result, read_results
from stream_jobs import Job, all_jobs, recordings
from streams_evaluation import evaluate_job
from streams_table import render

BESIDE = Path(__file__).with_name("streams.jsonl")
OUTPUT = Path(__file__).parent.parent / "docs" / "streaming_results.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-folder", type=Path, default=os.environ.get(DATA_VARIABLE), help=f"default: ${DATA_VARIABLE}")
    parser.add_argument("--work", type=Path, default=Path("streams-work"), help="models and results.jsonl (default: %(default)s)")
    parser.add_argument("--jobs", default="*", help="pattern of names, with * ? []")
    parser.add_argument("--list", action="store_true", help="show the jobs, train nothing")
    parser.add_argument("--table", action="store_true", help="write the table from results.jsonl, train nothing")
    options = parser.parse_args()
    jobs = [job for job in all_jobs() if fnmatch(job.name, options.jobs)]
    done = {record["job"] for record in read_results(options.work)}
    if options.list:
        print("\n".join(f"{job.name}{'  done' if job.name in done else ''}" for job in jobs))
    elif options.table:
        write_table(options.work)
    else:
        work_off([job for job in jobs if job.name not in done], options)


def write_table(work: Path) -> None:
    """The raw results in the order of the jobs, and the table; without a result of this work, from those beside this file."""
    if (work / "results.jsonl").exists():
        lines = {line.split('"job": "')[1].split('"')[0]: line for line in (work / "results.jsonl").read_text().splitlines() if line}
        BESIDE.write_text("".join(f"{lines[job.name]}\n" for job in all_jobs() if job.name in lines))
    OUTPUT.write_text(render(BESIDE))
    print(OUTPUT)


def work_off(jobs: list[Job], options: argparse.Namespace) -> None:
    for number, job in enumerate(jobs, start=1):
        print(f"[{number}/{len(jobs)}] {job.name}", flush=True)
        recipe = job.recipe(recordings(job, options.data_folder, options.work))
        float_place = options.work / job.float_name
        train_float(recipe, float_place)
        place, progress = float_place, Progress(float_place)
        if job.format != "float":
            place = options.work / f"{job.float_name}.{job.format}"
            progress = Progress(place)
            fine_tune(recipe, float_place, place, progress)
        record = {"job": job.name, "seconds": round(progress.seconds), **evaluate_job(job, place, recipe, options.data_folder)}
        append_result(options.work, record)
        print("  " + "  ".join(f"{name} {record[name]}" for name in ("offline", "streamed", "settled", "ends", "corner")), flush=True)


if __name__ == "__main__":
    main()
