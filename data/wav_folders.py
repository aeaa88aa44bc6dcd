"""Which WAV files a folder holds: their labels by sub-folder or label track, and the sides that the folder itself gives them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import InputError, counted
from ..text_files import is_shown
from .bundled import names
from .hidden import visible, visible_below
from .recordings import csv_files

Side = Literal["train", "validation", "test"]
NOISE_FOLDER = "_background_noise_"
"""Of Speech Commands, beside the classes: no class."""
SIDES: tuple[Side, ...] = ("train", "validation", "test")
_DEPTH = 3
"""How far down a WAV file is looked for, to tell what a folder is."""


@dataclass(frozen=True)
class Sound:
    """A WAV file. name: below the source, with slashes; label: of its class's folder; None where track, a CSV file, labels its stretches.

    side: that the folder gives it. Neither label nor track: nobody says what it is of.
    """

    path: Path
    name: str
    label: str | None = None
    track: Path | None = None
    side: Side | None = None

    @property
    def is_for_test(self) -> bool:
        """Whether it is of the folder test, or of a source that has none beside train."""
        return self.side in (None, "test")


def holds_sound(source: str) -> bool:
    """Whether a source is a WAV file, or a folder with some in it or in folders below. A bundled set's name is no folder's."""
    path = Path(source)
    return source not in names() and (_holds_wav(path) if path.is_dir() else source.lower().endswith(".wav"))


def _holds_wav(folder: Path) -> bool:
    return any(map(is_wav, visible_below(folder, _DEPTH)))


def is_wav(path: Path) -> bool:
    """By its suffix."""
    return path.suffix.lower() == ".wav" and not path.is_dir()


def noise_files(path: Path, named: str | None, key: str) -> list[Path]:
    """What silence and noise are cut out of: a file or folder that is named, or the folder _background_noise_ of a source.

    key: of the recipe, that names it. Raises InputError where there is none.
    """
    folder = Path(named) if named is not None else path / NOISE_FOLDER
    files = [folder] if is_wav(folder) else _wav_files(visible_below(folder)) if folder.is_dir() else []
    if not files:
        raise InputError(f"{folder} holds no WAV file of noise: add some, or name a file or a folder in {key}")
    return files


def list_sounds(path: Path, *, labelled: bool = True) -> list[Sound]:
    """Every WAV file of a source by name, but noise. labelled: whether each must have a label or a track.

    A folder has a sub-folder a class, itself or in its sub-folders train and test (and validation); or WAV files with a label track of the
    same name beside each. Raises InputError for what is mixed, empty, or has names that are no text.
    """
    if not path.is_dir():
        return _with_names([Sound(path, path.name, track=_tracks(visible(path.parent)).get(path.stem))], labelled)
    if {"train", "test"} <= _folder_names(path):
        found = [sound for side in SIDES if (path / side).is_dir() for sound in _below(path / side, path, side)]
    else:
        found = list(_below(path, path, None))
    if not found:
        raise InputError(f"{path} holds no WAV file but noise: give WAV files with label tracks, or a folder with a sub-folder a class")
    return _with_names(found, labelled)


def _folder_names(path: Path) -> set[str]:
    return {entry.name for entry in visible(path) if entry.is_dir()}


def _below(folder: Path, top: Path, side: Side | None) -> Iterator[Sound]:
    """The files of one side. folder: that holds its classes or its files; top: of the source."""
    entries = visible(folder)
    loose = _wav_files(entries)
    classes = [entry for entry in entries if entry.is_dir() and entry.name != NOISE_FOLDER and _holds_wav(entry)]
    if loose and classes:
        raise InputError(f"{folder} holds WAV files beside sub-folders: keep one sub-folder a class, or files with label tracks alone")
    tracks = _tracks(entries)
    if unpaired := sorted(set(tracks) - {file.stem for file in loose}):
        csv = tracks[unpaired[0]].name
        raise InputError(f"{folder} holds WAV files and CSV files, and no WAV file for {csv}: keep logs, or each track beside its WAV file")
    for file in loose:
        yield Sound(file, _below_top(file, top), None, tracks.get(file.stem), side)
    for entry in classes:
        files = list(visible_below(entry))
        for log in csv_files(files):
            raise InputError(f"{entry} holds WAV files and the CSV file {log.name}: keep recordings of one kind in a source")
        yield from (Sound(file, _below_top(file, top), entry.name, None, side) for file in _wav_files(files))


def _tracks(entries: Iterable[Path]) -> dict[str, Path]:
    """The CSV files among the entries of a folder by their names without suffix."""
    return {file.stem: file for file in csv_files(entries)}


def _below_top(file: Path, top: Path) -> str:
    return file.relative_to(top).as_posix()


def _wav_files(entries: Iterable[Path]) -> list[Path]:
    return sorted(filter(is_wav, entries))


def _with_names(sounds: list[Sound], labelled: bool) -> list[Sound]:
    """The sounds by name. Raises InputError for names that cannot be shown, and for sounds without a label."""
    for sound in sounds:
        if not is_shown(sound.name):
            shown = os.fsencode(sound.name).decode("ascii", "backslashreplace")
            raise InputError(f"the file name {shown!r} holds a control character, or one that is no Unicode text: rename the file")
        if labelled and sound.label is None and sound.track is None:
            raise InputError(
                f"{sound.path} has no label: put it into a folder of its class, or a label track {sound.path.stem}.csv beside it"
            )
    _refuse_mixed(sounds)
    return sorted(sounds, key=lambda sound: sound.name)


def _refuse_mixed(sounds: Sequence[Sound]) -> None:
    tracked = [sound for sound in sounds if sound.track is not None]
    if tracked and len(tracked) < len(sounds):
        bare = next(sound for sound in sounds if sound.track is None)
        raise InputError(f"{counted(len(tracked), 'WAV file')} with label tracks stand beside {bare.path}, which has none: add one")
