"""After a mutation, whatever speaks of the changed file speaks of what it is now: else a digest keeps its reader from ever seeing it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

DIGEST_WORDS = (
    "was changed after it was written",
    "is not listed in SHA256SUMS",
    "of another graph",
    "is of another model",
    "is not of the model in",
    "graph_sha256 differs",
    "is not the file that",
    "rescomp.digest",
)
"""Of refusals by digest alone."""


def is_refused_by_digest(said: str) -> bool:
    """Whether a command ended because a digest did not fit."""
    return any(words in said for words in DIGEST_WORDS)


def repair(directory: Path, changed: str, before: bytes, after: bytes) -> None:
    """Everything that speaks of the changed file's digest, or of what it holds, speaks of the new one."""
    folder = directory / "m" if (directory / "m").is_dir() else directory
    if changed in ("graph.json", "weights.npz"):
        _fit_to_graph(folder, changed, before, after)
    digests = _pair(before, after)
    with contextlib.suppress(Exception):
        digests |= _vectors_pair(folder, changed, before, after)
    for name in ("report.json", "manifest.json"):
        if name != changed:
            _replace(folder / name, digests)
    sums = folder / "SHA256SUMS"
    if sums.is_file() and changed != "SHA256SUMS":
        names = [line.partition(b"  ")[2].decode() for line in sums.read_bytes().splitlines()]
        lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names if (folder / name).is_file()]
        sums.write_text("".join(lines))


def _pair(before: bytes, after: bytes) -> dict[bytes, bytes]:
    return {hashlib.sha256(before).hexdigest().encode(): hashlib.sha256(after).hexdigest().encode()}


def _replace(path: Path, digests: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Put new digests in the place of old ones, which are as long; what that makes of the file's own digest."""
    if not path.is_file():
        return {}
    before = after = path.read_bytes()
    for was, now in digests.items():
        after = after.replace(was, now)
    if after == before:
        return {}
    path.write_bytes(after)
    return _pair(before, after)


def _fit_to_graph(folder: Path, changed: str, before: bytes, after: bytes) -> None:
    """Exports, report and manifest of the old graph say that they are of the new one, where there is one."""
    from rescomp.graph.serialize import decode, digest, from_npz
    from rescomp.stages.artefacts import describe_formats

    other = (folder / ("weights.npz" if changed == "graph.json" else "graph.json")).read_bytes()
    pairs = [(data, other) if changed == "graph.json" else (other, data) for data in (before, after)]
    try:
        old, new = (decode(document, from_npz(arrays, "")) for document, arrays in pairs)
    except Exception:
        return
    digests = {digest(old).encode(): digest(new).encode()}
    for path in _exports(folder):
        digests |= _replace(path, dict(list(digests.items())[:1]))
    for name in ("report.json", "manifest.json"):
        _replace(folder / name, digests)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    bits = new.input.type.format.fraction_bits
    manifest |= {"name": new.name, "classes": list(new.classes), "formats": describe_formats(new)}
    manifest["input"] |= {"fraction_bits": bits, "scale": 2.0**-bits}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _exports(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.suffix in (".onnx", ".tflite", ".c", ".h", ".md") and path.is_file())


def _vectors_pair(folder: Path, changed: str, before: bytes, after: bytes) -> Mapping[bytes, bytes]:
    """The digest of the arrays, by which manifest and report name a set of vectors. Raises whatever reading the mutated ones does."""
    from rescomp.graph.serialize import decode, from_npz
    from rescomp.stages.golden_vectors import decode_vectors

    if changed != "vectors/test.npz":
        return {}
    model = decode((folder / "graph.json").read_bytes(), from_npz((folder / "weights.npz").read_bytes(), ""))
    old, new = (decode_vectors(data, model, "").sha256.encode() for data in (before, after))
    return {old: new}
