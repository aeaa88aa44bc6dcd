"""A small valid .npz data set, written with one thing changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WriteNpz = Callable[..., str]


def small_arrays() -> dict[str, Any]:
    """Two classes, two channels, up to five steps; lengths 3, 5, 1, 4 and 2, 5."""
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.normal(size=(4, 5, 2)),
        "y_train": np.array([0, 1, 0, 1]),
        "x_test": rng.normal(size=(2, 5, 2)),
        "y_test": np.array([1, 0]),
        "lengths_train": np.array([3, 5, 1, 4]),
        "lengths_test": np.array([2, 5]),
    }


@pytest.fixture
def write_npz(tmp_path: Path) -> WriteNpz:
    """Write the small set with some arrays replaced (None: left out); returns its path."""

    def write(**changes: Any) -> str:
        arrays = {key: value for key, value in (small_arrays() | changes).items() if value is not None}
        path = tmp_path / "set.npz"
        np.savez(path, **arrays)
        return str(path)

    return write
