"""Multiplier and shift of a row in one word, where range analysis proves that one multiplication of 32-bit values is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..graph.fixed_point import IntArray, Requantization
from ..graph.formats import Format
from ..graph.ops.base import CBuilder
from ..graph.ops.c_arguments import bias_argument, requantization_argument

Multiply = Literal["high", "split", "narrow"]
"""What a core multiplies fast. high: 32 by 32 to 64 bits (Cortex-M3 and up, RV32IM); split: 32 by 32 to 32 bits (Cortex-M0), so that
a product of 45 bits is put together from two; narrow: neither (AVR), where the general form is the fastest."""
SCALE_NOTES: Mapping[Multiply, str] = {
    "high": "multiplier * 2^(32 - shift - lift)",
    "split": "multiplier * 2^16 + shift + lift - 17",
}
_LEAST: Mapping[Multiply, int] = {"high": 16, "split": 17}
"""What shift + lift must reach: a scale `high` stays below 2^31; `split` drops 16 bits of the product and rounds by one more."""
_MOST: Mapping[Multiply, int] = {"high": 32, "split": 48}


@dataclass(frozen=True, eq=False)
class RowScales:
    """words: uint32 [rows], as the kernel requantize_rows_int16_<high or split> reads them.

    lift: each accumulator, bias included, is multiplied by 2^lift first. R(acc) is the same as by the Requantization.
    """

    words: npt.NDArray[np.uint32]
    lift: int


def row_scales(requantization: Requantization, largest: int, multiply: Multiply) -> RowScales | None:
    """The scales of rows whose accumulators, biases included, never exceed `largest` in magnitude; None where they fit no words."""
    multiplier, shift = requantization.multiplier.astype(np.int64), requantization.shift.astype(np.int64)
    lift = max(0, _LEAST[multiply] - int(shift.min()))
    if int(shift.max()) + lift > _MOST[multiply] or largest << lift >= 1 << 31:
        return None
    words = multiplier << (32 - shift - lift) if multiply == "high" else (multiplier << 16) + shift + lift - 17
    return RowScales(words.astype(np.uint32), lift)


def rows_requantization(
    b: CBuilder, bias: IntArray, requantization: Requantization, output: Format, largest: int, multiply: Multiply
) -> tuple[str, str]:
    """(kernel, its last argument): requantize_rows_<dtype> in the form that range analysis allows, its constants declared.

    largest: magnitude that no accumulator, bias included, exceeds. multiply: what the core does fast.
    """
    kernel = f"requantize_rows_{output.dtype}"
    if multiply == "narrow":
        return kernel, requantization_argument(b, bias, requantization, output)
    if requantization.is_power_of_two and np.all(requantization.power >= 1) and np.all(requantization.power <= 31):
        return f"{kernel}_shift", requantization_argument(b, bias, requantization, output)
    scales = None if output.dtype != "int16" else row_scales(requantization, largest, multiply)
    if scales is None:
        return kernel, requantization_argument(b, bias, requantization, output)
    name = b.constant("scale", scales.words, "scales", SCALE_NOTES[multiply])
    arguments = f"{bias_argument(b, bias)}, {name}, {scales.lift}, {output.low}, {output.high}"
    return f"{kernel}_{multiply}", f"rescomp_scale_by({arguments})"
