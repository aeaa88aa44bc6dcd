"""A net without state: normalisation, then the steps of a plan. One class for every such net, float and quantized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...graph.fixed_point import TERNARY_INPUT_BOUND
from ...graph.formats import DType, Format
from ..arithmetic import NORMALIZED
from ..base import Net
from ..matrix import Value
from .kinds import LayerArithmetic
from .layered_module import LayeredModule
from .plan import Plan
from .traced import Traced


class FeedForwardNet(LayeredModule, Net):
    """Scores of windows or images. Channels last outside."""

    def __init__(self, plan: Plan, mean: Tensor | None = None, std: Tensor | None = None) -> None:
        super().__init__(plan)
        channels = plan.input_shape[-1]
        self.begin(torch.zeros(channels) if mean is None else mean, torch.ones(channels) if std is None else std)

    @property
    def layer_modules(self) -> Sequence[LayeredModule]:
        """The net itself."""
        return (self,)

    @property
    def time_steps(self) -> int | None:
        """Readings of a window; None over images."""
        return self.plan.input_shape[0] if len(self.plan.input_shape) == 2 else None

    @classmethod
    def of(cls, traced: Traced, mean: Tensor | None = None, std: Tensor | None = None) -> FeedForwardNet:
        """The net of a traced module, with its parameters."""
        net = cls(traced.plan, mean, std)
        net.load(traced.modules)
        return net

    def calibrated(self, activations: DType) -> Mapping[str, Format]:
        """Every step's. Those in int16 are limited to what ternary partial sums hold."""
        format = Format(0, activations, 0 if activations == "int8" else TERNARY_INPUT_BOUND)
        return dict.fromkeys((NORMALIZED, *(step.name for step in self.plan.steps)), format)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Scores [batch, classes] of x [batch, *input_shape], readings."""
        return self.scores(self.arithmetic, self.values(x))

    def values(self, x: Tensor) -> dict[str, Tensor]:
        """Every value by name, [batch, channels, height, width]."""
        return self.run(self.arithmetic, self.arithmetic.image(self.normalize(x, self.arithmetic)))

    def scores_format(self) -> Format:
        """As the last step keeps them."""
        last = self.plan.step(self.plan.output)
        return self.fixed.format(last.name, relu=last.relu)

    def scores(self, arithmetic: LayerArithmetic[Value], values: Mapping[str, Value]) -> Value:
        """Those among the values of a run, as a vector."""
        return arithmetic.vector(values[self.plan.output])
