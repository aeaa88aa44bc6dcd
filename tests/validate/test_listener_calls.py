"""What a header offers to whom samples are pushed: verify pushes parts of every size to listeners in turns, and sees each fault there."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from rescomp.errors import ParityError
from rescomp.frontend.description import FrontEnd
from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.ir import StreamPolicy
from rescomp.targets.kernel_choice import Target
from rescomp.tests.frontend.summing_net import summing_net
from rescomp.validate.build import RESCOMP_S_OWN, Build
from rescomp.validate.c_program import write_export
from rescomp.validate.listener_calls import ListenerCalls, StreamListenerCalls, block_samples
from rescomp.validate.registry import load_witness
from rescomp.validate.witness import Job

SMALL = FrontEnd("log_mel", 8000, 200, 80, 256, 5, 60.0, 3800.0)
TWO = replace(SMALL, kind="spectrum", channels=2, length=64, hop=33)
MODELS = {
    "plain": summing_net(SMALL, 1),
    "decides": with_decision(summing_net(TWO, 2), Decision(1, 3, 2)),
    "with gaps": summing_net(replace(SMALL, hop=300), 1),
    "channels": replace(summing_net(TWO, 2), channel_bits=(13, 3)),
    "streams": replace(with_decision(summing_net(TWO, 2), Decision(1, 3, 2)), policy=StreamPolicy(gap=1, half_window=3)),
}


@pytest.fixture
def used(tmp_path):
    """A function (model, right, wrong, core) -> what the witness answers to the C in which a piece is replaced."""

    def use(name="decides", right="", wrong="", core=None, file="ear.c"):
        model = MODELS[name]
        write_export(tmp_path / "c", model, Target(core) if core else None)
        path = tmp_path / "c" / file
        text = path.read_text()
        assert not right or text.count(right) == 1
        path.write_text(text.replace(right, wrong) if right else text)
        x = np.random.default_rng(2).integers(-3000, 3000, (4, 5, *model.input.type.shape)).astype(np.int16)
        build = Build("gcc", ("-O1", "-fsanitize=address", "-fno-sanitize-recover=all")) if right else RESCOMP_S_OWN
        job = Job(model, tmp_path, x, np.full(4, 5), core.name if core else "", build=build)
        (answer,) = load_witness(core.family.witness if core else "c").run_uses(job)
        return answer

    return use


@pytest.mark.parametrize("name", MODELS)
def test_generated_c_is_pushed_as_numpy_is(name, used):
    answer = used(name)
    assert (answer.mismatches, answer.first, answer.small, answer.unheard) == (0, "", False, False)


@pytest.mark.parametrize(
    ("name", "core"),
    [("streams", "cortex-m0"), ("decides", "atmega2560"), ("plain", "riscv32imc"), ("channels", "cortex-m4"), ("channels", "atmega2560")],
)
def test_so_is_a_core(name, core, used, emulated):
    answer = used(name, core=emulated(core))
    assert (answer.mismatches, answer.first, answer.unheard) == (0, "", False)


def test_fraction_bits_of_channels_are_compiled_and_compared(used):
    """As numbers, and as the entries of an array."""
    answer = used("channels", "OF_CHANNELS {13, 3}", "OF_CHANNELS {13, 2}", file="ear.h")
    assert (answer.mismatches, answer.first) == (1, "EAR_SAMPLE_FRACTION_BITS_OF_CHANNELS is [13, 2] instead of [13, 3]")


def test_a_core_without_memory_for_two_listeners_says_so(used, emulated):
    answer = used("decides", core=emulated("atmega328p"))
    assert (answer.mismatches, answer.first, answer.unheard) == (0, "", True)


@pytest.mark.parametrize(
    "calls", [ListenerCalls(MODELS["plain"], 120), StreamListenerCalls(MODELS["streams"], 120)], ids=["states", "streams"]
)
def test_parts_are_of_every_size_and_counters_of_any_bits(calls):
    model = MODELS["plain" if calls.kind == "listener" else "streams"]
    span, hop = model.samples.type.shape[0], model.hop
    sizes = {
        int(what.split("a push of ")[1].split()[0])
        for what, _ in calls.expected
        if what.startswith("what a push of ") and " most " not in what
    }
    assert {0, 1, 63, 64, 65, hop, span - 1, span, span + 1, span + hop + 1} <= sizes
    assert max(sizes) == block_samples(model)
    bits = [array for what, array in calls.expected if "bits in its counters" in what]
    for counter in calls.counters:
        assert {0, 1, 1 << 16, 0x5A5A5A5A, (1 << 32) - 1} <= {int(array[counter]) for array in bits}, counter
    turns = [
        what.split(f"{calls.kind} ")[1][0] for what, _ in calls.expected if what.startswith("the features of listener") or "gives" in what
    ]
    assert sum(one != other for one, other in pairwise(turns)) > 30
    stepped = [int(array["stepped"]) for what, array in calls.expected if "gives" in what]
    assert sum(stepped) > 15


FAULTS = {
    "a count of nothing tells nothing": ("    *stepped = 0;\n", ""),
    "parts that are copied up to 127": ("(size_t)now * EAR_CHANNELS", "(size_t)(now & 127) * EAR_CHANNELS"),
    "samples counted in 16 bits": ("    uint32_t taken = 0;", "    count = (uint16_t)count;\n    uint32_t taken = 0;"),
    "skipped samples of any number": ("    listener->skip = listener->skip < EAR_HOP ? listener->skip : 0;\n", ""),
    "skipped samples up to a hop": ("listener->skip < EAR_HOP ?", "listener->skip <= EAR_HOP ?"),
    "a frame that is full": ("listener->held < EAR_SPAN ?", "listener->held <= EAR_SPAN ?"),
    "a beginning with half a frame": ("    listener->held = 0;\n", ""),
    "a beginning with half an input": ("    listener->skip = 0;\n    listener->held = 0;\n    listener->frames = 0;\n", "    listener->skip = 0;\n    listener->held = 0;\n"),
    "a beginning with an old state": ("    ear_init(&listener->state);\n    listener->skip", "    listener->skip"),
    "samples of all listeners in one place": ("    ear_frontend(&listener->state, listener->samples, listener->features +", "    static int16_t last[EAR_SPAN * EAR_CHANNELS];\n    if (listener->frames == 0) memcpy(last, listener->samples, sizeof last);\n    ear_frontend(&listener->state, last, listener->features +"),
    "what it takes": ("    return taken;", "    return *stepped ? count : taken;"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_seen(name, used):
    answer = used("plain" if "127" in name else "decides", *FAULTS[name])
    assert answer.mismatches > 0
    assert answer.first.isprintable()


def test_a_step_that_does_not_stop_ends_the_program(used):
    with pytest.raises(ParityError, match="AddressSanitizer"):
        used("decides", "while (taken < count && !*stepped) {", "while (taken < count) {")


@pytest.mark.parametrize("counter", ["held", "frames"])
def test_a_counter_that_is_used_unchecked_ends_the_program(counter, used):
    limit = {"held": "EAR_SPAN", "frames": "EAR_FRAMES"}[counter]
    with pytest.raises(ParityError, match="AddressSanitizer"):
        used("decides", f"    listener->{counter} = listener->{counter} < {limit} ? listener->{counter} : 0;\n")


def test_a_fault_is_told_by_its_call(used):
    assert used("decides", *FAULTS["what it takes"]).first.startswith("what a push of ")
    assert used("decides", *FAULTS["a beginning with half a frame"]).first.startswith("listener 0 after listen, in call 1, held[0], is ")


STREAM_FAULTS = {
    "lost samples of any number": ("    listener->lost = listener->lost < EAR_SPAN ? listener->lost : 0;\n", ""),
    "a beginning that still misses samples": ("    listener->lost = 0;\n    listener->frames = 0;\n", "    listener->frames = 0;\n"),
    "a beginning with a spoiled input": ("    listener->frames = 0;\n    listener->spoiled = 0;\n}\n\n/* Computes", "    listener->frames = 0;\n}\n\n/* Computes"),
    "a loss counted in 16 bits": ("*stepped)\n{\n    uint32_t taken = 0;\n\n    *stepped = 0;\n    listener->skip = listener->skip < EAR_HOP ? listener->skip : 0;\n    listener->held = listener->held < EAR_SPAN ? listener->held : 0;\n    listener->frames = listener->frames < EAR_FRAMES ? listener->frames : 0;\n    listener->lost", "*stepped)\n{\n    uint32_t taken = 0;\n\n    *stepped = 0;\n    count = (uint16_t)count;\n    listener->skip = listener->skip < EAR_HOP ? listener->skip : 0;\n    listener->held = listener->held < EAR_SPAN ? listener->held : 0;\n    listener->frames = listener->frames < EAR_FRAMES ? listener->frames : 0;\n    listener->lost"),
    "an input that stays spoiled": ("    listener->frames = 0;\n    listener->spoiled = 0;\n}\n\nuint32_t", "    listener->frames = 0;\n}\n\nuint32_t"),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAM_FAULTS)
def test_each_fault_of_a_stream_is_seen(name, used):
    assert used("streams", *STREAM_FAULTS[name]).mismatches > 0
