"""What search found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import counted
from .output import show
from .tables import percent, table

if TYPE_CHECKING:
    from ..search.front import Scored
    from ..stages.searching import SearchResult


def print_search(result: SearchResult) -> None:
    """The front, the best first, and how many trials came to what."""
    costs = list(result.front[0].costs) if result.front else []
    names = [f"{name} ({result.asked.core})" if name == "instructions" else name for name in costs]
    header = ("trial", result.asked.metric.replace("_", " "), "of seeds", *names, "candidate")
    rows = [
        (str(each.trial), percent(each.metric), _of_seeds(each), *(f"{each.costs[name]:,}" for name in costs), _named(each))
        for each in result.front
    ]
    show("\n" + table(header, rows))
    seeds = f"; of seeds: the mean over {1 + result.asked.repeats}" if any(each.repeated for each in result.front) else ""
    show(f"\non validation recordings{seeds}")
    show("; ".join(f"{counted(count, 'trial')} {outcome}" for outcome, count in result.outcomes.items()))
    show(f"{result.path}/front/ holds the recipes: rescomp run --recipe {result.path}/front/trial-N.toml -o DIRECTORY")


def _of_seeds(each: Scored) -> str:
    return percent(each.mean if each.repeated else None)


def _named(each: Scored) -> str:
    return " ".join(f"{key.removeprefix('model.')}={value}" for key, value in each.chosen.items())
