"""The candidates of a search: what each takes, before it is trained, and what it answers on validation recordings, after."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from ..errors import InputError, RescompError, UnsupportedError
from ..export.c import translate
from ..graph.serialize import digest as graph_digest
from ..manifest import ClassFigures
from ..model_directory import CHECKPOINT, FLOAT_NET, MANIFEST, ModelDirectory
from ..models import build_net
from ..recipe import IN_STREAMS, Recipe, SearchSection
from ..search.study import CandidateError, Trained
from ..store import recover
from ..targets.kernel_choice import Target
from ..train.loop import DivergedError
from ..train.metrics import ClassMeans, EpochReport
from .artefacts import read_model, read_vectors
from .decision import NoDecisionError
from .listener import Listener, Silent
from .net_readings import input_shape
from .pricing import count_instructions, largest_size, probe
from .quantization import quantize
from .readings import Reader
from .recipes import with_readout_steps
from .refused_early import refuse_early
from .right_answers import confusion_in_a_row
from .subjects import row_of
from .training import train_held
from .withheld import WithheldData

CANDIDATES_FOLDER = "candidates"
"""Folder of a search's directory with a model directory a candidate, whose test set is the validation recordings."""


class NotPassedError(RescompError):
    """A candidate that stops at a rung."""


class Candidates:
    """Prices and trains candidates, each in a model directory of its own below `folder`. target: where instructions are counted."""

    def __init__(self, folder: Path, asked: SearchSection, target: Target | None, listener: Listener) -> None:
        self.folder, self.asked, self.target, self.listener = folder, asked, target, listener
        self.load = WithheldData()

    def price(self, recipe: Recipe) -> Mapping[str, int]:
        """See Judge. Instructions are not counted of a candidate that is too large already."""
        recipe, dataset = self.load(recipe)
        recipe = with_readout_steps(recipe, dataset)
        shape, classes = input_shape(recipe, dataset), len(dataset.classes)
        refuse_early(recipe, build_net(recipe.model, shape, classes), dataset)
        model = probe(recipe, shape, classes, dataset)
        size = largest_size(model)
        costs = {"const": size.const, "state": size.state}
        if self.target is None or any(costs[name] > limit for name, limit in self.asked.limits.items() if name in costs):
            return costs
        return {**costs, "instructions": count_instructions(model, self.target)}

    def train(self, recipe: Recipe, digest: str, passes: Callable[[int, float], bool]) -> Trained | None:
        """See Judge: what is in the candidate's directory already is not made again."""
        path = self.folder / digest
        rungs = [math.ceil(share * recipe.train.epochs) for share in self.asked.rungs]
        try:
            self._train(recipe, path, AtRungs(self.listener, rungs, self.asked.metric, passes))
        except NotPassedError:
            return None
        except (DivergedError, NoDecisionError, UnsupportedError) as error:
            raise CandidateError(str(error)) from error
        return self._found(path)

    def _train(self, recipe: Recipe, path: Path, listener: Listener) -> None:
        if path.is_dir():
            recover(path, MANIFEST)
        begun = (path / MANIFEST).is_file()
        going_on = "give the same command again"
        if not begun or not ModelDirectory(path).has(FLOAT_NET):
            anew = not begun or not ModelDirectory(path).has(CHECKPOINT)
            with ExitStack() as held:
                train_held(recipe if anew else None, path, held, going_on, force=begun and anew, listener=listener, load=self.load)
        quantize(path, listener=listener, load=self.load)

    def _found(self, path: Path) -> Trained:
        directory = ModelDirectory.open(path)
        manifest, model = directory.manifest(), read_model(directory)
        source = translate(model)
        costs = {"const": source.constant_bytes, "state": source.ram_bytes}
        if self.target is not None:
            costs["instructions"] = count_instructions(model, self.target)
        metric = self.asked.metric
        if metric.startswith(IN_STREAMS) and model.is_recurrent:
            row = row_of(Reader.of(manifest, model), read_vectors(directory, model))
            found: float = getattr(confusion_in_a_row(model, row), metric.removeprefix(IN_STREAMS))
            return Trained(found, costs, graph_digest(model))
        told = manifest.accuracy if _is_accuracy(metric) else manifest.by_class
        if told.integer is None:
            raise InputError(f"{path} does not say how accurate its net is, so it is damaged: remove it, and give the command again")
        return Trained(_figure(metric, told.integer), costs, graph_digest(model))


def _is_accuracy(metric: str) -> bool:
    return metric.removeprefix(IN_STREAMS) == "accuracy"


def _figure(metric: str, told: float | ClassFigures | ClassMeans) -> float:
    """The figure that a search goes by: the accuracy itself, or one of those that are told beside it."""
    return told if isinstance(told, float) else float(getattr(told, metric.removeprefix(IN_STREAMS)))


class AtRungs(Silent):
    """Raises NotPassedError after the first epoch of the float training whose candidate does not pass. rungs: numbers of epochs."""

    def __init__(self, told: Listener, rungs: Sequence[int], metric: str, passes: Callable[[int, float], bool]) -> None:
        self.told, self.rungs, self.metric, self.passes = told, rungs, metric, passes

    def epoch(self, report: EpochReport) -> None:
        """An epoch has ended, and is on disk."""
        self.told.epoch(report)
        found = self._told_in(report)
        if report.stage != "train" or found is None or report.epoch not in self.rungs:
            return
        if not self.passes(self.rungs.index(report.epoch), _figure(self.metric, found)):
            raise NotPassedError(f"epoch {report.epoch}")

    def _told_in(self, report: EpochReport) -> float | ClassMeans | None:
        """What the epoch tells of the metric; of a net without state, whose windows stand alone in a stream too, that of these."""
        alone, row = (report.validation_accuracy, report.validation), (report.streamed_accuracy, report.streamed)
        accuracy, means = row if self.metric.startswith(IN_STREAMS) and report.streamed is not None else alone
        return accuracy if _is_accuracy(self.metric) else means
