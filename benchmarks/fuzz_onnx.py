"""Mutated and hostile ONNX files against `rescomp import`: every one is read, or refused by one sentence with exit code 2 or 5.

    python benchmarks/fuzz_onnx.py --tries 10000 --seed 0

Bytes are turned over, cut out and doubled; nodes, attributes, names, sizes and constants of the structure are exchanged. A file that
is read is compared with onnxruntime. It ends with 1 at the first other end, and leaves that file as fuzz-onnx-failed.onnx.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from rescomp.errors import RescompError
from rescomp.models import build_net
from rescomp.models.onnx_net.ops import INSTEAD, OPS
from rescomp.models.onnx_net.read import read_onnx
from rescomp.recipe import ModelSection
from rescomp.stages.float_parity import float_parity
from rescomp.tests.models.onnx_files import NETS

NUMBERS = (-(1 << 62), -1, 0, 1, 2, 3, 7, 64, 1 << 31, 1 << 62)
"""Put in the place of an attribute's, a size's or an axis's."""
HEAD = 600
"""Bytes at the beginning, where the nodes are: half of the bytes that are changed are there."""


def mutated_bytes(draw: random.Random, model: onnx.ModelProto) -> bytes:
    """The file with up to eight of its bytes changed, a piece of it cut out, or doubled."""
    data = bytearray(model.SerializeToString())
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(min(HEAD, len(data)) if draw.random() < 0.5 else len(data))] = draw.randrange(256)
    begin = draw.randrange(len(data))
    piece = data[begin : begin + draw.randint(1, 64)]
    kind = draw.random()
    if kind < 0.1:
        del data[begin : begin + len(piece)]
    elif kind < 0.2:
        data[begin:begin] = piece
    return bytes(data)


def _attribute(draw: random.Random, graph: onnx.GraphProto) -> None:
    nodes = [node for node in graph.node if node.attribute]
    if nodes:
        attribute = draw.choice(draw.choice(nodes).attribute)
        if attribute.ints:
            attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice(NUMBERS)
        else:
            attribute.i = draw.choice(NUMBERS)


def _more_attributes(draw: random.Random, graph: onnx.GraphProto) -> None:
    name = draw.choice(
        ("group", "dilations", "pads", "strides", "axis", "perm", "transA", "keepdims", "ceil_mode", "auto_pad", "kernel_shape")
    )
    value = draw.choice((draw.choice(NUMBERS), [draw.choice(NUMBERS) for _ in range(draw.randint(1, 5))], b"VALID", 0.5))
    draw.choice(graph.node).attribute.append(onnx.helper.make_attribute(name, value))


def _operator(draw: random.Random, graph: onnx.GraphProto) -> None:
    draw.choice(graph.node).op_type = draw.choice((*OPS, *INSTEAD, "", "If", "Loop"))


def _inputs(draw: random.Random, graph: onnx.GraphProto) -> None:
    names = [name for node in graph.node for name in (*node.input, *node.output)]
    node = draw.choice(graph.node)
    if draw.random() < 0.2:
        node.input.append(draw.choice(names))
    elif draw.random() < 0.2:
        node.output[0] = draw.choice(names)
    elif node.input:
        node.input[draw.randrange(len(node.input))] = draw.choice((*names, ""))


def _order(draw: random.Random, graph: onnx.GraphProto) -> None:
    nodes = list(graph.node)
    kept = draw.sample(nodes, draw.randint(1, len(nodes))) if draw.random() < 0.5 else [node for node in nodes if draw.random() < 0.8]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)


def _constant(draw: random.Random, graph: onnx.GraphProto) -> None:
    tensor = draw.choice(graph.initializer)
    kind = draw.random()
    if kind < 0.3 and tensor.dims:
        tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(NUMBERS)
    elif kind < 0.4:
        tensor.data_type = draw.randrange(24)
    elif kind < 0.5:
        tensor.data_location = 1
    else:
        try:
            array = numpy_helper.to_array(tensor).copy()
        except (ValueError, TypeError, KeyError, onnx.checker.ValidationError):  # changed before
            return
        values: list[float] = [*NUMBERS] if array.dtype == np.int64 else [float("nan"), float("inf"), 3e38, 1e-45, -1.0]
        if array.size:
            array.reshape(-1)[draw.randrange(array.size)] = draw.choice(values)
        shape = draw.choice((array.shape, (array.size,), (1, *array.shape), (*array.shape, 1)))
        tensor.CopyFrom(numpy_helper.from_array(array.reshape(shape), tensor.name))


def _sizes(draw: random.Random, graph: onnx.GraphProto) -> None:
    value = draw.choice((graph.input[0], graph.output[0]))
    dims = value.type.tensor_type.shape.dim
    dims[draw.randrange(len(dims))].dim_value = draw.choice(NUMBERS)


STRUCTURE: tuple[Callable[[random.Random, onnx.GraphProto], None], ...] = (
    _attribute,
    _more_attributes,
    _operator,
    _inputs,
    _order,
    _constant,
    _sizes,
)


def mutated(draw: random.Random, model: onnx.ModelProto) -> bytes:
    """The file with its bytes, or up to three things of its structure, changed."""
    if draw.random() < 0.4:
        return mutated_bytes(draw, model)
    for _ in range(draw.randint(1, 3)):
        draw.choice(STRUCTURE)(draw, model.graph)
    return model.SerializeToString()


def end_of(path: Path, shape: tuple[int, ...], x: np.ndarray) -> int:
    """The exit code that the import of a file comes to, as far as it reads and compares it."""
    try:
        imported = read_onnx(path, shape)
        net = build_net(ModelSection(kind=str(path)), shape, imported.file.classes)
        float_parity(imported, net, x)
    except RescompError as error:
        return error.exit_code
    return 0


def main() -> int:
    """Ends with 1 where a file was met by something else than a result or a sentence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    draw, codes = random.Random(asked.seed), Counter[int]()
    nets = [made() for made in NETS.values()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        for number in range(asked.tries):
            model, shape = nets[number % len(nets)]
            copy = onnx.ModelProto.FromString(model.SerializeToString())
            path.write_bytes(mutated(draw, copy))
            x = np.random.default_rng(number).standard_normal((4, *shape)).astype(np.float32)
            try:
                code = end_of(path, shape, x)
            except Exception as error:
                Path("fuzz-onnx-failed.onnx").write_bytes(path.read_bytes())
                sys.stderr.write(f"try {number}: {type(error).__name__}: {error}\n")
                raise
            codes[code] += 1
            if code not in (0, 2, 5):
                Path("fuzz-onnx-failed.onnx").write_bytes(path.read_bytes())
                sys.stderr.write(f"try {number} came to exit code {code}\n")
                return 1
    sys.stdout.write(
        json.dumps({"tries": asked.tries, "seed": asked.seed, "codes": {str(code): codes[code] for code in sorted(codes)}}) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
