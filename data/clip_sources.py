"""From a source's name to a checked data set of clips, which a front-end reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..recipe import DataSection
from .bundled import names
from .clips import ArrayClips, CheckClips, ClipsDataset, any_clips
from .dataset import Dataset, load_dataset
from .images import holds_images
from .input_format import choose_fraction_bits
from .source_keys import refuse_unread_keys
from .split import set_digest
from .wav_folders import holds_sound
from .wav_source import read_wav


def load_clips(
    data: DataSection,
    sample_rate: int | None = None,
    classes: Sequence[str] = (),
    check: CheckClips = any_clips,
    *,
    grouped: bool = False,
) -> ClipsDataset:
    """The clips that `data` names.

    A WAV file or a folder of them (read_wav), out of which samples are read when they are asked for; or a bundled set, .npz,
    TRAIN.ts,TEST.ts or CSV logs, whose readings are the samples: integers as they are, other numbers in the format of data.fraction_bits.
    sample_rate: samples a second, to which WAV files are brought, and which a .npz may say itself as `sample_rate`; None: the source has to
    say it. classes, grouped: as of load_dataset. check: is asked before a sample of WAV files is read, and before anything is made of
    other samples. Raises InputError for images, for two rates or none, and as load_dataset.
    """
    source = data.source.strip()
    if holds_sound(source):
        refuse_unread_keys(data, "WAV files")
        return read_wav(Path(source), data, sample_rate, classes, check)
    if source not in names() and Path(source).is_dir() and holds_images(Path(source)):
        raise _of_images(source)
    if sample_rate is None and not source.lower().endswith(".npz"):
        raise _without_rate(source)
    return _in_memory(load_dataset(data, classes, grouped=grouped), data, sample_rate, check)


def _in_memory(dataset: Dataset, data: DataSection, sample_rate: int | None, check: CheckClips) -> ClipsDataset:
    if dataset.train.x.ndim != 3:
        raise _of_images(data.source)
    bits = choose_fraction_bits(dataset.train, data.fraction_bits)
    rate = _agreed_rate(data.source, dataset.facts.get("sample_rate"), sample_rate)
    train, test = ArrayClips(dataset.train, rate, bits), ArrayClips(dataset.test, rate, bits)
    check(train, test, dataset.classes, dataset.channels)
    digest = set_digest(dataset.classes, train.digest(), test.digest())
    known = (dataset.name, train, test, dataset.classes, digest, dataset.channels, dataset.facts, bits)
    return ClipsDataset(*known, remarks=dataset.notes, unit=dataset.unit)


def _of_images(source: str) -> InputError:
    return InputError(f"{source} holds images, and a front-end reads samples of sound or vibration: leave [frontend] out")


def _without_rate(source: str) -> InputError:
    return InputError(f"{source} does not say how many samples a second it has: set frontend.sample_rate")


def _agreed_rate(source: str, own: int | None, asked: int | None) -> int:
    if own is None and asked is None:
        raise _without_rate(source)
    if own is not None and asked is not None and own != asked:
        raise InputError(f"{source} has {own} samples a second and frontend.sample_rate is {asked}: set it to {own}, or resample the data")
    return own or asked or 0
