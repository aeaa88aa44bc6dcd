"""profile: what a step costs on emulated cores."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import BudgetError, InputError, MissingToolError
from rescomp.export.c import translate
from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, StreamPolicy, Value
from rescomp.graph.ops import FullyConnected, Relu
from rescomp.model_directory import ModelDirectory
from rescomp.printing import print_profile
from rescomp.stages import profiling
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.targets.cores import CORES
from rescomp.targets.kernel_choice import Target
from rescomp.tests.conftest import draw_product
from rescomp.validate.c_program import exported_sources, write_export
from rescomp.validate.c_vectors import encode_vectors
from rescomp.validate.counting import Tally, count_spans
from rescomp.validate.emulation import build_firmware, build_sources
from rescomp.validate.witness import Job

ONE_A_FAMILY = ("cortex-m0", "riscv32imc", "atmega328p")


@pytest.fixture(scope="module")
def profiled(finished, emulated):
    for name in ONE_A_FAMILY:
        emulated(name)
    return stages.profile(finished, ONE_A_FAMILY)


@pytest.fixture
def counted(finished, tmp_path):
    """A function that counts the steps of a core without looking into them."""

    def count(name):
        target, directory = Target(CORES[name]), ModelDirectory.open(finished)
        model = read_model(directory)
        vectors = read_vectors(directory, model)
        job = Job(model, finished, vectors.x[:1, : profiling.PROFILED_STEPS], np.minimum(vectors.lengths[:1], profiling.PROFILED_STEPS))
        write_export(tmp_path / "c", model, target)
        (tmp_path / name).mkdir()
        program = build_firmware(target.core, model, tmp_path / "c", (), tmp_path / name)
        spans = count_spans(target.core, program, encode_vectors(job), [f"{model.name}_step"])
        assert len(spans) == job.lengths[0]
        return spans

    return count


@pytest.mark.parametrize("name", ONE_A_FAMILY)
def test_the_dearest_step_is_shown(profiled, counted, name):
    shown = next(core for core in profiled.cores if core.core == name)
    assert shown.unit == ("cycles" if name == "atmega328p" else "instructions")
    dearest = max((span.tally for span in counted(name)), key=lambda tally: tally.count)
    assert (shown.count, shown.loads, shown.stores, shown.branches_taken) == (
        dearest.count,
        dearest.loads,
        dearest.stores,
        dearest.branches_taken,
    )


def test_layers_make_the_step(profiled, finished):
    model = read_model(ModelDirectory.open(finished))
    for core in profiled.cores:
        source = translate(model, Target(CORES[core.core]))
        assert [(layer.graph, layer.name) for layer in core.layers] == [(layer.graph, layer.name) for layer in source.layers]
        step = [layer for layer in core.layers if layer.graph == "step"]
        assert all(layer.count > 0 for layer in step)
        for what in ("count", "loads", "stores", "branches_taken"):
            left = getattr(core, what) - sum(getattr(layer, what) for layer in step)
            assert 0 <= left < 0.05 * getattr(core, what)


def test_memory_is_the_generated_code_s(profiled, finished):
    model = read_model(ModelDirectory.open(finished))
    for core in profiled.cores:
        source = translate(model, Target(CORES[core.core]))
        assert core.flash.weights + core.flash.tables == source.constant_bytes
        assert core.flash.tables > 0
        assert core.flash.code > 0
        assert core.ram.state == source.state_bytes
        assert core.ram.arena + core.ram.scratch == source.scratch_bytes
        assert 0 < core.stack <= CORES[core.core].stack_bytes


def test_the_document_is_the_one_described(profiled):
    document = json.loads(json.dumps(profiled.as_json()))
    assert set(document) == {"schema", "graph_sha256", "cores"}
    assert document["schema"] == 1
    assert [core["core"] for core in document["cores"]] == list(ONE_A_FAMILY)
    tally = {"count", "loads", "stores", "branches_taken"}
    for core in document["cores"]:
        assert set(core) == {"core", "unit", "flash", "ram", "stack", "layers"} | tally
        assert set(core["flash"]) == {"code", "weights", "tables"}
        assert set(core["ram"]) == {"state", "arena", "scratch"}
        for layer in core["layers"]:
            assert set(layer) == {"graph", "name", "kernel"} | tally


def test_the_command_shows_a_table_and_changes_nothing(finished, emulated, capsys):
    emulated("cortex-m0"), emulated("riscv32imc")
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    assert main(["profile", str(finished), "--core", "cortex-m0,riscv32imc"]) == 0
    printed = capsys.readouterr().out
    for text in ("cortex-m0", "riscv32imc", "recurrent_product", "a step", "branches taken", "scratch"):
        assert text in printed
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_a_net_without_state_is_run_once(tmp_path, emulated):
    t = TensorType((40,), Format(3))
    model = IntegerModel("rectifier", {"whole": Graph("whole", (Value("x", t),), (Node("relu", Relu(), ("x",), ("y",)),), ("y",))})
    job = Job(model, tmp_path, np.arange(-20, 20).reshape(1, 40).astype(np.int16), np.zeros(1, np.int64))
    shown = profiling.profile_core(Target(emulated("cortex-m0")), job)
    (layer,) = shown.layers
    assert (layer.graph, layer.name, layer.kernel) == ("whole", "relu", "relu_int16")
    assert 0 < layer.count <= shown.count


STREAM = """
    #include "io.h"
    #include "tiny.h"

    static tiny_stream stream;
    static int16_t reading[6], scores[4];

    static void answer(void)
    {
        tiny_stream_scores(&stream, scores);
        tiny_stream_decide(&stream, scores);
    }

    int main(void)
    {
        io_open();
        tiny_stream_init(&stream);
        for (int i = 0; i < 8; ++i) {
            io_read(reading, sizeof reading);
            tiny_stream_step(&stream, reading);
            answer();
        }
        stream.phase = 5;
        tiny_stream_step(&stream, reading);
        answer();
        tiny_gap(&stream);
        answer();
        reading[0] = 32767;
        stream.railed = 3;
        tiny_stream_step(&stream, reading);
        answer();
        stream.lost = 2;
        tiny_gap(&stream);
        answer();
        tiny_gap(&stream);
        io_close();
        return 0;
    }
