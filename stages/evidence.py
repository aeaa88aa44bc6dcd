"""report.json: what was compared, bound to the digests of the graph, of the vectors and of the files that it speaks of."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self, get_args

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from .. import __version__
from ..documents import parse_json
from ..errors import InputError, counted
from ..graph.events import KINDS
from ..graph.ir import IntegerModel
from ..graph.serialize import CONTRACT, digest
from ..model_directory import REPORT, ModelDirectory
from ..strict_documents import Count, Fraction, Part, Positive, Sha256, cause_of
from ..validate.registry import find_witness, parse_witnesses
from ..validate.witness import CompilingWitness
from .compared_sets import FILES, HEADER, STREAM, TEST, Set
from .fault_summary import FaultSummary
from .figures import Figures
from .questions import Question
from .witness_files import changed_files

SCHEMA = 2
"""Version of report.json."""


def is_of_vectors(name: Set) -> bool:
    """Whether a set is one of vectors."""
    return name not in (FILES, HEADER)


class Accuracy(Part):
    """Fractions of the test vectors that are answered right."""

    integer: Fraction


class VectorSet(Part):
    """A set of vectors: its digest (artefacts.hash_arrays) and how many sequences it has."""

    sha256: Sha256
    sequences: Count


class Evidence(Part):
    """One variant of one witness on one set: how many values were compared with the reference, and how many differ.

    witness: `name[:argument]` as --against takes it. version: of the software behind it. rescomp: of the one that compared. sampled: how
    many sequences of the set, None for all. steps: of a stream, how many. failure: a sentence on the first value that differs, fault: its
    layer. build: a product's own compiler and flags, beside which rescomp's evidence stays. files: SHA-256 by name of the files of the
    model directory that the witness read; none for a board, which is asked for the graph that it runs.
    """

    witness: str
    variant: str
    version: str
    set: Set
    compared: Count
    mismatches: Count
    files: Mapping[str, Sha256]
    sampled: Positive | None = None
    steps: Positive | None = None
    failure: str | None = None
    fault: FaultSummary | None = None
    rescomp: str = __version__
    build: str = ""

    @model_serializer(mode="wrap")
    def _leave_out_no_fault(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: part for name, part in handler(self).items() if name != "fault" or part is not None}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.mismatches > self.compared:
            raise ValueError(f"{self.who} has {self.mismatches} mismatches in {counted(self.compared, 'value')}")
        if self.fault is not None and not self.mismatches:
            raise ValueError(f"{self.who} has a fault where nothing differs")
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or str(path) != name:
                raise ValueError(f"{name!r} is no name of a file in a model directory")
        if (self.set == STREAM) != (self.steps is not None):
            raise ValueError(f"{self.who} on the set {self.set!r} has {self.steps} steps")
        if not self.witness or len(parse_witnesses(self.witness)) != 1:
            raise ValueError(f"{self.witness!r} is not one witness")
        witness, argument = find_witness(self.witness)
        if isinstance(witness, CompilingWitness):
            witness.folder(argument, Path())  # of a core that there is
        if not self.files and not self.witness.startswith("serial:"):
            raise ValueError(f"{self.who} names no file that was read")
        return self

    @property
    def who(self) -> str:
        """Witness and variant."""
        return f"{self.witness} ({self.variant}{', by --cc and --cflags' if self.build else ''})"

    @property
    def key(self) -> tuple[str, ...]:
        """What tells evidence apart, but for how much of its set was run."""
        return self.witness, self.build, self.variant, self.set

    @property
    def on_vectors(self) -> bool:
        """Whether it is of a set of vectors."""
        return is_of_vectors(self.set)

    @property
    def failures(self) -> list[str]:
        """A sentence, if anything differs."""
        if not self.mismatches and self.failure is None:
            return []
        return [self.failure or f"{self.who} differs in {self.mismatches:,} of {counted(self.compared, 'value')}"]

    def changed_files(self, directory: ModelDirectory, model: IntegerModel) -> list[str]:
        """Names of the files that are not what they were when they were compared."""
        return changed_files(self.witness, self.files, directory, model)

    def as_row(self) -> dict[str, Any]:
        """What documents for people and other programs say of it."""
        counts = {"compared": self.compared, "mismatches": self.mismatches}
        who = {"name": self.witness, "variant": self.variant, "build": self.build, "version": self.version}
        return {**who, "set": self.set, "sampled": self.sampled, "steps": self.steps, **counts}


class Reach(Part):
    """Of one kind of places how many the vectors reach, and how many there are: see validate.coverage.Count."""

    reached: Count
    in_model: Count
    reachable: Count
    places: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not max(self.reached, self.in_model) <= self.reachable <= self.places:
            raise ValueError("more is reached than can be, or more can be than there is")
        return self


class CoverageSummary(Part):
    """What each set reaches, together with those before it, by kind (and "total"). Empty: of a set that was not run.

    not_seen: by witness `name[:argument]`, what of the sets it cannot be asked, and why.
    """

    test: Mapping[str, Reach] = {}
    stress: Mapping[str, Reach] = {}
    layers: Mapping[str, Reach] = {}
    not_seen: Mapping[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for kinds in self.sets:
            if unknown := kinds.keys() - {*KINDS, "total"}:
                raise ValueError(f"{min(unknown)!r} is no kind of places")
        for witness in self.not_seen:
            parse_witnesses(witness)
        return self

    @property
    def sets(self) -> list[Mapping[str, Reach]]:
        """Of the sets that were run, in this order."""
        return [kinds for kinds in (self.test, self.stress, self.layers) if kinds]

    @model_serializer(mode="wrap")
    def _leave_out_what_was_not_run(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: part for name, part in handler(self).items() if part or name == "not_seen"}

    def after(self, earlier: CoverageSummary) -> CoverageSummary:
        """With what `earlier` says of sets that are not here."""
        kept = {name: getattr(self, name) or getattr(earlier, name) for name in ("test", "stress", "layers")}
        return CoverageSummary(**kept, not_seen=self.not_seen)


class StreamSummary(Part):
    """What numpy saw in the longest stream that there is evidence of: steps, the values that the step's layers made of them, and how many
    of these lie at an end of their format, by kind (graph.events); the states among them.
    """

    steps: Count
    values: Count
    at_ends: Mapping[str, Count]
    states: Count
    states_at_ends: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        if unknown := self.at_ends.keys() - KINDS.keys():
            raise ValueError(f"{min(unknown)!r} is no kind of places")
        if sum(self.at_ends.values()) > self.values or self.states_at_ends > self.states or self.states > self.values:
            raise ValueError("more values lie at an end than there are")
        return self


class Report(Part):
    """report.json: the evidence there is for the model whose graph has this digest.

    questions: what each witness was asked; none of what a rescomp before them found. not_run: default witnesses left out, and why.
    evaluation: what `rescomp evaluate` found on the model's own data, None before it.
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

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_known(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: part for name, part in handler(self).items() if name not in ("evaluation", "questions") or part}

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
    def of(cls, model: IntegerModel, accuracy: float, evidence: Iterable[Evidence], **parts: Any) -> Self:
        """A report on `model` by this rescomp; evidence is put in the order of sets, witnesses and variants."""
        known: dict[str, Any] = {"schema": SCHEMA, "rescomp": __version__, "contract": CONTRACT, "graph_sha256": digest(model)}
        return cls(**known, accuracy=Accuracy(integer=accuracy), evidence=in_order(evidence), **parts)

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
    if schema != SCHEMA or type(schema) is not int:
        older = "which does not say what model it is of" if schema == 1 else "of another rescomp"
        raise InputError(f"{name} has schema {schema!r}, {older}; this rescomp reads {SCHEMA}: {again} again")
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
