"""A front-end before a net: what numpy makes of a recording, and the generated C that is pushed samples in parts of any size."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.export.c import export_c, translate
from rescomp.export.c_templates import read_template
from rescomp.frontend.description import FrontEnd
from rescomp.frontend.lowering import frames_of, frontend_graph, with_front_end
from rescomp.graph.evaluate import evaluate, evaluate_graph
from rescomp.graph.formats import TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Sampling, Value
from rescomp.graph.ops import Relu
from rescomp.graph.serialize import decode, digest, encode
from rescomp.graph.sound import evaluate_frontend
from rescomp.graph.verify import FRAME_INPUT, verify_model
from rescomp.targets.kernel_choice import Target
from rescomp.tests.frontend.summing_net import Q10, summing_net, write_sources
from rescomp.validate.c_program import WARNINGS
from rescomp.validate.emulation import run_program
from rescomp.validate.host_c import SANITIZED

SMALL = FrontEnd("log_mel", 8000, 200, 80, 256, 5, 60.0, 3800.0)
FRONT_ENDS = {
    "overlapping": (SMALL, 1),
    "frames side by side, end to end": (replace(SMALL, pre_emphasis=0, hop=200), 3),
    "with gaps": (replace(SMALL, hop=300), 1),
    "two channels": (replace(SMALL, kind="spectrum", channels=2, length=64, hop=33), 1),
    "mfcc": (replace(SMALL, kind="mfcc", coefficients=3, channels=2), 1),
    "statistics": (FrontEnd("statistics", 50, 40, 25, channels=3, statistics=("mean", "log_energy")), 2),
}


def recording(front_end, samples=3000):
    rng = np.random.default_rng(1)
    return rng.integers(-32768, 32768, (samples, front_end.channels)) >> rng.integers(0, 15, (samples // 100, 1)).repeat(100, axis=0)


def wanted(model, samples):
    """(states, scores) after every step: int64 [steps, 4] and [steps, 3]."""
    x = evaluate_frontend(model, samples)
    states = evaluate(model, x[None]).states[0].astype(np.int64)
    return states, evaluate_graph(model.graphs["head"], {"h": states})["scores"]


MAIN = """#include "ear.h"
#include "io.h"
#include <string.h>

enum {{ SAMPLES = {samples} }};
static ear_listener listener;
static int16_t samples[SAMPLES * EAR_CHANNELS];

