"""The graph `decide`, behind the head: from the scores of one step after another to a decision that one can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UnsupportedError
from .formats import Format, TensorType
from .ir import Graph, IntegerModel, Node, Value
from .ops import BiasAdd, Decide, ExponentialAverage, Slice
from .ops.decide import FIRST, MEMORY, NONE, UNKNOWN, Rules
from .ops.exponential_average import MAX_SMOOTHING, average_format

UNKNOWN_DECISION, NO_DECISION = UNKNOWN - FIRST, NONE - FIRST
"""Beside the classes from 0 on: the best class is below its threshold; nothing has been decided since the beginning."""
_SCORES, AVERAGE, REMEMBERED, DECISION = "scores", "decide_average", "decide_memory", "decision"
"""Values of the graph: its data input, its two states, and its output."""


@dataclass(frozen=True)
class Decision:
    """What a decision takes, in integers; docs/contract.md says what each does.

    smoothing: the newest score is 1 / 2^smoothing of the mean. margin, thresholds (one a class, or none): in the scores' own units.
    hold: steps for which a candidate stands before it is decided on. refractory: steps of rest after a decision for a class.
    """

    smoothing: int = 0
    margin: int = 0
    hold: int = 1
    refractory: int = 0
    thresholds: tuple[int, ...] = ()


def decision_graph(decision: Decision, scores: TensorType) -> Graph:
    """The graph for scores of that type. Raises UnsupportedError for numbers out of their ranges, and scores that are no vector."""
    if len(scores.shape) != 1 or scores.format.dtype == "int32":
        raise UnsupportedError(f"a decision reads a vector of int8 or int16 scores, not {scores}")
    if not 0 <= decision.smoothing <= MAX_SMOOTHING:
        raise UnsupportedError(f"a decision smooths by 0 to {MAX_SMOOTHING} bits, not {decision.smoothing}")
    if not all(-(1 << 15) <= threshold < 1 << 15 for threshold in decision.thresholds):
        raise UnsupportedError("a threshold of a decision is outside int16")
    smooth = ExponentialAverage(decision.smoothing, scores.format.dtype)
    rule = _rule(decision)
    nodes = (
        Node("smooth", smooth, (AVERAGE, _SCORES), (f"{AVERAGE}_next",)),
        Node("rule", rule, (f"{AVERAGE}_next", REMEMBERED), (f"{REMEMBERED}_next",)),
        Node("decided", Slice(0, 1), (f"{REMEMBERED}_next",), ("decided",)),
        Node(DECISION, BiasAdd(np.array([-FIRST], np.int16)), ("decided",), (DECISION,)),
    )
    average = Value(AVERAGE, TensorType(scores.shape, average_format(scores.format, decision.smoothing)))
    inputs = (Value(_SCORES, scores), average, Value(REMEMBERED, TensorType((MEMORY,), Format(0))))
    graph = Graph("decide", inputs, nodes, (DECISION,), {AVERAGE: f"{AVERAGE}_next", REMEMBERED: f"{REMEMBERED}_next"})
    graph.types()  # refuses what the ops do not take
    return graph


def _rule(decision: Decision) -> Decide:
    thresholds = np.array(decision.thresholds, np.int16)
    return Decide(thresholds, decision.margin, decision.hold, decision.refractory, decision.smoothing)


def rules_of(decisions: Sequence[Decision], classes: int, rows: int) -> Rules:
    """Their constants, so many rows each."""
    each = [_rule(decision).rules(classes) for decision in decisions]
    columns = ("least", "margin", "hold", "refractory")
    return Rules(*(np.repeat([getattr(rule, name) for rule in each], rows, axis=0) for name in columns))


def with_decision(model: IntegerModel, decision: Decision | None) -> IntegerModel:
    """The model with that decision behind its head, or with none. Raises UnsupportedError where it cannot have it."""
    graphs = {name: graph for name, graph in model.graphs.items() if name != "decide"}
    if decision is not None:
        if not model.is_recurrent:
            raise UnsupportedError(f"{model.name} keeps no state: a decision stands behind a recurrent net, or one with model.streaming")
        graphs["decide"] = decision_graph(decision, model.output.type)
    return replace(model, graphs=graphs)


def decision_of(graph: Graph) -> Decision | None:
    """What `decision_graph` was given. None: this graph was not made by it."""
    if len(graph.nodes) < 2:
        return None
    smooth, rule = graph.nodes[0].op, graph.nodes[1].op
    if not isinstance(smooth, ExponentialAverage) or not isinstance(rule, Decide):
        return None
    decision = Decision(smooth.smoothing, rule.margin, rule.hold, rule.refractory, tuple(rule.thresholds.tolist()))
    scores = next((value.type for value in graph.inputs if value.name == _SCORES), None)
    return decision if scores is not None and _same(graph, decision_graph(decision, scores)) else None


def _same(one: Graph, other: Graph) -> bool:
    plain = (replace(graph, nodes=()) for graph in (one, other))
    nodes = len(one.nodes) == len(other.nodes) and all(map(_same_node, one.nodes, other.nodes))
    return next(plain) == next(plain) and nodes


def _same_node(one: Node, other: Node) -> bool:
    named = (one.name, one.inputs, one.outputs, type(one.op)) == (other.name, other.inputs, other.outputs, type(other.op))
    return named and all(np.array_equal(getattr(one.op, key), value) for key, value in vars(other.op).items())
