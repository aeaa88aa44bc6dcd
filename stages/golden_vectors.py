"""Golden vectors: a test set as the device reads it, and what the integer model answers, as one archive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.confusion import Confusion
from ..errors import InputError
from ..graph import serialize
from ..graph.archive import Arrays
from ..graph.evaluate import Trajectory
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..graph.sound import Pcm, inputs_in
from ..model_directory import VECTORS
from ..strict_documents import is_share

MOST_STATES = 1 << 28
"""Entries of all states of all sequences, which a comparison holds at once."""
MOST_READINGS_RECORDED = 1 << 31
"""Of a recording."""
SHOWN_SEQUENCES = 16
"""Sequences whose states are stored in full; all states are stored as one SHA-256."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Golden vectors: the whole test set as the device reads it, and what the integer model answered when it was made.

    x: int16 [sequences, longest, channels]; lengths, labels: int64 [sequences]; scores: int16 [sequences, classes];
    states: of the model's state_dtype [SHOWN_SEQUENCES at most, longest, state entries]; states_sha256: hex, over all states. recorded:
    int64 [sequences], how many readings each recording has where the steps do not tell: of nets that read windows of one length, or several
    readings a step. samples, sample_lengths: of a model with a front-end, what was recorded: int16 [sequences, longest, channels] and int64
    [sequences]; x is what the front-end makes of it.
    """

    x: IntArray
    lengths: IntArray
    labels: IntArray
    scores: IntArray
    states: IntArray
    states_sha256: str
    recorded: IntArray | None = None
    samples: IntArray | None = None
    sample_lengths: IntArray | None = None

    @property
    def sound(self) -> Pcm | None:
        """What was recorded, of a model with a front-end."""
        return None if self.samples is None or self.sample_lengths is None else Pcm(self.samples, self.sample_lengths)

    @property
    def sha256(self) -> str:
        """What names these vectors in a report and in the manifest."""
        states = np.frombuffer(bytes.fromhex(self.states_sha256), np.uint8)
        others = (array for array in (self.recorded, self.samples, self.sample_lengths) if array is not None)
        return hash_arrays(self.x, self.lengths, self.labels, self.scores, self.states, states, *others)

    @property
    def accuracy(self) -> float:
        """Fraction of the sequences whose largest score is their label's."""
        return float((answers(self.scores) == self.labels).mean())

    @property
    def confusion(self) -> Confusion:
        """The answers by class."""
        return Confusion.of(self.labels, answers(self.scores), self.scores.shape[1])

    def agrees(self, trajectory: Trajectory) -> bool:
        """Whether a trajectory of the same sequences is what was stored."""
        shown = np.array_equal(trajectory.states[: len(self.states)], self.states)
        return shown and np.array_equal(trajectory.scores, self.scores) and hash_states(trajectory) == self.states_sha256


