"""Clips of worn devices, each turned by an alignment of its own, as the device turns its samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph.ops import Align
from .clips import Clips, Int16Array
from .split import Int64Array


@dataclass(frozen=True, eq=False)
class TurnedClips:
    """See Clips; but for their samples they are those of `clips`. alignments: int64 [clips, 9]; op: what turns, of int16 samples."""

    clips: Clips
    alignments: Int64Array
    op: Align

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

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> TurnedClips:
        """The clips at `rows`, in that order; nothing is read."""
        return replace(self, clips=self.clips.take(rows), alignments=self.alignments[rows])

    def read(self, clip: int) -> Int16Array:
        """The samples of one clip, turned."""
        samples = self.clips.read(clip)
        turned, _ = self.op.evaluate(samples[None].astype(np.int64), self.alignments[clip : clip + 1])
        found: Int16Array = turned[0].astype(np.int16)
        return found

    def told(self, clip: int) -> str:
        """As of the clip that it was."""
        return self.clips.told(clip)

    def digest(self) -> str:
        """Of the clips as they are."""
        return self.clips.digest()
