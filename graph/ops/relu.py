"""relu: max(x, 0)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..fixed_point import IntArray
from ..ir import TensorType
from .base import Elementwise, require
from .drawing import draw_format


@dataclass(frozen=True)
class Relu(Elementwise):
    """y = max(x, 0), in the format of x."""

    name: ClassVar[str] = "relu"
    in_place: ClassVar[tuple[int, ...]] = (0,)

    @property
    def kernel(self) -> str:
        return "relu_int16"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(x.format.dtype == "int16", f"relu works on int16 values, not {x.format.dtype}")
        return (TensorType(x.shape, replace(x.format, nonnegative=True)),)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        return (np.maximum(x, 0),)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        return cls(), (TensorType((int(rng.integers(1, 40)),), draw_format(rng)),)
