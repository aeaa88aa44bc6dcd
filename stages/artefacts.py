"""Reading and writing the integer model and its test vectors in a model directory."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.frames import steps_of
from ..errors import InputError, UnsupportedError, counted
from ..frontend.asked import asked_front_end
from ..frontend.lowering import with_front_end
from ..graph import serialize
from ..graph.archive import Arrays
from ..graph.evaluate import Trajectory
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..graph.sound import Pcm, inputs_in
from ..graph.verify import verify_runnable
from ..manifest import Manifest
from ..model_directory import FLOAT_NET, GRAPH, MANIFEST, QUANTIZED_NET, RECIPE, VECTORS, WEIGHTS, ModelDirectory
from ..recipe import Recipe, parse_recipe
from .golden_rows import kept_rows

MOST_STATES = 1 << 28
"""Entries of all states of all sequences, which a comparison holds at once."""
MOST_READINGS = 1 << 31
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


def model_files(model: IntegerModel) -> dict[str, bytes]:
    """graph.json and weights.npz."""
    document, arrays = serialize.encode(model)
    return {GRAPH: document, WEIGHTS: serialize.to_npz(arrays)}


def read_model(directory: ModelDirectory) -> IntegerModel:
    """The verified integer model. Raises InputError when its files are missing, changed or damaged."""
    with directory.unchanging():
        weights, graph, manifest = directory.read(WEIGHTS), directory.read(GRAPH), directory.manifest()
    arrays = serialize.from_npz(weights, str(directory.path / WEIGHTS))
    try:
        model = serialize.decode(graph, arrays)
        verify_runnable(model)
    except UnsupportedError as error:
        raise InputError(f"{directory.path / GRAPH} is damaged, or not rescomp's ({error}): quantize the model again") from error
    _check_manifest(manifest, model, directory)
    return model


def check_manifest(directory: ModelDirectory) -> None:
    """Raise InputError unless the manifest speaks of the recipe, and of the integer model where there is one."""
    manifest, recipe = directory.manifest(), _kept_recipe(directory)
    if manifest.contract != serialize.CONTRACT:
        where, known = directory.path / MANIFEST, serialize.CONTRACT
        raise InputError(f"{where} has contract {manifest.contract}, this rescomp reads {known}: use the rescomp that wrote it")
    if recipe is not None:
        _check_recipe(manifest, recipe, directory)
    if directory.has(GRAPH) and directory.has(WEIGHTS):
        read_model(directory)


def check_whole(directory: ModelDirectory) -> None:
    """Raise InputError unless all that the stages until now write is there, unchanged, and none of it contradicts the rest."""
    integer = (GRAPH, WEIGHTS, VECTORS, QUANTIZED_NET)
    quantized = directory.manifest().graph_sha256 is not None or any(map(directory.has, integer))
    directory.check((RECIPE, FLOAT_NET, *(integer if quantized else ())))
    check_manifest(directory)
    if quantized:
        read_vectors(directory, read_model(directory))


def _check_manifest(manifest: Manifest, model: IntegerModel, directory: ModelDirectory) -> None:
    """Raise InputError unless the manifest speaks of this model wherever both say the same thing."""
    recipe = _kept_recipe(directory)
    if recipe is not None:
        _check_recipe(manifest, recipe, directory)
    format, reading, data = model.input.type.format, manifest.input, manifest.data
    wrong = {
        "graph_sha256": manifest.graph_sha256 != serialize.digest(model),
        "contract": manifest.contract != serialize.CONTRACT,
        "name": manifest.name != model.name,
        "classes": manifest.classes != model.classes,
        "formats": manifest.formats is not None and manifest.as_json()["formats"] != describe_formats(model),
        "input.fraction_bits": reading.fraction_bits != format.fraction_bits,
        "input.scale": reading.scale not in (None, 2.0**-format.fraction_bits),
        "input.dtype": reading.dtype not in (None, format.dtype),
        "input.shape": reading.shape is not None and not _is_read(reading.shape, reading.readings_a_step or 1, model),
        "input.channels": len(reading.channels) not in (0, data.channels),
        "data.channels": reading.shape is not None and reading.shape[-1:] != (data.channels,),
        "samples": (manifest.samples is None) == model.reads_samples,
        "frontend": recipe is not None and not _is_behind(recipe, manifest, model),
    }
    for key in (key for key, differs in wrong.items() if differs):
        what = f"{directory.path / MANIFEST} is not of the model in {GRAPH}: {key} differs"
        raise InputError(f"{what}; run `rescomp quantize {directory.path}` again")


def _is_behind(recipe: Recipe, manifest: Manifest, model: IntegerModel) -> bool:
    """Whether the model's front-end, or that it has none, is the recipe's."""
    if recipe.frontend is None or manifest.samples is None:
        return recipe.frontend is None and not model.reads_samples
    samples, asked = manifest.samples, recipe.frontend.model_dump(exclude_none=True)
    try:
        front_end = asked_front_end(asked, samples.sample_rate, samples.channels)
    except InputError:
        return False
    return serialize.digest(with_front_end(model, front_end)) == serialize.digest(model)


def _kept_recipe(directory: ModelDirectory) -> Recipe | None:
    return parse_recipe(directory.read(RECIPE), str(directory.path / RECIPE)) if directory.has(RECIPE) else None


def _check_recipe(manifest: Manifest, recipe: Recipe, directory: ModelDirectory) -> None:
    """Raise InputError where manifest and recipe contradict each other."""
    reading, model, train = manifest.input, recipe.model, recipe.train
    by_net = model.is_own and model.readings == 1 and model.stride is None  # the layers of a user's net may read more
    wrong = {
        "input.unit": reading.unit not in (None, recipe.data.unit),
        "samples": (manifest.samples is None) != (recipe.frontend is None),
        "samples.unit": manifest.samples is not None and manifest.samples.unit != recipe.data.unit,
        "input.readings_a_step": not by_net and reading.readings_a_step not in (None, model.readings_a_step),
        "input.stride": not by_net and reading.stride not in (None, model.stride or model.readings_a_step),
        "input.shape": not model.is_own and reading.shape is not None and (len(reading.shape) == 1) != model.is_recurrent,
        "seed": manifest.seed not in (None, train.seed),
        "threads": manifest.threads not in (None, train.threads),
    }
    for key in (key for key, differs in wrong.items() if differs):
        raise InputError(f"{directory.path / MANIFEST} is not of the model in {RECIPE}: {key} differs; train the model again")


def _is_read(shape: Sequence[int], readings: int, model: IntegerModel) -> bool:
    """Whether a model can be one of readings of this shape, or of windows of this shape, `readings` of them side by side in a step."""
    read, whole = model.input.type.shape, tuple(shape)
    if len(whole) == 1:
        return model.is_recurrent and read in ((readings * whole[0],), (readings, *whole))
    if readings != 1 or (model.is_recurrent and len(read) == 1):
        return model.is_recurrent and read == (readings * math.prod(whole[1:] or whole),)
    return read[1:] == whole[1:] if model.is_recurrent else read == whole


def describe_formats(model: IntegerModel) -> dict[str, dict[str, Any]]:
    """Format and scale of every value, as the manifest has them."""
    return {
        f"{graph.name}.{name}": {"format": str(type.format), "scale": 2.0**-type.format.fraction_bits}
        for graph in model.graphs.values()
        for name, type in graph.types().items()
    }


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


def read_vectors(directory: ModelDirectory, model: IntegerModel) -> Vectors:
    """The golden vectors, checked against the model's shapes and against the manifest. Raises InputError."""
    with directory.unchanging():
        data, manifest = directory.read(VECTORS), directory.manifest()
    path = directory.path / VECTORS
    vectors = decode_vectors(data, model, str(path))
    if manifest.vectors_sha256 not in (None, vectors.sha256):
        raise InputError(f"{path} is not of the model in {directory.path}: run `rescomp quantize {directory.path}` again")
    _check_counts(vectors, manifest, directory)
    _check_recorded(vectors, manifest, model, directory)
    return vectors


