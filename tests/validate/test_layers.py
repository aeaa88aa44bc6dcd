"""Every layer of the files at hand, run on values forced on it: equal to numpy, and of these files, not of a fresh export."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from rescomp.compress import calibrate, constrain
from rescomp.errors import DeviceError, InputError, ParityError, UnsupportedError
from rescomp.export.c import export_c
from rescomp.graph.evaluate import evaluate_forced
from rescomp.lowering.lower import lower
from rescomp.models import build_net
from rescomp.recipe import ModelSection, Quantize
from rescomp.targets.kernel_choice import Target, graph_on
from rescomp.validate.compare import LayerReference, compare_layers
from rescomp.validate.registry import load_witness
from rescomp.validate.stress import stress_vectors

FORMS = [
    ("fastgrnn", {}),
    ("fastgrnn", {"low_rank": True, "table": False, "weights": "int8"}),
    ("fastgrnn", {"readings": 3, "weights": "int4"}),
    ("fastrnn", {"layers": 2, "weights": "sparse_delta_int8"}),
    ("gru", {"layers": 2, "low_rank": True}),
    ("lstm", {"weights": "sparse_bitmap_int4"}),
    ("block", {}),
    ("block", {"weights": "sparse_kernels_int4", "size": (3, 10)}),
    ("int8_block", {"shape": (5, 4, 3)}),
    ("int8_block", {"shape": (7, 6)}),
    ("mixed", {"reads": "int8"}),
]


@pytest.fixture
def forced_job(request, export_job):
    """A function (cell, form) -> (job, forced values)."""

    def make(cell, **form):
        model = request.getfixturevalue(f"random_{cell}")(np.random.default_rng(8), **form)
        stress = stress_vectors(model)
        return export_job(model, stress.x, stress.lengths), stress.layers

    return make


def differing(witness, job, forced):
    """Values that differ, of all variants."""
    reference = LayerReference(forced)
    return [compare_layers(reference, answer) for answer in witness.run_layers(job, forced)]


@pytest.mark.parametrize(("cell", "form"), FORMS, ids=str)
def test_every_layer_agrees(cell, form, exporting_witness, forced_job):
    job, forced = forced_job(cell, **form)
    expected = sum(array.size for role, graph in job.model.graphs.items() for array in evaluate_forced(graph, forced[role]).values())
    for result in differing(exporting_witness, job, forced):
        assert result.mismatches == 0, result.first
        assert result.compared >= expected


def test_they_are_the_layers_of_the_file_not_of_the_graph(exporting_witness, forced_job, export_job):
    job, forced = forced_job("fastgrnn")
    nodes = job.model.graphs["step"].nodes
    changed = [replace(node, op=replace(node.op, bias=node.op.bias + 1)) if node.name == "candidate_bias" else node for node in nodes]
    other = replace(job.model, graphs={**job.model.graphs, "step": replace(job.model.graphs["step"], nodes=tuple(changed))})
    export_job(other, job.x, job.lengths)
    for result in differing(exporting_witness, job, forced):
        assert result.mismatches > 0
        assert re.match(r"sample 0, candidate_bias\[0\]: expected -?\d+, got -?\d+", str(result.first))


@pytest.mark.parametrize("constraint", [Quantize(scale="power_of_two"), Quantize(bits=6, scale="power_of_two", activations="int8")])
def test_a_streamed_net(constraint, exporting_witness, export_job):
    torch.manual_seed(0)
    section = ModelSection(kind="dscnn1d", widths=(4, 4), blocks=1, stem_kernel=(5,), streaming=True)
    net = constrain(build_net(section, (12, 2), 5, torch.zeros(2), torch.ones(2)), [constraint])
    calibrate(net, torch.randn(40, 12, 2), torch.zeros(0), 9)
    model = lower(net, "tiny", streaming=True)
    stress = stress_vectors(model)
    for result in differing(exporting_witness, export_job(model, stress.x, stress.lengths), stress.layers):
        assert result.mismatches == 0, result.first


@pytest.mark.parametrize("weights", ["ternary", "int8"])
def test_a_fused_layer_is_one_node_on_its_core(weights, emulated, forced_job):
    job, forced = forced_job("fastgrnn", weights=weights)
    core = emulated("cortex-m4")
    for name, data in export_c(job.model, Target(core)).items():
        path = job.directory / core.export_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (answer,) = load_witness("qemu").run_layers(replace(job, argument=core.name), forced)
    fused = graph_on(job.model.graphs["step"], Target(core)).nodes
    assert [node.name for node in answer.graphs["step"].nodes] == [node.name for node in fused]
    assert len(fused) < len(job.model.graphs["step"].nodes)
    assert compare_layers(LayerReference(forced), answer).mismatches == 0


@pytest.mark.parametrize("name", ["cortex-m0", "riscv32imc", "atmega328p"])
def test_every_family_of_cores_runs_layers(name, emulated, forced_job):
    job, forced = forced_job("mixed")
    (result,) = differing(load_witness(emulated(name).family.witness), replace(job, argument=name), forced)
    assert (result.mismatches, result.first) == (0, None)


def test_a_layer_that_reads_the_wrong_buffer_is_seen(forced_job):
    job, forced = forced_job("fastgrnn")
    path = job.directory / "c" / "tiny.c"
    text = path.read_text()
    assert "rescomp_add_int16(input_product, recurrent_product, preactivation" in text
    path.write_text(text.replace("rescomp_add_int16(input_product, recurrent_product,", "rescomp_add_int16(input_product, input_product,"))
    (result,) = differing(load_witness("c"), job, forced)
    assert result.first.tensor == "preactivation"


def test_a_state_that_is_changed_behind_the_last_layer_is_seen(forced_job):
    job, forced = forced_job("fastgrnn")
    path = job.directory / "c" / "tiny.c"
    text, count = re.subn(r"(TAP\(TINY_LAYER_STATE, .*\);)", r"\1\n    state->h[3] ^= 1;", path.read_text())
    assert count == 1
    path.write_text(text)
    (result,) = differing(load_witness("c"), job, forced)
    assert result.mismatches == len(forced["step"]["h"])
    assert str(result.first).startswith("sample 0, h[3]")


SPOILING = {
    "cortex-m0": "mov r11, r0\n    b behind",
    "cortex-m4": "mov r10, r0\n    b behind",
    "cortex-m55": "vmov s31, r0\n    b behind",
    "riscv32imc": "mv s11, a0\n    tail behind",
    "atmega328p": "inc r2\n    jmp behind",
}
"""For each core what changes a register that functions have to keep, and goes on."""


@pytest.mark.parametrize("name", SPOILING)
def test_a_register_that_a_kernel_has_to_keep_is_seen_to_be_changed(name, emulated, forced_job):
    job, forced = forced_job("fastgrnn", weights="int8")
    core = emulated(name)
    for file, data in export_c(job.model, Target(core)).items():
        path = job.directory / core.export_folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    witness, asked = load_witness(core.family.witness), replace(job, argument=name)
    assert differing(witness, asked, forced)[0].mismatches == 0
    kernels = sorted((job.directory / core.export_folder / "rescomp").glob("*.S"))
    for path in kernels:
        right = path.read_text()
        path.write_text(planted(right, path, SPOILING[name]))
        with pytest.raises(DeviceError, match="a register that a call has to leave as it was is changed"):
            list(witness.run_layers(asked, forced))
        path.write_text(right)
    assert kernels


def planted(text, path, instructions):
    """A kernel's file with instructions in front of all others of the kernel."""
    kernel = f"rescomp_{path.stem}"
    thumb = "    .thumb_func\n" if "thumb" in text else ""
    named = re.sub(rf"\b{kernel}\b", "behind", text)
    return f"{named}\n    .global {kernel}\n    .type {kernel}, %function\n{thumb}{kernel}:\n    {instructions}\n"


