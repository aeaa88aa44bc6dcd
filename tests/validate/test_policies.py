"""Streams that are interrupted: lost readings, readings at an end, two states in turns; numpy says what, and the C does it."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import InputError, ParityError, UnsupportedError
from rescomp.graph.decide import Decision, with_decision
from rescomp.graph.evaluate import evaluate
from rescomp.graph.ir import StreamPolicy
from rescomp.graph.policy import StreamWalk
from rescomp.graph.serialize import decode, digest, encode
from rescomp.graph.verify import verify_model
from rescomp.validate.c_program import exported_sources, write_export
from rescomp.validate.host_c import SANITIZED
from rescomp.validate.registry import load_witness
from rescomp.validate.witness import Job

POLICIES = [StreamPolicy(), StreamPolicy(gap=3), StreamPolicy(rail=2), StreamPolicy(half_window=4), StreamPolicy(2, 1, 3)]
CORES = ["cortex-m0", "riscv32imc", "atmega2560"]


@pytest.fixture
def model(random_fastgrnn):
    return random_fastgrnn(np.random.default_rng(0))


@pytest.fixture
def readings(model):
    t = model.input.type
    return np.random.default_rng(1).integers(t.format.low + 1, t.format.high, (30, *t.shape))


def walked(model, policy, fed):
    """Scores after each reading; None stands for a lost one."""
    walk, found = StreamWalk(replace(model, policy=policy)), []
    for reading in fed:
        walk.gap() if reading is None else walk.step(reading)
        found.append(walk.scores())
    return np.array(found)


def straight(model, fed):
    """Scores after each reading of a sequence from zero."""
    fed = np.array(fed)
    return np.concatenate([evaluate(model, fed[None, : i + 1]).scores for i in range(len(fed))])


def test_without_anything_a_stream_runs_on(model, readings):
    assert np.array_equal(walked(model, StreamPolicy(), readings), straight(model, readings))


def test_lost_readings_are_held_and_then_everything_begins_anew(model, readings):
    policy = StreamPolicy(gap=3)
    held = walked(model, policy, [*readings[:4], None, None, None, *readings[4:8]])
    assert np.array_equal(held, straight(model, [*readings[:4], *[readings[3]] * 3, *readings[4:8]]))
    fresh = walked(model, policy, [*readings[:4], *[None] * 6, *readings[4:8]])
    assert np.array_equal(fresh[10:], straight(model, readings[4:8]))
    before = StreamWalk(replace(model, policy=policy)).scores()
    assert np.array_equal(fresh[7], before)
    assert np.array_equal(fresh[9], before)
    assert np.array_equal(walked(model, policy, [None, None])[-1], before)


def test_an_entry_that_stays_at_an_end_counts_as_lost(model, readings):
    stuck = readings[0].copy()
    stuck[2] = model.input.type.format.low
    fed = [*readings[:3], *[stuck] * 6, *readings[3:6]]
    policy = StreamPolicy(gap=1, rail=2)
    assert np.array_equal(walked(model, policy, fed), walked(model, StreamPolicy(gap=1), [*fed[:5], *[None] * 4, *fed[9:]]))
    assert np.array_equal(walked(model, StreamPolicy(gap=1), fed), straight(model, fed))


def test_of_two_states_the_older_one_answers_and_none_is_older_than_two_half_windows(model, readings):
    half, answers = 4, walked(model, StreamPolicy(half_window=4), readings)
    for t in range(len(readings)):
        begun = max(0, t // half * half - half)
        assert np.array_equal(answers[t], straight(model, readings[begun : t + 1])[-1]), t


def test_a_decision_outlives_a_state_that_begins_anew_and_no_gap_that_is_not_held(model, readings):
    walk = StreamWalk(replace(with_decision(model, Decision(hold=2)), policy=StreamPolicy(half_window=2)))
    decisions = []
    for reading in np.repeat(readings[:1], 9, axis=0):
        walk.step(reading)
        decisions.append(walk.decide(walk.scores() * 0 + np.eye(4, dtype=int)[1]))
    assert decisions == [-2] + [1] * 8
    walk.gap()
    assert walk.decide(walk.scores()) == -2


@pytest.mark.parametrize("policy", [StreamPolicy(gap=3), StreamPolicy(gap=3, rail=2, half_window=4), StreamPolicy(rail=1)], ids=str)
def test_where_everything_began_anew_nothing_is_decided_until_the_next_reading(policy, model, readings):
    walk = StreamWalk(replace(with_decision(model, Decision(hold=2)), policy=policy))
    stuck = np.full_like(readings[0], model.input.type.format.high)

    def decisions(fed):
        for reading in fed:
            walk.gap() if reading is None else walk.step(reading)
            yield walk.decide(walk.scores())

    assert set(decisions([None] * 40)) == {-2}
    heard = list(decisions(readings[:6]))
    assert heard[:1] == [-2]
    assert -2 not in heard[1:]
    lost = [[None] * 40, *([[stuck] * 40] if policy.rail else [])]
    for outage in lost:
        held = policy.gap + (policy.rail if outage[0] is not None else 0)
        after = list(decisions(outage))
        assert (-2 in after[:held], set(after[held:])) == (False, {-2})
        assert not any(array.any() for array in walk.deciding.values())
        assert list(decisions(readings[:6])) == heard


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_the_generated_c_does_the_same(policy, model, random_sequences, tmp_path):
    rng = np.random.default_rng(3)
    deciding = replace(with_decision(model, Decision(1, 20, 2, 1)), policy=policy)
    for number, each in enumerate((deciding, replace(model, policy=policy))):
        folder = tmp_path / f"{number}"
        write_export(folder / "c", each)
        x, lengths = random_sequences(rng, each, count=4, longest=9)
        (answer,) = load_witness("c").run_uses(Job(each, folder, x.astype(np.int16), lengths))
        assert (answer.mismatches, answer.first) == (0, "")


@pytest.mark.parametrize("core", CORES)
def test_so_does_a_core(core, emulated, model, random_sequences, tmp_path):
    core, each = emulated(core), replace(with_decision(model, Decision(1, 20, 2, 1)), policy=StreamPolicy(2, 1, 3))
    write_export(tmp_path / "c", each)
    x, lengths = random_sequences(np.random.default_rng(3), each, count=4, longest=9)
    (answer,) = load_witness(core.family.witness).run_uses(Job(each, tmp_path, x.astype(np.int16), lengths, core.name))
    assert (answer.mismatches, answer.first, answer.small) == (0, "", False)


FAULTS = [
    ("stream->lost < TINY_GAP", "stream->lost <= TINY_GAP"),
    ("stream->lost = 0;", ""),
    ("stream->railed = railed;", "(void)railed;"),
    ("stream->railed = 0;\n    } else", "} else"),
    ("phase % TINY_HALF_WINDOW == 0", "phase == 0"),
    ("(uint16_t)(stream->phase - 1) < ", "stream->phase < "),
    (
        "    tiny_step(&stream->states[0]",
        "    static uint32_t n;\n    if (++n > 300) stream->last[0] ^= 64;\n    tiny_step(&stream->states[0]",
    ),
    ("reading[i] == TINY_INPUT_LOW || reading[i] == TINY_INPUT_HIGH", "i == 0 && reading[i] == TINY_INPUT_HIGH"),
    ("reading[i] == TINY_INPUT_LOW || ", ""),
    ("at_an_end = 1;", "at_an_end = i == 0;"),
    ("at_an_end = 1;", "at_an_end ^= 1;"),
    ("    stream->phase = 0;\n", ""),
    ("    stream->railed = 0;\n    stream->phase", "    stream->phase"),
    ("stream->lost > TINY_GAP", "stream->lost > TINY_GAP + 1"),
    ("stream->lost > TINY_GAP", "stream->lost >= TINY_GAP"),
    ("        stream->railed = railed;\n    }", "        stream->railed = railed;\n    } else {\n        ++stream->lost;\n    }"),
    ("else if (stream->railed <= TINY_RAIL) {", "else {"),
    ("reading[i] == TINY_INPUT_HIGH", "reading[i] >= TINY_INPUT_HIGH - 9000"),
    ("reading[i] == TINY_INPUT_LOW", "reading[i] < TINY_INPUT_LOW + 9000"),
    ("reading[i] == TINY_INPUT_LOW", "reading[i] == 0 || reading[i] == TINY_INPUT_LOW"),
    ("stream->railed > TINY_RAIL", "stream->railed == TINY_RAIL + 1"),
    ("else if (stream->railed <= TINY_RAIL) {", "else if (stream->railed != TINY_RAIL + 1) {"),
    ("const uint16_t railed = stream->railed;", "const uint16_t railed = stream->railed ? TINY_RAIL + 1 : 0;"),
]


GUARD = "stream->phase < 2 * TINY_HALF_WINDOW ? stream->phase : 0"


def used_with(right, wrong, model, random_sequences, tmp_path, **asked):
    """What the C with a fault answers to its use."""
    each = replace(with_decision(model, Decision(1, 20, 2, 1)), policy=StreamPolicy(2, 2, 3))
    write_export(tmp_path / "c", each)
    path = tmp_path / "c" / "tiny.c"
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    x, lengths = random_sequences(np.random.default_rng(3), each, count=4, longest=9)
    (answer,) = load_witness("c").run_uses(Job(each, tmp_path, x.astype(np.int16), lengths, **asked))
    return answer


@pytest.mark.parametrize(("right", "wrong"), FAULTS)
def test_a_fault_in_the_policy_s_code_is_seen(right, wrong, model, random_sequences, tmp_path):
    assert used_with(right, wrong, model, random_sequences, tmp_path).first.startswith("a stream after reading ")


def test_a_fault_behind_so_many_steps_is_seen_where_as_many_are_asked(model, random_sequences, tmp_path):
    right = "    tiny_step(&stream->states[0]"
    late = "    static uint32_t n;\n    if (++n > 5000) stream->last[0] ^= 64;\n" + right
    for asked, seen in ((0, False), (10_000, True)):
        assert bool(used_with(right, late, model, random_sequences, tmp_path / f"{asked}", stream_steps=asked).mismatches) == seen


@pytest.mark.parametrize("wrong", ["stream->phase", GUARD.replace("<", "<="), GUARD.replace("<", "!=")])
def test_a_counter_of_any_bits_that_is_used_unchecked_is_seen(wrong, model, random_sequences, tmp_path):
    with pytest.raises(ParityError, match="the generated C failed on this machine"):
        used_with(GUARD, wrong, model, random_sequences, tmp_path)


def test_a_clamp_of_averages_that_is_too_wide_is_seen(model, random_sequences, tmp_path):
    deciding = with_decision(model, Decision(1, 20, 2, 1))
    write_export(tmp_path / "c", deciding)
    faulty = [path for path in (tmp_path / "c").rglob("*.h") if "rescomp_clamp(average" in path.read_text()]
    for wrong in ("-limit, limit + 100", "-limit - 100, limit"):
        kept = [path.read_text() for path in faulty]
        for path, text in zip(faulty, kept, strict=True):
            assert "-limit, limit)" in text
            path.write_text(text.replace("-limit, limit)", f"{wrong})"))
        x, lengths = random_sequences(np.random.default_rng(3), deciding, count=4, longest=9)
        (answer,) = load_witness("c").run_uses(Job(deciding, tmp_path, x.astype(np.int16), lengths))
        assert answer.first.startswith("the decision on any bits, and its state")
        for path, text in zip(faulty, kept, strict=True):
            path.write_text(text)
    assert faulty


def test_a_policy_is_part_of_the_graph_s_file_and_digest(model):
    each = replace(model, policy=StreamPolicy(2, 1, 3))
    verify_model(each)
    assert decode(*encode(each)).policy == StreamPolicy(2, 1, 3)
    assert digest(each) != digest(model) == digest(replace(each, policy=None))


@pytest.mark.parametrize("wrong", [{"gap": -1}, {"rail": 4097}, {"half_window": 1 << 16}])
def test_numbers_without_a_meaning_are_refused(wrong, model, random_block):
    with pytest.raises(UnsupportedError, match=r"a stream's \w+ of -?\d+ steps is outside 0\.\.4096"):
        decode(*encode(replace(model, policy=StreamPolicy(**wrong))))
    with pytest.raises(UnsupportedError, match="block keeps no state"):
        verify_model(replace(random_block(np.random.default_rng(0)), policy=StreamPolicy()))


def test_a_policy_of_another_form_is_refused(model):
    document, arrays = encode(replace(model, policy=StreamPolicy(2, 1, 3)))
    for old, new in ((b'"gap": 2', b'"gap": "2"'), (b'"gap": 2', b'"gaps": 2'), (b'"gap": 2', b'"gap": true')):
        with pytest.raises(InputError):
            decode(document.replace(old, new), arrays)


WILD = """
#include "tiny.h"
#include <stdio.h>

