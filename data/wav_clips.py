"""Clips in WAV files: headers and places are in the memory, samples are read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph.fixed_point import round_half_up_shift
from .clips import Int16Array, digest_of
from .recordings import APART
from .resampling import resample
from .split import Int64Array
from .wav import WavFile

_SCALE_BITS = 15
WHOLE_SCALE = 1 << _SCALE_BITS
"""Of samples as they are."""


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a WAV file with a label, [begin, end) of the file's own samples. file: its place among the files.

    length: samples of the clip that is made of it. scale: what samples are multiplied by, in Q15.
    """

    file: int
    begin: int
    end: int
    length: int
    label: str
    group: str
    scale: int = WHOLE_SCALE

    def __len__(self) -> int:
        """Samples of the file."""
        return self.end - self.begin


@dataclass(frozen=True, eq=False)
class WavClips:
    """See Clips. places: int64 [clips, 4]: file, first sample, end, scale of Excerpt. channel: which one is read; None: all of them."""

    files: Sequence[WavFile]
    places: Int64Array
    lengths: Int64Array
    y: Int64Array
    groups: Int64Array | None
    sample_rate: int
    channel: int | None = None

    @classmethod
    def of(
        cls, files: Sequence[WavFile], pieces: Sequence[Excerpt], classes: Sequence[str], sample_rate: int, channel: int | None
    ) -> WavClips:
        """Clips of some pieces, labels and groups by their numbers."""
        known = {name: number for number, name in enumerate(classes)}
        places = np.array([(piece.file, piece.begin, piece.end, piece.scale) for piece in pieces], np.int64).reshape(-1, 4)
        lengths = np.array([piece.length for piece in pieces], np.int64)
        y = np.array([known[piece.label] for piece in pieces], np.int64)
        names = [piece.group for piece in pieces]
        groups = np.unique(names, return_inverse=True)[1].astype(np.int64) if any(names) else None
        return cls(files, places, lengths, y, groups, sample_rate, channel)

    @property
    def channels(self) -> int:
        """Of each sample."""
        return self.files[0].channels if self.channel is None else 1

    @property
    def spans(self) -> Int64Array:
        """Where each clip begins and ends, as of a Split: files lie apart on the line."""
        starts: Int64Array = self.places[:, 1:3] + self.places[:, :1] * APART
        return starts

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.y)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> WavClips:
        """The clips at `rows`, in that order; nothing is read."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, places=self.places[rows], lengths=self.lengths[rows], y=self.y[rows], groups=groups)

    def read(self, clip: int) -> Int16Array:
        """The samples of one clip, out of its file."""
        file, begin, end, scale = map(int, self.places[clip])
        samples = self.files[file].read(begin, end)
        chosen = samples if self.channel is None else samples[:, self.channel, None]
        found = _of_length(resample(chosen, self.files[file].sample_rate, self.sample_rate), int(self.lengths[clip]))
        return found if scale == WHOLE_SCALE else round_half_up_shift(found.astype(np.int64) * scale, _SCALE_BITS).astype(np.int16)

    def told(self, clip: int) -> str:
        """By its file, and by its samples there where these are not all."""
        file, begin, end, _ = map(int, self.places[clip])
        wav = self.files[file]
        return str(wav.path) if end - begin == wav.samples else f"the clip of samples {begin:,} to {end:,} of {wav.path}"

    def digest(self) -> str:
        """What `digest_of` says."""
        return digest_of(self)


def _of_length(samples: Int16Array, length: int) -> Int16Array:
    """Cut, or filled up with the last sample: windows of resampled files differ by one."""
    return samples[:length] if len(samples) >= length else np.pad(samples, ((0, length - len(samples)), (0, 0)), mode="edge")
