"""The ops of the integer graph, one file an op. REGISTRY is what serialization reads and what the tests iterate over."""

from __future__ import annotations

from collections.abc import Mapping

from .activation import Lookup, PiecewiseLinear
from .add import Add, BiasAdd
from .base import Op
from .conv2d import Conv2d
from .fastgrnn_gate import FastGrnnGate
from .fully_connected import FullyConnected
from .gated_state import FastRnnState, GruState, LstmCell
from .mul import Mul
from .relu import Relu
from .requantize import Requantize
from .slice import Slice

REGISTRY: Mapping[str, type[Op]] = {
    op.name: op
    for op in (
        Add,
        BiasAdd,
        Conv2d,
        FastGrnnGate,
        FastRnnState,
        FullyConnected,
        GruState,
        Lookup,
        LstmCell,
        Mul,
        PiecewiseLinear,
        Relu,
        Requantize,
        Slice,
    )
}

__all__ = [
    "REGISTRY",
    "Add",
    "BiasAdd",
    "Conv2d",
    "FastGrnnGate",
    "FastRnnState",
    "FullyConnected",
    "GruState",
    "Lookup",
    "LstmCell",
    "Mul",
    "Op",
    "PiecewiseLinear",
    "Relu",
    "Requantize",
    "Slice",
]
