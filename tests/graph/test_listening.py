"""What is pushed samples: however a recording is cut, the inputs are those of the whole; and counters of any bits."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.frontend.description import FrontEnd
from rescomp.graph.ir import StreamPolicy
from rescomp.graph.listening import Listening, StreamListening
from rescomp.graph.sound import evaluate_frontend
from rescomp.graph.sound_stream import lost_inputs
from rescomp.tests.frontend.summing_net import summing_net

SMALL = FrontEnd("log_mel", 8000, 200, 80, 256, 5, 60.0, 3800.0)
MODELS = {
    "overlapping": (SMALL, 1),
    "end to end": (replace(SMALL, pre_emphasis=0, hop=200), 3),
    "with gaps": (replace(SMALL, hop=300), 2),
    "two channels": (replace(SMALL, kind="spectrum", channels=2, length=64, hop=33), 2),
}


@pytest.fixture(params=MODELS)
def model(request):
    return replace(summing_net(*MODELS[request.param]), policy=StreamPolicy(2))


def recording(model, inputs=9):
    rng, (span, channels) = np.random.default_rng(1), model.samples.type.shape
    return rng.integers(-32768, 32768, ((inputs * model.frames_an_input - 1) * model.hop + span + 7, channels))


def test_a_recording_gives_its_inputs_however_it_is_cut(model):
    samples, rng = recording(model), np.random.default_rng(2)
    whole = evaluate_frontend(model, samples)
    assert len(whole) == 9
    for most in (1, 65, 999):
        listening, found, at = Listening(model), [], 0
        while at < len(samples):
            part = int(rng.integers(0, most + 1))
            taken, stepped = listening.push(samples[at : at + part])
            assert taken <= part
            assert stepped or taken == len(samples[at : at + part])
            at += taken
            if stepped:
                found.append(listening.features.reshape(-1).copy())
        assert np.array_equal(found, whole), most


def test_inputs_that_read_a_lost_sample_are_gaps_and_the_others_are_those_of_the_whole(model):
    samples, rng = recording(model, 30), np.random.default_rng(3)
    whole, lost = evaluate_frontend(model, samples), np.zeros(len(samples), bool)
    for begin in (model.hop * 3, len(samples) // 2, len(samples) - 20):
        lost[begin : begin + int(rng.integers(1, 2 * model.hop))] = True
    gone = lost_inputs(model, lost)
    assert 0 < gone.sum() < len(gone)
    listening, at, number = StreamListening(model), 0, 0
    while at < len(samples):
        end = at + 1
        while end < len(samples) and lost[end] == lost[at]:
            end += 1
        taken, stepped = listening.lose(end - at) if lost[at] else listening.push(samples[at:end])
        at += taken
        if stepped:
            assert listening.gap == gone[number]
            assert gone[number] or np.array_equal(listening.features.reshape(-1), whole[number])
            number += 1
    assert number == len(whole)


@pytest.mark.parametrize("bits", [0x5A5A5A5A, (1 << 32) - 1])
def test_counters_that_no_push_leaves_begin_anew(bits):
    model = replace(summing_net(SMALL, 2), policy=StreamPolicy(2))
    samples = recording(model, 3)
    listening = StreamListening(model)
    listening.push(samples[:50])
    listening.skip = listening.held = listening.frames = listening.lost = bits
    number = 0
    for sample in samples:
        _, stepped = listening.push(sample[None])
        if stepped:
            assert np.array_equal(listening.features.reshape(-1), evaluate_frontend(model, samples)[number])
            assert not listening.gap
            number += 1
    assert number == 3


def test_a_frame_goes_on_where_its_counters_say():
    """By hand: 10 of 201 samples stand there, a sample is left out first, and one frame of two is there."""
    model = summing_net(SMALL, 2)
    listening = Listening(model)
    listening.samples[:10], listening.features[0] = 7, 5
    listening.skip, listening.held, listening.frames = 1, 10, 1
    rest = recording(model)[:192]
    assert listening.push(np.concatenate([rest[:1] * 0, rest])) == (192, True)
    frame = np.concatenate([np.full((10, 1), 7), rest[:191]])
    assert listening.features[0].tolist() == [5] * 5
    assert np.array_equal(listening.features[1], evaluate_frontend(summing_net(SMALL, 1), frame)[0])
    assert (listening.skip, listening.held, listening.frames) == (0, 121, 0)
