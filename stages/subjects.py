"""What an evaluation is of: the golden vectors and the continuous recordings that they were cut from, or new data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..data.dataset import load_dataset
from ..data.new_data import LOG_KEYS, NewData, load_new_data, section_for
from ..data.split import Split
from ..data.streams import Streams, cut_recordings, holds_streams, is_log, load_streams
from ..errors import InputError
from ..manifest import Manifest
from ..recipe import Recipe, revise
from .artefacts import Vectors
from .readings import Reader


@dataclass(frozen=True, eq=False)
class Subject:
    """data: in words. sha256: names it. recordings: as the model reads them. readings: device integers of them, where they were asked for.

    streams: continuous recordings as the model reads them, None where there are none. outside, total: new readings that do not fit the
    input's format, and all.
    """

    data: str
    sha256: str
    recordings: Split
    readings: Split | None
    streams: Streams | None
    outside: int = 0
    total: int = 0


def own_subject(recipe: Recipe, manifest: Manifest, reader: Reader, vectors: Vectors, *, stream: bool, readings: bool) -> Subject:
    """The golden vectors; with `stream` the continuous recordings too, where the model's data have them and are at hand, unchanged.

    readings: whether they are wanted as device integers, too.
    """
    recordings = Split(vectors.x.astype(np.int16), vectors.labels.astype(np.int64), vectors.lengths.astype(np.int64))
    streams = _own_streams(recipe, manifest, reader) if stream else None
    of = f"{len(recordings):,} test recordings of {manifest.data.name or 'the data'}"
    return Subject(of, vectors.sha256, recordings, reader.readings(vectors) if readings else None, streams)


def _own_streams(recipe: Recipe, manifest: Manifest, reader: Reader) -> Streams | None:
    """The continuous recordings of the test groups of a CSV log, or those of an .npz."""
    data = recipe.data
    if data.split != "group" or not Path(data.source).exists() or not holds_streams(data):
        return None
    if load_dataset(data).digest != manifest.data.sha256:
        return None
    found = load_streams(data, reader.model.classes)
    streams, groups = found.streams, manifest.data.test_groups
    if groups is not None and streams.groups is not None:
        streams = streams.take(np.flatnonzero(np.isin(np.array(found.groups)[streams.groups], groups)))
    return _as_read(reader, streams)[0] if len(streams) and streams.has_changes else None


def new_subject(source: str, recipe: Recipe, overrides: Sequence[str], manifest: Manifest, reader: Reader, settle: int) -> Subject:
    """Labelled new data. settle: readings of the pieces that streams are cut into, where there are no single recordings."""
    found = read_new(source, recipe, overrides, manifest, reader, labelled=True)
    split, streams, outside = found.split, found.streams, 0
    if split is None:
        assert streams is not None
        sha256 = streams.digest()
        split = cut_recordings(streams, settle)
    else:
        sha256 = split.digest()
    integers, outside = reader.integers(split.x)
    readings = replace(split, x=integers)
    read = _as_read(reader, streams)[0] if streams is not None and streams.has_changes and reader.model.is_recurrent else None
    recordings = reader.steps(readings)
    return Subject(f"{len(split):,} recordings of {found.name}", sha256, recordings, readings, read, outside, integers.size)


def read_new(source: str, recipe: Recipe, overrides: Sequence[str], manifest: Manifest, reader: Reader, *, labelled: bool) -> NewData:
    """New data of a model, read as its own were. overrides: of [data]. Raises InputError where they are of another kind."""
    said = manifest.input
    keys = [override.partition("=")[0].strip() for override in overrides]
    for key in keys:
        if key not in (f"data.{name}" for name in ("unit", *LOG_KEYS)):
            raise InputError(f"--set {key}: of new data only {', '.join(LOG_KEYS)} and unit are read, each with data. before it")
        if key != "data.unit" and not is_log(source):
            raise InputError(f"{key} is for CSV logs, and {source!r} is none: leave it out, or give a .csv file or folder")
    data = revise(recipe, overrides).data
    if data.unit != (said.unit or ""):
        reads = said.unit or "readings without a unit"
        raise InputError(f"the model reads {reads}, not {data.unit}: convert the data, or train anew")
    channels = data.channels if "data.channels" in keys else said.channels
    classes = reader.model.classes or tuple(map(str, range(reader.model.output.type.size)))
    return load_new_data(section_for(source, data, channels or ()), classes, reader.channels, labelled=labelled)


def _as_read(reader: Reader, streams: Streams) -> tuple[Streams, int]:
    """(streams as the model reads them, how many readings do not fit)."""
    x, outside = reader.integers(streams.x)
    return reader.stream_steps(replace(streams, x=x)), outside
