"""The integer model as a TFLite flatbuffer, in builtin operators that every interpreter computes alike. No TensorFlow needed.

Inside, every value is a tensor of rank 4 with batch 1; vectors are [1, channels] at the boundary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import __version__
from ..graph.fixed_point import FloatArray
from ..graph.formats import Format, TensorType
from ..graph.ir import Graph, IntegerModel
from ..graph.ops.base import Array, TfliteTensor, require
from ..graph.ops.tflite_arithmetic import scale_of
from ..graph.passes import compose
from .flatbuffer import FlatbufferWriter, Offset
from .int32_values import refuse_int32
from .provenance import DIGEST, PRODUCER, provenance

FILE, FILE_OF_FRONTEND = "model.tflite", "model_frontend.tflite"
SCHEMA_VERSION = 3
SIGNATURE_KEY = "serving_default"
OPTIONS: Mapping[str, str] = {
    "ADD": "AddOptions",
    "CAST": "CastOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DIV": "DivOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions",
    "LESS": "LessOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "RESHAPE": "ReshapeOptions",
    "REVERSE_V2": "ReverseV2Options",
    "SLICE": "SliceOptions",
    "SUB": "SubOptions",
}
"""The options table of each builtin operator in use."""
VERSIONS: Mapping[str, int] = {
    "ADD": 2,
    "CONV_2D": 4,
    "DEPTHWISE_CONV_2D": 5,
    "FULLY_CONNECTED": 5,
    "MAXIMUM": 4,
    "MAX_POOL_2D": 3,
    "MINIMUM": 4,
    "PAD": 4,
    "SLICE": 4,
}
"""Versions of the operators whose int8 or int16 form, or an option in use, came later than the operator."""


def export_tflite(model: IntegerModel) -> dict[str, bytes]:
    """The files of the TFLite export by name: one time step with explicit state and the head, or the whole net.

    Of a model that reads samples also its front-end, from one frame to its features: a witness more than anything to deploy.
    """
    files = {FILE: graph_to_tflite(compose(model), metadata=provenance(model))}
    if model.reads_samples:
        files[FILE_OF_FRONTEND] = graph_to_tflite(model.graphs["frontend"], metadata=provenance(model))
    return files


def graph_to_tflite(graph: Graph, expose: bool = False, metadata: Mapping[str, str] | None = None) -> bytes:
    """One graph for a single sample: [1, *shape] in and out. `expose` makes every node's value an output.

    Raises UnsupportedError for inputs of more than three axes, and int32 values of ops that are not made for them.
    """
    refuse_int32(graph, "the TFLite export computes")
    b = _Builder()
    types = graph.types()
    values = {value.name: b.input(value.name, value.type) for value in graph.inputs}
    for node in graph.nodes:
        b.scope = node.name
        known = len(b.tensors)
        results = node.op.tflite(b, *(values[name] for name in node.inputs))
        for name, result in zip(node.outputs, results, strict=True):
            values[name] = b.rename(result, name, known)
    for name in [name for node in graph.nodes for name in node.outputs] if expose else graph.outputs:
        b.output(name, values[name], types[name])
    return _serialize(b, graph.name, metadata or {})


@dataclass
class _Tensor:
    """A tensor of the subgraph. data: bytes of a constant. scale: one entry, or one for each index of `axis`."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: FloatArray | None = None
    axis: int = 0
    data: bytes = b""


@dataclass(frozen=True)
class _Operator:
    code: str
    inputs: tuple[int, ...]
    output: int
    options: Mapping[str, Any]


