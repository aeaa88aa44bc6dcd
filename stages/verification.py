"""verify: every witness runs the exported model on the golden vectors, and every value must be equal."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..errors import InputError, ParityError
from ..graph.evaluate import evaluate
from ..graph.events import KINDS
from ..graph.ir import IntegerModel
from ..graph.sound import hear, numpy_features
from ..model_directory import REPORT, ModelDirectory, to_json
from ..validate.build import RESCOMP_S_OWN, Build
from ..validate.registry import load_witness, parse_witnesses
from ..validate.stress import Mode
from ..validate.witness import ExcusedWitness, HeaderWitness, Witness
from .artefacts import read_model, read_vectors
from .compared_sets import FILES, HEADER
from .coverage_summary import CoverageSummary, Reach
from .evidence import Evidence
from .examination import Examination
from .golden_vectors import Vectors
from .listener import Listener, Silent
from .merging import in_order_of_witnesses, merge
from .questions import VerifyRequest
from .report import Report, read_report
from .stream_proof import LongRunSet, check_stream_steps
from .vector_sets import STRESS_MODES, SequenceSet, golden_set, measure, stress_sets

_SHOWN: Mapping[str, Sequence[str]] = {
    "clamps": ("clamp_low", "clamp_high", "gate_high"),
    "saturations": ("saturation_low", "saturation_high"),
    "table entries": ("table",),
}
_GROUPS: Mapping[str, Sequence[str]] = {
    **_SHOWN,
    "signs, ties, padding, ...": [kind for kind in KINDS if not any(kind in kinds for kinds in _SHOWN.values())],
}


def _reached(name: str, kinds: Sequence[str], sets: Sequence[Mapping[str, Reach]]) -> tuple[str, tuple[int, ...], int]:
    counts = [sum(reach[kind].reached for kind in kinds if kind in reach) for reach in sets]
    reachable = sum(sets[-1][kind].reachable for kind in kinds if kind in sets[-1]) if sets else 0
    return name, tuple(counts), reachable


@dataclass(frozen=True)
class Verification:
    """What verify found. witnesses: of this run, a variant each. now: this run's report; report: what report.json holds after it, with
    earlier evidence.
    """

    witnesses: tuple[Evidence, ...]
    now: Report
    report: Report

    @property
    def accuracy(self) -> float:
        """Fraction of test sequences that the integer model answers correctly."""
        return self.now.accuracy.integer

    @property
    def not_run(self) -> tuple[str, ...]:
        """Default witnesses that cannot run here, and why."""
        return self.now.not_run

    @property
    def not_seen(self) -> tuple[str, ...]:
        """A line for each thing that a witness of this run could not be asked."""
        return self.now.not_seen({entry.witness for entry in self.witnesses})

    @property
    def coverage(self) -> list[tuple[str, tuple[int, ...], int]]:
        """For groups of kinds: the name, what the sets of this run reach, each with those before it, and what can be reached."""
        sets = self.now.coverage.sets
        return [row for name, kinds in _GROUPS.items() if (row := _reached(name, kinds, sets))[2]]

    @property
    def by_variant(self) -> list[list[Evidence]]:
        """What was compared on vectors, the entries of each variant of each witness together."""
        variants: dict[tuple[str, str], list[Evidence]] = {}
        for entry in self.witnesses:
            if entry.on_vectors:
                variants.setdefault((entry.witness, entry.variant), []).append(entry)
        return list(variants.values())

    @property
    def streams(self) -> dict[int, list[str]]:
        """By how many steps of the stream they ran: the witnesses."""
        found: dict[int, list[str]] = {}
        for entry in self.witnesses:
            if entry.steps is not None and entry.witness not in found.setdefault(entry.steps, []):
                found[entry.steps].append(entry.witness)
        return dict(sorted(found.items(), reverse=True))

    @property
    def sampled(self) -> bool:
        """Whether some sets were not run whole."""
        return any(entry.sampled is not None for entry in self.witnesses)

    @property
    def files(self) -> int:
        """Files compared with a fresh export."""
        return sum(entry.compared for entry in self.witnesses if entry.set == FILES)

    @property
    def uses(self) -> int:
        """Numbers, names and results compared of headers, run, classify, and states in turns."""
        return sum(entry.compared for entry in self.witnesses if entry.set == HEADER)

    @property
    def failures(self) -> tuple[str, ...]:
        """A sentence for each variant that differs."""
        return tuple(failure for entry in self.witnesses for failure in entry.failures)

    @property
    def compared(self) -> int:
        """Values compared by all witnesses together."""
        return sum(entry.compared for entry in self.witnesses if entry.on_vectors)

    @property
    def mismatches(self) -> int:
        """Values that differ, of all witnesses together."""
        return sum(entry.mismatches for entry in self.witnesses if entry.on_vectors)

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp verify --json`: report.json as far as it is of this run, and its failures together."""
        document = self.now.as_json()
        evidence = [entry.model_dump(mode="json") for entry in self.witnesses]
        return {**document, "evidence": evidence, "failures": list(self.failures)}

    def raise_failures(self) -> None:
        """Raise ParityError with the first failure, if there is one."""
        if self.failures:
            others = f" (and {len(self.failures) - 1} more variants differ)" if len(self.failures) > 1 else ""
            raise ParityError(self.failures[0] + others)


