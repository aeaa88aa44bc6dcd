"""The nets that [[model.stages]] lists, in torch modules: layers and cells, one after another."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from math import prod
from typing import NamedTuple

from torch import Tensor, nn

from ..errors import InputError
from ..graph.formats import MOST_ENTRIES
from ..model_names import CELL_KINDS
from ..recipe import CellStage, ConvolutionStage, DenseStage, DepthwiseStage, EntrywiseStage, ModelSection, PoolStage, Stage, readings_of
from .layered.convolutions import NetShape, conv_norm
from .layered.kinds import LAYER_KINDS, Entrywise
from .layered.timed_layers import TimedLayers
from .recurrent.cell import CellModule, CellShape
from .recurrent.net_parts import CELL_SUFFIXES
from .recurrent.readout import Readout


def _cell(kind: str) -> type[CellModule]:
    """The one that its module defines."""
    module = import_module(f".recurrent.{kind}", __package__)
    (cell,) = (each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__)
    assert issubclass(cell, CellModule)
    return cell


CELLS: Mapping[str, type[CellModule]] = {kind: _cell(kind) for kind in CELL_KINDS}
"""The recurrent kinds of [model]."""
_POOLS = {("max", 1): nn.MaxPool1d, ("max", 2): nn.MaxPool2d, ("average", 1): nn.AvgPool1d, ("average", 2): nn.AvgPool2d}
_GLOBAL_POOLS = {
    ("max", 1): nn.AdaptiveMaxPool1d,
    ("max", 2): nn.AdaptiveMaxPool2d,
    ("average", 1): nn.AdaptiveAvgPool1d,
    ("average", 2): nn.AdaptiveAvgPool2d,
}
_Modules = list[tuple[str, nn.Module]]


class _EachEntry(nn.Module):
    """A kind of layer that is a function of each entry."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        entrywise = LAYER_KINDS[kind]
        assert isinstance(entrywise, Entrywise)
        self.function = type(entrywise).function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class _Numbered(NamedTuple):
    """A stage and its name: its kind and which one of the list it is, from 1 on."""

    name: str
    stage: Stage


def staged_parts(section: ModelSection, channels: int, classes: int) -> list[nn.Module]:
    """The cells of a net, and the layers before, between and behind them. channels: of a reading.

    Raises InputError for a matrix that no export can hold, before it is made.
    """
    parts: list[nn.Module] = []
    last = [each for each in _numbered(section.program) if isinstance(each.stage, CellStage)][-1]
    size, suffixes = section.readings_a_step * channels, iter(CELL_SUFFIXES)
    for is_cell, run in itertools.groupby(_numbered(section.program), lambda each: isinstance(each.stage, CellStage)):
        for each in run if is_cell else ():
            shape = _cell_shape(section, each, size, next(suffixes))
            parts.append(CELLS[each.stage.kind](shape))
            size = shape.hidden_size if each != last else Readout.of(section).entries(shape.hidden_size)
        if not is_cell:
            layers = list(run)
            parts.append(_timed(layers, channels if not parts else size, behind=_is_behind(section, layers[-1])))
            size = parts[-1].features  # type: ignore[assignment]
    _check_matrix("the head", classes, size)
    return parts


