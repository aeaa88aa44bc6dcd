"""Memory plans, checked by executing them symbolically: every byte knows whose value it holds."""

from collections import defaultdict

import numpy as np
import pytest

from rescomp.export.memory import Location, plan_memory
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.ops import Add, BandSum, FastGrnnGate, FullyConnected, Log2, Relu, Requantize, Reshape, Slice, Spectrum
from rescomp.graph.ops.activation import Q15, UNIT_Q15
from rescomp.graph.weights import Int8Weight

Q12, Q5 = Format(12), Format(5, "int8")


def fully_connected(rows, columns, format=Q12):
    weight = Int8Weight(np.ones((rows, columns), np.int8))
    return FullyConnected(weight, np.zeros(0, np.int32), Requantization(np.full(rows, 1 << 14), np.full(rows, 20)), format)


def requantize(size, before, after):
    return Requantize(0, np.zeros(size, np.int32), Requantization(np.full(size, 1 << 14), np.full(size, 20)), after, before.dtype)


def execute(graph, outputs):
    """Run the plan on labels, (value, byte); assert that every read finds what it should, and that everything arrives."""
    types, plan = graph.types(), plan_memory(graph, outputs)
    memory, labels = defaultdict(dict), {}
    assert plan.arena_bytes % 2 == 0

    def span(place, type):
        start = place.offset
        assert start % type.format.numpy_dtype.itemsize == 0
        assert place.region != "arena" or 0 <= start <= start + type.nbytes <= plan.arena_bytes
        key = place.region if place.region == "arena" else (place.region, place.name)
        return [(key, byte) for byte in range(start, start + type.nbytes)]

    def write(name, place):
        labels[name] = [(name, byte) for byte in range(types[name].nbytes)]
        memory.update(zip(span(place, types[name]), labels[name], strict=True))

    def holds(place, name):
        return [memory[cell] for cell in span(place, types[name])] == labels[name]

    for value in graph.inputs:
        write(value.name, plan.places[value.name])
    for node in graph.nodes:
        if node.op.view is not None:
            (seen,), (name,) = node.inputs, node.outputs
            start = node.op.view * types[seen].format.numpy_dtype.itemsize
            labels[name] = labels[seen][start:][: types[name].nbytes]
            assert holds(plan.places[name], name), f"{name} is not the part of {seen} that it should be"
            continue
        for name in node.inputs:
            assert holds(plan.places[name], name), f"{node.name} reads {name} after it was overwritten"
        for target in node.outputs:
            assert plan.places[target].region != "input"
            written = set(span(plan.places[target], types[target]))
            for i, name in enumerate(node.inputs):
                if written & set(span(plan.places[name], types[name])):
                    assert types[name].format.dtype == types[target].format.dtype
                    assert plan.places[name] == plan.places[target]
                    assert i in node.op.in_place or i == node.op.shrinks_into
            write(target, plan.places[target])
    for copy in plan.copies:
        cells = zip(span(copy.target, copy.type), span(copy.source, copy.type), strict=True)
        assert copy.target.region != "input"
        memory.update({to: memory[origin] for to, origin in cells})
    for before, after in graph.state.items():
        assert holds(Location("state", before), after)
    for name in outputs:
        assert holds(Location("output", name), name)
    return plan


