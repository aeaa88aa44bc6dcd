"""The integer model as C99: constants, buffers and a list of kernel calls. The logic is in firmware_templates/kernels/."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from ..graph.alignment import align_of
from ..graph.formats import TensorType
from ..graph.ir import Graph, IntegerModel, Node, Value
from ..graph.ops.base import Array, ConstantKind, CValue, ProductOp
from ..graph.ops.c_arguments import requantization_argument, weight_argument
from ..graph.ops.product import largest_accumulator
from ..graph.verify import verify_model
from ..graph.weights import Weight
from ..model_names import KEYWORDS
from ..targets.kernel_choice import Product, Target, choose_products, graph_on, multiply_on, wants_own_scales
from ..targets.row_scales import rows_requantization
from ..targets.scratch import Scratch, scratch_of
from .c_declarations import CODE_WIDTH, Call, ConstArray, FunctionBody, LayerCode, Parameter, Tap, c_type
from .c_identifiers import PREDEFINED, SPOKEN_FOR, Identifiers
from .c_limits import NARROW_ENTRIES, check_counts, check_supported
from .c_source import Source
from .c_templates import kernel_files, read_template, render
from .memory import Location, plan_memory

CHANCE_BYTES = 16
"""Arrays up to this size may be equal by chance: they make no layer share another one's constants."""


def export_c(model: IntegerModel, target: Target | None = None) -> dict[str, bytes]:
    """The files of the C export by name: <model>.h, <model>.c, README.md, LICENSE, and rescomp/ with the kernels it calls.

    target: a core, whose own kernels and layouts of weights are used; without one the C is plain and runs on every core whose counts
    hold the model's values (check_counts).
    Equal models give equal bytes. Raises UnsupportedError for a model that the kernels cannot run.
    """
    source = translate(model, target)
    texts = {
        f"{model.name}.h": render("model.h.j2", source=source),
        f"{model.name}.c": render("model.c.j2", source=source, narrow_entries=NARROW_ENTRIES),
        "README.md": render("README.md.j2", source=source),
        "LICENSE": read_template("LICENSE"),
    }
    texts.update({f"rescomp/{name}": text for name, text in kernel_files(source.kernels, target.core.kernels if target else ()).items()})
    return {name: text.encode() for name, text in texts.items()}


def constant_bytes(model: IntegerModel) -> dict[str, int]:
    """Bytes of the const data of the generated C: weights (with their padding), scales, biases, tables, and their sum `model`."""
    constants = translate(model).constants
    accounts = {kind: sum(constant.array.nbytes for constant in constants if constant.kind == kind) for kind in get_args(ConstantKind)}
    return {**accounts, "model": sum(accounts.values())}


def translate(model: IntegerModel, target: Target | None = None, *, share: bool = True) -> Source:
    """The model as declarations, buffers and calls. share: layers whose constants are equal store them once. Raises UnsupportedError."""
    verify_model(model)
    check_supported(model)
    check_counts(model, target.core if target else None)
    return _Translator(model, target, share).source()


