"""A stream of samples of which some are lost: what numpy makes of it, and the generated C that is pushed both in parts of any size."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rescomp.export.c import export_c, translate
from rescomp.export.c_templates import read_template
from rescomp.frontend.description import FrontEnd
from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.evaluate import evaluate, evaluate_graph, take_decisions
from rescomp.graph.ir import StreamPolicy
from rescomp.graph.sound import evaluate_frontend
from rescomp.graph.sound_stream import lost_inputs, walk_samples
from rescomp.targets.kernel_choice import Target
from rescomp.tests.frontend.summing_net import summing_net, write_sources
from rescomp.validate.c_program import WARNINGS, write_export
from rescomp.validate.emulation import run_program
from rescomp.validate.host_c import SANITIZED
from rescomp.validate.registry import load_witness
from rescomp.validate.witness import Job

SMALL = FrontEnd("log_mel", 8000, 200, 80, 256, 5, 60.0, 3800.0)
STREAMS = {
    "overlapping frames": (SMALL, 1, StreamPolicy(gap=2)),
    "frames side by side": (replace(SMALL, pre_emphasis=0, hop=200), 3, StreamPolicy()),
    "samples that no frame reads": (replace(SMALL, hop=300), 1, StreamPolicy(gap=1, half_window=3)),
    "two channels": (replace(SMALL, kind="spectrum", channels=2, length=64, hop=33), 2, StreamPolicy(gap=3, half_window=2)),
    "statistics": (FrontEnd("statistics", 50, 40, 25, channels=3, statistics=("mean", "maximum")), 2, StreamPolicy(gap=1)),
}
MAIN = """#include "ear.h"
#include "io.h"
#include <string.h>

enum {{ SAMPLES = {samples} }};
static ear_stream_listener listener;
static int16_t samples[SAMPLES * EAR_CHANNELS];
static uint8_t lost[SAMPLES];

static void tell(void)
{{
    int16_t scores[EAR_CLASSES + 1];

    ear_stream_scores(&listener.stream, scores);
    scores[EAR_CLASSES] = ear_stream_decide(&listener.stream, scores);
    io_write(scores, sizeof scores);
}}

