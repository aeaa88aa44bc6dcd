"""What verify asked the witnesses, as report.json keeps it: a part that somebody takes out of the evidence is missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from ..strict_documents import Part, Positive, Sha256
from ..validate.build import Build
from ..validate.registry import find_witness, parse_witnesses
from ..validate.witness import CompilingWitness, HeaderWitness
from .compared_sets import FILES, HEADER, STREAM, TEST, Set
from .exports import OWNED

STRESS: Mapping[str, tuple[Set, Set]] = {"quick": ("stress", "layers"), "full": ("stress full", "layers full")}
"""By mode of the stress set: whole runs, and single layers."""
NOTES: Mapping[Set, str] = {
    HEADER: "its header",
    FILES: "its files",
    STREAM: "the stream",
    "layers": "single layers",
    "layers full": "single layers",
    "stress": "the stress set",
    "stress full": "the stress full set",
}
"""How a note begins on what a witness could not be asked."""


@dataclass(frozen=True)
class VerifyRequest:
    """What a run of verify asks each witness beside its test vectors: see verification.verify."""

    stress: Literal["quick", "full"] | None
    samples: int | None
    stream_steps: int | None
    compare_files: bool
    firmware: str | None
    build: Build


class Question(Part):
    """What one run of verify asked one witness, and who answered.

    witness, build, files: as in Evidence. stress: which stress set. samples: how many sequences of each set, None for all. stream_steps: of
    the one long run, None for none. compare_files: whether the files at hand had to be those of a fresh export. answered: by set the
    variants that left evidence, but for sets on which a later run asked no less.
    """

    witness: str
    files: Mapping[str, Sha256]
    stress: Literal["off", "quick", "full"]
    compare_files: bool
    answered: Mapping[Set, tuple[str, ...]]
    samples: Positive | None = None
    stream_steps: Positive | None = None
    build: str = ""

    @model_serializer(mode="wrap")
    def _leave_out_what_was_not_asked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: part for name, part in handler(self).items() if part not in (None, "")}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.witness or len(parse_witnesses(self.witness)) != 1:
            raise ValueError(f"{self.witness!r} is not one witness")
        return self

    def due(self) -> Iterator[Set]:
        """The sets of which it leaves evidence, unless a note says that it could not be asked."""
        witness, _ = find_witness(self.witness)
        yield TEST
        yield from STRESS.get(self.stress, ())
        if self.stream_steps is not None:
            yield STREAM
        if isinstance(witness, HeaderWitness):
            yield HEADER
        exported = {*OWNED["onnx"], *OWNED["tflite"]}
        if self.compare_files and (isinstance(witness, CompilingWitness) or exported & self.files.keys()):
            yield FILES


def title_of(name: Set) -> str:
    """What a set is called in a sentence about a witness; header and files are its own."""
    return NOTES[name] if name in (HEADER, FILES) else f"the {name} set"


def is_noted(name: Set, notes: Iterable[str]) -> bool:
    """Whether a witness could not be asked for a set."""
    return name in NOTES and any(note.startswith(f"{NOTES[name]}:") for note in notes)
