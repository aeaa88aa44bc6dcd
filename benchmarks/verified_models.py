"""Model directories that a page is about: made where they are not finished, and what their verification counted."""

from __future__ import annotations

import json
from pathlib import Path

from rescomp import stages
from rescomp.model_directory import REPORT
from rescomp.recipe import Recipe


def finish(recipe: Recipe, path: Path) -> None:
    """Train and verify a model where that is not done."""
    if not (path / REPORT).exists():
        stages.run(recipe, path, force=path.exists())


def counts_of(path: Path) -> tuple[int, int]:
    """(values compared, values that differ) of all evidence on a model."""
    evidence = json.loads((path / REPORT).read_bytes())["evidence"]
    return sum(each["compared"] for each in evidence), sum(each["mismatches"] for each in evidence)
