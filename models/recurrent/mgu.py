"""Minimal gated unit (Zhou et al. 2016): a GRU of one gate, which here acts after the product, as torch's GRU has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from ...graph.formats import Format
from ..arithmetic import CellArithmetic
from ..fake_quantize import PREACTIVATION, UNIT_STATE
from ..matrix import Value
from .cell import CellModule, CellShape, Constants


class MguCell(CellModule):
    """a = W x + b; f = sigmoid(a_f + U_f h); n = tanh(a_n + f (U_n h)); h' = (1 - f) n + f h.

    Rows of W, U and b in the order f, n.
    """

    gates: ClassVar[int] = 2
    compiled_as: ClassVar[str] = "MGU"
    adds_products: ClassVar[bool] = False
    states: ClassVar[Mapping[str, Format]] = {"h": UNIT_STATE}

    def __init__(self, shape: CellShape) -> None:
        super().__init__(shape)
        self.bias = nn.Parameter(torch.zeros(2 * shape.hidden_size))

    def constants(self, arithmetic: CellArithmetic[Any]) -> Constants:
        """(b [2 hidden],), in its format."""
        return (arithmetic.bias(self.bias),)

    def update(
        self, arithmetic: CellArithmetic[Value], projected: Value, recurrent: Value, states: Sequence[Value], constants: Constants
    ) -> tuple[Value, ...]:
        """(h',) [..., hidden] from W x, U h [..., 2 hidden] and (h,)."""
        size, (bias,) = self.hidden_size, constants
        biased = arithmetic.add(projected, bias, "input_bias")
        of_gate, of_candidate = (arithmetic.part(biased, i * size, size, name) for i, name in enumerate(("gate_input", "candidate_input")))
        gate_recurrent = arithmetic.part(recurrent, 0, size, "gate_recurrent")
        f = arithmetic.sigmoid(arithmetic.add(of_gate, gate_recurrent, "gate_preactivation"), "gate")
        candidate_recurrent = arithmetic.part(recurrent, size, size, "candidate_recurrent")
        reset = arithmetic.mul(f, candidate_recurrent, PREACTIVATION, "reset_product")
        n = arithmetic.tanh(arithmetic.add(of_candidate, reset, "candidate_preactivation"), "candidate")
        return (arithmetic.gru_state(f, n, states[0], UNIT_STATE, "h_next"),)
