"""Label tracks: which stretches of a long WAV file have which label, from the CSV file of the same name beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..errors import InputError
from ..recipe import DataSection
from ..text_files import decimal
from .csv_table import Table, read_table
from .recordings import DEFAULT_LABEL
from .wav import WavFile

SECONDS, IN_SAMPLES = ("start", "end"), ("start_sample", "end_sample")
"""The columns of a track whose places are seconds, and samples of the file."""


@dataclass(frozen=True)
class Stretch:
    """Samples [begin, end) of a file that have one label. line: of the track; 0 for what no line covers."""

    begin: int
    end: int
    label: str
    line: int = 0


def read_track(path: Path, wav: WavFile, data: DataSection) -> list[Stretch]:
    """The stretches of a file in order, those of data.rest between them; a track without a line leaves all of it to data.rest.

    Raises InputError with file and line for a place that is no number, that does not end behind its start, that lies beyond the end of
    the file or in another stretch, and for a track without a line where data.rest is unset.
    """
    table = read_table(path, may_be_empty=True)
    if not len(table) and data.rest is None:
        raise InputError(f"{table.top}: no line below it labels a stretch: add one, or name in data.rest the class of what no line covers")
    stretches = sorted(_stretches(table, wav, data.label or DEFAULT_LABEL), key=lambda stretch: (stretch.begin, stretch.line))
    for before, after in pairwise(stretches):
        if after.begin < before.end:
            raise InputError(f"{path}, line {after.line}: it begins before line {before.line} ends: a sample has one label, correct one")
    return stretches if data.rest is None else list(_with_rest(stretches, wav.samples, data.rest))


def _stretches(table: Table, wav: WavFile, label: str) -> Iterator[Stretch]:
    columns = SECONDS if SECONDS[0] in table.columns else IN_SAMPLES if IN_SAMPLES[0] in table.columns else None
    if columns is None:
        raise InputError(
            f"{table.top}: there are no columns {' and '.join(SECONDS)} (seconds) or {' and '.join(IN_SAMPLES)}: a label track has them, "
            f"and a column {label!r}"
        )
    rate = wav.sample_rate if columns == SECONDS else None
    for row, (start, end, name) in enumerate(zip(*(table.texts(each, key) for each, key in _wanted(columns, label)), strict=True)):
        where = f"{table.path}, line {table.lines[row]}"
        begin, stop = (_sample(where, column, cell, rate) for column, cell in zip(columns, (start, end), strict=True))
        if stop <= begin:
            raise InputError(f"{where}: it ends at {end}, not behind its start at {start} by a sample at least: correct it")
        if stop > wav.samples:
            limit = f"{wav.samples / rate:g} seconds" if rate else f"{wav.samples} samples"
            raise InputError(f"{where}: it ends at {end}, and {wav.path} has {limit}: correct it")
        yield Stretch(begin, stop, name, table.lines[row])


def _wanted(columns: Sequence[str], label: str) -> Iterator[tuple[str, str]]:
    """Columns, and what asks for each."""
    yield from ((column, "of a label track") for column in columns)
    yield label, "data.label"


def _sample(where: str, column: str, cell: str, rate: int | None) -> int:
    """The place of a cell, rounded half up to a sample. rate: samples a second where it is in seconds."""
    value = decimal(cell)
    if value is None or not 0 <= value * (rate or 1) < 1 << 48 or (rate is None and value != int(value)):
        what = "whole number of samples from 0 on" if rate is None else "number of seconds from 0 on"
        raise InputError(f"{where}: column {column!r} is {cell!r}, no {what}: correct it")
    return math.floor(value * (rate or 1) + 0.5)


def _with_rest(stretches: Sequence[Stretch], samples: int, rest: str) -> Iterator[Stretch]:
    place = 0
    for stretch in stretches:
        if stretch.begin > place:
            yield Stretch(place, stretch.begin, rest)
        yield stretch
        place = stretch.end
    if place < samples:
        yield Stretch(place, samples, rest)
