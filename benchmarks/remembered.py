"""Answers that depend on their arguments alone and change no file, kept, so that a sweep of thousands of commands works out each once."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rescomp.graph.serialize import digest
from rescomp.model_directory import REPORT
from rescomp.stages import examination, exporting, flashing, verification
from rescomp.validate.witness import Job, Witness


@contextlib.contextmanager
def remembering() -> Iterator[None]:
    """In the stages: exports, vectors, their coverage, what witnesses answered to them and found in a stream, and a board's firmware."""
    question = examination.Examination.question

    def asked(self: examination.Examination, witness: Witness, argument: str) -> None:
        found, questions, not_seen = answers(self, witness, argument)
        self.found += found
        self.questions += questions
        for name, notes in not_seen.items():
            self.not_seen.setdefault(name, []).extend(notes)

    def answer(self: examination.Examination, witness: Witness, argument: str) -> tuple[list[Any], list[Any], dict[str, list[str]]]:
        alone = dataclasses.replace(self, found=[], questions=[], not_seen={})
        question(alone, witness, argument)
        return alone.found, alone.questions, alone.not_seen

    def about(self: examination.Examination, witness: Witness, argument: str) -> tuple[Any, ...]:
        vectors = tuple(map(_named, self.sets))
        return witness.name, argument, vectors, str(self.request), _of_folder(self.directory.path)

    def job(_board: Any, job: Job, exported: Path, _folder: Path) -> Any:
        return _board.name, digest(job.model), _of_folder(exported)

    def stream(model: Any, vectors: Any, asked: Any, sets: Any, *, sampled: bool) -> tuple[Any, ...]:
        return digest(model), vectors.sha256, asked.stream_steps, asked.stress, asked.samples, sampled, *map(_named, sets)

    answers = kept(answer, about)
    exporters = {name: kept(export, lambda model: digest(model)) for name, export in exporting._EXPORTERS.items()}
    with contextlib.ExitStack() as stack:
        for target, name, new in (
            (verification, "measure", kept(verification.measure, lambda model, sets: (digest(model), *(_named(each) for each in sets)))),
            (verification, "stress_sets", kept(verification.stress_sets, lambda model, mode: (digest(model), mode))),
            (verification, "_stream_set", kept(verification._stream_set, stream)),
            (examination.Examination, "question", asked),
            (exporting, "_EXPORTERS", exporters),
            (flashing, "build_board_firmware", _firmware(flashing.build_board_firmware, job)),
        ):
            stack.enter_context(patch.object(target, name, new))
        yield


def kept(function: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, worked out once for each key of its arguments."""
    known: dict[Any, Any] = {}

    def call(*arguments: Any, **options: Any) -> Any:
        about = key(*arguments, **options)
        if about not in known:
            known[about] = function(*arguments, **options)
        return known[about]

    return call


def _firmware(build: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
    """The same, of a function that leaves a file in a folder of the moment."""
    known: dict[Any, tuple[str, bytes, Any]] = {}

    def call(*arguments: Any) -> Any:
        about, folder = key(*arguments), arguments[-1]
        if about not in known:
            elf, fit = build(*arguments)
            known[about] = elf.name, elf.read_bytes(), fit
        name, data, fit = known[about]
        (folder / name).write_bytes(data)
        return folder / name, fit

    return call


def _named(each: Any) -> tuple[Any, ...]:
    return each.name, each.vectors.sha256, each.sampled, getattr(each, "asked", None)


def _of_folder(folder: Path) -> str:
    """Of every file but what verify and locks write."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in (REPORT, "SHA256SUMS", "summary.md") and not name.startswith("."):
            total.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
