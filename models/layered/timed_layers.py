"""Layers beside cells: over time they see no later readings, and of earlier ones they keep the rows that their windows reach back to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import UnsupportedError
from ...graph.formats import KEPT_ROWS, Format
from ...model_names import CELL_KINDS
from ...recipe import STAGE_KINDS
from ..applied import LayerParameters, Statistics
from ..arithmetic import NORMALIZED
from ..fixed_point_arithmetic import FixedPointArithmetic
from ..matrix import Value
from .kinds import LAYER_KINDS, LayerArithmetic
from .layered_module import LayeredModule
from .plan import DERIVED, Plan, Step
from .plan_check import INPUT
from .trace import trace_part

_STAGES = "|".join(sorted(set(STAGE_KINDS) - set(CELL_KINDS)))
_OF_A_PART = re.compile(rf"(layers[1-8]|({_STAGES})[0-9]+)(_|\Z)")
"""With which the names of steps and layers beside cells begin; no value of a cell or a readout does."""


@dataclass(frozen=True)
class Lookback:
    """The rows of a value that are kept after a step: `rows` of them, of which `new` are that step's. state: its name."""

    state: str
    rows: int
    new: int


@dataclass(frozen=True)
class KeptRows:
    """A value over all steps behind what was kept of it before the first: padded [batch, channels, rows + steps * new]."""

    padded: Tensor
    lookback: Lookback

    def read(self) -> Tensor:
        """What the windows that reach back read, [batch, channels, 1, rows - new + steps * new]."""
        return self.padded[:, :, None, self.lookback.new :]

    def after(self, lengths: Tensor) -> Tensor:
        """What is kept after so many steps [batch] of each sequence: [batch, rows * channels]."""
        places = (lengths * self.lookback.new)[:, None] + torch.arange(self.lookback.rows, device=self.padded.device)
        rows = self.padded.detach().transpose(1, 2)
        return rows[torch.arange(len(rows))[:, None], places].flatten(1)

    def every(self) -> Tensor:
        """What is kept after each step: [steps, batch, rows * channels]."""
        stretches = self.padded.detach().unfold(2, self.lookback.rows, self.lookback.new)[:, :, 1:]
        return stretches.permute(2, 0, 3, 1).flatten(2)


