"""evaluate: the integer model in numpy, on recordings alone, in streams, and on readings as a sensor in the field gives them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.split import Int64Array, Split
from ..errors import InputError
from ..graph.alignment import ALIGNMENT_STATE, align_of
from ..graph.draws import Draws
from ..graph.formats import TensorType
from ..graph.ir import IntegerModel
from ..graph.serialize import digest
from ..manifest import Calibrated, ClassFigures
from ..model_directory import RECIPE, REPORT, ModelDirectory, to_json
from ..rates import Clock
from ..recipe import RATES, Recipe, parse_recipe
from .artefacts import read_model, read_vectors
from .calibration_worth import of_new_recordings
from .class_figures import class_figures
from .compared_sets import TEST
from .evidence import VectorSet
from .figures import Figures, StreamedFigures, wake_word_figures
from .golden_vectors import Vectors
from .hearing import Hearing
from .listener import Listener, Silent
from .perturbations import TITLES, Perturbation, held, perturbed
from .readings import Reader, refuse_still
from .remarks import remarks_on
from .report import Report, read_report
from .right_answers import accuracy_of, confusion_of
from .stream_walks import Streamed, stream_continuous, stream_recordings
from .subjects import Subject, new_subject, own_subject
from .wake_words import class_number

_SEED = 20270310
"""Of the states of the corner measure."""


@dataclass(frozen=True)
class Perturbed:
    """title: as a person calls it. accuracy: None where the perturbation cannot be asked, for the reason `why_not`. worst: of several."""

    title: str
    accuracy: float | None
    worst: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class Evaluation:
    """What evaluate found. data: what it is of, in words; recordings: how many.

    accuracy, by_class: of right recordings, each from state zero; None where there are none. corner: the same accuracy from random states
    anywhere in their range, None for a net without state, too. sentences: what a user should know. calibrated: of one with an alignment.
    """

    name: str
    graph_sha256: str
    data: str
    data_sha256: str
    recordings: int
    accuracy: float | None
    corner: float | None
    streamed: Streamed | None = None
    perturbed: Mapping[Perturbation, Perturbed] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    calibrated: Calibrated | None = None
    by_class: ClassFigures | None = None

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp evaluate --json`."""
        return {
            "schema": 1,
            "model": self.name,
            "graph_sha256": self.graph_sha256,
            "data": {"name": self.data, "sha256": self.data_sha256, "recordings": self.recordings},
            "accuracy": {"offline": self.accuracy, "corner": self.corner},
            "by_class": None if self.by_class is None else self.by_class.model_dump(mode="json"),
            "streamed": None if self.streamed is None else self.streamed.as_json(),
            "perturbed": {name: asdict(each) for name, each in self.perturbed.items()},
            "sentences": list(self.sentences),
            **({} if self.calibrated is None else {"calibrated": self.calibrated.model_dump(mode="json")}),
        }


@dataclass(frozen=True, eq=False)
class _Asked:
    """scales: as of perturbed, None where nothing is to be perturbed. hearing: of a model with a front-end, else None."""

    stream: bool
    scales: npt.NDArray[np.float64] | None
    clock: Clock
    background: tuple[int, ...]
    hearing: Hearing | None


