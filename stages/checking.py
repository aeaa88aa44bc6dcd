"""check: for continuous integration: what verify found, and sizes against limits and against an earlier version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BudgetError, InputError, ParityError, counted
from ..graph.ir import IntegerModel
from ..model_directory import REPORT, VECTORS, ModelDirectory
from .artefacts import Vectors, read_model, read_vectors
from .compared_sets import TEST
from .evidence import Evidence, Report, VectorSet, read_report
from .exports import check_exports, exports_at_hand
from .figures import STREAMED, Figures
from .inspection import inspect_model
from .left_by_c import missing_of_c
from .limits import CORE_SIZES, MODEL_SIZES, Limits, SizeKey, core_sizes, read_baseline, read_limits, read_profile
from .listener import Listener
from .missing_parts import describe_unasked, missing_parts, unasked
from .owed import Owed
from .perturbations import PERTURBATIONS, TITLES
from .profiling import profile
from .questions import Question
from .witness_files import changed_files

_WHAT: Mapping[str, str] = {"const_bytes": "constants", "ram_bytes": "RAM", "flash_bytes": "flash"}


@dataclass(frozen=True)
class Measure:
    """One size in bytes. core: its name, or nothing. limit: at most; baseline: before; growth: at most past that. None: not given."""

    core: str
    name: str
    value: int
    limit: int | None = None
    baseline: int | None = None
    growth: int | None = None

    @property
    def what(self) -> str:
        """As a person would call it."""
        return f"{_WHAT[self.name]} on {self.core}" if self.core else _WHAT[self.name]

    @property
    def difference(self) -> int | None:
        """To the baseline."""
        return None if self.baseline is None else self.value - self.baseline

    @property
    def failures(self) -> list[str]:
        """A sentence for each limit that it is past, and by how much."""
        found = []
        if self.limit is not None and self.value > self.limit:
            found.append(f"{self.what}: {counted(self.value, 'byte')}, {self.value - self.limit:,} past the limit of {self.limit:,}")
        if self.growth is not None and self.difference is not None and self.difference > self.growth:
            past = self.difference - self.growth
            found.append(
                f"{self.what}: {counted(self.value, 'byte')}, {self.difference:,} more than before, {past:,} past the growth of "
                f"{self.growth:,}"
            )
        return found


@dataclass(frozen=True)
class Reached:
    """A share of right answers that has a limit. least: at least."""

    name: str
    value: float
    least: float

    @property
    def what(self) -> str:
        """As a person would call it."""
        if self.name in PERTURBATIONS:
            return f"accuracy under {TITLES[self.name]}"
        return "accuracy" if self.name == "accuracy" else f"accuracy ({self.name})"

    @property
    def failures(self) -> list[str]:
        """A sentence if it is below its limit, and by how much."""
        short = f"{self.what}: {self.value:.2%}, {100 * (self.least - self.value):.2f} points short of the limit of {self.least:.2%}"
        return [short] if self.value < self.least else []


@dataclass(frozen=True)
class Check:
    """What check found. witnesses: evidence on the files at hand. mismatch_failures, size_failures: a sentence each.

    not_compared: exports at hand of which there is no evidence. not_seen: what the witnesses could not be asked, a line each.
    reached: the figures that the limits name.
    """

    name: str
    graph_sha256: str
    accuracy: float
    witnesses: tuple[Evidence, ...]
    measures: tuple[Measure, ...]
    mismatch_failures: tuple[str, ...]
    not_compared: tuple[str, ...] = ()
    not_seen: tuple[str, ...] = ()
    reached: tuple[Reached, ...] = ()

    @property
    def size_failures(self) -> tuple[str, ...]:
        """Limits that were passed, and those that were not reached."""
        passed = (failure for measure in self.measures for failure in measure.failures)
        return *passed, *(failure for figure in self.reached for failure in figure.failures)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.mismatch_failures and not self.size_failures

    @property
    def compared(self) -> int:
        """Values compared by all witnesses together."""
        return sum(witness.compared for witness in self.witnesses if witness.on_vectors)

    @property
    def mismatches(self) -> int:
        """Values that differ, of all witnesses together."""
        return sum(witness.mismatches for witness in self.witnesses if witness.on_vectors)

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp check --json`, which --baseline reads."""
        sizes = {(measure.core, measure.name): measure.value for measure in self.measures}
        cores = list(dict.fromkeys(measure.core for measure in self.measures if measure.core))
        return {
            "schema": 1,
            "model": self.name,
            "graph_sha256": self.graph_sha256,
            "accuracy": {"integer": self.accuracy},
            "reached": {each.name: {"value": each.value, "least": each.least} for each in self.reached},
            **{name: sizes["", name] for name in MODEL_SIZES},
            "cores": {core: {name: sizes[core, name] for name in CORE_SIZES} for core in cores},
            "compared": self.compared,
            "mismatches": self.mismatches,
            "witnesses": [witness.as_row() for witness in self.witnesses],
            "not_compared": list(self.not_compared),
            "not_seen": list(self.not_seen),
            "failures": [*self.mismatch_failures, *self.size_failures],
            "passed": self.passed,
        }

    def as_markdown(self) -> str:
        """A summary for people: the verdict, sizes with their differences, and the witnesses."""
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"## {self.name}: {verdict}", ""]
        lines += [f"- {failure}" for failure in (*self.mismatch_failures, *self.size_failures)]
        lines += [""] if not self.passed else []
        lines += ["| bytes | now | before | difference | limit |", "|---|---:|---:|---:|---:|"]
        for each in self.measures:
            difference = "" if each.difference is None else f"{each.difference:+,}"
            lines.append(f"| {each.what} | {each.value:,} | {_count(each.baseline)} | {difference} | {_count(each.limit)} |")
        if self.reached:
            lines += ["", "| right | now | at least |", "|---|---:|---:|"]
            lines += [f"| {each.what} | {each.value:.2%} | {each.least:.2%} |" for each in self.reached]
        lines += ["", "| witness | set | version | values compared | differing |", "|---|---|---|---:|---:|"]
        for witness in self.witnesses:
            of = f"{witness.set}, {counted(witness.steps, 'step')}" if witness.steps else witness.set
            lines.append(f"| {_escaped(witness.who)} | {of} | {witness.version} | {witness.compared:,} | {witness.mismatches:,} |")
        lines += [f"\nNot compared: {', '.join(self.not_compared)}."] if self.not_compared else []
        lines += ["", *(f"- not seen: {_escaped(line)}" for line in self.not_seen)] if self.not_seen else []
        lines += ["", f"Accuracy on the test set: {self.accuracy:.2%}. Graph: `{self.graph_sha256[:16]}`.", ""]
        return "\n".join(lines)

    def raise_failures(self) -> None:
        """Raise ParityError for a mismatch, BudgetError for a limit that was passed, with the first of them."""
        for failures, kind in ((self.mismatch_failures, ParityError), (self.size_failures, BudgetError)):
            if failures:
                others = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
                raise kind(failures[0] + others)


