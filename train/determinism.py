"""Make torch repeat itself: the same seed and threads give the same weights on the same machine."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from ..errors import InputError

MAX_SEED = (1 << 63) - 1


@dataclass(frozen=True)
class Determinism:
    """What a run's weights depend on besides the recipe and the data: to be recorded beside them."""

    seed: int
    threads: int
    torch: str


def make_deterministic(seed: int, threads: int) -> Determinism:
    """Seed torch, pin its threads (their count changes sums, so weights) and refuse operations that are not deterministic.

    Acts on the whole process. Raises InputError for a seed that torch does not take.
    """
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"train.seed = {seed} is outside 0..2^63-1: choose a smaller one")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what makes a GPU's matrix products repeat themselves
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # With that, torch also fills every new tensor with NaN, to show reads of memory never written: 7 % of an update's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return Determinism(seed, threads, torch.__version__)
