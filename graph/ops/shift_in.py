"""shift_in: the last rows of a stream, as new rows arrive; how a layer over time keeps what its windows still need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..fixed_point import IntArray
from ..formats import DType, TensorType
from .base import CBuilder, CValue, Increasing, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .drawing import draw_dtype, draw_format


@dataclass(frozen=True)
class ShiftIn(Increasing):
    """y = the last rows of (state, x): state and y [rows, channels], x [new rows, channels], no more new rows than rows.

    On the device y may be written over state: entries move towards the front only.
    """

    name: ClassVar[str] = "shift_in"
    in_place: ClassVar[tuple[int, ...]] = (0,)
    view: ClassVar[int | None] = None

    dtype: DType = "int16"

    @property
    def kernel(self) -> str:
        return f"shift_in_{self.dtype}"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        state, x = inputs
        rows = len(state.shape) == len(x.shape) == 2 and state.shape[1] == x.shape[1]
        require(rows, f"shift_in reads rows of one width, not {state.shape} and {x.shape}")
        require(x.shape[0] <= state.shape[0], f"shift_in cannot keep {state.shape[0]} rows of {x.shape[0]} new ones")
        require(state.format == x.format, f"shift_in needs equal formats, not {state.format} and {x.format}")
        require(x.format.dtype == self.dtype, f"a shift_in of {self.dtype} cannot read {x.format}")
        return (state,)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        state, x = inputs
        return (np.concatenate([state[:, x.shape[1] :], x], axis=1),)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """None."""
        return 0

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        state, x = inputs
        rows, axis = b.type(x).shape[0], 2 if self.dtype == "int8" else 1
        start, end, along = (b.constant(np.array([number])) for number in (rows, b.type(state).shape[0], axis))
        return (b.node("Concat", b.node("Slice", state, start, end, along), x, axis=axis),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        state, x = inputs
        rows, new = state.shape[2], x.shape[2]
        if rows == new:
            return (x,)
        shape = (*state.shape[:2], rows - new, state.shape[3])
        start, size = (b.constant(np.array(numbers, np.int32)) for numbers in ((0, 0, new, 0), shape))
        kept = b.operator("SLICE", (state, start, size), shape, self.dtype, state.format)
        return (b.operator("CONCATENATION", (kept, x), state.shape, self.dtype, state.format, axis=2),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (state, x), (y,) = inputs, outputs
        b.call(self.kernel, state.expression, x.expression, y.expression, str(y.type.size), str(x.type.size))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        dtype = draw_dtype(rng)
        format = draw_format(rng, dtype=dtype)
        new, kept, channels = int(rng.integers(1, 5)), int(rng.integers(0, 6)), int(rng.integers(1, 9))
        return cls(dtype), (TensorType((new + kept, channels), format), TensorType((new, channels), format))
