"""train: the float net, from labelled sequences."""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..compress import calibrate, constrain
from ..data.dataset import Dataset, Split, load_dataset
from ..data.frames import frames, windows
from ..data.input_format import choose_fraction_bits, input_warnings
from ..data.splits import Channels, no_normalization, normalization, robust_normalization, validation_split
from ..data.streams import load_test_streams
from ..errors import InputError, UnsupportedError, counted
from ..graph.formats import MOST_ENTRIES
from ..graph.serialize import CONTRACT
from ..graph.verify import MOST_IN_ALL
from ..lowering.lower import lower
from ..manifest import Manifest
from ..model_directory import (
    CHECKPOINT,
    FLOAT_NET,
    GIT_ATTRIBUTES,
    METRICS,
    NET,
    NO_TEXT,
    RECIPE,
    START,
    ModelDirectory,
    new_manifest,
)
from ..model_names import model_name_of
from ..models import Blueprint, Net, build_net, decimation, set_normalization, use_loop
from ..models.recurrent.compiled import compiler_version
from ..recipe import TRAIN_READERS, Recipe, refuse_unread, to_toml, with_streams
from ..store import refuse_held, write_atomically
from ..train.augment import Augmentation
from ..train.batches import Batch
from ..train.checkpoint import CheckpointFile, encode_net
from ..train.determinism import make_deterministic
from ..train.device import choose_device, device_name
from ..train.evaluate import accuracy
from ..train.loop import fit
from ..train.memory import keep_freed_memory
from ..train.metrics import EpochReport, Metrics, metrics_file
from ..train.schedule import train_schedule
from ..validate.torch_net import empty_net
from .decision import check_early, refuse_without_steps
from .listener import Listener, Silent
from .recipes import read_recipe, tell_of_before, with_readout_steps
from .start import Start, begun_net, read_start

NORMALIZATIONS: Mapping[str, Callable[[Split], tuple[Channels, Channels]]] = {
    "standard": normalization,
    "robust": robust_normalization,
    "none": no_normalization,
}
"""Centre and spread of the channels, by model.normalization."""
STREAMING_SAMPLES = 8
"""Samples that show whether a net can be streamed."""
RECORDED = ("numpy", "torch", "safetensors", "onnx", "flatbuffers", "tflite")
"""Packages whose version a model directory's bytes may depend on."""


def train_model(recipe: Recipe | None, path: Path, *, force: bool = False, listener: Listener | None = None) -> float:
    """Make a model directory at `path` and train the recipe's float net into it; returns its accuracy on the test set.

    recipe None: resume the interrupted training in `path` with the recipe recorded there; the result is that of an uninterrupted
    run. Raises InputError for bad data, recipes and directories; an interruption keeps the last epoch's checkpoint.
    """
    with ExitStack() as held:
        return train_held(recipe, path, held, f"rescomp train --resume -o {path}", force=force, listener=listener or Silent())


def train_from(
    begun_from: Path,
    source: str,
    path: Path,
    *,
    overrides: Iterable[str] = (),
    weights: str | None = None,
    density: float | None = None,
    force: bool = False,
    listener: Listener | None = None,
) -> float:
    """`train`, going on with the float net of the model directory `begun_from` and the data `source`; the same net and input format.

    overrides, weights, density: change the recipe kept there, but for [model]. The new directory is one of its own: it holds the net that
    it began with. Raises InputError for data of other classes or channels.
    """
    start = read_start(begun_from, source, overrides, weights=weights, density=density)
    going_on = f"rescomp train --resume -o {path}"
    tell_of_before(start.directory, start.recipe, listener := listener or Silent())
    with ExitStack() as held:
        return train_held(start.recipe, path, held, going_on, force=force, listener=listener, start=start)


