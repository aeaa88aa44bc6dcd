"""Ideas from papers against the house's own at equal bytes, in pairs of folds and seeds. Writes docs/papers.md and benchmarks/papers.json.

    export RESCOMP_BENCHMARK_DATA=FOLDER                             (holds uci_har.npz; or --data-folder FOLDER)
    python benchmarks/papers.py --work FOLDER [--jobs PATTERN]       trains; a finished job is skipped
    python benchmarks/papers.py --work FOLDER --table                the page and the raw figures of what is done so far

UCI HAR, three folds of the training subjects: a net is trained on two thirds of them and judged on the others. Nothing reads the test set.
An idea pays where it is better by at least MARGIN points and by more than two standard errors of the paired difference.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import papers_blocks
from har2_jobs import BASE, INT4, LINEAR, SEEDS, VALIDATIONS, convert, data_file
from har2_table import Record
from page_options import page_parser
from papers_bank import quantize_bank, share
from papers_cells import CandidateNet, Diagonal, Legendre, Turning
from papers_page import Compared, write
from papers_schedules import linear, rates, recorded_norms, refined
from papers_training import Trial, counted_bytes
from papers_units import by_lattice, by_strength, keep_units
from recipes import GAINS, FoldJob
from resnet1d_har import TRAINING
from results_log import append_result, locked, read_results
from torch import nn

from rescomp.models import RecurrentNet
from rescomp.recipe import STREAMS, load_recipe

DRAWS = 2
HIDDEN, LARGER = 24, 32
INPUTS, CLASSES = 36, 2
WINDOW = 32
"""Steps of a recording, and the memory of the Legendre unit."""
BANKS: Mapping[int, int] = {32: 1506, 40: 1442}
"""Entries of the bank by hidden size, so that all const data take as many bytes as the house's net."""
RECURRENT = ("train.epochs=30", "quantize.epochs=30")
RESIDUAL = (*TRAINING, "train.epochs=12", "quantize.epochs=8", f"compress=[{INT4}]")


@dataclass(frozen=True)
class Place:
    """Where a job runs: on which fold, with which seed, and in which folder."""

    work: Path
    fold: int
    draw: int
    settings: tuple[str, ...] = ()

    def trial(self, task: str, keys: Sequence[str]) -> Trial:
        source = data_file(self.work, task, VALIDATIONS[self.fold])
        own = [f"data.source={source}", f"model.name={task}", f"train.seed={self.fold * DRAWS + self.draw}", "train.device=cpu"]
        return Trial(load_recipe(None, [*keys, *own, *self.settings]))

    def recurrent(self, hidden: int = HIDDEN) -> Trial:
        streams = [f"train.{key}={value}" for key, value in STREAMS.items()]
        model = ["model.readings=4", f"model.hidden_size={hidden}"]
        return self.trial("har2", [*BASE, *streams, *model, *RECURRENT, f"compress=[{INT4},{GAINS},{LINEAR}]"])

    def norms(self, stage: str) -> Path:
        """Of the gradients under linear decay."""
        return self.work / "norms" / f"{stage}.fold{self.fold}.s{self.draw}.npy"


Run = Callable[[Place], Record]


def fastgrnn(place: Place) -> Record:
    trial = place.recurrent()
    net = trial.trained(trial.fresh())
    integer, nbytes = trial.integer(net)
    figures = {"integer": integer, "weights": trial.weights(net), "bytes": nbytes["model"], "counted": counted_bytes(net)}
    return {"float": trial.floating(net), **figures}


def linear_decay(place: Place) -> Record:
    """Keeps the norms of its gradients, from which the refined schedule follows."""
    trial, of_float, of_integer = place.recurrent(), list[float](), list[float]()
    with rates(linear):
        with recorded_norms(of_float):
            net = trial.trained(trial.fresh())
        with recorded_norms(of_integer):
            integer, nbytes = trial.integer(net)
    place.norms("float").parent.mkdir(exist_ok=True)
    for stage, norms in (("float", of_float), ("integer", of_integer)):
        np.save(place.norms(stage), np.array(norms))
    return {"float": trial.floating(net), "integer": integer, "bytes": nbytes["model"]}


def refined_decay(place: Place) -> Record:
    trial = place.recurrent()
    with rates(refined(np.load(place.norms("float")))):
        net = trial.trained(trial.fresh())
    with rates(refined(np.load(place.norms("integer")))):
        integer, nbytes = trial.integer(net)
    return {"float": trial.floating(net), "integer": integer, "bytes": nbytes["model"]}


