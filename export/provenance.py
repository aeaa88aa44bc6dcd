"""What an exported file says about the model it was made from, and reading it back."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from ..errors import InputError
from ..graph.ir import IntegerModel
from ..graph.serialize import CONTRACT, digest
from .file_metadata import onnx_metadata, tflite_metadata

PRODUCER = "rescomp"
DIGEST = "rescomp.digest"
"""Key of the graph's digest in the metadata of ONNX and TFLite files."""
FIRMWARE_SUFFIX = ".elf"
"""Suffix of parity firmware, which holds the digest as it sends it: 32 bytes."""
_MODEL_FILES = (".onnx", ".tflite")


def provenance(model: IntegerModel) -> Mapping[str, str]:
    """The entries that ONNX and TFLite files carry as metadata: digest of the model, contract version, format of the input."""
    return {
        "rescomp.model": model.name,
        DIGEST: digest(model),
        "rescomp.contract": str(CONTRACT),
        "rescomp.input": model.type_text(model.input.type),
    }


def check_provenance(model_name: str, ours: str, name: str, data: bytes, where: str) -> None:
    """Raise InputError for an exported file that says that it was made from another graph than the model's.

    ours: the digest of the model's. name: of the file, whose suffix tells how it says so; the model's own files must say so, what stands
    beside them may. where: what errors call it.
    """
    path = PurePosixPath(name)
    if path.suffix == FIRMWARE_SUFFIX:
        if bytes.fromhex(ours) not in data:
            raise InputError(f"{where} is not of this model's graph ({ours[:12]}): build it again with `rescomp flash`")
        return
    theirs = read_digest(name, data)
    if theirs is None and (path.suffix in _MODEL_FILES or (path.stem == model_name and path.suffix in _READERS)):
        raise InputError(f"{where} does not say of which graph it is, so it is damaged or not rescomp's: run `rescomp export` again")
    if theirs not in (None, ours):
        raise InputError(f"{where} is of another graph ({theirs[:12]}, not {ours[:12]}): run `rescomp export` again")


def read_digest(name: str, data: bytes) -> str | None:
    """The digest of the graph that an exported file names; None where it names none. name: of the file, for its suffix."""
    reader = _READERS.get(PurePosixPath(name).suffix)
    try:
        found = reader(data) if reader else None
    except (ValueError, IndexError, struct.error):
        return None
    return found if found and re.fullmatch("[0-9a-f]{64}", found) else None


def _header_digest(data: bytes) -> str | None:
    return _found(rb'^#define \w+_GRAPH_SHA256 "([0-9a-f]{64})"\r?$', data)


def _source_digest(data: bytes) -> str | None:
    return _found(rb"^ \* ([0-9a-f]{64}); do not edit", data)


def _page_digest(data: bytes) -> str | None:
    return _found(rb"from the (?:integer )?graph with SHA-256 `([0-9a-f]{64})`", data)


def _found(pattern: bytes, data: bytes) -> str | None:
    match = re.search(pattern, data, re.MULTILINE)
    return match[1].decode() if match else None


_READERS: Mapping[str, Callable[[bytes], str | None]] = {
    ".onnx": lambda data: onnx_metadata(data).get(DIGEST),
    ".tflite": lambda data: tflite_metadata(data).get(DIGEST),
    ".h": _header_digest,
    ".c": _source_digest,
    ".md": _page_digest,
}
"""By suffix: how a file says of which graph it is."""
