"""An op's promise that its output may lie where an input does, for every op of the registry: as its own export calls its kernel.

On the host under the sanitizers, and on each core whose folders replace the op's kernel.
"""

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from rescomp.export.c_templates import read_template
from rescomp.graph import ops
from rescomp.graph.evaluate import evaluate_graph
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, Node, Value
from rescomp.graph.ops.drawing import draw_storage
from rescomp.targets.cores import CORES
from rescomp.targets.kernel_choice import Target
from rescomp.validate.c_program import WARNINGS, probe_model, write_export
from rescomp.validate.emulation import build_sources, run_firmware
from rescomp.validate.host_c import SANITIZED

ARCH = Path(__file__).parents[2] / "firmware_templates" / "arch"
SEEDS, BATCH = 12, 8
PROMISING = [name for name, op in ops.REGISTRY.items() if op.in_place]
SHRINKING = ["band_sum"]
"""Ops of which some instances may write their output, which is smaller, over the beginning of an input."""


@dataclass(frozen=True)
class Case:
    """A graph of one op, and which of its inputs the output overwrites. same: its first two inputs are one value."""

    name: str
    graph: Graph
    side: int
    same: bool = False

    @property
    def inputs(self):
        return self.graph.inputs[1:] if self.same else self.graph.inputs

    def arguments(self):
        """Of the call: the buffers of the inputs, and of the output."""
        order = [0, *range(len(self.inputs))] if self.same else range(len(self.inputs))
        return ", ".join(f"x{i}" for i in (*order, self.side))

    def draw(self, rng):
        """int64 [batch, *shape] by input: ends of the formats, then random ones."""
        drawn = {}
        for value in self.inputs:
            low, high = value.type.format.low, value.type.format.high
            x = rng.integers(low, high + 1, (BATCH, *value.type.shape))
            x[0], x[1] = low, high
            drawn[value.name] = rng.permutation(x)
        return drawn

    def wanted(self, drawn):
        """What the op gives."""
        values = {**drawn, self.graph.inputs[0].name: drawn[self.inputs[0].name]}
        return evaluate_graph(self.graph, values)[self.graph.outputs[0]]


def single(op, types):
    inputs = tuple(Value(f"x{i}", t) for i, t in enumerate(types))
    return Graph("whole", inputs, (Node("layer", op, tuple(value.name for value in inputs), ("y",)),), ("y",))


def cases_of(op, types):
    """Every place of the output that the memory's plan may choose by the op's promise."""
    graph, (output,) = single(op, types), op.infer(*types)
    alike = [i for i in op.in_place if (types[i].format.dtype, types[i].size) == (output.format.dtype, output.size)]
    alike += [i for i in range(len(types)) if i == op.shrinks_into]
    yield from (Case(f"{op.kernel} in place of input {i}", graph, i) for i in alike)
    if {0, 1} <= set(alike) and types[0] == types[1]:
        yield Case(f"{op.kernel} of one value twice", graph, 0, same=True)


def drawn_cases(name, kernels=None):
    """Of random instances of an op; kernels: only those that call one of these."""
    found = [ops.REGISTRY[name].random(np.random.default_rng(seed)) for seed in range(SEEDS if name in PROMISING else 10 * SEEDS)]
    return [case for op, types in found if kernels is None or op.kernel in kernels for case in cases_of(op, types)]


def main_text(cases):
    """main.c: reads a case's inputs sample by sample, calls the op with its output over an input, and writes the output."""
    lines = [f'#include "op{i}.h"' for i in range(len(cases))] + ['#include "io.h"', ""]
    for i, case in enumerate(cases):
        buffers = [f"{value.type.format.dtype}_t x{k}[{value.type.size}];" for k, value in enumerate(case.inputs)]
        reads = [f"io_read(x{k}, sizeof x{k});" for k in range(len(case.inputs))]
        lines += [f"static void run{i}(void)", "{", f"    op{i}_state state;"]
        lines += [f"    {line}" for line in (*buffers, "", *reads, f"op{i}_run(&state, {case.arguments()});")]
        written = case.graph.types()[case.graph.outputs[0]].nbytes
        lines += [f"    io_write(x{case.side}, {written});", "}", ""]
    calls = [f"    for (int sample = 0; sample < {BATCH}; ++sample) {{\n        run{i}();\n    }}" for i in range(len(cases))]
    return "\n".join([*lines, "int main(void)", "{", "    io_open();", *calls, "    io_close();", "    return 0;", "}", ""])


