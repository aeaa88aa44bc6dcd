"""Clips of worn devices, each turned by an alignment of its own, as the device turns its samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph.ops import Align
from .clips import ChangedClips, Int16Array
from .split import Int64Array


@dataclass(frozen=True, eq=False)
class TurnedClips(ChangedClips):
    """See Clips; but for their samples they are those of `clips`. alignments: int64 [clips, 9]; op: what turns, of int16 samples."""

    alignments: Int64Array
    op: Align

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> TurnedClips:
        """The clips at `rows`, in that order; nothing is read."""
        return replace(self, clips=self.clips.take(rows), alignments=self.alignments[rows])

    def read(self, clip: int) -> Int16Array:
        """The samples of one clip, turned."""
        samples = self.clips.read(clip)
        turned, _ = self.op.evaluate(samples[None].astype(np.int64), self.alignments[clip : clip + 1])
        found: Int16Array = turned[0].astype(np.int16)
        return found

    def digest(self) -> str:
        """Of the clips as they are."""
        return self.clips.digest()
