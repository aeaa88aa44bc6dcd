"""A net without state as plain data: its steps in order of execution, and the layers whose parameters they read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...documents import fits, read_fields
from ...graph.formats import Padding, Pair, WindowShape
from .kinds import LAYER_KINDS
from .plan_check import check_counts, check_plan

DERIVED = re.compile(r"_(vector|map|wide|widened|operand[12]|rows|next|keep)$")
"""Ends of the names that lowering and streaming give to values of their own, beside a step's: no step of a traced net ends so."""


@dataclass(frozen=True)
class Layer:
    """Parameters that one or several steps read. A linear layer is a convolution over a map of 1 x 1.

    columns: entries of one row: kernel height * kernel width * channels, channels fastest; without the channels where depthwise.
    normalized: a batch normalisation follows. scaled: a learned factor multiplies all of it (SkipInit). seed: of a matrix that is not
    trained: signs drawn from it, over the square root of the columns.
    """

    name: str
    rows: int
    columns: int
    depthwise: bool = False
    biased: bool = True
    normalized: bool = False
    scaled: bool = False
    seed: int | None = None

    @property
    def is_special(self) -> bool:
        """Whether its matrix has one storage whatever is asked for: a depthwise kernel, or a random projection."""
        return self.depthwise or self.seed is not None


@dataclass(frozen=True)
class Step:
    """One step; its value has its name. kind: of LAYER_KINDS. shape: of the value, channels last, without batch; time is a
    width, of height 1.

    kernel_size, stride, padding (top, bottom, left, right): of convolutions and pools. relu: max(value, 0) at the end. factor: of a
    scale step; of an average pool, what the sum over the window is multiplied by. gain_in: multiplies a convolution's weights; gain_out:
    multiplies its result, after the normalisation.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, int, int]
    layer: str = ""
    kernel_size: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    relu: bool = False
    factor: float = 1.0
    gain_in: float = 1.0
    gain_out: float = 1.0

    @property
    def window(self) -> WindowShape:
        """What moves over what it reads."""
        return WindowShape(self.kernel_size, self.stride, self.padding)

    @property
    def area(self) -> int:
        """Entries of a window."""
        return self.kernel_size[0] * self.kernel_size[1]


@dataclass(frozen=True)
class Plan:
    """input_shape: channels last, (time, channels) or (height, width, channels)."""

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    steps: tuple[Step, ...]

    @property
    def output(self) -> str:
        """The value that holds the scores."""
        return self.steps[-1].name

    def step(self, name: str) -> Step:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

    def users(self, name: str) -> Iterator[Step]:
        """The steps that read a value."""
        return (step for step in self.steps if name in step.inputs)

    def uses(self, layer: str) -> Iterator[Step]:
        """The steps that apply a layer."""
        return (step for step in self.steps if step.layer == layer)

    def nonnegative(self) -> frozenset[str]:
        """The values none of whose entries is ever negative, as far as their kinds tell."""
        return nonnegative_values(self.steps)

    def first_and_last(self) -> frozenset[str]:
        """The layers that nothing but the input feeds, and those that feed no other layer."""
        return _foremost(self.steps, lambda step: step.inputs) | self.last()

    def last(self) -> frozenset[str]:
        """The layers that feed no other layer: what they give is the scores, or becomes them without weights."""
        return _foremost(reversed(self.steps), lambda step: [user.name for user in self.users(step.name)])

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Plan:
        """From what json made of its fields. Raises ValueError, KeyError, TypeError or UnsupportedError when it is damaged."""
        check_counts(len(document["layers"]), len(document["steps"]))
        layers = tuple(read_fields(Layer, item) for item in document["layers"])
        if not fits(document["input_shape"], tuple[int, ...]):
            raise ValueError("input_shape is a list of whole numbers")
        plan = cls(tuple(document["input_shape"]), layers, tuple(read_fields(Step, item) for item in document["steps"]))
        check_plan(plan)
        return plan


def nonnegative_values(steps: Iterable[Step]) -> frozenset[str]:
    """Those of steps in order of which no entry is ever negative, as far as their kinds tell."""
    found: set[str] = set()
    for step in steps:
        if step.relu or LAYER_KINDS[step.kind].is_nonnegative([name in found for name in step.inputs]):
            found.add(step.name)
    return frozenset(found)


def _foremost(steps: Iterable[Step], before: Callable[[Step], Iterable[str]]) -> frozenset[str]:
    """The layers that come before any other. before: the names of a step's neighbours, which stand before it in `steps`."""
    layers: set[str] = set()
    passed: set[str] = set()
    for step in steps:
        follows = not passed.isdisjoint(before(step))
        if step.layer and not follows:
            layers.add(step.layer)
        if step.layer or follows:
            passed.add(step.name)
    return frozenset(layers)
