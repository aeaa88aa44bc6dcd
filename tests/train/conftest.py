"""A tiny net with dropout and a buffer, a tiny task, and a schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from rescomp.data import Split
from rescomp.train import Schedule

MakeNet = Callable[[], torch.nn.Module]


class TinyNet(torch.nn.Module):
    """Scores from the masked mean over time; a buffer counts the training batches."""

    seen: Tensor

    def __init__(self, channels: int = 3, classes: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(channels, 6)
        self.scores = torch.nn.Linear(6, classes)
        self.dropout = torch.nn.Dropout(dropout)
        self.unused = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if self.training:
            self.seen += 1
        mask = (torch.arange(x.shape[1])[None, :] < lengths[:, None]).unsqueeze(2)
        mean = (torch.tanh(self.hidden(x)) * mask).sum(dim=1) / lengths[:, None]
        result: Tensor = self.scores(self.dropout(mean))
        return result


@pytest.fixture
def make_net() -> MakeNet:
    """A new net with always the same weights."""

    def make() -> torch.nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            return TinyNet()

    return make


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads cost more than they bring on tensors this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def task(seed: int, count: int = 46) -> Split:
    """Two classes that differ in the mean of one channel; lengths 1 to 6."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    lengths = rng.integers(1, 7, count)
    x = rng.normal(size=(count, 6, 3)).astype(np.float32)
    x[:, :, 1] += 3 * (2 * y[:, None] - 1)
    x[np.arange(6)[None, :] >= lengths[:, None]] = 0
    return Split(x, y, lengths)


@pytest.fixture(scope="session")
def train_split() -> Split:
    return task(0)


@pytest.fixture(scope="session")
def validation() -> Split:
    return task(1, 20)


@pytest.fixture
def schedule() -> Schedule:
    return Schedule("train", 6, 10, 0.02, seed=3, weight_decay=0.01, label_smoothing=0.1, input_noise=0.05)
