"""Structure-aware mutations of the files that rescomp reads: JSON, TOML, tables of text, archives of arrays, safetensors, images, bytes."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tomli_w

Rng = np.random.Generator
Mutation = Callable[[Rng, bytes], bytes]

NUMBERS = (0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 32767, 32768, -32768, 65535, 1 << 20, 1 << 31, 1 << 32, 10**12, 10**30, 1.5, -0.0, 1e308)
STRINGS = ("", "x", "*/", "a\nb", "\0", "é", "../../x", "/etc/passwd", "x" * 300, "\ud800", "1", "true", "%s", "NaN", "float64", "step")
CELLS = (
    "",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "1_000",
    "٣",
    "x",
    "0x10",
    '"',
    '"a,b"',
    "1e5",
    "-",
    "9" * 400,
    "\0",
    ";",
    "\t",
    "\ufeff1",
    "1,2",
)
DTYPES = ("<i2", "<i8", "<f4", "<f8", "<u8", "|b1", "<U3", "|S3", "<c8", ">i2", "|i1", "<f2", "<M8[s]")
WORDS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 100, 1000, 1 << 20)


def pick(rng: Rng, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


def any_value(rng: Rng) -> Any:
    """Something that may stand in a document."""
    kind = int(rng.integers(8))
    if kind < 3:
        return pick(rng, NUMBERS)
    if kind < 5:
        return pick(rng, STRINGS)
    return pick(rng, (None, True, False, [], {}, [[]], {"a": 1}, [1, 2, 3], [0] * 1000, ["a"], float("nan"), float("inf"), {"array": "x"}))


def mutate_bytes(rng: Rng, data: bytes) -> bytes:
    """Bits, words, pieces."""
    changed = bytearray(data)
    for _ in range(1 + int(rng.geometric(0.5))):
        size = len(changed)
        at, length = int(rng.integers(size + 1)), int(min(rng.geometric(0.05), size + 1))
        kind = int(rng.integers(7))
        if kind == 0 and size:
            changed[at % size] ^= 1 << int(rng.integers(8))
        elif kind == 1 and size:
            changed[at % size] = int(rng.integers(256))
        elif kind == 2:
            changed[at : at + 4] = struct.pack("<I", pick(rng, WORDS))
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[int(rng.integers(size + 1)) :][:length]
        elif kind == 5:
            changed[at:at] = rng.bytes(length)
        elif rng.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys that lead to everything in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Any, ...]] = []
    for key, item in items:
        found.append((*path, key))
        found += places(item, (*path, key))
    return found


def walk(rng: Rng, value: Any) -> tuple[Any, ...]:
    """The keys that lead to one of them: long lists are no likelier than what stands beside them."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = pick(rng, keys)
    inner = value[key]
    return (key, *walk(rng, inner)) if isinstance(inner, dict | list) and inner and rng.random() < 0.8 else (key,)


def mutate_document(rng: Rng, document: Any) -> Any:
    """One to four changes of a parsed document."""
    for _ in range(int(rng.geometric(0.6))):
        found = places(document)
        if not found:
            return any_value(rng)
        *path, key = pick(rng, found) if rng.random() < 0.5 else walk(rng, document)
        target = document
        for step in path:
            target = target[step]
        _change(rng, document, target, key)
    return document


def _change(rng: Rng, document: Any, target: Any, key: Any) -> None:
    kind = int(rng.integers(8))
    if kind == 0:
        del target[key]
    elif kind == 1 and isinstance(target, dict):
        target[pick(rng, STRINGS)] = target.pop(key)
    elif kind == 2 and isinstance(target, list):
        target.insert(key, target[key])
    elif kind == 3 and type(target[key]) is int:
        target[key] += pick(rng, (1, -1, 2, 100, -100))
    elif kind == 4 and type(target[key]) in (int, float):
        target[key] *= pick(rng, (2, -1, 10, 1000, 0))
    elif kind == 5:
        others = places(document)
        *path, other = pick(rng, others)
        source = document
        for step in path:
            source = source[step]
        target[key] = json.loads(json.dumps(source[other]))
    else:
        target[key] = any_value(rng)


