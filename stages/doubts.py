"""Sentences that doubt whether new data are of the kind that a model was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..data.images import is_image_folder
from ..data.input_format import scaled
from ..data.split import ValueArray
from ..data.streams import is_log
from ..graph.formats import FractionBits

OTHER_RATE = 0.1
"""Of the sampling interval, by which a log may differ unsaid."""
COARSE = 16
"""An input whose readings are all rounded to fewer integers than these to either side is told to be in another unit."""


def trained_on(source: str, own: str) -> Iterator[str]:
    """Of new data that are all of the model's own, not only their part for tests. own: data.source of its recipe."""
    path = Path(source)
    whole = is_log(source) or (path.is_dir() and is_image_folder(path) and not (path / "test").is_dir())
    if whole and path.resolve() == Path(own).resolve():
        yield f"{source} is what the model was made of, and what it was trained on is asked too: leave out --data to ask the rest alone"


def sampled_otherwise(source: str, interval: float | None, own: float | None) -> Iterator[str]:
    """interval, own: median steps of the times of new logs, and of those that the model was made of; None where they have no times."""
    if interval is not None and own is not None and abs(interval - own) > OTHER_RATE * own:
        yield (
            f"the readings of {source} are {interval:g} apart in time, and those that the model was trained on {own:g}: resample them, "
            "unless their times are only in another unit"
        )


def rounded_away(x: ValueArray, fraction_bits: FractionBits) -> Iterator[str]:
    """x: readings [..., channels], zeros among them that fill up. fraction_bits: of the input."""
    if np.issubdtype(x.dtype, np.integer):
        return
    exact = scaled(x, fraction_bits)
    if exact.size and np.abs(exact).max() < COARSE and (exact != np.rint(exact)).any():
        low, high = (int(np.floor(value + 0.5)) for value in (exact.min(), exact.max()))
        yield (
            f"all readings are rounded to the few integers from {low} to {high}, of the 16 bits that the model reads: are the data in the "
            "unit of those that it was trained on?"
        )
