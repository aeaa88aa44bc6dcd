"""Figures in which every class counts alike, as documents keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..data.confusion import Confusion
from ..manifest import ClassFigures, ClassFiguresOfNets
from ..model_directory import ModelDirectory

CLASS_FIGURES: Mapping[str, str] = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "least_recall": "recall of the class answered worst",
}
"""That limits may demand, as a person would call them."""


def class_figures(found: Confusion, classes: Sequence[str]) -> ClassFigures:
    """Of answers to recordings of these classes."""
    recall = {name: each for name, each in zip(classes, found.recall, strict=True) if each is not None}
    return ClassFigures(balanced_accuracy=found.balanced_accuracy, macro_f1=found.macro_f1, recall=recall)


def class_figure(found: ClassFigures, name: str) -> float:
    """One of CLASS_FIGURES."""
    return min(found.recall.values()) if name == "least_recall" else float(getattr(found, name))


def by_class(path: Path) -> ClassFiguresOfNets:
    """What the manifest of the model directory `path` tells of its nets."""
    return ModelDirectory.open(path).manifest().by_class