def mutate_json(rng: Rng, data: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return mutate_bytes(rng, data)
    if kind < 0.13:
        return b"[" * int(rng.integers(1, 5000)) + data
    if kind < 0.16:
        return data.replace(b"{", b'{"schema": 1, ', int(rng.integers(1, 3)))
    return (json.dumps(mutate_document(rng, json.loads(data)), indent=1) + "\n").encode("utf-8", "surrogatepass")


def mutate_toml(rng: Rng, data: bytes) -> bytes:
    import tomllib

    kind = rng.random()
    if kind < 0.15:
        return mutate_text(rng, data)
    if kind < 0.2:
        return data + f"\nz = {'[' * 3000}".encode()
    try:
        return tomli_w.dumps(mutate_document(rng, tomllib.loads(data.decode()))).encode()
    except (TypeError, UnicodeEncodeError, AttributeError, ValueError):
        return mutate_text(rng, data)


def mutate_text(rng: Rng, data: bytes) -> bytes:
    """Lines and cells."""
    if rng.random() < 0.1:
        return mutate_bytes(rng, data)
    lines = data.decode("utf-8", "replace").split("\n")
    if rng.random() < 0.02:
        at = int(rng.integers(len(lines)))
        lines[at] += pick(rng, ("1,", "9", ":", "x")) * pick(rng, (1 << 16, 4 << 20))
    for _ in range(int(rng.geometric(0.6))):
        at = int(rng.integers(len(lines)))
        separator = ":" if ":" in lines[at] and rng.random() < 0.3 else ","
        cells = lines[at].split(separator)
        kind = int(rng.integers(8))
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[int(rng.integers(len(lines)))])
        elif kind == 2:
            cells[int(rng.integers(len(cells)))] = pick(rng, CELLS)
            lines[at] = separator.join(cells)
        elif kind == 3:
            cells.insert(int(rng.integers(len(cells) + 1)), pick(rng, CELLS))
            lines[at] = separator.join(cells)
        elif kind == 4:
            del cells[int(rng.integers(len(cells)))]
            lines[at] = separator.join(cells)
        elif kind == 5:
            lines[at] += pick(rng, STRINGS + CELLS)
        elif kind == 6:
            lines[at:at] = [lines[at]] * int(rng.integers(2, 200))
        else:
            lines = lines[: at + 1]
        lines = lines or [""]
    ending = pick(rng, ("\n", "\n", "\n", "\r\n", "\r"))
    return ending.join(lines).encode("utf-8", "surrogatepass")


def mutate_npz(rng: Rng, data: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return mutate_bytes(rng, data)
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if kind < 0.3:
        return _forged(rng, arrays)
    for _ in range(int(rng.geometric(0.7))):
        if arrays:
            _change_array(rng, arrays, pick(rng, list(arrays)))
    file = io.BytesIO()
    pick(rng, (np.savez, np.savez_compressed))(file, **arrays)
    return file.getvalue()


def _change_array(rng: Rng, arrays: dict[str, Any], name: str) -> None:
    array, kind = arrays[name], int(rng.integers(10))
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[pick(rng, ("y", "x_tran", "lengths_train", "classes", "group_train", "x" * 50))] = arrays.pop(name)
    elif kind == 2:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                arrays[name] = array.astype(pick(rng, DTYPES))
            except (TypeError, ValueError):
                arrays[name] = np.zeros(array.shape, pick(rng, DTYPES))
    elif kind == 3:
        arrays[name] = pick(
            rng, (array[None], array.reshape(-1), array[:0], array[..., None], np.zeros((), array.dtype), array.T, array[:1])
        )
    elif kind == 4:
        arrays[name] = np.repeat(array[None] if array.ndim == 0 else array, int(rng.integers(2, 50)), axis=0)
    elif kind == 5:
        arrays[name] = np.zeros(tuple(int(n) for n in rng.integers(0, 6, int(rng.integers(0, 6)))), array.dtype)
    elif kind == 6:
        arrays[name] = arrays[pick(rng, list(arrays))]
    elif kind == 7:
        arrays[name] = np.zeros((int(pick(rng, (1, 1000, 10**6, 9 * 10**6))),), array.dtype)
    elif array.size and array.dtype.kind in "iuf":
        changed = array.copy()
        limits = np.iinfo(array.dtype) if array.dtype.kind in "iu" else np.finfo(array.dtype)
        extreme = (
            pick(rng, (limits.min, limits.max, 0, 1, 5)) if array.dtype.kind in "iu" else pick(rng, (np.nan, np.inf, 1e38, 1e-40, 0.0))
        )
        changed.reshape(-1)[int(rng.integers(array.size)) :: int(rng.integers(1, array.size + 1))] = extreme
        arrays[name] = changed


def _forged(rng: Rng, arrays: dict[str, Any]) -> bytes:
    """Headers that numpy would not write, and zips that zipfile would not."""
    file = io.BytesIO()
    names = list(arrays) or ["x"]
    victim, compression = pick(rng, names), pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as out:
        warnings.simplefilter("ignore")
        for name in names:
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, arrays.get(name, np.zeros(3)), allow_pickle=False)
            member = buffer.getvalue()
            out.writestr(f"{name}.npy", _forged_member(rng, member) if name == victim else member)
        if rng.random() < 0.2:
            out.writestr(pick(rng, (f"{victim}.npy", "../../x.npy", "notes.txt", "")) or "a", b"x")
        if rng.random() < 0.1:
            out.writestr("zeros.npy", bytes(70 << 20))
    data = bytearray(file.getvalue())
    if rng.random() < 0.2:
        at = data.rindex(b"PK\x01\x02") + int(rng.integers(4, 46))
        data[at] = int(rng.integers(256))
    return bytes(data)


