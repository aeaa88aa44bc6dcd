"""report.json: what was compared, bound to the digests of the graph, of the vectors and of the files that it speaks of."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, Self, get_args

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from .. import __version__
from ..documents import parse_json
from ..errors import InputError
from ..graph.ir import IntegerModel
from ..graph.serialize import CONTRACT, digest
from ..manifest import ClassFigures
from ..model_directory import REPORT, ModelDirectory
from ..strict_documents import Count, Fraction, Part, Sha256, cause_of
from ..validate.registry import parse_witnesses
from .class_figures import class_figures
from .compared_sets import TEST, Set
from .coverage_summary import CoverageSummary, StreamSummary
from .evidence import Evidence, VectorSet
from .figures import Figures
from .golden_vectors import Vectors
from .questions import Question

REPORT_SCHEMA = 2
"""Version of report.json."""


class Accuracy(Part):
    """Fractions of the test vectors that are answered right."""

    integer: Fraction


class Report(Part):
    """report.json: the evidence there is for the model whose graph has this digest.

    questions: what each witness was asked; none of what a rescomp before them found. not_run: default witnesses left out, and why.
    evaluation: what `rescomp evaluate` found on the model's own data, None before it. by_class: what belongs to the accuracy, None in
    reports of earlier versions.
    """

    schema_: Literal[2] = Field(alias="schema")
    rescomp: str
    contract: Count
    graph_sha256: Sha256
    accuracy: Accuracy
    vectors: Mapping[Set, VectorSet]
    evidence: tuple[Evidence, ...]
    questions: tuple[Question, ...] = ()
    coverage: CoverageSummary = CoverageSummary()
    stream: StreamSummary | None = None
    not_run: tuple[str, ...] = ()
    evaluation: Figures | None = None
    by_class: ClassFigures | None = None

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_known(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: part for name, part in handler(self).items() if name not in ("evaluation", "questions", "by_class") or part}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.evaluation is not None and TEST in self.vectors and self.evaluation.vectors_sha256 != self.vectors[TEST].sha256:
            raise ValueError("it was evaluated on other vectors than it was verified on")
        for line in self.not_run:
            parse_witnesses(line.partition(": ")[0])
        seen = set()
        for entry in self.evidence:
            key = (*entry.key, entry.sampled, entry.steps)
            if key in seen:
                raise ValueError(f"{entry.who} is there twice on the set {entry.set!r}")
            seen.add(key)
            if entry.on_vectors and entry.set not in self.vectors:
                raise ValueError(f"{entry.who} was compared on the set {entry.set!r}, of which there are no vectors")
            if entry.sampled is not None and not (entry.on_vectors and entry.sampled <= self.vectors[entry.set].sequences):
                raise ValueError(f"{entry.who} was compared on {entry.sampled} sequences, more than the set {entry.set!r} has")
        return self

    @classmethod
    def of(cls, model: IntegerModel, golden: Vectors, evidence: Iterable[Evidence], **parts: Any) -> Self:
        """A report on `model` by this rescomp; evidence is put in the order of sets, witnesses and variants. golden: its test vectors."""
        known: dict[str, Any] = {"schema": REPORT_SCHEMA, "rescomp": __version__, "contract": CONTRACT, "graph_sha256": digest(model)}
        known["by_class"] = class_figures(golden.confusion, model.class_names)
        return cls(**known, accuracy=Accuracy(integer=golden.accuracy), evidence=in_order(evidence), **parts)

    def not_seen(self, asked: Collection[str]) -> tuple[str, ...]:
        """A line for each thing that one of the witnesses `asked` could not be asked."""
        return tuple(f"{name}: {text}" for name, texts in sorted(self.coverage.not_seen.items()) if name in asked for text in texts)

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return self.model_dump(mode="json", by_alias=True)


def read_report(directory: ModelDirectory, model: IntegerModel) -> Report:
    """report.json, which must be of this model. Raises InputError for another model's, a damaged one, one of another version, or none."""
    path = directory.path / REPORT
    again = f"run `rescomp verify {directory.path}`"
    if not directory.has(REPORT):
        raise InputError(f"{directory.path} was not verified since it was made: {again} first")
    report = parse_report(directory.read(REPORT), f"{path}", again)
    for what, theirs, ours in (("contract", report.contract, CONTRACT), ("graph", report.graph_sha256, digest(model))):
        if theirs != ours:
            raise InputError(f"{path} is of another model ({what} {str(theirs)[:12]}, not {str(ours)[:12]}): {again} again")
    return report


def parse_report(data: bytes, name: str, again: str) -> Report:
    """A report from its bytes. name: what errors call it; again: how to make it anew. Raises InputError."""
    try:
        document = parse_json(data)
        schema = document["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{name} is damaged, or not rescomp's ({error}): {again} again") from error
    if schema != REPORT_SCHEMA or type(schema) is not int:
        older = "which does not say what model it is of" if schema == 1 else "of another rescomp"
        raise InputError(f"{name} has schema {schema!r}, {older}; this rescomp reads {REPORT_SCHEMA}: {again} again")
    try:
        return Report.model_validate_json(json.dumps(document))
    except (ValidationError, InputError) as error:
        raise InputError(f"{name} is damaged, or not rescomp's ({cause_of_refusal(error)}): {again} again") from error


def cause_of_refusal(error: ValidationError | InputError) -> str:
    """What is wrong with a report."""
    return str(error) if isinstance(error, InputError) else cause_of(error)


def in_order(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """By set, witness and variant: the order does not tell when each was found."""
    sets = get_args(Set)
    return tuple(sorted(evidence, key=lambda entry: (sets.index(entry.set), entry.witness, entry.variant, entry.build, entry.sampled or 0)))