def random_graph(rng):
    sizes = [int(n) for n in rng.choice([1, 3, 4, 8], 3)]
    formats = (Q12, Q5) if rng.random() < 0.7 else (Q12,)

    def draw_format():
        return formats[rng.integers(len(formats))]

    inputs = [Value(f"x{i}", TensorType((n,), draw_format())) for i, n in enumerate(sizes)]
    states = [Value(f"h{i}", TensorType((int(rng.choice([1, 3, 4])),), draw_format())) for i in range(rng.integers(0, 4))]
    known = {value.name: (value.type.shape[0], value.type.format) for value in (*inputs, *states)}
    nodes = []
    for i in range(rng.integers(1, 14)):
        name = str(rng.choice(list(known)))
        size, format = known[name]
        read, kind = (name,), rng.integers(6)
        if kind == 0:
            columns, size = size, int(rng.choice([1, 3, 4, 8]))
            op = fully_connected(size, columns, format)
        elif kind == 1:
            op = Add(format.dtype)
            read = name, str(rng.choice([other for other, type in known.items() if type == known[name]]))
        elif kind == 2:
            op = Relu(format.dtype)
        elif kind == 3:
            before, format = format, draw_format()
            op = requantize(size, before, format)
        else:
            start = int(rng.integers(size))
            size = int(rng.integers(1, size - start + 1))
            op = Slice(start, size)
        nodes.append(Node(f"n{i}", op, read, (f"v{i}",)))
        known[f"v{i}"] = size, format
    state = {h.name: str(rng.choice([name for name, type in known.items() if type == (h.type.size, h.type.format)])) for h in states}
    outputs = tuple(sorted({str(rng.choice(list(known))), *map(str, rng.choice([node.outputs[0] for node in nodes], 2))}))
    return Graph("random", (*inputs, *states), tuple(nodes), outputs, state), outputs


@pytest.mark.parametrize("seed", range(300))
def test_nothing_is_read_after_it_was_overwritten_and_everything_arrives(seed):
    graph, outputs = random_graph(np.random.default_rng(seed))
    execute(graph, outputs)


def test_int8_values_lie_packed_and_int16_values_at_even_bytes():
    """Three values of five bytes at once, then an int16 value beside one of them."""
    x = Value("x", TensorType((5,), Q5))
    nodes = (
        *(Node(f"a{i}", fully_connected(5, 5, Q5), ("x",), (f"a{i}",)) for i in range(3)),
        Node("b", Add("int8"), ("a0", "a1"), ("b",)),
        Node("c", Add("int8"), ("b", "a2"), ("c",)),
        Node("wide", requantize(5, Q5, Q12), ("c",), ("wide",)),
        Node("out", fully_connected(2, 5), ("wide",), ("out",)),
    )
    plan = execute(Graph("whole", (x,), nodes, ("out",)), ("out",))
    assert sorted(plan.places[f"a{i}"].offset for i in range(3)) == [0, 5, 10]
    assert plan.arena_bytes == 16
    assert plan.places["wide"].offset % 2 == 0


def test_a_part_of_an_int8_value_begins_at_any_byte():
    x = Value("x", TensorType((5,), Q5))
    nodes = (
        Node("a", fully_connected(5, 5, Q5), ("x",), ("a",)),
        Node("part", Slice(3, 2), ("a",), ("part",)),
        Node("out", Relu("int8"), ("part",), ("out",)),
    )
    plan = execute(Graph("whole", (x,), nodes, ("out",)), ("out",))
    assert plan.places["part"].offset == plan.places["a"].offset + 3


def test_fastgrnn_needs_two_vectors_of_scratch_and_no_copy(random_fastgrnn):
    model = random_fastgrnn(np.random.default_rng(0), inputs=6, hidden=10)
    plan = execute(model.graphs["step"], ())
    assert plan.arena_bytes == 2 * 10 * 2
    assert plan.copies == ()
    assert plan.places["state"] == Location("state", "h")


def gate_graph(last_reader):
    q = Format(12, bound=10922)
    types = {"z": UNIT_Q15, "c": Q15, "h": q}
    nodes = [Node("update", FastGrnnGate(1000, 1000, q), ("z", "c", "h"), ("h_next",))]
    if last_reader:
        nodes.append(Node("late", Relu(), ("h",), ("late",)))
    values = tuple(Value(name, TensorType((5,), format)) for name, format in types.items())
    return Graph("step", values, tuple(nodes), (), {"h": "h_next"})


def test_a_state_that_is_read_later_is_not_overwritten_early():
    assert plan_memory(gate_graph(False), ()).copies == ()
    plan = execute(gate_graph(True), ())
    assert plan.places["h_next"].region == "arena"
    assert len(plan.copies) == 1


