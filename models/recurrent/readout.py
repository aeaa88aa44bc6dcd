"""What the classifier reads of a recurrent net: the last cell's state, or what blocks of steps have come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from ...graph.formats import MOST_BLOCK_STEPS, Format, block_count_type, block_sum_format
from ...recipe import BLOCK_READOUTS, ModelSection
from ..arithmetic import Block, CellArithmetic
from ..matrix import Value

READOUT_COUNT, READOUT_SUM, READOUT_MAXIMUM = "readout_count", "readout_sum", "readout_maximum"
"""States of a readout."""
_KINDS = ("last", *BLOCK_READOUTS)


@dataclass(frozen=True)
class Readout:
    """kind `last`: h after the step; `mean`, `max`: of h over the steps so far of its block; `last_mean`: h and the mean, side by side.

    steps: of a block; the step after its last one begins the next (0 where there are no blocks). Raises InputError for a block of no
    steps, or of too many.
    """

    kind: str = "last"
    steps: int = 0

    @classmethod
    def of(cls, section: ModelSection) -> Readout:
        """That a recipe asks for. `every` is `last`: all steps carry the loss. Raises InputError where the steps of a block are unset."""
        if section.readout not in BLOCK_READOUTS:
            return LAST
        if section.readout_steps is None:
            raise InputError(f"model.readout = {section.readout!r} is over blocks of steps: set model.readout_steps")
        return cls(section.readout, section.readout_steps)

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InputError(f"a readout is one of {', '.join(_KINDS)}, not {self.kind!r}")
        if self.kind in BLOCK_READOUTS and not 1 <= self.steps <= MOST_BLOCK_STEPS:
            raise InputError(f"a readout of kind {self.kind} reads blocks of 1 to {MOST_BLOCK_STEPS} steps, not of {self.steps}")
        if self.kind not in BLOCK_READOUTS and self.steps:
            raise InputError(f"a readout of kind {self.kind} reads no blocks, so that it takes no steps, not {self.steps}")

    def describe(self) -> str:
        """In a phrase."""
        return f"{self.kind} over blocks of {self.steps}" if self.steps else self.kind

    def entries(self, hidden_size: int) -> int:
        """That the classifier reads."""
        return 2 * hidden_size if self.kind == "last_mean" else hidden_size

    def formats(self, h: Format) -> Mapping[str, Format]:
        """Of the states, by name, for a last cell whose h has that format."""
        if self.kind not in BLOCK_READOUTS:
            return {}
        kept = {READOUT_MAXIMUM: h} if self.kind == "max" else {READOUT_SUM: block_sum_format(h, self.steps)}
        return {READOUT_COUNT: block_count_type(self.steps).format, **kept}

    def sizes(self, h: Format, hidden_size: int) -> Mapping[str, int]:
        """Entries of the states, by name."""
        return {name: 1 if name == READOUT_COUNT else hidden_size for name in self.formats(h)}

    def step(self, arithmetic: CellArithmetic[Value], h: Value, states: Mapping[str, Value], format: Format) -> dict[str, Value]:
        """Every new state by name, from a new h [..., hidden] and the old states: the program of a step."""
        if self.kind not in BLOCK_READOUTS:
            return {}
        block = Block(self.steps, format)
        count = arithmetic.block_count(states[READOUT_COUNT], block, f"{READOUT_COUNT}_next")
        if self.kind == "max":
            return {
                READOUT_COUNT: count,
                READOUT_MAXIMUM: arithmetic.block_maximum(states[READOUT_MAXIMUM], h, count, block, f"{READOUT_MAXIMUM}_next"),
            }
        return {READOUT_COUNT: count, READOUT_SUM: arithmetic.block_sum(states[READOUT_SUM], h, count, block, f"{READOUT_SUM}_next")}

    def read(self, arithmetic: CellArithmetic[Value], h: Value, states: Mapping[str, Value], format: Format) -> Value:
        """What the classifier reads after a step, [..., entries], of h and the states: the beginning of the head's program."""
        if self.kind not in BLOCK_READOUTS:
            return h
        if self.kind == "max":
            return states[READOUT_MAXIMUM]
        mean = arithmetic.block_mean(states[READOUT_SUM], states[READOUT_COUNT], Block(self.steps, format), "readout_mean")
        return mean if self.kind == "mean" else arithmetic.concat(h, mean, "readout")

    def run(self, h: Tensor, begin: Mapping[str, Tensor] | None, format: Format) -> dict[str, Tensor]:
        """What `step` makes of h [steps, batch, hidden], step after step: every state by name [steps, batch, size], in few operations.

        begin: the states before the first step [batch, size] by name, through which no gradient flows (None: zeros).
        """
        if self.kind not in BLOCK_READOUTS:
            return {}
        begin = begin or {name: h.new_zeros(h.shape[1], size) for name, size in self.sizes(format, h.shape[2]).items()}
        place = torch.arange(len(h), device=h.device, dtype=h.dtype)[:, None, None]
        count = (begin[READOUT_COUNT].clamp(0, self.steps) + place) % self.steps + 1
        block = Block(self.steps, format)
        if self.kind == "max":
            before = begin[READOUT_MAXIMUM].clamp(*block.ends)
            return {READOUT_COUNT: count, READOUT_MAXIMUM: _scan(torch.maximum, torch.cat([before[None], h]), count)}
        reach = (count[0] - 1) * block.largest
        before = torch.minimum(torch.maximum(begin[READOUT_SUM], -reach), reach)
        return {READOUT_COUNT: count, READOUT_SUM: _scan(torch.add, torch.cat([before[None], h]), count)}


LAST = Readout()
"""The state after the last step."""


def _scan(join: Callable[[Tensor, Tensor], Tensor], values: Tensor, count: Tensor) -> Tensor:
    """What `join` makes of each value and those before it in its block: [steps, batch, entries] for values [1 + steps, batch, entries].

    The first value stands for all that a block which began before the first step has had. count: [steps, batch, 1] of each step in its
    block. After the round with distance d each value is joined with up to 2 d - 1 before it (Hillis and Steele 1986).
    """
    place = torch.arange(1, len(values), device=values.device)[:, None, None]
    reach = torch.minimum(count - 1, place)
    distance = 1
    while distance < len(values):
        joined = join(values[distance:], values[:-distance])
        values = torch.cat([values[:distance], torch.where(reach[distance - 1 :] >= distance, joined, values[distance:])])
        distance *= 2
    return values[1:]
