"""Evidence: how many values of a set one variant of a witness was compared on and how many differ, bound to the files that it read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from .. import __version__
from ..errors import counted
from ..graph.ir import IntegerModel
from ..model_directory import ModelDirectory
from ..strict_documents import Count, Part, Positive, Sha256
from ..validate.registry import find_witness, parse_witnesses
from ..validate.witness import CompilingWitness
from .compared_sets import FILES, HEADER, STREAM, Set
from .fault_summary import FaultSummary
from .witness_files import changed_files


def is_of_vectors(name: Set) -> bool:
    """Whether a set is one of vectors."""
    return name not in (FILES, HEADER)


class VectorSet(Part):
    """A set of vectors: its digest (golden_vectors.hash_arrays) and how many sequences it has."""

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
        if not self.files and not witness.is_board:
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