class _Translator:
    """Walks the graphs of one model in execution order and hands out identifiers."""

    def __init__(self, model: IntegerModel, target: Target | None, share: bool) -> None:
        self.model = model
        self.target = target
        self.share = share
        self.graphs: dict[str, Graph] = {name: graph_on(graph, target) for name, graph in model.graphs.items()}
        self.products = _products(self.graphs, target)
        verbs = ("state", "init", "step", "scores", "run", "classify", "class_names", *(("decide",) if model.decides else ()))
        verbs += (
            ("stream", "stream_init", "stream_step", "stream_scores", "stream_decide", "gap", "begin", "advance") if model.policy else ()
        )
        verbs += ("frontend", "listener", "listen", "push") if model.reads_samples else ()
        if model.reads_samples and model.policy:
            verbs += ("stream_listener", "stream_listen", "stream_push", "stream_hear", "stream_answer")
        verbs += ("calibration", "set_alignment", "add_calibration", "calibrate") if align_of(model) else ()
        functions = (f"{model.name}_{verb}" for verb in verbs)
        parameters = ("samples", "features") if model.reads_samples else ()
        self.names = Identifiers(*KEYWORDS, *SPOKEN_FOR, *PREDEFINED, *functions, *parameters)
        self.values: dict[str, str] = {}
        self.constants: dict[str, ConstArray] = {}
        self.stored: dict[tuple[str, str, str, bytes], dict[str, str]] = {}
        self.answer = "scores"
        """What the function at hand delivers into."""
        self.taps: list[Tap] = []
        self.tap_names = Identifiers()
        self.fields = Identifiers(*KEYWORDS, *PREDEFINED, "scratch", "padding")
        self.states = self._fields_of(self._graph)
        self.decide_states = self._fields_of(self.graphs["decide"]) if model.decides else {}
        self.inputs = self._parameters(self._graph.data_inputs)
        self.wide = target is not None or _holds_int32(model)

    @property
    def _graph(self) -> Graph:
        return self.graphs["step" if self.model.is_recurrent else "whole"]

    def source(self) -> Source:
        functions: dict[str, FunctionBody] = {
            name: self._function(name, self.graphs[name]) for name in ("frontend", "step", "head", "decide", "whole") if name in self.graphs
        }
        scores = Parameter("scores", self.model.output.type)
        states, kept = tuple(self.states.values()), tuple(self.decide_states.values())
        constants = tuple(self.constants.values())
        return Source(self.model, tuple(self.inputs.values()), states, scores, functions, constants, self.target, kept, self.wide)

    def _fields_of(self, graph: Graph) -> dict[str, Parameter]:
        """Where the states of a graph lie in the struct."""
        return {value.name: Parameter(self.fields.take(value.name), value.type) for value in graph.state_inputs}

    def _parameters(self, values: Sequence[Value]) -> dict[str, Parameter]:
        if len(values) == 1:
            return {values[0].name: Parameter("input", values[0].type)}
        return {value.name: Parameter(self.names.take(value.name), value.type) for value in values}

    def _function(self, role: str, graph: Graph) -> FunctionBody:
        outputs, types = () if role == "step" else graph.outputs, graph.types()
        self.answer = {"decide": "decision", "frontend": "features"}.get(role, "scores")
        scratches = {
            node.name: scratch_of(op, types[node.inputs[0]], product)
            for node in graph.nodes
            if (op := node.op.core_product) and (product := self.products.get((role, node.name)))
        }
        plan = plan_memory(graph, outputs, {name: scratch.nbytes for name, scratch in scratches.items()})
        values_bytes = plan_memory(graph, outputs).arena_bytes if scratches else plan.arena_bytes
        pointers = []
        for node in graph.nodes:
            for name in node.outputs:
                if plan.places[name].region == "arena":
                    pointers.append((self._value(name), self._place(plan.places[name], types[name]), types[name]))
        buffers = {name: CValue(self._expression(plan.places[name], name, type), type) for name, type in types.items()}
        placed = {name: replace(scratch, offset=plan.scratch[name]) for name, scratch in scratches.items()}
        layers = tuple(self._layer(role, node, buffers, placed.get(node.name)) for node in graph.nodes)
        copies = tuple((self._place(copy.target, copy.type), self._place(copy.source, copy.type), copy.type.nbytes) for copy in plan.copies)
        read = {place.region for place in plan.places.values()} | {copy.source.region for copy in plan.copies}
        unused = [] if read & {"arena", "state"} or role == "head" else ["state"]
        unused += [self.inputs[value.name].identifier for value in graph.data_inputs if role != "head" and not _is_read(graph, value)]
        return FunctionBody(tuple(pointers), layers, copies, plan.arena_bytes, values_bytes, tuple(unused))

    def _value(self, name: str) -> str:
        if name not in self.values:
            self.values[name] = self.names.take(name)
        return self.values[name]

    def _expression(self, place: Location, name: str, type: TensorType) -> str:
        return self._value(name) if place.region == "arena" else self._place(place, type)

    def _place(self, place: Location, type: TensorType) -> str:
        entries = place.offset // type.format.numpy_dtype.itemsize
        return f"{self._buffer(place, type)} + {entries}" if entries else self._buffer(place, type)

    def _buffer(self, place: Location, type: TensorType) -> str:
        if place.region == "arena":
            if self.wide:
                return f"state->scratch.as_{type.format.dtype}"
            return "state->scratch" if type.format.dtype == "int16" else f"({c_type(type)} *)state->scratch"
        if place.region == "output":
            return self.answer
        kept = {**self.states, **self.decide_states}
        if place.name in kept:
            return f"state->{kept[place.name].identifier}"
        return self.inputs[place.name].identifier if place.name in self.inputs else place.name

    def _layer(self, role: str, node: Node, buffers: Mapping[str, CValue], scratch: Scratch | None) -> LayerCode:
        inputs = tuple(buffers[name] for name in node.inputs)
        outputs = tuple(buffers[name] for name in node.outputs)
        writer = _NodeWriter(self, self._unique_layer(role, node), scratch)
        node.op.c_call(writer, inputs, outputs)
        taps = tuple(self._tap(writer.layer, node, name, buffers[name]) for name in node.outputs)
        before, after = (", ".join(_short(value.type) for value in side) for side in (inputs, outputs))
        comment = f"{writer.layer}: {node.op.name}({', '.join(node.inputs)}), {before} -> {after}"
        if not writer.calls:
            comment += ", a view of its input"
        return LayerCode(writer.layer, role, tuple(writer.calls), comment, writer.nbytes, taps)

    def _unique_layer(self, role: str, node: Node) -> str:
        count = sum(other.name == node.name for each in self.graphs.values() for other in each.nodes)
        return node.name if count == 1 else f"{role}_{node.name}"

    def _tap(self, layer: str, node: Node, value: str, buffer: CValue) -> Tap:
        name = layer if len(node.outputs) == 1 else f"{layer}_{value}"
        macro = f"{self.model.name}_layer_{self.tap_names.take(name)}".upper()
        tap = Tap(len(self.taps), macro, buffer.expression, buffer.type)
        self.taps.append(tap)
        return tap


