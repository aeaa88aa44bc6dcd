"""predict: the integer model's answers to recordings without labels, or a decision a step, as a CSV file."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.new_data import NewData
from ..data.streams import UNLABELLED, Streams
from ..errors import InputError
from ..graph.decide import NO_DECISION, UNKNOWN_DECISION
from ..graph.decisions import stream_decisions
from ..graph.evaluate import evaluate as evaluate_model
from ..graph.fixed_point import IntArray
from ..graph.serialize import digest
from ..model_directory import RECIPE, ModelDirectory, refuse_in_a_model
from ..recipe import parse_recipe
from ..store import refuse_target, write_atomically
from ..text_files import decimal
from .artefacts import read_model
from .golden_vectors import answers
from .hearing import Hearing
from .left_out import behind_the_window, in_no_window, shorter_than_a_step
from .listener import Listener, Silent
from .readings import Reader, refuse_still
from .subjects import doubts_about, read_new

AT_A_TIME = 4096
"""Recordings whose states are held."""
_FORMULA = re.compile(r"(?:^|[;\t\r\n])\s*[=+\-@]")
NO_CLASS_NAMES = {UNKNOWN_DECISION: "(unknown)", NO_DECISION: ""}
"""How the file spells a decision for no class."""


@dataclass(frozen=True)
class Prediction:
    """What predict wrote. counts: rows by class, "(unknown)" and "" among them where they occur. limited: readings outside the input.

    sentences: what of the data is not answered, and what is to be doubted of them.
    """

    name: str
    graph_sha256: str
    output: Path
    counts: dict[str, int]
    limited: int
    sentences: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Of the file, without its header."""
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp predict --json`."""
        known = {"schema": 1, "model": self.name, "graph_sha256": self.graph_sha256, "output": str(self.output)}
        return {**known, "rows": self.rows, "classes": self.counts, "limited_readings": self.limited, "sentences": list(self.sentences)}


def predict(
    path: Path,
    source: str,
    output: Path,
    *,
    overrides: Iterable[str] = (),
    stream: bool = False,
    force: bool = False,
    listener: Listener | None = None,
) -> Prediction:
    """Write the answers of the integer model in `path` to new data `source`, which may have no labels, to the CSV file `output`.

    A row a recording: its number, its group (file, subject) where there is one, its class, and the score of each class, the integers that
    the device gives. stream: a row a step of each continuous recording, or of each single one where there are no others, state zero before
    it: its number, its group, the number of the step's last reading (sample, before a front-end), and the decision. overrides: as of
    evaluate. The file is there whole or not at all; one that is there already is replaced only with force. Raises InputError for data that
    are not of the model, for a file in a model directory or the data themselves, and for groups that a spreadsheet would run as formulas;
    where a class is one, the file has the classes' numbers.
    """
    listener, overrides = listener or Silent(), list(overrides)
    refuse_target(output)
    refuse_in_a_model(output)
    _refuse_the_data(source, output)
    if output.exists() and not force:
        raise InputError(f"{output} is there already: name another file with -o, or replace it with --force")
    directory = ModelDirectory.open(path)
    with directory.unchanging():
        model, manifest = read_model(directory), directory.manifest()
        recipe = parse_recipe(directory.read(RECIPE), str(directory.path / RECIPE))
    if stream:
        refuse_still(model)
    reader, hearing = Reader.of(manifest, model), Hearing.of(recipe, manifest, model)
    found = read_new(source, recipe, overrides, manifest, reader, hearing, labelled=False)
    names = model.class_names
    written, numbered = _written(names)
    asked = _as_streams(found, reader) if stream else _as_recordings(found, reader)
    _refuse_formulas(asked.groups)
    doubts = tuple(doubts_about(found, source, manifest, reader))
    listener.stage(f"numpy answers {found.name}")
    last = "reading" if hearing is None else "sample"
    header = ("stream", "group", last, "class") if stream else ("recording", "group", "class", *written)
    counts: dict[str, int] = {}
    rows = []
    for *place, decision, scores in _step_rows(asked, reader, hearing) if stream else _recording_rows(asked, reader):
        name = names[decision] if decision >= 0 else NO_CLASS_NAMES[decision]
        counts[name] = counts.get(name, 0) + 1
        rows.append((*place, written[decision] if decision >= 0 else name, *scores))
    write_atomically(output, _csv(header, rows))
    return Prediction(model.name, digest(model), output, dict(sorted(counts.items())), asked.limited, doubts + asked.left_out + numbered)


@dataclass(frozen=True, eq=False)
class _Questions:
    """What the model reads: x, lengths as of graph.evaluate or of streams. numbers, groups: of each in the data. limited: readings.

    left_out: sentences of what it does not read.
    """

    x: IntArray
    lengths: IntArray
    numbers: Sequence[int]
    groups: Sequence[str]
    limited: int
    left_out: tuple[str, ...]


def _refuse_the_data(source: str, output: Path) -> None:
    """Raise InputError where the answers would replace what they are to."""
    for part in map(Path, (source, *map(str.strip, source.split(",")))):
        if output.resolve() == part.resolve() or (part.resolve() in output.resolve().parents and part.is_dir()):
            raise InputError(f"{output} is, or lies in, the data themselves: name another file")


def _is_formula(name: str) -> bool:
    """Whether a spreadsheet would run a text when the file is opened, also one that cuts lines at semicolons or tabs.

    Marks around it do not keep one from that, and characters before it would make another name of it. A number with a sign is none.
    """
    return bool(_FORMULA.search(unicodedata.normalize("NFKC", name))) and decimal(name) is None


def _refuse_formulas(groups: Iterable[str]) -> None:
    """Raise InputError for a group of the data that is one."""
    for name in filter(_is_formula, groups):
        raise InputError(
            f"the group {name!r:.60} holds what a spreadsheet runs as a formula (=, +, - or @ where a cell begins): give the group "
            "another name in the data"
        )


def _written(classes: Sequence[str]) -> tuple[Sequence[str], tuple[str, ...]]:
    """(what the file calls the classes, a sentence where those are their numbers): their names can be other ones only in another model."""
    formula = next(filter(_is_formula, classes), None)
    if formula is None:
        return classes, ()
    known = ", ".join(f"{number} is {name!r:.60}" for number, name in enumerate(classes))
    sentence = f"the class {formula!r:.60} holds what a spreadsheet runs as a formula, so that the file has the classes' numbers: {known}"
    return tuple(map(str, range(len(classes)))), (sentence,)


def _as_recordings(found: NewData, reader: Reader) -> _Questions:
    if found.split is None:
        raise InputError(found.without_split)
    x, limited = reader.integers(found.split.x)
    steps = reader.steps(replace(found.split, x=x))
    member = found.split.groups
    groups = [""] * len(steps) if member is None else [found.groups[group] for group in member]
    left_out = (*behind_the_window(reader, found.split.lengths), *in_no_window(found.readings - found.in_windows, found.readings))
    return _Questions(np.asarray(steps.x, np.int16), steps.lengths, range(len(steps)), groups, limited, left_out)


def _as_streams(found: NewData, reader: Reader) -> _Questions:
    """The continuous recordings, or where there are none the single ones; those shorter than a step are left out."""
    streams, names, one = found.streams, found.stream_groups, "stream"
    if streams is None:
        assert found.split is not None
        split, names, one = found.split, found.groups, "recording"
        streams = Streams(split.x, np.full(split.x.shape[:2], UNLABELLED, np.int64), split.lengths, split.groups)
    numbers = np.flatnonzero(streams.lengths >= reader.readings_a_step)
    x, limited = reader.integers(streams.x)
    steps = reader.stream_steps(replace(streams, x=x))
    groups = [""] * len(numbers) if streams.groups is None else [names[group] for group in streams.groups[numbers]]
    left_out = tuple(shorter_than_a_step(reader, streams.lengths, one))
    return _Questions(np.asarray(steps.x, np.int16), steps.lengths, numbers.tolist(), groups, limited, left_out)


def _recording_rows(asked: _Questions, reader: Reader) -> Iterator[tuple[Any, ...]]:
    """(number, group, class, scores) of each."""
    for begin in range(0, len(asked.x), AT_A_TIME):
        rows = slice(begin, begin + AT_A_TIME)
        scores = evaluate_model(reader.model, asked.x[rows], asked.lengths[rows]).scores
        scores = scores.reshape(len(scores), -1)
        yield from zip(asked.numbers[rows], asked.groups[rows], answers(scores).tolist(), scores.tolist(), strict=True)


def _step_rows(asked: _Questions, reader: Reader, hearing: Hearing | None) -> Iterator[tuple[Any, ...]]:
    """(number, group, the step's last reading, before a front-end its last sample, decision, nothing) of each step."""
    decisions = stream_decisions(reader.model, asked.x, asked.lengths)
    for number, group, row, length in zip(asked.numbers, asked.groups, decisions, asked.lengths, strict=True):
        for step in range(int(length)):
            last = step * reader.stride + reader.readings_a_step - 1
            yield number, group, last if hearing is None else int(hearing.last_sample(np.array(last))), int(row[step]), ()


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode("utf-8", "surrogateescape")
