"""Integer models of fresh weights: what they cost does not depend on training."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rescomp.compress import anneal, calibrate, constrain
from rescomp.graph.ir import IntegerModel
from rescomp.lowering.lower import lower
from rescomp.models import build
from rescomp.recipe import Recipe

INPUT_BITS = 11
"""Fraction bits of the readings."""


def untrained(recipe: Recipe, name: str, spread: Sequence[float], classes: Sequence[str], steps: int) -> IntegerModel:
    """A recurrent recipe's model, calibrated on noise. spread: of each channel."""
    torch.manual_seed(0)
    channels = len(spread)
    net = constrain(build(recipe.model, channels, len(classes), torch.zeros(channels), torch.tensor(spread)), recipe.compress)
    readings = recipe.model.readings_a_step
    x = torch.randn(8, steps, readings * channels) * torch.tensor(spread).repeat(readings)
    calibrate(net, x, torch.full((8,), steps), INPUT_BITS)
    anneal(net, 1, 1)
    return lower(net.eval(), name, classes)