def staged_module(section: ModelSection, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """A net of layers alone, which ends in a classifier over what they leave."""
    layers: _Modules = []
    shape = input_shape
    for each in _numbered(section.program):
        added, shape = _layers(each, shape, causal=section.streaming)
        layers += added
    _check_matrix("the head", classes, prod(shape))
    return nn.Sequential(OrderedDict([*layers, ("flatten", nn.Flatten()), ("classifier", nn.Linear(prod(shape), classes))]))


def _numbered(stages: Sequence[Stage]) -> Iterator[_Numbered]:
    return (_Numbered(f"{stage.kind}{number}", stage) for number, stage in enumerate(stages, start=1))


def _is_behind(section: ModelSection, last: _Numbered) -> bool:
    """Whether layers that end so are the last ones, behind all cells."""
    return last == list(_numbered(section.program))[-1]


def _cell_shape(section: ModelSection, each: _Numbered, size: int, suffix: str) -> CellShape:
    stage = each.stage
    assert isinstance(stage, CellStage)
    hidden = stage.hidden_size or section.hidden_size
    rank_w, rank_u = stage.rank_w or section.rank_w, stage.rank_u or section.rank_u
    _check_matrix("the input" if section.stages is None else f"the input of {each.name}", rank_w or hidden, size)
    return CellShape(size, hidden, rank_w, rank_u, suffix)


def _timed(run: Sequence[_Numbered], channels: int, *, behind: bool) -> TimedLayers:
    """Layers beside cells. behind: after the last cell, on what has no time any more."""
    if behind:
        return TimedLayers.of(nn.Sequential(OrderedDict(_dense_layers(run, channels))), (1, channels), flat=True)
    layers: _Modules = []
    rows = readings_of([each.stage for each in run])
    shape: tuple[int, ...] = (rows, channels)
    for each in run:
        added, shape = _layers(each, shape, causal=True)
        layers += added
    return TimedLayers.of(nn.Sequential(OrderedDict(layers)), (rows, channels))


def _dense_layers(run: Sequence[_Numbered], size: int) -> Iterator[tuple[str, nn.Module]]:
    """On vectors."""
    for name, stage in run:
        if isinstance(stage, EntrywiseStage):
            yield name, _EachEntry(stage.kind)
            continue
        assert isinstance(stage, DenseStage)
        _check_matrix(name, stage.width, size)
        yield name, nn.Linear(size, stage.width, bias=stage.norm == "none")
        if stage.norm == "batch":
            yield f"{name}_norm", nn.BatchNorm1d(stage.width)
        if stage.activation == "relu":
            yield f"{name}_relu", nn.ReLU()
        size = stage.width


def _layers(each: _Numbered, shape: tuple[int, ...], *, causal: bool) -> tuple[_Modules, tuple[int, ...]]:
    """(the modules of a stage that reads `shape`, channels last; the shape that it leaves)."""
    stage, axes, channels = each.stage, len(shape) - 1, shape[-1]
    if isinstance(stage, EntrywiseStage):
        return [(each.name, _EachEntry(stage.kind))], shape
    if not axes:
        return list(_dense_layers([each], channels)), (stage.width,)  # type: ignore[union-attr]
    if isinstance(stage, PoolStage):
        return _pool(each.name, stage, shape)
    assert isinstance(stage, ConvolutionStage | DepthwiseStage | DenseStage)
    outputs = channels if isinstance(stage, DepthwiseStage) else stage.width
    kernel, stride = (1, 1) if isinstance(stage, DenseStage) else (stage.kernel_size, stage.stride)
    groups = channels if isinstance(stage, DepthwiseStage) else 1
    _check_matrix(each.name, outputs, kernel**axes * channels // groups)
    net = NetShape(shape, 1, (outputs,), norm=stage.norm, causal=causal)
    left = _divided(each.name, shape[:-1], stride)
    modules = conv_norm(net, each.name, channels, outputs, stride, kernel, groups)
    if stage.activation == "relu":
        modules.append((f"{each.name}_relu", nn.ReLU()))
    return modules, (*left, outputs)


def _pool(name: str, stage: PoolStage, shape: tuple[int, ...]) -> tuple[_Modules, tuple[int, ...]]:
    """Without a size nothing is left but the channels."""
    kind = (stage.function, len(shape) - 1)
    if stage.size is None:
        return [(name, _GLOBAL_POOLS[kind](1)), (f"{name}_flatten", nn.Flatten())], shape[-1:]
    return [(name, _POOLS[kind](stage.size))], (*_divided(name, shape[:-1], stage.size), shape[-1])


def _divided(name: str, sizes: tuple[int, ...], stride: int) -> tuple[int, ...]:
    """Raises InputError where a stride does not divide an axis."""
    if any(size % stride for size in sizes):
        raise InputError(f"stage {name} divides axes of {list(sizes)} by {stride}: choose a size that is a multiple, or another stride")
    return tuple(size // stride for size in sizes)


def _check_matrix(what: str, rows: int, columns: int) -> None:
    """Raise InputError, before anything is allocated, for a matrix that no export can hold: channels and classes are a manifest's."""
    if rows * columns > MOST_ENTRIES:
        raise InputError(
            f"the matrix of {what} has {rows:,} x {columns:,} entries, and at most {MOST_ENTRIES:,} can be exported: take fewer "
            "channels, classes, readings a step or hidden units, or smaller kernels"
        )
