"""Of what was tried: which candidates no other is better than in everything, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scored:
    """A candidate that was trained to the end. trial: its number in the study. chosen: its values by the key of their dimension.

    metric: a share, on the validation recordings. costs: of the trained model. graph_sha256: of the integer model. repeated: the
    metrics of the same recipe with other seeds.
    """

    trial: int
    recipe: str
    chosen: Mapping[str, object]
    metric: float
    costs: Mapping[str, int]
    graph_sha256: str
    repeated: tuple[float, ...] = ()

    @property
    def mean(self) -> float:
        """Of the metric over all seeds."""
        every = (self.metric, *self.repeated)
        return sum(every) / len(every)


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether a candidate is as good as another in everything and better in something. Losses, all to be small."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))


def losses(metric: float, costs: Mapping[str, int], named: Sequence[str]) -> tuple[float, ...]:
    """What a candidate is compared by: the metric, negated, and the costs that are named."""
    return (-metric, *(float(costs[name]) for name in named))


def front_of(candidates: Sequence[Scored], named: Sequence[str]) -> tuple[Scored, ...]:
    """Those that no other dominates, the best first; of equals the first that was tried."""
    compared = [losses(each.metric, each.costs, named) for each in candidates]
    kept = [
        each
        for place, (each, own) in enumerate(zip(candidates, compared, strict=True))
        if own not in compared[:place] and not any(dominates(other, own) for other in compared)
    ]
    return tuple(sorted(kept, key=lambda each: (*losses(each.metric, each.costs, named), each.trial)))
