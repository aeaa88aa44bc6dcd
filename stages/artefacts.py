"""The integer model and its golden vectors as they are read from a model directory, where manifest and recipe may not contradict them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..data.input_format import scales
from ..data.steps import steps_of
from ..decision_figures import ChosenDecision
from ..errors import InputError, UnsupportedError, counted
from ..frontend.asked import asked_front_end
from ..frontend.description import FrontEnd
from ..frontend.lowering import with_front_end
from ..graph import serialize
from ..graph.alignment import align_of, turned_frontend
from ..graph.decide import decision_of
from ..graph.formats import common_bits, own_bits
from ..graph.ir import IntegerModel, Sampling
from ..graph.verify import verify_runnable
from ..manifest import Manifest
from ..model_directory import CELLS_FILE, FLOAT_NET, GRAPH, MANIFEST, NET, QUANTIZED_NET, RECIPE, VECTORS, WEIGHTS, ModelDirectory
from ..recipe import DecideSection, Recipe, parse_recipe
from .golden_rows import kept_rows
from .golden_vectors import Vectors, decode_vectors, is_possible


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
    parts = filter(directory.expects, (NET, CELLS_FILE))
    directory.check((RECIPE, FLOAT_NET, *parts, *(integer if quantized else ())))
    check_manifest(directory)
    if quantized:
        read_vectors(directory, read_model(directory))


def _check_manifest(manifest: Manifest, model: IntegerModel, directory: ModelDirectory) -> None:
    """Raise InputError unless the manifest speaks of this model wherever both say the same thing."""
    recipe = _kept_recipe(directory)
    if recipe is not None:
        _check_recipe(manifest, recipe, directory)
    format, reading, data = model.input.type.format, manifest.input, manifest.data
    sampled = 0 if manifest.samples is None else manifest.samples.fraction_bits
    wrong = {
        "graph_sha256": manifest.graph_sha256 != serialize.digest(model),
        "contract": manifest.contract != serialize.CONTRACT,
        "name": manifest.name != model.name,
        "classes": manifest.classes != model.classes,
        "formats": manifest.formats is not None and manifest.as_json()["formats"] != describe_formats(model),
        "input.fraction_bits": reading.fraction_bits != model.input_bits,
        "input.scale": reading.scale not in (None, scales(model.input_bits)),
        "input.dtype": reading.dtype not in (None, format.dtype),
        "input.shape": reading.shape is not None and not _is_read(reading.shape, reading.readings_a_step or 1, model),
        "input.channels": len(reading.channels) not in (0, data.channels),
        "data.channels": reading.shape is not None and reading.shape[-1:] != (data.channels,),
        "samples": (manifest.samples is None) == model.reads_samples,
        "samples.fraction_bits": model.reads_samples and model.channel_bits != own_bits(sampled),
        "alignment": not _is_aligned(manifest, model),
        "frontend": recipe is not None and not _is_behind(recipe, manifest, model),
        "decision": not _is_decided_by(manifest, model),
    }
    for key in (key for key, differs in wrong.items() if differs):
        what = f"{directory.path / MANIFEST} is not of the model in {GRAPH}: {key} differs"
        raise InputError(f"{what}; run `rescomp quantize {directory.path}` again")


def _is_aligned(manifest: Manifest, model: IntegerModel) -> bool:
    """Whether the model's alignment, or that it has none, is the manifest's."""
    op, said = align_of(model), manifest.alignment
    if op is None or said is None:
        return op is None and said is None
    channels = manifest.data.channels if manifest.samples is None else manifest.samples.channels
    return (op.channels, op.axes, op.reference) == (channels, said.axes, said.reference)


def _is_decided_by(manifest: Manifest, model: IntegerModel) -> bool:
    """Whether the decision that the manifest tells of, if any, is the model's."""
    said, graph = manifest.decision, model.graphs.get("decide")
    if said is None:
        return True
    decision, unit = None if graph is None else decision_of(graph), 2.0**model.output.type.format.fraction_bits
    return decision is not None and (said.smoothing, said.margin, said.hold, said.thresholds) == (
        decision.smoothing,
        decision.margin / unit,
        decision.hold,
        tuple(value / unit for value in decision.thresholds),
    )


def _is_behind(recipe: Recipe, manifest: Manifest, model: IntegerModel) -> bool:
    """Whether the model's front-end, or that it has none, is the recipe's."""
    if recipe.of_samples is None or manifest.samples is None:
        return recipe.of_samples is None and not model.reads_samples
    samples, asked = manifest.samples, recipe.of_samples.of_a_front_end
    try:
        front_end = asked_front_end(asked, samples.sample_rate, samples.channels)
    except InputError:
        return False
    if model.sampling not in (None, Sampling(samples.sample_rate, common_bits(samples.fraction_bits))):
        return False
    return serialize.digest(_behind_another(model, front_end)) == serialize.digest(model)


def _behind_another(model: IntegerModel, front_end: FrontEnd) -> IntegerModel:
    """The model with that front-end, behind the alignment that it has."""
    other, op = with_front_end(model, front_end, model.sampling), align_of(model)
    if op is None:
        return other
    return replace(other, graphs={**other.graphs, "frontend": turned_frontend(op, other.graphs["frontend"])})


def _kept_recipe(directory: ModelDirectory) -> Recipe | None:
    return parse_recipe(directory.read(RECIPE), str(directory.path / RECIPE)) if directory.has(RECIPE) else None


def _check_recipe(manifest: Manifest, recipe: Recipe, directory: ModelDirectory) -> None:
    """Raise InputError where manifest and recipe contradict each other."""
    reading, model, train = manifest.input, recipe.model, recipe.train
    by_net = model.is_own and model.readings == 1 and model.stride is None  # the layers of a user's net may read more
    wrong = {
        "input.unit": reading.unit not in (None, recipe.data.unit),
        "input.sample_rate": reading.sample_rate not in (None, recipe.data.sample_rate),
        "input.full_scale": reading.full_scale not in (None, recipe.data.full_scale),
        "samples": (manifest.samples is None) != (recipe.of_samples is None),
        "alignment": (None if manifest.alignment is None else manifest.alignment.axes)
        != (None if recipe.alignment is None else recipe.alignment.axes),
        "samples.unit": manifest.samples is not None and manifest.samples.unit != recipe.data.unit,
        "input.readings_a_step": not by_net and reading.readings_a_step not in (None, model.readings_a_step),
        "input.stride": not by_net and reading.stride not in (None, model.stride or model.readings_a_step),
        "input.shape": not model.is_own and reading.shape is not None and (len(reading.shape) == 1) != model.is_recurrent,
        "seed": manifest.seed not in (None, train.seed),
        "threads": manifest.threads not in (None, train.threads),
        "decision": manifest.decision is not None and not _is_asked(manifest.decision, recipe.decide),
    }
    for key in (key for key, differs in wrong.items() if differs):
        raise InputError(f"{directory.path / MANIFEST} is not of the model in {RECIPE}: {key} differs; train the model again")


def _is_asked(chosen: ChosenDecision, asked: DecideSection | None) -> bool:
    """Whether the recipe asks for a decision like the one that was chosen."""
    background = None if chosen.wake_words is None else chosen.wake_words.background
    return asked is not None and (asked.false_alarms, asked.background) == (chosen.false_alarms, background)


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