def train_held(
    recipe: Recipe | None, path: Path, held: ExitStack, going_on: str, *, force: bool, listener: Listener, start: Start | None = None
) -> float:
    """`train`, in a directory that no other stage works on until `held` is closed.

    going_on: the command to go on with. start: what to begin with instead of a fresh net.
    """
    if recipe is not None:
        refuse_unread(recipe)
    directory = ModelDirectory(path)
    begun = recipe is None
    refuse_held(path)
    if begun:
        held.enter_context(ModelDirectory.open(path).held())
    recipe = recipe or _recipe_to_resume(directory)
    if begun:
        tell_of_before(directory, recipe, listener)
    of = start.manifest if start is not None else directory.manifest() if begun else None
    dataset = load_dataset(recipe.data, of.classes if of is not None else ())
    if start is not None:
        start.check(dataset)
        for doubt in start.doubts(dataset):
            listener.warning(doubt)
    recipe = with_readout_steps(recipe, dataset)
    net = _first_net(recipe, dataset, directory if begun else None, start)
    origin = {**_origin(recipe, net, dataset), **(start.origin if start is not None else {})}
    recipe = with_streams(recipe) if net.cells else recipe
    parts = {NET: Blueprint.of(net).to_json(), **(start.files if start is not None else {})}
    if not begun:
        _refuse_early(recipe, net, dataset)
    training, validation = training_data(recipe, steps(recipe, net, dataset.train))
    if begun:
        refuse_other_data(directory.manifest(), recipe, dataset)
    else:
        ModelDirectory.make(path, force=force, going_on=going_on)
        held.enter_context(directory.held())
        directory.begin({**new_manifest(**origin), GIT_ATTRIBUTES: NO_TEXT, RECIPE: to_toml(recipe), **parts}, force=force)
    _warn_of_lengths(net, dataset, listener)
    for warning in input_warnings(dataset.train, origin["input"]["fraction_bits"]):
        listener.warning(warning)
    listener.stage(f"train float net on {dataset.name} ({counted(len(training), 'sequence')}{_named_channels(dataset)})")
    with telling_how_to_resume(f"go on with: {going_on}"):
        reports, device = _fit(net, recipe, training, validation, directory, metrics := Metrics(), listener)
    tell_best(reports, listener)
    result = accuracy(net, steps(recipe, net, dataset.test))
    trained = {FLOAT_NET: encode_net(net), METRICS: metrics_file(b"", "train", metrics)}
    manifest = directory.revised_manifest(accuracy={"float": result}, device=device_name(device))
    directory.write({**trained, **manifest}, removed=[CHECKPOINT])
    return result


def _fit(
    net: Net, recipe: Recipe, training: Split, validation: Split | None, directory: ModelDirectory, metrics: Metrics, listener: Listener
) -> tuple[tuple[EpochReport, ...], torch.device]:
    """Train the net, or go on from the directory's checkpoint; it is on the CPU afterwards. Returns the epochs, and where they ran."""
    center, spread = centre_and_spread(recipe, net, training)
    device = choose_device(net, recipe.train.device)
    net.to(device)

    def report(epoch: EpochReport) -> None:
        # to look at: the checkpoint holds them too
        write_atomically(directory.path / METRICS, metrics_file(b"", "train", metrics), durable=False)
        listener.epoch(epoch)

    reports = fit(
        net,
        training,
        train_schedule(recipe.train),
        validation=validation,
        spread=spread,
        center=center,
        report=report,
        checkpoint=CheckpointFile(directory.path / CHECKPOINT),
        metrics=metrics,
        resume=directory.has(CHECKPOINT),
        identity={"loop": recipe.train.loop},
    )
    net.to("cpu")
    return reports, device


def refuse_other_data(manifest: Manifest, recipe: Recipe, dataset: Dataset) -> None:
    """Raise InputError when the data are not those that the model directory was begun with."""
    if dataset.digest != manifest.data.sha256:
        raise InputError(f"{recipe.data.source} is not the data that the float net was trained on (its SHA-256 differs): train anew")


def _refuse_early(recipe: Recipe, net: Net, dataset: Dataset) -> None:
    """Refuse now what the first batch would refuse, and what quantize would after the training."""
    train = recipe.train
    _refuse_unread_by(net, recipe, dataset)
    refuse_without_steps(recipe, net)
    if recipe.decide is not None:
        check_early(recipe.decide, len(dataset.classes), net)
    _refuse_too_large(net)
    compressed = constrain(net, recipe.compress)
    use_loop(compressed, train.loop)
    if recipe.model.streaming or (net.cells and net.layer_modules):
        first = Batch.whole(steps(recipe, net, dataset.train.take(np.arange(min(len(dataset.train), STREAMING_SAMPLES)))))
        calibrate(compressed, first.x, first.lengths, choose_fraction_bits(dataset.train, recipe.data.fraction_bits))
        lower(compressed, "net", streaming=recipe.model.streaming)
    augment = Augmentation(net.std, 0.0, train.rotation, train.time_shift, train.crop, train.flip)
    augment(Batch.whole(steps(recipe, net, dataset.train.take(np.arange(1)))), torch.Generator())


