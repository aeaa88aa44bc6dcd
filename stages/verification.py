"""verify: every witness runs the exported model on the golden vectors, and every value must be equal."""

from __future__ import annotations

import importlib.util
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import DeviceError, InputError, ParityError, UnsupportedError
from ..graph.evaluate import Trace, evaluate
from ..graph.ir import IntegerModel
from ..model_directory import C_FOLDER, ONNX_SEQUENCE, ONNX_STEP, QUANTIZED_NET, REPORT, TFLITE, ModelDirectory, to_json
from ..validate.compare import Comparison, compare, first_layer
from ..validate.emulated_core import EmulatedCore
from ..validate.registry import load_witness, parse_witnesses
from ..validate.serial_port import SerialPort
from ..validate.witness import Job, Witness
from .artefacts import answers, read_model, read_vectors
from .listener import Listener, Silent


@dataclass(frozen=True)
class WitnessReport:
    """One variant of one witness: how many values were compared with the reference, and how many differ."""

    name: str
    variant: str
    version: str
    compared: int
    mismatches: int


@dataclass(frozen=True)
class Verification:
    """What verify found. accuracy: fraction of test sequences that the integer model answers correctly.

    failures: a sentence for each variant that differs. not_run: default witnesses that cannot run here, and why.
    """

    accuracy: float
    witnesses: tuple[WitnessReport, ...]
    failures: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        """Values compared by all witnesses together."""
        return sum(report.compared for report in self.witnesses)

    @property
    def mismatches(self) -> int:
        """Values that differ, of all witnesses together."""
        return sum(report.mismatches for report in self.witnesses)

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp verify --json` and of report.json."""
        return {
            "schema": 1,
            "accuracy": {"integer": self.accuracy},
            "witnesses": [asdict(report) for report in self.witnesses],
            "failures": list(self.failures),
            "not_run": list(self.not_run),
        }

    def raise_failures(self) -> None:
        """Raise ParityError with the first failure, if there is one."""
        if self.failures:
            others = f" (and {len(self.failures) - 1} more variants differ)" if len(self.failures) > 1 else ""
            raise ParityError(self.failures[0] + others)


def verify(path: Path, against: str | None = None, *, listener: Listener | None = None) -> Verification:
    """Compare the witnesses `against` (`name[:argument],...`; None: the default ones) with numpy, on every test sequence.

    Every witness runs, also after one has differed: the result's failures name sequence, step, tensor, channel, both values, and
    the first layer that differs (`raise_failures` makes an error of them). Raises ParityError when numpy itself no longer gives
    what was recorded; MissingToolError when a witness that was asked for cannot run here.
    """
    listener = listener or Silent()
    directory = ModelDirectory.open(path)
    excuses = {name: reason for name, _ in parse_witnesses(against) if against is None and (reason := _excuse(directory, name))}
    witnesses = ready_witnesses(against, without=excuses)
    model = read_model(directory)
    vectors = read_vectors(directory, model)
    listener.stage("numpy evaluates the test set")
    reference = evaluate(model, vectors.x, vectors.lengths)
    if not vectors.agrees(reference):
        raise ParityError(f"numpy no longer gives what {path}/vectors/ recorded: the contract or the model changed since it was quantized")
    reports: list[WitnessReport] = []
    failures: list[str] = []
    for witness, argument in witnesses:
        listener.stage(f"verify against {witness.name}{':' + argument if argument else ''}")
        directory.check(_exports_read_by(directory, witness, argument, model))
        _question(witness, Job(model, path, vectors.x, vectors.lengths, argument, listener.progress), reference, reports, failures)
    accuracy = float((answers(reference.scores) == vectors.labels).mean())
    not_run = tuple(f"{name}: {reason}" for name, reason in excuses.items())
    result = Verification(accuracy, tuple(reports), tuple(failures), not_run)
    try:
        directory.write({REPORT: to_json(result.as_json())})
    except InputError as error:
        listener.warning(f"the report is not kept: {error}")
    return result


def ready_witnesses(against: str | None, without: Container[str] = ()) -> list[tuple[Witness, str]]:
    """The witnesses asked for, with their arguments, each able to run here. Raises InputError and MissingToolError."""
    witnesses = [(load_witness(name), argument) for name, argument in parse_witnesses(against) if name not in without]
    for witness, argument in witnesses:
        witness.check(argument)
    return witnesses


def _question(witness: Witness, job: Job, reference: Trace, reports: list[WitnessReport], failures: list[str]) -> None:
    """Compare every variant's answer; adds to `reports`, and to `failures` where one differs."""
    name = witness.name + (f":{job.argument}" if job.argument else "")
    for answer in witness.answers(job):
        comparison = compare(job, reference, answer.trace)
        if comparison.first is not None:
            failures.append(_describe(f"{name} ({answer.variant})", witness, job, reference, comparison))
        reports.append(WitnessReport(name, answer.variant, answer.version, comparison.compared, comparison.mismatches))


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


def _exports_read_by(directory: ModelDirectory, witness: Witness, argument: str, model: IntegerModel) -> Sequence[str]:
    onnx = (ONNX_STEP, ONNX_SEQUENCE) if model.is_recurrent else (ONNX_STEP,)
    if isinstance(witness, SerialPort):
        return ()
    folder = witness.folder(argument, directory.path) if isinstance(witness, EmulatedCore) else C_FOLDER
    c = (f"{folder}/{model.name}.c", *directory.files(folder))
    return {"onnxruntime": onnx, "tflite": (TFLITE,), "tflite-micro": (TFLITE,), "torch": (QUANTIZED_NET,)}.get(witness.name, c)
