"""The parts of a recurrent net: cells, and layers between them, checked to fit behind each other, each with its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from ...errors import InputError, UnsupportedError, counted
from ..arithmetic import NORMALIZED
from ..layered.plan import Plan
from ..layered.timed_layers import TimedLayers, names_fault
from .cell import CellModule
from .readout import Readout

CELL_SUFFIXES = ("", "_2", "_3", "_4", "_5", "_6", "_7", "_8")
"""What the names of the cells and of their values end with: a net has at most as many."""


def named_parts(parts: Sequence[nn.Module], mean: Tensor, std: Tensor, readout: Readout, readings: int) -> Iterator[tuple[str, nn.Module]]:
    """(name, part). Raises InputError or UnsupportedError where the net would be another than the one that was asked for."""
    for part in parts:
        if isinstance(part, nn.RNNBase | nn.RNNCellBase):
            raise UnsupportedError(f"a {type(part).__name__} is no cell of a RecurrentNet: use one of rescomp.models, such as GruCell")
    cells = [part for part in parts if isinstance(part, CellModule)]
    if not cells or mean.ndim != 1 or mean.shape != std.shape or len(mean) % readings:
        sizes = f"{counted(len(cells), 'cell')}, mean {list(mean.shape)}, std {list(std.shape)}"
        raise InputError(f"{sizes}: a recurrent net takes cells, and [channels] twice")
    _refuse_shared(parts)
    _check_suffixes([cell.suffix for cell in cells])
    plans: list[Plan] = []
    size, origin, read, layers = len(mean), "the input", NORMALIZED, 0
    for place, part in enumerate(parts):
        kind = type(part).__name__
        if isinstance(part, CellModule):
            if part.input.columns != size:
                raise InputError(f"a {kind} reads {part.input.columns} entries, and {origin} has {size}")
            yield f"cell{part.suffix}", part
            size = readout.entries(part.hidden_size) if part is cells[-1] else part.hidden_size
            origin, read = f"the {kind} before it", f"{next(iter(part.states))}{part.suffix}"
            continue
        if layers and isinstance(parts[place - 1], nn.Module) and not isinstance(parts[place - 1], CellModule):
            raise InputError(f"two parts of layers follow each other, a {type(parts[place - 1]).__name__} and a {kind}: make one of them")
        layers += 1
        rows = readings if place == 0 else 1
        timed = _timed(part, (rows, size // rows), f"layers{layers}_", behind=part in parts[parts.index(cells[-1]) :])
        timed.read_from(read)
        timed.read_of = {}
        plans.append(timed.plan)
        yield f"layers{CELL_SUFFIXES[layers - 1]}", timed
        size, origin, read = timed.features, f"the {kind} before it", timed.plan.output
    if fault := names_fault(plans):
        raise InputError(fault)


def _timed(part: nn.Module, input_shape: tuple[int, int], prefix: str, *, behind: bool) -> TimedLayers:
    """The layers of a part that is no cell. behind: of all cells, on what has no time any more."""
    if not isinstance(part, TimedLayers):
        alone = not any(True for _ in part.children())  # a layer of torch.nn, which cannot be followed into
        part = TimedLayers.of(nn.Sequential(part) if alone else part, input_shape, prefix, flat=behind)
    if part.plan.input_shape != input_shape:
        raise InputError(f"layers read {list(part.plan.input_shape)} at a step, and there are {list(input_shape)}")
    if behind and part.lookbacks:
        raise UnsupportedError(
            f"layer {min(part.lookbacks)} reaches back over time behind the last cell, where time is gone: move it before"
        )
    return part


def _refuse_shared(parts: Sequence[nn.Module]) -> None:
    """Every part gets parameters of its own, so those that two share would part in training."""
    owners: dict[Tensor, str] = {}
    for place, part in enumerate(parts):
        kind = type(part).__name__
        if any(part is other for other in parts[:place]):
            raise UnsupportedError(f"part {place} is one {kind} given twice: make another module for each part")
        held = {**part.state_dict(keep_vars=True), **(part.read_of if isinstance(part, TimedLayers) else {})}
        mine = {tensor: f"{name!r} of part {place} ({kind})" for name, tensor in held.items()}
        for tensor, name in mine.items():
            if tensor in owners:
                raise UnsupportedError(f"{owners[tensor]} is {name}, too: give each part parameters of its own")
        owners.update(mine)


def _check_suffixes(suffixes: Sequence[str]) -> None:
    if len(suffixes) > len(CELL_SUFFIXES):
        raise InputError(f"the net stacks {len(suffixes)} cells: it has at most {len(CELL_SUFFIXES)}, make the others larger instead")
    if len(set(suffixes)) < len(suffixes) or not set(CELL_SUFFIXES).issuperset(suffixes):
        raise InputError(f"the cells' suffixes are {list(suffixes)}: give each CellShape its own, nothing or '_2' to '_8'")
