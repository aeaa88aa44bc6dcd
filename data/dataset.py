"""From a source's name to a checked data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..model_names import label_fault
from ..recipe import DataSection
from .bundled import names, read_bundled
from .check import check_splits
from .images import holds_images, read_images
from .logs import read_logs
from .npz import read_npz
from .raw import RawDataset
from .repeated import remarks_on_repeated
from .source_keys import refuse_unread_keys
from .split import Split, set_digest
from .ts import read_ts_pair
from .wav_folders import holds_sound

__all__ = ["Dataset", "Split", "load_dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split of the same classes and channels. digest: SHA-256 (hex) over classes and both splits' content.

    channels: their names where the source gives them; unit: of the readings, likewise. facts: what else the manifest records of
    the source. notes: sentences on what a user
    should look at in it.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    digest: str
    channels: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unit: str = ""


def load_dataset(data: DataSection | str, classes: Sequence[str] = (), *, grouped: bool = False) -> Dataset:
    """The data set that `data` names (a string: its source, the rest unset): bundled, .npz, `TRAIN.ts,TEST.ts`, or CSV logs.

    A .npz holds x_train, x_test ([sequences, time, channels], or [sequences, time] for one channel; integers stay integers),
    y_train, y_test (0..classes-1, or strings), or x and y, of which data.test_fraction go to test; optionally lengths_train, lengths_test
    and group_train (lengths, group), classes, channels, unit and sample_rate. CSV logs are a file
    with a label column, or a folder with a sub-folder a class; docs/your_data.md describes them. A folder of images has a sub-folder a
    class too, itself or in its sub-folders train and test. classes: of the net that the data are for: they give integer labels their
    meaning (labels.class_numbers) where the file does not, and classes their order where the names are the same. grouped: whether
    group_test of a .npz is read, too, and is part of the digest. Raises InputError, naming file, split, sequence, step and channel (for
    CSV: file and line), when the source or a value cannot be used.
    """
    raw = _read(DataSection.of(data) if isinstance(data, str) else data, classes, grouped)
    train, test, found = check_splits(raw, tuple(classes))
    for channel in raw.channels:
        if fault := label_fault(channel):
            raise InputError(f"the channel {channel!r} of {raw.name} {fault}: rename it")
    for group in (*raw.facts.get("train_groups", ()), *raw.facts.get("test_groups", ())):
        if fault := label_fault(group):
            raise InputError(f"the group {group[:80]!r} of {raw.name} {fault}: rename it")
    notes = (*raw.notes, *remarks_on_repeated(train, test, "test"))
    return Dataset(raw.name, train, test, found, set_digest(found, train.digest(), test.digest()), raw.channels, raw.facts, notes, raw.unit)


def _read(data: DataSection, known: Sequence[str], grouped: bool) -> RawDataset:
    source = data.source.strip()
    if source not in names() and _is_folder(Path(source)) and holds_images(Path(source)):
        refuse_unread_keys(data, "folders of images")
        return read_images(Path(source), data)
    if holds_sound(source):
        raise InputError(f"{source} holds WAV files, which a net reads through a front-end: add [frontend] to the recipe")
    if source not in names() and (source.lower().endswith(".csv") or _is_folder(Path(source))):
        refuse_unread_keys(data, "CSV logs")
        return read_logs(Path(source), data, known)
    if source not in names() and source.lower().endswith(".npz"):
        return read_npz(Path(source), data, grouped=grouped)
    refuse_unread_keys(data, "arrays")
    if source in names():
        return read_bundled(source)
    if source.lower().endswith(".ts"):
        return read_ts_pair(*_pair(source))
    if Path(source).suffix or Path(source).exists():
        raise InputError(
            f"{source!r} is no data that rescomp reads: give a .csv file or a folder of them, a folder of WAV files or of images, a .npz "
            f"file, TRAIN.ts,TEST.ts or one of {', '.join(names())}"
        )
    return read_bundled(source)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and path.suffix.lower() not in (".npz", ".ts")


def _pair(source: str) -> tuple[Path, Path]:
    parts = [part.strip() for part in source.split(",")]
    if len(parts) != 2 or not all(parts):
        raise InputError(f"{source!r} does not name two .ts files: give the training and the test file as TRAIN.ts,TEST.ts")
    return Path(parts[0]), Path(parts[1])