def check(
    path: Path,
    *,
    limits: Path | None = None,
    baseline: Path | None = None,
    profile_document: Path | None = None,
    cores: Sequence[str] = (),
    prefer: str = "speed",
    listener: Listener | None = None,
) -> Check:
    """Hold what verify found in directory `path`, and the model's sizes, against `limits` (TOML) and `baseline` (of an earlier check).

    cores: measured beside those that the limits name; under emulation, or read from `profile_document` (of `rescomp profile --json`).
    Nothing in the directory changes, and nothing is raised for a model that fails: see Check.raise_failures. Raises InputError for
    a directory that was not verified since it was exported, for damaged documents, and for limits that nothing measures.
    """
    wanted = read_limits(limits) if limits else Limits()
    before = read_baseline(baseline) if baseline else {}
    if wanted.growth and not baseline:
        raise InputError(f"{limits} limits growth: give the sizes to compare with as --baseline (made by `rescomp check --json`)")
    directory = ModelDirectory.open(path)
    with directory.unchanging():
        model = read_model(directory)
        report = read_report(directory, model)
        vectors = read_vectors(directory, model)
        owed = Owed.of(model, path, vectors, report)
        evidence, questions = _current(directory, model, report, vectors, owed)
        check_exports(directory, model)
        at_hand = exports_at_hand(directory)
        continuous = directory.manifest().data.test_streams_sha256 is not None
    inspection = inspect_model(model)
    sizes = {("", "const_bytes"): inspection.bytes["model"], ("", "ram_bytes"): inspection.ram}
    cores = list(dict.fromkeys((*wanted.cores, *cores)))
    if profile_document:
        sizes |= _read_cores(profile_document, report.graph_sha256, cores)
    else:
        sizes |= _measure_cores(path, cores, prefer, listener)
    for size in wanted.growth:
        if size not in before:
            raise InputError(f"{baseline} does not hold {' '.join(filter(None, size))}, whose growth is limited: make it again")
    measures = tuple(Measure(*size, sizes[size], wanted.most.get(size), before.get(size), wanted.growth.get(size)) for size in sizes)
    older = unasked(evidence, questions)
    missing = *missing_parts(evidence, questions, report), *missing_of_c(evidence, report, older, recurrent=model.is_recurrent)
    failures = (*_mismatches(evidence, owed, wanted), *missing)
    read = {name for entry in evidence for name in entry.files}
    not_compared = tuple(place for place, names in at_hand.items() if not read & set(names))
    not_seen = *report.not_seen({entry.witness for entry in evidence}), *map(describe_unasked, older)
    reached = tuple(_reached(path, model, report, wanted, continuous=continuous))
    known = model.name, report.graph_sha256, report.accuracy.integer
    return Check(*known, evidence, measures, failures, not_compared, not_seen, reached)


