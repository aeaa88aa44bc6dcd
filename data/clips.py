"""Clips: samples as a sensor gives them, int16, one clip at a time, so that a set may be larger than the memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..graph.formats import FractionBits
from .input_format import to_device_integers
from .split import Int64Array, Split

Int16Array = npt.NDArray[np.int16]
"""int16 [samples, channels]."""


class Clips(Protocol):
    """Labelled clips of one split.

    y: int64 [clips], the class. groups, spans: as of a Split. lengths: int64 [clips], samples of each, >= 1. sample_rate: samples a second
    of each channel.
    """

    @property
    def y(self) -> Int64Array: ...  # noqa: D102

    @property
    def groups(self) -> Int64Array | None: ...  # noqa: D102

    @property
    def spans(self) -> Int64Array | None: ...  # noqa: D102

    @property
    def lengths(self) -> Int64Array: ...  # noqa: D102

    @property
    def sample_rate(self) -> int: ...  # noqa: D102

    @property
    def channels(self) -> int: ...  # noqa: D102

    def __len__(self) -> int:
        """Number of clips."""
        ...

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Clips:
        """The clips at `rows`, in that order; nothing is read."""
        ...

    def read(self, clip: int) -> Int16Array:
        """The samples of one clip, int16 [lengths[clip], channels]. Raises InputError when its file cannot be read any more."""
        ...

    def told(self, clip: int) -> str:
        """What a message calls a clip."""
        ...

    def digest(self) -> str:
        """What `digest_of` says."""
        ...


CheckClips = Callable[[Clips, Clips, Sequence[str], Sequence[str]], None]
"""Who may refuse training clips, test clips, classes and names of channels before a sample is read."""


def any_clips(*_: object) -> None:
    """Refuses none."""


@dataclass(frozen=True, eq=False)
class ArrayClips:
    """Clips in the memory. split: [clips, longest, channels]. fraction_bits: of the int16 that the device reads (0: integers are those)."""

    split: Split
    sample_rate: int
    fraction_bits: FractionBits = 0

    @property
    def y(self) -> Int64Array:
        """The class of each."""
        return self.split.y

    @property
    def groups(self) -> Int64Array | None:
        """The group of each."""
        return self.split.groups

    @property
    def spans(self) -> Int64Array | None:
        """Where each lies."""
        return self.split.spans

    @property
    def lengths(self) -> Int64Array:
        """Samples of each."""
        return self.split.lengths

    @property
    def channels(self) -> int:
        """Of each sample."""
        return self.split.channels

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.split)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> ArrayClips:
        """The clips at `rows`, in that order."""
        return ArrayClips(self.split.take(rows), self.sample_rate, self.fraction_bits)

    def read(self, clip: int) -> Int16Array:
        """The samples of one clip."""
        return to_device_integers(self.split.x[clip, : self.lengths[clip]], self.fraction_bits)

    def told(self, clip: int) -> str:
        """By its number."""
        return f"clip {clip} (counting from 0)"

    def digest(self) -> str:
        """What `digest_of` says."""
        return digest_of(self)


@dataclass(frozen=True, eq=False)
class ChangedClips:
    """See Clips; but for their samples, which `read` gives, they are those of `clips`."""

    clips: Clips

    @property
    def y(self) -> Int64Array:
        """The class of each."""
        return self.clips.y

    @property
    def groups(self) -> Int64Array | None:
        """The group of each."""
        return self.clips.groups

    @property
    def spans(self) -> Int64Array | None:
        """Where each lies."""
        return self.clips.spans

    @property
    def lengths(self) -> Int64Array:
        """Samples of each."""
        return self.clips.lengths

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return self.clips.sample_rate

    @property
    def channels(self) -> int:
        """Of each sample."""
        return self.clips.channels

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def told(self, clip: int) -> str:
        """As of the clip that it was."""
        return self.clips.told(clip)


@dataclass(frozen=True, eq=False)
class ClipsDataset:
    """A data set whose splits are clips of one sampling rate; the rest as of a Dataset.

    fraction_bits: of the int16 samples. kept_for_validation: bool [training clips], which ones the source itself gives to validation; None
    where it says nothing. notes: what was done to the samples that a user should know, a sentence each. remarks: the notes of a Dataset
    that the clips were. withheld: the test clips that a search keeps from its candidates, where others stand in their place; None: none.
    """

    name: str
    train: Clips
    test: Clips
    classes: tuple[str, ...]
    digest: str
    channels: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    fraction_bits: FractionBits = 0
    kept_for_validation: npt.NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    withheld: Clips | None = None
    unit: str = ""

    @property
    def tested_on(self) -> Clips:
        """The test clips of the data, whatever stands in their place: nothing is trained or decided on what they are cut out of."""
        return self.test if self.withheld is None else self.withheld


def digest_of(clips: Clips) -> str:
    """SHA-256 (hex) over sampling rate, channels, lengths, labels, groups and samples, read one clip at a time.

    Where the samples come from does not count: the same ones in WAV files and in an archive have one digest.
    """
    total = hashlib.sha256(f"clips {len(clips)} of {clips.channels} at {clips.sample_rate}\n".encode())
    for part in (clips.lengths, clips.y, clips.groups):
        total.update(b"" if part is None else part.astype("<i8").tobytes())
    for clip in range(len(clips)):
        total.update(clips.read(clip).astype("<i2").tobytes())
    return total.hexdigest()