def shared(hidden: int, place: Place) -> Record:
    trial = place.recurrent(hidden)
    net = trial.fresh()
    share(net, BANKS[hidden])
    net = trial.trained(net)
    integer, nbytes = trial.integer(net, lambda compressed: quantize_bank(net, compressed))
    return {"float": trial.floating(net), "integer": integer, "bytes": nbytes["model"] - nbytes["weights"] + -(-BANKS[hidden] // 2)}


def pruned(choose: Callable[[RecurrentNet, int], list[int]], place: Place) -> Record:
    """A float net of LARGER units, HIDDEN of which are fine-tuned."""
    trial, larger = place.recurrent(), place.recurrent(LARGER)
    net, small = larger.trained(larger.fresh()), trial.fresh()
    assert isinstance(net, RecurrentNet)
    assert isinstance(small, RecurrentNet)
    keep_units(net, small, choose(net, HIDDEN))
    integer, nbytes = trial.integer(small)
    return {"float": larger.floating(net), "integer": integer, "bytes": nbytes["model"]}


def recurrence(make: Callable[[], nn.Module], place: Place) -> Record:
    trial = place.recurrent()
    trial.seeded()
    net = CandidateNet(make(), CLASSES, trial.centre.repeat(4), trial.spread.repeat(4))
    trial.trained(net)
    return {"float": trial.floating(net), "weights": trial.weights(net), "counted": counted_bytes(net)}


def residual(kind: str, place: Place) -> Record:
    trial = place.trial("har6", [f"model.kind={papers_blocks.__name__}:{kind}", *RESIDUAL])
    net = trial.trained(trial.fresh())
    integer, nbytes = trial.integer(net)
    return {"float": trial.floating(net), "integer": integer, "bytes": nbytes["model"]}


COSINE, STACKED = "FastGRNN", "stacked blocks"
VARIANTS: Mapping[str, tuple[Compared, Run]] = {
    COSINE: (Compared("the house's: cosine, H 24"), fastgrnn),
    "linear decay": (Compared("learning rate", COSINE), linear_decay),
    "refined decay": (Compared("learning rate", COSINE), refined_decay),
    "shared parameters, H 32": (Compared("random parameter sharing", COSINE), partial(shared, 32)),
    "shared parameters, H 40": (Compared("random parameter sharing", COSINE), partial(shared, 40)),
    "units of a lattice": (Compared("lattice-based pruning", COSINE), partial(pruned, by_lattice)),
    "largest units": (Compared("lattice-based pruning", COSINE), partial(pruned, by_strength)),
    "diagonal": (Compared("diagonal linear recurrence", COSINE, "weights"), partial(recurrence, partial(Diagonal, INPUTS, 26, 17))),
    "diagonal, complex": (Compared("diagonal linear recurrence", COSINE, "weights"), partial(recurrence, partial(Turning, INPUTS, 26, 17))),
    "diagonal, gated": (
        Compared("diagonal linear recurrence", COSINE, "weights"),
        partial(recurrence, partial(Diagonal, INPUTS, 16, 18, gated=True)),
    ),
    "Legendre memory": (
        Compared("Legendre memory unit", COSINE, "weights"),
        partial(recurrence, partial(Legendre, INPUTS, 6, 6, float(WINDOW), 18)),
    ),
    STACKED: (Compared("the house's: blocks one behind the other"), partial(residual, "stacked")),
    "parallel blocks": (Compared("parallel shallow blocks", STACKED), partial(residual, "parallel")),
    "one block repeated (SCORE)": (Compared("parallel shallow blocks", STACKED), partial(residual, "score")),
}


class Job(FoldJob):
    """One of VARIANTS."""

    def carry_out(self, work: Path) -> Record:
        began = time.monotonic()
        figures = VARIANTS[self.variant][1](Place(work, self.fold, self.draw, self.settings))
        return {"key": self.key, **asdict(self), **figures, "seconds": round(time.monotonic() - began)}


def main() -> None:
    options = parse()
    every = [Job(variant, fold, draw, tuple(options.settings)) for draw, fold, variant in product(range(DRAWS), range(SEEDS), VARIANTS)]
    jobs = [job for job in every if fnmatch(job.name, options.jobs)]
    if not options.table:
        convert(options.data_folder, options.work)
        work_off(jobs, options.work)
    done = recorded(options.work)
    write([done[job.key] for job in every if job.key in done], {name: compared for name, (compared, _) in VARIANTS.items()}, options)


def parse() -> argparse.Namespace:
    parser = page_parser(__doc__)
    parser.add_argument("--jobs", default="*", help="pattern of names, with * ? []")
    parser.add_argument("--table", action="store_true", help="write the page from what is done, train nothing")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--output", type=Path, help="the page (default: docs/papers.md)")
    parser.add_argument("--raw", type=Path, help="the figures (default: benchmarks/papers.json)")
    return parser.parse_args()


def work_off(jobs: Sequence[Job], work: Path) -> None:
    """Every job that is not done, one after another: no other process works in the folder."""
    with locked(work / "papers", wait=False) as free:
        if not free:
            raise SystemExit(f"another process works in {work}")
        done = recorded(work)
        for number, job in enumerate(jobs, start=1):
            if job.key not in done:
                record = job.carry_out(work)
                append_result(work, record)
                shown = "  ".join(f"{key} {record[key]:.2%}" for key in ("float", "integer", "weights") if key in record)
                print(f"[{number}/{len(jobs)}] {job.name}  {shown}  {record.get('bytes', '')}  {record['seconds']} s", flush=True)


def recorded(work: Path) -> dict[str, Record]:
    """What is done, by key."""
    return {str(record["key"]): record for record in read_results(work)}


if __name__ == "__main__":
    main()
