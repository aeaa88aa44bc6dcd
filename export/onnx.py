"""The integer model as ONNX, in operators of the default domain.

Between ops a value is an int32 tensor [batch, *shape], computed with in integers only; or of int8 format an int8 tensor with the
channels in front, between DequantizeLinear and QuantizeLinear. Inputs and outputs are of the formats' own dtypes, channels last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..errors import UnsupportedError
from ..graph.formats import TensorType
from ..graph.ir import Graph, IntegerModel
from ..graph.ops.base import Array
from ..graph.ops.onnx_arithmetic import channels_first, channels_last
from ..graph.passes import compose
from .optional_package import import_optional
from .provenance import PRODUCER, provenance

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET, IR_VERSION = 17, 8
"""Read by onnxruntime from 1.12 on."""
STEP_FILE, SEQUENCE_FILE, DECIDE_FILE, FRONTEND_FILE = "model.onnx", "model_sequence.onnx", "model_decide.onnx", "model_frontend.onnx"


def export_onnx(model: IntegerModel) -> dict[str, bytes]:
    """The files of the ONNX export by name: one time step with explicit state, and the whole sequence (or the whole net).

    Of a model that decides also the decision of one step, from its scores, with explicit state; of one that reads samples also the
    front-end, from frames to features.
    """
    heard = {FRONTEND_FILE: _to_bytes(frontend_model(model))} if model.reads_samples else {}
    if not model.is_recurrent:
        return {STEP_FILE: _to_bytes(whole_model(model)), **heard}
    files = heard | {STEP_FILE: _to_bytes(step_model(model)), SEQUENCE_FILE: _to_bytes(sequence_model(model))}
    return files | ({DECIDE_FILE: _to_bytes(decide_model(model))} if model.decides else {})


def step_model(model: IntegerModel) -> ModelProto:
    """One time step: input and states [batch, *shape] to the next states and the scores of the head on the new state."""
    return graph_to_onnx(compose(model), metadata=provenance(model))


def decide_model(model: IntegerModel) -> ModelProto:
    """One decision: scores and states [batch, *shape] to the next states and the decision."""
    graph = model.graphs["decide"]
    return graph_to_onnx(replace(graph, outputs=(*graph.state.values(), *graph.outputs)), metadata=provenance(model))


def frontend_model(model: IntegerModel) -> ModelProto:
    """Frames of samples [batch, span, channels] to features."""
    return graph_to_onnx(model.graphs["frontend"], metadata=provenance(model))


def whole_model(model: IntegerModel) -> ModelProto:
    """A net without state: input [batch, *shape] to scores. Raises UnsupportedError for a recurrent model."""
    if model.is_recurrent:
        raise UnsupportedError(f"{model.name} carries state: export its step or its sequence")
    return graph_to_onnx(compose(model), metadata=provenance(model))


def graph_to_onnx(graph: Graph, expose: bool = False, metadata: Mapping[str, str] | None = None) -> ModelProto:
    """One graph with a dynamic batch axis in front of every shape. `expose` makes every node's value an output."""
    b = _Builder()
    types = graph.types()
    values = {value.name: b.enter(b.input(value.name, value.type, ("batch",)), value.type) for value in graph.inputs}
    b.translate(graph, values)
    names = [name for node in graph.nodes for name in node.outputs] if expose else graph.outputs
    for name in names:
        b.output(b.leave(values[name], types[name]), name, types[name], ("batch",))
    proto: ModelProto = b.model(graph.name, metadata or {})
    return proto


def sequence_model(model: IntegerModel) -> ModelProto:
    """A whole sequence from a zero state: input [time, batch, *shape] to all states [time, batch, *shape] and the last scores.

    Sequences of one call have equal lengths. Raises UnsupportedError for a net without state.
    """
    if not model.is_recurrent:
        raise UnsupportedError(f"{model.name} carries no state: export it whole")
    step, head = model.graphs["step"], model.graphs["head"]
    b = _Builder()
    x = b.input(model.input.name, model.input.type, ("time", "batch"))
    start = [_zero_state(b, x, value.type) for value in step.state_inputs]
    count = len(start)
    readings = b.widen(x, model.input.type)
    scanned = b.nodes_of("Scan", *start, readings, outputs=2 * count, body=_scan_body(step), num_scan_inputs=1)
    *following, scores = compose(model).outputs
    for value, states, name in zip(step.state_inputs, scanned[count:], following, strict=True):
        b.output(states, name, value.type, ("time", "batch"))
    last = {value.name: b.lay_out(state, value.type) for value, state in zip(step.state_inputs, scanned[:count], strict=True)}
    b.translate(head, last)
    b.output(b.leave(last[model.output.name], model.output.type), scores, model.output.type, ("batch",))
    proto: ModelProto = b.model(model.name, provenance(model))
    return proto


def _scan_body(step: Graph) -> Any:
    """The graph of one iteration: states and one input, in the dtypes that ops read, to the next states and their copies to be stacked."""
    b = _Builder(prefix="step/")
    values = {
        value.name: b.lay_out(b.input(f"step/{value.name}", value.type, ("batch",), _inner(value.type)), value.type)
        for value in step.state_inputs + step.data_inputs
    }
    b.translate(step, values)
    for suffix in ("next", "stacked"):
        for value in step.state_inputs:
            state = values[step.state[value.name]]
            dtype = _inner(value.type) if suffix == "next" else ""
            b.output(b.leave(state, value.type), f"{state}/{suffix}", value.type, ("batch",), dtype)
    return b.graph("step")


def _inner(type: TensorType) -> str:
    """The dtype of a value between ops."""
    return "int8" if type.format.dtype == "int8" else "int32"