def _refuse_unread_by(net: Net, recipe: Recipe, dataset: Dataset) -> None:
    """The same as refuse_unread, where the kind alone does not tell: for what a user's function gave, and for images."""
    sections = {"model": recipe.model, "train": recipe.train}
    unread = ["model.time_steps"] if dataset.train.x.ndim == 4 else []
    if recipe.model.is_own:
        of_steps = ["model.readings", "model.stride"]
        stateless = [*of_steps, *(f"train.{key}" for key in TRAIN_READERS)]
        unread += of_steps if net.readings else []
        unread += ["model.time_steps", "model.streaming"] if net.cells else stateless
    what = "a net of recurrent cells" if net.cells else "a net without state"
    for name in unread:
        section, _, key = name.partition(".")
        if getattr(sections[section], key) != type(sections[section]).model_fields[key].default:
            reader = f"{recipe.model.kind}, {what} over {'images' if dataset.train.x.ndim == 4 else 'time'},"
            raise InputError(f"{reader} does not read {name}: leave it out")


def _refuse_too_large(net: Net) -> None:
    """Raise UnsupportedError for values or matrices with more entries than an integer model may have."""
    sizes = {f"the matrix {name}": parameter.numel() for name, parameter in net.named_parameters() if parameter.dim() == 2}
    values = {f"the value {step.name}": math.prod(step.shape) for module in net.layer_modules for step in module.plan.steps}
    weights, total = sum(sizes.values()), sum(values.values())
    sizes |= values
    if net.layer_modules:
        sizes["the input"] = math.prod(net.layer_modules[0].plan.input_shape)
    largest = max(sizes, key=lambda name: sizes[name])
    remedy = "take shorter windows, smaller images, fewer model.widths or a smaller model.hidden_size"
    if sizes[largest] > MOST_ENTRIES:
        raise UnsupportedError(
            f"{largest} of this net has {sizes[largest]:,} entries, past the {MOST_ENTRIES:,} of an integer model: {remedy}"
        )
    for what, count in (("matrices", weights), ("values", total)):
        if count > MOST_IN_ALL:
            raise UnsupportedError(f"the {what} of this net have {count:,} entries, past the {MOST_IN_ALL:,} of an integer model: {remedy}")


def tell_best(reports: Sequence[EpochReport], listener: Listener) -> None:
    """Say which epoch's weights early stopping kept."""
    if reports and reports[-1].best_epoch is not None:
        listener.stage(f"keep the weights of epoch {reports[-1].best_epoch} of {reports[-1].epoch}, the best on validation")


def _recipe_to_resume(directory: ModelDirectory) -> Recipe:
    """The recipe of an interrupted training. Raises InputError when there is none."""
    if directory.has(FLOAT_NET):
        how = "--resume " if directory.has(CHECKPOINT) else ""
        raise InputError(f"the float net in {directory.path} is complete: go on with `rescomp quantize {how}{directory.path}`")
    return read_recipe(directory)


