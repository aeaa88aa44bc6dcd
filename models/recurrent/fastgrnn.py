"""FastGRNN (Kusupati et al. 2018, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from ...graph.formats import Format
from ..arithmetic import CellArithmetic
from ..fake_quantize import STATE
from ..matrix import Value
from .cell import CellModule, CellShape, Constants

INITIAL_ZETA, INITIAL_NU = 1.0, -4.0
"""Before the sigmoid."""


class FastGrnnCell(CellModule):
    """p = W x + U h; z = sigmoid(p + b_z); c = tanh(p + b_h); h' = (zeta (1 - z) + nu) c + z h.

    zeta, nu = sigmoid of the parameters of that name.
    """

    compiled_as: ClassVar[str] = "FASTGRNN"
    states: ClassVar[Mapping[str, Format]] = {"h": STATE}

    def __init__(self, shape: CellShape) -> None:
        super().__init__(shape)
        self.gate_bias = nn.Parameter(torch.ones(shape.hidden_size))
        self.candidate_bias = nn.Parameter(torch.ones(shape.hidden_size))
        self.zeta = nn.Parameter(torch.tensor(INITIAL_ZETA))
        self.nu = nn.Parameter(torch.tensor(INITIAL_NU))

    def constants(self, arithmetic: CellArithmetic[Any]) -> Constants:
        """(b_z [hidden], b_h [hidden], zeta, zeta + nu), in their formats."""
        zeta, nu = arithmetic.unit(torch.sigmoid(self.zeta)), arithmetic.unit(torch.sigmoid(self.nu))
        return arithmetic.bias(self.gate_bias), arithmetic.bias(self.candidate_bias), zeta, zeta + nu

    def update(
        self, arithmetic: CellArithmetic[Value], projected: Value, recurrent: Value, states: Sequence[Value], constants: Constants
    ) -> tuple[Value, ...]:
        """(h',) from W x, U h and (h,), all [..., hidden]."""
        gate_bias, candidate_bias, zeta, zeta_plus_nu = constants
        p = arithmetic.add(projected, recurrent, "preactivation")
        z = arithmetic.sigmoid(arithmetic.add(p, gate_bias, "gate_bias"), "gate")
        c = arithmetic.tanh(arithmetic.add(p, candidate_bias, "candidate_bias"), "candidate")
        return (arithmetic.fastgrnn_gate(z, c, states[0], zeta, zeta_plus_nu, "h_next"),)
