"""The ops of the integer graph, one file an op. REGISTRY is what serialization reads and what the tests iterate over."""

from __future__ import annotations

from collections.abc import Mapping

from .abs import Abs
from .activation import Lookup, PiecewiseLinear
from .add import Add, BiasAdd
from .align import Align
from .average_pool import AveragePool
from .band_sum import BandSum
from .base import Op
from .block_mean import BlockMean
from .block_states import BlockCount, BlockMaximum, BlockSum
from .concat import Concat
from .conv2d import Conv2d
from .decide import Decide
from .depthwise_conv2d import DepthwiseConv2d
from .deviation_sum import DeviationSum
from .exponential_average import ExponentialAverage
from .fastgrnn_gate import FastGrnnGate
from .fastgrnn_update import FastGrnnUpdate
from .fully_connected import FullyConnected
from .gated_state import FastRnnState, GruState, LstmCellState
from .log2 import Log2
from .max_pool import MaxPool
from .mul import Mul
from .relu import Relu
from .requantize import Requantize
from .reshape import Reshape
from .shift_in import ShiftIn
from .slice import Slice
from .spectrum import Spectrum
from .statistics import FrameStatistics

REGISTRY: Mapping[str, type[Op]] = {
    op.name: op
    for op in (
        Abs,
        Add,
        Align,
        AveragePool,
        BandSum,
        BiasAdd,
        BlockCount,
        BlockMaximum,
        BlockMean,
        BlockSum,
        Concat,
        Conv2d,
        Decide,
        DepthwiseConv2d,
        DeviationSum,
        ExponentialAverage,
        FastGrnnGate,
        FastGrnnUpdate,
        FastRnnState,
        FrameStatistics,
        FullyConnected,
        GruState,
        Log2,
        Lookup,
        LstmCellState,
        MaxPool,
        Mul,
        PiecewiseLinear,
        Relu,
        Requantize,
        Reshape,
        ShiftIn,
        Slice,
        Spectrum,
    )
}

__all__ = [
    "REGISTRY",
    "Abs",
    "Add",
    "Align",
    "AveragePool",
    "BandSum",
    "BiasAdd",
    "BlockCount",
    "BlockMaximum",
    "BlockMean",
    "BlockSum",
    "Concat",
    "Conv2d",
    "Decide",
    "DepthwiseConv2d",
    "DeviationSum",
    "ExponentialAverage",
    "FastGrnnGate",
    "FastGrnnUpdate",
    "FastRnnState",
    "FrameStatistics",
    "FullyConnected",
    "GruState",
    "Log2",
    "Lookup",
    "LstmCellState",
    "MaxPool",
    "Mul",
    "Op",
    "PiecewiseLinear",
    "Relu",
    "Requantize",
    "Reshape",
    "ShiftIn",
    "Slice",
    "Spectrum",
]