@contextmanager
def telling_how_to_resume(how: str) -> Iterator[None]:
    """Tells a KeyboardInterrupt how to go on; the outermost, which knows the user's own command, has the last word."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.__notes__ = [f"what is done is kept; {how}"]
        raise


def _named_channels(dataset: Dataset) -> str:
    """The channels, so that a column of numbers that is none is noticed."""
    return f" of {', '.join(dataset.channels)}" if dataset.channels else ""


def steps(recipe: Recipe, net: Net, split: Split) -> Split:
    """A split as the net reads it: model.readings readings a step, or windows of one length, or images as they are."""
    if net.cells:
        return frames(split, *readings_and_stride(recipe, net))
    return split if net.time_steps is None else windows(split, net.time_steps)


def readings_and_stride(recipe: Recipe, net: Net) -> tuple[int, int]:
    """(readings of a step, from one step's start to the next one's): those of the net's first layers, or the recipe's."""
    readings = net.readings or recipe.model.readings
    return readings, net.readings or recipe.model.stride or readings


def training_data(recipe: Recipe, split: Split) -> tuple[Split, Split | None]:
    """(training, validation or None) as [train] asks for."""
    if recipe.train.validation_fraction == 0:
        return split, None
    return validation_split(split, recipe.train.validation_fraction, recipe.train.seed)


def centre_and_spread(recipe: Recipe, net: Net, training: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """What moved samples are filled up with, and the unit of input noise, float [channels] of a split as the net reads it.

    Those of the net's normalisation; where it has none, those that would normalise the readings.
    """
    if recipe.model.normalization != "none":
        return net.mean.clone(), net.std.clone()
    centre, spread = (torch.from_numpy(array.astype(np.float32)) for array in normalization(training))
    return centre, spread


def input_shape(recipe: Recipe, dataset: Dataset) -> tuple[int, ...]:
    """Of what the net reads at once: a reading for recurrent cells, else a window or an image; channels last."""
    shape = dataset.train.x.shape[1:]
    if recipe.model.is_recurrent:
        if len(shape) != 2:
            raise InputError(f"{recipe.model.kind} reads sequences [time, channels], and the data's samples have the shape {list(shape)}")
        return shape[1:]
    return shape if len(shape) == 3 else (_time_steps(recipe, dataset), *shape[1:])


def _time_steps(recipe: Recipe, dataset: Dataset) -> int:
    """model.time_steps, or the longest training recording, up to a multiple of what the net's strides divide."""
    if recipe.model.time_steps is not None:
        return recipe.model.time_steps
    multiple = decimation(recipe.model)
    return -(-int(dataset.train.lengths.max()) // multiple) * multiple


def _warn_of_lengths(net: Net, dataset: Dataset, listener: Listener) -> None:
    """Say which recordings a net of fixed length does not see whole."""
    length = net.time_steps
    if length is None:
        return
    cut = sum(int((split.lengths > length).sum()) for split in (dataset.train, dataset.test))
    if cut:
        longer = counted(cut, "recording is", "recordings are")
        listener.warning(f"{longer} longer than the {counted(length, 'step')} that the net reads: what lies behind is left out")


def _first_net(recipe: Recipe, dataset: Dataset, begun: ModelDirectory | None, start: Start | None) -> Net:
    """What the training begins with. begun: as of _fresh_net. start: the net of another directory."""
    make_deterministic(recipe.train.seed, recipe.train.threads)
    keep_freed_memory()
    if start is not None:
        net = start.net()
    elif begun is not None and begun.has(START):
        net = begun_net(begun, recipe)
    else:
        net = _fresh_net(recipe, dataset, begun)
    net.dropout = recipe.train.dropout
    use_loop(net, recipe.train.loop)
    return net


def _fresh_net(recipe: Recipe, dataset: Dataset, begun: ModelDirectory | None) -> Net:
    """begun: the directory whose training goes on. An own net is read from its file there, and its checkpoint brings the weights; where
    there is none yet its module is imported again, but not from the working directory: the recipe may be somebody else's.
    """
    statistics = NORMALIZATIONS[recipe.model.normalization](dataset.train)
    centre, spread = (torch.from_numpy(array.astype(np.float32)) for array in statistics)
    if begun is not None and recipe.model.is_own and begun.has(CHECKPOINT):
        net = empty_net(begun, recipe, dataset.train.channels, len(dataset.classes))
        set_normalization(net, centre, spread)
        return net
    return build_net(recipe.model, input_shape(recipe, dataset), len(dataset.classes), centre, spread, None if begun else Path.cwd())


def _origin(recipe: Recipe, net: Net, dataset: Dataset) -> dict[str, Any]:
    """What the manifest records before training begins."""
    readings, stride = readings_and_stride(recipe, net)
    bits = choose_fraction_bits(dataset.train, recipe.data.fraction_bits)
    return {
        "contract": CONTRACT,
        "name": recipe.model.name or model_name_of(dataset.name),
        "classes": list(dataset.classes),
        "data": {
            "name": dataset.name,
            "sha256": dataset.digest,
            "channels": dataset.train.channels,
            "train_sequences": len(dataset.train),
            "test_sequences": len(dataset.test),
            **_test_streams(recipe, dataset),
            **dataset.facts,
        },
        "input": {
            "dtype": "int16",
            "fraction_bits": bits,
            "scale": 2.0**-bits,
            "unit": recipe.data.unit,
            "channels": list(dataset.channels),
            "shape": list(dataset.train.x.shape[-1:] if net.cells else net.layer_modules[0].plan.input_shape),
            "readings_a_step": readings,
            "stride": stride,
        },
        "seed": recipe.train.seed,
        "threads": recipe.train.threads,
        "versions": versions(recipe),
    }


def _test_streams(recipe: Recipe, dataset: Dataset) -> dict[str, str]:
    """What names the continuous recordings beside the test recordings, where there are some."""
    streams = load_test_streams(recipe.data, dataset.classes, dataset.facts.get("test_groups"))
    return {} if streams is None else {"test_streams_sha256": streams.digest()}


def versions(recipe: Recipe) -> dict[str, str]:
    """Of everything that a model directory's bytes may depend on."""
    return {
        "rescomp": __version__,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in RECORDED if find_spec(package)},
        **({"compiler": compiler_version()} if recipe.train.loop == "compiled" else {}),
    }
