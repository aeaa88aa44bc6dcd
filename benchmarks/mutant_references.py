"""What verify computes of a model and its recordings alone, computed once a process: no mutant changes either.

What is compared stays what it was. Beside that, verify ends at the first difference, which decides a mutant's fate, and does not look for
the layer that it comes from.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Self

from remembered import kept

from rescomp.model_directory import GRAPH, WEIGHTS, ModelDirectory
from rescomp.stages import examination, verification
from rescomp.stages.evidence import Evidence
from rescomp.stages.examination import Examination


class DifferenceError(Exception):
    """The first evidence that holds a mismatch."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence.failure)
        self.evidence = evidence


class _UntilOneDiffers(list[Evidence]):
    """Raises DifferenceError instead of going on."""

    def __iadd__(self, more: Iterable[Evidence]) -> Self:  # type: ignore[override, misc]  # as Examination adds to it
        for evidence in more:
            self.append(evidence)
            if evidence.mismatches:
                raise DifferenceError(evidence)
        return self


def keep_references() -> None:
    """Change verify in this process, and in its forks, as said above."""
    verification.read_model = kept(verification.read_model, _files)
    verification.read_vectors = kept(verification.read_vectors, lambda _, model: id(model))
    verification.evaluate = kept(verification.evaluate, lambda model, *_: id(model))
    verification.stress_sets = kept(verification.stress_sets, lambda model, mode: (id(model), mode))
    verification.measure = kept(verification.measure, lambda model, sets: (id(model), *((each.name, each.sampled) for each in sets)))
    verification.Examination = lambda *arguments: Examination(*arguments, found=_UntilOneDiffers())  # type: ignore[misc, assignment]
    examination._locate = lambda *_: (None, "")


def _files(directory: ModelDirectory) -> Hashable:
    return tuple((directory.path / name).read_bytes() for name in (GRAPH, WEIGHTS))