def hash_arrays(*arrays: npt.NDArray[np.integer[Any]]) -> str:
    """SHA-256 (hex) over shape and content of each array, as little-endian int64: what names a set of vectors."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.shape}".encode())
        total.update(array.astype("<i8").tobytes())
    return total.hexdigest()


def hash_states(trajectory: Trajectory) -> str:
    """SHA-256 (hex) over every state, little-endian."""
    return hashlib.sha256(trajectory.states.astype(trajectory.states.dtype.newbyteorder("<")).tobytes()).hexdigest()


def vector_files(
    x: IntArray,
    lengths: IntArray,
    labels: IntArray,
    trajectory: Trajectory,
    recorded: IntArray | None = None,
    sound: Pcm | None = None,
) -> dict[str, bytes]:
    """vectors/test.npz. recorded, sound: see Vectors."""
    arrays: Arrays = {
        "x": x.astype(np.int16),
        "lengths": lengths.astype(np.int64),
        "labels": labels.astype(np.int64),
        "scores": trajectory.scores.astype(np.int16),
        "states": trajectory.states[:SHOWN_SEQUENCES],
        "states_sha256": np.frombuffer(bytes.fromhex(hash_states(trajectory)), np.uint8),
        **({} if recorded is None else {"recorded": recorded.astype(np.int64)}),
        **({} if sound is None else {"samples": sound.samples.astype(np.int16), "sample_lengths": sound.lengths.astype(np.int64)}),
    }
    return {VECTORS: serialize.to_npz(arrays)}


def is_possible(vectors: Vectors, integer: float, sequences: int) -> bool:
    """Whether the fraction `integer` of a test set of so many sequences can be right, of which `vectors` are all or the first ones."""
    right, kept = int((answers(vectors.scores) == vectors.labels).sum()), len(vectors.x)
    total = round(integer * sequences)
    return kept <= sequences and is_share(integer, sequences) and right <= total <= right + sequences - kept


def decode_vectors(data: bytes, model: IntegerModel, what: str) -> Vectors:
    """Golden vectors of `model` from the bytes of vectors/test.npz. Raises InputError naming `what`."""
    arrays = serialize.from_npz(data, what)
    try:
        digest = arrays.pop("states_sha256").tobytes().hex()
        vectors = Vectors(**arrays, states_sha256=digest)
    except (KeyError, TypeError) as error:
        raise InputError(f"{what} does not hold golden vectors ({error}): run `rescomp quantize` again") from error
    if fault := _fault_of(vectors, model):
        raise InputError(f"{what} {fault}: run `rescomp quantize` again")
    return vectors


def _fault_of(vectors: Vectors, model: IntegerModel) -> str:
    """What keeps vectors from being a model's, to stand behind the file; nothing where they are."""
    axes, entries = vectors.x.shape, sum(value.type.size for value in model.graphs["step"].state_inputs) if model.is_recurrent else 0
    before = 2 if model.is_recurrent else 1
    if axes[before:] != model.input.type.shape or len(axes) < before or not vectors.x.size:
        return f"holds inputs of shape {list(axes)}, the model reads {model.input.type}"
    count, longest = len(vectors.x), axes[1] if model.is_recurrent else 0
    if count * longest * entries > MOST_STATES:
        return f"asks for {count * longest * entries:,} entries of states, and {MOST_STATES:,} are held at most"
    wanted: dict[str, tuple[str, tuple[int, ...]]] = {
        "x": ("int16", axes),
        "lengths": ("int64", (count,)),
        "labels": ("int64", (count,)),
        "scores": ("int16", (count, *model.output.type.shape)),
        "states": (model.state_dtype.name, (min(count, SHOWN_SEQUENCES), longest, entries)),
        "recorded": ("int64", (count,)),
        "samples": ("int16", (count, *_samples_shape(vectors, model))),
        "sample_lengths": ("int64", (count,)),
    }
    for name, (dtype, shape) in wanted.items():
        array: IntArray | None = getattr(vectors, name)
        if array is not None and (array.dtype.name != dtype or array.shape != shape):
            return f"holds {name} as {array.dtype} of shape {list(array.shape)}, and {dtype} of {list(shape)} is wanted"
    if len(vectors.states_sha256) != 64:
        return "holds no SHA-256 of the states"
    if vectors.lengths.min() < 1 or (model.is_recurrent and vectors.lengths.max() > longest):
        return "holds a length that no sequence has"
    if vectors.recorded is not None and (vectors.recorded.min() < 1 or vectors.recorded.max() > MOST_READINGS_RECORDED):
        return "tells of more or fewer readings than a recording has"
    if fault := _fault_of_sound(vectors, model):
        return fault
    if vectors.labels.min() < 0 or vectors.labels.max() >= model.output.type.size:
        return "holds a label that no class has"
    return ""


def _samples_shape(vectors: Vectors, model: IntegerModel) -> tuple[int, ...]:
    """Of a recording, as far as the model says it."""
    longest = vectors.samples.shape[1:2] if vectors.samples is not None else ()
    return (*longest, model.samples.type.shape[1]) if model.reads_samples else ()


def _fault_of_sound(vectors: Vectors, model: IntegerModel) -> str:
    """As above, of what was recorded: there must be as many samples as the steps of each sequence are made of."""
    sound = vectors.sound
    if (sound is None) == model.reads_samples or (vectors.samples is None) != (vectors.sample_lengths is None):
        return "holds samples where the model has no front-end, or none where it has one"
    if sound is None:
        return ""
    steps = vectors.lengths if model.is_recurrent else np.ones(len(vectors.x), np.int64)
    if sound.lengths.min() < 1 or sound.lengths.max() > sound.samples.shape[1] or (inputs_in(model, sound.lengths) != steps).any():
        return "holds recordings of another length than their steps are made of"
    return ""


def answers(scores: IntArray) -> IntArray:
    """The class of each row of scores: the largest, the lowest index among equals."""
    best: IntArray = np.argmax(scores.reshape(len(scores), -1), axis=1)
    return best