def _reached(path: Path, model: IntegerModel, report: Report, wanted: Limits, *, continuous: bool) -> Iterator[Reached]:
    """The figures that have limits. continuous: whether the model's own data hold continuous recordings.

    Raises InputError for a figure that was not asked, or cannot be.
    """
    for name, least in wanted.least.items():
        figures = report.evaluation
        value = report.accuracy.integer if name == "accuracy" else None if figures is None else figures.find(name)
        if value is None:
            raise InputError(f"evaluation.{name} has a limit, and {_why_not_known(path, name, model, figures)}")
        streamed = figures.streamed if figures is not None and name in STREAMED else None
        if continuous and streamed is not None and streamed.of == "in a row":
            raise InputError(
                f"evaluation.{name} has a limit, {path / REPORT} tells it of single recordings in a row, and the model's data hold "
                f"continuous ones: run `rescomp evaluate {path} --stream` where they can be read"
            )
        yield Reached(name, value, least)


def _why_not_known(path: Path, name: str, model: IntegerModel, figures: Figures | None) -> str:
    """Why report.json does not tell a figure, and what to do."""
    leave = f"leave evaluation.{name} out of the limits"
    if name not in PERTURBATIONS and not model.is_recurrent:
        return f"{model.name} keeps no state from one input to the next, so that there is none: {leave}"
    if name == "settled" and figures is not None and figures.streamed is not None:
        return f"no step of the streams that it was evaluated on is settled: {leave}, and limit streamed or ends"
    option = " --perturb" if name in PERTURBATIONS else "" if name == "corner" else " --stream"
    again = f"run `rescomp evaluate {path}{option}` first, or {leave} where that says that it cannot be asked"
    return f"{path / REPORT} does not tell it: {again}"


def _current(
    directory: ModelDirectory, model: IntegerModel, report: Report, vectors: Vectors, owed: Owed
) -> tuple[tuple[Evidence, ...], tuple[Question, ...]]:
    """The evidence on the vectors and the files at hand, and the questions that it answers. Raises InputError where one of them is not
    what was compared.
    """
    again = f"run `rescomp verify {directory.path}` again"
    if report.vectors.get(TEST) != VectorSet(sha256=vectors.sha256, sequences=len(vectors.x)):
        raise InputError(f"{directory.path / VECTORS} is not what was compared: {again}")
    if report.accuracy.integer != vectors.accuracy:
        said = f"{directory.path / REPORT} says accuracy {report.accuracy.integer:.4%}, and {VECTORS} gives {vectors.accuracy:.4%}"
        raise InputError(f"{said}: {again}")
    for false in owed.false_of(report):
        raise InputError(f"{directory.path / REPORT} tells {false}: {again}")
    evidence = [entry for entry in report.evidence if _is_at_hand(directory, model, entry, entry.who)]
    questions = [each for each in report.questions if _is_at_hand(directory, model, each, each.witness)]
    return tuple(evidence), tuple(questions)


