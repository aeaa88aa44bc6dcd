"""check: for continuous integration: what verify found, and sizes against limits and against an earlier version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import InputError, counted
from ..graph.ir import IntegerModel
from ..manifest import ClassFigures
from ..model_directory import RECIPE, REPORT, VECTORS, ModelDirectory
from ..recipe import parse_recipe
from ..validate.host_c import HostC
from ..validate.registry import find_witness
from .artefacts import read_model, read_vectors
from .check_findings import Check, Measure, OfWords, Reached
from .class_figures import CLASS_FIGURES, class_figure, class_figures
from .compared_sets import TEST
from .evidence import Evidence, VectorSet
from .exports import check_exports, exports_at_hand
from .figures import STREAMED, Figures, StreamedFigures
from .golden_vectors import Vectors
from .inspection import inspect_model
from .left_by_c import missing_of_c
from .limits import CORE_SIZES, Limits, SizeKey, core_sizes, read_baseline, read_limits, read_profile
from .listener import Listener
from .missing_parts import describe_unasked, missing_parts, unasked
from .owed import Owed
from .perturbations import PERTURBATIONS
from .profiling import profile
from .questions import Question
from .report import Report, read_report
from .told_streams import false_of_streams
from .witness_files import changed_files


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
        _refuse_false_figures(directory, model, report, vectors)
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
    by_class = class_figures(vectors.confusion, model.class_names)
    reached = tuple(_reached(path, model, report, by_class, wanted, continuous=continuous))
    words = tuple(_of_words(path, model, report, wanted, continuous=continuous))
    known = model.name, report.graph_sha256, report.accuracy.integer
    return Check(*known, evidence, measures, failures, not_compared, not_seen, reached, words, by_class)


def _reached(
    path: Path, model: IntegerModel, report: Report, by_class: ClassFigures, wanted: Limits, *, continuous: bool
) -> Iterator[Reached]:
    """The figures that have limits. continuous: whether the model's own data hold continuous recordings.

    Raises InputError for a figure that was not asked, or cannot be.
    """
    for name, least in wanted.least.items():
        figures = report.evaluation
        value = None if figures is None else figures.find(name)
        if name == "accuracy" or name in CLASS_FIGURES:
            value = report.accuracy.integer if name == "accuracy" else class_figure(by_class, name)
        if value is None:
            raise InputError(f"evaluation.{name} has a limit, and {_why_not_known(path, name, model, figures)}")
        streamed = figures.streamed if figures is not None and name in STREAMED else None
        if streamed is not None:
            _refuse_stand_ins(path, f"evaluation.{name}", streamed, continuous=continuous)
        yield Reached(name, value, least)


def _refuse_stand_ins(path: Path, key: str, streamed: StreamedFigures, *, continuous: bool) -> None:
    """Raise InputError where single recordings stood in for continuous ones."""
    if continuous and streamed.of == "in a row":
        raise InputError(
            f"{key} has a limit, {path / REPORT} tells it of single recordings in a row, and the model's data hold "
            f"continuous ones: run `rescomp evaluate {path} --stream` where they can be read"
        )


def _of_words(path: Path, model: IntegerModel, report: Report, wanted: Limits, *, continuous: bool) -> Iterator[OfWords]:
    """The figures of wake words that have limits. Raises InputError where they were not asked, or are not of so many an hour."""
    streamed = report.evaluation.streamed if report.evaluation is not None else None
    for name, most in wanted.most_of_words.items():
        key = f"wake_words.{name}"
        if streamed is None or (words := streamed.words) is None:
            raise InputError(f"{key} has a limit, and {_why_no_words(path, key, model)}")
        _refuse_stand_ins(path, key, streamed, continuous=continuous)
        if name.startswith("false_accepts") and words.false_accepts.unit != "hour":
            raise InputError(
                f"{key} is a limit of so many an hour, and {path / REPORT} tells them {words.false_accepts.each}: run `rescomp evaluate "
                f"{path} --stream --background CLASS --rate HZ` with the readings a second"
            )
        yield OfWords(name, words.figure(name), most)


def _why_no_words(path: Path, key: str, model: IntegerModel) -> str:
    """Why report.json tells no figures of wake words, and what to do."""
    if not model.is_recurrent:
        return f"{model.name} keeps no state from one input to the next, so that there is none: leave {key} out of the limits"
    return f"{path / REPORT} does not tell it: run `rescomp evaluate {path} --stream --background CLASS` first"


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
    if report.by_class not in (None, class_figures(vectors.confusion, model.class_names)):
        raise InputError(f"{directory.path / REPORT} tells other figures of the classes than {VECTORS} gives: {again}")
    for false in owed.false_of(report):
        raise InputError(f"{directory.path / REPORT} tells {false}: {again}")
    evidence = [entry for entry in report.evidence if _is_at_hand(directory, model, entry, entry.who)]
    questions = [each for each in report.questions if _is_at_hand(directory, model, each, each.witness)]
    return tuple(evidence), tuple(questions)


def _refuse_false_figures(directory: ModelDirectory, model: IntegerModel, report: Report, vectors: Vectors) -> None:
    """Raise InputError where an evaluation tells what cannot be of this model."""
    if report.evaluation is None:
        return
    recipe = parse_recipe(directory.read(RECIPE), str(directory.path / RECIPE))
    for false in false_of_streams(report.evaluation, len(vectors.x), recipe, directory.manifest(), model):
        raise InputError(f"{directory.path / REPORT} tells {false}: run `rescomp evaluate {directory.path} --stream` again")


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
    for name in wanted.witnesses or (HostC.name,):
        steps = [entry.steps or 0 for entry in evidence if not entry.build and name in (entry.witness, *_any_port(entry))]
        if max(steps, default=0) < wanted.stream_steps:
            yield (
                f"{name} ran {counted(max(steps, default=0), 'step')} without a reset, and the limits want {wanted.stream_steps:,}: "
                f"verify with --stream-steps {wanted.stream_steps}"
            )


def _any_port(entry: Evidence) -> Sequence[str]:
    """The name of a witness alone is any board: its port is another one on every machine."""
    witness, _ = find_witness(entry.witness)
    return (witness.name,) if witness.is_board else ()
