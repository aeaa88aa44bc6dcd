"""Symmetric integer weights of 8, 6 or 4 bits, one scale a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..graph.fixed_point import IntArray, split_scale
from ..graph.weights import Int4Weight, Int8Weight, Weight, Zeros, smallest_storage
from ..models.fake_quantize import MIN_SCALE, raise_scale, round_scale_up, straight_through
from ..recipe import ScaleForm
from .learned_scale import LearnedFactors

Bits = Literal[4, 6, 8]
_DENSE: Mapping[Bits, Callable[[IntArray], Weight]] = {8: Int8Weight, 6: Int8Weight, 4: Int4Weight}
_SHARES: Mapping[tuple[Bits, ScaleForm], tuple[float, ...]] = {
    (4, "multiplier"): tuple(1 - step / 20 for step in range(10)),
    (4, "power_of_two"): (1.0, 0.5),
    (6, "power_of_two"): (1.0, 0.5),
}
"""Scales that 4 and 6 bits try, as shares of the one that clips nothing."""


class IntegerStorage(nn.Module):
    """Integers of `bits` bits, without the most negative one, times a scale a row in 15 bits or a power of two.

    8 bits: the row's largest magnitude / 127 (the power of two above). 4 bits: of that / 7 and smaller ones, which clip the largest
    weights, the one with the least squared error; the larger among equals. 6 bits, powers of two: of that / 31 and its half. learned:
    times a factor a row, which is trained.
    """

    def __init__(self, bits: Bits = 8, form: ScaleForm = "multiplier", learned: LearnedFactors | None = None) -> None:
        super().__init__()
        self.bits: Bits = bits
        self.form: ScaleForm = form
        self.learned = learned

    @property
    def largest(self) -> int:
        """127, 31 or 7."""
        return (1 << (self.bits - 1)) - 1

    def anneal(self, progress: float) -> None:
        """Nothing changes."""

    def graph_weight(self, entries: IntArray, zeros: Zeros | None) -> Weight:
        """Dense, or what takes the fewest bytes."""
        return _DENSE[self.bits](entries) if zeros is None else smallest_storage(entries, 4 if self.bits == 4 else 8, zeros)

    def forward(self, weight: Tensor, least: Tensor | None = None) -> Tensor:
        """The fake-quantized matrix [rows, columns]; gradients pass straight through."""
        scale, exact = self.scale(weight, least)[:, None], weight.detach().double()
        entries = self._to_integers(exact, scale)
        result = straight_through(entries * scale, weight)
        if self.learned is None:
            return result
        inside = (exact / scale).abs() <= self.largest
        slope = torch.where(inside, entries * scale - exact, entries * scale)
        return self.learned.trained(result, slope.to(weight.dtype), largest=self.largest)

    def scale(self, weight: Tensor, least: Tensor | None = None) -> Tensor:
        """float64 [rows]."""
        scale = self._best_scale(weight)
        if self.learned is not None:
            scale = round_scale_up((scale * self.learned.factors()).clamp(min=MIN_SCALE), self.form)
        return raise_scale(scale, least, self.form)

    def _best_scale(self, weight: Tensor) -> Tensor:
        exact = weight.detach().double()
        whole = (exact.abs().amax(dim=1) / self.largest).clamp(min=MIN_SCALE)
        shares = _SHARES.get((self.bits, self.form), (1.0,))
        tried = torch.stack([round_scale_up(whole * share, self.form) for share in shares])
        if len(shares) == 1:
            return tried[0]
        error = (self._to_integers(exact, tried[..., None]) * tried[..., None] - exact).square().sum(dim=2)
        return tried.gather(0, error.argmin(dim=0)[None])[0]

    def integers(self, weight: Tensor, least: Tensor | None = None) -> tuple[IntArray, IntArray, IntArray]:
        """(int8 [rows, columns], mantissa int32 [rows], exponent int32 [rows])."""
        scale = self.scale(weight, least)
        entries = self._to_integers(weight.detach().double(), scale[:, None])
        return entries.numpy().astype(np.int8), *split_scale(scale.numpy())

    def _to_integers(self, weight: Tensor, scale: Tensor) -> Tensor:
        return torch.floor(weight / scale + 0.5).clamp(-self.largest, self.largest)
