"""Which test recordings become golden vectors."""

from __future__ import annotations

import numpy as np

from ..graph.fixed_point import IntArray
from ..recipe import Recipe

MOST_GOLDEN_CLIPS = 1000
"""Of a model with a front-end, where quantize.vectors is unset: each is a recording of samples."""


def kept_rows(recipe: Recipe, count: int) -> IntArray:
    """Which of so many test recordings become golden vectors: the first ones, or, of clips, as many spread over all of them."""
    kept = recipe.quantize.vectors or (MOST_GOLDEN_CLIPS if recipe.of_samples is not None else count)
    if kept >= count or recipe.of_samples is None:
        return np.arange(min(kept, count))
    return np.arange(kept) * count // kept