def _check_recorded(vectors: Vectors, manifest: Manifest, model: IntegerModel, directory: ModelDirectory) -> None:
    """Raise InputError unless recordings of steps of several readings have the readings of these steps."""
    readings = manifest.input.readings_a_step or 1
    stride = manifest.input.stride or readings
    if vectors.recorded is None or not model.is_recurrent or len(manifest.input.shape or model.input.type.shape) > 1:
        return
    if (steps_of(vectors.recorded.astype(np.int64), readings, stride) != vectors.lengths).any():
        again = f"run `rescomp quantize {directory.path}` again"
        raise InputError(f"{directory.path / VECTORS} tells of more or fewer readings than the steps of a recording have: {again}")


def _check_counts(vectors: Vectors, manifest: Manifest, directory: ModelDirectory) -> None:
    """Raise InputError unless these vectors can be as many, and as right, as the manifest says of the test set that they are of."""
    integer, sequences, recipe = manifest.accuracy.integer, manifest.data.test_sequences, _kept_recipe(directory)
    if sequences is None:
        return
    where, again = directory.path / MANIFEST, f"which {directory.path / VECTORS} contradicts: run `rescomp quantize {directory.path}` again"
    if integer is not None and not is_possible(vectors, integer, sequences):
        raise InputError(f"{where} says that {integer:.2%} of {counted(sequences, 'test sequence')} are answered right, {again}")
    if recipe is not None and len(vectors.x) != len(kept_rows(recipe, sequences)):
        raise InputError(f"{where} says that there are {counted(sequences, 'test sequence')}, {again}")


def is_possible(vectors: Vectors, integer: float, sequences: int) -> bool:
    """Whether the fraction `integer` of a test set of so many sequences can be right, of which `vectors` are all or the first ones."""
    right, kept = int((answers(vectors.scores) == vectors.labels).sum()), len(vectors.x)
    total = round(integer * sequences)
    return kept <= sequences and total / sequences == integer and right <= total <= right + sequences - kept


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
    if vectors.recorded is not None and (vectors.recorded.min() < 1 or vectors.recorded.max() > MOST_READINGS):
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
