"""Random projections: signs that are drawn from a seed and not trained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UnsupportedError
from ..graph.fixed_point import IntArray, split_scale
from ..graph.weights import SeededWeight, Zeros, seeded_signs
from ..models.fake_quantize import raise_scale, round_scale
from ..recipe import ScaleForm


class SeededStorage(nn.Module):
    """The signs of a seed times a scale a row, the row's magnitude rounded to 15 bits or to a power of two.

    Every row has one magnitude and the signs of the seed: a matrix of models.random_projection, with a positive gain a row at most.
    """

    def __init__(self, seed: int, form: ScaleForm = "multiplier") -> None:
        super().__init__()
        self.seed = seed
        self.form: ScaleForm = form

    def anneal(self, progress: float) -> None:
        """Nothing changes."""

    def graph_weight(self, entries: IntArray, zeros: Zeros | None) -> SeededWeight:  # noqa: ARG002
        """SeededWeight of the integer graph."""
        rows, columns = entries.shape
        return SeededWeight(rows, columns, self.seed)

    def forward(self, weight: Tensor, least: Tensor | None = None) -> Tensor:
        """The quantized matrix [rows, columns]; there is nothing to train."""
        return (torch.sign(weight).double() * self.scale(weight, least)[:, None]).to(weight.dtype)

    def scale(self, weight: Tensor, least: Tensor | None = None) -> Tensor:
        """float64 [rows]."""
        return raise_scale(round_scale(weight[:, 0].double().abs(), self.form), least, self.form)

    def integers(self, weight: Tensor, least: Tensor | None = None) -> tuple[IntArray, IntArray, IntArray]:
        """(int8 [rows, columns], mantissa int32 [rows], exponent int32 [rows]). Raises UnsupportedError for other signs than the seed's."""
        entries = np.sign(weight.detach().numpy()).astype(np.int8)
        rows, columns = entries.shape
        if not np.array_equal(entries, seeded_signs(rows, columns, self.seed)):
            raise UnsupportedError("a random projection has lost the signs of its seed: let no negative factor follow it")
        return entries, *split_scale(self.scale(weight, least).numpy())
