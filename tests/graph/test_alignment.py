"""A device that is worn at an angle: what a calibration means, and that generated C calibrates and steps as numpy does."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.export.c import export_c
from rescomp.export.c_templates import read_template
from rescomp.graph.alignment import MOST_CALIBRATED, align_of, alignment_of, calibrate, direction, with_alignment
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.formats import Format
from rescomp.graph.ir import StreamPolicy
from rescomp.graph.ops import Align
from rescomp.graph.ops.align import ALIGNMENT, IDENTITY, rotation_of
from rescomp.graph.serialize import decode, digest, encode
from rescomp.targets.kernel_choice import Target
from rescomp.validate.c_program import WARNINGS, write_export
from rescomp.validate.emulation import run_program
from rescomp.validate.host_c import SANITIZED

UP = np.array([0.2, -0.95, 0.25])
CHANNELS, AXES = 7, (0, 1, 2, 6, 4, 3)
"""Two sensors and a channel that passes."""


@pytest.fixture
def worn(random_fastgrnn):
    """A net that reads two readings a step."""
    return with_alignment(random_fastgrnn(np.random.default_rng(0), inputs=2 * CHANNELS, readings=2), CHANNELS, AXES, direction(UP))


def turned(vectors, axis, degrees):
    """Vectors [..., 3] turned about an axis, in real numbers."""
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return vectors @ (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross).T


@pytest.mark.parametrize("degrees", [0, 0.3, 17, 90, 119])
@pytest.mark.parametrize("size", [30, 4000, 1 << 30])
def test_a_calibration_is_the_least_rotation_to_the_reference(degrees, size):
    """Within a hundredth of full scale: of the mean, of the turn's own axis, which stays, and of lengths."""
    axis = np.cross(UP, [1, 0, 0.0])
    sums = np.round(turned(UP / np.linalg.norm(UP), axis, -degrees) * (size - 1)).astype(np.int64)
    rotation = (alignment_of(sums, direction(UP)) + IDENTITY).reshape(3, 3) / 16384
    limit = 0.003 + 1 / size
    assert np.abs(rotation @ (sums / np.linalg.norm(sums)) - UP / np.linalg.norm(UP)).max() < limit
    assert np.abs(rotation @ rotation.T - np.eye(3)).max() < limit
    if degrees > 1:
        kept = axis / np.linalg.norm(axis)
        assert np.abs(rotation @ kept - kept).max() < 2 * limit


@pytest.mark.parametrize("sums", [(0, 0, 0), (-100, 475, -125), (-(1 << 30), 0, -(1 << 30))])
def test_what_has_no_direction_or_is_upside_down_calibrates_nothing(sums):
    assert alignment_of(np.array(sums), direction(UP if sums[1] else np.ones(3))) is None


def test_a_calibration_adds_up_so_many_readings_and_no_more():
    readings = np.zeros((MOST_CALIBRATED + 5, CHANNELS), np.int64)
    readings[:, 1] = -32768
    turn = (calibrate(readings, aligned_op()), calibrate(readings[:3], aligned_op()))
    readings[MOST_CALIBRATED:, 0] = 32767
    assert np.array_equal(*turn)
    assert np.array_equal(calibrate(readings, aligned_op()), turn[0])


def aligned_op():
    return Align(CHANNELS, AXES, Format(12), direction(UP))


def readings_of(rng, count):
    """Of somebody who walks with the device 40 degrees from where it should be."""
    gravity = turned(UP / np.linalg.norm(UP), [1, 0, 0.4], 40) * 4096
    x = rng.normal(0, 900, (count, CHANNELS))
    x[:, AXES[:3]] += gravity
    return np.clip(np.round(x), -32768, 32767).astype(np.int64)


def wanted(model, walk, x):
    """(the alignment, all states after every step) after a calibration: int64 [9] and [steps, entries]."""
    alignment = calibrate(walk, align_of(model))
    initial = np.zeros((1, sum(value.type.size for value in model.states("step"))), np.int64)
    initial[0, -9:] = alignment
    return alignment, evaluate(model, x.reshape(1, -1, 2 * CHANNELS), initial=initial).states[0].astype(np.int64)


