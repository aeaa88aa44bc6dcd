"""LSTM as torch.nn.LSTM computes it (Hochreiter and Schmidhuber 1997, with a forget gate), with one bias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..fake_quantize import CELL_STATE, UNIT_STATE
from ..graph.ir import Format
from .arithmetic import FloatArithmetic
from .cell import CellModule, CellShape, Tensors

INITIAL_FORGET = 1.0
"""The forget gate's bias: a fresh cell remembers (Jozefowicz et al. 2015)."""


class LstmCell(CellModule):
    """i, f, o = sigmoid(W x + U h + b); g = tanh(W_g x + U_g h + b_g); c' = i g + f c; h' = o tanh(c').

    Rows of W, U and b in the order i, f, g, o. b is the sum of torch's two biases.
    """

    gates: ClassVar[int] = 4
    states: ClassVar[Mapping[str, Format]] = {"h": UNIT_STATE, "c": CELL_STATE}

    def __init__(self, shape: CellShape) -> None:
        super().__init__(shape)
        bias = torch.zeros(4, shape.hidden_size)
        bias[1] = INITIAL_FORGET
        self.bias = nn.Parameter(bias.flatten())

    def constants(self, arithmetic: FloatArithmetic) -> tuple[Tensor, ...]:
        """(b [4 hidden],), in its format."""
        return (arithmetic.bias(self.bias),)

    def update(
        self, arithmetic: FloatArithmetic, projected: Tensor, recurrent: Tensor, states: Tensors, constants: Tensors
    ) -> tuple[Tensor, ...]:
        """(h', c') [..., hidden] from W x, U h [..., 4 hidden] and (h, c)."""
        biased = arithmetic.add(arithmetic.add(projected, recurrent), constants[0])
        of_gates, of_candidate, of_output = torch.split(biased, [2 * self.hidden_size, self.hidden_size, self.hidden_size], dim=-1)
        i, f = arithmetic.sigmoid(of_gates).chunk(2, dim=-1)
        c = arithmetic.gated_sum(i, arithmetic.tanh(of_candidate), f, states[1], CELL_STATE)
        return arithmetic.mul(arithmetic.sigmoid(of_output), arithmetic.tanh(c), UNIT_STATE), c
