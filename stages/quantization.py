"""quantize: fine-tune the float net under its constraints, and lower it to the integer graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..compress import SparseSupport, TernaryStorage, anneal, calibrate, constrain, distillation, matrices, widen_unproved
from ..data.dataset import Dataset, Split
from ..data.input_format import to_device_integers
from ..errors import InputError, counted
from ..frontend.lowering import with_front_end
from ..graph.decide import with_decision
from ..graph.evaluate import evaluate
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from ..graph.ir import IntegerModel
from ..graph.serialize import digest
from ..graph.sound import Pcm
from ..lowering.lower import lower
from ..manifest import Manifest
from ..model_directory import (
    CHECKPOINT,
    FLOAT_NET,
    METRICS,
    QUANTIZED_NET,
    RECIPE,
    REPORT,
    VECTORS,
    ModelDirectory,
)
from ..models import Net, refuse_unusable, use_loop
from ..models.arithmetic import NORMALIZED
from ..models.kept import empty_net
from ..recipe import OPTIONAL_SECTIONS, Recipe, refuse_unread_of_streams, revise, to_toml
from ..train.checkpoint import CheckpointFile, encode_net, load_net
from ..train.determinism import make_deterministic
from ..train.device import choose_device
from ..train.loop import fit
from ..train.memory import keep_freed_memory
from ..train.metrics import Metrics, metrics_file
from ..train.schedule import quantize_schedule, train_schedule
from .artefacts import answers, decode_vectors, describe_formats, model_files, read_model, read_vectors, vector_files
from .decision import (
    DEFAULTS,
    check_thresholds,
    decide_by,
    describe_settings,
    policy_by,
    refuse_without_steps,
    replace_unset,
    search_decision,
)
from .epochs import tell_best, telling_how_to_resume
from .exports import EXPORTED
from .features import FeatureDataset, load_readings, sound_of
from .golden_rows import kept_rows
from .listener import Listener, Silent
from .net_readings import centre_and_spread, steps, training_data
from .origin import refuse_other_data, versions
from .rates import Clock
from .readings import Reader
from .recipes import kept_recipe, read_recipe, tell_of_before

LOSS_WORTH_A_WARNING = 0.05
"""Accuracy lost between the float and the integer model."""


def quantize(
    path: Path,
    *,
    overrides: Iterable[str] = (),
    weights: str | None = None,
    density: float | None = None,
    resume: bool = False,
    force: bool = False,
    listener: Listener | None = None,
) -> float:
    """Fine-tune the net in `path` under [compress] and write its integer model; returns the integer accuracy on the test set.

    overrides, weights, density: change the recipe's [compress] and [quantize] first (as --set and its fellows do). resume: go on from the
    checkpoint of an interrupted fine-tuning, with the recipe that it keeps; without it, one that was interrupted under this very recipe
    goes on too, and one under another is given up only with force. A model that this recipe and these versions made already stays, but
    with force. What was there before stays as it is until the new model takes its place, and that of the earlier exports, which would be
    of another model. Raises InputError and UnsupportedError.
    """
    listener = listener or Silent()
    overrides = list(overrides)
    if resume and (overrides or weights or density is not None or force):
        raise InputError("--resume goes on with the recipe kept in the model directory: give it no other option")
    directory = ModelDirectory.open(path)
    with directory.held():
        manifest = directory.manifest()
        directory.read(FLOAT_NET)
        if manifest.accuracy.float_ is None:
            raise InputError(f"{path} does not say how accurate its float net is, so it is damaged: train the model again")
        kept = _interrupted(directory)
        if resume and kept is None:
            raise InputError(f"{path} holds no interrupted fine-tuning to resume: go on with `rescomp quantize {path}`")
        recipe = kept if resume and kept is not None else _revised(directory, overrides, weights, density)
        if kept not in (None, recipe) and not force:
            raise InputError(
                f"{path} holds a fine-tuning that was interrupted, with another recipe: go on with `rescomp quantize --resume {path}`, "
                "or give it up with --force"
            )
        recipe, dataset = load_readings(recipe, manifest.classes, listener)
        refuse_other_data(manifest, recipe, dataset)
        if recipe.decide is not None:
            check_thresholds(recipe.decide, len(dataset.classes))
        made = manifest.accuracy.integer
        if made is not None and kept is None and not force:
            if _is_made(directory, manifest, recipe):
                listener.stage("the integer model of this recipe is there")
                return made
            if _is_made(directory, manifest, _streaming_as(recipe, read_recipe(directory))):
                _decide_anew(directory, manifest, recipe, dataset, listener)
                return made
        tell_of_before(directory, recipe, listener)
        return _quantize(directory, manifest, recipe, dataset, listener, resume=kept == recipe and not force)


def _is_made(directory: ModelDirectory, manifest: Manifest, recipe: Recipe) -> bool:
    """Whether all that `quantize` writes is there and whole, of this recipe and these versions: it would be the same again."""
    if manifest.versions.as_json() != versions(recipe) or read_recipe(directory) != recipe:
        return False
    try:
        directory.check((QUANTIZED_NET, METRICS))
        read_vectors(directory, read_model(directory))
    except InputError:
        return False
    return True


def _streaming_as(recipe: Recipe, other: Recipe) -> Recipe:
    """The recipe with the decision and the policy of another."""
    return recipe.model_copy(update={name: getattr(other, name) for name in OPTIONAL_SECTIONS})


def _decide_anew(directory: ModelDirectory, manifest: Manifest, recipe: Recipe, dataset: Dataset, listener: Listener) -> None:
    """Nothing but the decision or the policy of streams is another: the net stays as it is, and so do its golden vectors."""
    listener.stage("the integer model of this recipe is there, but for what it does in streams")
    model = _in_streams(recipe, manifest, read_model(directory), dataset.train, listener)
    revised = directory.revised_manifest(graph_sha256=digest(model), formats=describe_formats(model))
    directory.write({**model_files(model), RECIPE: to_toml(recipe), **revised}, removed=[*EXPORTED, REPORT])


def _in_streams(recipe: Recipe, manifest: Manifest, model: IntegerModel, train: Split, listener: Listener) -> IntegerModel:
    """The model with the recipe's decision and policy; the decision is chosen for streams under that policy."""
    return _decided(recipe, manifest, replace(model, policy=policy_by(recipe.stream)), train, listener)


