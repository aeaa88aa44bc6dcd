"""Fine-tuning: the float net brought under its constraints, calibrated, and trained on under them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ..compress import SparseSupport, TernaryStorage, anneal, calibrate, constrain, distillation, matrices
from ..data.dataset import Split
from ..errors import counted
from ..manifest import Manifest
from ..model_directory import CHECKPOINT, ModelDirectory
from ..models import Net, use_loop
from ..models.arithmetic import NORMALIZED
from ..recipe import Constraint, NamingEntry, Recipe, to_toml
from ..train.balance import weights_of
from ..train.checkpoint import CheckpointFile
from ..train.determinism import make_deterministic
from ..train.device import choose_device
from ..train.loop import Anew, fit
from ..train.memory import keep_freed_memory
from ..train.metrics import Metrics
from ..train.schedule import quantize_schedule, train_schedule
from .augmented import augment_identity
from .epochs import tell_best, telling_how_to_resume
from .kept_nets import kept_net
from .listener import Listener
from .net_readings import centre_and_spread, training_data
from .teachers import Teachers


def fine_tune(
    net: Net,
    teachers: Teachers,
    recipe: Recipe,
    data: Split,
    anew: Anew | None,
    path: Path,
    metrics: Metrics,
    listener: Listener,
    *,
    resume: bool,
) -> None:
    """Train the compressed net on `data` under its constraints, in place; its checkpoint goes to `path`, and `metrics` are filled.

    teachers: whom `distill` asks, where it is among the constraints. anew: gives the training part of `data` as it is in an epoch, where
    it changes.
    """
    listener.stage(f"fine-tune with {' + '.join(_phrase(entry) for entry in recipe.compress)} weights")
    training, validation = training_data(recipe, data)
    center, spread = centre_and_spread(recipe, net, training)
    device = choose_device(net, recipe.train.device)
    for each in (net, *teachers.nets):
        each.to(device)
    schedule = quantize_schedule(recipe.train, recipe.quantize, recipe.compress)
    weights = weights_of(training, schedule, device)
    with telling_how_to_resume(f"go on with: rescomp quantize --resume {path}"):
        reports = fit(
            net,
            training,
            schedule,
            validation=validation,
            loss=distillation(teachers.nets, recipe.compress, recipe.train.label_smoothing, weights),
            on_step=lambda done, total: anneal(net, done, total),
            spread=spread,
            center=center,
            report=listener.epoch,
            describe=lambda: _schedules(net),
            checkpoint=CheckpointFile(path / CHECKPOINT, to_toml(recipe).decode()),
            metrics=metrics,
            resume=resume,
            identity={
                "compress": [entry.model_dump(mode="json") for entry in recipe.compress],
                "loop": recipe.train.loop,
                **augment_identity(recipe),
                **teachers.identity,
            },
            anew=anew,
        )
    net.to("cpu")
    tell_best(reports, listener)


def read_float_net(recipe: Recipe, directory: ModelDirectory) -> Net:
    """The float net of a model directory, run by the recipe's loop. Raises InputError as kept_net does."""
    make_deterministic(recipe.train.seed, recipe.train.threads)
    keep_freed_memory()
    net = kept_net(directory, recipe)
    use_loop(net, recipe.train.loop)
    return net


def compressed_net(recipe: Recipe, manifest: Manifest, float_net: Net, data: Split) -> Net:
    """A copy of the float net under the recipe's constraints, its formats calibrated on `data`."""
    net = constrain(float_net, recipe.constraints)
    use_loop(net, recipe.train.loop)
    net.dropout = recipe.train.dropout
    streams = train_schedule(recipe.train).carry > 0
    calibrate(net, torch.from_numpy(data.x), torch.from_numpy(data.lengths), manifest.input.fraction_bits, streams=streams)
    return net


def tell_limited(net: Net, splits: Sequence[Split], listener: Listener) -> None:
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


def _phrase(entry: Constraint) -> str:
    return entry.phrase if isinstance(entry, NamingEntry) else entry.kind


def _schedules(net: Net) -> str | None:
    """Where the constraints' schedules are, for the progress."""
    every = list(matrices(net))
    residual = [matrix.storage.residual for matrix in every if isinstance(matrix.storage, TernaryStorage) and matrix.storage.arenas]
    fixed = [matrix.support.is_fixed for matrix in every if isinstance(matrix.support, SparseSupport)]
    parts = [f"lambda {residual[0]:.2f}"] if residual else []
    parts += [f"support {'fixed' if all(fixed) else 'searched'}"] if fixed else []
    parts += ["normalisation folded"] if any(module.has_norm and module.folds for module in net.layer_modules) else []
    return "  ".join(parts) or None
