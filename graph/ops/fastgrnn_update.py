"""fastgrnn_update: all of a FastGRNN step that follows its two products, in one pass (graph/passes.fuse_fastgrnn_update makes it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, get_args

import numpy as np

from ..draws import Draws
from ..events import Events, saturations
from ..fixed_point import PREACTIVATION_BITS, Q15_ONE, TABLE_INTERVALS, Function, IntArray, saturate, tanh_table
from ..formats import Format, TensorType
from ..ranges import Range
from ..stress import telling_combinations
from .activation import TABLE_NOTE, Lookup, PiecewiseLinear
from .add import Add, BiasAdd
from .base import CBuilder, CValue, Elementwise, OnnxBuilder, TfliteBuilder, TfliteTensor, require
from .fastgrnn_gate import FastGrnnGate

ActivationForm = Literal["lookup", "mirrored_lookup", "piecewise_linear"]
MAX_STATE_FRACTION_BITS = 13
"""Of the state: the gate, which the proof of fastgrnn_gate keeps below 2 in the state's format, then is below 2^14 without a clamp."""


@dataclass(frozen=True, eq=False)
class FastGrnnUpdate(Elementwise):
    """h' = gate(sigmoid(p + gate_bias), tanh(p + candidate_bias), h) with p = a + b: every part is an op, and means what that op means.

    Inputs: a = R(W x) and b = R(U h), int16 Q12, and the state h in `state`, vectors of equal length. gate_bias, candidate_bias: int16
    [entries] in Q12. zeta, nu: Q15 in [0, 2^15). table: the half table of a lookup (Lookup.table); of length 0 where nothing is looked up.
    mirrored_lookup: the C reads the table and its mirror image, 257 entries from -8 to 8, and needs neither magnitude nor sign.
    """

    name: ClassVar[str] = "fastgrnn_update"
    in_place: ClassVar[tuple[int, ...]] = (2,)

    nonlinearity: ActivationForm
    table: IntArray
    gate_bias: IntArray
    candidate_bias: IntArray
    zeta: int
    nu: int
    state: Format

    @property
    def kernel(self) -> str:
        return f"fastgrnn_update_{self.nonlinearity}_int16"

    @property
    def _gate(self) -> FastGrnnGate:
        return FastGrnnGate(self.zeta, self.nu, self.state)

    def _function(self, function: Function) -> Lookup | PiecewiseLinear:
        return PiecewiseLinear(function) if self.nonlinearity == "piecewise_linear" else Lookup(function, self.table)

    def _branches(self) -> tuple[tuple[BiasAdd, Lookup | PiecewiseLinear], ...]:
        """The ops that lead from p to z and to c."""
        return (BiasAdd(self.gate_bias), self._function("sigmoid")), (BiasAdd(self.candidate_bias), self._function("tanh"))

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        a, b, h = inputs
        require(self.nonlinearity in get_args(ActivationForm), f"fastgrnn_update has no non-linearity {self.nonlinearity!r}")
        require(len(h.shape) == 1, f"fastgrnn_update reads vectors, not a state of shape {h.shape}")
        bits = self.state.fraction_bits
        most = MAX_STATE_FRACTION_BITS
        require(bits <= most, f"fastgrnn_update keeps a state with at most {most} fraction bits, not {bits}")
        (p,) = Add().infer(a, b)
        z, c = (function.infer(*bias.infer(p))[0] for bias, function in self._branches())
        if self.nonlinearity == "mirrored_lookup":
            require(can_be_mirrored(self.table), "the mirrored table rises too fast where its functions saturate")
        return self._gate.infer(z, c, h)

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        a, b, h = inputs
        (p,) = Add().evaluate(a, b)
        z, c = (function.evaluate(*bias.evaluate(p))[0] for bias, function in self._branches())
        return self._gate.evaluate(z, c, h)

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        a, b, h = inputs
        (p,) = Add().ranges(a, b)
        low, high = (saturate(end, self.state.low, self.state.high) for end, _ in self._extremes(p, h))
        return (Range(h.type, low, high),)

    def reached(self, *inputs: IntArray) -> Events:
        a, b, h = inputs
        (p,) = Add().evaluate(a, b)
        met = [(bias.evaluate(p), bias, function) for bias, function in self._branches()]
        z, c = (function.evaluate(*u)[0] for u, _, function in met)
        parts = [part.reached(*each) for u, bias, function in met for part, each in ((bias, (p,)), (function, u))]
        return _joined(Add().reached(a, b), *parts, self._gate.reached(z, c, h))

    def reachable(self, *inputs: Range) -> Events:
        a, b, h = inputs
        (p,) = Add().ranges(a, b)
        met = [(bias.ranges(p), bias, function) for bias, function in self._branches()]
        (z,) = met[0][2].ranges(*met[0][0])
        parts = [part.reachable(*each) for u, bias, function in met for part, each in ((bias, (p,)), (function, u))]
        (low, _), (high, _) = self._extremes(p, h)
        return _joined(Add().reachable(a, b), *parts, {**saturations(low, high, self.state), **self._gate.opened(z)})

    def _extremes(self, p: Range, h: Range) -> tuple[tuple[IntArray, IntArray], tuple[IntArray, IntArray]]:
        """(result, p) of the least and of the largest new state of each entry, before its clamp: p decides the gate and the candidate
        together, so that all of its integers are tried.
        """
        every = np.arange(-(1 << 15), 1 << 15)
        z, c = (function.evaluate(every)[0] for _, function in self._branches())
        found = [
            self._extremes_of(z, c, np.arange(low, high + 1), biases, ends)
            for low, high, ends, *biases in zip(
                p.low.tolist(), p.high.tolist(), zip(h.low, h.high, strict=True), self.gate_bias, self.candidate_bias, strict=True
            )
        ]
        least, most = (np.array(each) for each in zip(*found, strict=True))
        return (least[:, 0], least[:, 1]), (most[:, 0], most[:, 1])

    def _extremes_of(
        self, z: IntArray, c: IntArray, p: IntArray, biases: Sequence[int], h: Sequence[int]
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """The same of one entry; z, c: of every pre-activation from -2^15 on."""
        gate, candidate = (x[np.clip(p + int(bias), -(1 << 15), (1 << 15) - 1) + (1 << 15)] for x, bias in zip((z, c), biases, strict=True))
        low, high = (self._gate.unclamped(gate, candidate, np.asarray(end)) for end in h)
        least, most = int(low.argmin()), int(high.argmax())
        return (int(low[least]), int(p[least])), (int(high[most]), int(p[most]))

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """What the non-linearities of either branch ask for, split over both products; the extremes; combinations of special values."""
        a, b, h = inputs
        read = TensorType(a.shape, Format(PREACTIVATION_BITS))
        wanted = [bias.evaluate_inverse(function.stress(draws, read)[0]) for bias, function in self._branches()]
        (p,) = Add().ranges(Range.full(a), Range.full(b))
        extremes = [place[None] for _, place in self._extremes(p, Range.full(h))]
        sums = np.concatenate([*extremes, *wanted])
        drawn = draws.integers(a.format.low // 2, a.format.high // 2, sums.shape)
        first = np.clip(np.clip(drawn, sums - b.format.high, sums - b.format.low), a.format.low, a.format.high)
        second = np.clip(sums - first, b.format.low, b.format.high)
        states = draws.integers(h.format.low, h.format.high, (len(sums), *h.shape))
        states[0], states[1] = h.format.low, h.format.high
        rest = telling_combinations(draws, inputs)
        return tuple(np.concatenate(pair) for pair in zip((first, second, states), rest, strict=True))

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        projected, recurrent, h = inputs
        (p,) = Add().onnx(b, projected, recurrent)
        z, c = (function.onnx(b, *bias.onnx(b, p))[0] for bias, function in self._branches())
        return self._gate.onnx(b, z, c, h)

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        projected, recurrent, h = inputs
        (p,) = Add().tflite(b, projected, recurrent)
        z, c = (function.tflite(b, *bias.tflite(b, p))[0] for bias, function in self._branches())
        return self._gate.tflite(b, z, c, h)

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        buffers = [value.expression for value in (*inputs, *outputs)]
        note = "in the format of the pre-activations"
        gate_bias, candidate_bias = (
            b.constant(role, bias, "biases", note)
            for role, bias in (("gate_bias", self.gate_bias), ("candidate_bias", self.candidate_bias))
        )
        b.call(self.kernel, *buffers, str(outputs[0].type.size), gate_bias, candidate_bias, self._gate.c_cell, *self._c_table(b))

    def _c_table(self, b: CBuilder) -> tuple[str, ...]:
        if self.nonlinearity == "piecewise_linear":
            return ()
        if self.nonlinearity == "lookup":
            return (b.shared_constant("tanh_table", self.table, "tables", TABLE_NOTE),)
        mirrored = mirror(self.table)
        return (b.shared_constant("mirrored_tanh_table", mirrored, "tables", "tanh at -8, -8 + 1/16, ... 8 in Q15"),)

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        size, state = int(rng.integers(1, 40)), Format(int(rng.integers(8, 13)), bound=10922)
        nonlinearity: ActivationForm = get_args(ActivationForm)[rng.integers(3)]
        table = np.zeros(0, np.int16) if nonlinearity == "piecewise_linear" else tanh_table()
        biases = rng.integers(-(1 << 15), 1 << 15, (2, size), dtype=np.int16) >> int(rng.integers(0, 4))
        zeta, nu = (int(n) for n in rng.integers(0, Q15_ONE - 8, 2))
        p = Format(PREACTIVATION_BITS)
        return cls(nonlinearity, table, biases[0], biases[1], zeta, nu, state), tuple(
            TensorType((size,), format) for format in (p, p, state)
        )


def _joined(*events: Events) -> Events:
    """The events of several parts, those of one kind behind each other."""
    kinds = dict.fromkeys(kind for each in events for kind in each)
    return {kind: np.concatenate([each[kind] for each in events if kind in each]) for kind in kinds}


def mirror(table: IntArray) -> IntArray:
    """int16 [2 n + 1] from a half table [n + 1] that begins with 0: its odd continuation to the left, then itself."""
    mirrored: IntArray = np.concatenate([-table[:0:-1], table]).astype(np.int16)
    return mirrored


def can_be_mirrored(table: IntArray) -> bool:
    """Whether reading -2^15 at its own entry gives what the contract reads at -(2^15 - 1), the last place between two entries.

    That is so where the last interval of tanh, and that of sigmoid, rises by no more than half of its length.
    """
    rises = np.diff(table.astype(np.int64))
    return bool(rises[TABLE_INTERVALS - 1] <= 128 and rises[TABLE_INTERVALS // 2 - 1] <= 256)