def _forged_member(rng: Rng, member: bytes) -> bytes:
    shape = pick(
        rng, ("(1000000, 1000000)", "(-1,)", "(0,)", "()", "(1 << 40,)", "(True,)", "(1.5,)", "(" + "1," * 40 + ")", "(2**62, 4)", "(((((")
    )
    descr = pick(rng, ("'<i2'", "'|O'", "'<f4'", "'<U1000000'", "[('a', '<i2')]", "'|V8'", "'<i2', 'x'"))
    header = f"{{'descr': {descr}, 'fortran_order': {pick(rng, ('False', 'True', '1'))}, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    version = pick(rng, (b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", pick(rng, (len(header), 1 << 15, 0)))
    return pick(rng, (member[:40], mutate_bytes(rng, member), b"\x93NUMPY" + version + size + header + member[128:]))


def mutate_safetensors(rng: Rng, data: bytes) -> bytes:
    if rng.random() < 0.15:
        return mutate_bytes(rng, data)
    size = int.from_bytes(data[:8], "little")
    if rng.random() < 0.03:
        text = data[8 : 8 + size].ljust(pick(rng, (9 << 20, 40 << 20)))
        return len(text).to_bytes(8, "little") + text + data[8 + size :]
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    kind = int(rng.integers(4))
    if kind == 0 and "__metadata__" in header:
        key = next(iter(header["__metadata__"]))
        header["__metadata__"][key] = mutate_json(rng, header["__metadata__"][key].encode()).decode("utf-8", "replace")
    elif kind == 1:
        header = mutate_document(rng, header)
    elif kind == 2:
        names = [name for name in header if name != "__metadata__"]
        _change_tensor(rng, header, pick(rng, names))
    elif body:
        at = int(rng.integers(len(body)))
        body = body[:at] + pick(rng, (struct.pack("<f", float("nan")), struct.pack("<f", 1e38), rng.bytes(4))) + body[at + 4 :]
        body = body[: len(data) - 8 - size]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _change_tensor(rng: Rng, header: dict[str, Any], name: str) -> None:
    entry = header[name]
    kind = int(rng.integers(4))
    if kind == 0:
        header[pick(rng, ("x", "net.x", "optimizer.x", "random.x"))] = header.pop(name)
    elif kind == 1:
        entry["shape"] = pick(rng, (entry["shape"][::-1], [*entry["shape"], 1], [int(np.prod(entry["shape"]))], [10**9, 10**9], [0], []))
    elif kind == 2:
        entry["dtype"] = pick(rng, ("I32", "F32", "F64", "I64", "U8", "BF16", "BOOL", "XX"))
    else:
        entry["data_offsets"] = pick(rng, ([0, 0], [0, 10**12], [8, 4], [-1, 3], entry["data_offsets"][::-1]))


def mutate_image(rng: Rng, data: bytes) -> bytes:
    """Also the sizes of a PNG, with the checksum repaired."""
    if not data.startswith(b"\x89PNG") or rng.random() < 0.6:
        return mutate_bytes(rng, data)
    header = bytearray(data[12:29])
    at = int(rng.integers(4, 17))
    header[at] = int(rng.integers(256))
    return data[:12] + bytes(header) + struct.pack(">I", zlib.crc32(bytes(header))) + data[33:]


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
