"""A data set of clips from WAV files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, counted
from ..model_names import label_fault
from ..recipe import DataSection
from .clip_sides import groups_of, refuse_empty_sides, side_by_hash, sides_by_group, sides_by_list
from .clips import CheckClips, ClipsDataset, any_clips
from .keywords import SidedExcerpt, among_words, fewer_unknown, with_silence
from .label_tracks import read_track
from .labels import refuse_other_classes
from .logs import cuts, several_classes
from .resampling import resampled_length, resampler
from .source_keys import refuse_without_tracks
from .split import set_digest
from .wav import WavFile, read_header
from .wav_clips import Excerpt, WavClips
from .wav_folders import Side, Sound, list_sounds, noise_files


@dataclass(frozen=True, eq=False)
class Sounds:
    """WAV files of one number of channels. sounds: what each is of; files: those of `sounds`, then those of noise. rate: of the clips."""

    source: Path
    sounds: Sequence[Sound]
    files: Sequence[WavFile]
    rate: int
    facts: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def have_tracks(self) -> bool:
        """Whether label tracks say what they are of."""
        return self.sounds[0].track is not None


def read_wav(
    path: Path, data: DataSection, sample_rate: int | None, known: Sequence[str] = (), check: CheckClips = any_clips
) -> ClipsDataset:
    """The clips of a folder of WAV files, which are read when they are asked for. sample_rate: that they are brought to; None: their own.

    known: the classes that there must be, where they are for a net. check: is asked when all headers are read, and no sample. Raises
    InputError, naming the file.
    """
    sounds = read_sounds(path, data, sample_rate, with_noise=data.silence is not None)
    if not sounds.have_tracks:
        refuse_without_tracks(data)
    excerpts = among_words(path, list(excerpts_of(sounds, data)), data)
    sided = fewer_unknown(list(_sided(sounds, excerpts, data)), data)
    sided = with_silence(sided, sounds.files[len(sounds.sounds) :], len(sounds.sounds), sounds.rate, data)
    classes = _classes(path, {excerpt.label for excerpt, _ in sided}, known)
    refuse_empty_sides(path, [excerpt.label for excerpt, _ in sided], [side for _, side in sided], classes)
    parts = [[each for each in sided if (each[1] == "test") == test] for test in (False, True)]
    train, test = (WavClips.of(sounds.files, [excerpt for excerpt, _ in part], classes, sounds.rate, data.channel) for part in parts)
    check(train, test, classes, ())
    kept = np.array([side == "validation" for _, side in parts[0]])
    facts = {**sounds.facts, **_facts(sounds, excerpts, parts, data)}
    digest = set_digest(classes, train.digest(), test.digest())
    return ClipsDataset(path.stem, train, test, classes, digest, (), facts, 0, kept if kept.any() else None, sounds.notes)


def read_sounds(path: Path, data: DataSection, sample_rate: int | None, *, labelled: bool = True, with_noise: bool = False) -> Sounds:
    """Headers of all WAV files of a source, and of its noise. labelled: as of list_sounds."""
    sounds = list_sounds(path, labelled=labelled)
    files = [read_header(sound.path) for sound in sounds]
    files += [read_header(file) for file in noise_files(path, data.noise, "data.noise")] if with_noise else []
    _check_channels(files, data.channel)
    rates = sorted({file.sample_rate for file in files})
    if sample_rate is None and len(rates) > 1:
        mixed = " and ".join(f"{rate:,}" for rate in rates)
        raise InputError(f"{path} has WAV files of {mixed} samples a second: set frontend.sample_rate, to which they are resampled")
    wanted = sample_rate or rates[0]
    others = [rate for rate in rates if rate != wanted]
    by = [resampler(path, rate, wanted) for rate in others]
    facts = {"sample_rate": wanted, **({"resampled_from": others, "resampled_by": by[0]} if others else {})}
    return Sounds(path, sounds, files, wanted, facts, tuple(_resampled(path, files, wanted, others, by)))


def _resampled(path: Path, files: Sequence[WavFile], wanted: int, others: Sequence[int], by: Sequence[str]) -> Iterator[str]:
    if others:
        count = sum(file.sample_rate != wanted for file in files)
        told = " and ".join(f"{rate:,}" for rate in others)
        yield f"{counted(count, 'WAV file')} of {path} with {told} samples a second are resampled to {wanted:,}, by {by[0]}"


def _check_channels(files: Sequence[WavFile], channel: int | None) -> None:
    for file in files:
        if channel is not None and channel >= file.channels:
            raise InputError(f"{file.path} has {counted(file.channels, 'channel')}, and data.channel = {channel} counts from 0: lower it")
        if channel is None and file.channels != files[0].channels:
            raise InputError(
                f"{file.path} has {counted(file.channels, 'channel')} and {files[0].path} has {files[0].channels}: choose one of them in "
                "data.channel, or keep files of one kind"
            )


def excerpts_of(sounds: Sounds, data: DataSection) -> Iterator[Excerpt]:
    """Every file with its folder's label, or the stretches of its label track."""
    groups = groups_of(sounds.sounds, data.group)
    for number, (sound, group) in enumerate(zip(sounds.sounds, groups, strict=True)):
        wav = sounds.files[number]
        if sound.track is None:
            yield excerpt_of(sounds, number, 0, wav.samples, sound.label or "", group)
        else:
            yield from (excerpt_of(sounds, number, each.begin, each.end, each.label, group) for each in read_track(sound.track, wav, data))