def test_states_may_change_places():
    a, b = (Value(name, TensorType((4,), Q12)) for name in "ab")
    swap = Graph("step", (a, b, Value("x", TensorType((4,), Q12))), (Node("n", Relu(), ("x",), ("y",)),), (), {"a": "b", "b": "a"})
    execute(swap, ())
    delay = Graph("step", (a, b, Value("x", TensorType((4,), Q12))), (Node("n", Relu(), ("x",), ("y",)),), (), {"a": "b", "b": "x"})
    execute(delay, ())


def test_disjoint_lives_share_memory():
    x = Value("x", TensorType((8,), Q12))
    chain = [Node(f"n{i}", fully_connected(8, 8), (f"v{i - 1}" if i else "x",), (f"v{i}",)) for i in range(6)]
    plan = execute(Graph("whole", (x,), tuple(chain), ("v5",)), ("v5",))
    assert plan.arena_bytes == 2 * 16
    assert plan.places["v5"] == Location("output", "v5")


def sliced(*nodes, size=12):
    return Graph("whole", (Value("x", TensorType((size,), Q12)),), nodes, ("out",))


def test_views_take_no_memory_and_may_be_overwritten_in_part():
    """a [12] lives in two halves; each is overwritten as soon as it is read, and the other one stays."""
    nodes = (
        Node("a", fully_connected(12, 12), ("x",), ("a",)),
        Node("first", Slice(0, 6), ("a",), ("first",)),
        Node("second", Slice(6, 6), ("a",), ("second",)),
        Node("first_relu", Relu(), ("first",), ("first_relu",)),
        Node("second_relu", Relu(), ("second",), ("second_relu",)),
        Node("sum", Add(), ("first_relu", "second_relu"), ("sum",)),
        Node("out", fully_connected(4, 6), ("sum",), ("out",)),
    )
    plan = execute(sliced(*nodes), ("out",))
    assert plan.arena_bytes == 2 * 12
    assert plan.places["second_relu"] == Location("arena", offset=12)


def test_a_part_that_is_read_later_is_not_overwritten():
    nodes = (
        Node("a", fully_connected(12, 12), ("x",), ("a",)),
        Node("first", Slice(0, 6), ("a",), ("first",)),
        Node("middle", Slice(3, 6), ("a",), ("middle",)),
        Node("bent", Relu(), ("first",), ("bent",)),
        Node("out", Add(), ("bent", "middle"), ("out",)),
    )
    assert execute(sliced(*nodes), ("out",)).arena_bytes == 2 * 18


def test_an_op_that_reads_overlapping_parts_does_not_work_in_place():
    nodes = (
        Node("a", fully_connected(12, 12), ("x",), ("a",)),
        Node("first", Slice(0, 6), ("a",), ("first",)),
        Node("shifted", Slice(1, 6), ("a",), ("shifted",)),
        Node("sum", Add(), ("first", "shifted"), ("sum",)),
        Node("out", fully_connected(4, 6), ("sum",), ("out",)),
    )
    assert execute(sliced(*nodes), ("out",)).arena_bytes == 2 * 18


def test_what_an_output_shows_all_of_is_computed_there():
    """But where it is an output itself, or the output a part of it."""
    x, relu = Value("x", TensorType((6,), Q12)), Node("y", Relu(), ("x",), ("y",))
    whole = Graph("whole", (x,), (relu, Node("z", Reshape((2, 3)), ("y",), ("z",))), ("z",))
    part = Graph("part", (x,), (relu, Node("z", Slice(0, 4), ("y",), ("z",))), ("z",))
    plans = [execute(whole, ["z"]), execute(whole, ["y", "z"]), execute(part, ["z"])]
    assert [plan.places["y"] for plan in plans] == [Location("output", "z"), Location("output", "y"), Location("arena")]
    assert [len(plan.copies) for plan in plans] == [0, 1, 1]


