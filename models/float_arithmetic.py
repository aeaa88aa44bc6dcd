"""What training computes with: real numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..graph.formats import Format
from . import fake_quantize
from .applied import AppliedLayer, padded
from .arithmetic import Block, Constant, Nonlinearity
from .fake_quantize import STATE
from .matrix import Matrix

if TYPE_CHECKING:
    from .layered.plan import Step


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

    def __init__(self, nonlinearity: Nonlinearity = "table") -> None:
        super().__init__()
        self.nonlinearity = nonlinearity

    def of_layer(self, suffix: str) -> Self:  # noqa: ARG002
        """The same."""
        return self

    def normalize(self, x: Tensor, mean: Tensor, std: Tensor, largest: float | None = None) -> Tensor:
        """(x - mean) / std, clamped to +-largest; x [..., channels]."""
        x = self.normalized(x, mean, std)
        return x if largest is None else x.clamp(-largest, largest)

    def normalized(self, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """(x - mean) / std."""
        return (x - mean) / std

    def product(self, x: Tensor, matrix: Matrix, name: str, bias: Tensor | None = None, read: Format | None = None) -> Tensor:
        """In the format of `name`, by what products use of the matrix."""
        if bias is not None:
            assert read is not None
            bias = self.accumulator_bias(bias, matrix, read)
        return self.requantize(F.linear(x, matrix(), bias), name)

    def requantize(self, value: Tensor, name: str, *, relu: bool = False) -> Tensor:  # noqa: ARG002
        """The value called `name` as it is kept; relu: max(value, 0)."""
        return torch.relu(value) if relu else value

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

    def image(self, x: Tensor) -> Tensor:
        """[batch, channels, height, width] of [batch, height, width, channels], or of height 1 of [batch, time, channels]."""
        return (x if x.dim() == 4 else x[:, None]).permute(0, 3, 1, 2)

    def vector(self, x: Tensor) -> Tensor:
        """[batch, entries]."""
        return x.flatten(1)

    def step_map(self, x: Tensor, rows: int) -> Tensor:
        """[batch, channels, 1, rows]."""
        return x.reshape(len(x), rows, -1).transpose(1, 2)[:, :, None]

    def shift_in(self, state: Tensor, x: Tensor, name: str) -> Tensor:  # noqa: ARG002
        """Of a state [batch, rows * channels]."""
        before = state.view(len(state), -1, x.shape[1]).transpose(1, 2)[:, :, None]
        return torch.cat([before[..., x.shape[3] :], x], dim=3)

    def as_state(self, rows: Tensor) -> Tensor:
        """[batch, rows * channels]."""
        return rows[:, :, 0].transpose(1, 2).flatten(1)

    def dropout(self, x: Tensor, probability: float, *, training: bool) -> Tensor:
        """Entries are left out at random, the others grow by as much."""
        return F.dropout(x, probability, training)

    def convolution(self, x: Tensor, layer: AppliedLayer) -> Tensor:
        """With the batch's own statistics, or with normalisation folded into the weights."""
        result = layer.normalized(x) if layer.is_live else layer.convolved(x, *self.weights(layer))
        return self.requantize(result, layer.step.name, relu=layer.step.relu)

    def weights(self, layer: AppliedLayer) -> tuple[Tensor, Tensor]:
        """(matrix [rows, columns], bias [rows]) as products use them."""
        gain, bias = layer.folded()
        return layer.parameters.matrix(gain), bias

    def sum(self, left: Tensor, right: Tensor, step: Step) -> Tensor:
        """Element by element."""
        return self.requantize(self.operand(left, step) + self.operand(right, step), step.name, relu=step.relu)

    def join(self, left: Tensor, right: Tensor, step: Step) -> Tensor:
        """[batch, channels of both, height, width]."""
        return self.requantize(torch.cat([self.operand(left, step), self.operand(right, step)], dim=1), step.name)

    def operand(self, x: Tensor, step: Step) -> Tensor:  # noqa: ARG002
        """An operand in the format of the step."""
        return x

    def relu(self, x: Tensor, step: Step) -> Tensor:  # noqa: ARG002
        """In the format of x."""
        return torch.relu(x)

    def elementwise(self, x: Tensor, step: Step, function: Callable[[Tensor], Tensor]) -> Tensor:
        """In the format of x, whose lowest integer may have no positive one."""
        return self.requantize(function(x), step.name)

    def max_pool(self, x: Tensor, step: Step) -> Tensor:
        """In the format of x."""
        return F.max_pool2d(padded(x, step), step.kernel_size, step.stride)

    def average_pool(self, x: Tensor, step: Step) -> Tensor:
        """The sum of every window times the step's factor."""
        sums = F.avg_pool2d(padded(x, step), step.kernel_size, step.stride, divisor_override=1)
        return self.scale(sums, step)

    def flatten(self, x: Tensor, step: Step) -> Tensor:  # noqa: ARG002
        """[batch, entries, 1, 1], the map's channels fastest."""
        return x.permute(0, 2, 3, 1).flatten(1)[:, :, None, None]

    def scale(self, x: Tensor, step: Step) -> Tensor:
        """X times the step's factor."""
        return self.requantize(x * self.multiplier(step), step.name, relu=step.relu)

    def multiplier(self, step: Step) -> float:
        """The factor of a pool or of a scale step."""
        return step.factor