def test_an_alignment_in_the_state_turns_what_the_step_reads(worn, random_fastgrnn):
    """As the same net does on readings that are turned before; with zeros it does what the net did without."""
    rng = np.random.default_rng(3)
    plain, walk, x = random_fastgrnn(np.random.default_rng(0), inputs=2 * CHANNELS, readings=2), readings_of(rng, 400), readings_of(rng, 60)
    alignment, states = wanted(worn, walk, x)
    op = align_of(worn)
    before, kept = op.evaluate(x.reshape(-1, CHANNELS), np.broadcast_to(alignment, (60, 9)))
    assert np.array_equal(kept, np.broadcast_to(alignment, (60, 9)))
    assert np.array_equal(before[:, 5], x[:, 5])
    assert np.linalg.norm(before[:, AXES[:3]].mean(axis=0) / 4096 - UP / np.linalg.norm(UP)) < 0.15
    assert np.array_equal(evaluate(plain, before.reshape(1, -1, 2 * CHANNELS)).states[0], states[:, :-9])
    x = x.reshape(1, -1, 2 * CHANNELS)
    assert np.array_equal(evaluate(worn, x).states[..., :-9], evaluate(plain, x).states)
    assert np.array_equal(evaluate(worn, x).scores, evaluate(plain, x).scores)


MAIN = """#include "NAME.h"
#include "io.h"
#include <string.h>

enum { WALK = 200, STEPS = 30 };
static NAME_state state;
static NAME_calibration calibration;
static int16_t input[14];

int main(void)
{
    uint8_t found;

    io_open();
    memset(&state, 0xa5, sizeof state);
    NAME_init(&state);
    found = NAME_calibrate(&state, &calibration);
    io_write(&found, 1);
    for (int i = 0; i < WALK; ++i) {
        io_read(input, sizeof input);
        NAME_add_calibration(&calibration, input);
    }
    found = NAME_calibrate(&state, &calibration);
    io_write(&found, 1);
    io_write(state.alignment, sizeof state.alignment);
    for (int i = 0; i < STEPS; ++i) {
        io_read(input, sizeof input);
        NAME_step(&state, input);
        io_write(state.h, sizeof state.h);
        io_write(state.alignment, sizeof state.alignment);
    }
    memset(&calibration, 0x9c, sizeof calibration);
    NAME_add_calibration(&calibration, input);
    (void)NAME_calibrate(&state, &calibration);
    io_close();
    return 0;
}
"""


def check(output, model, walk, x):
    alignment, states = wanted(model, walk, x)
    assert (output[0], output[1]) == (0, 1)
    found = np.frombuffer(output[2:], "<i2").astype(np.int64)
    assert np.array_equal(found[:9], alignment)
    assert np.abs(alignment).max() > 1000
    assert np.array_equal(found[9:].reshape(30, -1), states)


def write_sources(folder, model, target=None):
    write_export(folder, model, target)
    (folder / "main.c").write_text(MAIN.replace("NAME", model.name))
    kernels = sorted(path for path in (folder / "rescomp").iterdir() if path.suffix in {".c", ".S"})
    return [folder / "main.c", folder / f"{model.name}.c", *kernels]


def fed(walk, x):
    return np.concatenate([walk, x]).astype("<i2").tobytes()


