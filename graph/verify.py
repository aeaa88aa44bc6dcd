"""The verifier: what must hold of a model before anything is exported from it. Type rules and bounds live in the ops."""

from __future__ import annotations

from ..errors import UnsupportedError
from ..model_names import check_name, label_fault
from .any_state import prove_any_state
from .decide import decision_of
from .formats import MOST_ENTRIES, MOST_LAYERS, TensorType
from .ir import Graph, IntegerModel, Sampling, Sensor
from .policy import check_policy

MOST_AXES = 3
"""Of a value."""
FRAME_INPUT = "samples"
"""The input of a graph `frontend`."""
FULL_SCALE, MOST_MILLIHERTZ = 32767, 2_000_000_000
"""What a 16-bit reading can be; how often there may be one, in thousandths of a hertz."""
MOST_RATE, MOST_BITS = 1 << 20, 15
"""Of samples: so many a second, and fraction bits."""
MOST_IN_ALL = 1 << 24
"""Entries of all values of a graph together, and of all weights of a model."""


def verify_model(model: IntegerModel) -> None:
    """Raise UnsupportedError, naming graph and layer, unless the model keeps the integer contract."""
    if set(model.graphs) - {"frontend"} not in ({"step", "head"}, {"step", "head", "decide"}, {"whole"}):
        raise UnsupportedError(
            "a model has the graphs step and head, and decide if it takes decisions, or whole, and frontend if it reads samples, "
            f"not {sorted(model.graphs)}"
        )
    check_name(model.name, "model name")
    _verify_weights(model)
    for name, graph in model.graphs.items():
        if graph.name != name:
            raise UnsupportedError(f"graph {name!r} calls itself {graph.name!r}")
        verify_graph(graph)
        prove_any_state(graph)
    if model.reads_samples or model.hop or model.sampling is not None:
        _verify_frontend(model)
    if model.is_recurrent:
        _verify_head(model)
    if model.decides:
        _verify_decide(model)
    if model.channel_bits:
        _verify_channel_bits(model)
    if model.sensor is not None:
        _verify_sensor(model, model.sensor)
    if model.policy is not None:
        check_policy(model, model.policy)
    for graph in model.graphs.values():
        if graph.name not in ("step", "decide", "frontend") and graph.state:
            raise UnsupportedError(f"graph {graph.name!r} keeps a state: only step and decide do")
    if model.classes:
        _verify_classes(model)


def _verify_channel_bits(model: IntegerModel) -> None:
    """They differ, each is one that a reading may have, and they go evenly into what is read, whose own format has none."""
    bits = model.channel_bits
    if not all(0 <= each <= MOST_BITS for each in bits) or len(set(bits)) == 1:
        raise UnsupportedError(f"fraction bits of channels are within 0..{MOST_BITS} and differ, unlike {list(bits)}")
    type = model.samples.type if model.reads_samples else model.input.type
    if type.shape[-1] % len(bits):
        raise UnsupportedError(f"fraction bits of {len(bits)} channels do not go evenly into readings of {type}")
    sampled = 0 if model.sampling is None else model.sampling.fraction_bits
    if sampled or (not model.reads_samples and type.format.fraction_bits):
        raise UnsupportedError(f"each channel has fraction bits of its own, and what is read, {type.format}, has some too")


def _verify_sensor(model: IntegerModel, sensor: Sensor) -> None:
    """Its texts may stand in a header, and what is told channel by channel goes evenly into what is read."""
    for text in (sensor.unit, *sensor.channels):
        if fault := label_fault(text):
            raise UnsupportedError(f"the sensor's {text[:80]!r} {fault}")
    type = model.samples.type if model.reads_samples else model.input.type
    for what, told in (("channels", sensor.channels), ("full scales", sensor.full_scale)):
        if told and (not type.shape or type.shape[-1] % len(told)):
            raise UnsupportedError(f"{len(told)} {what} of a sensor do not go evenly into readings of {type}")
    if len({len(told) for told in (sensor.channels, sensor.full_scale) if told}) > 1:
        raise UnsupportedError(f"a sensor of {len(sensor.channels)} channels has {len(sensor.full_scale)} full scales")
    if not all(1 <= each <= FULL_SCALE for each in sensor.full_scale) or sensor.millihertz > MOST_MILLIHERTZ:
        raise UnsupportedError(f"full scales {list(sensor.full_scale)} and {sensor.millihertz} mHz are no sensor's")


