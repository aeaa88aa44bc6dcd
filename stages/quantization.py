"""quantize: fine-tune the float net under its constraints, and lower it to the integer graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..compress import widen_unproved
from ..data.confusion import Confusion
from ..data.dataset import Dataset, Split
from ..data.input_format import to_device_integers, to_real
from ..decision_figures import ChosenDecision
from ..errors import InputError
from ..graph.evaluate import evaluate
from ..graph.fixed_point import IntArray
from ..graph.formats import TensorType
from ..graph.ir import IntegerModel
from ..graph.serialize import digest
from ..graph.sound import Pcm
from ..lowering.lower import lower
from ..manifest import ClassFigures, Manifest
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
from ..models import Net
from ..recipe import OPTIONAL_SECTIONS, Recipe, refuse_unread_of_streams, revise, to_toml
from ..train.checkpoint import CheckpointFile, encode_net
from ..train.device import refuse_absent
from ..train.loop import Anew
from ..train.metrics import Metrics, metrics_file
from .artefacts import describe_formats, model_files, read_model, read_vectors
from .augmented import epoch_data
from .calibration_worth import of_test_recordings
from .class_figures import class_figures
from .decision import (
    check_thresholds,
    decide_by,
    refuse_without_steps,
)
from .exports import EXPORTED
from .features import LoadReadings, load_readings, sound_of, with_sensor, with_what_stands_before
from .fine_tuning import compressed_net, fine_tune, read_float_net, tell_limited
from .golden_rows import kept_rows
from .golden_vectors import answers, decode_vectors, vector_files
from .listener import Listener, Silent, tell
from .net_readings import steps
from .net_remarks import remarks_on_classes, remarks_on_integers
from .origin import refuse_other_data, versions
from .readings import Reader
from .recipes import kept_recipe, read_recipe, tell_of_before
from .stream_settings import in_streams
from .teachers import Teachers, read_teachers
from .wake_decision import check_background

_CHANGED = ("compress", "quantize", *OPTIONAL_SECTIONS)
"""Sections of the recipe that this stage alone reads."""
_DEVICE = "train.device"
"""The key of [train] that may change too: it is of the machine at hand."""


def quantize(
    path: Path,
    *,
    overrides: Iterable[str] = (),
    weights: str | None = None,
    density: float | None = None,
    resume: bool = False,
    force: bool = False,
    listener: Listener | None = None,
    load: LoadReadings = load_readings,
) -> float:
    """Fine-tune the net in `path` under [compress] and write its integer model; returns the integer accuracy on the test set.

    overrides, weights, density: change the recipe's [compress], [quantize] and train.device first (as --set and its fellows do). resume:
    go on from the checkpoint of an interrupted fine-tuning, with the recipe that it keeps; without it, one that was interrupted under this
    very recipe goes on too, and one under another is given up only with force. A model that this recipe and these versions made already
    stays, but with force. What was there before stays as it is until the new model takes its place, and that of the earlier exports, which
    would be of another model. load: what gives the data. Raises InputError and UnsupportedError.
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
        if kept is not None and _streaming_as(recipe, kept) != kept and not force:
            raise InputError(
                f"{path} holds a fine-tuning that was interrupted, with another recipe: go on with `rescomp quantize --resume {path}`, "
                "or give it up with --force"
            )
        made = None if force or kept is not None else manifest.accuracy.integer
        if made is None:
            _refuse_absent_device(recipe, resume=resume)
        recipe, dataset = load(recipe, manifest, listener)
        refuse_other_data(manifest, recipe, dataset)
        teacher = read_float_net(recipe, directory)
        if recipe.decide is not None:
            check_thresholds(recipe.decide, len(dataset.classes))
            check_background(recipe, dataset)
        if made is not None:
            if _is_made(directory, manifest, recipe):
                listener.stage("the integer model of this recipe is there")
                return made
            if _is_made(directory, manifest, _streaming_as(recipe, read_recipe(directory))):
                _decide_anew(directory, manifest, recipe, dataset, listener)
                return made
            _refuse_absent_device(recipe, resume=False)
        tell_of_before(directory, recipe, listener)
        return _quantize(directory, manifest, recipe, dataset, teacher, listener, resume=kept is not None and not force)


def _refuse_absent_device(recipe: Recipe, *, resume: bool) -> None:
    """Raise InputError where the fine-tuning is to run on a device that is not here."""
    if recipe.quantize.epochs:
        anew = f"quantize with --set {_DEVICE}=cpu"
        refuse_absent(recipe.train.device, f"go on where there is one, or {anew} --force" if resume else anew)


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
    model, chosen = in_streams(recipe, manifest, read_model(directory), dataset, listener)
    revised = directory.revised_manifest(graph_sha256=digest(model), formats=describe_formats(model), decision=_as_entry(chosen))
    directory.write({**model_files(model), RECIPE: to_toml(recipe), **revised}, removed=[*EXPORTED, REPORT])


def _interrupted(directory: ModelDirectory) -> Recipe | None:
    """The recipe of a fine-tuning that did not come to its end."""
    if not directory.has(CHECKPOINT):
        return None
    kept = CheckpointFile(directory.path / CHECKPOINT).kept_recipe()
    return read_recipe(directory) if kept is None else kept_recipe(directory, kept.encode(), CHECKPOINT)


