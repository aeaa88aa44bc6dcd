"""Recordings of samples before a front-end, and the inputs that a model hears in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from .evaluate import cut_frames, evaluate_graph, rows_at_a_time
from .events import BoolArray
from .fixed_point import IntArray
from .ir import Graph, IntegerModel

FRAMES_AT_A_TIME = 4096
"""Of all recordings together: one more may be begun."""
Features = Callable[[IntArray], IntArray]
"""What somebody makes of frames int [frames, span, channels]: int [frames, features]."""


@dataclass(frozen=True, eq=False)
class Pcm:
    """Recordings as a sensor gives them.

    samples: int16 [recordings, longest, channels]; lengths: int64 [recordings], 0 for what is fed with features instead.
    """

    samples: IntArray
    lengths: IntArray

    def take(self, rows: IntArray) -> Self:
        """Of some of the recordings."""
        return replace(self, samples=self.samples[rows], lengths=self.lengths[rows])

    @property
    def heard(self) -> BoolArray:
        """Which recordings are samples: bool [recordings]."""
        return np.asarray(self.lengths > 0)

    def recording(self, row: int) -> IntArray:
        """int16 [samples, channels]."""
        recording: IntArray = self.samples[row, : self.lengths[row]]
        return recording


def inputs_in(model: IntegerModel, samples: IntArray) -> IntArray:
    """How many whole inputs recordings of so many samples hold: int64, of the shape of `samples`."""
    frames = np.maximum(0, (samples - model.samples.type.shape[0]) // model.hop + 1)
    inputs: IntArray = frames // model.frames_an_input
    return inputs


def samples_for(model: IntegerModel, inputs: int) -> int:
    """The fewest samples that hold so many inputs."""
    return (inputs * model.frames_an_input - 1) * model.hop + int(model.samples.type.shape[0])


def numpy_features(graph: Graph) -> Features:
    """The definition. graph: a front-end's."""
    size, (read,), (made,) = rows_at_a_time(graph), graph.data_inputs, graph.outputs
    nothing = np.zeros((0, *graph.types()[made].shape), np.int64)

    def features(frames: IntArray) -> IntArray:
        parts = (frames[start : start + size] for start in range(0, len(frames), size))
        return np.concatenate([nothing, *(evaluate_graph(graph, {read.name: part})[made] for part in parts)])

    return features


def hear(model: IntegerModel, sound: Pcm, x: IntArray, features: Features) -> IntArray:
    """x with the inputs that `features` makes of each recording of samples: int [recordings, longest, *input shape], or of a model
    without state [recordings, *input shape], which has one input.
    """
    heard, rows = x.copy(), np.flatnonzero(sound.heard).tolist()
    made = features_in(map(sound.recording, rows), int(model.samples.type.shape[0]), model.hop, features)
    for row, frames in zip(rows, made, strict=True):
        inputs = _of_whole_inputs(model, frames).reshape(-1, *model.input.type.shape)
        if model.is_recurrent:
            heard[row, : len(inputs)] = inputs
        else:
            heard[row] = inputs[0]
    return heard


def features_in(recordings: Iterable[IntArray], span: int, hop: int, features: Features) -> Iterator[IntArray]:
    """Of each recording [samples, channels] the features [frames, features] of its whole frames; those of many are computed together."""
    waiting: list[IntArray] = []
    for recording in recordings:
        if (len(recording) - span) // hop >= FRAMES_AT_A_TIME:
            yield from _together(waiting, features)
            waiting = []
            yield np.concatenate([features(cut_frames(part, span, hop)) for part in _parts(recording, span, hop)])
            continue
        waiting.append(cut_frames(recording, span, hop))
        if sum(map(len, waiting)) >= FRAMES_AT_A_TIME:
            yield from _together(waiting, features)
            waiting = []
    yield from _together(waiting, features)


def _parts(recording: IntArray, span: int, hop: int) -> Iterator[IntArray]:
    """Pieces of a long recording, of FRAMES_AT_A_TIME frames each, that have its frames in order."""
    for start in range(0, (len(recording) - span) // hop + 1, FRAMES_AT_A_TIME):
        yield recording[start * hop : (start + FRAMES_AT_A_TIME - 1) * hop + span]


def _together(frames: list[IntArray], features: Features) -> Iterator[IntArray]:
    if frames:
        yield from np.split(features(np.concatenate(frames)), np.cumsum([len(each) for each in frames])[:-1])


def frames_of_inputs(model: IntegerModel, recording: IntArray) -> IntArray:
    """The frames [frames, span, channels] of the whole inputs in a recording [samples, channels]."""
    return _of_whole_inputs(model, cut_frames(recording, model.samples.type.shape[0], model.hop))


def _of_whole_inputs(model: IntegerModel, frames: IntArray) -> IntArray:
    """The frames, or features of frames, without those at the end that fill no input."""
    return frames[: len(frames) // model.frames_an_input * model.frames_an_input]


def evaluate_frontend(model: IntegerModel, samples: IntArray) -> IntArray:
    """The inputs that a front-end makes of a recording, int [samples, channels]: int64 [inputs, *input shape], of whole frames alone."""
    made = numpy_features(model.graphs["frontend"])(frames_of_inputs(model, samples))
    return made.reshape(-1, *model.input.type.shape)
