"""verify: every witness runs the exported model on the golden vectors, and every value must be equal."""

from __future__ import annotations

import importlib.util
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DeviceError, InputError, ParityError, UnsupportedError
from ..graph.evaluate import Trace, evaluate
from ..graph.ir import IntegerModel
from ..model_directory import QUANTIZED_NET, REPORT, ModelDirectory, to_json
from ..validate.compare import Comparison, compare, first_layer
from ..validate.registry import load_witness, parse_witnesses
from ..validate.serial_port import SerialPort
from ..validate.witness import Job, Witness
from .artefacts import read_model, read_vectors
from .evidence import TEST, Evidence, Report, VectorSet, files_read, merge, read_report
from .listener import Listener, Silent


@dataclass(frozen=True)
class Verification:
    """What verify found. witnesses: of this run, a variant each. report: what report.json now holds, with earlier evidence."""

    witnesses: tuple[Evidence, ...]
    report: Report

    @property
    def accuracy(self) -> float:
        """Fraction of test sequences that the integer model answers correctly."""
        return self.report.accuracy.integer

    @property
    def not_run(self) -> tuple[str, ...]:
        """Default witnesses that cannot run here, and why."""
        return self.report.not_run

    @property
    def failures(self) -> tuple[str, ...]:
        """A sentence for each variant that differs."""
        return tuple(failure for entry in self.witnesses for failure in entry.failures)

    @property
    def compared(self) -> int:
        """Values compared by all witnesses together."""
        return sum(entry.compared for entry in self.witnesses)

    @property
    def mismatches(self) -> int:
        """Values that differ, of all witnesses together."""
        return sum(entry.mismatches for entry in self.witnesses)

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp verify --json`: report.json as far as it is of this run, and its failures together."""
        document = self.report.as_json()
        evidence = [entry.model_dump(mode="json") for entry in self.witnesses]
        return {**document, "evidence": evidence, "failures": list(self.failures)}

    def raise_failures(self) -> None:
        """Raise ParityError with the first failure, if there is one."""
        if self.failures:
            others = f" (and {len(self.failures) - 1} more variants differ)" if len(self.failures) > 1 else ""
            raise ParityError(self.failures[0] + others)


def verify(path: Path, against: str | None = None, *, firmware: str | None = None, listener: Listener | None = None) -> Verification:
    """Compare the witnesses `against` (`name[:argument],...`; None: the default ones) with numpy, on every test sequence.

    Every witness runs, also after one has differed: the result's failures name sequence, step, tensor, channel, both values, and
    the first layer that differs (`raise_failures` makes an error of them). firmware: name of the file that the board at the serial line was
    flashed with, if that is known. Earlier evidence on the same files is kept in report.json beside what is found now. Raises ParityError
    when numpy itself no longer gives what was recorded; MissingToolError when a witness that was asked for cannot run here.
    """
    directory = ModelDirectory.open(path)
    with directory.held():
        return _verify(directory, against, firmware, listener or Silent())


def _verify(directory: ModelDirectory, against: str | None, firmware: str | None, listener: Listener) -> Verification:
    path = directory.path
    excuses = {name: reason for name, _ in parse_witnesses(against) if against is None and (reason := _excuse(directory, name))}
    witnesses = ready_witnesses(against, without=excuses)
    model = read_model(directory)
    vectors = read_vectors(directory, model)
    listener.stage("numpy evaluates the test set")
    reference = evaluate(model, vectors.x, vectors.lengths)
    if not vectors.agrees(reference):
        raise ParityError(f"numpy no longer gives what {path}/vectors/ recorded: the contract or the model changed since it was quantized")
    found: list[Evidence] = []
    for witness, argument in witnesses:
        name = f"{witness.name}:{argument}" if argument else witness.name
        listener.stage(f"verify against {name}")
        files = files_read(directory, model, name, firmware)
        found += _question(witness, Job(model, path, vectors.x, vectors.lengths, argument, listener.progress), reference, files)
    report = Report.of(
        model,
        vectors.accuracy,
        vectors={TEST: VectorSet(sha256=vectors.sha256, sequences=len(vectors.x))},
        evidence=found,
        not_run=tuple(f"{name}: {reason}" for name, reason in excuses.items()),
    )
    return Verification(tuple(found), _keep(directory, model, report, listener))


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


def _question(witness: Witness, job: Job, reference: Trace, files: Mapping[str, str]) -> Iterator[Evidence]:
    """Compare every variant's answer."""
    name = witness.name + (f":{job.argument}" if job.argument else "")
    for answer in witness.answers(job):
        comparison = compare(job, reference, answer.trace)
        failure = None
        if comparison.first is not None:
            failure = _describe(f"{name} ({answer.variant})", witness, job, reference, comparison)
        yield Evidence(
            witness=name,
            variant=answer.variant,
            version=answer.version,
            set=TEST,
            compared=comparison.compared,
            mismatches=comparison.mismatches,
            failure=failure,
            files=files,
        )


def _describe(who: str, witness: Witness, job: Job, reference: Trace, comparison: Comparison) -> str:
    assert comparison.first is not None
    text = f"{who} differs in {comparison.mismatches} of {comparison.compared} values; the first is {comparison.first}"
    try:
        layer = first_layer(job, witness, reference, comparison.first)
    except (DeviceError, UnsupportedError):
        return text
    if layer is None and isinstance(witness, SerialPort):
        return f"{text}; asked for that step alone, the board computes every layer right: its loop over time or its memory is at fault"
    if layer is None:
        return f"{text}; every layer agrees when it is exported afresh, so the exported file or its loop over time is at fault"
    return f"{text}; the first layer that differs there is {layer.tensor}[{layer.channel}]: expected {layer.expected}, got {layer.got}"


def _excuse(directory: ModelDirectory, name: str) -> str | None:
    """Why a default witness does not run here (torch is optional for those who only verify)."""
    if name != "torch":
        return None
    missing = [package for package in ("torch", "safetensors") if importlib.util.find_spec(package) is None]
    if missing:
        return f"{missing[0]} is not installed (pip install torch safetensors)"
    return None if directory.has(QUANTIZED_NET) else f"{QUANTIZED_NET} is not in the model directory"