def test_generated_c_calibrates_and_steps_as_numpy_does(worn, tmp_path):
    rng = np.random.default_rng(4)
    walk, x = readings_of(rng, 400), readings_of(rng, 60)
    for name in ("io.h", "host/io.c"):
        (tmp_path / Path(name).name).write_text(read_template(f"platforms/{name}"))
    sources = map(str, write_sources(tmp_path, worn))
    command = ["gcc", "-std=c99", *WARNINGS, *SANITIZED.flags, f"-I{tmp_path}", "-o", "program", *sources, "io.c"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    check(subprocess.run([tmp_path / "program"], input=fed(walk, x), capture_output=True, check=True, timeout=120).stdout, worn, walk, x)


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4"])
def test_a_core_calibrates_and_steps_as_numpy_does(core, worn, emulated, tmp_path):
    core, rng = emulated(core), np.random.default_rng(5)
    walk, x = readings_of(rng, 400), readings_of(rng, 60)
    check(run_program(core, write_sources(tmp_path, worn, Target(core)), [f"-I{tmp_path}"], fed(walk, x)), worn, walk, x)


TURNS = """#include <stdio.h>
#include "rescomp_alignment.h"

int main(void)
{
    int32_t sums[3];
    int16_t to[3];

    while (scanf("%d %d %d %hd %hd %hd", sums, sums + 1, sums + 2, to, to + 1, to + 2) == 6) {
        int16_t rotation[9] = {0};
        const int found = rescomp_turn_to(sums, to, rotation);

        for (int i = 0; i < 9; ++i) {
            printf("%d ", rotation[i]);
        }
        printf("%d\\n", found);
    }
    return 0;
}
"""


def test_the_turn_of_c_is_that_of_numpy_for_sums_of_every_size(tmp_path):
    """2,000 of them, axes and halves among them, under the sanitizers."""
    rng = np.random.default_rng(6)
    sums = np.round(rng.normal(size=(2000, 3)) * 2.0 ** rng.uniform(0, 29, (2000, 1))).astype(np.int64).clip(-(1 << 30), 1 << 30)
    sums[:60] = rng.choice([-(1 << 30), -8193, -4096, -1, 0, 1, 3, 8191, 1 << 30], (60, 3))
    references = np.array([direction(vector) for vector in rng.normal(size=(2000, 3))])
    references[:30] = [0, 0, 16384]
    (tmp_path / "turns.c").write_text(TURNS)
    for name in ("rescomp_alignment.h", "rescomp_math.h"):
        (tmp_path / name).write_text(read_template(f"kernels/{name}"))
    command = ["gcc", "-std=c99", *SANITIZED.flags, "-o", "turns", "turns.c"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    lines = "\n".join(" ".join(map(str, [*row, *to])) for row, to in zip(sums.tolist(), references.tolist(), strict=True))
    answer = subprocess.run([tmp_path / "turns"], input=lines, capture_output=True, text=True, check=True, timeout=120).stdout
    found = np.array([line.split() for line in answer.splitlines()], np.int64)
    alignments = [alignment_of(row, to) for row, to in zip(sums, references.tolist(), strict=True)]
    expected = [[*([0] * 9 if each is None else rotation_of(each)), each is not None] for each in alignments]
    assert np.array_equal(found, expected)
    assert 0.5 < found[:, 9].mean() < 0.9


def test_a_model_with_an_alignment_comes_back_as_it_was_and_says_in_c_what_to_do(worn):
    again = decode(*encode(worn))
    assert digest(again) == digest(worn)
    header = export_c(worn)[f"{worn.name}.h"].decode()
    assert f"uint8_t {worn.name}_calibrate({worn.name}_state *state, const {worn.name}_calibration *calibration);" in header
    assert "calibrat" not in export_c(replace(worn, graphs=worn.graphs | {"step": without(worn.graphs["step"])}))[f"{worn.name}.h"].decode()


def without(step):
    """The same step behind a state of another name."""
    names = {"alignment": "mounting"}
    nodes = tuple(replace(node, inputs=tuple(names.get(name, name) for name in node.inputs)) for node in step.nodes)
    inputs = tuple(replace(value, name=names.get(value.name, value.name)) for value in step.inputs)
    return replace(step, inputs=inputs, nodes=nodes, state={names.get(name, name): after for name, after in step.state.items()})


@pytest.mark.parametrize(
    ("change", "axes", "message"),
    [
        (lambda m: replace(m, policy=StreamPolicy(1)), AXES, r"has no \[stream\]"),
        (lambda m: m, (0, 1), "three channels of each sensor, each once, of 7"),
        (lambda m: m, (0, 1, 1), "each once"),
        (lambda m: m, (0, 1, 7), "of 7, not"),
    ],
)
def test_what_cannot_be_aligned_is_refused(change, axes, message, random_fastgrnn):
    model = change(random_fastgrnn(np.random.default_rng(0), inputs=2 * CHANNELS, readings=2))
    with pytest.raises(UnsupportedError, match=message):
        with_alignment(model, CHANNELS, axes, direction(UP))
    assert ALIGNMENT.shape == (9,)


def test_every_witness_steps_with_any_alignment(worn, witness):
    """Of any bits, zeros and rotations among them: every value of the step."""
    step, rng = worn.graphs["step"], np.random.default_rng(7)
    inputs = {value.name: rng.integers(value.type.format.low, value.type.format.high + 1, (12, *value.type.shape)) for value in step.inputs}
    inputs["alignment"][:2] = 0
    inputs["alignment"][2:6] = [
        alignment_of(vector, direction(UP)) for vector in (16384 * UP + rng.normal(0, 6000, (4, 3))).astype(np.int64)
    ]
    expected = evaluate_graph(step, inputs)
    for name, values in witness.run_graph(step, inputs).items():
        assert np.array_equal(values, expected[name]), name
