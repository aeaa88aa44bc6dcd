"""What an op is, and the small builders through which it writes itself into each export: one interface, read as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError
from ..draws import Draws
from ..events import Events
from ..fixed_point import ACCUMULATOR_BITS, IntArray, Requantization
from ..formats import Format, TensorType, WindowShape
from ..ranges import Range
from ..stress import telling_combinations
from ..weights import Weight

Array = npt.NDArray[Any]
ConstantKind = Literal["weights", "scales", "biases", "tables"]


class OnnxBuilder(Protocol):
    """Writes ONNX nodes. A value is an int32 tensor [batch, *shape], or of int8 format an int8 tensor [batch, channels, ...].

    The file's edges have the dtypes of the formats and the channels last: the builder converts them.
    """

    def constant(self, array: Array, *, shared: bool = True) -> str:
        """Name of an initializer; equal arrays that are `shared` have one."""
        ...

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Name of the single output of a new node."""
        ...

    def type(self, value: str) -> TensorType:
        """The type of an input of the op that is being written."""
        ...


@dataclass(frozen=True)
class TfliteTensor:
    """A tensor in a TFLite subgraph. `format` is None for plain int32 arithmetic."""

    index: int
    shape: tuple[int, ...]
    dtype: str
    format: Format | None


class TfliteBuilder(Protocol):
    """Writes TFLite operators. A value of shape (c,), (t, c) or (h, w, c) is a tensor of rank 4 with leading ones."""

    def constant(self, array: Array, scale: npt.NDArray[np.float64] | None = None, axis: int = 0) -> TfliteTensor:
        """A constant tensor; `scale` (one entry, or one for each index of `axis`) makes it a quantized one."""
        ...

    def operator(
        self,
        code: str,
        inputs: tuple[TfliteTensor, ...],
        shape: tuple[int, ...],
        dtype: str,
        format: Format | None = None,
        **options: Any,
    ) -> TfliteTensor:
        """The output of a new builtin operator; options are fields of its options table (ADD: AddOptions, ...)."""
        ...


class CValue(NamedTuple):
    """A buffer in the generated C: the expression that points to it, and its type."""

    expression: str
    type: TensorType


class CBuilder(Protocol):
    """Collects the constants and the call of one node."""

    def constant(self, role: str, array: Array, kind: ConstantKind, note: str) -> str:
        """Identifier of a const array named after the node and `role`.

        kind: which account its bytes go to. note: what a reader of the C must know about it (unit, layout).
        """
        ...

    def shared_constant(self, name: str, array: Array, kind: ConstantKind, note: str) -> str:
        """Identifier of a const array that every node asking for `name` shares."""
        ...

    def call(self, kernel: str, *arguments: str) -> None:
        """Call rescomp_<kernel>(arguments...)."""
        ...

    def product(self, op: ProductOp, x: CValue, y: CValue, shape: str = "") -> None:
        """Declare the op's weight, in the storage that suits the target, and its scales, and call what computes y from x.

        shape: of a convolution (rescomp_conv2d_shape); empty: x is multiplied as one vector.
        """
        ...


class ProductOp(Protocol):
    """An op whose outputs are weighted sums, requantized: what CBuilder.product reads of it."""

    @property
    def kernel(self) -> str:
        """See Op."""
        ...

    reads_patches: ClassVar[bool]
    """Whether it multiplies patches of its input, gathered one after the other, and not the whole."""

    @property
    def weight(self) -> Weight:
        """int8 [rows, columns]."""
        ...

    @property
    def bias(self) -> IntArray:
        """int32 [rows] in units of the accumulator, or of length 0 for none."""
        ...

    @property
    def requantization(self) -> Requantization:
        """From an accumulator to an output, one a row."""
        ...

    @property
    def output(self) -> Format:
        """Of the outputs."""
        ...


