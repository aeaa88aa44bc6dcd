"""Values of layers that have one format together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..models import Plan, Step
from ..models.layered.kinds import LAYER_KINDS
from ..models.layered.plan_check import INPUT


def format_owners(plan: Plan) -> dict[str, str]:
    """For every value the one whose format it has: its own, what a transparent step reads, or the first of its repetitions.

    Steps with the same layer repeat each other, and so do steps that do the same to values that repeat each other. What the former read
    has one format too, unless it is the input.
    """
    owners = {INPUT: INPUT, **{step.name: step.name for step in plan.steps}}

    def merge(name: str, other: str) -> None:
        kept, dropped = owners[name], owners[other]
        if INPUT not in (kept, dropped):
            owners.update({each: kept for each, owner in owners.items() if owner == dropped})

    for step in plan.steps:
        if LAYER_KINDS[step.kind].transparent:
            owners[step.name] = owners[step.inputs[0]]
    for _ in plan.steps:
        before, known = dict(owners), dict[Any, Step]()
        for step in plan.steps:
            if LAYER_KINDS[step.kind].transparent:
                continue
            read = () if step.layer else tuple(owners[name] for name in step.inputs)
            first = known.setdefault((replace(step, name="", inputs=(), shape=(1, 1, 1)), read), step)
            for name, other in zip((first.name, *first.inputs), (step.name, *step.inputs), strict=True):
                merge(name, other)
        if owners == before:
            break
    return owners
