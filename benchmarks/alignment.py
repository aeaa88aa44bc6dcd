"""HAR-2 with 8 s of walking as a calibration: what an alignment of the worn device is worth. Writes docs/alignment.md,
but for its last section, which benchmarks/alignment_frames.py writes.

    export RESCOMP_BENCHMARK_DATA=FOLDER                                  (holds uci_har.npz; or --data-folder FOLDER)
    python benchmarks/alignment.py --work DIRECTORY

Another protocol than that of docs/har2.md: of each recording the first 8 s of walking are known as such, before the rest is classified.
The windows that lie in them are tested by neither side. A finished training is kept under --work.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from alignment_classifier import FOLDS, classifier_accuracy, features_of, turned_to_both
from alignment_data import AXES, CHANNELS, FRACTION_BITS, Worn, alignments, angles, op_of, read_side, reference_of, turned_by
from alignment_frames import TITLE
from har2_jobs import all_jobs, decode
from net_stages import Progress, fine_tune, train_float
from page_options import DATA_VARIABLE

from rescomp.graph.alignment import with_alignment
from rescomp.graph.evaluate import evaluate
from rescomp.graph.fixed_point import FloatArray, IntArray
from rescomp.graph.ops import Align
from rescomp.model_directory import ModelDirectory
from rescomp.stages.artefacts import read_model

OUTPUT = Path(__file__).parent.parent / "docs" / "alignment.md"
JOB, EPOCHS, SEEDS = "har2/frontier-1024/int4-window4/s0", (12, 10), (0, 1)
SIDES = ("train", "test")


def train_net(work: Path, name: str, seed: int, sides: Mapping[str, Worn], x: Mapping[str, IntArray]) -> Path:
    """The model directory of a net that was trained on such readings of one protocol."""
    source, place = work / f"{name}.npz", work / f"{name}-{seed}"
    if not source.is_file():
        tested = ~sides["test"].calibrating
        real = {side: (x[side] / (1 << FRACTION_BITS)).astype(np.float32) for side in SIDES}
        arrays = {"x_train": real["train"], "y_train": sides["train"].y, "group_train": sides["train"].subject}
        np.savez(source, **arrays, x_test=real["test"][tested], y_test=sides["test"].y[tested])  # type: ignore[arg-type]
    job = replace(
        next(job for job in all_jobs() if job.name == JOB), seed=seed, epochs=EPOCHS, settings=(f"data.fraction_bits={FRACTION_BITS}",)
    )
    recipe = job.recipe(str(source))
    train_float(recipe, place)
    fine_tune(recipe, place, work / f"{name}-{seed}-int4", Progress(work / f"{name}-{seed}-int4"))
    return work / f"{name}-{seed}-int4"


def accuracy_of(path: Path) -> float:
    found = ModelDirectory.open(path).manifest().accuracy.integer
    assert found is not None
    return found


def check_device(path: Path, test: Worn, op: Align, turned: IntArray) -> int:
    """Scores of the model that turns by itself, on readings as they are, against those of the net on readings turned before; how many."""
    model, rows = read_model(ModelDirectory.open(path)), ~test.calibrating
    shape = (int(rows.sum()), -1, model.input.type.size)
    worn = with_alignment(model, CHANNELS, AXES, op.reference)
    initial = np.zeros((shape[0], sum(value.type.size for value in worn.states("step"))), np.int64)
    initial[:, -9:] = alignments(test, op)[rows]
    found = evaluate(worn, test.x[rows].reshape(shape), initial=initial)
    wanted = evaluate(model, turned[rows].reshape(shape))
    if not np.array_equal(found.scores, wanted.scores) or not np.array_equal(found.states[..., :-9], wanted.states):
        raise SystemExit("the model that turns its readings does not answer as the net on turned readings")
    return found.scores.size + wanted.states.size


HEADING = """# An alignment, measured

Written by `python benchmarks/alignment.py`; [contract.md](contract.md) says what is computed.

HAR-2 as in [har2.md](har2.md), in another protocol: of each recording the first 8 s of walking are known to be walking, and turn it. The
windows that lie in them, and a recording without any walking, are left out of every test below. UCI HAR, official split by subject.
"""
NET = """
## A net of 1 KB

