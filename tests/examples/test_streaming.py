"""The streaming example: every line that it prints is what numpy's scores, smoothed here by hand, say."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rescomp
from rescomp import stages
from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.evaluate import evaluate, evaluate_graph, initial_state, scores_of_every_step
from rescomp.graph.ir import StreamPolicy
from rescomp.graph.ops import Conv2d, FullyConnected, MaxPool, Reshape
from rescomp.graph.policy import StreamWalk
from rescomp.graph.stream import stream
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.tests.conftest import Format, Graph, IntegerModel, Node, Relu, TensorType, Value, draw_product
from rescomp.validate.c_program import write_export

EXAMPLE = Path(rescomp.__file__).parent / "examples/streaming"
SPAN, ONE = 8, 256


@pytest.fixture(scope="session")
def example():
    spec = importlib.util.spec_from_file_location("streaming_example", EXAMPLE / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def offline(model, samples, span=SPAN, margin=None):
    """The lines that the example must print, in Python's own integers."""
    margin = 1 << model.output.type.format.fraction_bits if margin is None else margin
    state, step, head = initial_state(model, 1), model.graphs["step"], model.graphs["head"]
    average, decision, lines = None, 0, []
    for number, sample in enumerate(samples):
        values = evaluate_graph(step, {model.input.name: sample[None], **state})
        state = {name: values[following] for name, following in step.state.items()}
        read = {value.name: state[value.name] for value in head.inputs}
        scores = [int(score) * ONE for score in evaluate_graph(head, read)[model.output.name][0]]
        if average is None:
            average = scores
        else:
            average = [a + (abs(s - a) // span) * (1 if s >= a else -1) for s, a in zip(scores, average, strict=True)]
        best = max(range(len(average)), key=lambda i: (average[i], -i))
        before = decision
        if number == 0 or average[best] - average[decision] > margin * ONE:
            decision = best
        mark = " *" if number == 0 or decision != before else ""
        lines.append(f"{number} {decision} {average[decision]}{mark}\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def vowels(tmp_path_factory):
    """A model directory of the bundled recordings, barely trained, and a stream of its test set."""
    path = tmp_path_factory.mktemp("models") / "vowels"
    small = ("model.hidden_size=8", "train.epochs=4", "quantize.epochs=2", "train.threads=1")
    stages.train_model(load_recipe(None, ["data.source=japanese_vowels", *small]), path)
    stages.quantize(path)
    stages.export_model(path, ["c"], cores=["cortex-m0"])
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    return path, model, read_vectors(directory, model)


@pytest.mark.parametrize("core", [None, "cortex-m0", "cortex-m4", "riscv32imc", "atmega328p"])
def test_a_stream_of_the_bundled_recordings(vowels, example, emulated, core):
    path, model, vectors = vowels
    if core is not None:
        emulated(core)
    samples, _ = example.record(vectors, 20)
    printed = example.run(path, model, samples, core, ("-DSMOOTHING_MARGIN=4",))
    assert len(samples) > 200
    assert printed == offline(model, samples, margin=4)
    decisions = {line.split()[1] for line in printed.splitlines()}
    assert len(decisions) > 2
    assert printed.count("*") > 2


@pytest.mark.parametrize(("span", "margin"), [(1, 0), (3, 100), (32, 2000)])
def test_other_settings(vowels, example, span, margin):
    path, model, vectors = vowels
    samples, _ = example.record(vectors, 20)
    flags = (f"-DSMOOTHING_SPAN={span}", f"-DSMOOTHING_MARGIN={margin}")
    assert example.run(path, model, samples, None, flags) == offline(model, samples, span, margin)


def test_smoothing_takes_flicker_away(vowels, example):
    path, model, vectors = vowels
    samples, _ = example.record(vectors, 20)
    raw = example.run(path, model, samples, None, ("-DSMOOTHING_SPAN=1", "-DSMOOTHING_MARGIN=0"))
    printed = example.run(path, model, samples)
    assert printed == offline(model, samples)
    assert printed.count("*") < raw.count("*") / 2


@pytest.mark.parametrize("core", [None, "cortex-m0"])
def test_a_model_s_own_decision_takes_the_place_of_the_smoothing(request, example, emulated, tmp_path, core):
    if core is not None:
        emulated(core)
    rng = np.random.default_rng(3)
    alone = request.getfixturevalue("random_gru")(rng)
    samples = rng.integers(-2000, 2000, (80, alone.input.type.size))
    scores, lines, before = scores_of_every_step(alone, evaluate(alone, samples[None]).states)[0], [], None
    top = int(np.median(scores.max(axis=1)))
    model = with_decision(alone, Decision(smoothing=1, hold=2, refractory=1, thresholds=(top,) * 4))
    write_export(tmp_path / "c", model)
    trajectory = evaluate(model, samples[None])
    for number, decision in enumerate(trajectory.decisions[0].tolist()):
        score = scores[number, decision] if decision >= 0 else 0
        lines.append(f"{number} {decision} {score}{' *' if decision != before else ''}\n")
        before = decision
    assert {-2, -1} < set(trajectory.decisions[0].tolist())
    assert "".join(lines).count("*") > 4
    assert example.run(tmp_path, model, samples, core) == "".join(lines)


@pytest.mark.parametrize("decides", [True, False])
def test_a_model_s_policy_of_streams_is_followed(random_gru, example, tmp_path, decides):
    rng, policy = np.random.default_rng(3), StreamPolicy(gap=1, rail=2, half_window=8)
    plain = random_gru(rng)
    model = replace(with_decision(plain, Decision(smoothing=1) if decides else None), policy=policy)
    write_export(tmp_path / "c", model)
    samples = rng.integers(-2000, 2000, (60, model.input.type.size))
    samples[30:40, 1] = model.input.type.format.high
    walk, lines, before = StreamWalk(model), [], None
    for number, sample in enumerate(samples):
        walk.step(sample)
        scores = walk.scores()
        decision = walk.decide(scores) if decides else -2 if walk.nothing_read else int(scores.argmax())
        score = 0 if decision < 0 else scores[decision] * (1 if decides else ONE)
        lines.append(f"{number} {decision} {score}{' *' if decision != before else ''}\n")
        before = decision
    printed = example.run(tmp_path, model, samples, None, ("-DSMOOTHING_SPAN=1", "-DSMOOTHING_MARGIN=0"))
    assert printed == "".join(lines)
    assert [line.split()[1] == "-2" for line in printed.splitlines()] == [number in range(33, 40) for number in range(60)]


@pytest.mark.parametrize("cell", ["random_gru", "random_lstm", "random_fastrnn"])
def test_any_cell(request, example, tmp_path, cell):
    rng = np.random.default_rng(3)
    model = request.getfixturevalue(cell)(rng)
    write_export(tmp_path / "c", model)
    samples = rng.integers(-2000, 2000, (60, model.input.type.size))
    flags = ("-DSMOOTHING_MARGIN=3",)
    assert example.run(tmp_path, model, samples, None, flags) == offline(model, samples, margin=3)


def test_a_model_of_int8(random_mixed, example, tmp_path):
    rng = np.random.default_rng(4)
    model = random_mixed(rng, reads="int8", answers="int8")
    write_export(tmp_path / "c", model)
    samples = rng.integers(-100, 100, (60, model.input.type.size))
    flags = ("-DSMOOTHING_MARGIN=1",)
    assert example.run(tmp_path, model, samples, None, flags) == offline(model, samples, margin=1)


def test_a_streamed_net(example, tmp_path):
    rng = np.random.default_rng(6)
    hidden = Format(10, bound=10922)
    convolution = Conv2d(*draw_product(rng, 4, 9, hidden, bias=True), kernel_size=(1, 3), padding=(0, 0, 2, 0))
    pooled = MaxPool((1, 12), (1, 12))
    nodes = (
        Node("conv", convolution, ("input",), ("conv",)),
        Node("relu", Relu(), ("conv",), ("relu",)),
        Node("pool", pooled, ("relu",), ("pool",)),
        Node("flat", Reshape((4,)), ("pool",), ("flat",)),
        Node("scores", FullyConnected(*draw_product(rng, 3, 4, Format(8), bias=True)), ("flat",), ("scores",)),
    )
    value = Value("input", TensorType((12, 3), Format(9, bound=10922)))
    model = stream(IntegerModel("window", {"whole": Graph("whole", (value,), nodes, ("scores",))}))
    write_export(tmp_path / "c", model)
    samples = rng.integers(-10000, 10000, (50, *model.input.type.shape))
    flags = ("-DSMOOTHING_MARGIN=2",)
    assert example.run(tmp_path, model, samples, None, flags) == offline(model, samples, margin=2)


def test_the_committed_header_is_the_default_model_s(example, vowels):
    assert example.model_header(vowels[1]) == (EXAMPLE / "model.h").read_text()


def test_the_documented_command(vowels, emulated):
    emulated("cortex-m0")
    command = [sys.executable, EXAMPLE / "run.py", vowels[0], "--core", "cortex-m0", "--sequences", "3"]
    result = subprocess.run(command, capture_output=True, text=True, cwd="/", check=True, timeout=120)
    assert result.stdout.startswith("0 ")
    assert "of the decisions are the label" in result.stderr
    result = subprocess.run([*command[:2], "/nowhere"], capture_output=True, text=True, cwd="/", check=False, timeout=120)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