def _zero_state(b: _Builder, x: str, type: TensorType) -> str:
    """Zeros [batch, *shape] for an input x [time, batch, ...]."""
    batch = b.node("Slice", b.node("Shape", x), b.constant(np.array([1])), b.constant(np.array([2])))
    shape = b.node("Concat", batch, b.constant(np.array(type.shape, np.int64)), axis=0)
    return b.node("Expand", b.constant(np.zeros(1, _inner(type))), shape)


def _to_bytes(model: ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


class _Builder:
    """Collects the nodes and initializers of one ONNX graph; what the ops write through (OnnxBuilder).

    Names: node `<layer>/<operator>_<n>`, the last value of a layer `<value>/int32` or `<value>/int8`. Names inside a Scan body
    carry a prefix, since a subgraph sees the names around it.
    """

    def __init__(self, prefix: str = "") -> None:
        self._onnx = import_optional("onnx")
        self._prefix = prefix
        self._scope = "edge"
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._types: dict[str, TensorType] = {}

    def constant(self, array: Array, *, shared: bool = True) -> str:
        """See OnnxBuilder."""
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if shared and key in self._constants:
            return self._constants[key]
        name = f"{self._prefix}{self._scope}/constant_{len(self._initializers)}"
        self._initializers.append(self._onnx.numpy_helper.from_array(array, name))
        if shared:
            self._constants[key] = name
        return name

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """See OnnxBuilder."""
        (output,) = self.nodes_of(op_type, *inputs, outputs=1, **attributes)
        return output

    def type(self, value: str) -> TensorType:
        """See OnnxBuilder."""
        return self._types[value]

    def nodes_of(self, op_type: str, *inputs: str, outputs: int, **attributes: Any) -> Sequence[str]:
        """Names of the outputs of a new node with several of them."""
        name = f"{self._prefix}{self._scope}/{op_type}_{len(self._nodes)}"
        results = [name] if outputs == 1 else [f"{name}:{i}" for i in range(outputs)]
        self._nodes.append(self._onnx.helper.make_node(op_type, list(inputs), results, name=name, **attributes))
        return results

    def cast(self, x: str, dtype: str) -> str:
        """x in another dtype."""
        return self.node("Cast", x, to=self._element(dtype))

    def enter(self, x: str, type: TensorType) -> str:
        """An input of the file, [batch, *shape], as ops read it."""
        return self.lay_out(self.widen(x, type), type)

    def widen(self, x: str, type: TensorType) -> str:
        """A tensor of the format's dtype in the dtype that ops read."""
        return x if type.format.dtype == _inner(type) else self.cast(x, _inner(type))

    def lay_out(self, x: str, type: TensorType) -> str:
        """A tensor [batch, *shape] of the dtype that ops read, as they read it."""
        return channels_first(self, x, len(type.shape)) if type.format.dtype == "int8" else x

    def leave(self, x: str, type: TensorType) -> str:
        """The inverse of lay_out."""
        return channels_last(self, x, len(type.shape)) if type.format.dtype == "int8" else x

    def input(self, name: str, type: TensorType, axes: Sequence[str], dtype: str = "") -> str:
        """Declare an input of shape [*axes, *shape], in the format's dtype unless another is given."""
        self._inputs.append(self._declare(name, type, axes, dtype))
        return name

    def output(self, x: str, name: str, type: TensorType, axes: Sequence[str], dtype: str = "") -> None:
        """Declare an output, a copy of the tensor x [*axes, *shape] in its dtype."""
        self._scope = "edge"
        int8 = type.format.dtype == "int8"  # and so is x
        cast = {} if int8 else {"to": self._element(dtype or type.format.dtype)}
        copy = self._onnx.helper.make_node("Identity" if int8 else "Cast", [x], [name], name=f"{name}/output", **cast)
        self._nodes.append(copy)
        self._outputs.append(self._declare(name, type, axes, dtype))

    def translate(self, graph: Graph, values: dict[str, str]) -> None:
        """Write every node of `graph`; `values` maps graph inputs to ONNX values and receives every other value."""
        types = graph.types()
        self._types.update({values[value.name]: value.type for value in graph.inputs})
        for node in graph.nodes:
            self._scope = node.name
            results = node.op.onnx(self, *(values[name] for name in node.inputs))
            for name, result in zip(node.outputs, results, strict=True):
                values[name] = self._named(result, f"{self._prefix}{name}/{_inner(types[name])}")
                self._types[values[name]] = types[name]
        self._scope = "edge"

    def graph(self, name: str) -> Any:
        """The finished GraphProto."""
        return self._onnx.helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._initializers)

    def model(self, name: str, metadata: Mapping[str, str]) -> Any:
        """The finished and checked ModelProto."""
        opset = self._onnx.helper.make_opsetid("", OPSET)
        model = self._onnx.helper.make_model(
            self.graph(name),
            opset_imports=[opset],
            ir_version=IR_VERSION,
            producer_name=PRODUCER,
            producer_version=__version__,
        )
        self._onnx.helper.set_model_props(model, dict(metadata))
        self._onnx.checker.check_model(model, full_check=True)
        return model

    def _named(self, value: str, name: str) -> str:
        """The value under a readable name: a copy, which every runtime's optimizer removes."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name], name=name))
        return name

    def _declare(self, name: str, type: TensorType, axes: Sequence[str], dtype: str) -> Any:
        element = self._element(dtype or type.format.dtype)
        return self._onnx.helper.make_tensor_value_info(name, element, [*axes, *type.shape])

    def _element(self, dtype: str) -> int:
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
