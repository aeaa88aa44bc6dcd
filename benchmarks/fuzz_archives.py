"""Mutations of archives of arrays, of safetensors and of images."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
import zlib
from typing import Any

import numpy as np
from fuzz_mutations import Rng, mutate_bytes, mutate_document, mutate_json, pick

DTYPES = ("<i2", "<i8", "<f4", "<f8", "<u8", "|b1", "<U3", "|S3", "<c8", ">i2", "|i1", "<f2", "<M8[s]")


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
