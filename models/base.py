"""What every net has, of layers or of cells: normalisation, an arithmetic that runs its program, and answers to what others ask of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import UnsupportedError
from ..graph.formats import DType, Format
from .arithmetic import Nonlinearity, Normalizing
from .counted_steps import CountedSteps
from .fake_quantize import INPUT_LIMIT, period
from .fixed_point_arithmetic import FixedPointArithmetic
from .float_arithmetic import FloatArithmetic
from .matrix import Value

if TYPE_CHECKING:
    from .layered.layered_module import LayeredModule
    from .recurrent.cell import Cell


LEAST_GAIN, MOST_GAIN = 0.25, 2.0
"""Between which learned gains stay, so that the formats that calibration chose hold."""


class Net(nn.Module, ABC):
    """Scores of sequences, windows or images.

    mean, std: float [channels], centre and spread of the training data's readings; a std of 0 counts as 1. input_gains: float [channels],
    what training multiplies the normalised input by, one for each constant that the normalisation has (None: nothing).

    saturates: normalised inputs are limited to what ternary products read, INPUT_LIMIT. dropout: probability for entries of what the last
    product reads, in training only. arithmetic: what runs the net.
    """

    mean: Tensor
    std: Tensor
    input_gains: nn.Parameter | None
    arithmetic: FloatArithmetic
    saturates: bool
    dropout: float

    def begin(self, mean: Tensor, std: Tensor, nonlinearity: Nonlinearity = "table") -> None:
        """Make what every net has."""
        self.arithmetic = FloatArithmetic(nonlinearity)
        self.register_buffer("mean", mean.detach().clone().float())
        self.register_buffer("std", torch.where(std == 0, torch.ones_like(std), std).detach().float())
        self.register_parameter("input_gains", None)
        self.saturates = False
        self.dropout = 0.0

    @property
    def cells(self) -> Sequence[Cell]:
        """From the input to the classifier; none of a net without state."""
        return ()

    @property
    def state_formats(self) -> Mapping[str, Format]:
        """Name and format of every state, in order."""
        return {}

    @property
    def state_sizes(self) -> Mapping[str, int]:
        """Entries of every state, by name, in order."""
        return {}

    @property
    def layer_modules(self) -> Sequence[LayeredModule]:
        """The layers, plan by plan; none of a net of cells alone."""
        return ()

    @property
    def time_steps(self) -> int | None:
        """Readings of a sample of a net over windows, which are of one length; None of a net over sequences or images."""
        return None

    @property
    def readings(self) -> int | None:
        """How many readings the layers before the first cell take in one step. None where there are none: then the recipe says it."""
        return None

    @property
    def given(self) -> Mapping[str, Format]:
        """By name: what layers read in formats that nobody chooses."""
        return {}

    @property
    def fixed(self) -> FixedPointArithmetic:
        """The arithmetic of a compressed net. Raises UnsupportedError for another."""
        if not isinstance(self.arithmetic, FixedPointArithmetic):
            raise UnsupportedError("only a compressed net has formats and an integer meaning: call compress first")
        return self.arithmetic

    @abstractmethod
    def calibrated(self, activations: DType) -> Mapping[str, Format]:
        """By name, in order: the values whose fraction bits calibration chooses, in the formats that they have before it.

        activations: the dtype of what layers keep.
        """

    @abstractmethod
    def scores_format(self) -> Format:
        """Of a calibrated net's scores."""

    def normalize(self, x: Value, arithmetic: Normalizing[Value]) -> Value:
        """What the first cell or layer reads of readings x, channels last."""
        return arithmetic.normalize(x, self.mean, self.deviation(), INPUT_LIMIT if self.saturates else None)

    def deviation(self) -> Tensor:
        """What the normalisation divides by: the spread over the gains, float [channels].

        Channels whose centre and spread repeat, as those of readings side by side, have one gain together, so that their constants repeat.
        In float32 whatever the net is in, so that training and the integer graph have the same.
        """
        if self.input_gains is None:
            return self.std
        n = period(self.mean.tolist(), self.std.tolist())
        gains = self.input_gains.float().clamp(LEAST_GAIN, MOST_GAIN).view(-1, n).mean(dim=0).repeat(len(self.std) // n)
        return (self.std.float() / gains).to(self.std.dtype)

    @property
    def largest_gain(self) -> float:
        """The largest that a learned gain may become."""
        return 1.0 if self.input_gains is None else MOST_GAIN

    def answer(
        self,
        x: Tensor,
        lengths: Tensor,
        counted: CountedSteps,  # noqa: ARG002
        begin: Mapping[str, Tensor] | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(scores [counted, classes] at those steps, every state by name after each sequence's own last step [batch, hidden]).

        begin: the states before the first step. A net without state has one answer to each sample, and leaves nothing.
        """
        return self(x, lengths), {}
