"""From an ONNX file to a torch module that plans are traced from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ...errors import InputError, UnsupportedError
from .file import OnnxFile, read_file
from .ops import INSTEAD, OPS
from .program import Builder, FileValue, OnnxModule

Layout = Literal["channels first", "channels last", "flat"]
_END = ("Softmax", "LogSoftmax")


@dataclass(frozen=True)
class ImportedNet:
    """module: reads [batch, channels, time] or [batch, channels, height, width] and gives [batch, classes]. layout: of what the file reads.
    dropped: the operator at the file's end that is left out, as it changes no answer; or nothing.
    """

    file: OnnxFile
    module: OnnxModule
    layout: Layout
    dropped: str = ""


def read_onnx(path: Path, input_shape: tuple[int, ...]) -> ImportedNet:
    """The net in a file, for data of `input_shape`, channels last. Raises InputError and UnsupportedError, naming the node."""
    file = read_file(path)
    layout = layout_of(file, input_shape)
    builder = Builder(file, len(input_shape) + 1)
    last = {name for node in file.nodes for name in node.input}
    dropped = ""
    with torch.random.fork_rng(devices=[]):  # layers are drawn before they take the file's weights
        builder.values[file.input] = _input(builder, input_shape, layout)
        for node in file.nodes:
            reader: Callable[..., FileValue] | None = OPS.get(node.op_type)
            if node.op_type in _END and node.output[0] == file.output and node.output[0] not in last:
                dropped, builder.values[node.output[0]] = node.op_type, builder.flat(builder.value(node))
                continue
            if reader is None:
                remedy = INSTEAD.get(node.op_type, f"read are {', '.join(OPS)}")
                raise UnsupportedError(f"{builder.where(node)} is not read: {remedy}")
            try:
                builder.values[node.output[0]] = reader(builder, node)
            except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, RuntimeError) as error:
                # onnx's checker lets pass what contradicts itself in constants, and torch and numpy refuse in their own words
                raise InputError(f"{builder.where(node)} contradicts itself: export it again") from error
    if file.output not in builder.values:
        raise InputError(f"{path} gives {file.output[:80]!r}, which no node computes of its input: export it again")
    result = builder.flat(builder.values[file.output])
    if result.sizes["f"] != file.classes or result.order is not None:
        raise InputError(f"{path} says that it gives {file.classes} scores, and computes {result.sizes['f']}: export it again")
    builder.module.result = result.name
    return ImportedNet(file, builder.module, layout, dropped)


def layout_of(file: OnnxFile, input_shape: tuple[int, ...]) -> Layout:
    """How the file has the axes of data of `input_shape`, which are channels last. Raises InputError where they do not fit."""
    first = (input_shape[-1], *input_shape[:-1])
    if len(file.input_shape) == 1 and file.input_shape == (int(np.prod(input_shape)),):
        return "flat"
    if file.input_shape not in (first, input_shape):
        raise InputError(
            f"{file.path} reads [batch, {', '.join(map(str, file.input_shape))}], and a sample of the data has {list(input_shape)}, its "
            "channels last: give data of the net's shape, [samples, time, channels] or [samples, height, width, channels]"
        )
    if first == input_shape or (first == file.input_shape == input_shape):
        reads = next((node.op_type for node in file.nodes if file.input in node.input), "")
        return "channels first" if reads in ("Conv", "BatchNormalization", "MaxPool", "AveragePool", "Pad") else "channels last"
    return "channels first" if file.input_shape == first else "channels last"


def _input(builder: Builder, input_shape: tuple[int, ...], layout: Layout) -> FileValue:
    positions = ("w",) if len(input_shape) == 2 else ("h", "w")
    sizes = {"c": input_shape[-1], **dict(zip(positions, input_shape[:-1], strict=True))}
    value = FileValue("", ("b", "c", *positions) if layout == "channels first" else ("b", *positions, "c"), sizes)
    return builder.flat(value) if layout == "flat" else value
