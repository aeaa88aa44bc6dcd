"""slice: consecutive entries of a vector; how the gates of a cell are read from one stacked product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..fixed_point import IntArray
from ..formats import TensorType
from .base import CBuilder, CValue, Increasing, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_format


@dataclass(frozen=True)
class Slice(Increasing):
    """y = x[start : start + size], x a vector. On the device y is a pointer into x: it takes no memory and no time."""

    name: ClassVar[str] = "slice"
    in_place: ClassVar[tuple[int, ...]] = ()

    start: int
    size: int

    @property
    def view(self) -> int | None:
        return self.start

    @property
    def kernel(self) -> str:
        return ""

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(len(x.shape) == 1, f"slice reads a vector, not a value of shape {x.shape}")
        inside = 0 <= self.start < self.start + self.size <= x.size
        require(inside, f"a slice from {self.start} of size {self.size} does not lie inside a value of {x.size} entries")
        return (TensorType((self.size,), x.format),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (x[..., self.start : self.start + self.size],)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        return 0

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        start, end, axis = (b.constant(np.array([number])) for number in (self.start, self.start + self.size, -1))
        return (b.node("Slice", x, start, end, axis),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        shape = (*x.shape[:-1], self.size)
        start, size = (b.constant(np.array(numbers, np.int32)) for numbers in ((0, 0, 0, self.start), shape))
        return (b.operator("SLICE", (x, start, size), shape, x.dtype, x.format),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        """None: the planner of memory has placed the output inside the input."""

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        length = int(rng.integers(1, 40))
        start = int(rng.integers(0, length))
        return cls(start, int(rng.integers(1, length - start + 1))), (TensorType((length,), draw_format(rng)),)