def verify(
    path: Path,
    against: str | None = None,
    *,
    stress: str = "quick",
    samples: int | None = None,
    stream_steps: int | None = None,
    compare_files: bool = True,
    firmware: str | None = None,
    build: Build = RESCOMP_S_OWN,
    listener: Listener | None = None,
) -> Verification:
    """Compare the witnesses `against` (`name[:argument],...`; None: the default ones) with numpy, value by value.

    They run every test sequence and, unless `stress` is "off", the stress set and each layer on values forced on it ("full": twelve times
    as many). samples: so many sequences of each set, always the same ones. stream_steps: of one long run whose state is carried, by every
    witness; None: of the C on this machine and, as far as the stress set's budget allows, of the others that are quick, unless stress is
    "off" or samples are taken. compare_files: whether the files at hand must be those that this
    rescomp exports. firmware: name of the file that the board at the serial line was flashed with, if that is known. build: a product's
    compiler and flags instead of rescomp's, for the witnesses that run C.
    Every witness runs, also after one has differed: the result's failures name sequence, step, tensor, channel, both values, and
    the first layer that differs (`raise_failures` makes an error of them). Earlier evidence on the same files is kept in report.json beside
    what is found now. Raises ParityError when numpy itself no longer gives what was recorded; MissingToolError when a witness that was
    asked for cannot run here.
    """
    listener = listener or Silent()
    mode = _stress_mode(stress, samples)
    check_stream_steps(stream_steps)
    directory = ModelDirectory.open(path)
    with directory.held():
        return _verify(directory, against, VerifyRequest(mode, samples, stream_steps, compare_files, firmware, build), listener)


def _verify(directory: ModelDirectory, against: str | None, asked: VerifyRequest, listener: Listener) -> Verification:
    path = directory.path
    excuses = {name: reason for name, _ in parse_witnesses(against) if against is None and (reason := _excuse(directory, name))}
    witnesses = ready_witnesses(against, without=excuses)
    _check_build(asked.build, witnesses)
    model = read_model(directory)
    vectors = read_vectors(directory, model)
    listener.stage("numpy evaluates the test set")
    reference = evaluate(model, vectors.x, vectors.lengths)
    if not (_is_heard(model, vectors) and vectors.agrees(reference)):
        raise ParityError(f"numpy no longer gives what {path}/vectors/ recorded: the contract or the model changed since it was quantized")
    golden = golden_set(vectors, reference)
    sets = [golden, *(stress_sets(model, asked.stress) if asked.stress else ())]
    taken = [each.take(asked.samples) for each in sets]
    sampled = any(each.sampled is not None for each in taken)
    stream = _stream_set(model, vectors, asked, [each for each in sets if isinstance(each, SequenceSet)], sampled=sampled)
    listener.stage("measure what the vectors reach")
    coverage = measure(model, taken)
    examination = Examination(directory, model, golden, [*taken, *stream], asked, listener)
    for witness, argument in witnesses:
        examination.question(witness, argument)
    report = Report.of(
        model,
        vectors,
        vectors={each.name: each.vectors for each in (*sets, *stream)},
        evidence=examination.found,
        questions=in_order_of_witnesses(examination.questions),
        coverage=CoverageSummary(**coverage, not_seen={name: tuple(notes) for name, notes in examination.not_seen.items()}),
        stream=next((each.summary for each in stream), None),
        not_run=tuple(f"{name}: {reason}" for name, reason in excuses.items()),
    )
    return Verification(tuple(examination.found), report, _keep(directory, model, report, listener))


