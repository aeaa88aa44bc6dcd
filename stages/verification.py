"""verify: every witness runs the exported model on the golden vectors, and every value must be equal."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import ParityError, UnsupportedError
from ..graph.evaluate import Trace, evaluate
from ..graph.ir import IntegerModel
from ..model_directory import C_FOLDER, ONNX_SEQUENCE, ONNX_STEP, QUANTIZED_NET, REPORT, TFLITE, ModelDirectory, to_json
from ..validate.compare import Comparison, compare, first_layer
from ..validate.registry import load_witness, parse_witnesses
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
    """What verify found. accuracy: fraction of test sequences that the integer model answers correctly."""

    accuracy: float
    witnesses: tuple[WitnessReport, ...]
    not_run: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        """Values compared by all witnesses together."""
        return sum(report.compared for report in self.witnesses)

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp verify --json` and of report.json."""
        witnesses = [asdict(report) for report in self.witnesses]
        return {"schema": 1, "accuracy": {"integer": self.accuracy}, "witnesses": witnesses, "not_run": list(self.not_run)}


def verify(path: Path, against: str | None = None, *, listener: Listener | None = None) -> Verification:
    """Compare the witnesses `against` (`name[:argument],...`; None: the default ones) with numpy, on every test sequence.

    Raises ParityError at the first witness that differs, naming sequence, step, tensor, channel, both values, and the first
    layer that differs; MissingToolError when a witness that was asked for cannot run here.
    """
    listener = listener or Silent()
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    vectors = read_vectors(directory, model)
    listener.stage("numpy evaluates the test set")
    reference = evaluate(model, vectors.x, vectors.lengths)
    if not vectors.agrees(reference):
        raise ParityError(f"numpy no longer gives what {path}/vectors/ recorded: the contract or the model changed since it was quantized")
    reports: list[WitnessReport] = []
    not_run: list[str] = []
    for name, argument in parse_witnesses(against):
        reason = _excuse(directory, name) if against is None else None
        if reason:
            not_run.append(f"{name}: {reason}")
            continue
        listener.stage(f"verify against {name}{':' + argument if argument else ''}")
        directory.check(_exports_read_by(directory, name, model))
        job = Job(model, path, vectors.x, vectors.lengths, argument)
        reports += _question(load_witness(name), job, reference)
    accuracy = float((answers(reference.scores) == vectors.labels).mean())
    result = Verification(accuracy, tuple(reports), tuple(not_run))
    directory.write({REPORT: to_json(result.as_json())})
    return result


def _question(witness: Witness, job: Job, reference: Trace) -> list[WitnessReport]:
    name = witness.name + (f":{job.argument}" if job.argument else "")
    reports = []
    for answer in witness.answers(job):
        comparison = compare(job, reference, answer.trace)
        if comparison.first is not None:
            raise ParityError(_describe(f"{name} ({answer.variant})", witness, job, reference, comparison))
        reports.append(WitnessReport(name, answer.variant, answer.version, comparison.compared, comparison.mismatches))
    return reports


def _describe(who: str, witness: Witness, job: Job, reference: Trace, comparison: Comparison) -> str:
    assert comparison.first is not None
    text = f"{who} differs in {comparison.mismatches} of {comparison.compared} values; the first is {comparison.first}"
    try:
        layer = first_layer(job, witness, reference, comparison.first)
    except UnsupportedError:
        return text
    if layer is None:
        return f"{text}; every layer agrees when it is exported afresh, so the exported file or its loop over time is at fault"
    return f"{text}; the first layer that differs there is {layer.tensor}[{layer.channel}]: expected {layer.expected}, got {layer.got}"


def _excuse(directory: ModelDirectory, name: str) -> str | None:
    """Why a default witness does not run here (torch is optional for those who only verify)."""
    if name == "torch" and importlib.util.find_spec("torch") is None:
        return "torch is not installed (pip install 'rescomp[train]')"
    if name == "torch" and not directory.has(QUANTIZED_NET):
        return f"{QUANTIZED_NET} is not in the model directory"
    return None


def _exports_read_by(directory: ModelDirectory, name: str, model: IntegerModel) -> Sequence[str]:
    onnx = (ONNX_STEP, ONNX_SEQUENCE) if model.is_recurrent else (ONNX_STEP,)
    c = (f"{C_FOLDER}/{model.name}.c", *directory.files(C_FOLDER))
    return {"onnxruntime": onnx, "tflite": (TFLITE,), "torch": (QUANTIZED_NET,)}.get(name, c)