int main(void)
{{
    uint32_t at = 0;
    uint16_t most;

    io_open();
    io_read(&most, sizeof most);
    io_read(samples, sizeof samples);
    memset(&listener, 0xa5, sizeof listener);
    (void)ear_push(&listener, samples, 1, &(uint8_t){{0}});
    ear_listen(&listener);
    while (at < SAMPLES) {{
        const uint32_t part = SAMPLES - at < most ? SAMPLES - at : most;
        uint32_t taken = 0;

        while (taken < part) {{
            uint8_t stepped;

            taken += ear_push(&listener, samples + (at + taken) * EAR_CHANNELS, part - taken, &stepped);
            if (stepped) {{
                int16_t scores[EAR_CLASSES];

                ear_scores(&listener.state, scores);
                io_write(listener.state.h, sizeof listener.state.h);
                io_write(scores, sizeof scores);
            }}
        }}
        at += part;
    }}
    io_close();
    return 0;
}}
"""


def written(output):
    """(states, scores) from what MAIN writes."""
    rows = np.frombuffer(output, "<i2").astype(np.int64).reshape(-1, 7)
    return rows[:, :4], rows[:, 4:]


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_recording_pushed_in_parts_of_any_size_is_the_recording(name, tmp_path):
    front_end, frames = FRONT_ENDS[name]
    model, samples = summing_net(front_end, frames), recording(front_end)
    expected = wanted(model, samples)
    assert len(expected[0]) == front_end.frames(len(samples)) // frames > 3
    assert len(np.unique(expected[1])) > 5
    for name in ("io.h", "host/io.c"):
        (tmp_path / Path(name).name).write_text(read_template(f"platforms/{name}"))
    sources = map(str, write_sources(tmp_path, model, MAIN.format(samples=len(samples))))
    command = ["gcc", "-std=c99", *WARNINGS, *SANITIZED.flags, f"-I{tmp_path}", "-o", "program", *sources, "io.c"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    for part in (1, 7, 331, 3000):
        data = pushed(samples, part)
        found = written(subprocess.run([tmp_path / "program"], input=data, capture_output=True, check=True, timeout=120).stdout)
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True)), part


def pushed(samples, part):
    """What MAIN reads: the most samples that are pushed at a time, then all of them."""
    return np.array(part, "<u2").tobytes() + samples.astype("<i2").tobytes()


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "riscv32imc"])
def test_a_core_that_is_pushed_a_recording_gives_what_numpy_gives(core, emulated, tmp_path):
    core, (front_end, frames) = emulated(core), FRONT_ENDS["overlapping"]
    model, samples = summing_net(front_end, frames), recording(front_end, 1500)
    sources = write_sources(tmp_path, model, MAIN.format(samples=len(samples)), Target(core))
    found = written(run_program(core, sources, [f"-I{tmp_path}"], pushed(samples, 77)))
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted(model, samples), strict=True))


def test_frames_are_inputs_side_by_side():
    front_end, frames = FRONT_ENDS["frames side by side, end to end"]
    model, samples = summing_net(front_end, frames), recording(front_end)[:2800]
    alone = evaluate_graph(frontend_graph(front_end), {FRAME_INPUT: frames_of(samples, front_end)})["features"]
    assert len(alone) % 3 == 2
    assert np.array_equal(evaluate_frontend(model, samples), alone[:-2].reshape(-1, 15))
    assert evaluate_frontend(model, samples[:100]).shape == (0, 15)


def whole(front_end, frames):
    x = Value("x", TensorType((frames, front_end.features), Q10))
    graph = Graph("whole", (x,), (Node("y", Relu(), ("x",), ("y",)),), ("y",))
    return with_front_end(IntegerModel("ear", {"whole": graph}), front_end)


def test_a_net_without_state_has_a_listener_that_stops_at_every_whole_input():
    model = whole(SMALL, 4)
    header = export_c(model)["ear.h"].decode()
    assert "void ear_frontend(ear_state *state, const int16_t *samples, int16_t *features);" in header
    assert "#define EAR_FRAMES 4" in header
    assert "ear_run(&listener->state, listener->features, scores) before the rest is pushed" in header
    assert evaluate_frontend(model, recording(SMALL)).shape == (8, 4, 5)


def test_the_header_says_what_a_sensor_is_to_deliver_where_that_is_known():
    model = summing_net(SMALL, 1)
    assert "SAMPLE_RATE" not in export_c(model)["ear.h"].decode()
    told = replace(model, sampling=Sampling(8000, 3))
    header = export_c(told)["ear.h"].decode()
    assert "#define EAR_SAMPLE_RATE 8000\n#define EAR_SAMPLE_FRACTION_BITS 3\n" in header
    assert {name: translate(told).header_numbers[f"EAR_SAMPLE_{name}"] for name in ("RATE", "FRACTION_BITS")} == {
        "RATE": 8000,
        "FRACTION_BITS": 3,
    }
    assert decode(*encode(told)).sampling == told.sampling
    assert len({digest(model), digest(told), digest(replace(told, sampling=Sampling(8000)))}) == 3
    for sampling in (Sampling(0), Sampling(8000, 16), Sampling((1 << 20) + 1), Sampling(8000, -1)):
        with pytest.raises(UnsupportedError, match=r"outside 1\.\.1,048,576 and 0\.\.15"):
            verify_model(replace(model, sampling=sampling))
    with pytest.raises(UnsupportedError, match="no frontend"):
        verify_model(IntegerModel("ear", {name: graph for name, graph in model.graphs.items() if name != "frontend"}, sampling=Sampling(1)))


def test_a_model_with_a_front_end_comes_back_as_it_was_and_has_a_digest_of_its_own():
    model = summing_net(SMALL, 1)
    document, arrays = encode(model)
    again = decode(document, arrays)
    assert (again.hop, digest(again)) == (80, digest(model))
    assert np.array_equal(evaluate_frontend(again, recording(SMALL)), evaluate_frontend(model, recording(SMALL)))
    assert digest(replace(model, hop=81)) != digest(model)
    damaged = json.loads(document)
    damaged["hop"] = -1
    with pytest.raises(Exception, match="holds -1 where a number of samples belongs"):
        decode(json.dumps(damaged).encode(), arrays)


def refused(model, **graphs):
    return replace(model, graphs={**model.graphs, **graphs})


def reading_samples(step):
    """The same step, its input called as that of a front-end is."""
    nodes = (replace(step.nodes[0], inputs=("samples",)), *step.nodes[1:])
    return replace(step, inputs=(Value("samples", step.inputs[0].type), step.inputs[1]), nodes=nodes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: replace(m, hop=0), "a hop of 0 samples"),
        (lambda m: replace(m, graphs={k: g for k, g in m.graphs.items() if k != "frontend"}), "a hop of 80 samples .* no frontend"),
        (lambda m: refused(m, frontend=frontend_graph(replace(SMALL, bands=4))), "the features of a frame are 4 int16 Q10"),
        (lambda m: refused(m, frontend=replace(m.graphs["frontend"], outputs=())), "gives one value"),
        (lambda m: refused(m, step=reading_samples(m.graphs["step"])), "an input of another graph than 'frontend' is called 'samples'"),
    ],
)
def test_what_is_no_pipeline_is_refused(change, message):
    model = summing_net(SMALL, 1)
    verify_model(model)
    with pytest.raises(UnsupportedError, match=message):
        verify_model(change(model))