def _is_heard(model: IntegerModel, vectors: Vectors) -> bool:
    """Whether the inputs are what numpy's front-end makes of the samples, where there are some."""
    sound = vectors.sound
    return sound is None or np.array_equal(hear(model, sound, vectors.x, numpy_features(model.graphs["frontend"])), vectors.x)


def _stream_set(
    model: IntegerModel, vectors: Vectors, asked: VerifyRequest, sets: Sequence[SequenceSet], *, sampled: bool
) -> list[LongRunSet]:
    """The one that is run, if one is. sets: the golden one, and what the stress set takes of a budget that is as large. sampled: whether
    something of the sets is left out.
    """
    if not model.is_recurrent:
        if asked.stream_steps is not None:
            raise InputError(f"--stream-steps: {model.name} keeps no state from one window to the next, so there is no stream to run")
        return []
    if asked.stream_steps is None and (asked.stress is None or sampled):
        return []
    golden, *stress = (int(each.lengths.sum()) for each in sets)
    return [LongRunSet.of(model, vectors, asked.stream_steps, golden - sum(stress))]


def _check_build(build: Build, witnesses: Sequence[tuple[Witness, str]]) -> None:
    """Raise InputError where a product's compiler is named and nobody compiles."""
    if build and not any(isinstance(witness, HeaderWitness) for witness, _ in witnesses):
        raise InputError("--cc and --cflags are of the witnesses c, qemu:CORE and simavr:CORE: add one of them to --against")


def check_samples(samples: int | None) -> None:
    """Raise InputError for a number of sequences that --samples does not take."""
    if samples is not None and samples < 1:
        raise InputError(f"--samples takes a number of sequences from 1 on, not {samples}")


def _stress_mode(stress: str, samples: int | None) -> Mode | None:
    """None for "off". Raises InputError."""
    check_samples(samples)
    if stress not in STRESS_MODES:
        raise InputError(f"the stress set is {', '.join(STRESS_MODES[:-1])} or {STRESS_MODES[-1]}, not {stress!r}")
    return None if stress == "off" else cast(Mode, stress)


def _keep(directory: ModelDirectory, model: IntegerModel, report: Report, listener: Listener) -> Report:
    """Write report.json, with what earlier evidence still holds; returns what was written."""
    if directory.has(REPORT):
        try:
            report = merge(read_report(directory, model), report, directory, model)
        except InputError as error:
            listener.warning(f"earlier evidence is not kept: {error}")
    try:
        directory.write({REPORT: to_json(report.as_json())})
    except InputError as error:
        listener.warning(f"the report is not kept: {error}")
    return report


def ready_witnesses(against: str | None, without: Container[str] = ()) -> list[tuple[Witness, str]]:
    """The witnesses asked for, with their arguments, each able to run here. Raises InputError and MissingToolError."""
    witnesses = [(load_witness(name), argument) for name, argument in parse_witnesses(against) if name not in without]
    for witness, argument in witnesses:
        witness.check(argument)
    return witnesses


def _excuse(directory: ModelDirectory, name: str) -> str | None:
    """Why a default witness does not run here."""
    witness = load_witness(name)
    return witness.excuse(directory) if isinstance(witness, ExcusedWitness) else None
