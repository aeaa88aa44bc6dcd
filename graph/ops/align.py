"""align: readings of three-axis sensors turned by a rotation that lives in the state, as it does for a device that is worn at an angle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..draws import Draws
from ..events import Events, saturations
from ..fixed_point import IntArray, round_half_up_shift, saturate
from ..formats import Format, TensorType
from ..ranges import Range
from ..stress import special_values, telling_combinations
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .int32_arithmetic import Int32Blocks, T
from .onnx_arithmetic import OnnxBlocks
from .tflite_arithmetic import TfliteBlocks, narrow, widen

ROTATION_BITS = 14
"""A rotation is nine integers in Q14, row after row; 1 is 2^14."""
ROTATION_ONE = 1 << ROTATION_BITS
REFERENCE_SLACK = 1 << 16
"""Of the square of a reference's length: rounding its three entries takes less."""
IDENTITY: IntArray = np.eye(3, dtype=np.int64).reshape(9) * ROTATION_ONE
ALIGNMENT = TensorType((9,), Format(ROTATION_BITS))
"""What is kept: the rotation less the identity, so that zeros turn nothing."""


@dataclass(frozen=True, eq=False)
class Align(Elementwise):
    """(x int16, entries of so many channels side by side, alignment int16 [9]) -> (y like x, alignment within its range).

    axes: the channels that are turned, three of each sensor in the order x, y, z; the others pass. reference: the direction in Q14 to which
    a calibration turns that of the first sensor's mean (graph/alignment.py). docs/contract.md, "An alignment".
    """

    name: ClassVar[str] = "align"
    in_place: ClassVar[tuple[int, ...]] = ()

    channels: int
    axes: tuple[int, ...]
    output: Format
    reference: tuple[int, int, int]

    @property
    def kernel(self) -> str:
        return "align_int16"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        x, alignment = inputs
        inside = all(0 <= axis < self.channels for axis in self.axes) and len(set(self.axes)) == len(self.axes)
        good = bool(self.axes) and len(self.axes) % 3 == 0 and inside
        require(good, f"an align turns three channels of each sensor, each once, of {self.channels}, not {self.axes}")
        square = sum(entry * entry for entry in self.reference)
        good = all(abs(entry) <= ROTATION_ONE for entry in self.reference) and abs(square - (1 << 2 * ROTATION_BITS)) <= REFERENCE_SLACK
        require(good, f"the reference of an align is a direction in Q14, of length 2^14, not {self.reference}")
        good = x.format == self.output and x.format.dtype == "int16" and not x.format.nonnegative
        require(good, f"an align reads and gives int16 of either sign in one format, not {x.format} and {self.output}")
        require(x.size % self.channels == 0, f"an align of {self.channels} channels cannot read {x.size} entries")
        require(alignment == ALIGNMENT, f"an align reads an alignment of {ALIGNMENT}, not {alignment}")
        return x, ALIGNMENT

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        x, alignment = inputs
        turned = x.reshape(len(x), -1, self.channels).copy()
        turned[..., self.axes] = saturate(self.unclamped(x, alignment), self.output.low, self.output.high)
        return turned.reshape(x.shape), rotation_of(alignment) - IDENTITY

    def unclamped(self, x: IntArray, alignment: IntArray) -> IntArray:
        """The turned channels before they are saturated: int64 [batch, readings, axes]."""
        read = x.reshape(len(x), -1, self.channels)[..., self.axes]
        vectors = read.reshape(*read.shape[:2], -1, 3)
        rotation = rotation_of(alignment).reshape(-1, 1, 1, 3, 3)
        sums = (rotation * vectors[..., None, :]).sum(axis=-1)
        return round_half_up_shift(sums, ROTATION_BITS).reshape(read.shape)

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        """Of the alignment what it is clamped to."""
        turned, alignment = inputs[0].type, inputs[1]
        ends = [rotation_of(end)[0] - IDENTITY for end in alignment.ends]
        return Range.full(turned), Range(ALIGNMENT, *ends)

    def largest_sum(self, *inputs: Range) -> int:
        return 3 * (ROTATION_ONE << 15) + ROTATION_ONE // 2

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """Nine a reading of a sensor."""
        return inputs[0].size // self.channels * 3 * len(self.axes)

    def reached(self, *inputs: IntArray) -> Events:
        turned = self.unclamped(*inputs)
        return saturations(turned, turned, self.output)

    def reachable(self, *inputs: Range) -> Events:
        x, alignment = inputs
        vectors = [end.reshape(-1, self.channels)[:, self.axes].reshape(-1, len(self.axes) // 3, 1, 3) for end in (x.low, x.high)]
        rows = [rotation_of(end).reshape(3, 3) for end in alignment.ends]
        products = np.stack([row * vector for row in rows for vector in vectors])
        sums = (each.sum(axis=-1).reshape(-1, len(self.axes)) for each in (products.min(axis=0), products.max(axis=0)))
        low, high = (round_half_up_shift(each, ROTATION_BITS) for each in sums)
        return saturations(low, high, self.output)

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Besides the ends in every order, readings at an end turned by rows at an end, and every entry of a rotation by itself."""
        x, alignment = inputs
        ends = np.array([(low, high) for low in special_values(x.format) for high in special_values(alignment.format)])
        levels = [
            np.broadcast_to(each.reshape(-1, *[1] * len(t.shape)), (len(each), *t.shape)) for each, t in zip(ends.T, inputs, strict=True)
        ]
        alone = np.eye(9, dtype=np.int64) * (ROTATION_ONE // 2 + 1)
        one = np.broadcast_to(draws.integers(x.format.low, x.format.high, x.shape), (9, *x.shape))
        more = [np.concatenate(each) for each in zip(levels, (one, alone), strict=True)]
        return telling_combinations(draws, inputs, more)

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        x, alignment = inputs
        shape, a = b.type(x).shape, OnnxBlocks(b)
        readings = int(np.prod(shape)) // self.channels
        turned, kept = self._spell(a, a.arrange(x, (readings, 1, self.channels)), a.arrange(alignment, (1, 1, 9)))
        return a.vectors(turned, shape), a.vectors(kept, (9,))

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        x, alignment = (widen(b, each) for each in inputs)
        a, readings = TfliteBlocks(b), int(np.prod(x.shape)) // self.channels
        turned, kept = self._spell(a, a.arrange(x, (readings, 1, self.channels)), a.arrange(alignment, (1, 1, 9)))
        return narrow(b, a.vectors(turned, x.shape), self.output), narrow(b, a.vectors(kept, (9,)), ALIGNMENT.format)

    def _spell(self, a: Int32Blocks[T], x: T, alignment: T) -> tuple[T, T]:
        """([rows, readings, 1, channels], [rows, 1, 1, 9])."""
        identity = a.constant(IDENTITY.reshape(1, 1, 1, 9))
        rotation = a.clamp(a.add(alignment, identity), -ROTATION_ONE, ROTATION_ONE)
        entries = [a.part(x, 3, channel, 1) for channel in range(self.channels)]
        for first in range(0, len(self.axes), 3):
            axes = self.axes[first : first + 3]
            vector = a.join([entries[axis] for axis in axes], 3)
            for row, axis in enumerate(axes):
                entries[axis] = self._spell_row(a, vector, a.part(rotation, 3, 3 * row, 3))
        turned = a.join(entries, 3) if len(entries) > 1 else entries[0]
        return turned, a.sub(rotation, identity)

    def _spell_row(self, a: Int32Blocks[T], vector: T, row: T) -> T:
        """shift(row vector, 14), whose sum may pass 2^30: of each product the multiple of 2^14 and what remains are summed up apart."""
        products = a.mul(vector, row)
        whole = a.sub(a.div(a.add(products, 1 << 30), ROTATION_ONE), 1 << (30 - ROTATION_BITS))
        rest = a.sub(products, a.mul(whole, ROTATION_ONE))
        carried = a.div(a.add(self._sum(a, rest), ROTATION_ONE // 2), ROTATION_ONE)
        return a.clamp(a.add(self._sum(a, whole), carried), self.output.low, self.output.high)

    def _sum(self, a: Int32Blocks[T], x: T) -> T:
        return a.add(a.add(a.part(x, 3, 0, 1), a.part(x, 3, 1, 1)), a.part(x, 3, 2, 1))

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        (x, alignment), (y, kept) = inputs, outputs
        axes = b.constant("axes", np.array(self.axes, np.int16), "tables", "the channels that are turned, three of each sensor")
        numbers = (x.type.size // self.channels, self.channels, axes, len(self.axes), self.output.low, self.output.high)
        b.call(self.kernel, x.expression, alignment.expression, y.expression, kept.expression, *map(str, numbers))

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        sensors = int(rng.integers(1, 3))
        channels = 3 * sensors + int(rng.integers(0, 4))
        format = Format(int(rng.integers(0, 16)), bound=int(rng.choice([1 << 15, 1 << 15, 10922, 20000])))
        readings = int(rng.integers(1, 5))
        shape = (readings * channels,) if rng.random() < 0.7 else (readings, channels)
        axes = tuple(int(axis) for axis in rng.permutation(channels)[: 3 * sensors])
        reference = tuple(int(entry) for entry in rng.permutation([ROTATION_ONE, 0, 0]))
        return cls(channels, axes, format, (reference[0], reference[1], reference[2])), (TensorType(shape, format), ALIGNMENT)


def rotation_of(alignment: IntArray) -> IntArray:
    """The rotation that an alignment [..., 9] of any bits stands for: int64, entries within +-2^14."""
    rotation: IntArray = saturate(alignment + IDENTITY, -ROTATION_ONE, ROTATION_ONE)
    return rotation