@runtime_checkable
class Op(Protocol):
    """One operation of the integer graph: a frozen dataclass whose fields are its constants and parameters."""

    name: ClassVar[str]
    in_place: ClassVar[tuple[int, ...]]
    """Inputs whose buffer the output may overwrite (entry i of the output reads only entry i of the input)."""

    @property
    def shrinks_into(self) -> int | None:
        """The input whose first entries the output, which has fewer, may overwrite; None: none."""
        ...

    takes_int32: ClassVar[bool]
    """Whether its kernel reads or writes values of int32 where its types are; other ops compute on int8 and int16."""

    saturates: ClassVar[bool]
    """Whether a result at an end of its format may have been limited to it; of what is counted the end is one like the others."""

    @property
    def view(self) -> int | None:
        """For an op that only shows a part of its input: the entry of the input at which its output starts. None: it computes."""
        ...

    @property
    def kernel(self) -> str:
        """The C function rescomp_<kernel>, defined in firmware_templates/kernels/<kernel>.c. Empty for a view: there is nothing to call."""
        ...

    @property
    def matrices(self) -> tuple[Weight, ...]:
        """The matrices that it multiplies by."""
        ...

    @property
    def scales(self) -> tuple[Requantization, ...]:
        """What brings its sums to the format of its output."""
        ...

    @property
    def core_product(self) -> ProductOp | None:
        """The op itself, where its C is what CBuilder.product writes: a core chooses the kernel and the layout of the weight."""
        ...

    @property
    def windowed(self) -> WindowedOp | None:
        """The op itself, where a window moves over its input."""
        ...

    hands_on: ClassVar[bool]
    """Whether it only moves or compares entries, so that of an input that holds any bits the output does."""

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """The types of the outputs. Raises UnsupportedError on misuse, and where a bound of the contract cannot be proved."""
        ...

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        """What the op means: int64 arrays [batch, *shape] in, the same out, within the bounds that `infer` states."""
        ...

    def patch_entries(self, *inputs: TensorType) -> int:
        """What evaluating a sample holds beside its inputs and outputs: the entries of all patches of a window."""
        ...

    def largest_sum(self, *inputs: Range) -> int:
        """The magnitude that no weighted sum of inputs within these ranges exceeds on its way through the C, rounding included."""
        ...

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """Products of a weight and an activation in one application."""
        ...

    def onnx(self, b: OnnxBuilder, *inputs: str) -> tuple[str, ...]:
        """The op in standard ONNX operators."""
        ...

    def tflite(self, b: TfliteBuilder, *inputs: TfliteTensor) -> tuple[TfliteTensor, ...]:
        """The op in TFLite builtin operators."""
        ...

    def c_call(self, b: CBuilder, inputs: tuple[CValue, ...], outputs: tuple[CValue, ...]) -> None:
        """Declare the constants and the call of the op's kernel."""
        ...

    @classmethod
    def random(cls, rng: np.random.Generator) -> tuple[Self, tuple[TensorType, ...]]:
        """An instance and input types that fit it, as the tests draw them."""
        ...

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        """Inputs [batch, *shape], within their formats, on which a fault in the op or in one of its constants shows, the best first."""
        ...

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        """Between which integers the entries of the outputs lie for inputs within these ranges."""
        ...

    def reached(self, *inputs: IntArray) -> Events:
        """What inputs [batch, *shape] reach inside the op, by the kinds of graph/events.py."""
        ...

    def reachable(self, *inputs: Range) -> Events:
        """The same kinds and places: what inputs within these ranges may reach. What is left out is proved out of reach."""
        ...


class WindowedOp(Op, Protocol):
    """An op with a window over its input: what streaming reads of it."""

    pools: ClassVar[bool]
    """Whether it makes one value of all entries of a channel in the window."""

    @property
    def window(self) -> WindowShape:
        """What moves over the input."""
        ...

    def unpadded(self) -> Op:
        """The same without zeros around its input."""
        ...


class Analysed:
    """What an op need not define itself unless it can do better."""

    hands_on: ClassVar[bool] = False

    @property
    def shrinks_into(self) -> int | None:
        return None

    @property
    def matrices(self) -> tuple[Weight, ...]:
        return ()

    @property
    def scales(self) -> tuple[Requantization, ...]:
        return ()

    @property
    def core_product(self) -> ProductOp | None:
        return None

    @property
    def windowed(self) -> WindowedOp | None:
        return None

    def patch_entries(self, *inputs: TensorType) -> int:
        return 0

    def largest_sum(self, *inputs: Range) -> int:
        return 0

    takes_int32: ClassVar[bool] = False
    saturates: ClassVar[bool] = True

    def stress(self, draws: Draws, *inputs: TensorType) -> tuple[IntArray, ...]:
        return telling_combinations(draws, inputs)

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        return tuple(Range.full(result) for result in self.infer(*(x.type for x in inputs)))

    def reached(self, *inputs: IntArray) -> Events:
        return {}

    def reachable(self, *inputs: Range) -> Events:
        return {}

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        raise NotImplementedError


class Increasing(Analysed):
    """Shared by ops of which no result falls when an input rises: their ranges are what they make of the ends."""

    hands_on: ClassVar[bool] = True

    def evaluate(self, *inputs: IntArray) -> tuple[IntArray, ...]:
        raise NotImplementedError

    def ranges(self, *inputs: Range) -> tuple[Range, ...]:
        types = self.infer(*(x.type for x in inputs))
        lows, highs = (self.evaluate(*ends) for ends in zip(*(x.ends for x in inputs), strict=True))
        return tuple(Range(t, low[0], high[0]) for t, low, high in zip(types, lows, highs, strict=True))


class Elementwise(Analysed):
    """Shared by ops without weights."""

    view: ClassVar[int | None] = None

    def multiply_accumulates(self, *inputs: TensorType) -> int:
        """None."""
        return 0


def require(condition: bool, message: str) -> None:
    """Raise UnsupportedError(message) unless the condition holds."""
    if not condition:
        raise UnsupportedError(message)


def prove_accumulator(largest: int) -> None:
    """Raise unless an accumulator that reaches `largest` in magnitude stays within the contract."""
    require(
        largest < 1 << ACCUMULATOR_BITS,
        f"an accumulator may reach {largest}, past 2^{ACCUMULATOR_BITS}: use fewer inputs, smaller weights or fewer fraction bits",
    )