def _decided(recipe: Recipe, manifest: Manifest, model: IntegerModel, train: Split, listener: Listener) -> IntegerModel:
    """The model with the recipe's decision, chosen on the validation part of the training recordings where it is asked for."""
    section = recipe.decide
    if section is None:
        return with_decision(model, None)
    if section.false_alarms is None:
        return with_decision(model, decide_by(section, model.output.type))
    _, validation = training_data(recipe, train)
    if validation is None:
        listener.warning(
            "decide.false_alarms has no validation recordings to choose on: the decision keeps "
            f"{describe_settings(replace_unset(section, DEFAULTS))}; set train.validation_fraction, 0.2 for instance, and train anew"
        )
        return with_decision(model, decide_by(section, model.output.type))
    reader = Reader.of(manifest, model)
    recordings = reader.row_steps(replace(validation, x=reader.integers(validation.x)[0]))
    lasting = np.median(validation.lengths if reader.time_steps is None else np.minimum(validation.lengths, reader.time_steps))
    clock = Clock(readings_a_step=reader.readings_a_step, stride=reader.stride, settle=int(lasting) // 2, rate=section.rate)
    return with_decision(model, search_decision(section, model, recordings, clock, listener))


def _interrupted(directory: ModelDirectory) -> Recipe | None:
    """The recipe of a fine-tuning that did not come to its end."""
    if not directory.has(CHECKPOINT):
        return None
    kept = CheckpointFile(directory.path / CHECKPOINT).kept_recipe()
    return read_recipe(directory) if kept is None else kept_recipe(directory, kept.encode(), CHECKPOINT)


def _quantize(
    directory: ModelDirectory, manifest: Manifest, recipe: Recipe, dataset: Dataset, listener: Listener, *, resume: bool
) -> float:
    teacher = _float_net(recipe, directory, dataset)
    refuse_without_steps(recipe, teacher)
    data = _readings(steps(recipe, teacher, dataset.train), manifest)
    net = _compressed_net(recipe, manifest, teacher, data)
    if recipe.decide is not None:
        decide_by(recipe.decide, TensorType((len(dataset.classes),), net.scores_format()))  # what it refuses, before the fine-tuning
    if recipe.model.normalization == "none":
        _tell_limited(net, (data, _readings(steps(recipe, net, dataset.test), manifest)), listener)
    metrics = Metrics()
    if recipe.quantize.epochs:
        _fine_tune(net, teacher, recipe, data, directory.path, metrics, listener, resume=resume)
    for name in widen_unproved(net):
        listener.warning(f"layer {name} computes in int16: with int8 activations its rounding could differ from one runtime to the next")
    model = lower(net, manifest.name, dataset.classes, streaming=recipe.model.streaming)
    model = with_front_end(model, dataset.front_end) if isinstance(dataset, FeatureDataset) else model
    model = _in_streams(recipe, manifest, model, dataset.train, listener)
    reader = Reader.of(manifest, model)
    test = reader.steps(replace(dataset.test, x=reader.integers(dataset.test.x)[0]))
    rows = kept_rows(recipe, len(test))
    files, result = _files(model, test, rows, _recorded(reader, dataset.test), sound_of(dataset, rows))
    directory.write(
        {
            **files,
            RECIPE: to_toml(recipe),
            QUANTIZED_NET: encode_net(net),
            METRICS: metrics_file(directory.read(METRICS), "quantize", metrics),
            **directory.revised_manifest(
                accuracy={"float": manifest.accuracy.float_, "integer": result},
                graph_sha256=digest(model),
                formats=describe_formats(model),
                vectors_sha256=decode_vectors(files[VECTORS], model, VECTORS).sha256,
            ),
        },
        removed=[*EXPORTED, REPORT, CHECKPOINT],
    )
    if result < (manifest.accuracy.float_ or 0) - LOSS_WORTH_A_WARNING:
        listener.warning(f"integer accuracy {result:.2%} is far below the float net's: train longer, or use int8 weights")
    return result


def _fine_tune(
    net: Net, teacher: Net, recipe: Recipe, data: Split, path: Path, metrics: Metrics, listener: Listener, *, resume: bool
) -> None:
    """Train the compressed net on `data` under its constraints, in place; its checkpoint goes to `path`, and `metrics` are filled."""
    listener.stage(f"fine-tune with {' + '.join(entry.kind for entry in recipe.compress)} weights")
    training, validation = training_data(recipe, data)
    center, spread = centre_and_spread(recipe, net, training)
    device = choose_device(net, recipe.train.device)
    net.to(device), teacher.to(device)
    with telling_how_to_resume(f"go on with: rescomp quantize --resume {path}"):
        reports = fit(
            net,
            training,
            quantize_schedule(recipe.train, recipe.quantize, recipe.compress),
            validation=validation,
            loss=distillation(teacher, recipe.compress, recipe.train.label_smoothing),
            on_step=lambda done, total: anneal(net, done, total),
            spread=spread,
            center=center,
            report=listener.epoch,
            describe=lambda: _schedules(net),
            checkpoint=CheckpointFile(path / CHECKPOINT, to_toml(recipe).decode()),
            metrics=metrics,
            resume=resume,
            identity={"compress": [entry.model_dump(mode="json") for entry in recipe.compress], "loop": recipe.train.loop},
        )
    net.to("cpu")
    tell_best(reports, listener)


def _revised(directory: ModelDirectory, overrides: Sequence[str], weights: str | None, density: float | None) -> Recipe:
    """The directory's recipe with changes to the sections that this stage reads; others would contradict the float net."""
    for override in overrides:
        if override.partition("=")[0].strip().split(".")[0] not in ("compress", "quantize", *OPTIONAL_SECTIONS):
            known = ", ".join(f"[{name}]" for name in ("compress", "quantize", *OPTIONAL_SECTIONS))
            raise InputError(f"--set {override}: quantize changes only {known}; for the rest, train anew")
    recipe = revise(read_recipe(directory), overrides, weights=weights, density=density)
    refuse_unread_of_streams(recipe)
    return recipe


def _float_net(recipe: Recipe, directory: ModelDirectory, dataset: Dataset) -> Net:
    make_deterministic(recipe.train.seed, recipe.train.threads)
    keep_freed_memory()
    net = empty_net(directory, recipe, dataset.train.channels, len(dataset.classes))
    load_net(net, directory.path / FLOAT_NET)
    refuse_unusable(net, f"{directory.path / FLOAT_NET}", "train anew, with a lower train.learning_rate or other model.weights")
    use_loop(net, recipe.train.loop)
    return net


def _compressed_net(recipe: Recipe, manifest: Manifest, float_net: Net, data: Split) -> Net:
    net = constrain(float_net, recipe.compress)
    use_loop(net, recipe.train.loop)
    net.dropout = recipe.train.dropout
    streams = train_schedule(recipe.train).carry > 0
    calibrate(net, torch.from_numpy(data.x), torch.from_numpy(data.lengths), manifest.input.fraction_bits, streams=streams)
    return net


def _tell_limited(net: Net, splits: Sequence[Split], listener: Listener) -> None:
    """Say how many readings do not fit the format of the net's first value, which nothing has scaled before."""
    format = net.fixed.format(NORMALIZED)
    low, high = format.low * 2.0**-format.fraction_bits, format.high * 2.0**-format.fraction_bits
    readings = [split.steps for split in splits]
    outside = sum(int(((part < low) | (part > high)).sum()) for part in readings)
    if outside:
        listener.warning(
            f"{outside:,} of {counted(sum(part.size for part in readings), 'reading')} {'lies' if outside == 1 else 'lie'} outside "
            f"{low:g}..{high:g}, which the net's first value holds "
            'with model.normalization = "none", and are limited to it: scale the data down, or let rescomp normalise it'
        )


def _schedules(net: Net) -> str | None:
    """Where the constraints' schedules are, for the progress."""
    every = list(matrices(net))
    residual = [matrix.storage.residual for matrix in every if isinstance(matrix.storage, TernaryStorage) and matrix.storage.arenas]
    fixed = [not matrix.support.mask.all() for matrix in every if isinstance(matrix.support, SparseSupport)]
    parts = [f"lambda {residual[0]:.2f}"] if residual else []
    parts += [f"support {'fixed' if all(fixed) else 'searched'}"] if fixed else []
    parts += ["normalisation folded"] if any(module.has_norm and module.folds for module in net.layer_modules) else []
    return "  ".join(parts) or None


def _readings(split: Split, manifest: Manifest) -> Split:
    """A split as the device reads it: integer * 2^-fraction_bits, float32 (exact: 16 bits)."""
    bits = manifest.input.fraction_bits
    return replace(split, x=np.ldexp(to_device_integers(split.x, bits).astype(np.float32), -bits))


def _recorded(reader: Reader, test: Split) -> IntArray | None:
    """See Vectors; None where steps tell it, or of images."""
    return test.lengths if reader.reads_several else None


def _files(
    model: IntegerModel, test: Split, rows: IntArray, recorded: IntArray | None, sound: Pcm | None
) -> tuple[dict[str, bytes], float]:
    """(the integer model's files and those of its golden vectors, its accuracy on the test set as it reads it).

    rows: of the test set, which become golden vectors. sound: what these were made of.
    """
    x, lengths = test.x.astype(np.int64), test.lengths
    trajectory = evaluate(model, x, lengths)
    kept_recorded = None if recorded is None else recorded[rows]
    vectors = vector_files(x[rows], lengths[rows], test.y[rows], trajectory.take(rows), kept_recorded, sound)
    accuracy = float((answers(trajectory.scores) == test.y).mean())
    return {**model_files(model), **vectors}, accuracy