def verify_runnable(model: IntegerModel) -> None:
    """Raise UnsupportedError unless a verified model reads one value, gives one, and keeps a state where it has steps.

    That is what commands rely on; graphs of other forms are for the tests of ops.
    """
    first, last = ("step", "head") if model.is_recurrent else ("whole", "whole")
    read, given = len(model.graphs[first].data_inputs), len(model.graphs[last].outputs)
    if (read, given) != (1, 1):
        raise UnsupportedError(f"model {model.name!r} reads {read} values and gives {given}: rescomp runs those of one each")
    if model.is_recurrent and not model.graphs["step"].state_inputs:
        raise UnsupportedError(f"model {model.name!r} has steps and keeps no state between them")


def _verify_sampling(sampling: Sampling | None) -> None:
    if sampling is not None and not (1 <= sampling.rate <= MOST_RATE and 0 <= sampling.fraction_bits <= MOST_BITS):
        limits = f"1..{MOST_RATE:,} and 0..{MOST_BITS}"
        raise UnsupportedError(f"{sampling.rate:,} samples a second with {sampling.fraction_bits} fraction bits are outside {limits}")


def _verify_frontend(model: IntegerModel) -> None:
    """It reads frames of int16 samples and gives a whole part of what the net reads, in its format."""
    if not model.reads_samples or not 1 <= model.hop <= MOST_ENTRIES:
        raise UnsupportedError(f"a hop of {model.hop} samples is outside 1..{MOST_ENTRIES:,}, or there is no frontend to make it")
    _verify_sampling(model.sampling)
    frontend = model.graphs["frontend"]
    if [value.name for value in frontend.data_inputs] != [FRAME_INPUT] or len(frontend.outputs) != 1:
        raise UnsupportedError(f"graph 'frontend' reads {FRAME_INPUT!r} and gives one value, the features of a frame")
    kept = {value.name: value.type for value in model.states("step")}
    for value in frontend.state_inputs:
        if frontend.state[value.name] != value.name or kept.get(value.name) != value.type:
            raise UnsupportedError(f"graph 'frontend' reads {value.name!r}, which is no state of the step with that type, or replaces it")
    samples, features = model.samples.type, model.features.type
    if samples.format.dtype != "int16" or len(samples.shape) != 2:
        raise UnsupportedError(f"graph 'frontend' reads int16 [samples, channels], not {samples}")
    if len({len(model.graphs[role].data_inputs) for role in ("step", "whole") if role in model.graphs} - {1}):
        raise UnsupportedError("behind a graph 'frontend' stands a net that reads one value")
    if model.input.type.format != features.format or model.input.type.size % features.size:
        raise UnsupportedError(f"the features of a frame are {features}, of which the net's input, {model.input.type}, is no multiple")
    if any(value.name == FRAME_INPUT for name in model.graphs if name != "frontend" for value in model.graphs[name].inputs):
        raise UnsupportedError(f"an input of another graph than 'frontend' is called {FRAME_INPUT!r}: give it another name")


