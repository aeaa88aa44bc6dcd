"""A layer's parameters, and how a step of a net's program applies them to tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .matrix import Matrix

if TYPE_CHECKING:
    from .layered.plan import Layer, Step
    from .layered.traced import LayerModules


@dataclass
class Statistics:
    """What batch normalisation finds in a batch. running: bool [batch, steps], which steps of sequences over time count (None: all of
    what there is). found: by layer, mean and variance, [rows] each.
    """

    running: Tensor | None = None
    found: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def counted(self, value: Tensor) -> Tensor:
        """bool [batch, positions]: which of a value [batch, channels, 1, positions] count."""
        assert self.running is not None
        return self.running.repeat_interleave(value.shape[3] // self.running.shape[1], dim=1)

    def of(self, value: Tensor) -> Tensor:
        """The entries [positions, channels, 1, 1] that count; the value itself where all do."""
        return value if self.running is None else value[:, :, 0].transpose(1, 2)[self.counted(value)][:, :, None, None]

    def into(self, counted: Tensor, value: Tensor) -> Tensor:
        """What was made of them, in their places of a value; zeros in the others, which nobody reads."""
        if self.running is None:
            return counted
        rows = torch.zeros_like(value[:, :, 0].transpose(1, 2))
        rows[self.counted(value)] = counted[:, :, 0, 0]
        return rows.transpose(1, 2)[:, :, None]


class LayerParameters(nn.Module):
    """The parameters of a layer: matrix [rows, columns], bias [rows], a batch normalisation, a scale (SkipInit).

    repeats: whether several steps apply it.
    """

    def __init__(self, layer: Layer, *, repeats: bool = False) -> None:
        super().__init__()
        self.layer, self.repeats = layer, repeats
        self.matrix = Matrix(layer.rows, layer.columns, layer.seed)
        self.bias = nn.Parameter(torch.zeros(layer.rows)) if layer.biased else None
        self.norm = nn.BatchNorm2d(layer.rows) if layer.normalized else None
        self.scale = nn.Parameter(torch.ones(())) if layer.scaled else None

    @torch.no_grad()
    def load(self, modules: LayerModules) -> None:
        """Take the values of torch modules."""
        self.matrix.weight.copy_(modules.weight)
        if self.bias is not None and modules.bias is not None:
            self.bias.copy_(modules.bias)
        if self.scale is not None and modules.scale is not None:
            self.scale.copy_(modules.scale.reshape(()))
        if self.norm is not None:
            source: Any = modules.norm
            assert self.norm.running_mean is not None
            assert self.norm.running_var is not None
            self.norm.eps, self.norm.momentum = source.eps, source.momentum
            self.norm.running_mean.copy_(source.running_mean)
            self.norm.running_var.copy_(source.running_var)
            if source.affine:
                self.norm.weight.copy_(source.weight)
                self.norm.bias.copy_(source.bias)

    def folded(self, step: Step) -> tuple[Tensor, Tensor]:
        """(gain [rows] of the weights, bias [rows]): what normalisation and scale make of the convolution of a step. Exact."""
        one = torch.ones_like(self.matrix.weight[:, 0])
        gain, bias = one, torch.zeros_like(one) if self.bias is None else self.bias
        if self.norm is not None:
            assert self.norm.running_mean is not None
            assert self.norm.running_var is not None
            gain = self.norm.weight * torch.rsqrt(self.norm.running_var + self.norm.eps)
            bias = self.norm.bias + (bias - self.norm.running_mean) * gain
        after = step.gain_out if self.scale is None else step.gain_out * self.scale
        return gain * (step.gain_in * after), bias * after


@dataclass(frozen=True)
class AppliedLayer:
    """A layer as a step applies it.

    reads: the name of the value that the step reads, as formats know it. statistics: what this batch has been normalised with so far;
    None: the running statistics count, folded into the weights.
    """

    step: Step
    parameters: LayerParameters
    reads: str
    statistics: Statistics | None = None

    @property
    def is_live(self) -> bool:
        """Whether the batch's own mean and variance normalise it, as batch normalisation is trained."""
        return self.statistics is not None and self.parameters.norm is not None

    def folded(self) -> tuple[Tensor, Tensor]:
        """(gain [rows] of the weights, bias [rows]). Exact."""
        return self.parameters.folded(self.step)

    def convolved(self, x: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution of x with a matrix [rows, columns] as a kernel [rows, channels, height, width], zeros around x."""
        kernel = matrix.view(len(matrix), *self.step.kernel_size, -1).permute(0, 3, 1, 2)
        return _convolution(self.step, x, kernel, bias)

    def normalized(self, x: Tensor) -> Tensor:
        """With the batch's own statistics.

        A layer that is applied several times always takes those of its first application, so that it is the same function each time,
        as it is once the running statistics are folded.
        """
        step, layer, norm = self.step, self.parameters, self.parameters.norm
        assert norm is not None
        assert self.statistics is not None
        sums = self.convolved(x, layer.matrix() * step.gain_in, layer.bias)
        counted, found = self.statistics.of(sums), self.statistics.found
        if step.layer in found:
            mean, variance = found[step.layer]
            gain = norm.weight * torch.rsqrt(variance + norm.eps)
            result = sums * gain[:, None, None] + (norm.bias - mean * gain)[:, None, None]
        elif counted.numel() == counted.shape[1]:
            # A batch of one at one position has no variance: the statistics of the batches before stand in, as they do when it is folded.
            assert norm.running_mean is not None
            assert norm.running_var is not None
            found[step.layer] = norm.running_mean, norm.running_var
            result = F.batch_norm(sums, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps)
        else:
            result = self.statistics.into(norm(counted), sums)
            if layer.repeats:
                variance, mean = torch.var_mean(counted, (0, 2, 3), correction=0)
                found[step.layer] = mean, variance
        after = step.gain_out if layer.scale is None else step.gain_out * layer.scale
        return result * after if layer.scale is not None or step.gain_out != 1.0 else result


def _convolution(step: Step, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Zero padding and convolution; depthwise where a kernel has one channel and x has several."""
    groups = x.shape[1] // kernel.shape[1]
    if step.kernel_size == (1, 1):
        # The positions are picked here: oneDNN's own strides of 1x1 kernels write past its memory in training (oneDNN issue 6035).
        down, across = step.stride
        return F.conv2d(padded(x, step)[:, :, ::down, ::across], kernel, bias, groups=groups)
    top, bottom, left, right = step.padding
    if top == bottom and left == right:
        return F.conv2d(x, kernel, bias, step.stride, (top, left), groups=groups)
    return F.conv2d(padded(x, step), kernel, bias, step.stride, groups=groups)


def padded(x: Tensor, step: Step) -> Tensor:
    """The map x [batch, channels, height, width] with the zeros that a step's windows reach into."""
    top, bottom, left, right = step.padding
    return F.pad(x, (left, right, top, bottom)) if any(step.padding) else x
