"""reshape: the same entries in the same order, in another shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Self

import numpy as np

from ..fixed_point import IntArray
from ..formats import TensorType
from . import onnx_arithmetic
from .base import CBuilder, CValue, Elementwise, Increasing, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_dtype, draw_format


@dataclass(frozen=True)
class Reshape(Increasing, Elementwise):
    """y = x in another shape of one to three axes. On the device y is x itself: it takes no memory and no time."""

    name: ClassVar[str] = "reshape"
    in_place: ClassVar[tuple[int, ...]] = ()
    view: ClassVar[int | None] = 0

    shape: tuple[int, ...]

    @property
    def kernel(self) -> str:
        return ""

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(1 <= len(self.shape) <= 3, f"a value has one to three axes, not the shape {self.shape}")
        fits = min(self.shape) > 0 and prod(self.shape) == x.size
        require(fits, f"the {x.size} entries of a value of shape {x.shape} do not fill the shape {self.shape}")
        return (TensorType(self.shape, x.format),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (x.reshape(len(x), *self.shape),)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        if b.type(x).format.dtype == "int16":
            return (onnx_arithmetic.reshape(b, x, self.shape),)
        last = onnx_arithmetic.channels_last(b, x, len(b.type(x).shape))
        return (onnx_arithmetic.channels_first(b, onnx_arithmetic.reshape(b, last, self.shape), len(self.shape)),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        shape = (*(1,) * (4 - len(self.shape)), *self.shape)
        return (b.operator("RESHAPE", (x, b.constant(np.array(shape, np.int32))), shape, x.dtype, x.format),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        """None: the planner of memory has placed the output where the input is."""

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        factors = [int(n) for n in rng.integers(1, 5, 3)]
        before, after = (_some_shape(rng, factors) for _ in range(2))
        return cls(after), (TensorType(before, draw_format(rng, dtype=draw_dtype(rng))),)


def _some_shape(rng: np.random.Generator, factors: list[int]) -> tuple[int, ...]:
    """One to three axes with as many entries as the product of the three factors."""
    order = [factors[i] for i in rng.permutation(3)]
    axes = int(rng.integers(1, 4))
    return (*order[: axes - 1], prod(order[axes - 1 :]))