class _NodeWriter:
    """The CBuilder of one node. A layer that is applied again reads the constants of its first application."""

    def __init__(self, translator: _Translator, layer: str, scratch: Scratch | None) -> None:
        self.layer = layer
        self.scratch = scratch
        self.calls: list[Call] = []
        self.nbytes = 0
        self._translator = translator
        self._twins: set[str] = set()

    def constant(self, role: str, array: Array, kind: ConstantKind, note: str) -> str:
        equal = self._translator.stored.setdefault((role, note, array.dtype.str, array.tobytes()), {})
        for owner, identifier in equal.items() if self._translator.share else ():
            if array.nbytes > CHANCE_BYTES or owner in self._twins:
                self._twins.add(owner)
                return identifier
        identifier = equal[self.layer] = self._translator.names.take(f"{self.layer}_{role}")
        self._translator.constants[identifier] = ConstArray(identifier, self.layer, array, kind, note)
        self.nbytes += array.nbytes
        return identifier

    def shared_constant(self, name: str, array: Array, kind: ConstantKind, note: str) -> str:
        for constant in self._translator.constants.values():
            if not constant.owner and constant.note == note and np.array_equal(constant.array, array):
                return constant.identifier
        identifier = self._translator.names.take(name)
        self._translator.constants[identifier] = ConstArray(identifier, "", array, kind, note)
        return identifier

    def call(self, kernel: str, *arguments: str) -> None:
        self.calls.append(Call(kernel, _format_call(f"rescomp_{kernel}", arguments)))

    def product(self, op: ProductOp, x: CValue, y: CValue, shape: str = "") -> None:
        rows, columns = op.weight.matrix.shape
        scratch, target = self.scratch, self._translator.target
        sizes = (shape,) if shape else (str(columns), str(rows))
        if scratch is None or target is None:
            weight = weight_argument(self, op.weight)
            by = requantization_argument(self, op.bias, op.requantization, op.output)
            self.call(op.kernel, x.expression, y.expression, *sizes, weight, by)
            return
        weight = self._packed(op.weight, scratch.product)
        kernel = f"{op.output.dtype}_{scratch.product.storage}"
        if shape:
            by = requantization_argument(self, op.bias, op.requantization, op.output, shared=not wants_own_scales(target))
            self.call(f"im2col_{kernel}", x.expression, y.expression, shape, weight, by, *scratch.arguments)
        else:
            self.call(f"product_{kernel}", x.expression, *sizes, weight, *scratch.arguments)
            largest = largest_accumulator(op.weight, op.bias, x.type.format)
            rescale, by = rows_requantization(self, op.bias, op.requantization, op.output, largest, multiply_on(target.core))
            self.call(rescale, scratch.accumulator, y.expression, str(rows), by)

    def _packed(self, weight: Weight, product: Product) -> str:
        rows, columns = weight.matrix.shape
        return self.constant("weight", product.packed, "weights", f"{rows} x {columns} {product.layout}")


def _products(graphs: Mapping[str, Graph], target: Target | None) -> dict[tuple[str, str], Product]:
    """How the target multiplies by the weight of a node, by (graph, node); nothing where the plain kernels do."""
    if target is None:
        return {}
    ops = {(role, node.name): op for role, graph in graphs.items() for node in graph.nodes if (op := node.op.core_product)}
    chosen = choose_products([(op.weight, op.output.dtype) for op in ops.values()], target)
    return {node: product for node, product in zip(ops, chosen, strict=True) if product}


def _holds_int32(model: IntegerModel) -> bool:
    return any(type.format.dtype == "int32" for graph in model.graphs.values() for type in graph.types().values())


def _is_read(graph: Graph, value: Value) -> bool:
    return value.name in (*graph.outputs, *graph.state.values(), *(name for node in graph.nodes for name in node.inputs))


def _short(type: TensorType) -> str:
    return f"{'x'.join(map(str, type.shape))} {type.format.dtype} Q{type.format.fraction_bits}"


def _format_call(function: str, arguments: Sequence[str]) -> str:
    """A call as one line of C, or with its structs of parameters on lines of their own."""
    line = f"{function}({', '.join(arguments)});"
    if len(line) <= CODE_WIDTH - 4:
        return line
    pieces = [f"{function}("]
    for last, argument in enumerate(arguments, start=1 - len(arguments)):
        text = argument + (", " if last else ");")
        if "(" in argument or ")" in pieces[-1]:
            pieces.append(text)
        else:
            pieces[-1] += text
    return "\n".join(line for piece in pieces for line in _wrap(piece.rstrip(), first=piece is pieces[0]))


def _wrap(text: str, *, first: bool) -> list[str]:
    """Lines of at most CODE_WIDTH columns, broken at spaces but never inside a call without inner calls."""
    name, bracket, arguments = text.partition("(") if first else ("", "", text)
    glued = name + bracket + re.sub(r"\w+\([^()]*\)", lambda inner: inner[0].replace(" ", "\0"), arguments)
    start, rest = ("", " " * 8) if first else (" " * 8, " " * 12)
    width = CODE_WIDTH - 4 if first else CODE_WIDTH
    lines = textwrap.wrap(glued, width, initial_indent=start, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines]
