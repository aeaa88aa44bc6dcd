"""Recordings of samples before a front-end, and the inputs that a model hears in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from types import MappingProxyType
from typing import Protocol, Self

import numpy as np

from .evaluate import cut_frames, evaluate_graph, initial_state, rows_at_a_time
from .events import BoolArray
from .fixed_point import IntArray
from .ir import Graph, IntegerModel

FRAMES_AT_A_TIME = 4096
"""Of all recordings together: one more may be begun."""
FrameStates = Mapping[str, IntArray]
"""What a front-end reads of a model's states beside its frames, int [frames, *shape] by name; mostly nothing."""
NOTHING: FrameStates = MappingProxyType({})


class Features(Protocol):
    """What somebody makes of frames int [frames, span, channels]: int [frames, features]."""

    def __call__(self, frames: IntArray, kept: FrameStates = NOTHING) -> IntArray:
        """See Features."""
        ...


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

    def features(frames: IntArray, kept: FrameStates = NOTHING) -> IntArray:
        inputs = with_zeros(graph, {read.name: frames, **kept})
        parts = ({name: array[start : start + size] for name, array in inputs.items()} for start in range(0, len(frames), size))
        return np.concatenate([nothing, *(evaluate_graph(graph, part)[made] for part in parts)])

    return features


def with_zeros(frontend: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """What a front-end reads, by name: of states that nobody gives zeros."""
    count = len(next(iter(inputs.values())))
    return {value.name: inputs.get(value.name, np.zeros((count, *value.type.shape), np.int64)) for value in frontend.inputs}


def hear(model: IntegerModel, sound: Pcm, x: IntArray, features: Features, initial: IntArray | None = None) -> IntArray:
    """x with the inputs that `features` makes of each recording of samples: int [recordings, longest, *input shape], or of a model
    without state [recordings, *input shape], which has one input. initial: the states before each recording, as of `evaluate`.
    """
    heard, rows = x.copy(), np.flatnonzero(sound.heard).tolist()
    states = kept_of(model, len(x), initial)
    kept = [{name: array[row] for name, array in states.items()} for row in rows]
    made = features_in(map(sound.recording, rows), int(model.samples.type.shape[0]), model.hop, features, kept if states else None)
    for row, frames in zip(rows, made, strict=True):
        inputs = _of_whole_inputs(model, frames).reshape(-1, *model.input.type.shape)
        if model.is_recurrent:
            heard[row, : len(inputs)] = inputs
        else:
            heard[row] = inputs[0]
    return heard


def kept_of(model: IntegerModel, count: int, initial: IntArray | None) -> FrameStates:
    """What the model's front-end reads of so many states before the first step, rows as of `evaluate` (None: zeros), by name."""
    names = [value.name for value in model.states("frontend")]
    states = initial_state(model, count, initial) if names else {}
    return {name: states[name] for name in names}


def features_in(
    recordings: Iterable[IntArray], span: int, hop: int, features: Features, kept: Iterable[FrameStates] | None = None
) -> Iterator[IntArray]:
    """Of each recording [samples, channels] the features [frames, features] of its whole frames; those of many are computed together.

    kept: of each recording, what the front-end reads of its state, int [*shape] by name; None: nothing.
    """
    waiting: list[_Frames] = []
    for recording, own in zip(recordings, repeat(NOTHING), strict=False) if kept is None else zip(recordings, kept, strict=True):
        if (len(recording) - span) // hop >= FRAMES_AT_A_TIME:
            yield from _together(waiting, features)
            waiting = []
            parts = (_Frames.of(cut_frames(part, span, hop), own) for part in _parts(recording, span, hop))
            yield np.concatenate([features(part.frames, part.kept) for part in parts])
            continue
        waiting.append(_Frames.of(cut_frames(recording, span, hop), own))
        if sum(len(each.frames) for each in waiting) >= FRAMES_AT_A_TIME:
            yield from _together(waiting, features)
            waiting = []
    yield from _together(waiting, features)


@dataclass(frozen=True, eq=False)
class _Frames:
    """frames: [frames, span, channels]; kept: [frames, *shape] by name."""

    frames: IntArray
    kept: FrameStates

    @classmethod
    def of(cls, frames: IntArray, kept: FrameStates) -> Self:
        """With the same for all frames."""
        return cls(frames, {name: np.broadcast_to(array, (len(frames), *array.shape)) for name, array in kept.items()})


def _parts(recording: IntArray, span: int, hop: int) -> Iterator[IntArray]:
    """Pieces of a long recording, of FRAMES_AT_A_TIME frames each, that have its frames in order."""
    for start in range(0, (len(recording) - span) // hop + 1, FRAMES_AT_A_TIME):
        yield recording[start * hop : (start + FRAMES_AT_A_TIME - 1) * hop + span]


def _together(waiting: list[_Frames], features: Features) -> Iterator[IntArray]:
    if waiting:
        kept = {name: np.concatenate([each.kept[name] for each in waiting]) for name in waiting[0].kept}
        made = features(np.concatenate([each.frames for each in waiting]), kept)
        yield from np.split(made, np.cumsum([len(each.frames) for each in waiting])[:-1])


def frames_of_inputs(model: IntegerModel, recording: IntArray) -> IntArray:
    """The frames [frames, span, channels] of the whole inputs in a recording [samples, channels]."""
    return _of_whole_inputs(model, cut_frames(recording, model.samples.type.shape[0], model.hop))


def frontend_inputs(model: IntegerModel, recording: IntArray, initial: IntArray | None = None) -> dict[str, IntArray]:
    """All that the graph `frontend` reads of the whole inputs in a recording [samples, channels], int [frames, *shape] by name.

    initial: as of evaluate_frontend.
    """
    frames = frames_of_inputs(model, recording)
    kept = kept_of(model, 1, None if initial is None else initial[None])
    return {model.samples.name: frames, **{name: np.repeat(array, len(frames), axis=0) for name, array in kept.items()}}


def _of_whole_inputs(model: IntegerModel, frames: IntArray) -> IntArray:
    """The frames, or features of frames, without those at the end that fill no input."""
    return frames[: len(frames) // model.frames_an_input * model.frames_an_input]


def evaluate_frontend(model: IntegerModel, samples: IntArray, initial: IntArray | None = None) -> IntArray:
    """The inputs that a front-end makes of a recording, int [samples, channels]: int64 [inputs, *input shape], of whole frames alone.

    initial: the states before it, int [state entries], as rows of `evaluate`; None: zeros.
    """
    inputs = frontend_inputs(model, samples, initial)
    made = numpy_features(model.graphs["frontend"])(inputs.pop(model.samples.name), inputs)
    return made.reshape(-1, *model.input.type.shape)
