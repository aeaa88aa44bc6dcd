"""What training computes with: real numbers."""

from __future__ import annotations

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph.formats import Format
from . import fake_quantize
from .arithmetic import Block, Constant, Nonlinearity
from .fake_quantize import STATE
from .matrix import Matrix


def _limited(state: Tensor, format: Format) -> Tensor:
    _, low, high = fake_quantize.grid(format)
    return state.clamp(low, high)


def tensor_of(constant: Constant) -> Tensor:
    """A constant, which of tensors is one."""
    assert isinstance(constant, Tensor)
    return constant


class FloatArithmetic(nn.Module):
    """Real numbers. nonlinearity `table`: sigmoid and tanh; `piecewise_linear`: the paper's quantSigm and quantTanh.

    States are limited to what their formats hold: one that runs on without a reset could sum up for ever.
    """

    def __init__(self, nonlinearity: Nonlinearity) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity

    def of_layer(self, suffix: str) -> Self:  # noqa: ARG002
        """The same."""
        return self

    def normalize(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """(x - mean) / std; x [..., channels]."""
        return (x - mean) / std

    def limit(self, x: Tensor, largest: float) -> Tensor:
        """Clamped to +-largest."""
        return x.clamp(-largest, largest)

    def product(self, x: Tensor, matrix: Matrix, name: str, bias: Tensor | None = None, read: Format | None = None) -> Tensor:
        """In the format of `name`, by what products use of the matrix."""
        if bias is not None:
            assert read is not None
            bias = self.accumulator_bias(bias, matrix, read)
        return self.requantize(F.linear(x, matrix(), bias), name)

    def requantize(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """The product called `name`, in its format."""
        return value

    def add(self, left: Tensor, right: Constant, name: str) -> Tensor:  # noqa: ARG002
        """The sum of pre-activations."""
        return left + right

    def part(self, value: Tensor, start: int, size: int, name: str) -> Tensor:  # noqa: ARG002
        """A view of them."""
        return value.narrow(-1, start, size)

    def sigmoid(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """Sigmoid, or clip((x + 1) / 2, 0, 1)."""
        return torch.sigmoid(value) if self.nonlinearity == "table" else torch.clamp((value + 1) / 2, 0, 1)

    def tanh(self, value: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """Tanh, or clip(x, -1, 1)."""
        return torch.tanh(value) if self.nonlinearity == "table" else torch.clamp(value, -1, 1)

    def mul(self, left: Tensor, right: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
        """The product, element by element, in `format`."""
        return left * right

    def fastrnn_state(self, alpha: Constant, c: Tensor, beta: Constant, h: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
        """Alpha c + beta h, limited to `format`."""
        return self.gated_sum(tensor_of(alpha), c, tensor_of(beta), h, format)

    def fastgrnn_gate(self, z: Tensor, c: Tensor, h: Tensor, zeta: Constant, zeta_plus_nu: Constant, name: str) -> Tensor:  # noqa: ARG002
        """(zeta (1 - z) + nu) c + z h, limited to the state's format."""
        return _limited(torch.addcmul(z * h, zeta_plus_nu - zeta * z, c), STATE)

    def gru_state(self, z: Tensor, n: Tensor, h: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
        """(1 - z) n + z h, limited to `format`."""
        return self.gated_sum(1 - z, n, z, h, format)

    def lstm_cell(self, i: Tensor, g: Tensor, f: Tensor, c: Tensor, format: Format, name: str) -> Tensor:  # noqa: ARG002
        """I g + f c, limited to `format`."""
        return self.gated_sum(i, g, f, c, format)

    def gated_sum(self, a: Tensor, b: Tensor, c: Tensor, d: Tensor, format: Format) -> Tensor:
        """A b + c d: a new state in `format` from the old one, d."""
        return _limited(torch.addcmul(a * b, c, d), format)

    def block_count(self, count: Tensor, block: Block, name: str) -> Tensor:  # noqa: ARG002
        """One more, or 1 after the last step."""
        return count.clamp(0, block.steps) % block.steps + 1

    def block_sum(self, total: Tensor, x: Tensor, count: Tensor, block: Block, name: str) -> Tensor:  # noqa: ARG002
        """Total + x, the total limited to what one step less can come to."""
        reach = (count - 1).clamp(min=0) * block.largest
        return torch.minimum(torch.maximum(total, -reach), reach) + x

    def block_maximum(self, maximum: Tensor, x: Tensor, count: Tensor, block: Block, name: str) -> Tensor:  # noqa: ARG002
        """The larger one, or x where the block begins."""
        return torch.where(count <= 1, x, torch.maximum(maximum.clamp(*block.ends), x))

    def block_mean(self, total: Tensor, count: Tensor, block: Block, name: str) -> Tensor:  # noqa: ARG002
        """Total / count."""
        return total / count.clamp(1, block.steps)

    def concat(self, left: Tensor, right: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """Both side by side."""
        return torch.cat([left, right], dim=-1)

    def bias(self, value: Tensor) -> Tensor:
        """A bias that is added to pre-activations."""
        return value

    def unit(self, value: Tensor) -> Tensor:
        """A factor in (0, 1)."""
        return value

    def accumulator_bias(self, value: Tensor, matrix: Matrix, read: Format) -> Tensor:  # noqa: ARG002
        """A bias that is added to the accumulators of `matrix` times a value in the format `read`."""
        return value
