"""LSTM as torch.nn.LSTM computes it (Hochreiter and Schmidhuber 1997, with a forget gate), with one bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from ...graph.formats import Format
from ..arithmetic import CellArithmetic
from ..fake_quantize import CELL_STATE, UNIT_STATE
from ..matrix import Value
from .cell import CellModule, CellShape, Constants

INITIAL_FORGET = 1.0
"""The forget gate's bias: a fresh cell remembers (Jozefowicz et al. 2015)."""


class LstmCell(CellModule):
    """i, f, o = sigmoid(W x + U h + b); g = tanh(W_g x + U_g h + b_g); c' = i g + f c; h' = o tanh(c').

    Rows of W, U and b in the order i, f, g, o. b is the sum of torch's two biases.
    """

    gates: ClassVar[int] = 4
    compiled_as: ClassVar[str] = "LSTM"
    states: ClassVar[Mapping[str, Format]] = {"h": UNIT_STATE, "c": CELL_STATE}

    def __init__(self, shape: CellShape) -> None:
        super().__init__(shape)
        bias = torch.zeros(4, shape.hidden_size)
        bias[1] = INITIAL_FORGET
        self.bias = nn.Parameter(bias.flatten())

    def constants(self, arithmetic: CellArithmetic[Any]) -> Constants:
        """(b [4 hidden],), in its format."""
        return (arithmetic.bias(self.bias),)

    def update(
        self, arithmetic: CellArithmetic[Value], projected: Value, recurrent: Value, states: Sequence[Value], constants: Constants
    ) -> tuple[Value, ...]:
        """(h', c') [..., hidden] from W x, U h [..., 4 hidden] and (h, c)."""
        size = self.hidden_size
        biased = arithmetic.add(arithmetic.add(projected, recurrent, "preactivation"), constants[0], "preactivation_bias")
        gates = arithmetic.sigmoid(arithmetic.part(biased, 0, 2 * size, "gates_preactivation"), "gates")
        i, f = arithmetic.part(gates, 0, size, "input_gate"), arithmetic.part(gates, size, size, "forget_gate")
        g = arithmetic.tanh(arithmetic.part(biased, 2 * size, size, "candidate_preactivation"), "candidate")
        o = arithmetic.sigmoid(arithmetic.part(biased, 3 * size, size, "output_preactivation"), "output_gate")
        c = arithmetic.lstm_cell(i, g, f, states[1], CELL_STATE, "c_next")
        return arithmetic.mul(o, arithmetic.tanh(c, "cell_tanh"), UNIT_STATE, "h_next"), c