def verify_graph(graph: Graph) -> None:
    """Raise unless names are unique and defined before use, every type rule holds, and the state keeps its type."""
    types: dict[str, TensorType] = {}
    for value in graph.inputs:
        _define(types, value.name, value.type, f"input of graph {graph.name!r}:")
    layers: set[str] = set()
    if len(graph.nodes) > MOST_LAYERS:
        raise UnsupportedError(f"graph {graph.name!r} has {len(graph.nodes)} layers: it may have {MOST_LAYERS}")
    for node in graph.nodes:
        check_name(node.name, f"graph {graph.name!r}: layer name")
        where = f"layer {node.name!r} of graph {graph.name!r}"
        if node.name in layers:
            raise UnsupportedError(f"{where}: its name is used twice")
        layers.add(node.name)
        missing = [name for name in node.inputs if name not in types]
        if missing:
            raise UnsupportedError(f"{where} reads {missing[0]!r}, which nothing before it defines")
        try:
            inferred = node.op.infer(*(types[name] for name in node.inputs))
        except UnsupportedError as error:
            raise UnsupportedError(f"{where}: {error}") from error
        for name, inferred_type in zip(node.outputs, inferred, strict=True):
            _define(types, name, inferred_type, f"{where}:")
    if sum(type.size for type in types.values()) > MOST_IN_ALL:
        raise UnsupportedError(f"the values of graph {graph.name!r} have more than {MOST_IN_ALL:,} entries together")
    for name in graph.outputs:
        if name not in types:
            raise UnsupportedError(f"graph {graph.name!r} gives {name!r}, which nothing defines")
    inputs = {value.name for value in graph.inputs}
    for before, after in graph.state.items():
        if before not in inputs or after not in types or types[before] != types[after]:
            raise UnsupportedError(f"state {before!r} of graph {graph.name!r} is not replaced by a value of its own type")


def _define(types: dict[str, TensorType], name: str, type: TensorType, where: str) -> None:
    check_name(name, f"{where} value")
    if name in types:
        raise UnsupportedError(f"{where} value {name!r} is defined twice")
    if not 1 <= len(type.shape) <= MOST_AXES or min(type.shape) < 1:
        raise UnsupportedError(f"{where} value {name!r} has the shape {type.shape}: a value has one to {MOST_AXES} axes, none empty")
    if type.size > MOST_ENTRIES or max(type.shape) > MOST_ENTRIES:
        raise UnsupportedError(f"{where} value {name!r} of shape {type.shape} has more than {MOST_ENTRIES:,} entries")
    types[name] = type


def _verify_weights(model: IntegerModel) -> None:
    """Sizes before anything is computed with them: a seeded weight is three numbers in a file, whatever its size."""
    total = 0
    for graph in model.graphs.values():
        for node in graph.nodes:
            entries = sum(weight.entries for weight in node.op.matrices)
            total += entries
            if entries > MOST_ENTRIES or total > MOST_IN_ALL:
                raise UnsupportedError(f"layer {node.name!r}: with its weight of {entries:,} entries the model is past what one may hold")


def _verify_head(model: IntegerModel) -> None:
    states = {value.name: value.type for value in model.graphs["step"].state_inputs}
    for value in model.graphs["head"].inputs:
        if states.get(value.name) != value.type:
            raise UnsupportedError(f"the head reads {value.name!r}, which is no state of the step with that type")


def _verify_decide(model: IntegerModel) -> None:
    """It is one that decision_graph makes for these scores: its states are read at any bits, and the C of it returns one int16."""
    decide = model.graphs["decide"]
    if decision_of(decide) is None:
        raise UnsupportedError("graph 'decide' has another form than rescomp gives it: quantize the model again")
    (scores,) = decide.data_inputs
    if scores.type != model.output.type:
        raise UnsupportedError(f"graph 'decide' reads {scores.type}, and the scores are {model.output.type}")
    shared = {value.name for value in decide.inputs} & {value.name for value in model.graphs["step"].inputs}
    if shared:
        raise UnsupportedError(f"graphs 'decide' and 'step' both have an input {min(shared)!r}: give that of the step another name")


def _verify_classes(model: IntegerModel) -> None:
    for label in model.classes:
        if fault := label_fault(label):
            raise UnsupportedError(f"class label {label[:80]!r} {fault}")
    if len(model.classes) != model.output.type.size:
        raise UnsupportedError(f"{len(model.classes)} class labels for {model.output.type.size} scores")
