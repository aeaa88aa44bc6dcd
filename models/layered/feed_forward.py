"""A net without state: normalisation, then the steps of a plan. One class for every such net, float and quantized."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..arithmetic import NORMALIZED
from ..matrix import Matrix
from ..recurrent.net import INPUT_LIMIT
from .activations import Activations, FloatActivations, IntegerActivations
from .plan import INPUT, Layer, Plan, Step
from .trace import LayerModules, Traced


class LayerParameters(nn.Module):
    """The parameters of a layer: matrix [rows, columns], bias [rows], a batch normalisation, a scale (SkipInit)."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
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


Statistics = dict[str, tuple[Tensor, Tensor]]
"""By layer: the mean and the variance of a batch, [rows] each."""


class LayeredModule(nn.Module):
    """The layers of a plan, and the run of its steps. Channels first; time is a width of height 1.

    arithmetic: what its values are. dropout: probability for entries of what the last layer reads, in training only. folds: batch
    normalisation uses its running statistics in training too, folded into the weights; without it it uses those of the batch.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.arithmetic: Activations = FloatActivations()
        self.layers = nn.ModuleDict({layer.name: LayerParameters(layer) for layer in plan.layers})
        self.dropout = 0.0
        self.folds = False

    def parameters_of(self, layer: str) -> LayerParameters:
        """Those of the layer of that name."""
        return cast(LayerParameters, self.layers[layer])

    def load(self, modules: Mapping[str, LayerModules]) -> None:
        """Take the values of traced modules, by layer."""
        for name, module in modules.items():
            self.parameters_of(name).load(module)

    @property
    def has_norm(self) -> bool:
        """Whether any layer is normalised by batch."""
        return any(layer.normalized for layer in self.plan.layers)

    def run(self, x: Tensor) -> dict[str, Tensor]:
        """Every value by name, [batch, channels, height, width], from what the first steps read."""
        values = {INPUT: x}
        statistics: Statistics = {}
        for step in self.plan.steps:
            values[step.name] = self._run(step, [values[name] for name in step.inputs], statistics)
        return values

    def _run(self, step: Step, inputs: list[Tensor], statistics: Statistics) -> Tensor:
        x = inputs[0]
        if step.kind == "convolution":
            if step.name == self.plan.output:
                x = F.dropout(x, self.dropout, self.training)
            return self._convolve(step, x, statistics)
        if step.kind == "max_pool":
            return F.max_pool2d(_padded(x, step), step.kernel_size, step.stride)
        if step.kind == "flatten":
            return x.permute(0, 2, 3, 1).flatten(1)[:, :, None, None]
        if step.kind == "relu":
            return torch.relu(x)
        if step.kind == "add":
            x = self._same_format(step, x) + self._same_format(step, inputs[1])
        elif step.kind == "average_pool":
            x = F.avg_pool2d(_padded(x, step), step.kernel_size, step.stride, divisor_override=1) * self.multiplier(step)
        else:
            x = x * self.multiplier(step)
        return self.arithmetic.store(x, step.name, relu=step.relu)

    def _same_format(self, step: Step, x: Tensor) -> Tensor:
        """An operand in the format of the sum."""
        if isinstance(self.arithmetic, IntegerActivations):
            return self.arithmetic.store(x, step.name)
        return x

    def multiplier(self, step: Step) -> float:
        """The factor of a pool or of a scale step, as 15 bits hold it."""
        if isinstance(self.arithmetic, FloatActivations):
            return step.factor
        from ..fake_quantize import round_scale

        return float(round_scale(torch.tensor(step.factor, dtype=torch.float64), "multiplier"))

    def _convolve(self, step: Step, x: Tensor, statistics: Statistics) -> Tensor:
        layer = self.parameters_of(step.layer)
        if layer.norm is not None and self.training and not self.folds:
            return self.arithmetic.store(self._normalized(step, layer, x, statistics), step.name, relu=step.relu)
        gain, bias = layer.folded(step)
        least = None
        if isinstance(self.arithmetic, IntegerActivations):
            least = self.arithmetic.least_scale(bias, step.name, self.read_name(step))
            bias = self.arithmetic.bias(bias, layer.matrix.scale(gain, least), step.name, self.read_name(step))
        result = _convolution(step, x, self._kernel(step, layer.matrix(gain, least)), bias)
        return self.arithmetic.store(result, step.name, relu=step.relu)

    def _normalized(self, step: Step, layer: LayerParameters, x: Tensor, statistics: Statistics) -> Tensor:
        """With the batch's own mean and variance, as batch normalisation is trained.

        A layer that is applied several times always takes those of its first application, so that it is the same function each time,
        as it is once the running statistics are folded.
        """
        norm = layer.norm
        assert norm is not None
        sums = _convolution(step, x, self._kernel(step, layer.matrix()) * step.gain_in, layer.bias)
        if step.layer in statistics:
            mean, variance = statistics[step.layer]
            gain = norm.weight * torch.rsqrt(variance + norm.eps)
            result = sums * gain[:, None, None] + (norm.bias - mean * gain)[:, None, None]
        elif sums.numel() == sums.shape[1]:
            # A batch of one at one position has no variance: the statistics of the batches before stand in, as they do when it is folded.
            assert norm.running_mean is not None
            assert norm.running_var is not None
            statistics[step.layer] = norm.running_mean, norm.running_var
            result = F.batch_norm(sums, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps)
        else:
            result = norm(sums)
            if len(list(self.plan.uses(step.layer))) > 1:
                variance, mean = torch.var_mean(sums, (0, 2, 3), correction=0)
                statistics[step.layer] = mean, variance
        after = step.gain_out if layer.scale is None else step.gain_out * layer.scale
        return result * after if layer.scale is not None or step.gain_out != 1.0 else result

    def read_name(self, step: Step) -> str:
        """The name of the first value that a step reads, as the formats know it."""
        return NORMALIZED if step.inputs[0] == INPUT else step.inputs[0]

    def _kernel(self, step: Step, matrix: Tensor) -> Tensor:
        """[rows, channels, height, width] of a matrix whose columns have the channels fastest."""
        return matrix.view(len(matrix), *step.kernel_size, -1).permute(0, 3, 1, 2)


class FeedForwardNet(LayeredModule):
    """Scores of windows or images. Channels last outside.

    mean, std: float [channels], centre and spread of the training data; a std of 0 counts as 1. saturates: normalised inputs are
    limited to INPUT_LIMIT.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, plan: Plan, mean: Tensor | None = None, std: Tensor | None = None) -> None:
        super().__init__(plan)
        channels = plan.input_shape[-1]
        mean = torch.zeros(channels) if mean is None else mean
        std = torch.ones(channels) if std is None else std
        self.register_buffer("mean", mean.detach().clone().float())
        self.register_buffer("std", torch.where(std == 0, torch.ones_like(std), std).detach().float())
        self.saturates = False

    @classmethod
    def of(cls, traced: Traced, mean: Tensor | None = None, std: Tensor | None = None) -> FeedForwardNet:
        """The net of a traced module, with its parameters."""
        net = cls(traced.plan, mean, std)
        net.load(traced.modules)
        return net

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Scores [batch, classes] of x [batch, *input_shape], readings."""
        return self.values(x)[self.plan.output].flatten(1)

    def values(self, x: Tensor) -> dict[str, Tensor]:
        """Every value by name, [batch, channels, height, width]."""
        x = self.normalize(x, self.arithmetic)
        image = x if x.dim() == 4 else x[:, None]
        return self.run(image.permute(0, 3, 1, 2))

    def normalize(self, x: Tensor, arithmetic: Activations) -> Tensor:
        """What the first steps read of x [batch, *input_shape]."""
        x = arithmetic.normalize(x, self.mean, self.std)
        return x.clamp(-INPUT_LIMIT, INPUT_LIMIT) if self.saturates else x


def _convolution(step: Step, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Zero padding and convolution; depthwise where a kernel has one channel and x has several."""
    groups = x.shape[1] // kernel.shape[1]
    if step.kernel_size == (1, 1):
        # The positions are picked here: oneDNN's own strides of 1x1 kernels write past its memory in training (oneDNN issue 6035).
        down, across = step.stride
        return F.conv2d(_padded(x, step)[:, :, ::down, ::across], kernel, bias, groups=groups)
    top, bottom, left, right = step.padding
    if top == bottom and left == right:
        return F.conv2d(x, kernel, bias, step.stride, (top, left), groups=groups)
    return F.conv2d(_padded(x, step), kernel, bias, step.stride, groups=groups)


def _padded(x: Tensor, step: Step) -> Tensor:
    top, bottom, left, right = step.padding
    return F.pad(x, (left, right, top, bottom)) if any(step.padding) else x


def layer_parameters(net: FeedForwardNet) -> Mapping[str, LayerParameters]:
    """Every layer's parameters by its name."""
    return {layer.name: net.parameters_of(layer.name) for layer in net.plan.layers}