int main(void)
{
    static tiny_stream stream;
    static int16_t reading[TINY_INPUT_SIZE], scores[TINY_CLASSES];
    uint32_t word = 1;
    int decided = 0;

    for (int round = 0; round < 3000; ++round) {
        for (uint32_t i = 0; i < sizeof stream; ++i) {
            word = word * 1664525u + 1013904223u;
            ((uint8_t *)&stream)[i] = round % 3 ? (uint8_t)(word >> 24) : (uint8_t)(round % 2 ? 0xff : 0x80);
        }
        for (int step = 0; step < 4; ++step) {
            if (word >> (step + 8) & 1) {
                tiny_gap(&stream);
            } else {
                tiny_stream_step(&stream, reading);
            }
            tiny_stream_scores(&stream, scores);
            const int16_t decision = tiny_stream_decide(&stream, scores);
            decided += decision >= TINY_NO_DECISION && decision < TINY_CLASSES;
        }
    }
    printf("%d", decided);
    return 0;
}
"""


def test_any_bits_may_stand_in_a_stream(model, tmp_path):
    """Under the sanitizers: nothing is read or written outside, nothing is undefined, and every decision is one."""
    write_export(tmp_path, replace(with_decision(model, Decision(2, 30, 2, 1)), policy=StreamPolicy(2, 1, 3)))
    (tmp_path / "wild.c").write_text(WILD)
    sources = [tmp_path / "wild.c", *exported_sources(tmp_path, model)]
    command = ["gcc", "-std=c99", *SANITIZED.flags, f"-I{tmp_path}", "-o", "wild", *map(str, sources)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    assert subprocess.run([tmp_path / "wild"], capture_output=True, check=True, timeout=120).stdout == b"12000"