def _quantize(
    directory: ModelDirectory, manifest: Manifest, recipe: Recipe, dataset: Dataset, teacher: Net, listener: Listener, *, resume: bool
) -> float:
    refuse_without_steps(recipe, teacher)
    data = _readings(steps(recipe, teacher, dataset.train), manifest)
    teachers = read_teachers(recipe, teacher, dataset) if recipe.teachers else Teachers((teacher,))
    net = compressed_net(recipe, manifest, teacher, data)
    if recipe.decide is not None:
        decide_by(recipe.decide, TensorType((len(dataset.classes),), net.scores_format()))  # what it refuses, before the fine-tuning
    if recipe.model.normalization == "none":
        tell_limited(net, (data, _readings(steps(recipe, net, dataset.test), manifest)), listener)
    metrics = Metrics()
    if recipe.quantize.epochs:
        anew = _read_anew(epoch_data(recipe, net, dataset, recipe.train.epochs), manifest)
        fine_tune(net, teachers, recipe, data, anew, directory.path, metrics, listener, resume=resume)
    for name in widen_unproved(net):
        listener.warning(f"layer {name} computes in int16: with int8 activations its rounding could differ from one runtime to the next")
    model = lower(net, manifest.name, dataset.classes, streaming=recipe.model.streaming)
    model = with_sensor(with_what_stands_before(model, dataset), recipe, dataset)
    model, chosen = in_streams(recipe, manifest, model, dataset, listener)
    reader = Reader.of(manifest, model)
    readings = replace(dataset.test, x=reader.integers(dataset.test.x)[0])
    test = reader.steps(readings)
    rows = kept_rows(recipe, len(test))
    files, found = _files(model, test, rows, _recorded(reader, dataset.test), sound_of(dataset, rows))
    figures = class_figures(found, manifest.classes)
    told = tell(_remarks(recipe, manifest, found, figures), listener)
    directory.write(
        {
            **files,
            RECIPE: to_toml(recipe),
            QUANTIZED_NET: encode_net(net),
            METRICS: metrics_file(directory.read(METRICS), "quantize", metrics),
            **directory.revised_manifest(
                accuracy={"float": manifest.accuracy.float_, "integer": found.accuracy},
                by_class=_by_class(manifest, figures),
                warnings={"train": manifest.warnings.train, "quantize": told},
                **_calibrated(recipe, manifest, reader, dataset, readings),
                decision=_as_entry(chosen),
                graph_sha256=digest(model),
                formats=describe_formats(model),
                vectors_sha256=decode_vectors(files[VECTORS], model, VECTORS).sha256,
            ),
        },
        removed=[*EXPORTED, REPORT, CHECKPOINT],
    )
    return found.accuracy


def _revised(directory: ModelDirectory, overrides: Sequence[str], weights: str | None, density: float | None) -> Recipe:
    """The directory's recipe with changes to the sections that this stage reads; others would contradict the float net."""
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key != _DEVICE and key.split(".")[0] not in _CHANGED:
            known = ", ".join(f"[{name}]" for name in _CHANGED)
            raise InputError(f"--set {override}: quantize changes only {known} and {_DEVICE}; for the rest, train anew")
    recipe = revise(read_recipe(directory), overrides, weights=weights, density=density)
    refuse_unread_of_streams(recipe)
    return recipe


def _readings(split: Split, manifest: Manifest) -> Split:
    """A split as the device reads it: integer * 2^-fraction_bits, float32 (exact: 16 bits)."""
    bits = manifest.input.fraction_bits
    return replace(split, x=to_real(to_device_integers(split.x, bits), bits))


def _as_entry(chosen: ChosenDecision | None) -> dict[str, Any] | None:
    """Of the manifest."""
    return None if chosen is None else chosen.model_dump(mode="json", exclude_none=True)


def _read_anew(anew: Anew | None, manifest: Manifest) -> Anew | None:
    """The same of a split that is another one in every epoch."""
    return None if anew is None else lambda epoch: _readings(anew(epoch), manifest)


def _calibrated(recipe: Recipe, manifest: Manifest, reader: Reader, dataset: Dataset, test: Split) -> dict[str, Any]:
    """What the manifest says of a calibration."""
    if recipe.alignment is None:
        return {}
    found = of_test_recordings(recipe, manifest, reader, dataset, test)
    return {"calibrated": None if found is None else found.model_dump(mode="json")}


def _remarks(recipe: Recipe, manifest: Manifest, found: Confusion, figures: ClassFigures) -> Iterator[str]:
    """On the integer model, which answers so."""
    yield from remarks_on_integers(manifest.accuracy.float_ or 0.0, found.accuracy, int(found.recordings.sum()))
    yield from remarks_on_classes(found, figures, "integer model", balanced=recipe.train.balance != "none")


def _by_class(manifest: Manifest, integer: ClassFigures) -> dict[str, Any]:
    """What the manifest says of the float net, as before, and of the integer model."""
    nets = manifest.by_class.model_copy(update={"integer": integer})
    return nets.model_dump(mode="json", by_alias=True, exclude_none=True)


def _recorded(reader: Reader, test: Split) -> IntArray | None:
    """See Vectors; None where steps tell it, or of images."""
    return test.lengths if reader.reads_several else None


def _files(
    model: IntegerModel, test: Split, rows: IntArray, recorded: IntArray | None, sound: Pcm | None
) -> tuple[dict[str, bytes], Confusion]:
    """(the integer model's files and those of its golden vectors, its answers to the test set as it reads it).

    rows: of the test set, which become golden vectors. sound: what these were made of.
    """
    x, lengths = test.x.astype(np.int64), test.lengths
    trajectory = evaluate(model, x, lengths)
    kept_recorded = None if recorded is None else recorded[rows]
    vectors = vector_files(x[rows], lengths[rows], test.y[rows], trajectory.take(rows), kept_recorded, sound)
    return {**model_files(model), **vectors}, Confusion.of(test.y, answers(trajectory.scores), model.output.type.size)