def evaluate(
    path: Path,
    *,
    source: str | None = None,
    overrides: Iterable[str] = (),
    stream: bool = False,
    perturb: bool = False,
    rate: float | None = None,
    background: Sequence[str] = (),
    listener: Listener | None = None,
) -> Evaluation:
    """Evaluate the integer model in `path` on its golden vectors, or on new labelled data `source`, which are read as its own were.

    overrides: change the recipe's [data] for new data, as --set does. stream: evaluate streams too: continuous recordings where the data
    have them, else single ones in a row. rate: readings a second, for rates in time
    (None: decide.rate of the recipe). background: the classes that are no wake words (none: decide.background). perturb:
    evaluate what sensors do to readings, too. What is found on the model's own data is kept in report.json, for `check`. Raises
    InputError for data that are not of the model's channels and classes; UnsupportedError for a stream of a net without state.
    """
    listener, overrides = listener or Silent(), list(overrides)
    _refuse_unread(source, overrides, stream, rate, background)
    directory = ModelDirectory.open(path)
    with ExitStack() as stack:
        if source is None:
            stack.enter_context(directory.held())
        with directory.unchanging():
            model, manifest = read_model(directory), directory.manifest()
            vectors, recipe = read_vectors(directory, model), parse_recipe(directory.read(RECIPE), str(directory.path / RECIPE))
        if stream:
            refuse_still(model)
        reader, hearing = Reader.of(manifest, model), Hearing.of(recipe, manifest, model)
        clock = _clock(reader, vectors, _readings_a_second(recipe, hearing, rate))
        asked = _Asked(
            stream,
            _scales(reader, vectors) if perturb else None,
            clock,
            _background(model, recipe, background),
            hearing,
        )
        if source is None:
            subject = own_subject(recipe, manifest, reader, vectors, hearing, stream=stream, readings=perturb)
        else:
            known = (manifest, reader, clock.settle, hearing)
            subject = new_subject(source, recipe, overrides, *known, stream=stream, samples=perturb)
        found = _evaluate(subject, reader, asked, listener)
        found = replace(found, calibrated=manifest.calibrated if source is None else of_new_recordings(recipe, reader, hearing, subject))
        if source is None:
            kept = _figures(vectors, found, [model.classes[each] for each in asked.background], missing=bool(subject.missing))
            _keep(directory, model, vectors, kept, listener)
    return found


def _background(model: IntegerModel, recipe: Recipe, asked: Sequence[str]) -> tuple[int, ...]:
    """The classes that are no words: as asked, or as the decision was chosen. Raises InputError."""
    own = recipe.decide.background if recipe.decide is not None else None
    return tuple(class_number(each, model.classes, "the model has") for each in asked or own or ())


def _refuse_unread(source: str | None, overrides: Sequence[str], stream: bool, rate: float | None, background: Sequence[str]) -> None:
    if overrides and source is None:
        raise InputError("--set changes how new data are read: give them with --data, or leave it out")
    for option, value in (("--rate", rate), ("--background", background or None)):
        if value is not None and not stream:
            raise InputError(f"{option} is of streams: give --stream too, or leave it out")
    if rate is not None and not RATES[0] <= rate <= RATES[1]:
        raise InputError(f"--rate takes readings a second, from {RATES[0]:g} to {RATES[1]:g}, not {rate:g}")


def _readings_a_second(recipe: Recipe, hearing: Hearing | None, asked: float | None) -> float | None:
    """None where nobody knows. Raises InputError where it is asked for and a front-end says it."""
    if hearing is not None and asked is not None:
        raise InputError(f"--rate is readings a second, of which the front-end makes {hearing.rate:g}: leave it out")
    known = recipe.decide.rate if recipe.decide is not None else None
    return hearing.rate if hearing is not None else known if asked is None else asked


def _scales(reader: Reader, vectors: Vectors) -> npt.NDArray[np.float64]:
    """Standard deviation of each channel of what the device reads: float64 [channels]."""
    if vectors.sound is None:
        return reader.scales(vectors)
    sound = vectors.sound
    samples = np.concatenate([sound.recording(row) for row in range(len(sound.samples))]).astype(np.float64)
    return np.asarray(samples.std(axis=0))


def _clock(reader: Reader, vectors: Vectors, rate: float | None) -> Clock:
    """Settled is what is as old as the median recording that the net was tested on."""
    settle = math.ceil(np.median(reader.recorded(vectors)))
    return Clock(readings_a_step=reader.readings_a_step, stride=reader.stride, settle=settle, rate=rate)


def _evaluate(subject: Subject, reader: Reader, asked: _Asked, listener: Listener) -> Evaluation:
    model, recordings = reader.model, subject.recordings
    listener.stage(f"numpy evaluates {subject.data}")
    if asked.scales is not None and not len(recordings):
        raise InputError(f"{subject.cut}: leave out --perturb, or give longer ones")
    answers = confusion_of(model, recordings) if len(recordings) else None
    accuracy = None if answers is None else answers.accuracy
    corner = accuracy_of(model, recordings, anywhere(model, len(recordings))) if model.is_recurrent and len(recordings) else None
    streamed = _streamed(subject, model, asked, listener) if asked.stream else None
    table = {} if asked.scales is None else dict(_perturbed(subject, asked.scales, reader, asked.hearing, listener))
    sentences = tuple(remarks_on(subject, reader, accuracy, streamed))
    known = (model.name, digest(model), subject.data, subject.sha256, len(recordings))
    by_class = None if answers is None else class_figures(answers, model.class_names)
    return Evaluation(*known, accuracy, corner, streamed, table, sentences, by_class=by_class)