def test_a_layer_that_writes_past_its_values_is_seen(forced_job):
    """What lies behind them in the scratch is dead by then: no value of any layer is another one."""
    job, forced = forced_job("fastgrnn")
    path = job.directory / "c" / "tiny.c"
    text, count = re.subn(
        r"(rescomp_lookup_tanh_int16\([^;]*, candidate, )(\d+)", lambda call: f"{call[1]}{int(call[2]) + 1}", path.read_text()
    )
    assert count == 1
    path.write_text(text)
    with pytest.raises(ParityError, match="a layer wrote where its values do not lie"):
        list(load_witness("c").run_layers(job, forced))


def test_a_file_without_a_value_says_so(forced_job):
    job, forced = forced_job("fastgrnn")
    for name, file in (("onnxruntime", "model.onnx"), ("tflite", "model.tflite")):
        path = job.directory / file
        path.write_bytes(path.read_bytes().replace(b"gate_bias", b"gate_xxxx"))
        with pytest.raises(InputError, match=rf"{file} has not the value gate_bias.* of this model: .*rescomp export"):
            list(load_witness(name).run_layers(job, forced))


@pytest.mark.parametrize("name", ["torch", "serial"])
def test_those_that_cannot_say_so(name, forced_job):
    job, forced = forced_job("fastgrnn")
    with pytest.raises(UnsupportedError):
        load_witness(name).run_layers(job, forced)
