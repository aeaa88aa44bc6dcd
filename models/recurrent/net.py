"""A net for sequences: normalisation, one or two recurrent cells, and class scores from what is read of the states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError, UnsupportedError, counted
from ...graph.fixed_point import TERNARY_INPUT_BOUND
from ...graph.formats import DType, Format
from ..arithmetic import NORMALIZED, CellArithmetic, Nonlinearity
from ..base import Net
from ..counted_steps import CountedSteps
from ..matrix import Matrix, Value
from .cell import Cell, CellModule
from .readout import LAST, Readout
from .recurrence import RunLayer, run_layer

SCORES = "scores"
"""The value that a net answers with."""
READ_BY_PRODUCTS = Format(12, bound=TERNARY_INPUT_BOUND)
"""Of what products read: clamped to what ternary tables hold."""
SUFFIXES = ("", "_2")
"""What the names of the cells and of their values end with: there are as many cells as formats are known for."""


class RecurrentNet(Net):
    """scores = C r + b, r what `readout` makes of h, the first state of the last cell: h_T where nothing else is asked for. The first cell
    reads the normalised input, a second the h of the first.

    run_layer: the loop over time (see `use_loop`).

    Raises InputError for cells that do not fit behind each other or whose suffixes do not tell them apart, UnsupportedError for a module
    that is no cell.
    """

    def __init__(
        self,
        cells: Sequence[nn.Module],
        classes: int,
        mean: Tensor,
        std: Tensor,
        nonlinearity: Nonlinearity = "table",
        readout: Readout = LAST,
    ) -> None:
        super().__init__()
        for cell in _checked(cells, mean, std):
            self.add_module(f"cell{cell.suffix}", cell)
        self.begin(mean, std, nonlinearity)
        self.readout = readout
        self.classifier = Matrix(classes, readout.entries(self.cells[-1].hidden_size))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.run_layer: RunLayer = run_layer

    @property
    def cells(self) -> list[Cell]:
        """From the input to the classifier."""
        return [cast(Cell, module) for name, module in self.named_children() if name.startswith("cell")]

    @property
    def state_formats(self) -> Mapping[str, Format]:
        """Name and format of every state of every cell, in order, then of the readout's."""
        cells = {f"{name}{cell.suffix}": format for cell in self.cells for name, format in cell.states.items()}
        return {**cells, **self.readout.formats(self.read_format)}

    @property
    def state_sizes(self) -> Mapping[str, int]:
        """Entries of every state, by name, in order."""
        cells = {f"{name}{cell.suffix}": cell.hidden_size for cell in self.cells for name in cell.states}
        return {**cells, **self.readout.sizes(self.read_format, self.cells[-1].hidden_size)}

    def calibrated(self, activations: DType) -> Mapping[str, Format]:  # noqa: ARG002
        """What products read, and the scores."""
        projections = [projection for cell in self.cells for projection in (cell.input, cell.recurrent)]
        factors = [name for projection in projections for name in projection.names[:-1]]
        return {**dict.fromkeys((NORMALIZED, *factors), READ_BY_PRODUCTS), SCORES: Format(10)}

    def scores_format(self) -> Format:
        """Of the classifier's product."""
        return self.fixed.format(SCORES)

    @property
    def last_state(self) -> str:
        """The name of the last cell's h."""
        last = self.cells[-1]
        return f"{next(iter(last.states))}{last.suffix}"

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
        """(scores [counted, classes] at those steps, every state by name after each sequence's own last step [batch, hidden]).

        begin: the states before the first step, [batch, hidden] by name (None: zeros). No gradient flows through either.
        """
        states = self._run(x, lengths, begin)
        now = {name: state[counted.step, counted.sequence] for name, state in states.items() if name in self.read_states}
        ends = {name: state.detach()[lengths - 1, torch.arange(len(lengths))] for name, state in states.items()}
        return self.scores(F.dropout(self.read(self.arithmetic, now), self.dropout, self.training)), ends

    def states(self, x: Tensor, lengths: Tensor, begin: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Every state by name: [batch, time, hidden]; zero after a sequence's end. begin: see `answer`."""
        running = (torch.arange(x.shape[1]) < lengths[:, None])[:, : int(lengths.max()), None]
        padding = (0, 0, 0, x.shape[1] - running.shape[1])
        return {name: F.pad(state.transpose(0, 1) * running, padding) for name, state in self._run(x, lengths, begin).items()}

    def step(self, arithmetic: CellArithmetic[Value], x: Value, states: Mapping[str, Value]) -> dict[str, Value]:
        """Every new state by name, [..., hidden], from a reading x [..., channels] and the old ones: the program of a step.

        A second cell reads the state that the first has just made.
        """
        x = self.normalize(x, arithmetic)
        following: dict[str, Value] = {}
        for cell in self.cells:
            names = [f"{name}{cell.suffix}" for name in cell.states]
            old = [states[name] for name in names]
            products = cell.input.run(arithmetic, x), cell.recurrent.run(arithmetic, old[0])
            new = cell.update(arithmetic.of_layer(cell.suffix), *products, old, cell.constants(arithmetic))
            following.update(zip(names, new, strict=True))
            x = new[0]
        return {**following, **self.readout.step(arithmetic, x, states, self.read_format)}

    @property
    def read_states(self) -> tuple[str, ...]:
        """The names of the states that `read` may want."""
        return (self.last_state, *self.readout.formats(self.read_format))

    def read(self, arithmetic: CellArithmetic[Value], states: Mapping[str, Value]) -> Value:
        """What the classifier reads [..., entries] of the states after a step, each [..., size]: the first half of the head's program."""
        return self.readout.read(arithmetic, states[self.last_state], states, self.read_format)

    def answers(self, arithmetic: CellArithmetic[Value], read: Value) -> Value:
        """Class scores [..., classes] of what the classifier reads: the second half of the head's program."""
        return arithmetic.product(read, self.classifier, SCORES, self.bias, self.read_format)

    def scores(self, read: Tensor) -> Tensor:
        """Class scores [batch, classes] of what the classifier reads [batch, entries]."""
        return self.answers(self.arithmetic, read)

    def _run(self, x: Tensor, lengths: Tensor, begin: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
        """Every state by name, in order, [longest of lengths, batch, size]. Past its end a sequence runs on with whatever stands there."""
        x = x[:, : int(lengths.max())].transpose(0, 1).contiguous()
        x = self.normalize(x, self.arithmetic)
        result: dict[str, Tensor] = {}
        for cell in self.cells:
            names = [f"{name}{cell.suffix}" for name in cell.states]
            states = self.run_layer(cell, self.arithmetic, x, None if begin is None else [begin[name] for name in names])
            result.update(zip(names, states, strict=True))
            x = states[0]
        return {**result, **self.readout.run(x, begin, self.read_format)}


def _checked(cells: Sequence[nn.Module], mean: Tensor, std: Tensor) -> list[CellModule]:
    """The cells. Raises InputError or UnsupportedError where the net would be another than the one that was asked for."""
    if not cells or mean.ndim != 1 or mean.shape != std.shape:
        sizes = f"{counted(len(cells), 'cell')}, mean {list(mean.shape)}, std {list(std.shape)}"
        raise InputError(f"{sizes}: a recurrent net takes cells, and [channels] twice")
    checked: list[CellModule] = []
    size, origin = len(mean), "the input"
    for cell in cells:
        kind = type(cell).__name__
        if not isinstance(cell, CellModule):
            raise UnsupportedError(f"a {kind} is no cell of a RecurrentNet: use one of rescomp.models, such as GruCell")
        if cell.input.columns != size:
            raise InputError(f"a {kind} reads {cell.input.columns} entries, and {origin} has {size}")
        checked.append(cell)
        size, origin = cell.hidden_size, f"the {kind} before it"
    suffixes = [cell.suffix for cell in checked]
    if len(checked) > len(SUFFIXES):
        raise InputError(
            f"the net stacks {len(checked)} cells: a recurrent net has at most {len(SUFFIXES)}, make the others larger instead"
        )
    if len(set(suffixes)) < len(suffixes) or not set(SUFFIXES).issuperset(suffixes):
        raise InputError(f"the cells' suffixes are {suffixes}: give each CellShape its own, nothing or '_2'")
    return checked
