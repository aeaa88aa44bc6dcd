"""What report.json keeps of earlier runs of verify beside the newest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..errors import InputError
from ..graph.ir import IntegerModel
from ..model_directory import ModelDirectory
from ..validate.registry import find_witness
from .compared_sets import FILES, STREAM, TEST, Set
from .evidence import Evidence, is_of_vectors
from .questions import Question
from .report import Report, cause_of_refusal, in_order
from .witness_files import changed_files

Owner = tuple[str, ...]
"""Whose evidence something is."""


def merge(earlier: Report, now: Report, directory: ModelDirectory, model: IntegerModel) -> Report:
    """`now`, with the evidence of `earlier` on the same model that it does not replace and whose vectors and files are unchanged.

    New evidence of a witness on a set replaces its earlier evidence there; that of a sampled run replaces only sampled ones, that of a
    stream no longer one.
    """
    answered = _Answered.by(now.evidence)
    vectors = {name: entry for name, entry in earlier.vectors.items() if now.vectors.get(name, entry) == entry}
    kept = [
        entry
        for entry in earlier.evidence
        if not answered.replaces(_owner(entry), entry.set, entry.steps, whole=entry.sampled is None)
        and (entry.set in vectors or not entry.on_vectors)
        and not entry.changed_files(directory, model)
    ]
    coverage = now.coverage.after(earlier.coverage) if vectors == earlier.vectors else now.coverage
    coverage = coverage.model_copy(update={"not_seen": _not_seen(earlier, now)})
    steps = max((entry.steps or 0 for entry in (*now.evidence, *kept)), default=0)
    streams = [each for each in (now.stream, earlier.stream if STREAM in vectors else None) if each and each.steps == steps]
    stream = next(iter(streams), None)
    update: dict[str, Any] = {"evidence": in_order([*now.evidence, *kept]), "vectors": {**vectors, **now.vectors}}
    update |= {"coverage": coverage, "stream": stream}
    asked = [each for each in earlier.questions if not changed_files(each.witness, each.files, directory, model)]
    update["questions"] = in_order_of_witnesses([*now.questions, *(kept for each in asked for kept in answered.left_of(each, vectors))])
    parts: dict[str, Any] = {
        name: getattr(now, name) for name in ("rescomp", "contract", "graph_sha256", "accuracy", "by_class", "not_run")
    }
    update["evaluation"] = now.evaluation or (earlier.evaluation if TEST in vectors else None)
    try:
        return Report(schema=2, **parts, **update)
    except ValidationError as error:
        raise InputError(f"it does not go together with what was found now ({cause_of_refusal(error)})") from error


@dataclass(frozen=True)
class _Answered:
    """Of what a run found evidence. sets: whose, on which, and whether it replaces that of a whole run. longest: steps of a stream."""

    sets: frozenset[tuple[Owner, Set, bool]]
    longest: Mapping[Owner, int]

    @classmethod
    def by(cls, evidence: Sequence[Evidence]) -> _Answered:
        found = {(_owner(entry), entry.set, whole) for entry in evidence for whole in {False, entry.sampled is None}}
        return cls(frozenset(found), {_owner(entry): entry.steps for entry in evidence if entry.steps})

    def replaces(self, owner: Owner, name: Set, steps: int | None, *, whole: bool) -> bool:
        """Whether it takes the place of evidence on a set. steps: of a stream."""
        longer = steps is not None and steps > self.longest.get(owner, steps)
        return (owner, name, whole) in self.sets and not longer

    def left_of(self, question: Question, vectors: Collection[str]) -> Iterator[Question]:
        """An earlier question with the sets that still answer it; nothing where there is none. vectors: sets that are what they were."""
        left = {}
        for name, variants in question.answered.items():
            owner = _owner_of(question.witness, "" if name == FILES else question.build, question.files)
            steps = question.stream_steps if name == STREAM else None
            replaced = self.replaces(owner, name, steps, whole=question.samples is None)
            if not replaced and (name in vectors or not is_of_vectors(name)):
                left[name] = variants
        if left:
            yield question.model_copy(update={"answered": left})


def _owner(entry: Evidence) -> Owner:
    return _owner_of(entry.witness, entry.build, entry.files)


def _owner_of(witness: str, build: str, files: Mapping[str, str]) -> Owner:
    """Whose evidence it is: a witness's on one build, or that of a board with a known firmware, at whatever port it answers today."""
    found, _ = find_witness(witness)
    return (found.name, *sorted(files)) if found.is_board and files else (witness, build)


def in_order_of_witnesses(questions: Iterable[Question]) -> tuple[Question, ...]:
    """The order does not tell when each was asked."""
    return tuple(sorted(questions, key=lambda each: (each.witness, each.build, each.samples or 0, each.stress, each.stream_steps or 0)))


def _not_seen(earlier: Report, now: Report) -> dict[str, tuple[str, ...]]:
    """What witnesses were not asked, by name: of those asked now, and of the others as it was. A product's build adds to what is known."""
    asked = {entry.witness for entry in now.evidence if not entry.build}
    kept = {name: notes for name, notes in earlier.coverage.not_seen.items() if name not in asked}
    found = now.coverage.not_seen
    return {name: tuple(dict.fromkeys((*kept.get(name, ()), *found.get(name, ())))) for name in sorted({*kept, *found})}
