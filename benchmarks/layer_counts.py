"""What a model of one layer costs on an emulated core, as it is exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import DepthwiseConv2d, FullyConnected
from rescomp.graph.ops.base import Op
from rescomp.graph.weights import Int8Weight
from rescomp.stages.profiling import profile_core
from rescomp.targets.cores import Core, find_core
from rescomp.targets.kernel_choice import Target
from rescomp.validate.witness import Job

DEPTHWISE_SHAPE = (25, 5, 64)


def dense_count(core: Core, dtype: Literal["int8", "int16"]) -> int:
    """A fully connected layer of 64 rows and columns, requantization included."""
    rng = np.random.default_rng(0)
    format = Format(5, dtype)
    multiplier = np.full(64, 1 << 14) if dtype == "int8" else rng.integers(1 << 14, 1 << 15, 64)
    scales = Requantization(multiplier.astype(np.int32), np.full(64, 24, np.int32))
    weight = Int8Weight(rng.integers(-31, 32, (64, 64), dtype=np.int8))
    return layer_count(core, FullyConnected(weight, np.zeros(0, np.int32), scales, format), TensorType((64,), format), rng)


def depthwise_count(core: Core) -> int:
    """Requantization, by a shift a channel, and ReLU included."""
    rng = np.random.default_rng(0)
    scales = Requantization(np.full(64, 1 << 14, np.int32), (14 + rng.integers(6, 10, 64)).astype(np.int32))
    weight, bias = Int8Weight(rng.integers(-31, 32, (64, 9), dtype=np.int8)), rng.integers(-500, 500, 64).astype(np.int32)
    op = DepthwiseConv2d(weight, bias, scales, Format(5, "int8", nonnegative=True), (3, 3), (1, 1), (1, 1, 1, 1))
    return layer_count(with_room(core), op, TensorType(DEPTHWISE_SHAPE, Format(5, "int8")), rng)


def with_room(core: Core) -> Core:
    """The same code on a machine of more memory, where the core's own has too little for an image."""
    large = find_core("cortex-m3")
    if core.name != "cortex-m0":
        return core
    return replace(core, machine=large.machine, flash_bytes=large.flash_bytes, ram_bytes=large.ram_bytes)


def layer_count(core: Core, op: Op, type: TensorType, rng: np.random.Generator) -> int:
    """A model of one layer, on noise."""
    graph = Graph("whole", (Value("x", type),), (Node("layer", op, ("x",), ("y",)),), ("y",))
    model, x = IntegerModel("measured", {"whole": graph}), rng.integers(-128, 128, (1, *type.shape))
    return profile_core(Target(core), Job(model, Path(), x, np.ones(1, np.int64))).layers[0].count
