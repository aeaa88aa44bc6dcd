"""What evidence owes: how many values each entry compares of its set, and by what digest the set is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from ..errors import counted
from ..graph.ir import IntegerModel
from ..validate.compare import expected_count
from ..validate.registry import find_witness
from ..validate.witness import Job
from .compared_sets import STREAM, Set
from .evidence import Evidence, VectorSet
from .golden_vectors import Vectors
from .report import Report
from .stream_proof import LongRunSet
from .vector_sets import SequenceSet, golden_set, whole_runs


@dataclass(frozen=True, eq=False)
class Owed:
    """Made anew from the graph and the golden vectors. sets: of whole runs, by name; named: all that are made, single layers are not."""

    model: IntegerModel
    path: Path
    sets: Mapping[Set, SequenceSet]
    named: Mapping[Set, VectorSet]

    @classmethod
    def of(cls, model: IntegerModel, path: Path, vectors: Vectors, report: Report) -> Self:
        """For the sets of a report."""
        golden = golden_set(vectors)
        made = [golden, *(each for name in report.vectors if (each := whole_runs(model, name)) is not None)]
        named = {each.name: each.vectors for each in made}
        if STREAM in report.vectors and model.is_recurrent:
            named[STREAM] = LongRunSet.of(model, vectors, 1, 0).vectors
        return cls(model, path, {each.name: each for each in made}, named)

    def false_of(self, report: Report) -> Iterator[str]:
        """What a report tells of its sets and is not so, as the end of a sentence. One without any evidence proves nothing anyway."""
        for name, vectors in report.vectors.items():
            if (name in self.sets or name == STREAM) and self.named.get(name) != vectors:
                yield f"another {name} set than is made of the graph and the golden vectors"
        told = report.stream if report.evidence else None
        steps = max((entry.steps or 0 for entry in report.evidence), default=0)
        if told is not None and (told.steps, told.values, told.states) != (steps, *(steps * each for each in self._values_of_a_step)):
            yield f"{counted(told.values, 'value')} in {counted(told.steps, 'step')} of the stream, and {counted(steps, 'step')} were run"

    def values(self, entry: Evidence) -> int | None:
        """How many an entry compares, no more and no less; None where that is not known: of single layers, files and headers."""
        decisions = find_witness(entry.witness)[0].takes_decisions(entry.variant)
        if entry.steps is not None:
            return entry.steps * self._of_a_step(decisions=decisions)
        if entry.set not in self.sets:
            return None
        return expected_count(self.sets[entry.set].take(entry.sampled).job(self.model, self.path, ""), decisions=decisions)

    @property
    def _values_of_a_step(self) -> tuple[int, int]:
        """What the layers of the step make, and the states among it."""
        if not self.model.is_recurrent:
            return 0, 0
        step, types = self.model.graphs["step"], self.model.graphs["step"].types()
        made = [name for node in step.nodes for name in node.outputs]
        return sum(types[name].size for name in made), sum(types[name].size for name in made if name in step.state.values())

    def _of_a_step(self, *, decisions: bool) -> int:
        x, steps = self.sets["test"].x[:1], np.ones(1, np.int64)
        return expected_count(Job(self.model, self.path, x, steps, every_score=self.model.is_recurrent), decisions=decisions)
