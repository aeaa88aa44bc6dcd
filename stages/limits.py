"""What a model may take, and must reach: limits that a user keeps in a TOML file, and the sizes of an earlier version beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..documents import MOST_DOCUMENT_BYTES, is_count, parse_json, parse_toml
from ..errors import InputError, nearest
from ..store import read_file
from ..targets.cores import find_core
from ..validate.host_c import HostC
from ..validate.registry import parse_witnesses
from .class_figures import CLASS_FIGURES
from .figures import FIGURES
from .perturbations import PERTURBATIONS
from .wake_words import WORD_FIGURES

MODEL_SIZES: Sequence[str] = ("const_bytes", "ram_bytes")
"""Of a model wherever it runs: constants; what is kept of a stream."""
CORE_SIZES: Sequence[str] = ("flash_bytes", "ram_bytes")
"""Of a model on a core: code and constants; what is kept of a stream, and stack."""
INSTRUCTIONS = "instructions"
"""Of a model on a core: those of a step, with a policy of streams of the dearest reading; on an AVR cycles."""
CORE_FIGURES: Sequence[str] = (*CORE_SIZES, INSTRUCTIONS)
_PARTS: Mapping[str, Sequence[str]] = {"flash": ("code", "weights", "tables"), "ram": ("state", "arena", "scratch")}
"""What `rescomp profile --json` tells of a core's memories."""

REACHED: Sequence[str] = ("accuracy", *CLASS_FIGURES, *FIGURES, *PERTURBATIONS)
"""Shares of right answers, of the golden vectors alone, in streams and perturbed: see evaluation.Evaluation."""
SizeKey = tuple[str, str]
"""A core's name, or nothing for the model wherever it runs, and what is measured."""


@dataclass(frozen=True)
class Limits:
    """most: of each size in bytes, and of instructions. growth: what it may exceed the baseline by.

    witnesses: that verify must have asked.

    sampled: whether a witness may have been asked for some of the test set only (`verify --samples`). stream_steps: that each of the
    witnesses, or c where none is named, must have run without a reset.
    least: of each figure of REACHED. most_of_words: of each figure of WORD_FIGURES.
    """

    most: Mapping[SizeKey, int] = field(default_factory=dict)
    growth: Mapping[SizeKey, int] = field(default_factory=dict)
    witnesses: Sequence[str] = ()
    sampled: bool = False
    least: Mapping[str, float] = field(default_factory=dict)
    most_of_words: Mapping[str, float] = field(default_factory=dict)
    stream_steps: int = 0

    @property
    def cores(self) -> list[str]:
        """That must be measured, in the order in which they are named."""
        return list(dict.fromkeys(core for core, _ in (*self.most, *self.growth) if core))


def read_limits(path: Path) -> Limits:
    """The limits in a TOML file. Raises InputError for a key that means nothing, with the nearest one, and where nothing is demanded."""
    try:
        document = parse_toml(_read(path))
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error
    _check_keys(path, "", document, ("limits", "growth", "parity", "evaluation", "wake_words"))
    for section, table in document.items():
        _check_demands(path, section, table)
    parity = document.get("parity", {})
    _check_keys(path, "parity", parity, ("witnesses", "sampled", "stream_steps"))
    sampled = parity.get("sampled", False)
    if type(sampled) is not bool:
        raise InputError(f"{path}: parity.sampled = {sampled!r} is neither true nor false")
    steps = parity.get("stream_steps", 0)
    if not is_count(steps, 1 if "stream_steps" in parity else 0):
        raise InputError(f"{path}: parity.stream_steps = {steps!r:.40} is no number of steps: a whole number from 1 on is wanted")
    most, growth = _sizes(path, "limits", document), _sizes(path, "growth", document)
    figures = _least(path, document.get("evaluation", {})), _most_of_words(path, document.get("wake_words", {}))
    limits = Limits(most, growth, _witnesses(path, parity), sampled, *figures, steps)
    if not any((limits.most, limits.growth, limits.witnesses, *figures, steps)):
        more = "witnesses in [parity], or figures in [evaluation] or [wake_words]"
        raise InputError(f"{path} demands nothing: name sizes in [limits] or [growth], {more}")
    return limits


def _check_demands(path: Path, name: str, table: Any) -> None:
    """Raise InputError for a section that is empty: whoever wrote it believes that it guards something."""
    if table == {}:
        raise InputError(f"{path}: [{name}] demands nothing: give it a key, or leave it out")
    for key, entry in table.items() if isinstance(table, dict) else ():
        _check_demands(path, f"{name}.{key}", entry)


def _witnesses(path: Path, parity: Mapping[str, Any]) -> tuple[str, ...]:
    """As --against takes them."""
    names = parity.get("witnesses", [HostC.name])
    if not isinstance(names, list) or not all(isinstance(name, str) and "," not in name for name in names):
        raise InputError(f"{path}: parity.witnesses is a list of names as --against takes them")
    if not names:
        raise InputError(f"{path}: parity.witnesses demands nothing: name one, or leave it out")
    try:
        pairs = [pair for name in names for pair in parse_witnesses(name)]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return tuple(f"{name}:{argument}" if argument else name for name, argument in pairs) if "witnesses" in parity else ()


