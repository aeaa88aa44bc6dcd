"""Decisions on HAR-6 streams: chosen on the validation folds, then read once on the official test people.

    python benchmarks/stream_decisions.py --work DIRECTORY [--data-folder FOLDER] [--weights int4]     of streams.py, its har6 jobs done

Of all nets trained for streams (recipe `carry`, integer formats, every seed and fold), each candidate of the search that
`decide.false_alarms` runs is walked; the one with the least median delay among those with at most MOST changes a minute of settled time,
folds and seeds together, is then put behind the nets that were trained on all training people. Writes benchmarks/stream_decisions.json,
which streams.py --table reads; records of formats that are not asked for stay.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from page_options import DATA_VARIABLE
from stream_jobs import RATE, READINGS, Job, all_jobs, judged

from rescomp.data.input_format import to_device_integers
from rescomp.data.streams import streams_in_steps
from rescomp.graph.decisions import stream_scores
from rescomp.graph.ir import IntegerModel
from rescomp.model_directory import ModelDirectory
from rescomp.rates import Clock
from rescomp.recipe import DecideSection
from rescomp.stages.artefacts import read_model
from rescomp.stages.decision import HOLDS, MARGINS, SMOOTHINGS, Stream, decide_by, describe_settings
from rescomp.stages.labelled_steps import LabelledSteps
from rescomp.stages.stream_metrics import StreamMetrics, measure_streams

MOST = 2.0
"""Changes a minute."""
OUTPUT = Path(__file__).with_name("stream_decisions.json")
CANDIDATES = [
    DecideSection(smoothing=smoothing, margin=margin, hold=hold) for smoothing in SMOOTHINGS for margin in MARGINS for hold in HOLDS
]
CLOCK = Clock(readings_a_step=4, stride=4, settle=READINGS, rate=RATE)


@dataclass(frozen=True)
class Walked:
    """The scores of a model along its streams, which every decision reads."""

    model: IntegerModel
    stream: Stream

    @classmethod
    def of(cls, job: Job, work: Path, folder: Path | None) -> Walked:
        directory = ModelDirectory.open(work / f"{job.float_name}.{job.format}")
        model, (_, streams) = read_model(directory), judged(job, folder)
        framed = streams_in_steps(streams, CLOCK.stride, CLOCK.stride)
        x = to_device_integers(framed.x, directory.manifest().input.fraction_bits)
        scores = stream_scores(model, np.asarray(x, np.int16), framed.lengths).scores
        return cls(model, Stream(scores, LabelledSteps.of(framed)))

    def measure(self, section: DecideSection | None) -> StreamMetrics:
        """None: the largest score decides."""
        if section is None:
            return measure_streams(self.stream.scores.argmax(axis=2), self.stream.steps, CLOCK)
        return self.stream.measure(self.model, decide_by(section, self.model.output.type), CLOCK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data-folder", type=Path, default=os.environ.get(DATA_VARIABLE), help=f"default: ${DATA_VARIABLE}")
    parser.add_argument("--weights", default="int8,int4,ternary")
    options = parser.parse_args()
    formats = options.weights.split(",")
    jobs = [job for job in all_jobs() if job.task == "har6" and job.recipe_name == "carry" and job.format in formats]
    records = [record for record in kept() if record["weights"] not in formats]
    for format in dict.fromkeys(job.format for job in jobs):
        own = [job for job in jobs if job.format == format]
        folds = [Walked.of(job, options.work, options.data_folder) for job in own if job.split != "test"]
        chosen = choose(folds)
        test = [Walked.of(job, options.work, options.data_folder) for job in own if job.split == "test"]
        for place, walked in (("validation folds", folds), ("official test", test)):
            records += list(figures(format, place, walked, chosen))
    OUTPUT.write_text(json.dumps(records, indent=1) + "\n")


def kept() -> list[dict[str, Any]]:
    """What an earlier run wrote."""
    records: list[dict[str, Any]] = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else []
    return records


def choose(folds: Sequence[Walked]) -> DecideSection:
    """The candidate with the least delay whose changes are few enough; the plainest of equals."""
    found = [(section, summary([walked.measure(section) for walked in folds])) for section in CANDIDATES]
    quiet = [(section, figure) for section, figure in found if figure["changes"] <= MOST and figure["delay"] is not None]
    return min(quiet, key=lambda pair: (pair[1]["delay"], pair[1]["miss"]))[0]


def figures(format: str, place: str, walked: Sequence[Walked], chosen: DecideSection) -> Iterator[dict[str, Any]]:
    """A record of the plain scores and one of the chosen decision."""
    for name, section in (("largest score", None), (describe_settings(chosen), chosen)):
        yield {"weights": format, "streams": place, "decided by": name, **summary([each.measure(section) for each in walked])}


def summary(metrics: Sequence[StreamMetrics]) -> dict[str, Any]:
    """Means over trainings. delay: the mean of the medians, None where one is never; changes: a minute, with the mean of their hours."""
    delays = [one.delay_median for one in metrics]
    rates = [one.flips for one in metrics if one.flips is not None]
    return {
        "trainings": len(metrics),
        "streamed": float(np.mean([one.streamed for one in metrics])),
        "settled": float(np.mean([one.settled for one in metrics if one.settled is not None])),
        "delay": None if None in delays else float(np.mean(np.array(delays, float))),
        "miss": float(np.mean([one.miss for one in metrics if one.miss is not None])),
        "changes": float(np.mean([rate.value for rate in rates])),
        "minutes": float(np.mean([rate.exposure for rate in rates])),
    }


if __name__ == "__main__":
    main()
