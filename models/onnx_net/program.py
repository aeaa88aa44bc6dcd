"""The torch module that an ONNX file becomes, and what its values are called on either side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from ...errors import InputError, UnsupportedError
from ...graph.formats import MOST_ENTRIES
from .file import OnnxFile

Order = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FileValue:
    """A value of the file: its axes there, and the value of the torch module that holds it.

    torch has [batch, channels, time] or [batch, channels, height, width], or [batch, features] where `f` is among the axes; the file may
    have them in another order. axes: b, c, h, w, f, and 1 for one of a single entry that torch lacks. sizes: of c, h, w and f. order: of a
    flat value, for each of the file's entries its place in torch (None: the same). layer: the module that made it, whose bias it may take.
    """

    name: str
    axes: tuple[str, ...]
    sizes: Mapping[str, int]
    order: Order | None = field(default=None, compare=False)
    layer: str = ""

    @property
    def is_flat(self) -> bool:
        """Whether torch has [batch, features]."""
        return "f" in self.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """In the file, without the batch."""
        return tuple(self.sizes.get(axis, 1) for axis in self.axes[1:])

    @property
    def positions(self) -> tuple[str, ...]:
        """The names of its positions in torch."""
        return tuple(axis for axis in ("h", "w") if axis in self.sizes)


@dataclass(frozen=True)
class OnnxCall:
    """One call of the module's forward: what it makes of which values."""

    output: str
    inputs: tuple[str, ...]
    function: Callable[..., Tensor]


class OnnxModule(nn.Module):
    """The layers of a file under names of their own, and the calls of them in order."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[OnnxCall] = []
        self.result = ""

    def forward(self, x: Tensor) -> Tensor:
        """Scores [batch, classes] of [batch, channels, time] or [batch, channels, height, width]."""
        values = {"": x}
        for call in self.calls:
            values[call.output] = call.function(*(values[name] for name in call.inputs))
        return values[self.result]


class Builder:
    """Adds what nodes become to a module. rank: of the net's input in torch, 3 or 4."""

    def __init__(self, file: OnnxFile, rank: int) -> None:
        self.file, self.rank, self.module = file, rank, OnnxModule()
        self.values: dict[str, FileValue] = {}
        self.uses: dict[str, int] = {}
        for node in file.nodes:
            for name in node.input:
                self.uses[name] = self.uses.get(name, 0) + 1

    def where(self, node: onnx.NodeProto) -> str:
        """A node, for a message."""
        name = f" {node.name[:80]!r}" if node.name else f" that makes {node.output[0][:80]!r}"
        return f"{self.file.path}: {node.op_type}{name}"

    def value(self, node: onnx.NodeProto, place: int = 0) -> FileValue:
        """The value of the net that a node reads there."""
        name = node.input[place] if place < len(node.input) else ""
        if name not in self.values:
            raise UnsupportedError(f"{self.where(node)} reads a constant where a value of the net is wanted: fold it before the export")
        return self.values[name]

    def constant(self, node: onnx.NodeProto, place: int) -> npt.NDArray[Any] | None:
        """The constant that a node reads there; None where it reads none. Raises UnsupportedError for a value of the net."""
        name = node.input[place] if place < len(node.input) else ""
        if not name:
            return None
        if name not in self.file.constants:
            raise UnsupportedError(
                f"{self.where(node)} computes {name[:80]!r}, which must be a constant: export the net for inference, of fixed shapes"
            )
        return self.file.constants[name]

    def call(self, value: FileValue, inputs: Sequence[FileValue], function: Callable[..., Tensor]) -> FileValue:
        """A call that gives `value`, but for its name."""
        if math.prod(value.sizes.values()) > MOST_ENTRIES:
            raise UnsupportedError(f"{self.file.path} makes a value of more than {MOST_ENTRIES:,} entries: import a smaller net")
        made = replace(value, name=f"v{len(self.module.calls)}")
        self.module.calls.append(OnnxCall(made.name, tuple(each.name for each in inputs), function))
        return made

    def layer(self, kind: str, value: FileValue, source: FileValue, module: nn.Module) -> FileValue:
        """The same of a module of torch, which is kept under a name of its kind."""
        name = f"{kind}{1 + sum(each.rstrip('0123456789') == kind for each, _ in self.module.named_children())}"
        self.module.add_module(name, module)
        return replace(self.call(value, [source], module), layer=name)

    def flat(self, x: FileValue) -> FileValue:
        """As [batch, features], the file's order of them kept."""
        if x.is_flat:
            return x
        natural = ("c", *x.positions)
        count = math.prod(x.sizes.values())
        places = np.arange(count, dtype=np.int64).reshape([x.sizes[axis] for axis in natural])
        named = [axis for axis in x.axes[1:] if axis != "1"]
        absent = [axis for axis in natural if axis not in named]
        order = places.transpose([natural.index(axis) for axis in (*named, *absent)]).reshape(-1)
        wanted = FileValue("", ("b", "f"), {"f": count}, None if (order == np.arange(count)).all() else order)
        return self.call(wanted, [x], lambda value: torch.flatten(value, 1))

    def map(self, node: onnx.NodeProto, x: FileValue) -> FileValue:
        """A value that has [batch, channels, positions] in the file too. Raises UnsupportedError for another."""
        if x.is_flat or x.axes[:2] != ("b", "c"):
            raise UnsupportedError(
                f"{self.where(node)} reads the axes [{', '.join(x.axes)}], and rescomp reads [batch, channels, ...] there: export without "
                "moving them"
            )
        return x


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """By name."""
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}


def numbers(where: str, attributes: Mapping[str, Any], name: str, default: Sequence[int]) -> tuple[int, ...]:
    """An attribute of as many whole numbers as its default. Raises InputError."""
    given = tuple(attributes.get(name, default))
    if len(given) != len(default) or not all(-MOST_ENTRIES <= each <= MOST_ENTRIES for each in given):
        raise InputError(f"{where} has {name} {list(given)[:8]}, where {len(default)} numbers are wanted: export it again")
    return given