def _least(path: Path, table: Any) -> dict[str, float]:
    """The figures of [evaluation]."""
    _check_keys(path, "evaluation", table, REACHED)
    for name, value in table.items():
        if type(value) not in (int, float) or not 0 <= value <= 1:
            raise InputError(f"{path}: evaluation.{name} = {value!r} is no share of right answers: a number from 0 to 1 is wanted")
    return {name: float(value) for name, value in table.items()}


def _most_of_words(path: Path, table: Any) -> dict[str, float]:
    """The figures of [wake_words]."""
    _check_keys(path, "wake_words", table, tuple(WORD_FIGURES))
    for name, value in table.items():
        most, what = (1, "share: a number from 0 to 1") if name == "rejected" else (math.inf, "limit: a number from 0 on")
        if type(value) not in (int, float) or not 0 <= value <= most or value == math.inf:
            raise InputError(f"{path}: wake_words.{name} = {value!r:.40} is no {what} is wanted")
    return {name: float(value) for name, value in table.items()}


def read_baseline(path: Path) -> dict[SizeKey, int]:
    """The sizes in a document that `rescomp check --json` printed. Raises InputError."""
    document = read_document(path, "rescomp check --json")
    try:
        sizes = {("", name): _count(document[name]) for name in MODEL_SIZES}
        for core, entry in document["cores"].items():
            known = CORE_SIZES if INSTRUCTIONS not in entry else CORE_FIGURES  # which an earlier version did not print
            sizes |= {(core, name): _count(entry[name]) for name in known}
        return sizes
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no document of `rescomp check --json`: make it again with that") from error


def read_profile(path: Path, graph_sha256: str) -> dict[SizeKey, int]:
    """The sizes of each core in a document that `rescomp profile --json` printed of the model with this digest. Raises InputError."""
    document = read_document(path, "rescomp profile --json")
    try:
        if document["graph_sha256"] != graph_sha256:
            said = f"{str(document['graph_sha256'])[:12]!r}, not {graph_sha256[:12]!r}"
            raise InputError(f"{path} is of another model (graph {said}): make it again with `rescomp profile --json`")
        return {size: value for core in document["cores"] for size, value in core_sizes(core).items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no document of `rescomp profile --json`: make it again with that") from error


def core_sizes(core: Mapping[str, Any]) -> dict[SizeKey, int]:
    """Of one core in a document of `rescomp profile --json`."""
    flash, ram = (sum(_count(core[part][name]) for name in names) for part, names in _PARTS.items())
    for around in ("stream", "sound"):
        ram = _count(core[around]["bytes"]) if around in core else ram
    steps = _count(core["stream"]["count"] if "stream" in core else core["count"])
    return dict(zip(((core["core"], name) for name in CORE_FIGURES), (flash, ram + _count(core["stack"]), steps), strict=True))


def read_document(path: Path, command: str) -> Any:
    """A JSON document of schema 1. Raises InputError naming the command that prints it."""
    try:
        document = parse_json(_read(path))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}): make it with `{command}`") from error
    if not isinstance(document, dict) or document.get("schema") != 1:
        raise InputError(f"{path} is no document of `{command}`, or of another version: make it again with that")
    return document


def _count(value: Any) -> int:
    """A count of bytes as JSON writes it. Raises TypeError for text, fractions and NaN, which int() would take or overflow on."""
    if not is_count(value):
        raise TypeError(f"{value!r} is no count of bytes")
    return int(value)


def _sizes(path: Path, section: str, document: Mapping[str, Any]) -> dict[SizeKey, int]:
    table = document.get(section, {})
    cores = {key: entry for key, entry in table.items() if isinstance(entry, dict)} if isinstance(table, dict) else {}
    for core in cores:
        _check_core(path, core)
    plain = {key: entry for key, entry in table.items() if key not in cores} if isinstance(table, dict) else table
    found = {}
    for core, name, entries, known in (
        ("", section, plain, MODEL_SIZES),
        *((c, f"{section}.{c}", e, CORE_FIGURES) for c, e in cores.items()),
    ):
        _check_keys(path, name, entries, known)
        for key, value in entries.items():
            if not is_count(value):
                raise InputError(f"{path}: {name}.{key} = {value!r:.40} is no count: a whole number is wanted")
            found[core, key] = value
    return found


def _check_core(path: Path, core: str) -> None:
    try:
        find_core(core)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _check_keys(path: Path, section: str, table: Any, known: Sequence[str]) -> None:
    if not isinstance(table, dict):
        raise InputError(f"{path}: {section} is a section with keys ({', '.join(known)})")
    for key in table:
        if key not in known:
            name = f"{section}.{key}" if section else key
            raise InputError(f"{path}: unknown key {name!r}; the nearest one is {nearest(key, known)!r} (of {', '.join(known)})")


def _read(path: Path) -> bytes:
    try:
        return read_file(path, MOST_DOCUMENT_BYTES)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
