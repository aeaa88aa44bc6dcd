"""run with several seeds: one model directory each, and the spread of their accuracies."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..data.dataset import Dataset
from ..errors import InputError
from ..model_directory import CHECKPOINT, FLOAT_NET, MANIFEST, REPORT, ModelDirectory
from ..recipe import Recipe, revise, with_streams
from ..store import no_folder, recover, refuse_held
from ..validate.registry import parse_witnesses
from .artefacts import check_whole, read_model
from .beginning import train_model
from .epochs import telling_how_to_resume
from .exporting import export_model
from .features import load_readings, resolved
from .listener import Listener, Silent
from .pipeline import Summary, resuming, run, summary_of
from .recipes import has_state, read_recipe, with_readout_steps
from .report import read_report
from .verification import Verification, verify


@dataclass(frozen=True)
class Spread:
    """Of one accuracy over the seeds, as fractions. std: the sample standard deviation, None for a single seed."""

    mean: float
    std: float | None
    median: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        std = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.mean(values), std, statistics.median(values))


@dataclass(frozen=True)
class SeedsSummary:
    """What `rescomp run --seeds` ends with: each seed's summary, in the order asked for."""

    seeds: tuple[int, ...]
    summaries: tuple[Summary, ...]

    @property
    def accuracy_float(self) -> Spread:
        """Of the float nets."""
        return Spread.of([summary.accuracy_float for summary in self.summaries])

    @property
    def accuracy_integer(self) -> Spread:
        """Of the integer models."""
        return Spread.of([summary.accuracy_integer for summary in self.summaries])

    def raise_failures(self) -> None:
        """Raise ParityError with the first failure of the first seed that has one."""
        for summary in self.summaries:
            summary.verification.raise_failures()

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp run --seeds --json`."""
        accuracy = {"float": asdict(self.accuracy_float), "integer": asdict(self.accuracy_integer)}
        return {"schema": 1, "seeds": [summary.as_json() for summary in self.summaries], "accuracy": accuracy}


def run_seeds(
    recipe: Recipe,
    seeds: Sequence[int],
    path: Path,
    *,
    force: bool = False,
    against: str | None = None,
    listener: Listener | None = None,
) -> SeedsSummary:
    """`run` for each of `seeds` in place of train.seed, into path/seed-<seed>.

    A directory that holds a model of the same recipe and data is not made again: a finished one is read back (its `seconds` are 0), an
    unfinished one goes on where it stopped. force: make all of them anew. Raises InputError when a directory holds another model, and
    what `run` raises.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError("--seeds takes different seeds separated by commas, 0,1,2 for instance")
    places = {seed: path / f"seed-{seed}" for seed in seeds}
    for place in (path, *places.values()):
        refuse_held(place)
        if place != path and place.is_symlink():
            raise no_folder(place)
    if (path / MANIFEST).exists():
        raise InputError(f"{path} is a model directory itself: choose another one to hold those of the seeds with -o")
    recipes = [revise(recipe, [f"train.seed={seed}"]) for seed in seeds]
    listener = listener or Silent()
    listener.stage(f"read {recipe.data.source}")
    _, dataset = load_readings(recipe, None, listener)
    summaries = []
    with telling_how_to_resume(f"give the same command again{', without --force,' if force else ''} to go on"):
        for seed, own in zip(seeds, recipes, strict=True):
            place = places[seed]
            listener.stage(f"seed {seed}")
            if not force and _is_of(place, own, dataset):
                summaries.append(_go_on(place, against, listener))
                continue
            if not force and place.is_dir() and any(place.iterdir()):
                how = f"replace it by the same command with `--force --seeds {seed}` and give this one again, or all of them with --force"
                raise InputError(f"{place} is not empty and holds another model: choose another directory with -o, {how}")
            summaries.append(run(own, place, force=force, against=against, listener=listener))
    return SeedsSummary(tuple(seeds), tuple(summaries))


def resume_run(path: Path, *, against: str | None = None, listener: Listener | None = None) -> Summary:
    """Go on with what `run` began in `path`, wherever it stopped: what is finished is not made again. Raises what the stages raise."""
    listener = listener or Silent()
    listener.stage(f"read {path}")
    directory = ModelDirectory.open(path)
    with directory.held(), telling_how_to_resume(f"go on with: {resuming(path, against)}"):
        if directory.has(FLOAT_NET) and directory.has(CHECKPOINT):
            from .quantization import quantize

            quantize(path, resume=True, listener=listener)
        return _go_on(path, against, listener)


def _is_of(path: Path, recipe: Recipe, dataset: Dataset) -> bool:
    """Whether the directory was begun with this recipe and these data."""
    if not path.is_dir():
        return False
    recover(path, MANIFEST)
    if not (path / MANIFEST).is_file():
        return False
    directory = ModelDirectory.open(path)
    from .defaults import with_defaults

    recipe, kept = with_defaults(resolved(recipe, dataset), dataset), read_recipe(directory)
    own = with_streams(with_readout_steps(recipe, dataset)) if has_state(directory, recipe) else recipe
    if "loop" not in recipe.train.model_fields_set:  # it follows the machine too
        own = own.model_copy(update={"train": own.train.model_copy(update={"loop": kept.train.loop})})
    return kept == own and directory.manifest().data.sha256 == dataset.digest


def _go_on(path: Path, against: str | None, listener: Listener) -> Summary:
    """The summary of a directory begun earlier, after the stages that it lacks."""
    start: float | None = time.monotonic()
    directory = ModelDirectory.open(path)
    with directory.held():
        if directory.manifest().accuracy.integer is not None:
            check_whole(directory)
            from .kept_nets import kept_net

            kept_net(directory, read_recipe(directory))
        found = _verification(directory, against)
        if found is None:
            found = _take_missing_stages(directory, against, listener)
        else:
            start = None
            listener.stage(f"{path} is finished")
        return summary_of(directory, found, start, listener)


def _take_missing_stages(directory: ModelDirectory, against: str | None, listener: Listener) -> Verification:
    path = directory.path
    if not directory.has(FLOAT_NET):
        train_model(None, path, listener=listener)
    if directory.manifest().accuracy.integer is None:
        from .quantization import quantize

        quantize(path, listener=listener)
    export_model(path, listener=listener)
    return verify(path, against, listener=listener)


def _verification(directory: ModelDirectory, against: str | None) -> Verification | None:
    """What report.json holds of the witnesses asked for, if they were asked for the files at hand."""
    if not directory.has(REPORT):
        return None
    model = read_model(directory)
    try:
        report = read_report(directory, model)
    except InputError:
        return None
    asked = {f"{name}:{argument}" if argument else name for name, argument in parse_witnesses(against)}
    found = tuple(entry for entry in report.evidence if entry.witness in asked and not entry.changed_files(directory, model))
    if asked - {entry.witness for entry in found} - {line.partition(":")[0] for line in report.not_run}:
        return None
    return Verification(found, report, report)
