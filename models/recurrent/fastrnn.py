"""FastRNN (Kusupati et al. 2018, section 3)."""

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

INITIAL_ALPHA, INITIAL_BETA = -3.0, 3.0
"""Before the sigmoid."""


class FastRnnCell(CellModule):
    """c = tanh(W x + U h + b); h' = alpha c + beta h. alpha, beta = sigmoid of the parameters of that name."""

    compiled_as: ClassVar[str] = "FASTRNN"
    states: ClassVar[Mapping[str, Format]] = {"h": STATE}

    def __init__(self, shape: CellShape) -> None:
        super().__init__(shape)
        self.bias = nn.Parameter(torch.ones(shape.hidden_size))
        self.alpha = nn.Parameter(torch.tensor(INITIAL_ALPHA))
        self.beta = nn.Parameter(torch.tensor(INITIAL_BETA))

    def constants(self, arithmetic: CellArithmetic[Any]) -> Constants:
        """(b [hidden], alpha, beta), in their formats."""
        alpha, beta = (arithmetic.unit(torch.sigmoid(parameter)) for parameter in (self.alpha, self.beta))
        return arithmetic.bias(self.bias), alpha, beta

    def update(
        self, arithmetic: CellArithmetic[Value], projected: Value, recurrent: Value, states: Sequence[Value], constants: Constants
    ) -> tuple[Value, ...]:
        """(h',) from W x, U h and (h,), all [..., hidden]."""
        bias, alpha, beta = constants
        p = arithmetic.add(arithmetic.add(projected, recurrent, "preactivation"), bias, "candidate_bias")
        c = arithmetic.tanh(p, "candidate")
        return (arithmetic.fastrnn_state(alpha, c, beta, states[0], STATE, "h_next"),)