class TimedLayers(LayeredModule):
    """The layers of a plan over the readings of one step [rows, channels], which give one row of features.

    read_of: parameters and buffers of the module that they were read of, until they are part of a net. Raises UnsupportedError as
    `lookbacks` does.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.nonnegative = plan.nonnegative()
        self.read_of: Mapping[str, Tensor] = {}
        self.read_from(NORMALIZED)

    @classmethod
    def of(cls, module: nn.Module, input_shape: tuple[int, int], prefix: str = "", *, flat: bool = False) -> TimedLayers:
        """Those of a torch module, with its parameters. See trace_part."""
        traced = trace_part(module, input_shape, prefix, flat=flat)
        layers = cls(traced.plan)
        layers.load(traced.modules)
        layers.read_of = module.state_dict(keep_vars=True)
        return layers

    def become(self, plan: Plan, layers: Mapping[str, LayerParameters], factor_of: Mapping[str, str]) -> None:
        """See LayeredModule."""
        super().become(plan, layers, factor_of)
        self.nonnegative = plan.nonnegative()
        self.read_from(self.source)

    def read_from(self, source: str) -> None:
        """Say what the value is called that the layers read: what is kept of it is called after it."""
        self.source = source
        self.lookbacks = lookbacks(self.plan, source)

    def known_as(self, name: str) -> str:
        """See LayeredModule."""
        return self.source if name == INPUT else name

    @property
    def rows(self) -> int:
        """How many readings, or rows of what is before, a step reads."""
        return self.plan.input_shape[0]

    @property
    def features(self) -> int:
        """Entries of what a step gives."""
        return self.plan.steps[-1].shape[2]

    def state_shapes(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """(name, [rows, channels]) of every state, in order."""
        for name, lookback in self._kept_values():
            yield lookback.state, (lookback.rows, _shape(self.plan, name)[2])

    def state_formats(self, fixed: FixedPointArithmetic) -> Iterator[tuple[str, Format]]:
        """(name, format) of every state, in order."""
        for name, lookback in self._kept_values():
            yield lookback.state, fixed.format(self.known_as(name), relu=name in self.nonnegative)

    def output_format(self, fixed: FixedPointArithmetic) -> Format:
        """Of what a step gives."""
        return fixed.format(self.plan.output, relu=self.plan.output in self.nonnegative)

    def _kept_values(self) -> Iterator[tuple[str, Lookback]]:
        """Each value of which rows are kept, and which."""
        seen: set[str] = set()
        for step in self.plan.steps:
            lookback = self.lookbacks.get(step.name)
            if lookback is not None and lookback.state not in seen:
                seen.add(lookback.state)
                yield step.inputs[0], lookback

    def step(self, arithmetic: LayerArithmetic[Value], x: Value, states: Mapping[str, Value]) -> tuple[Value, dict[str, Value]]:
        """(what one step makes of x [..., rows * channels], every new state by name): the program of a step."""
        following: dict[str, Value] = {}

        def keep(lookback: Lookback, value: Value) -> Value:
            rows = arithmetic.shift_in(states[lookback.state], value, lookback.state)
            following[lookback.state] = arithmetic.as_state(rows)
            return rows

        result = self._run_keeping(arithmetic, arithmetic.step_map(x, self.rows), keep, self.statistics())
        return arithmetic.vector(result), following

    def over_time(
        self, arithmetic: LayerArithmetic[Tensor], x: Tensor, begin: Mapping[str, Tensor] | None = None, running: Tensor | None = None
    ) -> tuple[Tensor, dict[str, KeptRows]]:
        """All steps at once: ([steps, batch, features], what is kept by the name of its state) of x [steps, batch, rows * channels].

        begin: the states before the first step, [batch, entries] by name (None: zeros). running: bool [batch, steps], those of which
        batch normalisation takes its statistics (None: all).
        """
        steps, batch, _ = x.shape
        kept: dict[str, KeptRows] = {}

        def keep(lookback: Lookback, value: Tensor) -> Tensor:
            kept[lookback.state] = _with_rows_before(value, lookback, None if begin is None else begin[lookback.state])
            return kept[lookback.state].read()

        image = x.reshape(steps, batch, self.rows, -1).permute(1, 3, 0, 2).flatten(2)[:, :, None]
        result = self._run_keeping(arithmetic, image, keep, self.statistics(running))
        return result[:, :, 0].permute(2, 0, 1), kept

    def _run_keeping(
        self, arithmetic: LayerArithmetic[Value], x: Value, keep: Callable[[Lookback, Value], Value], statistics: Statistics | None
    ) -> Value:
        """The last value. keep: what windows that reach back read of a value, once for each lookback."""
        values, read_back = {INPUT: x}, dict[str, Value]()
        for step in self.plan.steps:
            lookback, read = self.lookbacks.get(step.name), [values[name] for name in step.inputs]
            if lookback is None:
                values[step.name] = self.run_step(arithmetic, step, read, statistics)
                continue
            if lookback.state not in read_back:
                read_back[lookback.state] = keep(lookback, read[0])
            unpadded = replace(step, padding=(0, 0, 0, 0))
            values[step.name] = self.run_step(arithmetic, unpadded, [read_back[lookback.state]], statistics)
        return values[self.plan.output]


def lookbacks(plan: Plan, source: str) -> dict[str, Lookback]:
    """What the steps that reach back need of earlier steps, by their names. source: the name of what the plan reads.

    Raises UnsupportedError for layers that look ahead, do not divide time alike at every step, or read different stretches of a value.
    """
    found = {step.name: lookback for step in plan.steps if (lookback := _lookback(plan, step, source)) is not None}
    first: dict[str, str] = {}
    for name, lookback in found.items():
        other = first.setdefault(lookback.state, name)
        if found[other] != lookback:
            raise UnsupportedError(
                f"layers {other} and {name} read different stretches of {lookback.state.removesuffix(KEPT_ROWS)}, {found[other].rows} rows "
                f"and {lookback.rows}, and one is kept: give them the same kernel size and padding"
            )
    return found


def names_fault(plans: Iterable[Plan]) -> str:
    """Why names of steps and layers beside cells could be those of other values, in one sentence; nothing where they cannot."""
    known = list(plans)
    steps = Counter(step.name for plan in known for step in plan.steps)
    layers = Counter(layer.name for plan in known for layer in plan.layers)
    for what, names in (("steps", steps), ("layers", layers)):
        for name, count in names.items():
            if count > 1:
                return f"two {what} are called {name!r}: give each part of layers its own prefix, layers1_ for instance"
            if _OF_A_PART.match(name) is None or DERIVED.search(name):
                return f"one of its {what} is called {name!r}, as another value could be: let it begin with its part, layers1_ for instance"
    return ""


def _with_rows_before(value: Tensor, lookback: Lookback, begin: Tensor | None) -> KeptRows:
    """A value [batch, channels, 1, rows of all steps] behind what was kept of it, or zeros."""
    if begin is None:
        return KeptRows(F.pad(value[:, :, 0], (lookback.rows, 0)), lookback)
    before = begin.view(len(begin), lookback.rows, -1).transpose(1, 2).to(value.dtype)
    return KeptRows(torch.cat([before, value[:, :, 0]], dim=2), lookback)


def _shape(plan: Plan, name: str) -> tuple[int, int, int]:
    return (1, *plan.input_shape) if name == INPUT else plan.step(name).shape  # type: ignore[return-value]


def _lookback(plan: Plan, step: Step, source: str) -> Lookback | None:
    """What a step needs of earlier steps; nothing of one that reads this step's rows alone. Raises UnsupportedError."""
    read = step.inputs[0]
    rows, made = _shape(plan, read)[1], step.shape[1]
    if not LAYER_KINDS[step.kind].keeps_positions and rows > 1:
        raise UnsupportedError(f"layer {step.name} flattens the {rows} rows of a step: beside cells leave Flatten out")
    if not LAYER_KINDS[step.kind].windowed:
        return None
    reach, stride = step.window.reach, step.stride[1]
    if reach is None:
        raise UnsupportedError(f"layer {step.name} looks ahead: let its padding lie before, nn.ZeroPad1d((kernel - stride, 0))")
    if made * stride != rows:
        raise UnsupportedError(f"layer {step.name} makes {made} of {rows} rows: beside cells it makes one of every {stride}, its stride")
    return Lookback(f"{source if read == INPUT else read}{KEPT_ROWS}", reach + rows, rows) if reach else None
