"""What an exported file declares beside what it computes: other programs rely on it, and no vector shows it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..export.file_metadata import tflite_metadata
from ..export.flatbuffer import entries
from ..export.optional_package import import_optional
from ..export.provenance import provenance
from ..graph.ir import Graph, IntegerModel
from ..graph.ops.tflite_arithmetic import scale_of
from ..graph.passes import compose

_SCALE_KEEPING = frozenset(
    ("CONCATENATION", "GATHER", "MAXIMUM", "MAX_POOL_2D", "MINIMUM", "PAD", "RESHAPE", "SLICE", "STRIDED_SLICE", "TRANSPOSE")
)
"""Operators of TFLite that neither change numbers nor may change their scale, which interpreters leave unread."""


def check_metadata(found: Mapping[str, str], model: IntegerModel, path: Path) -> None:
    """Raise InputError unless the metadata of a file is that of the model."""
    for name, wanted in provenance(model).items():
        if found.get(name) != wanted:
            raise _refused(path, f"its {name} is {found.get(name)!r}, the graph's is {wanted!r}")


def check_tflite(data: bytes, model: IntegerModel, path: Path, graph: Graph | None = None) -> None:
    """Raise InputError unless metadata, scales, zero points and options of a TFLite file are those of the model's values.

    graph: what the file holds; None: step and head, or the whole net. data: checked by check_flatbuffer. Interpreters leave much of it
    unread: the zero point of weights, the scale of a bias, the types in the options of a CAST.
    """
    schema = import_optional("tflite")
    root = schema.Model.GetRootAs(data)
    with _damaged(path):
        metadata = tflite_metadata(data)
        cause = next(_faults(root, compose(model) if graph is None else graph, schema), None)
    check_metadata(metadata, model, path)
    if cause is not None:
        raise _refused(path, cause)


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """What reading a file raises that is a flatbuffer in form and means nothing."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise _refused(path, f"it is damaged: {type(error).__name__}") from error


def _refused(path: Path, cause: str) -> InputError:
    return InputError(f"{path} does not declare this model ({cause}): write it again with `rescomp export`")


def _text(name: bytes | None) -> str:
    return "" if name is None else name.decode()


def _faults(root: Any, held: Graph, schema: Any) -> Iterator[str]:
    graph = root.Subgraphs(0)
    tensors = list(entries(graph, "Tensors"))
    scales = {_text(tensor.Name()): _scales(tensor) for tensor in tensors}
    for name, type in held.types().items():
        for tensor in (name, f"{name}/rank4"):
            if tensor in scales and scales[tensor].size and not np.array_equal(scales[tensor], scale_of(type.format)):
                yield f"the scale of {tensor} is {scales[tensor][0]:g}, not {scale_of(type.format)[0]:g}"
    for tensor in tensors:
        if tensor.Quantization() is not None and np.any(tensor.Quantization().ZeroPointAsNumpy()):
            yield f"{_text(tensor.Name())} has a zero point"
    codes = [code.BuiltinCode() for code in entries(root, "OperatorCodes")]
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    for operator in entries(graph, "Operators"):
        code = names[codes[operator.OpcodeIndex()]]
        yield from _operator_faults(code, operator, tensors, schema)
        yield from _shape_faults(code, operator, tensors, root)


def _operator_faults(code: str, operator: Any, tensors: list[Any], schema: Any) -> Iterator[str]:
    inputs = [tensors[i] for i in operator.InputsAsNumpy()]
    output = tensors[operator.Outputs(0)]
    if code == "CAST":
        options = schema.CastOptions()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        if (options.InDataType(), options.OutDataType()) != (inputs[0].Type(), output.Type()):
            yield f"the types of the CAST to {_text(output.Name())} are others than those of its tensors"
    scales = [_scales(tensor) for tensor in inputs if tensor.Type() == output.Type()]
    if code in _SCALE_KEEPING and not all(np.array_equal(scale, _scales(output)) for scale in scales):
        yield f"the scale of {_text(output.Name())} is not that of what it is made of"
    if code in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") and len(inputs) == 3:
        wanted = (_scales(inputs[0]) * _scales(inputs[1])).astype(np.float32)
        if not np.array_equal(_scales(inputs[2]), np.broadcast_to(wanted, _scales(inputs[2]).shape)):
            yield f"the scale of the bias of {_text(output.Name())} is not that of its products"


def _shape_faults(code: str, operator: Any, tensors: list[Any], root: Any) -> Iterator[str]:
    """A shape that is given beside the input must be that of the output: interpreters do not all look."""
    if code not in ("SLICE", "RESHAPE"):
        return
    given, output = tensors[operator.Inputs(operator.InputsLength() - 1)], tensors[operator.Outputs(0)]
    data = root.Buffers(given.Buffer()).DataAsNumpy()
    if isinstance(data, np.ndarray) and not np.array_equal(data.view("<i4"), output.ShapeAsNumpy()):
        yield f"the shape that {_text(output.Name())} is cut or put into is not its own"


def _scales(tensor: Any) -> Any:
    by = tensor.Quantization()
    found = None if by is None or by.ScaleLength() == 0 else by.ScaleAsNumpy()
    return np.zeros(0, np.float32) if found is None else found