`{job}` of har2.md with {epochs[0]} + {epochs[1]} epochs, trained on readings as they are, or turned; the integer model on the
test set, looked at once a seed.
"""
CLASSIFIER = """
## Which calibration

A float classifier of 48 units on the mean and the log deviation of each channel, training subjects held out in {folds} ways, mean over
the folds.

| turned by | right |
|---|---:|"""
TURNED = """Recordings of the training part are turned by {0:.0f} to {2:.0f} degrees (tenth to ninetieth percentile, median {1:.0f})."""
UNSHOWN = """
Seeds differ by more than what is gained: for this net, which sees in every window how a device is worn, these do not show that an
alignment is worth anything. On statistics, below, it is worth much."""
DEVICE = """
The model with the rotation in its state, on readings as they are, gives what the net gives on turned ones: {:,} values compared,
0 differ."""
ALIKE = """
The main horizontal direction lies anywhere: the doubled angles have a resultant of {:.2f}, where 1 is all alike. So `<model>_calibrate`
leaves it alone."""


@dataclass(frozen=True)
class Found:
    """nets: accuracies by seed. compared: values of the device's model. classifiers: by what readings are turned by."""

    nets: Mapping[str, list[float]]
    compared: int
    classifiers: Mapping[str, float]
    alike: float
    turns: FloatArray


def report(found: Found) -> Iterator[str]:
    """The page, line by line."""
    yield HEADING
    yield TURNED.format(*np.percentile(found.turns, [10, 50, 90]))
    yield NET.format(job=JOB.rpartition("/")[0], epochs=EPOCHS)
    yield f"| readings | {' | '.join(f'seed {seed}' for seed in SEEDS)} | mean |"
    yield "|---|" + "---:|" * (len(SEEDS) + 1)
    for name, values in found.nets.items():
        yield f"| {name} | {' | '.join(f'{value:.2%}' for value in values)} | **{np.mean(values):.2%}** |"
    gains = 100 * (np.array(found.nets["turned"]) - np.array(found.nets["as they are"]))
    yield f"| gain, points | {' | '.join(f'{gain:+.2f}' for gain in gains)} | **{gains.mean():+.2f}** |"
    if gains.mean() < 100 * np.ptp(found.nets["as they are"]):
        yield UNSHOWN
    yield DEVICE.format(found.compared)
    yield CLASSIFIER.format(folds=FOLDS)
    yield from (f"| {name} | {value:.2%} |" for name, value in found.classifiers.items())
    yield ALIKE.format(found.alike)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-folder", type=Path, default=os.environ.get(DATA_VARIABLE))
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    if options.data_folder is None:
        raise SystemExit(f"where is uci_har.npz? give --data-folder FOLDER, or set {DATA_VARIABLE}")
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    pack = decode(Path(options.data_folder) / "uci_har.npz")
    sides = {side: read_side(pack, side) for side in SIDES}
    reference, op = reference_of(sides["train"]), op_of(sides["train"])
    turned = {name: turned_by(side, op) for name, side in sides.items()}
    both, alike = turned_to_both(sides["train"], reference)
    readings = {
        "nothing": sides["train"].x,
        "the mean (`<model>_calibrate`)": turned["train"],
        "the mean and the main horizontal direction": both,
    }
    classifiers = {name: classifier_accuracy(features_of(x), sides["train"]) for name, x in readings.items()}
    print(classifiers, alike, flush=True)
    nets: dict[str, list[float]] = {"as they are": [], "turned": []}
    compared = 0
    for seed in SEEDS:
        plain = train_net(options.work, "plain", seed, sides, {side: each.x for side, each in sides.items()})
        path = train_net(options.work, "turned", seed, sides, turned)
        nets["as they are"].append(accuracy_of(plain))
        nets["turned"].append(accuracy_of(path))
        compared += check_device(path, sides["test"], op, turned["test"])
        print(nets, compared, flush=True)
    found = Found(nets, compared, classifiers, alike, angles(sides["train"], op))
    kept = OUTPUT.read_text(encoding="utf-8").partition(TITLE)[1:] if OUTPUT.is_file() else ()
    OUTPUT.write_text("\n".join([*report(found), "", "".join(kept)]), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