def excerpt_of(sounds: Sounds, number: int, begin: int, end: int, label: str, group: str) -> Excerpt:
    """A stretch of file `number`, as long as it is at the clips' rate."""
    return Excerpt(number, begin, end, resampled_length(end - begin, sounds.files[number].sample_rate, sounds.rate), label, group)


def cut_to_windows(sounds: Sounds, excerpt: Excerpt, data: DataSection) -> Iterator[Excerpt]:
    """Its windows of data.window samples at the clips' rate, one begun every data.stride; nothing where it is too short for one."""
    if data.window is None:
        yield excerpt
        return
    rate = sounds.files[excerpt.file].sample_rate
    for start in range(0, excerpt.length - data.window + 1, data.stride or data.window):
        begin = excerpt.begin + start * rate // sounds.rate
        end = min(excerpt.end, excerpt.begin + -(-(start + data.window) * rate // sounds.rate))
        yield replace(excerpt, begin=begin, end=end, length=data.window)


def _sided(sounds: Sounds, excerpts: Sequence[Excerpt], data: DataSection) -> Iterator[SidedExcerpt]:
    """The windows of all excerpts, each with its side."""
    if data.split == "time":
        for excerpt, side in _in_time(sounds, excerpts, data):
            yield from ((window, side) for window in cut_to_windows(sounds, excerpt, data))
        return
    windows = [window for excerpt in excerpts for window in cut_to_windows(sounds, excerpt, data)]
    if not windows:
        raise InputError(f"{sounds.source}: no recording fills a window of {counted(data.window or 1, 'sample')}: lower data.window")
    yield from zip(windows, _sides(sounds, windows, data), strict=True)


def _sides(sounds: Sounds, windows: Sequence[Excerpt], data: DataSection) -> Sequence[Side]:
    given = [sound.side for sound in sounds.sounds]
    if given[0] is not None:
        for key in ("split", "test_fraction", "split_seed"):
            if data.has_own(key) and (key != "split_seed" or data.draws_no_clips):
                raise InputError(f"data.{key} splits recordings, and {sounds.source} has a folder train and a folder test: leave it out")
        return [given[window.file] or "train" for window in windows]
    if data.split == "group":
        return sides_by_group(sounds.source, [window.label for window in windows], [window.group for window in windows], data)
    if data.split == "lists":
        by_file = sides_by_list(sounds.source, sounds.sounds)
    else:
        by_file = [side_by_hash(sound.name, data.test_fraction) for sound in sounds.sounds]
    return [by_file[window.file] for window in windows]


def _in_time(sounds: Sounds, excerpts: Sequence[Excerpt], data: DataSection) -> Iterator[SidedExcerpt]:
    """The last samples of each class and group to test; stretches are cut before windows are, so that no sample is on both sides."""
    if data.window is None:
        raise InputError("data.split = 'time' cuts recordings in two, so it needs data.window: set the number of samples in a window")
    for number, (excerpt, cut) in enumerate(cuts(excerpts, data.test_fraction)):
        group = str(number) if (data.stride or data.window) < data.window else ""
        middle = excerpt.begin + cut
        parts: Sequence[tuple[int, int, Side]] = ((excerpt.begin, middle, "train"), (middle, excerpt.end, "test"))
        for begin, end, side in parts:
            if begin < end:
                yield excerpt_of(sounds, excerpt.file, begin, end, excerpt.label, group), side


def _classes(path: Path, labels: set[str], known: Sequence[str]) -> tuple[str, ...]:
    classes = several_classes(path, labels)
    for label in classes:
        if fault := label_fault(label):
            raise InputError(f"{path} has the class {label[:80]!r}, whose name {fault}: rename it")
    if known:
        refuse_other_classes(path, classes, known)
    return tuple(known) or classes


def _facts(sounds: Sounds, excerpts: Sequence[Excerpt], parts: Sequence[Sequence[SidedExcerpt]], data: DataSection) -> dict[str, Any]:
    """What the manifest records beside the rates. Groups are named where streams are chosen by them."""
    tracked = sounds.have_tracks and data.split == "group" and sounds.sounds[0].side is None
    groups = [sorted({excerpt.group for excerpt, _ in part}) if tracked else [] for part in parts]
    return {
        "files": len(sounds.sounds),
        "recordings": len(excerpts),
        "readings": sum(excerpt.length for excerpt in excerpts),
        "readings_too_short_for_a_window": sum(excerpt.length for excerpt in excerpts if excerpt.length < (data.window or 1)),
        "split": "folders" if sounds.sounds[0].side is not None else data.split,
        "train_groups": groups[0],
        "test_groups": groups[1],
    }
