"""What is told of classes: figures in which each counts alike, and how many of each are answered right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tables import percent, table

if TYPE_CHECKING:
    from ..manifest import ClassFigures, ClassFiguresOfNets

CLASSES_SHOWN = 20
"""That are told one by one, those answered worst where there are more."""


def in_brackets(found: ClassFigures | None) -> str:
    """Behind an accuracy."""
    return "" if found is None else f" (balanced {found.balanced_accuracy:.2%}, macro F1 {found.macro_f1:.2%})"


def describe_nets(found: ClassFiguresOfNets) -> str:
    """The lines below the accuracies of the float net and of the integer model, and the recall of each class; "" where it is not known."""
    float_, integer = found.float_, found.integer
    if float_ is None or integer is None:
        return ""
    lines = [
        f"balanced   float {float_.balanced_accuracy:.2%}   integer {integer.balanced_accuracy:.2%}",
        f"macro F1   float {float_.macro_f1:.2%}   integer {integer.macro_f1:.2%}",
    ]
    return "\n".join([*lines, "", recall_table({"float": float_, "integer": integer})])


def recall_table(nets: dict[str, ClassFigures]) -> str:
    """By class, of each net; of many classes those that the last net answers worst."""
    last = list(nets.values())[-1].recall
    shown = list(last) if len(last) <= CLASSES_SHOWN else sorted(last, key=lambda name: last[name])[:CLASSES_SHOWN]
    rows = [(name, *(percent(net.recall.get(name)) for net in nets.values())) for name in shown]
    text = table(("recall", *nets), rows)
    return text if len(shown) == len(last) else f"{text}\n{len(last) - len(shown)} more are answered better, or as well"
