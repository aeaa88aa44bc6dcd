"""The kernels of sparse weights on every core that is emulated: all storages over windows and vectors, of both dtypes, in one program."""

import numpy as np
import pytest

from rescomp.graph import ops
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.ops.drawing import SPARSE, WHOLE_KERNELS, WHOLE_ROWS, draw_storage
from rescomp.graph.ops.window import Window
from rescomp.targets.cores import CORES
from rescomp.validate.qemu import Qemu
from rescomp.validate.simavr import Simavr

ROWS = 5
WINDOWS = [
    ((4, 11, 2), Window((3, 3), (1, 1), (1, 1, 1, 1))),
    ((3, 13, 9), Window((2, 3), (2, 1), (0, 3, 1, 0))),
    ((19, 4), Window((1, 4), (1, 2), (0, 0, 5, 1))),
]
"""The last over time; a padding wider than what is read of it, channels past a byte of bitmap, and four positions that reach no padding."""


def layers(rng):
    """(op, input type): every sparse kernel, windows in turn."""
    for number, storage in enumerate((*SPARSE, *WHOLE_KERNELS, *WHOLE_ROWS)):
        for dtype in ("int16", "int8"):
            shape, window = WINDOWS[(number + (dtype == "int8")) % len(WINDOWS)]
            area, x = window.kernel_size[0] * window.kernel_size[1], Format(5, dtype, bound=0 if dtype == "int8" else 9000)
            weight = draw_storage(rng, storage, ROWS, area * shape[-1], 0.4, area)
            if dtype == "int8":
                weight = type(weight)(
                    weight.matrix // 5, *(getattr(weight, key) for key in ("bits", "index", "positions") if hasattr(weight, key))
                )
            by = Requantization(np.full(ROWS, 1 << 14, np.int32), np.full(ROWS, 14 + (7 if dtype == "int8" else 9), np.int32))
            bias = rng.integers(-900, 900, ROWS, dtype=np.int32)
            yield ops.Conv2d(weight, bias, by, Format(4, dtype), window.kernel_size, window.stride, window.padding), TensorType(shape, x)
            if storage not in WHOLE_KERNELS:
                yield ops.FullyConnected(weight, bias, by, Format(4, dtype)), TensorType((weight.matrix.shape[1],), x)


@pytest.mark.parametrize("name", [name for name in CORES if name != "atmega328p"])
def test_every_sparse_kernel_equals_numpy(emulated, name):
    rng = np.random.default_rng(0)
    nodes, inputs, drawn = [], [], {}
    for i, (op, type) in enumerate(layers(rng)):
        inputs.append(Value(f"x{i}", type))
        nodes.append(Node(f"layer{i}", op, (f"x{i}",), (f"y{i}",)))
        drawn[f"x{i}"] = rng.integers(type.format.low, type.format.high + 1, (4, *type.shape))
        drawn[f"x{i}"][0], drawn[f"x{i}"][1] = type.format.low, type.format.high
    assert len({node.op.kernel for node in nodes}) == len(nodes) == 28
    graph = Graph("sparse", tuple(inputs), tuple(nodes), nodes[-1].outputs)
    expected = evaluate_graph(graph, drawn)
    core = emulated(name)
    witness = Simavr if core.family.witness == "simavr" else Qemu
    values = witness(core.name).run_graph(graph, drawn)
    assert len(values) >= len(nodes)
    for value, entries in values.items():
        np.testing.assert_array_equal(entries, expected[value], err_msg=value)
