"""What a model reads of recordings: the device's integers, some readings a step or whole windows; and the way back from golden vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..data.input_format import INT16_HIGH, INT16_LOW, scaled, to_device_integers
from ..data.split import Int64Array, Split, ValueArray, valid_steps
from ..data.steps import in_steps, windows
from ..data.streams import Streams, streams_in_steps
from ..errors import InputError, UnsupportedError, counted
from ..graph.formats import FractionBits
from ..graph.ir import IntegerModel
from ..manifest import Manifest
from .golden_vectors import Vectors


@dataclass(frozen=True)
class Reader:
    """How a model reads. readings_a_step, stride: readings of a step, and from one step's start to the next one's.

    time_steps: readings of the window that a net without recurrent cells was trained on, None for recurrent cells and images.
    """

    model: IntegerModel
    fraction_bits: FractionBits
    channels: int
    readings_a_step: int
    stride: int
    time_steps: int | None

    @classmethod
    def of(cls, manifest: Manifest, model: IntegerModel) -> Reader:
        """Of a model directory, whose manifest was checked against the model."""
        said, read = manifest.input, model.input.type.shape
        readings, shape = said.readings_a_step or 1, said.shape or read
        stride = said.stride or readings
        steps = None if len(read) != 2 or len(shape) == 1 else int(shape[0])
        if steps is not None and model.is_recurrent:
            readings = stride = read[0]
        if steps is not None and (steps % readings or (not model.is_recurrent and shape != read)):
            raise InputError(f"the manifest says that a step is {readings} readings of {steps}, {stride} apart: quantize the model again")
        return cls(model, said.fraction_bits, manifest.data.channels, readings, stride, steps)

    @property
    def one(self) -> str:
        """What a reading is called: one of a sensor, or the features of a frame."""
        return "frame" if self.model.reads_samples else "reading"

    @property
    def is_image(self) -> bool:
        """Whether it reads images."""
        return len(self.model.input.type.shape) == 3

    def integers(self, x: ValueArray) -> tuple[npt.NDArray[np.int16], int]:
        """(what the device reads for x, int16 of its shape; how many entries do not fit and are limited)."""
        real = x.astype(np.float32) if np.issubdtype(x.dtype, np.integer) and self.fraction_bits else x
        exact = scaled(real, self.fraction_bits)
        outside = int(((exact < INT16_LOW - 0.5) | (exact >= INT16_HIGH + 0.5)).sum())
        return to_device_integers(real, self.fraction_bits), outside

    def steps(self, split: Split) -> Split:
        """Device integers as the model reads them: x [sequences, steps, *input shape], or [samples, *input shape] without state."""
        if self.is_image:
            self._check_image(split)
            return split
        if self.time_steps is None:
            by = "model.readings" if len(self.model.input.type.shape) == 1 else "its first layers"
            return self._shaped(in_steps(split, self.readings_a_step, self.stride, by, self.one))
        whole = windows(split, self.time_steps)
        return self._in_steps(whole) if self.model.is_recurrent else whole

    def _in_steps(self, whole: Split) -> Split:
        """Windows of one length as a net without recurrent cells reads them in a stream."""
        x: ValueArray = whole.x.reshape(len(whole), -1, *self.model.input.type.shape)
        return replace(whole, x=x, lengths=np.full(len(whole), x.shape[1], np.int64))

    def read(self, split: Split) -> Split:
        """The readings of recordings that the model reads, x [sequences, time, channels]: of those longer than a window of one length the
        first ones, else those of whole steps. Images as they are.
        """
        if self.is_image:
            return split
        kept = np.minimum(split.lengths, self.time_steps or split.lengths)
        if self.time_steps is None:
            kept = np.where(kept < self.readings_a_step, kept, kept - (kept - self.readings_a_step) % self.stride)
        x = split.x[:, : int(kept.max())].copy()
        x[~valid_steps(kept, x.shape[1])] = 0
        return replace(split, x=x, lengths=kept)

    def row_steps(self, split: Split) -> Split:
        """Device integers as the model reads them in a stream, nothing before or behind them: x [sequences, steps, *input shape].

        Readings past the last whole step are left out, and so are recordings shorter than one. Raises InputError when that leaves none.
        """
        long = np.flatnonzero(split.lengths >= self.readings_a_step)
        if not long.size:
            raise InputError(
                f"no recording has the {counted(self.readings_a_step, self.one)} that the net takes as one step: give longer ones"
            )
        return self._shaped(in_steps(split.take(long), self.readings_a_step, self.stride))

    def _shaped(self, stepped: Split) -> Split:
        """Steps as the model reads each."""
        return replace(stepped, x=stepped.x.reshape(*stepped.x.shape[:2], *self.model.input.type.shape))

    def _check_image(self, split: Split) -> None:
        if split.x.shape[1:] != self.model.input.type.shape:
            raise InputError(
                f"the images have the shape {list(split.x.shape[1:])} and the model reads {list(self.model.input.type.shape)}: give such"
            )

    def stream_steps(self, streams: Streams) -> Streams:
        """Streams of device integers as the model reads them: x [streams, steps, *input shape]."""
        stepped = streams_in_steps(streams, self.readings_a_step, self.stride, self.one)
        return replace(stepped, x=stepped.x.reshape(*stepped.x.shape[:2], *self.model.input.type.shape))

    def readings(self, vectors: Vectors) -> Split:
        """The recordings behind golden vectors as `read` gives them: device integers [sequences, time, channels], or images.

        Vectors of an earlier rescomp do not tell what of a window was recorded: there all of it counts. Raises UnsupportedError where steps
        leave readings out, which are lost.
        """
        x, y = vectors.x.astype(np.int16), vectors.labels.astype(np.int64)
        if not self.model.is_recurrent:
            return Split(x, y, np.full(len(x), x.shape[1], np.int64) if self.is_image else self.recorded(vectors))
        if self.stride > self.readings_a_step:
            raise UnsupportedError(
                f"the model leaves readings out (model.stride {self.stride}, model.readings {self.readings_a_step}), so that the golden "
                "vectors do not hold the recordings: give them with --data"
            )
        x = x.reshape(*x.shape[:2], self.readings_a_step, self.channels)
        lengths: Int64Array = ((vectors.lengths - 1) * self.stride + self.readings_a_step).astype(np.int64)
        readings = np.zeros((len(x), int(lengths.max()), self.channels), np.int16)
        for step in range(int(vectors.lengths.max())):  # x may be wider: padded for recordings that were not kept
            running = vectors.lengths > step
            readings[running, step * self.stride : step * self.stride + self.readings_a_step] = x[running, step]
        return Split(readings, y, lengths if self.time_steps is None else self.recorded(vectors))

    def scales(self, vectors: Vectors) -> npt.NDArray[np.float64]:
        """Standard deviation of each channel over the readings of golden vectors, where steps share none once each: float64 [channels]."""
        if self.stride > self.readings_a_step:
            known = valid_steps(vectors.lengths, vectors.x.shape[1])
            read = vectors.x[known].reshape(-1, self.channels).astype(np.float64)
        else:
            read = self.readings(vectors).steps.astype(np.float64)
        found: npt.NDArray[np.float64] = read.std(axis=0)
        return found

    def least_readings(self, recorded: Int64Array) -> Int64Array:
        """How many readings a recording of so many must keep, whatever befalls it: int64 [sequences].

        Those of a step; of a net that reads windows of one length, as much of the window as it filled.
        """
        return np.full(len(recorded), self.readings_a_step, np.int64) if self.time_steps is None else np.minimum(recorded, self.time_steps)

    @property
    def reads_several(self) -> bool:
        """Whether it reads several readings at once: then steps do not tell how many a recording has."""
        return not self.is_image and (self.time_steps is not None or (self.readings_a_step, self.stride) != (1, 1))

    def recorded(self, vectors: Vectors) -> Int64Array:
        """How many readings each recording behind golden vectors has, those of windows of one length at most: int64 [sequences].

        Of vectors of an earlier rescomp: how many can be told.
        """
        if vectors.recorded is not None:
            known: Int64Array = vectors.recorded.astype(np.int64)
            return known if self.time_steps is None else np.minimum(known, self.time_steps)
        if self.time_steps is not None or self.is_image:
            return np.full(len(vectors.x), self.time_steps or 1, np.int64)
        whole: Int64Array = ((vectors.lengths - 1) * self.stride + self.readings_a_step).astype(np.int64)
        return whole


def refuse_still(model: IntegerModel) -> None:
    """Raise UnsupportedError for a model that keeps no state and so cannot stream."""
    if not model.is_recurrent:
        over = "images" if len(model.input.type.shape) == 3 else "whole windows, and keeps nothing from one to the next"
        raise UnsupportedError(
            f"{model.name} reads {over}, so that it has no stream: leave out --stream, or train a net with model.streaming = true or of "
            "recurrent cells"
        )
