"""A plan out of a file: its steps fit each other and the layers that they read, and none is larger than a graph could be."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from torch import nn

from ...errors import counted
from ...graph.formats import MOST_ENTRIES, MOST_LAYERS
from ...graph.weights import SeededWeight
from ...model_names import check_name
from .kinds import LAYER_KINDS, Shape

if TYPE_CHECKING:
    from .plan import Layer, Plan, Step

INPUT = "input"
"""The value that the first steps read: the normalised input."""
ATTRIBUTES = frozenset(dir(nn.ModuleDict()))
"""Names that no layer can have: it is an entry of one."""
LARGEST_FACTOR = 2.0**64
NORMALIZE = "normalize"
"""The step before all others: no other is called so."""


def check_plan(plan: Plan) -> None:
    """Raise ValueError or UnsupportedError unless every step reads what is there before it, in the shape that it needs."""
    if not plan.steps or len(plan.input_shape) not in (2, 3):
        raise ValueError("it has no steps, or no input")
    check_counts(len(plan.layers), len(plan.steps))
    shapes: dict[str, Shape] = {INPUT: _bounded((*(1,) * (3 - len(plan.input_shape)), *plan.input_shape), INPUT)}
    layers = {layer.name: layer for layer in plan.layers}
    if len(layers) != len(plan.layers):
        raise ValueError("it names a layer twice")
    for layer in plan.layers:
        _check_layer(layer)
    for step in plan.steps:
        check_name(step.name, "step")
        if step.name in shapes or step.name == NORMALIZE or not set(step.inputs) <= shapes.keys():
            raise ValueError(f"step {step.name!r} does not fit the others")
        if step.factor < 1 / LARGEST_FACTOR or max(step.factor, abs(step.gain_in), abs(step.gain_out)) > LARGEST_FACTOR:
            raise ValueError(f"step {step.name!r} multiplies by what no layer does: at most 2^64, and a factor above 2^-64")
        if _shape_of(step, shapes, layers) != step.shape:
            raise ValueError(f"step {step.name!r} cannot give the shape {list(step.shape)}")
        shapes[step.name] = _bounded(step.shape, step.name)


def check_counts(layers: int, steps: int) -> None:
    """Raise ValueError for more layers or steps than a graph holds."""
    if max(layers, steps) > MOST_LAYERS:
        raise ValueError(f"it has {layers:,} layers and {steps:,} steps, and a model holds at most {MOST_LAYERS:,}")


def _check_layer(layer: Layer) -> None:
    """Also raises UnsupportedError, for a name that is none, and for a seed that draws no matrix."""
    check_name(layer.name, "layer")
    if layer.name in ATTRIBUTES:
        raise ValueError(f"no layer can be called {layer.name!r}")
    if min(layer.rows, layer.columns) < 1 or layer.rows * layer.columns > MOST_ENTRIES:
        raise ValueError(f"layer {layer.name!r} of {layer.rows} x {layer.columns} is past what a model may hold")
    if layer.seed is not None:
        SeededWeight(layer.rows, layer.columns, layer.seed)


def _bounded(shape: tuple[int, ...], name: str) -> Shape:
    height, width, channels = shape
    if min(shape) < 1 or prod(shape) > MOST_ENTRIES:
        raise ValueError(f"{name!r} has the shape {list(shape)}: one to {MOST_ENTRIES:,} entries are wanted")
    return height, width, channels


def _shape_of(step: Step, shapes: Mapping[str, Shape], layers: Mapping[str, Layer]) -> Shape | None:
    """What a step gives; nothing where it cannot read what it does."""
    kind = LAYER_KINDS.get(step.kind)
    if kind is None:
        raise ValueError(f"Step.kind cannot be {step.kind!r:.80}, but one of {', '.join(LAYER_KINDS)}")
    if len(step.inputs) != kind.reads or bool(step.layer) != kind.has_layer:
        raise ValueError(f"step {step.name!r} does not fit the others, for {step.kind} reads {counted(kind.reads, 'value')}")
    return kind.shape(step, [shapes[name] for name in step.inputs], layers.get(step.layer))