int main(void)
{{
    uint32_t at = 0;
    uint16_t most;

    io_open();
    io_read(&most, sizeof most);
    io_read(lost, sizeof lost);
    io_read(samples, sizeof samples);
    memset(&listener, 0xa5, sizeof listener);
    (void)ear_stream_push(&listener, samples, 1, &(uint8_t){{0}});
    ear_stream_listen(&listener);
    while (at < SAMPLES) {{
        uint32_t part = 1;
        uint8_t stepped;

        while (part < most && at + part < SAMPLES && lost[at + part] == lost[at]) {{
            ++part;
        }}
        at += ear_stream_push(&listener, lost[at] ? 0 : samples + at * EAR_CHANNELS, part, &stepped);
        if (stepped) {{
            tell();
        }}
    }}
    io_close();
    return 0;
}}
"""


def model_of(name):
    front_end, frames, policy = STREAMS[name]
    return with_decision(replace(summing_net(front_end, frames), policy=policy), Decision(1, 3, 2))


def recording(model, steps=24):
    """Loud and quiet noise in which single samples, short and long stretches are lost: (samples, lost)."""
    rng, (span, channels) = np.random.default_rng(1), model.samples.type.shape
    count = (steps * model.frames_an_input - 1) * model.hop + span + 5
    samples = rng.integers(-32768, 32768, (count, channels)) >> rng.integers(0, 15, (count, 1))
    lost, length = np.zeros(count, bool), model.hop * model.frames_an_input
    for begin, many in ((4 * length, 1), (7 * length + 3, length // 2), (12 * length, 6 * length), (count - span, 2)):
        lost[begin : begin + many] = True
    return samples, lost


def wanted(model, samples, lost):
    """int64 [steps, scores and decision]."""
    return np.array([[*scores, decision] for scores, decision in walk_samples(model, samples, lost)])


def encoded(samples, lost, most):
    return np.array(most, "<u2").tobytes() + lost.astype("u1").tobytes() + samples.astype("<i2").tobytes()


def test_an_input_that_reads_a_lost_sample_is_a_lost_reading_and_the_others_are_those_of_the_whole_recording():
    """By hand, of a net that adds up: two inputs are held, a third begins anew."""
    model = model_of("overlapping frames")
    samples, _ = recording(model)
    lost = np.zeros(len(samples), bool)
    lost[np.array([3 * 80 + 200, 10 * 80 + 41])] = True  # of frames 3, 4, 5; and 9, 10, whose span is 201 samples
    gone = lost_inputs(model, lost)
    assert np.flatnonzero(gone).tolist() == [3, 4, 5, 9, 10]
    x = evaluate_frontend(model, samples)
    first = np.concatenate([x[:3], x[2:3], x[2:3]])
    second = np.concatenate([x[6:9], x[8:9], x[8:9], x[11:]])
    scores = [
        evaluate_graph(model.graphs["head"], {"h": evaluate(model, part[None]).states[0].astype(np.int64)})["scores"]
        for part in (first, second)
    ]
    found = wanted(model, samples, lost)
    assert np.array_equal(found[:5, :-1], scores[0])
    assert np.array_equal(found[5, :-1], evaluate_graph(model.graphs["head"], {"h": np.zeros((1, 4), np.int64)})["scores"][0])
    assert np.array_equal(found[6:, :-1], scores[1])
    assert np.array_equal(found[6:, -1], take_decisions(model, scores[1][None])[0])
    assert found[5, -1] == -2
    nothing_lost = wanted(model, samples, np.zeros(len(samples), bool))
    states = evaluate(model, x[None]).states[0].astype(np.int64)
    assert np.array_equal(nothing_lost[:, :-1], evaluate_graph(model.graphs["head"], {"h": states})["scores"])


@pytest.mark.parametrize("name", STREAMS)
def test_samples_and_losses_pushed_in_parts_of_any_size_give_what_numpy_gives(name, tmp_path):
    model = model_of(name)
    samples, lost = recording(model)
    expected, gone = wanted(model, samples, lost), lost_inputs(model, lost)
    assert 3 < gone.sum() < len(gone) - 3
    assert len(np.unique(expected[:, 0])) > 5
    for file in ("io.h", "host/io.c"):
        (tmp_path / Path(file).name).write_text(read_template(f"platforms/{file}"))
    command = ["gcc", "-std=c99", *WARNINGS, *SANITIZED.flags, f"-I{tmp_path}", "-o", "program"]
    sources = map(str, write_sources(tmp_path, model, MAIN.format(samples=len(samples))))
    subprocess.run([*command, *sources, "io.c"], cwd=tmp_path, check=True, timeout=120)
    for most in (1, 7, 331, 65535):
        run = subprocess.run([tmp_path / "program"], input=encoded(samples, lost, most), capture_output=True, check=True, timeout=120)
        assert np.array_equal(np.frombuffer(run.stdout, "<i2").reshape(-1, 4), expected), most


def test_a_core_that_loses_samples_gives_what_numpy_gives(emulated, tmp_path):
    core, model = emulated("cortex-m4"), model_of("overlapping frames")
    samples, lost = recording(model)
    sources = write_sources(tmp_path, model, MAIN.format(samples=len(samples)), Target(core))
    found = run_program(core, sources, [f"-I{tmp_path}"], encoded(samples, lost, 77))
    assert np.array_equal(np.frombuffer(found, "<i2").reshape(-1, 4), wanted(model, samples, lost))


def used(folder, right="", wrong=""):
    """What the witness answers to the C in `folder`, in which a piece is replaced."""
    model = model_of("two channels")
    write_export(folder / "c", model)
    path = folder / "c" / "ear.c"
    text = path.read_text()
    assert not right or text.count(right) == 1
    path.write_text(text.replace(right, wrong) if right else text)
    x = np.random.default_rng(2).integers(-3000, 3000, (4, 5, *model.input.type.shape)).astype(np.int16)
    (answer,) = load_witness("c").run_uses(Job(model, folder, x, np.full(4, 5)))
    return answer


FAULTS = {
    "what was lost is forgotten with a hop": ("listener->lost > PASSED ? listener->lost - PASSED : 0", "0"),
    "all that was lost is the newest": ("listener->lost = listener->held;", "listener->lost = now;"),
    "one frame of an input was lost": ("        listener->spoiled = 1;\n", ""),
}


def test_every_verification_loses_samples_and_sees_a_fault(tmp_path):
    whole = used(tmp_path / "whole")
    assert (whole.mismatches, whole.small) == (0, False)
    for number, (right, wrong) in enumerate(FAULTS.values()):
        assert used(tmp_path / f"{number}", right, wrong).mismatches > 0, right


def test_so_does_a_core(emulated, tmp_path):
    core, model = emulated("cortex-m0"), model_of("overlapping frames")
    write_export(tmp_path / "c", model, Target(core))
    x = np.random.default_rng(2).integers(-3000, 3000, (4, 5, *model.input.type.shape)).astype(np.int16)
    (answer,) = load_witness(core.family.witness).run_uses(Job(model, tmp_path, x, np.full(4, 5), core.name))
    assert (answer.mismatches, answer.first, answer.small) == (0, "", False)


def test_a_model_without_a_policy_loses_nothing():
    model = replace(model_of("overlapping frames"), policy=None)
    assert "ear_stream" not in export_c(model)["ear.h"].decode()
    assert "EAR_STREAM_LISTENER_BYTES" not in translate(model).header_numbers


@pytest.mark.parametrize("policy", [True, False])
def test_an_avr_which_pads_nothing_has_listeners_of_the_size_that_is_announced(policy, emulated, tmp_path):
    core = emulated("atmega2560")
    for name in STREAMS:
        model = model_of(name) if policy else replace(model_of(name), policy=None)
        for target in (None, Target(core)):
            folder = tmp_path / f"{name}-{target is None}"
            write_export(folder, model, target)
            command = ["avr-gcc", "-mmcu=atmega2560", "-std=gnu11", *WARNINGS, "-fsyntax-only", "ear.c"]
            subprocess.run(command, cwd=folder, check=True, timeout=60)
