"""What an evaluation is of: the golden vectors and the continuous recordings that they were cut from, or new data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..data.clip_streams import ClipStreams
from ..data.clips import Clips
from ..data.new_clips import SOUND_KEYS
from ..data.new_data import LOG_KEYS, NewData, load_new_data, section_for
from ..data.rows import cut_recordings
from ..data.split import Int64Array, Split
from ..data.streams import Streams, is_log, load_test_streams
from ..data.wav_folders import holds_sound
from ..errors import InputError, counted
from ..manifest import Manifest
from ..recipe import DataSection, Recipe, revise
from .doubts import rounded_away, sampled_otherwise, trained_on
from .golden_vectors import Vectors
from .hearing import HeardData, Hearing, load_test_clip_streams, sound_section
from .left_out import behind_the_window, in_no_window, not_kept, shorter_than_a_step
from .readings import Reader


@dataclass(frozen=True, eq=False)
class Subject:
    """data: in words. sha256: names it. recordings: as the model reads them, one by one. row: the same as a stream has them, or None.

    readings: device integers of them, where they were asked for. streams: continuous recordings as the model reads them, None where there
    are none. copies: how often each reading lies in the recordings, by windows that overlap. outside, total: new readings that do not fit
    the input's format, and all. missing: continuous recordings that the model's own data have and that cannot be read now: why not.
    unmarked: it cannot be known how many readings the recordings have. cut: a sentence, where the recordings are pieces of streams; there
    may be none. left_out: sentences of what the model does not read of the recordings, or of the streams. doubts: sentences about new data.
    clips: new samples of the recordings, one by one, before a front-end.
    """

    data: str
    sha256: str
    recordings: Split
    row: Split | None
    readings: Split | None
    streams: Streams | None
    copies: Fraction = Fraction(1)
    outside: int = 0
    total: int = 0
    missing: str = ""
    unmarked: bool = False
    cut: str = ""
    left_out: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    clips: Clips | None = None


def own_subject(
    recipe: Recipe, manifest: Manifest, reader: Reader, vectors: Vectors, hearing: Hearing | None, *, stream: bool, readings: bool
) -> Subject:
    """The golden vectors; with `stream` the continuous recordings too, where the model's data have them and are at hand, unchanged.

    readings: whether they are wanted as device integers, too. hearing: of a model with a front-end, whose device integers are samples.
    """
    recordings = recordings_of(vectors)
    own, missing = _own_streams(recipe, manifest, reader, hearing) if stream else (None, "")
    row = None
    if stream and own is None:
        row = row_of(reader, vectors)
    lengths = reader.recorded(vectors) if vectors.recorded is None else vectors.recorded
    fewer = not_kept(len(recordings), manifest.data.test_sequences, spread=hearing is not None)
    return Subject(
        f"{counted(len(recordings), 'test recording')} of {manifest.data.name or 'the data'}",
        vectors.sha256,
        recordings,
        row,
        _device_integers(reader, vectors) if readings else None,
        None if own is None else as_read(reader, own)[0],
        copies_of(recipe.data),
        missing=missing,
        unmarked=reader.reads_several and vectors.recorded is None and (stream or readings),
        left_out=(*fewer, *_left_out(reader, lengths.astype(np.int64), row, own)),
    )


def recordings_of(vectors: Vectors) -> Split:
    """The recordings of golden vectors, as the model reads them."""
    return Split(vectors.x.astype(np.int16), vectors.labels.astype(np.int64), vectors.lengths.astype(np.int64))


def row_of(reader: Reader, vectors: Vectors) -> Split:
    """The same as they are put in a row: without what fills windows up."""
    return recordings_of(vectors) if reader.time_steps is None else reader.row_steps(reader.readings(vectors))


def _device_integers(reader: Reader, vectors: Vectors) -> Split:
    """What the device reads of the recordings behind golden vectors: samples before a front-end, else readings."""
    if vectors.sound is None:
        return reader.readings(vectors)
    return Split(vectors.sound.samples.astype(np.int16), vectors.labels.astype(np.int64), vectors.sound.lengths.astype(np.int64))


def _own_streams(recipe: Recipe, manifest: Manifest, reader: Reader, hearing: Hearing | None) -> tuple[Streams | None, str]:
    """(the continuous recordings of the model's own test data, or None; why they cannot be read, where there are some)."""
    if manifest.data.test_streams_sha256 is None:
        return None, ""
    source = recipe.data.source
    if not Path(source).exists():
        return None, f"there is no {source} in {Path.cwd()}"
    try:
        found = _load_own_streams(recipe.data, reader.model.classes, manifest, hearing)
        if found is None or found.digest() != manifest.data.test_streams_sha256:
            return None, f"{source} has changed since the training"
        streams = hearing.streams(found) if hearing is not None and isinstance(found, ClipStreams) else found
        assert isinstance(streams, Streams)
        reader.stream_steps(streams)
    except InputError as error:
        return None, str(error)
    return streams, ""


def _load_own_streams(
    data: DataSection, classes: Sequence[str], manifest: Manifest, hearing: Hearing | None
) -> Streams | ClipStreams | None:
    """Of samples, where the model has a front-end."""
    groups = manifest.data.test_groups
    if hearing is None:
        return load_test_streams(data, classes, groups)
    return load_test_clip_streams(data, classes, groups, hearing.samples)


def copies_of(data: DataSection) -> Fraction:
    """How often each reading of a log, or sample of a WAV file, lies in windows that overlap."""
    if not (is_log(data.source) or holds_sound(data.source.strip())) or not data.window:
        return Fraction(1)
    return max(Fraction(1), Fraction(data.window, data.stride or data.window))


def _left_out(reader: Reader, lengths: Int64Array, row: Split | None, streams: Streams | None) -> Iterator[str]:
    """Of single recordings of these lengths in readings; row: as they are streamed, or None; streams: continuous ones instead, or None."""
    yield from behind_the_window(reader, lengths)
    if row is not None:
        yield from shorter_than_a_step(reader, lengths, "recording")
    if streams is not None:
        yield from shorter_than_a_step(reader, streams.lengths, "stream")


def new_subject(
    source: str,
    recipe: Recipe,
    overrides: Sequence[str],
    manifest: Manifest,
    reader: Reader,
    settle: int,
    hearing: Hearing | None,
    *,
    stream: bool,
    samples: bool = False,
) -> Subject:
    """Labelled new data. stream: whether they are asked for as streams, too; without it a log must have single recordings.

    settle: readings of the pieces that streams are cut into, where there are no single recordings. hearing: of a model with a front-end.
    samples: whether the device integers are wanted, which are samples before a front-end.
    """
    found = read_new(source, recipe, overrides, manifest, reader, hearing, labelled=True)
    split, sha256, cut = _single(found, source, settle, reader, stream=stream)
    integers, outside = reader.integers(split.x)
    total = split.steps.size
    readings = reader.read(replace(split, x=integers)) if len(split) else split
    asked = found.streams if stream and reader.model.is_recurrent else None
    read = row = None
    if asked is not None:
        read, more = as_read(reader, asked)
        beside = found.split is not None and not is_log(source)
        outside, total = more + outside * beside, asked.x[asked.valid].size + total * beside
    elif reader.model.is_recurrent and stream:
        row = reader.row_steps(readings)
    return Subject(
        f"{counted(len(split), 'recording')} of {found.name}",
        sha256,
        reader.steps(readings) if len(readings) else readings,
        row,
        found.samples if samples and isinstance(found, HeardData) else readings,
        read,
        copies_of(revise(recipe, overrides).data.model_copy(update={"source": source})),
        outside,
        total,
        cut=cut,
        left_out=(*_left_out(reader, split.lengths, row, asked), *_unread_of_a_log(found)),
        clips=found.clips if isinstance(found, HeardData) and found.split is not None else None,
        doubts=(*trained_on(source, recipe.data.source), *doubts_about(found, source, manifest, reader)),
    )


def _unread_of_a_log(found: NewData) -> Iterator[str]:
    if found.split is not None:
        yield from in_no_window(found.readings - found.in_windows, found.readings)


def doubts_about(found: NewData, source: str, manifest: Manifest, reader: Reader) -> Iterator[str]:
    """Whether new data are of the kind that the model was trained on."""
    yield from sampled_otherwise(source, found.interval, manifest.data.interval)
    parts = [part.x[part.valid] for part in (found.split, found.streams) if part is not None]
    yield from rounded_away(np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts]), reader.fraction_bits)


