"""train: the float net, from labelled sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from ..compress import distillation
from ..data.dataset import Dataset, Split
from ..data.input_format import input_warnings
from ..errors import InputError, counted
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
from ..models import Blueprint, Net, build_net, set_normalization, use_loop
from ..models.kept import empty_net, refuse_other_net
from ..recipe import Recipe, refuse_search, refuse_unread, to_toml, with_streams
from ..store import refuse_held, write_atomically
from ..train.balance import weights_of
from ..train.checkpoint import CheckpointFile, encode_net
from ..train.determinism import make_deterministic
from ..train.device import CHANGE_IT, choose_device, device_name, refuse_absent
from ..train.evaluate import confusion
from ..train.loop import Anew, fit
from ..train.memory import keep_freed_memory
from ..train.metrics import EpochReport, Metrics, metrics_file
from ..train.refused import check_schedule
from ..train.schedule import train_schedule
from .augmented import augment_identity, epoch_data
from .class_figures import class_figures
from .data_remarks import remarks_on_data
from .defaults import with_defaults, with_loop
from .epochs import tell_best, telling_how_to_resume
from .features import LoadReadings, load_readings
from .kept_nets import kept_net
from .listener import Listener, Silent, tell
from .net_readings import NORMALIZATIONS, centre_and_spread, input_shape, steps, training_data
from .net_remarks import remarks_on_classes, remarks_on_training
from .origin import describe_origin, refuse_other_data
from .recipes import read_recipe, tell_of_before, with_readout_steps
from .refused_early import refuse_early
from .start import Start, read_start
from .teachers import Teachers, read_teachers


def train_alone(recipe: Recipe | None, path: Path, load: LoadReadings, *, force: bool, listener: Listener) -> float:
    """The stage train_model, whose data `load` gives."""
    with ExitStack() as held:
        return train_held(recipe, path, held, f"rescomp train --resume -o {path}", force=force, listener=listener, load=load)


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
    recipe: Recipe | None,
    path: Path,
    held: ExitStack,
    going_on: str,
    *,
    force: bool,
    listener: Listener,
    start: Start | None = None,
    load: LoadReadings = load_readings,
) -> float:
    """`train`, in a directory that no other stage works on until `held` is closed.

    going_on: the command to go on with. start: what to begin with instead of a fresh net. load: what gives the data.
    """
    if recipe is not None:
        refuse_unread(recipe)
        refuse_search(recipe)
    directory = ModelDirectory(path)
    begun = recipe is None
    refuse_held(path)
    if begun:
        held.enter_context(ModelDirectory.open(path).held())
    recipe = recipe or _recipe_to_resume(directory)
    refuse_absent(recipe.train.device, "go on where there is one, or train anew on another device" if begun else CHANGE_IT)
    if begun:
        tell_of_before(directory, recipe, listener)
    of = start.manifest if start is not None else directory.manifest() if begun else None
    recipe, dataset = load(recipe, of, listener)
    if start is not None:
        start.check(dataset)
        tell(start.doubts(dataset), listener)
    recipe = with_readout_steps(recipe if begun else with_defaults(recipe, dataset), dataset)
    net = _first_net(recipe, dataset, directory if begun else None, start)
    recipe = recipe if begun else with_loop(recipe, net, dataset)
    origin = {**describe_origin(recipe, net, dataset), **(start.origin if start is not None else {})}
    recipe = with_streams(recipe) if net.cells else recipe
    parts = {NET: Blueprint.of(net).to_json(), **(start.files if start is not None else {})}
    if not begun:
        refuse_early(recipe, net, dataset)
    teachers = read_teachers(recipe, net, dataset)
    training, validation = training_data(recipe, steps(recipe, net, dataset.train))
    check_schedule(net, training, validation, train_schedule(recipe.train))
    anew = epoch_data(recipe, net, dataset)
    if begun:
        refuse_other_data(directory.manifest(), recipe, dataset)
        refuse_other_net(directory, net)
    else:
        ModelDirectory.make(path, force=force, going_on=going_on)
        held.enter_context(directory.held())
        directory.begin({**new_manifest(**origin), GIT_ATTRIBUTES: NO_TEXT, RECIPE: to_toml(recipe), **parts}, force=force)
    _warn_of_readings(recipe, net, dataset, origin["input"]["fraction_bits"], listener)
    told = tell(remarks_on_data(recipe, dataset), listener)
    listener.stage(f"train float net on {dataset.name} ({counted(len(training), 'sequence')}{_named_channels(dataset)})")
    with telling_how_to_resume(f"go on with: {going_on}"):
        reports, device = _fit(net, teachers, recipe, training, validation, anew, directory, metrics := Metrics(), listener)
    tell_best(reports, listener)
    finished = {METRICS: metrics_file(b"", "train", metrics)}
    return _finish(net, recipe, dataset, training, validation, told, directory, finished, device, listener)


def _finish(
    net: Net,
    recipe: Recipe,
    dataset: Dataset,
    training: Split,
    validation: Split | None,
    told: Sequence[str],
    directory: ModelDirectory,
    files: Mapping[str, bytes],
    device: torch.device,
    listener: Listener,
) -> float:
    """Ask the trained net the test set, and write it, `files`, what was found and the sentences `told` before; returns the accuracy."""
    test = steps(recipe, net, dataset.test)
    found = confusion(net, test)
    figures = class_figures(found, dataset.classes)
    sentences = tell(
        (
            *remarks_on_training(net, training, *((test, "test") if validation is None else (validation, "validation"))),
            *remarks_on_classes(found, figures, "float net", balanced=recipe.train.balance != "none"),
        ),
        listener,
    )
    manifest = directory.revised_manifest(
        accuracy={"float": found.accuracy},
        by_class={"float": figures.model_dump(mode="json")},
        warnings={"train": [*told, *sentences]},
        device=device_name(device),
    )
    directory.write({FLOAT_NET: encode_net(net), **files, **manifest}, removed=[CHECKPOINT])
    return found.accuracy


def _fit(
    net: Net,
    teachers: Teachers,
    recipe: Recipe,
    training: Split,
    validation: Split | None,
    anew: Anew | None,
    directory: ModelDirectory,
    metrics: Metrics,
    listener: Listener,
) -> tuple[tuple[EpochReport, ...], torch.device]:
    """Train the net, or go on from the directory's checkpoint; it is on the CPU afterwards. Returns the epochs, and where they ran."""
    center, spread = centre_and_spread(recipe, net, training)
    device, schedule = choose_device(net, recipe.train.device), train_schedule(recipe.train)
    for each in (net, *teachers.nets):
        each.to(device)

    def report(epoch: EpochReport) -> None:
        # to look at: the checkpoint holds them too
        write_atomically(directory.path / METRICS, metrics_file(b"", "train", metrics), durable=False)
        listener.epoch(epoch)

    reports = fit(
        net,
        training,
        schedule,
        validation=validation,
        loss=distillation(teachers.nets, recipe.compress, recipe.train.label_smoothing, weights_of(training, schedule, device)),
        spread=spread,
        center=center,
        report=report,
        checkpoint=CheckpointFile(directory.path / CHECKPOINT),
        metrics=metrics,
        resume=directory.has(CHECKPOINT),
        identity={"loop": recipe.train.loop, **augment_identity(recipe), **teachers.identity},
        anew=anew,
    )
    net.to("cpu")
    return reports, device


def _recipe_to_resume(directory: ModelDirectory) -> Recipe:
    """The recipe of an interrupted training. Raises InputError when there is none."""
    if directory.has(FLOAT_NET):
        how = "--resume " if directory.has(CHECKPOINT) else ""
        raise InputError(f"the float net in {directory.path} is complete: go on with `rescomp quantize {how}{directory.path}`")
    return read_recipe(directory)


def _named_channels(dataset: Dataset) -> str:
    """The channels, so that a column of numbers that is none is noticed."""
    return f" of {', '.join(dataset.channels)}" if dataset.channels else ""


def _warn_of_readings(recipe: Recipe, net: Net, dataset: Dataset, fraction_bits: int, listener: Listener) -> None:
    """Say what the net does not see of them, by their length or the integers that they become."""
    _warn_of_lengths(net, dataset, listener)
    if recipe.of_samples is None:  # a feature's integers are as fine as it is
        tell(input_warnings(dataset.train, fraction_bits), listener)


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
        net = kept_net(begun, recipe, START)
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
