"""What a page tells of a model directory: all of it is read there, nothing is trained, and nothing but cores that are asked for is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.confusion import Confusion
from ..data.input_format import to_real
from ..documents import parse_json
from ..errors import InputError, UnsupportedError
from ..graph.fixed_point import FloatArray, IntArray
from ..manifest import Manifest
from ..model_directory import METRICS, REPORT, ModelDirectory
from ..stages.artefacts import read_model, read_vectors
from ..stages.golden_vectors import Vectors, answers
from ..stages.inspection import Inspection, inspect
from ..stages.listener import Listener
from ..stages.profiling import Profile, profile
from ..stages.readings import Reader
from ..stages.report import Report, read_report

NARROW = 6
"""Recordings that are shown: answered wrongly, or most narrowly."""


@dataclass(frozen=True, eq=False)
class ShownRecording:
    """A recording. number: among the golden vectors; label, answer: classes; margin: score of the label less the best other one, in units
    of a score; readings: float [time, channels] in the unit of the data, None where the vectors do not hold them.
    """

    number: int
    label: str
    answer: str
    margin: float
    readings: npt.NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Facts:
    """Of one model. margins: of each test recording, as there. epochs: of its training, as metrics.jsonl tells them. report: None
    where it was not verified. profile: of the cores that were asked for.
    """

    path: Path
    manifest: Manifest
    inspection: Inspection
    classes: tuple[str, ...]
    confusion: Confusion
    margins: FloatArray
    epochs: tuple[dict[str, Any], ...]
    shown: tuple[ShownRecording, ...]
    report: Report | None
    profile: Profile | None

    @property
    def name(self) -> str:
        """Of the model."""
        return self.manifest.name

    @property
    def accuracy(self) -> float:
        """Of the integer model on its golden vectors."""
        return self.confusion.accuracy

    @property
    def worst_confusion(self) -> tuple[str, str, int] | None:
        """(class, what it is taken for most often, how often), None where nothing is wrong."""
        worst = self.confusion.worst
        return None if worst is None else (self.classes[worst[0]], self.classes[worst[1]], worst[2])


def facts_of(path: Path, cores: Sequence[str], listener: Listener) -> Facts:
    """Read a model directory. Raises InputError for one that was not quantized or is damaged, and what profile raises for `cores`."""
    listener.stage(f"read {path}")
    directory = ModelDirectory.open(path)
    with directory.unchanging():
        manifest, model = directory.manifest(), read_model(directory)
        vectors = read_vectors(directory, model)
        report = read_report(directory, model) if directory.has(REPORT) else None
        epochs = _epochs(directory)
    margins = _margins(vectors) * 2.0**-model.output.type.format.fraction_bits
    return Facts(
        path,
        manifest,
        inspect(path),
        model.class_names,
        vectors.confusion,
        margins,
        epochs,
        tuple(_shown(Reader.of(manifest, model), vectors, margins)),
        report,
        profile(path, cores, listener=listener) if cores else None,
    )


def _margins(vectors: Vectors) -> FloatArray:
    scores = vectors.scores.reshape(len(vectors.scores), -1).astype(np.float64)
    own = np.take_along_axis(scores, vectors.labels[:, None], axis=1)[:, 0]
    np.put_along_axis(scores, vectors.labels[:, None], -np.inf, axis=1)
    found: FloatArray = own - scores.max(axis=1)
    return found


def _shown(reader: Reader, vectors: Vectors, margins: FloatArray) -> list[ShownRecording]:
    rows = np.argsort(margins, kind="stable")[:NARROW]
    taken, names = answers(vectors.scores), reader.model.class_names
    values = _readings(reader, vectors, rows)
    return [
        ShownRecording(
            int(row), names[int(vectors.labels[row])], names[int(taken[row])], float(margins[row]), None if values is None else values[at]
        )
        for at, row in enumerate(rows)
    ]


def _readings(reader: Reader, vectors: Vectors, rows: IntArray) -> list[npt.NDArray[np.float32]] | None:
    """What the recordings at `rows` are; None for images, and where steps leave readings out."""
    if vectors.sound is not None:
        bits = 0 if reader.model.sampling is None else reader.model.sampling.fraction_bits
        return [to_real(vectors.sound.samples[row, : int(vectors.sound.lengths[row])], reader.model.channel_bits or bits) for row in rows]
    if reader.is_image:
        return None
    try:
        split = reader.readings(vectors)
    except UnsupportedError:
        return None
    return [to_real(split.x[row, : int(split.lengths[row])].astype(np.int16), reader.fraction_bits) for row in rows]


def _epochs(directory: ModelDirectory) -> tuple[dict[str, Any], ...]:
    if not directory.has(METRICS):
        return ()
    try:
        lines = [parse_json(line) for line in directory.read(METRICS).decode().splitlines()]
        return tuple({"stage": str(each["stage"]), "epoch": int(each["epoch"]), "loss": float(each["loss"]), **each} for each in lines)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{directory.path / METRICS} is damaged: train the model again") from error