def test_sums_over_bands_lie_where_their_bins_lay_unless_one_begins_too_early():
    one = np.ones(3, np.int16)
    samples = Value("x", TensorType((16, 2), Format(15)))
    spectrum = Node("spectrum", Spectrum(16, 16, np.ones(9, np.int16)), ("x",), ("bins", "doublings"))
    places = []
    for first in ([0, 1, 2], [0, 0, 2]):
        sums = Node("sums", BandSum(np.array(first, np.int16), one, np.ones(3, np.int8)), ("bins",), ("sums",))
        last = Node("y", Log2(np.zeros(3, np.int16), 0), ("sums", "doublings"), ("y",))
        plan = execute(Graph("bands", (samples,), (spectrum, sums, last), ("y",)), ["y"])
        places.append(plan.places["sums"] == plan.places["bins"])
    assert places == [True, False]


def test_views_of_inputs_and_states_point_there():
    q = Format(12)
    nodes = (
        Node("low", Slice(2, 3), ("x",), ("low",)),
        Node("part", Slice(1, 3), ("h",), ("part",)),
        Node("sum", Add(), ("low", "part"), ("sum",)),
    )
    values = (Value("x", TensorType((6,), q)), Value("h", TensorType((4,), q)), Value("k", TensorType((3,), q)))
    plan = execute(Graph("step", values, nodes, (), {"h": "h", "k": "part"}), ("sum",))
    assert plan.places["low"] == Location("input", "x", 4)
    assert plan.places["part"] == Location("state", "h", 2)


def test_a_reshape_takes_no_memory_and_its_input_may_be_overwritten_through_it():
    nodes = (
        Node("a", fully_connected(24, 12), ("x",), ("a",)),
        Node("image", Reshape((2, 3, 4)), ("a",), ("image",)),
        Node("bent", Relu(), ("image",), ("bent",)),
        Node("flat", Reshape((24,)), ("bent",), ("flat",)),
        Node("part", Slice(8, 12), ("flat",), ("part",)),
        Node("small", Reshape((3, 2, 2)), ("part",), ("small",)),
        Node("small_relu", Relu(), ("small",), ("small_relu",)),
        Node("again", Reshape((12,)), ("small_relu",), ("again",)),
        Node("out", fully_connected(4, 12), ("again",), ("out",)),
    )
    plan = execute(sliced(*nodes), ("out",))
    assert plan.arena_bytes == 2 * 24
    assert plan.places["again"] == Location("arena", offset=16)


def test_a_reshape_of_an_image_that_is_read_later_is_not_overwritten():
    nodes = (
        Node("image", Relu(), ("x",), ("image",)),
        Node("flat", Reshape((12,)), ("image",), ("flat",)),
        Node("bent", Relu(), ("flat",), ("bent",)),
        Node("late", Reshape((12,)), ("image",), ("late",)),
        Node("out", Add(), ("bent", "late"), ("out",)),
    )
    graph = Graph("whole", (Value("x", TensorType((2, 3, 2), Q12)),), nodes, ("out",))
    assert execute(graph, ("out",)).arena_bytes == 2 * 24


def test_reshapes_of_inputs_states_and_outputs_point_there_or_are_copied():
    nodes = (
        Node("image", Reshape((1, 3, 2)), ("x",), ("image",)),
        Node("other", Reshape((2, 3)), ("h",), ("other",)),
        Node("out", Reshape((3, 2)), ("image",), ("out",)),
    )
    values = (Value("x", TensorType((6,), Q12)), Value("h", TensorType((6,), Q12)), Value("k", TensorType((2, 3), Q12)))
    plan = execute(Graph("step", values, nodes, (), {"h": "h", "k": "other"}), ("out",))
    assert plan.places["image"] == plan.places["out"] == Location("input", "x")
    assert plan.places["other"] == Location("state", "h")


@pytest.mark.parametrize(("cell", "vectors", "states"), [("fastrnn", 2, 1), ("gru", 6, 1), ("lstm", 8, 2)])
def test_a_cell_needs_its_two_products_and_no_more(cell, vectors, states, request):
    model = request.getfixturevalue(f"random_{cell}")(np.random.default_rng(0), hidden=10)
    plan = execute(model.graphs["step"], ())
    assert plan.arena_bytes == vectors * 10 * 2
    assert plan.copies == ()
    assert sum(value.type.size for value in model.graphs["step"].state_inputs) == states * 10