def _single(found: NewData, source: str, settle: int, reader: Reader, *, stream: bool) -> tuple[Split, str, str]:
    """(single recordings, cut out of streams where there are no others; SHA-256 of the data; a sentence where they are cut)."""
    if found.split is not None:
        return found.split, found.split.digest(), ""
    assert found.streams is not None
    if is_log(source) and not stream:
        raise InputError(found.without_split)
    split, cut = _pieces(found.streams, settle, reader)
    if not len(split) and not stream:
        raise InputError(f"{cut}: give longer ones, or --stream")
    return split, found.streams.digest(), cut


def _pieces(streams: Streams, size: int, reader: Reader) -> tuple[Split, str]:
    """(single recordings out of streams, as far as the model can read them; a sentence that tells of it)."""
    pieces = cut_recordings(streams, size)
    least = reader.readings_a_step if reader.time_steps is None else 1
    long = pieces.take(np.flatnonzero(pieces.lengths >= least))
    if not len(long):
        return long, (
            f"no stretch of one class has the {counted(least, reader.one)} that the net takes as one step, so that there is no figure of "
            "single recordings"
        )
    cut = f"the single recordings are stretches of one class of the streams, cut to {counted(size, 'reading')} where they have more"
    left = int(streams.lengths.sum() - long.lengths.sum())
    return long, f"{cut}; {counted(left, 'reading')} {'is' if left == 1 else 'are'} in none of them" if left else cut


