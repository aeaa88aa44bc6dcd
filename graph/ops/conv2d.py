"""conv2d: a convolution over height and width, channels last, a bias, and one requantization an output channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..fixed_point import IntArray, Requantization, exact_matmul
from ..ir import Format, TensorType
from ..weights import SparseWeight, Weight
from . import onnx_arithmetic
from .base import CBuilder, CValue, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .c_arguments import requantization_argument
from .drawing import draw_format, draw_requantization, draw_weight
from .product import prove_product
from .tflite_arithmetic import convolution, pad


@dataclass(frozen=True, eq=False)
class Conv2d:
    """y[i, j] = R(W patch(i, j) + bias): [height, width, channels] -> [out_height, out_width, rows].

    weight: [rows, kernel_height * kernel_width * channels], channels fastest. bias: int32 [rows], or of length 0 for none.
    padding: zeros added (top, bottom, left, right).
    """

    name: ClassVar[str] = "conv2d"
    in_place: ClassVar[tuple[int, ...]] = ()
    view: ClassVar[int | None] = None

    weight: Weight
    bias: IntArray
    requantization: Requantization
    output: Format
    kernel_size: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def kernel(self) -> str:
        return f"conv2d_{self.output.dtype}_{self.weight.format}"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        require(not isinstance(self.weight, SparseWeight), "conv2d reads no sparse weights: store its matrix dense, as int8 or int4")
        require(len(x.shape) == 3, f"conv2d reads height x width x channels, not a value of shape {x.shape}")
        rows, columns = self.weight.matrix.shape
        patch = self.kernel_size[0] * self.kernel_size[1] * x.shape[2]
        require(columns == patch, f"a weight of {columns} columns cannot read patches of {patch} entries")
        positive = min(*self.kernel_size, *self.stride) > 0 and min(self.padding) >= 0
        require(positive, "conv2d needs a kernel and a stride of at least 1 and no negative padding")
        height, width = self.output_size(x.shape)
        require(min(height, width) > 0, f"a {self.kernel_size} kernel does not fit into {x.shape[:2]}")
        prove_product(self.weight, self.bias, self.requantization, x.format)
        return (TensorType((height, width, rows), self.output),)

    def output_size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """(height, width) of the result for an input of `shape`."""
        top, bottom, left, right = self.padding
        height = (shape[0] + top + bottom - self.kernel_size[0]) // self.stride[0] + 1
        width = (shape[1] + left + right - self.kernel_size[1]) // self.stride[1] + 1
        return height, width

    def patches(self, shape: tuple[int, ...]) -> IntArray:
        """For each output position the flat indices of its patch: int64 [positions, columns].

        Index height * width * channels, one past the input, stands for the zero padding.
        """
        height, width, channels = shape
        top, bottom, left, right = self.padding
        flat = np.arange(height * width * channels).reshape(shape)
        padded = np.pad(flat, ((top, bottom), (left, right), (0, 0)), constant_values=flat.size)
        windows: IntArray = np.lib.stride_tricks.sliding_window_view(padded, self.kernel_size, axis=(0, 1))  # type: ignore[call-overload]
        windows = windows[:: self.stride[0], :: self.stride[1]]  # [out_height, out_width, channels, kernel_height, kernel_width]
        return windows.transpose(0, 1, 3, 4, 2).reshape(-1, self.weight.matrix.shape[1])

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        (x,) = inputs
        shape = x.shape[1:]
        flat = np.concatenate([x.reshape(len(x), -1), np.zeros((len(x), 1), x.dtype)], axis=1)
        accumulator = exact_matmul(flat[:, self.patches(shape)], self.weight.matrix.T)
        if self.bias.size:
            accumulator = accumulator + self.bias
        result = self.requantization(accumulator, self.output.low, self.output.high)
        return (result.reshape(len(x), *self.output_size(shape), -1),)

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        height, width = self.output_size(inputs[0].shape)
        return height * width * self.weight.matrix.size

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        (x,) = inputs
        flat = b.node("Reshape", x, b.constant(np.array([0, -1])))
        padded = b.node("Pad", flat, b.constant(np.array([0, 0, 0, 1])))
        patches = b.node("Gather", padded, b.constant(self.patches(b.type(x).shape)), axis=1)
        accumulator = onnx_arithmetic.matrix_product(b, patches, self.weight.matrix, self.bias)
        result = onnx_arithmetic.requantize(b, accumulator, self.requantization, self.output)
        return (b.node("Reshape", result, b.constant(np.array([0, *self.output_size(b.type(x).shape), len(self.weight.matrix)]))),)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        (x,) = inputs
        weight = self.weight.matrix.reshape(len(self.weight.matrix), *self.kernel_size, -1)
        padded = pad(b, x, self.padding)
        return (convolution(b, padded, weight, self.bias, self.requantization, self.output, self.stride),)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x,), (y,) = inputs, outputs
        rows, columns = self.weight.matrix.shape
        weight = b.constant("weight", self.weight.pack(), "weights", f"{rows} x {columns} {self.weight.layout}")
        by = requantization_argument(b, self.bias, self.requantization, self.output)
        b.call(self.kernel, x.expression, y.expression, self._c_shape(x.type, y.type), weight, by)

    def _c_shape(self, x: TensorType, y: TensorType) -> str:
        sizes = (f"rescomp_size_of({', '.join(map(str, shape))})" for shape in (x.shape, y.shape))
        pairs = (f"rescomp_pair_of({down}, {across})" for down, across in (self.kernel_size, self.stride, self.padding[::2]))
        return f"rescomp_conv2d_shape_of({', '.join((*sizes, *pairs))})"

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        kernel_size, stride = _pair(rng, 1, 4), _pair(rng, 1, 3)
        height, width, channels, rows = (int(n) for n in rng.integers(3, 8, 4))
        weight = draw_weight(rng, rows, kernel_size[0] * kernel_size[1] * channels, sparse=False)
        x = TensorType((height, width, channels), draw_format(rng, ternary_input=weight.format == "ternary"))
        largest = int(np.abs(weight.matrix.astype(np.int64)).sum(axis=1).max()) * x.format.bound
        bias = rng.integers(-largest, largest + 1, rows, dtype=np.int32) if rng.random() < 0.5 else np.zeros(0, np.int32)
        padding = (*_pair(rng, 0, 2), *_pair(rng, 0, 2))
        return cls(weight, bias, draw_requantization(rng, rows, largest), draw_format(rng), kernel_size, stride, padding), (x,)


def _pair(rng: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    first, second = rng.integers(low, high, 2)
    return int(first), int(second)