class _Builder:
    """Collects tensors and operators; what the ops write through (TfliteBuilder).

    Tensor names: `<layer>/<operator>_<n>`, the last value of a layer by the value's own name; the twin of rank 4 of a boundary
    tensor `<value>/rank4`.
    """

    def __init__(self) -> None:
        self.scope = "edge"
        self.tensors: list[_Tensor] = []
        self.operators: list[_Operator] = []
        self.inputs: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self._constants: dict[tuple[Any, ...], TfliteTensor] = {}

    def constant(self, array: Array, scale: FloatArray | None = None, axis: int = 0) -> TfliteTensor:
        """See TfliteBuilder. Raises UnsupportedError when a scale is no float32."""
        require(scale is None or np.array_equal(scale.astype(np.float32), scale), f"a scale of layer {self.scope!r} does not fit float32")
        data, dtype = np.ascontiguousarray(array).tobytes(), array.dtype.name
        key = (data, dtype, array.shape, None if scale is None else scale.tobytes(), axis)
        if key not in self._constants:
            tensor = _Tensor(f"{self.scope}/constant_{len(self.tensors)}", array.shape, dtype, scale, axis, data)
            self._constants[key] = self._add(tensor, None)
        return self._constants[key]

    def operator(
        self,
        code: str,
        inputs: tuple[TfliteTensor, ...],
        shape: tuple[int, ...],
        dtype: str,
        format: Format | None = None,
        **options: Any,
    ) -> TfliteTensor:
        """See TfliteBuilder."""
        scale = None if format is None else _scale(format)
        result = self._add(_Tensor(f"{self.scope}/{code.lower()}_{len(self.tensors)}", shape, dtype, scale), format)
        if code == "CAST":
            options = {"in_data_type": inputs[0].dtype, "out_data_type": dtype}
        self.operators.append(_Operator(code, tuple(tensor.index for tensor in inputs), result.index, options))
        return result

    def input(self, name: str, type: TensorType) -> TfliteTensor:
        """Declare an input [1, *shape]; returns it in rank 4."""
        require(1 <= len(type.shape) <= 3, f"the TFLite export reads values of one to three axes, and {name!r} is {type}")
        shape = (1, *type.shape)
        tensor = self._add(_Tensor(name, shape, type.format.dtype, _scale(type.format)), type.format)
        self.inputs[name] = tensor.index
        return self._reshape(tensor, (*(1,) * (4 - len(shape)), *shape), f"{name}/rank4")

    def output(self, name: str, x: TfliteTensor, type: TensorType) -> None:
        """Declare a value as an output [1, *shape]."""
        shape = (1, *type.shape)
        if shape != x.shape:
            self.tensors[x.index].name = f"{name}/rank4"
            x = self._reshape(x, shape, name)
        self.outputs[name] = x.index

    def rename(self, x: TfliteTensor, name: str, known: int) -> TfliteTensor:
        """Give x the name of a value; one of the `known` first tensors, which has a name already, gets a copy."""
        if x.index < known:
            return self._copy(x, name)
        self.tensors[x.index].name = name
        return x

    def _reshape(self, x: TfliteTensor, shape: tuple[int, ...], name: str) -> TfliteTensor:
        return x if shape == x.shape else self._copy(replace(x, shape=shape), name)

    def _copy(self, x: TfliteTensor, name: str) -> TfliteTensor:
        """RESHAPE to x.shape: a tensor of its own with the integers of x."""
        result = self.operator("RESHAPE", (x, self.constant(np.array(x.shape, np.int32))), x.shape, x.dtype, x.format)
        self.tensors[result.index].name = name
        return result

    def _add(self, tensor: _Tensor, format: Format | None) -> TfliteTensor:
        self.tensors.append(tensor)
        return TfliteTensor(len(self.tensors) - 1, tensor.shape, tensor.dtype, format)


def _scale(format: Format) -> FloatArray | None:
    """Of a tensor; int32 values are plain integers."""
    return None if format.dtype == "int32" else scale_of(format)


def _serialize(b: _Builder, name: str, metadata: Mapping[str, str]) -> bytes:
    w = FlatbufferWriter()
    contents = list(dict.fromkeys([b"", *(tensor.data for tensor in b.tensors), *(text.encode() for text in metadata.values())]))
    codes = sorted({operator.code for operator in b.operators})
    root = w.table(
        "Model",
        version=SCHEMA_VERSION,
        description=w.string(f"{PRODUCER} {__version__} {name} {metadata.get(DIGEST, '')}".rstrip()),
        operator_codes=w.tables([_operator_code(w, code) for code in codes]),
        subgraphs=w.tables([_subgraph(w, b, name, codes, contents)]),
        buffers=w.tables([w.table("Buffer", data=w.data(data)) if data else w.table("Buffer") for data in contents]),
        metadata=w.named("Metadata", {key: contents.index(text.encode()) for key, text in metadata.items()}, "buffer"),
        signature_defs=w.tables([_signature(w, b)]),
    )
    return w.finish(root)


def _subgraph(w: FlatbufferWriter, b: _Builder, name: str, codes: list[str], contents: list[bytes]) -> Offset:
    return w.table(
        "SubGraph",
        name=w.string(name),
        tensors=w.tables([_tensor(w, tensor, contents.index(tensor.data)) for tensor in b.tensors]),
        inputs=w.numbers(list(b.inputs.values())),
        outputs=w.numbers(list(b.outputs.values())),
        operators=w.tables([_operator(w, operator, codes.index(operator.code)) for operator in b.operators]),
    )


def _tensor(w: FlatbufferWriter, tensor: _Tensor, buffer: int) -> Offset:
    fields = {"name": w.string(tensor.name), "shape": w.numbers(tensor.shape), "buffer": buffer}
    if tensor.scale is not None:
        fields["quantization"] = w.table(
            "QuantizationParameters",
            scale=w.numbers(tensor.scale, "float32"),
            zero_point=w.numbers(np.zeros(tensor.scale.size), "int64"),
            quantized_dimension=tensor.axis,
        )
    return w.table("Tensor", type=w.enum("TensorType", tensor.dtype.upper()), **fields)


def _operator_code(w: FlatbufferWriter, code: str) -> Offset:
    number = w.enum("BuiltinOperator", code)
    return w.table("OperatorCode", deprecated_builtin_code=number, builtin_code=number, version=VERSIONS.get(code, 1))


def _operator(w: FlatbufferWriter, operator: _Operator, code: int) -> Offset:
    kind = OPTIONS[operator.code]
    numbers = {key: w.enum("TensorType", value.upper()) if isinstance(value, str) else value for key, value in operator.options.items()}
    return w.table(
        "Operator",
        opcode_index=code,
        inputs=w.numbers(operator.inputs),
        outputs=w.numbers([operator.output]),
        builtin_options_type=w.enum("BuiltinOptions", kind),
        builtin_options=w.table(kind, **numbers),
    )


def _signature(w: FlatbufferWriter, b: _Builder) -> Offset:
    return w.table(
        "SignatureDef",
        signature_key=w.string(SIGNATURE_KEY),
        inputs=w.named("TensorMap", b.inputs, "tensor_index"),
        outputs=w.named("TensorMap", b.outputs, "tensor_index"),
        subgraph_index=0,
    )
