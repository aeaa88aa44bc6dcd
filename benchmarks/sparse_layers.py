"""What a sparse residual block takes against a dense one, const bytes and instructions of a Cortex-M4, where all witnesses agree.

python benchmarks/sparse_layers.py          a minute; docs/nets.md has its table

y = relu(x + conv(relu(conv(x)))), both 3x3 with 32 channels over a map of 16 x 16, int16 values, drawn weights of which so many are kept as
`sparse` does: the largest weights, kernels or channels.
"""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
import torch

from rescomp.compress import largest_magnitudes
from rescomp.export.c import translate
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import IntArray, Requantization, split_scale
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.ops import Add, Conv2d
from rescomp.graph.weights import Weight, Zeros, smallest_storage
from rescomp.stages.pricing import count_instructions
from rescomp.targets.cores import CORES
from rescomp.targets.kernel_choice import Target
from rescomp.validate.qemu import Qemu
from rescomp.validate.registry import load_witness

CORE, SIZE, CHANNELS, AREA = "cortex-m4", 16, 32, 9
DENSITIES = (0.5, 0.3, 0.1)
BITS: tuple[Literal[4, 8], ...] = (8, 4)
GRANULARITIES: tuple[Literal["weight", "kernel", "channel"], ...] = ("weight", "kernel", "channel")
WITNESSES = ("onnxruntime", "tflite", "c")
X = Format(12, bound=16384)


def block(bits: Literal[4, 8], density: float, zeros: Zeros) -> IntegerModel:
    """A residual block whose convolutions keep so large a share of their weights."""
    rng = np.random.default_rng(0)
    positive = Format(12, bound=16384, nonnegative=True)
    nodes = (
        Node("first", convolution(rng, bits, density, zeros, positive), ("x",), ("first",)),
        Node("second", convolution(rng, bits, density, zeros, X), ("first",), ("second",)),
        Node("y", Add("int16", nonnegative=True, bound=16384), ("x", "second"), ("y",)),
    )
    x = Value("x", TensorType((SIZE, SIZE, CHANNELS), X))
    return IntegerModel("block", {"whole": Graph("whole", (x,), nodes, ("y",))})


def convolution(rng: np.random.Generator, bits: Literal[4, 8], density: float, zeros: Zeros, output: Format) -> Conv2d:
    """3x3 that keeps the size."""
    largest = (1 << (bits - 1)) - 1
    drawn = torch.from_numpy(rng.normal(size=(CHANNELS, AREA * CHANNELS)))
    kept = drawn * largest_magnitudes(drawn, density, zeros)
    entries = np.clip(np.floor(kept.numpy() * largest / 3.5 + 0.5), -largest, largest).astype(np.int8)
    gain = 1 / (largest / 3.5 * np.sqrt(AREA * CHANNELS * density))
    scale = Requantization(*split_scale(gain * rng.uniform(0.7, 1.4, CHANNELS)))
    weight: Weight = smallest_storage(entries, bits, zeros)
    bias = rng.integers(-3000, 3000, CHANNELS, dtype=np.int32)
    return Conv2d(weight, bias, scale, output, (3, 3), (1, 1), (1, 1, 1, 1))


def differing(model: IntegerModel) -> int:
    """Values that a witness gives otherwise than numpy, over all of them."""
    graph = model.graphs["whole"]
    x: IntArray = np.random.default_rng(1).normal(0, 4096, (2, SIZE, SIZE, CHANNELS)).astype(np.int64).clip(X.low, X.high)
    wanted = evaluate_graph(graph, {"x": x})
    witnesses = (*map(load_witness, WITNESSES), Qemu(CORE))
    found = (witness.run_graph(graph, {"x": x}) for witness in witnesses)
    return sum(int(np.count_nonzero(values[name] != wanted[name])) for values in found for name in values)


def cells(bits: Literal[4, 8], density: float, zeros: Zeros) -> tuple[int, int, str]:
    """(const bytes, instructions, storage) of a block for which all witnesses agree. Raises SystemExit where one does not."""
    model, target = block(bits, density, zeros), Target(CORES[CORE])
    if found := differing(model):
        raise SystemExit(f"int{bits}, {zeros.granularity}, {density}: {found} values differ")
    stored = model.graphs["whole"].nodes[0].op.matrices[0].storage
    return translate(model, target).constant_bytes, count_instructions(model, target), stored.removesuffix(f"_int{bits}")


def main() -> None:
    print("| kept are | density | stored as | int8 bytes | instructions | int4 bytes | instructions |\n|---|---|---|---|---|---|---|")
    thinned = ((each, density, Zeros(each, AREA)) for each, density in itertools.product(GRANULARITIES, DENSITIES))
    cases: list[tuple[str, float, Zeros]] = [("all", 1.0, Zeros()), *((f"{each}s", *rest) for each, *rest in thinned)]
    dense = {bits: cells(bits, 1.0, Zeros()) for bits in BITS}
    for name, density, zeros in cases:
        found = {bits: cells(bits, density, zeros) for bits in BITS}
        row = [name, f"{density:g}", found[8][2]]
        for bits in BITS:
            const, count, _ = found[bits]
            row += [f"{const:,} ({100 * const / dense[bits][0]:.0f} %)", f"{count / 1e6:.1f} M ({100 * count / dense[bits][1]:.0f} %)"]
        print("|", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    main()