def write_sources(folder, cases, target=None):
    """main.c and the exports of all ops; returns what is to be compiled."""
    for i, case in enumerate(cases):
        write_export(folder, replace(probe_model(case.graph), name=f"op{i}"), target)
    (folder / "main.c").write_text(main_text(cases))
    kernels = sorted(path for path in (folder / "rescomp").iterdir() if path.suffix in {".c", ".S"})
    return [folder / "main.c", *(folder / f"op{i}.c" for i in range(len(cases))), *kernels]


def record(values):
    return np.dtype([(value.name, value.type.format.numpy_dtype.newbyteorder("<"), value.type.shape) for value in values])


def differing(cases, run):
    """Names of the cases whose output over an input is not what numpy gives. run: from what main.c reads to what it writes."""
    rng = np.random.default_rng(0)
    drawn = [case.draw(rng) for case in cases]
    data = b""
    for case, values in zip(cases, drawn, strict=True):
        records = np.zeros(BATCH, record(case.inputs))
        for name, array in values.items():
            records[name] = array
        data += records.tobytes()
    output, wrong = run(data), []
    for case, values in zip(cases, drawn, strict=True):
        wanted = case.wanted(values)
        stored = wanted.astype(case.inputs[case.side].type.format.numpy_dtype.newbyteorder("<"))
        wrong += [case.name] * (output[: stored.nbytes] != stored.tobytes())
        output = output[stored.nbytes :]
    assert not output
    return wrong


def run_on_host(folder, cases):
    sources = write_sources(folder, cases)
    (folder / "io.h").write_text(read_template("platforms/io.h"))
    (folder / "io.c").write_text(read_template("platforms/host/io.c"))
    command = ["gcc", "-std=c99", *WARNINGS, *SANITIZED.flags, f"-I{folder}", "-o", "program", *map(str, sources), "io.c"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return lambda data: subprocess.run([folder / "program"], input=data, capture_output=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("name", PROMISING)
def test_an_op_may_write_over_each_input_that_it_names(name, tmp_path):
    cases = drawn_cases(name)
    assert {case.side for case in cases} == set(ops.REGISTRY[name].in_place)
    assert differing(cases, run_on_host(tmp_path, cases)) == []


@pytest.mark.parametrize("name", SHRINKING)
def test_an_op_may_write_a_smaller_output_over_the_beginning_of_an_input(name, tmp_path):
    cases = drawn_cases(name)
    assert len(cases) > 5
    assert differing(cases, run_on_host(tmp_path, cases)) == []


def test_a_sum_over_bands_that_begin_too_early_shrinks_into_nothing(tmp_path, monkeypatch):
    """And were it to, that would be seen."""
    op = ops.BandSum(np.zeros(3, np.int16), np.full(3, 4, np.int16), np.ones(12, np.int8))
    x = TensorType((2, 8), Format(0, "int32", 1 << 20, nonnegative=True))
    assert op.shrinks_into is None
    assert list(cases_of(op, (x,))) == []
    monkeypatch.setattr(ops.BandSum, "shrinks_into", 0)
    cases = list(cases_of(op, (x,)))
    assert differing(cases, run_on_host(tmp_path, cases)) == ["band_sum_int32 in place of input 0"]


def test_a_promise_that_is_not_kept_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(ops.FullyConnected, "in_place", (0,))
    rng = np.random.default_rng(0)
    scale = Requantization(np.full(8, 1 << 14, np.int32), np.full(8, 18, np.int32))
    op = ops.FullyConnected(draw_storage(rng, "int8", 8, 8), np.zeros(0, np.int32), scale, Format(12))
    cases = list(cases_of(op, (TensorType((8,), Format(12, bound=10922)),)))
    assert differing(cases, run_on_host(tmp_path, cases)) == ["fully_connected_int16_int8 in place of input 0"]


def replaced_kernels(core):
    folders = [ARCH / folder for folder in core.kernels]
    return {path.stem for folder in folders for path in folder.iterdir() if path.suffix in {".S", ".c"}}


@pytest.mark.parametrize("core", CORES)
def test_a_core_s_own_kernels_may_write_over_the_same_inputs(emulated, core, tmp_path):
    core = emulated(core)
    kernels = replaced_kernels(core)
    cases = [case for name in (*PROMISING, *SHRINKING) for case in drawn_cases(name, kernels)]
    assert cases
    sources = write_sources(tmp_path, cases, Target(core))
    firmware = build_sources(core, sources, [f"-I{tmp_path}"], tmp_path)
    assert differing(cases, lambda data: run_firmware(core, firmware, data)) == []
