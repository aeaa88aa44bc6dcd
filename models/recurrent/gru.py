"""GRU as torch.nn.GRU computes it: the reset gate acts after the product (Cho et al. 2014, in cuDNN's form)."""

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


class GruCell(CellModule):
    """a = W x + b; r, z = sigmoid(a + U h); n = tanh(a_n + r (U_n h + b_u)); h' = (1 - z) n + z h.

    Rows of W, U and b in the order r, z, n. b is torch's bias_ih plus the r and z of bias_hh, b_u its n.
    """

    gates: ClassVar[int] = 3
    compiled_as: ClassVar[str] = "GRU"
    adds_products: ClassVar[bool] = False
    states: ClassVar[Mapping[str, Format]] = {"h": UNIT_STATE}

    def __init__(self, shape: CellShape) -> None:
        super().__init__(shape)
        self.bias = nn.Parameter(torch.zeros(3 * shape.hidden_size))
        self.recurrent_bias = nn.Parameter(torch.zeros(shape.hidden_size))

    def constants(self, arithmetic: CellArithmetic[Any]) -> Constants:
        """(b [3 hidden], b_u [hidden]), in their formats."""
        return arithmetic.bias(self.bias), arithmetic.bias(self.recurrent_bias)

    def update(
        self, arithmetic: CellArithmetic[Value], projected: Value, recurrent: Value, states: Sequence[Value], constants: Constants
    ) -> tuple[Value, ...]:
        """(h',) [..., hidden] from W x, U h [..., 3 hidden] and (h,)."""
        size, (bias, recurrent_bias) = self.hidden_size, constants
        biased = arithmetic.add(projected, bias, "input_bias")
        of_gates = arithmetic.part(biased, 0, 2 * size, "gates_input")
        gates_recurrent = arithmetic.part(recurrent, 0, 2 * size, "gates_recurrent")
        gates = arithmetic.sigmoid(arithmetic.add(of_gates, gates_recurrent, "gates_preactivation"), "gates")
        r, z = arithmetic.part(gates, 0, size, "reset"), arithmetic.part(gates, size, size, "update")
        candidate_recurrent = arithmetic.part(recurrent, 2 * size, size, "candidate_recurrent")
        reset = arithmetic.mul(r, arithmetic.add(candidate_recurrent, recurrent_bias, "recurrent_bias"), PREACTIVATION, "reset_product")
        of_candidate = arithmetic.part(biased, 2 * size, size, "candidate_input")
        n = arithmetic.tanh(arithmetic.add(of_candidate, reset, "candidate_preactivation"), "candidate")
        return (arithmetic.gru_state(z, n, states[0], UNIT_STATE, "h_next"),)
