"""What verify asked and report.json has no evidence of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .compared_sets import FILES, STREAM, Set, serves_both
from .evidence import Evidence
from .questions import Question, is_noted, title_of
from .report import Report


def missing_parts(evidence: Sequence[Evidence], questions: Sequence[Question], report: Report) -> Iterator[str]:
    """A sentence for each part that a witness was asked for and that is not there. evidence, questions: those on the files at hand."""
    for question in questions:
        answered = {name for each in questions for name in each.answered if _is_of(question, name, each)}
        for name in question.due():
            if name not in answered and not is_noted(name, report.coverage.not_seen.get(question.witness, ())):
                yield _left_nothing(question.witness, name)
        for name, variants in question.answered.items():
            gone = [variant for variant in variants if not any(_answers(question, name, variant, entry) for entry in evidence)]
            if len(gone) == len(variants):
                yield _left_nothing(question.witness, name)
            else:
                yield from (_left_nothing(f"{question.witness} ({variant})", name) for variant in gone)


def unasked(evidence: Sequence[Evidence], questions: Sequence[Question]) -> list[tuple[str, str]]:
    """(witness, build) of evidence beside which no question stands: a rescomp before this one wrote the report."""
    asked = {(question.witness, question.build) for question in questions}
    return [who for who in dict.fromkeys((each.witness, each.build) for each in evidence if each.set != FILES) if who not in asked]


def describe_unasked(who: tuple[str, str]) -> str:
    """What that means."""
    witness, build = who
    return (
        f"{witness}{f' by {build}' if build else ''}: whether something was taken out of its evidence: report.json does not say what it "
        "was asked, as those of earlier versions; verify again"
    )


def _left_nothing(who: str, name: Set) -> str:
    return f"{who} left no evidence on {title_of(name)}, which verify asked it for: run verify again"


def _is_of(question: Question, name: Set, other: Question | Evidence) -> bool:
    """Whether what stands elsewhere on a set is of the witness that is questioned, and serves its build."""
    return other.witness == question.witness and serves_both(name, other.build, question.build)


def _answers(question: Question, name: Set, variant: str, entry: Evidence) -> bool:
    """Whether evidence is what a variant left of a set, or more."""
    whole = question.samples is not None or entry.sampled is None
    far = name != STREAM or (entry.steps or 0) >= (question.stream_steps or 0) or bool(entry.failures)
    return _is_of(question, name, entry) and whole and far and (entry.set, entry.variant) == (name, variant)
