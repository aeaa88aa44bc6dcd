"""A net for sequences: normalisation, recurrent cells with layers before, between and behind them, and class scores of what is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...graph.fixed_point import TERNARY_INPUT_BOUND
from ...graph.formats import DType, Format
from ..arithmetic import NORMALIZED, CellArithmetic, Nonlinearity
from ..base import Net
from ..counted_steps import CountedSteps
from ..fixed_point_arithmetic import FixedPointArithmetic
from ..layered.kinds import LayerArithmetic
from ..layered.timed_layers import KeptRows, TimedLayers
from ..matrix import Matrix, Value
from .cell import Cell
from .net_parts import named_parts
from .readout import LAST, Readout
from .recurrence import RunLayer, run_layer

SCORES = "scores"
"""The value that a net answers with."""
READ_BY_PRODUCTS = Format(12, bound=TERNARY_INPUT_BOUND)
"""Of what products read: clamped to what ternary tables hold."""
NetPart = Cell | TimedLayers


@dataclass(frozen=True)
class _Run:
    """What a run over time gives, by name: the states of cells and readout [steps, batch, entries], and what layers keep."""

    states: Mapping[str, Tensor]
    kept: Mapping[str, KeptRows]

    def after(self, lengths: Tensor) -> dict[str, Tensor]:
        """Every state [batch, entries] after so many steps [batch] of each sequence."""
        ends = {name: state.detach()[lengths - 1, torch.arange(len(lengths))] for name, state in self.states.items()}
        return {**ends, **{name: rows.after(lengths) for name, rows in self.kept.items()}}

    def every(self) -> dict[str, Tensor]:
        """Every state after each step, [steps, batch, entries]."""
        return {**self.states, **{name: rows.every() for name, rows in self.kept.items()}}


class NetArithmetic(CellArithmetic[Value], LayerArithmetic[Value], Protocol[Value]):
    """What a net of cells and layers is written against."""


class RecurrentNet(Net):
    """scores = C r + b, r what `readout` makes of h, the first state of the last cell, or what the layers behind it make of that: h_T where
    nothing else is asked for. The first part reads the normalised input, every other one the h, or the features, of the one before.

    parts: cells, and between them torch modules of layers: a TimedLayers, or what TimedLayers.of takes. readings: of a step, which the
    first layers read, side by side in the input. run_layer: the loop over time (see `use_loop`).

    Raises InputError for parts that do not fit behind each other or whose suffixes do not tell them apart, UnsupportedError for a module
    that is neither a cell nor layers.
    """

    def __init__(
        self,
        parts: Sequence[nn.Module],
        classes: int,
        mean: Tensor,
        std: Tensor,
        nonlinearity: Nonlinearity = "table",
        readout: Readout = LAST,
        readings: int = 1,
    ) -> None:
        super().__init__()
        for name, part in named_parts(parts, mean, std, readout, readings):
            self.add_module(name, part)
        self.begin(mean, std, nonlinearity)
        self.readout = readout
        self.classifier = Matrix(classes, readout.entries(self.cells[-1].hidden_size) if self.head is None else self.head.features)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.run_layer: RunLayer = run_layer

    @property
    def parts(self) -> list[NetPart]:
        """From the input to the classifier."""
        return [cast(NetPart, module) for name, module in self.named_children() if name.startswith(("cell", "layers"))]

    @property
    def cells(self) -> list[Cell]:
        """Those of the parts that are cells."""
        return [part for part in self.parts if not isinstance(part, TimedLayers)]

    @property
    def layer_modules(self) -> list[TimedLayers]:
        """Those of the parts that are layers."""
        return [part for part in self.parts if isinstance(part, TimedLayers)]

    @property
    def body(self) -> list[NetPart]:
        """What runs at every step: all up to the last cell."""
        parts = self.parts
        return parts[: 1 + max(place for place, part in enumerate(parts) if not isinstance(part, TimedLayers))]

    @property
    def head(self) -> TimedLayers | None:
        """The layers behind the last cell, which run for an answer."""
        last = self.parts[-1]
        return last if isinstance(last, TimedLayers) else None

    @property
    def readings(self) -> int | None:
        """See Net."""
        first = self.parts[0]
        return first.rows if isinstance(first, TimedLayers) else None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of what a step reads."""
        return (len(self.mean),) if self.readings is None else (self.readings, len(self.mean) // self.readings)

    @property
    def given(self) -> Mapping[str, Format]:
        """The h of every cell that layers read."""
        read = {part.source for part in self.layer_modules}
        return {name: format for cell in self.cells for name, format in _states(cell).items() if name in read}

    @property
    def state_formats(self) -> Mapping[str, Format]:
        """Name and format of every state: of the cells in order, of the readout, then of what layers keep, once the net is compressed."""
        of_cells = {name: format for cell in self.cells for name, format in _states(cell).items()}
        of_layers = [state for part in self.layer_modules for state in part.state_formats(self.fixed)]
        return {**of_cells, **self.readout.formats(self.read_format), **dict(of_layers)}

    @property
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Of every state, by name, in the same order: vectors, or [rows, channels] of what layers keep."""
        of_cells = {name: (cell.hidden_size,) for cell in self.cells for name in _states(cell)}
        of_readout = {name: (size,) for name, size in self.readout.sizes(self.read_format, self.cells[-1].hidden_size).items()}
        return {**of_cells, **of_readout, **dict(state for part in self.layer_modules for state in part.state_shapes())}

    @property
    def state_sizes(self) -> Mapping[str, int]:
        """Entries of every state, by name, in the same order."""
        return {name: prod(shape) for name, shape in self.state_shapes.items()}

    def calibrated(self, activations: DType) -> Mapping[str, Format]:  # noqa: ARG002
        """What products read, what layers keep, and the scores."""
        projections = [projection for cell in self.cells for projection in (cell.input, cell.recurrent)]
        factors = [name for projection in projections for name in projection.names[:-1]]
        kept = [step.name for part in self.layer_modules for step in part.plan.steps]
        return {**dict.fromkeys((NORMALIZED, *factors, *kept), READ_BY_PRODUCTS), SCORES: Format(10)}

    def scores_format(self) -> Format:
        """Of the classifier's product."""
        return self.fixed.format(SCORES)

    @property
    def last_state(self) -> str:
        """The name of the last cell's h."""
        return next(iter(_states(self.cells[-1])))

    @property
    def read_format(self) -> Format:
        """Of that h, and of all that the classifier reads."""
        return next(iter(self.cells[-1].states.values()))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Scores [batch, classes] of x [batch, time, channels], readings of which the first `lengths` [batch] (>= 1) are valid."""
        return self.answer(x, lengths, CountedSteps.of(lengths, 0.0))[0]

    def answer(
        self, x: Tensor, lengths: Tensor, counted: CountedSteps, begin: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(scores [counted, classes] at those steps, every state by name after each sequence's own last step [batch, entries]).

        begin: the states before the first step, [batch, entries] by name (None: zeros). No gradient flows through either.
        """
        run = self._run(x, lengths, begin)
        now = {name: state[counted.step, counted.sequence] for name, state in run.states.items() if name in self.read_states}
        return self.scores(F.dropout(self.read(self.arithmetic, now), self.dropout, self.training)), run.after(lengths)

    def states(self, x: Tensor, lengths: Tensor, begin: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Every state by name: [batch, time, entries]; zero after a sequence's end. begin: see `answer`."""
        running = (torch.arange(x.shape[1]) < lengths[:, None])[:, : int(lengths.max()), None]
        every = self._run(x, lengths, begin).every()
        padding = (0, 0, 0, x.shape[1] - running.shape[1])
        return {name: F.pad(state.transpose(0, 1) * running, padding) for name, state in every.items()}

    def step(self, arithmetic: NetArithmetic[Value], x: Value, states: Mapping[str, Value]) -> dict[str, Value]:
        """Every new state by name, [..., entries], from what a step reads, x, and the old ones: the program of a step.

        A part reads what the one before it has just made.
        """
        x = self.normalize(x, arithmetic)
        following: dict[str, Value] = {}
        for part in self.body:
            if isinstance(part, TimedLayers):
                x, kept = part.step(arithmetic, x, states)
                following.update(kept)
                continue
            names = list(_states(part))
            old = [states[name] for name in names]
            products = part.input.run(arithmetic, x), part.recurrent.run(arithmetic, old[0])
            new = part.update(arithmetic.of_layer(part.suffix), *products, old, part.constants(arithmetic))
            following.update(zip(names, new, strict=True))
            x = new[0]
        following |= self.readout.step(arithmetic, x, states, self.read_format)
        return {name: following[name] for name in self.state_shapes}

    @property
    def read_states(self) -> tuple[str, ...]:
        """The names of the states that `read` may want."""
        return (self.last_state, *self.readout.formats(self.read_format))

    def read(self, arithmetic: NetArithmetic[Value], states: Mapping[str, Value]) -> Value:
        """What is read [..., entries] of the states after a step, each [..., size]: the first half of the head's program."""
        return self.readout.read(arithmetic, states[self.last_state], states, self.read_format)

    def answers(self, arithmetic: NetArithmetic[Value], read: Value) -> Value:
        """Class scores [..., classes] of what is read: the second half of the head's program."""
        format = self.read_format
        if self.head is not None:
            read, _ = self.head.step(arithmetic, read, {})
            if isinstance(self.arithmetic, FixedPointArithmetic):
                format = self.head.output_format(self.arithmetic)
        return arithmetic.product(read, self.classifier, SCORES, self.bias, format)

    def scores(self, read: Tensor) -> Tensor:
        """Class scores [..., classes] of what is read [..., entries]."""
        return self.answers(self.arithmetic, read.reshape(-1, read.shape[-1])).view(*read.shape[:-1], -1)

    def _run(self, x: Tensor, lengths: Tensor, begin: Mapping[str, Tensor] | None) -> _Run:
        """Past its end a sequence runs on with whatever stands there."""
        x = x[:, : int(lengths.max())].transpose(0, 1).contiguous()
        running = torch.arange(len(x), device=lengths.device) < lengths[:, None]
        x = self.normalize(x, self.arithmetic)
        states: dict[str, Tensor] = {}
        kept: dict[str, KeptRows] = {}
        for part in self.body:
            if isinstance(part, TimedLayers):
                x, rows = part.over_time(self.arithmetic, x, begin, running)
                kept.update(rows)
                continue
            names = list(_states(part))
            first = None if begin is None else [begin[name] for name in names]
            states.update(zip(names, self.run_layer(part, self.arithmetic, x, first), strict=True))
            x = states[names[0]]
        return _Run({**states, **self.readout.run(x, begin, self.read_format)}, kept)


def _states(cell: Cell) -> dict[str, Format]:
    """Name and format of every state of a cell."""
    return {f"{name}{cell.suffix}": format for name, format in cell.states.items()}
