"""Average pools divide by powers of two wherever the weights that read them can take in the rest of the divisor."""

from __future__ import annotations

import math
from dataclasses import replace

from .kinds import LAYER_KINDS
from .plan import Plan


def move_pool_factors(plan: Plan) -> Plan:
    """Let average pools divide by powers of two wherever the rest of the divisor can go into the weights that read them."""
    for pool in (step for step in plan.steps if LAYER_KINDS[step.kind].divides):
        power = 2.0 ** -math.ceil(math.log2(pool.area))
        readers = _readers(plan, pool.name)
        if power != pool.factor and readers:
            rest = pool.factor / power
            moved = {name: replace(plan.step(name), gain_in=plan.step(name).gain_in * rest) for name in readers}
            moved[pool.name] = replace(pool, factor=power)
            plan = replace(plan, steps=tuple(moved.get(step.name, step) for step in plan.steps))
    return plan


def _readers(plan: Plan, name: str) -> set[str]:
    """The convolutions that read a value, directly or through steps that a positive factor passes; empty if anything else does."""
    found: set[str] = set()
    for user in plan.users(name):
        if user.layer:
            found.add(user.name)
        elif LAYER_KINDS[user.kind].homogeneous:
            further = _readers(plan, user.name)
            if not further:
                return set()
            found |= further
        else:
            return set()
    return found
