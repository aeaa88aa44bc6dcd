"""The ops of the integer graph, one file an op. REGISTRY is what serialization reads and what the tests iterate over."""

from __future__ import annotations

from collections.abc import Mapping

from .activation import Lookup, PiecewiseLinear
from .add import Add, BiasAdd
from .base import Op
from .conv2d import Conv2d
from .fastgrnn_gate import FastGrnnGate
from .fully_connected import FullyConnected
from .relu import Relu
from .requantize import Requantize

REGISTRY: Mapping[str, type[Op]] = {
    op.name: op for op in (Add, BiasAdd, Conv2d, FastGrnnGate, FullyConnected, Lookup, PiecewiseLinear, Relu, Requantize)
}

__all__ = [
    "REGISTRY",
    "Add",
    "BiasAdd",
    "Conv2d",
    "FastGrnnGate",
    "FullyConnected",
    "Lookup",
    "Op",
    "PiecewiseLinear",
    "Relu",
    "Requantize",
]
