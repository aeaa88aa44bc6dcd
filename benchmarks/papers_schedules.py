"""Learning rates of "When, Why and How Much? Adaptive Learning Rate Scheduling by Refinement" (Defazio et al. 2023, arXiv 2310.07831).

Linear decay is its schedule for the worst case, proportional to 1 - t / T. The refined one follows from the gradients of an earlier run
(its algorithm for Adam): with G_t the 1-norms smoothed by a median filter as wide as a share tau of the run and w_t = 1 / G_t, the rate at
step t is proportional to w_t (w_{t+1} + ... + w_T). Norms that do not change give linear decay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch

from rescomp.train.schedule import Schedule

Floats = npt.NDArray[np.float64]
Rate = Callable[[Schedule, int, int], float]
"""The rate of a schedule's step 0..total-1."""
TAU = 0.1


def linear(schedule: Schedule, step: int, total: int) -> float:
    """The house's warm-up, then linearly towards 0."""
    rising = math.ceil(schedule.warmup * total)
    if step < rising:
        return schedule.learning_rate * (step + 1) / rising
    return schedule.learning_rate * (total - step) / max(1, total - rising)


def refined(norms: Floats) -> Rate:
    """Of the 1-norms of an earlier run's gradients, one a step. Its largest rate is the schedule's; a warm-up there is where norms fall."""
    weights = 1 / smoothed(norms)
    later = np.append(np.cumsum(weights[:0:-1])[::-1], 0.0)
    shares = weights * later
    shares /= shares.max()

    def rate(schedule: Schedule, step: int, total: int) -> float:
        assert total == len(shares)
        return schedule.learning_rate * float(shares[step])

    return rate


def smoothed(norms: Floats) -> Floats:
    """The median of about TAU of them about each; before the first stands the first, behind the last they run back."""
    half = int(TAU * len(norms)) // 2
    around = np.pad(np.pad(norms, (half, 0), mode="edge"), (0, half), mode="reflect") if half else norms
    result: Floats = np.median(np.lib.stride_tricks.sliding_window_view(around, 2 * half + 1), axis=1)
    return result


@contextmanager
def rates(rate: Rate) -> Iterator[None]:
    """Trainings inside go by `rate`."""
    with patch.object(Schedule, "rate", rate):
        yield


@contextmanager
def recorded_norms(norms: list[float]) -> Iterator[None]:
    """Trainings inside add the 1-norm of each step's gradient, as the optimizer gets it."""
    clip = torch.nn.utils.clip_grad_norm_

    def recording(parameters: Iterator[torch.nn.Parameter], most: float) -> torch.Tensor:
        every = list(parameters)
        result: torch.Tensor = clip(every, most)
        norms.append(sum(float(value.grad.abs().sum()) for value in every if value.grad is not None))
        return result

    with patch.object(torch.nn.utils, "clip_grad_norm_", recording):
        yield