def _is_at_hand(directory: ModelDirectory, model: IntegerModel, entry: Evidence | Question, who: str) -> bool:
    """Whether the files are there. Raises InputError where they are not what they were."""
    changed = changed_files(entry.witness, entry.files, directory, model)
    if present := [name for name in changed if directory.has(name)]:
        again = f"run `rescomp verify {directory.path}` again"
        raise InputError(f"{directory.path / present[0]} is not the file that {who} was compared on: {again}")
    return not changed


def _measure_cores(path: Path, cores: Sequence[str], prefer: str, listener: Listener | None) -> dict[SizeKey, int]:
    found = profile(path, cores, prefer=prefer, listener=listener).as_json()["cores"] if cores else []
    return {size: value for core in found for size, value in core_sizes(core).items()}


def _read_cores(document: Path, graph_sha256: str, cores: Sequence[str]) -> dict[SizeKey, int]:
    sizes = read_profile(document, graph_sha256)
    for core in cores:
        if (core, CORE_SIZES[0]) not in sizes:
            raise InputError(f"{document} does not hold {core}, which has a limit: make it again with --core {','.join(cores)}")
    return sizes


def _mismatches(evidence: Sequence[Evidence], owed: Owed, wanted: Limits) -> Iterator[str]:
    """A sentence for each variant that differs or compared another number of values than it owes, and for each witness that had to be
    asked and was not.
    """
    whole = {entry.key for entry in evidence if entry.sampled is None}
    for entry in evidence:
        yield from entry.failures
        due = owed.values(entry)
        if due is not None and entry.compared != due:
            yield f"{entry.who} compared {entry.compared:,} of {counted(due, 'value')} of the {entry.set} set: run verify again"
        elif not entry.compared:
            yield f"{entry.who} compared nothing of the {entry.set} set: run verify again"
        elif entry.sampled is not None and not wanted.sampled and entry.key not in whole:
            allow = "verify without --samples, or allow it with parity.sampled = true in the limits"
            yield f"{entry.who} was asked for {counted(entry.sampled, 'sequence')} of the {entry.set} set only: {allow}"
    tested = [entry for entry in evidence if entry.set == TEST]
    compared = {name for entry in tested if entry.compared and not entry.build for name in (entry.witness, *_any_port(entry))}
    for name in wanted.witnesses:
        if name not in compared:
            without = " without --cc and --cflags" if any(entry.build and entry.witness == name for entry in tested) else ""
            yield f"verify did not ask {name}{without}, which the limits want: add it to --against"
    if wanted.stream_steps:
        yield from _short_streams(evidence, wanted)
    if not any(entry.compared for entry in tested):
        yield "verify compared nothing"


def _short_streams(evidence: Sequence[Evidence], wanted: Limits) -> Iterator[str]:
    """A sentence for each witness that went less far without a reset than the limits want."""
    for name in wanted.witnesses or ("c",):
        steps = [entry.steps or 0 for entry in evidence if not entry.build and name in (entry.witness, *_any_port(entry))]
        if max(steps, default=0) < wanted.stream_steps:
            yield (
                f"{name} ran {counted(max(steps, default=0), 'step')} without a reset, and the limits want {wanted.stream_steps:,}: "
                f"verify with --stream-steps {wanted.stream_steps}"
            )


def _any_port(entry: Evidence) -> Sequence[str]:
    """`serial` alone is any board: its port is another one on every machine."""
    return ("serial",) if entry.witness.startswith("serial:") else ()


def _escaped(text: str) -> str:
    """For a line or a cell of Markdown."""
    return text.replace("|", "\\|")


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
