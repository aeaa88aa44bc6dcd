"""Mutations of ONNX and TFLite files."""

from __future__ import annotations

from typing import Any

import numpy as np
from fuzz_mutations import WORDS, Rng, mutate_bytes, pick


def mutate_tflite(rng: Rng, data: bytes) -> bytes:
    """Words where tables keep offsets, counts, types and options, before and behind the weights."""
    if rng.random() < 0.3:
        return mutate_bytes(rng, data)
    changed = bytearray(data)
    for _ in range(int(rng.geometric(0.5))):
        at = 4 * int(rng.integers(1, len(data) // 4))
        word = int.from_bytes(changed[at : at + 4], "little")
        new = pick(rng, (*WORDS, word + 1, word - 1, word + 4, word - 4, word ^ 1 << 8, word ^ 1 << 16))
        changed[at : at + 4] = (new % (1 << 32)).to_bytes(4, "little")
    return bytes(changed)


def mutate_onnx(rng: Rng, data: bytes) -> bytes:
    """Names, sizes, types, attributes, data that lies elsewhere, operators that ask for more than there is."""
    import onnx

    kind = rng.random()
    if kind < 0.2:
        return mutate_bytes(rng, data)
    if kind < 0.23:
        return data + pick(rng, (b"\0" * 9, b"x", b"\x72\x00" * 5000, b"\x3a\x02\x0a\x00" * 9, b"\x3a" * 300, data))
    model = onnx.ModelProto.FromString(data)
    for _ in range(int(rng.geometric(0.7))):
        if rng.random() < 0.25:
            _plant_bomb(rng, onnx, model.graph)
        else:
            _change_onnx(rng, model)
    return bytes(model.SerializeToString())


def _plant_bomb(rng: Rng, onnx: Any, graph: Any) -> None:
    """A node in front of an output, or of any node's input: it makes many entries of one, or takes many turns."""
    helper, count = onnx.helper, int(pick(rng, (1 << 20, 1 << 28, 1 << 34, 1 << 62, -1, 0)))
    sizes = onnx.numpy_helper.from_array(np.array([count], np.int64), f"bomb/size{len(graph.node)}")
    graph.initializer.append(sizes)
    node = pick(rng, graph.node)
    if not node.input:
        return
    place, name = int(rng.integers(len(node.input))), f"bomb/{len(graph.node)}"
    before = node.input[place]
    kind = int(rng.integers(5))
    if kind == 0:
        planted = helper.make_node("Expand", [before, sizes.name], [name])
    elif kind == 1:
        planted = helper.make_node("Tile", [before, sizes.name], [name])
    elif kind == 2:
        planted = helper.make_node("ConstantOfShape", [sizes.name], [name])
    elif kind == 3:
        planted = helper.make_node("Concat", [before] * int(rng.integers(2, 2000)), [name], axis=int(rng.integers(-1, 2)))
    else:
        turns = helper.make_node("Loop", [sizes.name, "", before], [name], body=_turn(onnx))
        planted = turns
    node.input[place] = name
    at = next(i for i, each in enumerate(graph.node) if each is node or list(each.output) == list(node.output))
    nodes = [*graph.node[:at], planted, *graph.node[at:]]
    copies = [onnx.NodeProto.FromString(each.SerializeToString()) for each in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _turn(onnx: Any) -> Any:
    """The body of a loop that changes nothing."""
    helper, kinds = onnx.helper, onnx.TensorProto
    ends = [helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", kinds.INT64), ("go", kinds.BOOL), ("on", kinds.BOOL))]
    values = [onnx.ValueInfoProto(name=name) for name in ("was", "is")]
    nodes = [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["was"], ["is"])]
    return helper.make_graph(nodes, "turn", [*ends[:2], values[0]], [ends[2], values[1]])


def _change_onnx(rng: Rng, model: Any) -> None:
    graph, kind = model.graph, int(rng.integers(10))
    if kind == 0 and graph.initializer:
        tensor = pick(rng, graph.initializer)
        tensor.data_location = 1
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", pick(rng, ("/etc/passwd", "../../secret", "manifest.json", "weights.npz"))
    elif kind == 1 and graph.initializer:
        tensor = pick(rng, graph.initializer)
        tensor.dims[:] = pick(rng, ([10**12], [0], [-1], [1 << 31, 1 << 31], [*tensor.dims, 2]))
    elif kind == 2:
        node = pick(rng, graph.node)
        if node.input:
            node.input[int(rng.integers(len(node.input)))] = pick(rng, ("", "x", pick(rng, graph.node).output[0]))
    elif kind == 3:
        pick(rng, graph.node).op_type = pick(rng, ("Add", "MatMul", "Loop", "Expand", "ConstantOfShape", "Foo", "Reshape", "Tile", "If"))
    elif kind == 4:
        pick(rng, [*graph.input, *graph.output]).name = pick(rng, ("x", ""))
    elif kind == 5:
        value = pick(rng, [*graph.input, *graph.output])
        for dim in value.type.tensor_type.shape.dim:
            dim.dim_value = pick(rng, WORDS)
    elif kind == 6:
        del graph.node[int(rng.integers(len(graph.node)))]
    elif kind == 7:
        _change_attribute(rng, pick(rng, graph.node))
    elif kind == 8:
        model.ir_version, model.opset_import[0].version = pick(rng, ((0, 17), (8, 1), (8, 99), (99, 17), (3, 17)))
    elif graph.initializer:
        tensor = pick(rng, graph.initializer)
        tensor.raw_data = mutate_bytes(rng, tensor.raw_data)


def _change_attribute(rng: Rng, node: Any) -> None:
    if not node.attribute:
        node.domain = pick(rng, ("com.microsoft", "x", "ai.onnx.ml"))
        return
    attribute = pick(rng, node.attribute)
    attribute.i, attribute.type = pick(rng, WORDS), pick(rng, (attribute.type, attribute.type, 1, 2, 6, 7))
    if attribute.ints:
        attribute.ints[int(rng.integers(len(attribute.ints)))] = pick(rng, (0, -1, *WORDS))
