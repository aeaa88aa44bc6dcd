"""From a net over a whole window to one that takes a few readings at a time and keeps what its layers still need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..errors import UnsupportedError
from .formats import KEPT_ROWS, Format, TensorType
from .ir import Graph, IntegerModel, Node, Value
from .ops import ShiftIn
from .verify import verify_model


def stream(model: IntegerModel) -> IntegerModel:
    """The model with `step` and `head` in place of `whole`. A step reads as many readings as become one row of the last layer over time.

    After all steps of a window the scores are those of the whole window, bit for bit; further steps slide on. State `<value>_rows`: the
    rows of a value that later windows read, zero before the first step. Raises UnsupportedError for a model over images, or with a layer
    that looks ahead.
    """
    if model.is_recurrent or len(model.input.type.shape) != 2:
        raise UnsupportedError(f"{model.name} does not read a window of time: only such a model can be streamed")
    streamed = IntegerModel(
        model.name, _Streaming(model.graphs["whole"]).graphs(), model.classes, channel_bits=model.channel_bits, sensor=model.sensor
    )
    verify_model(streamed)
    return streamed


def rows_of(state: str) -> str:
    """The value whose rows a state keeps."""
    return state.removesuffix(KEPT_ROWS)


def keep_node(state: str, x: str, format: Format) -> Node:
    """What makes the rows that a state keeps after a step, of x and those that it kept before."""
    return Node(f"{rows_of(state)}_keep", ShiftIn(format.dtype), (state, x), (f"{state}_next",))


class _Streaming:
    """Walks the whole graph once."""

    def __init__(self, whole: Graph) -> None:
        self.whole, self.types = whole, whole.types()
        self.end = next((i for i, node in enumerate(whole.nodes) if self._is_global(node)), None)
        if self.end is None:
            raise UnsupportedError("a streamed net ends in a global average or max pool over time: this one has none")
        before = whole.nodes[: self.end]
        times = [self._time(name) for node in before for name in node.outputs]
        self.steps = min(times, default=self._time(whole.inputs[0].name))
        self.nodes: list[Node] = []
        self.states: dict[str, Value] = {}

    def graphs(self) -> dict[str, Graph]:
        assert self.end is not None
        (read,) = self.whole.inputs
        for node in self.whole.nodes[: self.end]:
            self.nodes.append(self._per_step(node))
        (pooled,) = self.whole.nodes[self.end].inputs
        state = self._kept(pooled, self._time(pooled), self.types[pooled].format).removesuffix("_next")
        inputs = (replace(read, type=self._type(read.name)), *self.states.values())
        following = {name: f"{name}_next" for name in self.states}
        return {
            "step": Graph("step", inputs, tuple(self.nodes), tuple(following.values()), following),
            "head": Graph("head", (self.states[state],), self._head(pooled, state), self.whole.outputs),
        }

    def _head(self, pooled: str, state: str) -> tuple[Node, ...]:
        """The nodes from the global pool of `pooled` on, which read the rows kept of it and nothing else over time."""
        assert self.end is not None
        read = {pooled: state}
        nodes = []
        for node in self.whole.nodes[self.end :]:
            for name in node.inputs:
                if name not in read:
                    raise UnsupportedError(f"layer {node.name} reads {name} past the global pool of {pooled}: a streamed net ends there")
            nodes.append(replace(node, inputs=tuple(read[name] for name in node.inputs)))
            read.update({name: name for name in node.outputs})
        return tuple(nodes)

    def _time(self, value: str) -> int:
        return self.types[value].shape[0]

    def _is_global(self, node: Node) -> bool:
        read, windowed = self.types[node.inputs[0]].shape, node.op.windowed
        return windowed is not None and windowed.pools and len(read) == 2 and windowed.window.kernel_size[1] == read[0]

    def _rows(self, value: str) -> int:
        """Rows of a value in one step."""
        rows, rest = divmod(self._time(value), self.steps)
        if rest:
            raise UnsupportedError(f"{value} has {self._time(value)} rows, which do not go evenly into {self.steps} steps")
        return rows

    def _type(self, value: str) -> TensorType:
        return TensorType((self._rows(value), *self.types[value].shape[1:]), self.types[value].format)

    def _per_step(self, node: Node) -> Node:
        """The node on the rows of one step; a window that reaches back reads the rows that are kept."""
        if any(len(self.types[name].shape) != 2 for name in (*node.inputs, *node.outputs)):
            raise UnsupportedError(f"layer {node.name} leaves time before the global pool: a streamed net cannot")
        windowed = node.op.windowed
        if windowed is None:
            return node
        (read,), reach = node.inputs, windowed.window.reach
        if reach is None or self._time(node.outputs[0]) * windowed.window.stride[1] != self._time(read):
            raise UnsupportedError(f"layer {node.name} looks ahead: train the net with model.streaming, whose padding lies before")
        if not reach:
            return node
        return replace(node, op=windowed.unpadded(), inputs=(self._kept(read, reach + self._rows(read), self.types[read].format),))

    def _kept(self, value: str, rows: int, format: Format) -> str:
        """The value that holds the last `rows` rows of `value`, this step's included."""
        known = [name for name, state in self.states.items() if rows_of(name) == value and state.type.shape[0] == rows]
        if known:
            return f"{known[0]}_next"
        name = f"{value}{KEPT_ROWS}"
        if name in self.states:
            raise UnsupportedError(f"two layers read different stretches of {value}: a streamed net keeps one")
        self.states[name] = Value(name, TensorType((rows, *self.types[value].shape[1:]), format))
        self.nodes.append(keep_node(name, value, format))
        return f"{name}_next"


def streaming_states(model: IntegerModel) -> Iterator[tuple[str, int]]:
    """(value, rows kept) of every state of a streamed model, in order."""
    for value in model.graphs["step"].state_inputs:
        yield rows_of(value.name), value.type.shape[0]
