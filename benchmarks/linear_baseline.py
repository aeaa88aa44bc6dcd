"""A linear baseline: multinomial logistic regression with int8 weights on the means of a sequence's segments."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from rescomp.data.dataset import Dataset, Split
from rescomp.data.splits import normalization, validation_split

PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


@dataclass(frozen=True)
class LinearResult:
    """bytes: int8 weights, a 15-bit multiplier and a shift a row, int32 biases."""

    segments: int
    accuracy: float
    bytes: int
    penalty: float


def linear_baseline(dataset: Dataset, segments: int) -> LinearResult:
    """Fit on segment means; the penalty is chosen on a validation split, then everything is trained on."""
    training, validation = validation_split(dataset.train, 0.25, seed=0)
    penalty = max(PENALTIES, key=lambda candidate: _accuracy(_fit(training, segments, candidate), validation, segments, training))
    weights = _fit(dataset.train, segments, penalty)
    rows, columns = weights.shape[0], weights.shape[1] - 1
    return LinearResult(segments, _accuracy(weights, dataset.test, segments, dataset.train), rows * (columns + 3 + 4), penalty)


def _features(split: Split, segments: int, reference: Split) -> Tensor:
    """Means of normalised inputs over `segments` equal parts of each sequence, and a constant 1."""
    mean, std = normalization(reference)
    rows = []
    for x, length in zip(split.x, split.lengths, strict=True):
        valid = (x[:length] - mean) / std
        edges = np.floor(np.arange(segments + 1) * length / segments).astype(int)
        parts = [valid[a : max(b, a + 1)].mean(axis=0) for a, b in pairwise(edges)]
        rows.append(np.concatenate([*parts, [1.0]]))
    return torch.tensor(np.array(rows))


def _fit(split: Split, segments: int, penalty: float) -> Tensor:
    """Weights [classes, features + 1], quantized to int8 a row (the bias column stays)."""
    x, y = _features(split, segments, split), torch.from_numpy(split.y)
    weights = torch.zeros(int(y.max()) + 1, x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(x @ weights.T, y) + penalty * weights[:, :-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    found = weights.detach()
    scale = found[:, :-1].abs().amax(dim=1, keepdim=True) / 127
    return torch.cat([torch.round(found[:, :-1] / scale) * scale, found[:, -1:]], dim=1)


def _accuracy(weights: Tensor, split: Split, segments: int, reference: Split) -> float:
    scores = _features(split, segments, reference) @ weights.T
    return float((scores.argmax(dim=1).numpy() == split.y).mean())