"""


def test_a_stream_is_counted_through_all_that_its_policy_does(tmp_path, emulated, random_fastgrnn, capsys):
    core, rng = emulated("cortex-m0"), np.random.default_rng(3)
    model = replace(with_decision(random_fastgrnn(rng), Decision(smoothing=2)), policy=StreamPolicy(gap=2, rail=3, half_window=5))
    job = Job(model, tmp_path, rng.integers(-2000, 2000, (1, 8, 6)).astype(np.int16), np.array([8]))
    shown = profiling.profile_core(Target(core), job)

    write_export(tmp_path / "c", model, Target(core))
    (tmp_path / "main.c").write_text(STREAM)
    (tmp_path / "build").mkdir()
    sources = [*exported_sources(tmp_path / "c", model), tmp_path / "main.c"]
    program = build_sources(core, sources, (f"-I{tmp_path / 'c'}",), tmp_path / "build")
    names = [f"tiny_{name}" for name in ("stream_step", "gap", "stream_scores", "stream_decide")]
    spans = count_spans(core, program, job.x.tobytes(), names, ["tiny_step"])
    of = {name: [span for span in spans if span.function == name] for name in names}
    dearest = {name: max((span.tally for span in found), key=lambda tally: tally.count) for name, found in of.items()}
    assert {each.function: Tally(each.count, each.loads, each.stores, each.branches_taken) for each in shown.stream.functions} == dearest
    assert (shown.stream.states, shown.stream.count, shown.stream.lost) == (2, dearest[names[0]].count, dearest[names[1]].count)
    assert [len(span.pieces) for span in of["tiny_stream_step"]] == [2] * 9 + [1]  # a step of each state; of the last one its gap
    assert [len(span.pieces) for span in of["tiny_gap"]] == [2, 0, 0]
    assert shown.stream.lost > 2 * 0.9 * shown.count  # one that is held, and not one that begins anew
    assert shown.stack == max(span.stack for span in spans)

    print_profile(profiling.Profile((shown,), ""))
    said = f"two states, each begun anew at its own half window: {shown.stream.count:,} instructions a reading, {shown.stream.lost:,} a lost one"
    assert said in capsys.readouterr().out


def test_a_model_beyond_a_core_s_memory_names_the_core(tmp_path, emulated):
    t = TensorType((5000,), Format(3))
    model = IntegerModel("large", {"whole": Graph("whole", (Value("x", t),), (Node("relu", Relu(), ("x",), ("y",)),), ("y",))})
    job = Job(model, tmp_path, np.zeros((1, 5000), np.int16), np.zeros(1, np.int64))
    with pytest.raises(BudgetError, match=r"^cortex-m0: .*ram is"):
        profiling.profile_core(Target(emulated("cortex-m0")), job)


@pytest.mark.parametrize("name", ["cortex-m4", "riscv32imc"])
def test_a_model_beyond_64_kb_is_profiled_like_a_small_one(tmp_path, emulated, name):
    core, rng = emulated(name), np.random.default_rng(7)
    small, large = (_profile_product(core, rng, rows, tmp_path) for rows in (40, 400))
    assert (small.flash.weights, large.flash.weights) == (40 * 304, 400 * 304)  # a multiplier and a shift a row beside the weights
    assert abs(large.flash.code - small.flash.code) < 16  # larger numbers, loaded by other instructions
    assert large.count > 9 * small.count


def _profile_product(core, rng, rows, folder):
    """The profile of a product of 300 int8 columns."""
    product = FullyConnected(*draw_product(rng, rows, 300, Format(8)))
    value = Value("x", TensorType((300,), Format(8)))
    model = IntegerModel("product", {"whole": Graph("whole", (value,), (Node("y", product, ("x",), ("y",)),), ("y",))})
    job = Job(model, folder, rng.integers(-99, 99, (1, 300)).astype(np.int16), np.zeros(1, np.int64))
    return profiling.profile_core(Target(core), job)


def test_mistakes_name_what_there_is(finished):
    with pytest.raises(InputError, match="there is no core 'cortex-m1'"):
        stages.profile(finished, ["cortex-m1"])
    with pytest.raises(InputError, match="atmega2560"):
        stages.profile(finished, [])
    with pytest.raises(InputError, match="speed or size"):
        stages.profile(finished, ["cortex-m0"], prefer="sped")


def test_a_missing_tool_ends_with_7(finished, monkeypatch, capsys):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "qemu-system-arm" else which(name))
    with pytest.raises(MissingToolError, match="apt-get install qemu-system-arm"):
        stages.profile(finished, ["cortex-m0"])
    assert main(["profile", str(finished), "--core", "cortex-m0"]) == 7
    assert "apt-get install qemu-system-arm" in capsys.readouterr().err
