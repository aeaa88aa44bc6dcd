"""Proof by trying everything: two chains of ONNX nodes, each entry made of one entry alone, on every integer that they can begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

Integers = npt.NDArray[Any]
MOST, AT_A_TIME = 1 << 31, 1 << 20
"""Integers that are tried for one pair of chains, and at once."""


@dataclass(frozen=True, eq=False)
class Link:
    """A node with one input that varies. constants: the others in order, None where it stands; each has an entry, or one a channel."""

    kind: str
    constants: Sequence[Any]
    dtype: np.dtype[Any]

    def __call__(self, x: Integers, channel: int) -> Integers:
        """The result for one channel, wrapped around as the node's type does."""
        inputs = [x if each is None else each if each.size == 1 else each[channel] for each in self.constants]
        return np.asarray(_COMPUTE[self.kind](*(np.asarray(each).reshape(-1) for each in inputs))).astype(self.dtype)


@dataclass(frozen=True, eq=False)
class Chain:
    """base: the form of what it begins with, whose entries lie between low and high and are multiples of step, each a number or one an
    entry of the last axis. axis: which one, from the end, the constants tell apart; None: none so far.
    """

    base: str
    low: Any
    high: Any
    step: Any = 1
    axis: int | None = None
    links: tuple[Link, ...] = ()

    def then(self, kind: str, constants: Sequence[Any], dtype: np.dtype[Any]) -> Chain | None:
        """One node longer; None where its constants tell other axes apart, or it is none of those that are computed here."""
        axes = {axis for each in constants if each is not None for axis, size in enumerate(reversed(each.shape)) if size > 1}
        axes |= set() if self.axis is None else {self.axis}
        if len(axes) > 1 or kind not in _COMPUTE or len(constants) != _COMPUTE[kind].__code__.co_argcount:
            return None
        flat = [None if each is None else each.reshape(-1) for each in constants]
        return replace(self, axis=max(axes, default=None), links=(*self.links, Link(kind, flat, dtype)))

    def result(self, x: Integers, channel: int) -> Integers:
        """Of integers that it may begin with."""
        for link in self.links:
            x = link(x, channel)
        return x

    @property
    def channels(self) -> int:
        """As many as its constants tell apart."""
        return max((each.size for link in self.links for each in link.constants if each is not None), default=1)

    def constants_of(self, channel: int) -> list[object]:
        """All that tells a channel's results."""
        return [
            (link.kind, str(link.dtype), *(None if each is None else int(each[channel % each.size]) for each in link.constants))
            for link in self.links
        ]

    def integers(self, channel: int) -> range:
        """What it may begin with: of that entry of the last axis, or of all."""
        ends = [self._entry(each, channel, pick) for each, pick in ((self.low, np.min), (self.high, np.max), (self.step, np.gcd.reduce))]
        step = max(ends[2], 1)
        return range(-(-ends[0] // step) * step, ends[1] + 1, step)

    def _entry(self, each: Any, channel: int, of_all: Callable[[Any], Any]) -> int:
        per_entry = self.axis == 0 and np.size(each) == self.channels
        return int(np.ravel(each)[channel] if per_entry else of_all(np.ravel(each)))


def agree(right: Chain, other: Chain) -> bool:
    """Whether both give the same for everything that they can begin with."""
    known = all(np.all(np.isfinite(each)) for each in (right.low, right.high))
    if right.base != other.base or not known or right.channels != other.channels or right.axis != other.axis:
        return False
    channels = [channel for channel in range(right.channels) if right.constants_of(channel) != other.constants_of(channel)]
    if sum(len(right.integers(channel)) for channel in channels) > MOST:
        return False
    return all(
        np.array_equal(right.result(x, channel), other.result(x, channel))
        for channel in channels
        for x in _in_parts(right.integers(channel))
    )


def _in_parts(integers: range) -> Iterator[Integers]:
    for start in range(0, len(integers), AT_A_TIME):
        part = integers[start : start + AT_A_TIME]
        yield np.arange(part.start, part.stop, part.step, dtype=np.int64)


def _divided(x: Any, by: Any) -> Any:
    """Towards zero, as ONNX divides integers."""
    return np.sign(x) * np.sign(by) * (np.abs(x) // np.abs(by))


_COMPUTE: Mapping[str, Callable[..., Any]] = {
    "Identity": lambda x: x,
    "Cast": lambda x: x,
    "Relu": lambda x: np.maximum(x, 0),
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": _divided,
    "Min": lambda a, b: np.minimum(a, b),
    "Max": lambda a, b: np.maximum(a, b),
    "Clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
}
ENTRY_BY_ENTRY = frozenset(_COMPUTE)
INTEGERS = {
    number: onnx.helper.tensor_dtype_to_np_dtype(number)
    for number in (onnx.TensorProto.INT8, onnx.TensorProto.INT16, onnx.TensorProto.INT32, onnx.TensorProto.INT64)
}
"""Types of what a chain may compute, by ONNX's numbers for them."""
