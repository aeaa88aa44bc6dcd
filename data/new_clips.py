"""Samples for a model with a front-end that is there: single clips and streams, of its channels and, where labels are read, its classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError, counted
from ..graph.formats import FractionBits
from ..recipe import DataSection
from .clip_streams import ClipStreams, load_clip_streams, streams_of_files
from .clips import ArrayClips, Clips
from .keywords import class_of
from .labels import no_class
from .new_data import load_new_data
from .streams import UNLABELLED, holds_streams
from .wav_clips import Excerpt, WavClips
from .wav_folders import holds_sound
from .wav_source import Sounds, cut_to_windows, excerpts_of, read_sounds

SOUND_KEYS = ("label", "group", "window", "stride", "channel", "rest", "words", "unknown")
"""Of [data], by which new WAV files are read; nothing of them is split, and no silence is made."""


@dataclass(frozen=True, eq=False)
class NewClips:
    """clips: single ones, None where there are streams alone, and without_clips why; streams: None without any. groups: names by number."""

    name: str
    clips: Clips | None
    streams: ClipStreams | None
    groups: tuple[str, ...] = ()
    without_clips: str = ""
    notes: tuple[str, ...] = ()


def load_new_clips(
    data: DataSection,
    classes: Sequence[str],
    channels: int,
    sample_rate: int,
    fraction_bits: FractionBits = 0,
    *,
    labelled: bool = True,
    grouped: bool = False,
) -> NewClips:
    """What `data` names, for a model of these classes that reads samples of so many channels, of a rate and a format.

    WAV files: every one, or those of the folder test beside train, as they are or cut by data.window, and streams where they have label
    tracks or no labels are read; with data.words other words are the model's class `unknown`. Other sources: as of load_new_data.
    labelled, grouped: as there. Raises InputError, naming the place, for what is damaged, of other channels, or of a class that the model
    has not.
    """
    source = data.source.strip()
    if holds_sound(source):
        return _of_files(data, tuple(classes), channels, sample_rate, labelled=labelled)
    found = load_new_data(data, classes, channels, labelled=labelled, grouped=grouped)
    bits = 0 if found.split is not None and found.split.is_integer else fraction_bits
    clips = None if found.split is None else ArrayClips(found.split, sample_rate, bits)
    streams = None
    if holds_streams(data, labelled=labelled):
        streams = load_clip_streams(data, sample_rate, fraction_bits, classes, labelled=labelled, grouped=grouped)
    return NewClips(found.name, clips, streams, found.groups, found.without_split)


def _of_files(data: DataSection, classes: tuple[str, ...], channels: int, rate: int, *, labelled: bool) -> NewClips:
    path = Path(data.source.strip())
    sounds = read_sounds(path, data, rate, labelled=labelled)
    has = sounds.files[0].channels if data.channel is None else 1
    if has != channels:
        cure = "choose one in data.channel" if has > 1 and channels == 1 else "give recordings of the same sensors"
        raise InputError(f"{path} has {counted(has, 'channel')} and the model reads {channels}: {cure}")
    whole = excerpts_of(sounds, data) if labelled else _unlabelled(sounds, data)
    windows = [window for excerpt in whole if sounds.sounds[excerpt.file].is_for_test for window in cut_to_windows(sounds, excerpt, data)]
    streams = streams_of_files(sounds, data, classes, labelled=labelled) if not labelled or sounds.have_tracks else None
    without = "" if windows else f"{path}: no recording fills a window of {counted(data.window or 1, 'sample')}: give longer ones"
    if not windows and streams is None:
        raise InputError(without)
    clips = _clips(sounds, windows, classes, data, labelled=labelled) if windows else None
    return NewClips(path.stem, clips, streams, tuple(sorted({each.group for each in windows})), without, sounds.notes)


def _unlabelled(sounds: Sounds, data: DataSection) -> Iterator[Excerpt]:
    """Every file whole, whatever its track says."""
    plain = replace(sounds, sounds=[replace(sound, track=None, label="") for sound in sounds.sounds])
    return excerpts_of(plain, data)


def _clips(sounds: Sounds, excerpts: list[Excerpt], classes: tuple[str, ...], data: DataSection, *, labelled: bool) -> WavClips:
    """Clips whose classes are the model's, or UNLABELLED."""
    if not labelled:
        clips = WavClips.of(sounds.files, [replace(each, label="") for each in excerpts], ("",), sounds.rate, data.channel)
        return replace(clips, y=np.full(len(clips), UNLABELLED, np.int64))
    named = [replace(each, label=class_of(each.label, classes, data)) for each in excerpts]
    for each in named:
        if each.label not in classes:
            sound = sounds.sounds[each.file]
            raise InputError(f"{sound.path} has the label {each.label!r}, {no_class(each.label, classes, 'rename it, or leave it out')}")
    return WavClips.of(sounds.files, named, classes, sounds.rate, data.channel)
