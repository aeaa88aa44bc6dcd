"""The layers of a TFLite file, side by side: its own operators, tensors and buffers, cut at every value of the integer graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..export.flatbuffer import ExtendedFlatbuffer, Offset
from ..export.optional_package import import_optional
from ..graph.ir import IntegerModel
from .composed import COMPUTED, composed_graphs, composed_names, defined_values
from .interpreter_task import Tensor

RANK4 = "/rank4"
"""Ends the name of the tensor that layers have of a value at the border of the file, where that has another shape."""


@dataclass(frozen=True, eq=False)
class TfliteLayers:
    """A file whose inputs are what layers read, and whose outputs what they make. reads, makes: by the value's name in its graph."""

    graph: str
    data: bytes
    reads: Mapping[str, Tensor]
    makes: Mapping[str, Tensor]


def cut_tflite_frontend(data: bytes, path: Path, model: IntegerModel) -> TfliteLayers:
    """The layers of the front-end, which stands in a checked file by itself. Raises InputError where a value is missing."""
    graph = model.graphs["frontend"]
    names, inputs = {name: name for name in graph.types()}, [value.name for value in graph.inputs]
    return _Cut(data, path).layers("frontend", names, inputs, defined_values(model)["frontend"])


def cut_tflite(data: bytes, path: Path, model: IntegerModel) -> Iterator[TfliteLayers]:
    """The layers of each graph of the model in a checked file. Raises InputError where a value is missing."""
    names, defined = composed_names(model), defined_values(model)
    for role, graph in composed_graphs(model).items():
        yield _Cut(data, path).layers(role, names[role], [] if role == "head" else [value.name for value in graph.inputs], defined[role])


class _Cut:
    """Writes a new subgraph in front of a file, whose operators and tensors stay where they lie."""

    def __init__(self, data: bytes, path: Path) -> None:
        self._path = path
        self._root = import_optional("tflite").Model.GetRootAs(data)
        self._graph = self._root.Subgraphs(0)
        self._w = ExtendedFlatbuffer(data)
        self._tensors = [self._graph.Tensors(i) for i in range(self._graph.TensorsLength())]
        self._operators = [self._graph.Operators(i) for i in range(self._graph.OperatorsLength())]
        self._index = {_name(tensor): i for i, tensor in enumerate(self._tensors)}

    def layers(self, role: str, names: Mapping[str, str], inputs: Sequence[str], defined: Sequence[str]) -> TfliteLayers:
        """inputs: values that are inputs of the file; defined: those that nodes define."""
        places = {name: self._find(names[name], at_border=name in inputs) for name in names}
        count = len(self._tensors)
        twins = {place: count + i for i, place in enumerate(dict.fromkeys(places[name] for name in defined))}
        kept = list(self._needed(twins, set(places.values())))
        read = {index for operator in kept for index in operator.InputsAsNumpy().tolist()}
        reads = {name: place for name, place in places.items() if place in read}
        if not reads:
            raise InputError(f"{self._path} has no layer that reads a value of this model: write it again with `rescomp export`")
        data = self._write(kept, twins, list(dict.fromkeys(reads.values())), [twins[places[name]] for name in defined])
        return TfliteLayers(
            role,
            data,
            {name: self._tensor(place, "") for name, place in reads.items()},
            {name: self._tensor(places[name], COMPUTED) for name in defined},
        )

    def _find(self, name: str, *, at_border: bool) -> int:
        index = self._index.get(name) if at_border else self._index.get(name + RANK4, self._index.get(name))
        if index is None:
            raise InputError(f"{self._path} has not the value {name} of this model: write it again with `rescomp export`")
        return index

    def _needed(self, wanted: Iterable[int], cut: Set[int]) -> Iterator[Any]:
        """The operators that the wanted tensors depend on, up to those at which the file is cut, in order."""
        makers = {index: i for i, operator in enumerate(self._operators) for index in operator.OutputsAsNumpy().tolist()}
        pending, found = [makers[index] for index in wanted if index in makers], set()
        while pending:
            i = pending.pop()
            if i not in found:
                found.add(i)
                pending += [makers[j] for j in self._operators[i].InputsAsNumpy().tolist() if j in makers and j not in cut]
        yield from (self._operators[i] for i in sorted(found))

    def _tensor(self, index: int, suffix: str) -> Tensor:
        tensor = self._tensors[index]
        kinds = import_optional("tflite").TensorType
        dtype = next((name.lower() for name, number in vars(kinds).items() if number == tensor.Type() and name.isupper()), "")
        return Tensor(_name(tensor) + suffix, dtype, tuple(tensor.ShapeAsNumpy().tolist()[1:]))

    def _write(self, operators: Sequence[Any], twins: Mapping[int, int], inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        w, root = self._w, self._root
        tensors = [*map(w.old, self._tensors), *(self._twin(index) for index in twins)]
        written = [self._operator(operator, twins) for operator in operators]
        graph = w.table(
            "SubGraph",
            tensors=w.tables(tensors),
            inputs=w.numbers(inputs),
            outputs=w.numbers(outputs),
            operators=w.tables(written),
        )
        codes = w.tables([w.old(root.OperatorCodes(i)) for i in range(root.OperatorCodesLength())])
        buffers = w.tables([w.old(root.Buffers(i)) for i in range(root.BuffersLength())])
        return w.finish(w.table("Model", version=root.Version(), operator_codes=codes, subgraphs=w.tables([graph]), buffers=buffers))

    def _twin(self, index: int) -> Offset:
        """A tensor like that one, under its other name."""
        tensor = self._tensors[index]
        fields = {"name": self._w.string(_name(tensor) + COMPUTED), "shape": self._w.numbers(tensor.ShapeAsNumpy())}
        if tensor.Quantization() is not None:
            fields["quantization"] = self._w.old(tensor.Quantization())
        return self._w.table("Tensor", type=tensor.Type(), buffer=0, **fields)

    def _operator(self, operator: Any, twins: Mapping[int, int]) -> Offset:
        outputs = operator.OutputsAsNumpy().tolist()
        if not set(outputs) & set(twins):
            return self._w.old(operator)
        fields = {"inputs": self._w.numbers(operator.InputsAsNumpy()), "outputs": self._w.numbers([twins.get(i, i) for i in outputs])}
        if operator.BuiltinOptions() is not None:
            fields |= {"builtin_options_type": operator.BuiltinOptionsType(), "builtin_options": self._w.old(operator.BuiltinOptions())}
        return self._w.table("Operator", opcode_index=operator.OpcodeIndex(), **fields)


def _name(tensor: Any) -> str:
    return (tensor.Name() or b"").decode(errors="replace")
