"""run: train, quantize, export and verify in one go."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..export.c import constant_bytes
from ..export.optional_package import import_optional
from ..manifest import NOT_KNOWN, NOTHING_TOLD, Calibrated, ClassFiguresOfNets, Warnings
from ..model_directory import ModelDirectory
from ..recipe import Recipe
from ..store import refuse_held
from .artefacts import read_model, read_vectors
from .beginning import read_first
from .budget import Budget, parse_budget
from .epochs import telling_how_to_resume
from .evaluation import evaluate
from .exporting import export_model
from .figures import StreamedFigures
from .listener import Listener, Silent, tell
from .report import read_report
from .verification import Verification, ready_witnesses, verify

EXPORT_PACKAGES = ("onnx", "flatbuffers", "tflite")


@dataclass(frozen=True)
class Summary:
    """What `rescomp run` ends with. Accuracies are fractions; bytes by kind, `model` their sum; seconds of wall time.

    streamed: of the integer model in a stream, None for a net without state. calibrated: of one with an alignment. by_class: what
    belongs to the two accuracies. worst_confusion: a class, what the integer model takes it for most often, and how often; None where all
    its answers are right. warnings: the manifest's.
    """

    accuracy_float: float
    accuracy_integer: float
    bytes: dict[str, int]
    verification: Verification
    seconds: float
    model_dir: Path
    streamed: StreamedFigures | None = None
    calibrated: Calibrated | None = None
    by_class: ClassFiguresOfNets = NOT_KNOWN
    worst_confusion: tuple[str, str, int] | None = None
    warnings: Warnings = NOTHING_TOLD

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp run --json`."""
        return {
            "schema": 1,
            "accuracy": {"float": self.accuracy_float, "integer": self.accuracy_integer},
            "by_class": self.by_class.model_dump(mode="json", by_alias=True, exclude_none=True),
            "worst_confusion": None
            if (worst := self.worst_confusion) is None
            else dict(zip(("class", "answer", "recordings"), worst, strict=True)),
            "streamed": None if self.streamed is None else self.streamed.model_dump(mode="json"),
            **({} if self.calibrated is None else {"calibrated": self.calibrated.model_dump(mode="json")}),
            "bytes": self.bytes,
            "warnings": [*self.warnings.train, *self.warnings.quantize],
            "witnesses": [entry.as_row() for entry in self.verification.witnesses],
            "seconds": round(self.seconds, 1),
            "model_dir": str(self.model_dir),
        }


def run(
    recipe: Recipe,
    path: Path,
    *,
    force: bool = False,
    against: str | None = None,
    fit: str | None = None,
    listener: Listener | None = None,
) -> Summary:
    """Make a model directory at `path` and carry the recipe's model through every stage.

    fit: a budget of bytes, `const=2KB,state=512B`, for which the model's size is chosen (BudgetError when nothing fits).
    Witnesses that differ are told in the summary's verification. Raises what the stages raise; what is known to be missing or
    misspelt, before the training.
    """
    listener = listener or Silent()
    start = time.monotonic()
    listener.stage(f"read {recipe.data.source}")
    refuse_held(path)
    ready_witnesses(against)
    for package in EXPORT_PACKAGES:
        import_optional(package)
    budget = parse_budget(fit) if fit is not None else Budget()
    load = read_first(recipe, path, listener)
    from .fitting import check_budget, describe, fit_recipe
    from .quantization import quantize
    from .training import train_held

    if fit is not None:
        recipe, most = fit_recipe(recipe, budget, load(recipe)[1])
        listener.stage(f"fit {budget}: {describe(recipe)} (at most {most})")
    going_on = resuming(path, against)
    with ExitStack() as held:
        train_held(recipe, path, held, going_on, force=force, listener=listener, load=load)
        with telling_how_to_resume(f"go on with: {going_on}"):
            quantize(path, listener=listener)
            check_budget(budget, read_model(ModelDirectory.open(path)))
            export_model(path, listener=listener)
            verification = verify(path, against, listener=listener)
            return summary_of(ModelDirectory.open(path), verification, start, listener)


def summary_of(directory: ModelDirectory, verification: Verification, start: float | None, listener: Listener) -> Summary:
    """Of a model that was verified. start: when its making began, as time.monotonic() tells; None where everything was there. Raises
    InputError where the manifest lacks an accuracy.
    """
    streamed = streamed_figures(directory, listener)
    manifest = directory.manifest()
    if manifest.accuracy.float_ is None or manifest.accuracy.integer is None:
        raise InputError(f"{directory.path} does not say how accurate its nets are, so it is damaged: train the model again")
    model = read_model(directory)
    worst = read_vectors(directory, model).confusion.worst
    return Summary(
        accuracy_float=manifest.accuracy.float_,
        accuracy_integer=manifest.accuracy.integer,
        bytes=constant_bytes(model),
        verification=verification,
        seconds=0.0 if start is None else time.monotonic() - start,
        model_dir=directory.path,
        streamed=streamed,
        calibrated=manifest.calibrated,
        by_class=manifest.by_class,
        worst_confusion=None if worst is None else (model.class_names[worst[0]], model.class_names[worst[1]], worst[2]),
        warnings=manifest.warnings,
    )


def streamed_figures(directory: ModelDirectory, listener: Listener) -> StreamedFigures | None:
    """What report.json says of the model in a stream, evaluated first where it says nothing; None for a net without state."""
    model = read_model(directory)
    if not model.is_recurrent:
        return None
    known = read_report(directory, model).evaluation
    if known is None or known.streamed is None:
        tell(evaluate(directory.path, stream=True, listener=listener).sentences, listener)
        known = read_report(directory, model).evaluation
    return known.streamed if known is not None else None


def resuming(path: Path, against: str | None) -> str:
    """The command that goes on with what `run` began."""
    return f"rescomp run --resume -o {path}" + (f" --against {against}" if against else "")
