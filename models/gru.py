"""GRU as torch.nn.GRU computes it: the reset gate acts after the product (Cho et al. 2014, in cuDNN's form)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..fake_quantize import PREACTIVATION, UNIT_STATE
from ..graph.ir import Format
from .arithmetic import FloatArithmetic
from .cell import CellModule, CellShape, Tensors


class GruCell(CellModule):
    """a = W x + b; r, z = sigmoid(a + U h); n = tanh(a_n + r (U_n h + b_u)); h' = (1 - z) n + z h.

    Rows of W, U and b in the order r, z, n. b is torch's bias_ih plus the r and z of bias_hh, b_u its n.
    """

    gates: ClassVar[int] = 3
    states: ClassVar[Mapping[str, Format]] = {"h": UNIT_STATE}

    def __init__(self, shape: CellShape) -> None:
        super().__init__(shape)
        self.bias = nn.Parameter(torch.zeros(3 * shape.hidden_size))
        self.recurrent_bias = nn.Parameter(torch.zeros(shape.hidden_size))

    def constants(self, arithmetic: FloatArithmetic) -> tuple[Tensor, ...]:
        """(b [3 hidden], b_u [hidden]), in their formats."""
        return arithmetic.bias(self.bias), arithmetic.bias(self.recurrent_bias)

    def update(
        self, arithmetic: FloatArithmetic, projected: Tensor, recurrent: Tensor, states: Tensors, constants: Tensors
    ) -> tuple[Tensor, ...]:
        """(h',) [..., hidden] from W x, U h [..., 3 hidden] and (h,)."""
        bias, recurrent_bias = constants
        sizes = [2 * self.hidden_size, self.hidden_size]
        of_gates, of_candidate = torch.split(arithmetic.add(projected, bias), sizes, dim=-1)
        gates_recurrent, candidate_recurrent = torch.split(recurrent, sizes, dim=-1)
        r, z = arithmetic.sigmoid(arithmetic.add(of_gates, gates_recurrent)).chunk(2, dim=-1)
        reset = arithmetic.mul(r, arithmetic.add(candidate_recurrent, recurrent_bias), PREACTIVATION)
        n = arithmetic.tanh(arithmetic.add(of_candidate, reset))
        return (arithmetic.gated_sum(1 - z, n, z, states[0], UNIT_STATE),)
