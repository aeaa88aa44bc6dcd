"""What a net's program is written against, cells and layers alike: an arithmetic says what its operations mean.

Four run it: FloatArithmetic (training), ObservingArithmetic (calibration), FixedPointArithmetic (fine-tuning), and GraphArithmetic, whose
run on symbols is the lowering. Names of intermediate values of cells, in the order of a step: `normalize`, `input_factor` and
`input_product` (W x; the factor only for a low rank), `recurrent_factor` and `recurrent_product` (U h), the same with `_2` in a second
cell, `scores`. A step of layers makes the value of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from ..graph.fixed_point import TIE_FREE_BITS
from ..graph.formats import DType, Format
from .matrix import Matrix, Value

NORMALIZED = "normalize"
"""The value that the first layer or cell reads."""
Nonlinearity = Literal["table", "piecewise_linear"]
BIAS_LIMITS: Mapping[DType, int] = {"int16": 1 << 29, "int8": 1 << (TIE_FREE_BITS - 4)}
"""Largest bias in units of the accumulator, so that sum and bias together keep their bounds; by what the sum becomes."""
Constant = Tensor | int
"""An element-wise parameter in its format: a tensor, or in a graph an integer."""


@dataclass(frozen=True)
class Block:
    """Steps of a stream that a readout counts together: how many, and the format of the values in them."""

    steps: int
    format: Format

    @property
    def largest(self) -> float:
        """The magnitude that no value exceeds."""
        return self.format.bound * 2.0**-self.format.fraction_bits

    @property
    def ends(self) -> tuple[float, float]:
        """Between which the values lie."""
        step = 2.0**-self.format.fraction_bits
        return self.format.low * step, self.format.high * step


class Normalizing(Protocol[Value]):
    """What every net begins with."""

    def normalize(self, x: Value, mean: Tensor, std: Tensor, largest: float | None = None) -> Value:
        """(x - mean) / std; x [..., channels]. largest: what it is limited to, +-."""
        ...


class CellArithmetic(Normalizing[Value], Protocol[Value]):
    """What cells are written against. Value: what it computes with, tensors or symbols. name: of the value that is made."""

    def of_layer(self, suffix: str) -> CellArithmetic[Value]:
        """The same, for the cell whose values' names end with `suffix`."""
        ...

    def product(self, x: Value, matrix: Matrix, name: str, bias: Tensor | None = None, read: Format | None = None) -> Value:
        """Matrix times x, and a bias, which is added to the accumulators of a value in the format `read`."""
        ...

    def add(self, left: Value, right: Value | Constant, name: str) -> Value:
        """The sum of pre-activations, or of one and a bias."""
        ...

    def part(self, value: Value, start: int, size: int, name: str) -> Value:
        """Entries start .. start + size - 1 of the last axis."""
        ...

    def sigmoid(self, value: Value, name: str) -> Value:
        """Of a pre-activation."""
        ...

    def tanh(self, value: Value, name: str) -> Value:
        """Of a pre-activation."""
        ...

    def mul(self, left: Value, right: Value, format: Format, name: str) -> Value:
        """The product, element by element, in `format`."""
        ...

    def fastrnn_state(self, alpha: Constant, c: Value, beta: Constant, h: Value, format: Format, name: str) -> Value:
        """Alpha c + beta h, a new state in `format`."""
        ...

    def fastgrnn_gate(self, z: Value, c: Value, h: Value, zeta: Constant, zeta_plus_nu: Constant, name: str) -> Value:
        """(zeta (1 - z) + nu) c + z h, a new state from the old one, h."""
        ...

    def gru_state(self, z: Value, n: Value, h: Value, format: Format, name: str) -> Value:
        """(1 - z) n + z h, a new state in `format`."""
        ...

    def lstm_cell(self, i: Value, g: Value, f: Value, c: Value, format: Format, name: str) -> Value:
        """I g + f c, a new state in `format`."""
        ...

    def block_count(self, count: Value, block: Block, name: str) -> Value:
        """How many steps of its block the stream has had with this one, [..., 1]: one more, or 1 after the last."""
        ...

    def block_sum(self, total: Value, x: Value, count: Value, block: Block, name: str) -> Value:
        """Total + x, or x where the block begins: count 1."""
        ...

    def block_maximum(self, maximum: Value, x: Value, count: Value, block: Block, name: str) -> Value:
        """The larger one, or x where the block begins."""
        ...

    def block_mean(self, total: Value, count: Value, block: Block, name: str) -> Value:
        """Total / count, in the format of the block's values."""
        ...

    def concat(self, left: Value, right: Value, name: str) -> Value:
        """Both side by side, along the last axis."""
        ...

    def bias(self, value: Tensor) -> Constant:
        """A bias that is added to pre-activations."""
        ...

    def unit(self, value: Tensor) -> Constant:
        """A factor in (0, 1)."""
        ...


class MapArithmetic(Normalizing[Value], Protocol[Value]):
    """What is done with maps beside the steps of a plan. Tensors have the channels first, [batch, channels, height, width].

    A method a kind of step: `layered.kinds.LayerArithmetic`.
    """

    def image(self, x: Value) -> Value:
        """What is normalised [..., channels], as the map that the first steps read; time is a width of height 1."""
        ...

    def step_map(self, x: Value, rows: int) -> Value:
        """What a step reads, so many rows [..., rows * channels], as a map."""
        ...

    def shift_in(self, state: Value, x: Value, name: str) -> Value:
        """The map of the last rows of a state and of the map x, which follow it: as many as the state has. name: of the state."""
        ...

    def as_state(self, rows: Value) -> Value:
        """The same as a state."""
        ...

    def vector(self, x: Value) -> Value:
        """The entries of a map, one after the other."""
        ...

    def dropout(self, x: Value, probability: float, *, training: bool) -> Value:
        """Entries are left out, in training only."""
        ...
