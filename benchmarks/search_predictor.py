"""A lightly trained predictor over the finished trials of searches: does it order candidates better than their bytes do?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from har2_table import Record

RIDGE = 1.0
"""Added to the diagonal; columns are 0 or 1, and the bytes in units of their standard deviation."""
Floats = npt.NDArray[np.float64]


def rank_correlations(results: Sequence[Record]) -> Mapping[str, Sequence[float]]:
    """Spearman's, with validation accuracy, in each search: of the predictor that learnt from all others, and of the priced bytes."""
    every = [trial for result in results for trial in result["trials"]]
    columns = _columns(every)
    search = np.repeat(np.arange(len(results)), [len(result["trials"]) for result in results])
    metric = np.array([trial["validation"] for trial in every])
    size = np.array([float(trial["priced"]) for trial in every])
    found: dict[str, list[float]] = {"ridge": [], "priced bytes": []}
    for held in range(len(results)):
        own = search == held
        found["ridge"].append(spearman(_ridge(columns[~own], metric[~own], columns[own]), metric[own]))
        found["priced bytes"].append(spearman(size[own], metric[own]))
    return found


def _columns(trials: Sequence[Record]) -> Floats:
    """[trials, columns]: 1 where a key has a value, and the priced bytes."""
    pairs = sorted({(key, str(value)) for trial in trials for key, value in trial["chosen"].items()})
    has = [[float(str(trial["chosen"].get(key)) == value) for key, value in pairs] for trial in trials]
    size = np.log(np.array([float(trial["priced"]) for trial in trials]))
    return np.column_stack([np.array(has), (size - size.mean()) / size.std()])


def _ridge(known: Floats, metric: Floats, asked: Floats) -> Floats:
    """What a ridge regression on the known says of those asked for."""
    middle, level = known.mean(0), metric.mean()
    centred = known - middle
    weights = np.linalg.solve(centred.T @ centred + RIDGE * np.eye(known.shape[1]), centred.T @ (metric - level))
    return np.asarray((asked - middle) @ weights + level)


def spearman(one: Floats, other: Floats) -> float:
    """Pearson's correlation of the ranks, equals sharing theirs; 0 where all are equal."""
    first, second = _ranks(one), _ranks(other)
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], np.float64)