def anywhere(model: IntegerModel, count: int) -> Int64Array:
    """Random states of a model, each entry anywhere in its format: int64 [count, state entries]; always the same ones.

    An alignment, which no step forgets, is none.
    """
    draws, kept = Draws(_SEED), ALIGNMENT_STATE if align_of(model) is not None else None
    states = {value.name: draws.integers(*_ends(value.type), (count, value.type.size)) for value in model.graphs["step"].state_inputs}
    return np.concatenate([np.zeros_like(each) if name == kept else each for name, each in states.items()], axis=1)


def _ends(type: TensorType) -> tuple[int, int]:
    return type.format.low, type.format.high


def _streamed(subject: Subject, model: IntegerModel, asked: _Asked, listener: Listener) -> Streamed:
    listener.stage("and in a stream")
    if subject.streams is not None:
        return stream_continuous(model, subject.streams, asked.clock, asked.background, listener)
    assert subject.row is not None
    return stream_recordings(model, subject.row, replace(asked.clock, copies=subject.copies), asked.background, listener)


def _perturbed(
    subject: Subject, scales: npt.NDArray[np.float64], reader: Reader, hearing: Hearing | None, listener: Listener
) -> Iterator[tuple[Perturbation, Perturbed]]:
    readings = subject.readings
    assert readings is not None
    is_image = reader.is_image and hearing is None
    least = None if is_image else _least(readings, reader, hearing)
    bits = reader.fraction_bits if hearing is None else hearing.samples.fraction_bits
    for name, versions in perturbed(readings, scales, is_image, bits).items():
        if isinstance(versions, str):
            yield name, Perturbed(TITLES[name], None, why_not=versions)
            continue
        listener.stage(f"under {TITLES[name]}")
        made = (version() if least is None else held(version(), least) for version in versions)
        found = [accuracy_of(reader.model, reader.steps(_heard(one, reader, hearing))) for one in made]
        worst = f"channel {found.index(min(found))}" if len(found) > 1 else ""
        yield name, Perturbed(TITLES[name], min(found), worst)


def _least(readings: Split, reader: Reader, hearing: Hearing | None) -> Int64Array:
    """Of what the device reads, how much each recording must keep: int64 [recordings]."""
    if hearing is None:
        return reader.least_readings(readings.lengths)
    return hearing.least_samples(readings.lengths, reader.readings_a_step)


def _heard(split: Split, reader: Reader, hearing: Hearing | None) -> Split:
    """Device integers as the net reads them: what a front-end makes of samples, else as they are."""
    if hearing is None:
        return split
    heard = hearing.readings_of_integers(split)
    return replace(heard, x=reader.integers(heard.x)[0])


def _keep(directory: ModelDirectory, model: IntegerModel, vectors: Vectors, found: Figures, listener: Listener) -> None:
    """Put the figures into report.json, beside what verify found; a report that is not of this model gives way."""
    report = Report.of(model, vectors, (), vectors={TEST: VectorSet(sha256=vectors.sha256, sequences=len(vectors.x))})
    if directory.has(REPORT):
        try:
            report = read_report(directory, model)
        except InputError as error:
            listener.warning(f"earlier evidence is not kept: {error}")
    document = report.model_copy(update={"evaluation": found.after(report.evaluation)}).as_json()
    directory.write({REPORT: to_json(document)})


def _figures(vectors: Vectors, found: Evaluation, background: Sequence[str], *, missing: bool) -> Figures:
    """background: classes that are no words. missing: whether recordings in a row stood in for continuous ones that cannot be read."""
    streamed = None
    if found.streamed is not None and not missing:
        names = ("streams", "steps", "streamed", "settled", "tail", "ends")
        figures = {name: getattr(found.streamed.metrics, name) for name in names}
        policy = found.streamed.policy
        figures["states"] = 1 if policy is None else policy.states
        words = found.streamed.wake_words
        figures["wake_words"] = None if words is None else wake_word_figures(words, background)
        streamed = StreamedFigures(of=found.streamed.of, sha256=found.streamed.sha256, **figures)
    table = {name: each.accuracy for name, each in found.perturbed.items() if each.accuracy is not None}
    return Figures(vectors_sha256=vectors.sha256, corner=found.corner, streamed=streamed, perturbed=table)
