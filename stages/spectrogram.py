"""inspect --plot: what a device with a front-end sees of its golden vectors, as a picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..graph.fixed_point import IntArray
from ..graph.ir import IntegerModel
from ..model_directory import ModelDirectory, refuse_in_a_model
from ..store import read_file, refuse_target, write_atomically
from .artefacts import read_model, read_vectors
from .golden_vectors import Vectors

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
WIDE, TALL, GAP = 6, 8, 6
"""Pixels of a frame, of a feature, and between two recordings."""
MOST_FRAMES, MOST_RECORDINGS = 1200, 40
"""Of a recording, and in the picture."""
_COLOURS = np.array([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]])
"""From the least feature to the largest, even steps between them (those of viridis)."""
_NOTHING = 255
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """What was drawn. rows: from above, the class of each recording and its number among the golden vectors. low, high: features of the
    darkest and the brightest colour, in units of 1.
    """

    output: Path
    rows: tuple[tuple[str, int], ...]
    low: float
    high: float


def plot(path: Path, output: Path) -> Picture:
    """Write the features of the first golden vector of every class to the PNG file `output`, time to the right, the first feature below.

    A picture that is there already is replaced. Raises InputError for a model without a front-end, for a file in a model directory, and
    for one that is there and is no PNG.
    """
    refuse_target(output)
    refuse_in_a_model(output)
    if output.exists() and not read_file(output)[: len(PNG_SIGNATURE)] == PNG_SIGNATURE:
        raise InputError(f"{output} is there already and no PNG: name another file")
    directory = ModelDirectory.open(path)
    with directory.unchanging():
        model = read_model(directory)
        vectors = read_vectors(directory, model)
    if not model.reads_samples:
        raise InputError(f"{model.name} has no front-end, whose features --plot draws: leave it out")
    shown = _first_of_each_class(vectors)
    features = [_features(model, vectors, row) for row in shown]
    low, high = (int(pick([pick(each) for each in features])) for pick in (np.min, np.max))
    write_atomically(output, png(_stack([_coloured(each, low, high) for each in features])))
    names = model.class_names
    unit = 2.0**-model.features.type.format.fraction_bits
    return Picture(output, tuple((names[int(vectors.labels[row])], row) for row in shown), low * unit, high * unit)


def _first_of_each_class(vectors: Vectors) -> list[int]:
    found = [int(np.argmax(vectors.labels == label)) for label in np.unique(vectors.labels)]
    return found[:MOST_RECORDINGS]


def _features(model: IntegerModel, vectors: Vectors, row: int) -> IntArray:
    """Of a recording, int [frames, features]."""
    inputs = vectors.x[row, : vectors.lengths[row]] if model.is_recurrent else vectors.x[row]
    frames: IntArray = inputs.reshape(-1, model.features.type.size)[:MOST_FRAMES]
    return frames


def _coloured(features: IntArray, low: int, high: int) -> Pixels:
    """uint8 [rows, columns, 3]."""
    place = (features.astype(np.float64) - low) / max(1, high - low) * (len(_COLOURS) - 1)
    first = np.minimum(place.astype(np.int64), len(_COLOURS) - 2)
    share = (place - first)[..., None]
    colours = np.floor(_COLOURS[first] * (1 - share) + _COLOURS[first + 1] * share + 0.5).astype(np.uint8)
    drawn: Pixels = colours.transpose(1, 0, 2)[::-1].repeat(TALL, axis=0).repeat(WIDE, axis=1)
    return drawn


def _stack(pictures: Sequence[Pixels]) -> Pixels:
    """One above the other, as wide as the widest."""
    wide = max(each.shape[1] for each in pictures)
    gap = np.full((GAP, wide, 3), _NOTHING, np.uint8)
    parts = [np.pad(each, ((0, 0), (0, wide - each.shape[1]), (0, 0)), constant_values=_NOTHING) for each in pictures]
    return np.concatenate([part for each in parts for part in (each, gap)][:-1])


def png(pixels: Pixels) -> bytes:
    """A PNG file of uint8 [rows, columns, 3]."""
    rows, columns, _ = pixels.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), pixels.reshape(rows, -1)], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    return PNG_SIGNATURE + b"".join(
        _chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
