"""FastGRNN (Kusupati et al. 2018, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .arithmetic import FloatArithmetic
from .matrix import Projection

INITIAL_ZETA, INITIAL_NU = 1.0, -4.0
"""Before the sigmoid."""


class FastGrnnCell(nn.Module):
    """p = W x + U h; z = sigmoid(p + b_z); c = tanh(p + b_h); h' = (zeta (1 - z) + nu) c + z h.

    zeta, nu = sigmoid of the parameters of that name. rank_w, rank_u: ranks of W and U (None: full); InputError if too large.
    """

    def __init__(self, input_size: int, hidden_size: int, rank_w: int | None = None, rank_u: int | None = None) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.input = Projection("input", hidden_size, input_size, rank_w)
        self.recurrent = Projection("recurrent", hidden_size, hidden_size, rank_u)
        self.gate_bias = nn.Parameter(torch.ones(hidden_size))
        self.candidate_bias = nn.Parameter(torch.ones(hidden_size))
        self.zeta = nn.Parameter(torch.tensor(INITIAL_ZETA))
        self.nu = nn.Parameter(torch.tensor(INITIAL_NU))

    def constants(self, arithmetic: FloatArithmetic) -> tuple[Tensor, ...]:
        """(b_z [hidden], b_h [hidden], zeta, zeta + nu), in their formats."""
        zeta, nu = arithmetic.unit(torch.sigmoid(self.zeta)), arithmetic.unit(torch.sigmoid(self.nu))
        return arithmetic.bias(self.gate_bias), arithmetic.bias(self.candidate_bias), zeta, zeta + nu

    def update(self, arithmetic: FloatArithmetic, projected: Tensor, recurrent: Tensor, h: Tensor, constants: Sequence[Tensor]) -> Tensor:
        """h' [..., hidden] from W x, U h and h, all [..., hidden]."""
        gate_bias, candidate_bias, zeta, zeta_plus_nu = constants
        p = arithmetic.add(projected, recurrent)
        z = arithmetic.sigmoid(arithmetic.add(p, gate_bias))
        c = arithmetic.tanh(arithmetic.add(p, candidate_bias))
        return arithmetic.fastgrnn_gate(z, c, h, zeta, zeta_plus_nu)
