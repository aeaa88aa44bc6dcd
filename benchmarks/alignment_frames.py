"""UCI HAR's six classes on statistics of frames, with frontend.align and without. Writes the last section of docs/alignment.md.

    export RESCOMP_BENCHMARK_DATA=FOLDER                                  (holds uci_har.npz; or --data-folder FOLDER)
    python benchmarks/alignment_frames.py --work DIRECTORY

A finished training is kept under --work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from har2_jobs import decode
from net_stages import Progress, train_float
from page_options import page_parser

from rescomp import stages
from rescomp.manifest import Manifest
from rescomp.model_directory import CHECKPOINT, ModelDirectory
from rescomp.recipe import load_recipe

PAGE = Path(__file__).parent.parent / "docs" / "alignment.md"
TITLE = "## Statistics of frames, six classes"
SEEDS, RATE, CALIBRATING = (0, 1), 50, 400
NET = ("model.kind=fastgrnn", "model.hidden_size=16", "train.epochs=30", "quantize.epochs=6", "train.threads=1")
FRAMES = ("frontend.kind=statistics", "frontend.statistics=mean,log_deviation", "frontend.length=64", "frontend.hop=32")
ALIGN = (
    "frontend.align=true",
    "frontend.axes=total_acc_x,total_acc_y,total_acc_z,body_acc_x,body_acc_y,body_acc_z,body_gyro_x,body_gyro_y,body_gyro_z",
    "frontend.calibration=walking",
    f"frontend.calibration_readings={CALIBRATING}",
)
TEXT = f"""{TITLE}

Written by `python benchmarks/alignment_frames.py`: UCI HAR's six classes, official split, a group a recording; `fastgrnn` of 16 units,
int8, `mean` and `log_deviation` of frames of 64 readings every 32, 30 + 6 epochs; the integer model on the test set, looked at once a
seed. With `frontend.align` the first windows of walking of each recording calibrate it, until they have {CALIBRATING} readings: four
windows, which overlap by half, or 6.4 s. These and a recording without any walking are not tested in the last two rows; windows that
share readings with the fourth one are.
"""


def write_source(pack_path: Path, source: Path) -> None:
    """The official split as a data set of samples, each recording a group."""
    pack = decode(pack_path)
    arrays = {f"{name}_{side}": pack[f"{name}_{side}"] for name in ("x", "y") for side in ("train", "test")}
    groups = {f"group_{side}": pack[f"exp_{side}"].astype(np.int64) for side in ("train", "test")}
    classes = np.array([str(name).lower() for name in pack["classes"]])
    np.savez(source, **arrays, **groups, classes=classes, channels=pack["channels"], sample_rate=np.array(RATE))  # type: ignore[arg-type]


def measured(place: Path, source: Path, settings: Sequence[str], seed: int) -> Manifest:
    """What the manifest of a quantized model says, which is trained unless it is there."""
    train_float(load_recipe(None, [f"data.source={source}", f"train.seed={seed}", *NET, *FRAMES, *settings], weights="int8"), place)
    directory = ModelDirectory.open(place)
    if directory.manifest().accuracy.integer is None:
        stages.quantize(place, resume=directory.has(CHECKPOINT), listener=Progress(place))
    return directory.manifest()


def section(plain: Sequence[Manifest], aligned: Sequence[Manifest]) -> Iterator[str]:
    """The section, line by line. plain, aligned: by seed."""
    worth = [each.calibrated for each in aligned if each.calibrated is not None]
    rows = {
        "without an alignment": ([each.accuracy.integer or 0.0 for each in plain], plain[0].data.test_sequences or 0),
        "with one, calibrated": ([each.accuracy for each in worth], worth[0].recordings),
        "with one, not calibrated": ([each.as_they_are for each in worth], worth[0].recordings),
    }
    yield TEXT
    yield f"| model | windows | {' | '.join(f'seed {seed}' for seed in SEEDS)} | mean |"
    yield "|---|---:|" + "---:|" * (len(SEEDS) + 1)
    for name, (values, windows) in rows.items():
        yield f"| {name} | {windows:,} | {' | '.join(f'{value:.2%}' for value in values)} | **{np.mean(values):.2%}** |"
    yield ""
    yield "Such a net relies on the calibration: a device that nobody calibrates is better off without an alignment."


def main() -> None:
    options = page_parser(__doc__).parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    source = options.work / "recordings.npz"
    if not source.is_file():
        write_source(options.data_folder / "uci_har.npz", source)
    plain = [measured(options.work / f"plain-{seed}", source, (), seed) for seed in SEEDS]
    aligned = [measured(options.work / f"aligned-{seed}", source, ALIGN, seed) for seed in SEEDS]
    before = PAGE.read_text(encoding="utf-8").partition(TITLE)[0].rstrip("\n")
    PAGE.write_text("\n".join([before, "", *section(plain, aligned), ""]), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
