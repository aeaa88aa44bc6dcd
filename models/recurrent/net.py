"""A net for sequences: normalisation, one or two recurrent cells, and class scores from the last state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError, UnsupportedError, counted
from ...graph.fixed_point import TERNARY_INPUT_BOUND
from ...graph.formats import Format
from ..arithmetic import NORMALIZED, CellArithmetic, Nonlinearity
from ..counted_steps import CountedSteps
from ..fake_quantize import STATE, grid
from ..float_arithmetic import FloatArithmetic
from ..matrix import Matrix, Value
from .cell import Cell, CellModule
from .recurrence import RunLayer, run_layer

_, _, INPUT_LIMIT = grid(STATE)
"""2.67, the largest value in Q12 that ternary partial sums allow."""
SCORES = "scores"
"""The value that a net answers with."""
READ_BY_PRODUCTS = Format(12, bound=TERNARY_INPUT_BOUND)
"""Of what products read: clamped to what ternary tables hold."""
SUFFIXES = ("", "_2")
"""What the names of the cells and of their values end with: there are as many cells as formats are known for."""


class RecurrentNet(nn.Module):
    """scores = C h_T + b, h the first state of the last cell. The first cell reads the normalised input, a second the h of the first.

    mean, std: float [channels], centre and spread of the training data's valid steps; a std of 0 counts as 1. saturates: normalised
    inputs are limited to what ternary products read, INPUT_LIMIT. dropout: probability for entries of the last state, in training only.
    run_layer: the loop over time (see `use_loop`).

    Raises InputError for cells that do not fit behind each other or whose suffixes do not tell them apart, UnsupportedError for a module
    that is no cell.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, cells: Sequence[nn.Module], classes: int, mean: Tensor, std: Tensor, nonlinearity: Nonlinearity = "table") -> None:
        super().__init__()
        for cell in _checked(cells, mean, std):
            self.add_module(f"cell{cell.suffix}", cell)
        self.arithmetic: FloatArithmetic = FloatArithmetic(nonlinearity)
        self.classifier = Matrix(classes, self.cells[-1].hidden_size)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.register_buffer("mean", mean.detach().clone().float())
        self.register_buffer("std", torch.where(std == 0, torch.ones_like(std), std).detach().float())
        self.saturates = False
        self.dropout = 0.0
        self.run_layer: RunLayer = run_layer

    @property
    def cells(self) -> list[Cell]:
        """From the input to the classifier."""
        return [cast(Cell, module) for name, module in self.named_children() if name.startswith("cell")]

    @property
    def state_formats(self) -> Mapping[str, Format]:
        """Name and format of every state of every cell, in order."""
        return {f"{name}{cell.suffix}": format for cell in self.cells for name, format in cell.states.items()}

    @property
    def state_sizes(self) -> Mapping[str, int]:
        """Entries of every state, by name, in order."""
        return {f"{name}{cell.suffix}": cell.hidden_size for cell in self.cells for name in cell.states}

    @property
    def calibrated(self) -> Mapping[str, Format]:
        """By name, in order: the values whose fraction bits calibration chooses, in the formats that they have before it."""
        projections = [projection for cell in self.cells for projection in (cell.input, cell.recurrent)]
        factors = [name for projection in projections for name in projection.names[:-1]]
        return {**dict.fromkeys((NORMALIZED, *factors), READ_BY_PRODUCTS), SCORES: Format(10)}

    @property
    def read_by_classifier(self) -> str:
        """The name of the last cell's h."""
        last = self.cells[-1]
        return f"{next(iter(last.states))}{last.suffix}"

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Scores [batch, classes] of x [batch, time, channels], readings of which the first `lengths` [batch] (>= 1) are valid."""
        return self.answer(x, lengths, CountedSteps.of(lengths, 0.0))[0]

    def answer(
        self, x: Tensor, lengths: Tensor, counted: CountedSteps, begin: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(scores [counted, classes] at those steps, every state by name after each sequence's own last step [batch, hidden]).

        begin: the states before the first step, [batch, hidden] by name (None: zeros). No gradient flows through either.
        """
        runs = self._run(x, lengths, begin)
        h = runs[-1][0][counted.step, counted.sequence]
        ends = [state.detach()[lengths - 1, torch.arange(len(lengths))] for states in runs for state in states]
        return self.scores(F.dropout(h, self.dropout, self.training)), dict(zip(self.state_formats, ends, strict=True))

    def states(self, x: Tensor, lengths: Tensor, begin: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Every state by name: [batch, time, hidden]; zero after a sequence's end. begin: see `answer`."""
        running = (torch.arange(x.shape[1]) < lengths[:, None])[:, : int(lengths.max()), None]
        every = [state.transpose(0, 1) * running for states in self._run(x, lengths, begin) for state in states]
        padding = (0, 0, 0, x.shape[1] - running.shape[1])
        return {name: F.pad(state, padding) for name, state in zip(self.state_formats, every, strict=True)}

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
        return following

    def normalize(self, x: Value, arithmetic: CellArithmetic[Value]) -> Value:
        """What the first cell reads of x [..., channels]."""
        x = arithmetic.normalize(x, self.mean, self.std)
        return arithmetic.limit(x, INPUT_LIMIT) if self.saturates else x

    def answers(self, arithmetic: CellArithmetic[Value], h: Value) -> Value:
        """Class scores [..., classes] of the last cell's h [..., hidden]: the program of the head."""
        return arithmetic.product(h, self.classifier, SCORES, self.bias, self.state_formats[self.read_by_classifier])

    def scores(self, h: Tensor) -> Tensor:
        """Class scores [batch, classes] of the last cell's h [batch, hidden]."""
        return self.answers(self.arithmetic, h)

    def _run(self, x: Tensor, lengths: Tensor, begin: Mapping[str, Tensor] | None) -> list[tuple[Tensor, ...]]:
        """For each cell its states [longest of lengths, batch, hidden]. Past its end a sequence runs on with whatever stands there."""
        x = x[:, : int(lengths.max())].transpose(0, 1).contiguous()
        x = self.normalize(x, self.arithmetic)
        result: list[tuple[Tensor, ...]] = []
        for cell in self.cells:
            first = None if begin is None else [begin[f"{name}{cell.suffix}"] for name in cell.states]
            result.append(self.run_layer(cell, self.arithmetic, x, first))
            x = result[-1][0]
        return result


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