def read_new(
    source: str,
    recipe: Recipe,
    overrides: Sequence[str],
    manifest: Manifest,
    reader: Reader,
    hearing: Hearing | None,
    *,
    labelled: bool,
) -> NewData:
    """New data of a model, read as its own were; samples, where the model has a front-end, are its readings then. overrides: of [data].

    Raises InputError where they are of another kind.
    """
    said, sound = manifest.input, hearing is not None and holds_sound(source)
    known_keys = SOUND_KEYS if sound else LOG_KEYS
    keys = [override.partition("=")[0].strip() for override in overrides]
    for key in keys:
        if key not in (f"data.{name}" for name in ("unit", *known_keys)):
            raise InputError(f"--set {key}: of new data only {', '.join(known_keys)} and unit are read, each with data. before it")
        if key != "data.unit" and not (sound or is_log(source)):
            raise InputError(f"{key} is for CSV logs, and {source!r} is none: leave it out, or give a .csv file or folder")
    data = revise(recipe, overrides).data
    unit = (said.unit or "") if hearing is None else hearing.samples.unit
    if data.unit != unit:
        reads = unit or "readings without a unit"
        raise InputError(f"the model reads {reads}, not {data.unit}: convert the data, or train anew")
    own = said.channels if hearing is None else hearing.samples.names
    channels = data.channels if "data.channels" in keys else own
    section, grouped = sound_section(source, data) if sound else section_for(source, data, channels or ()), "data.group" in keys
    if hearing is not None:
        return hearing.load(section, reader.model.class_names, labelled=labelled, grouped=grouped)
    found = load_new_data(section, reader.model.class_names, reader.channels, labelled=labelled, grouped=grouped)
    if found.channels and own and found.channels != tuple(own):
        has, reads = ", ".join(found.channels), ", ".join(own)
        raise InputError(f"{source} has the channels {has}, and the model {reads}: give these, so ordered")
    if found.unit and unit and found.unit != unit:
        raise InputError(f"{source} is in {found.unit}, and the model reads {unit}: convert the data, or train anew")
    return found


def as_read(reader: Reader, streams: Streams) -> tuple[Streams, int]:
    """(streams as the model reads them, how many readings do not fit)."""
    x, outside = reader.integers(streams.x)
    return reader.stream_steps(replace(streams, x=x)), outside
