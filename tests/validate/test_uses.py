"""All that a header offers beside step and scores: its numbers and names, run, classify, and several states in one process."""

import re
from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import RescompError
from rescomp.graph.evaluate import evaluate
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import compare
from rescomp.validate.registry import load_witness
from rescomp.validate.witness import Job

MODELS = [("fastgrnn", {}), ("lstm", {"layers": 2}), ("mixed", {"reads": "int8", "answers": "int16"}), ("block", {}), ("int8_block", {})]
CORES = ["cortex-m0", "riscv32imc", "atmega328p"]
LABELS = ("walking", "zu Fuß", 'a "quoted" one', "\N{SNOWMAN}")


@pytest.fixture
def used_job(request, random_sequences, tmp_path):
    """A function (cell, form) -> Job of a plain export with class names."""

    def make(cell="fastgrnn", **form):
        rng = np.random.default_rng(6)
        model = request.getfixturevalue(f"random_{cell}")(rng, **form)
        if model.output.type.size == len(LABELS):
            model = replace(model, classes=LABELS)
        write_export(tmp_path / "c", model)
        if model.is_recurrent:
            x, lengths = random_sequences(rng, model, count=12, longest=9)
        else:
            t = model.input.type
            x, lengths = rng.integers(t.format.low, t.format.high + 1, (12, *t.shape)), np.ones(12, np.int64)
        return Job(model, tmp_path, x.astype(np.int16), lengths)

    return make


def answer_of(job, name="c"):
    (answer,) = load_witness(name).run_uses(job)
    return answer


def patch(job, name, pattern, new):
    path = job.directory / "c" / name
    text, count = re.subn(pattern, new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


@pytest.mark.parametrize(("cell", "form"), MODELS, ids=str)
def test_an_export_keeps_what_its_header_promises(used_job, cell, form):
    answer = answer_of(used_job(cell, **form))
    assert (answer.mismatches, answer.first, answer.small) == (0, "", False)
    assert answer.compared > 30


@pytest.mark.parametrize("core", CORES)
def test_so_it_does_on_every_family_of_cores(used_job, emulated, core):
    answer = answer_of(replace(used_job(), argument=core), emulated(core).family.witness)
    assert (answer.mismatches, answer.first) == (0, "")


FAULTS = {
    "a fraction": ("tiny.h", r"TINY_INPUT_FRACTION_BITS \d+", "TINY_INPUT_FRACTION_BITS 5", "TINY_INPUT_FRACTION_BITS is 5"),
    "a bound": ("tiny.h", r"TINY_SCORE_LOW \(-\d+\)", "TINY_SCORE_LOW (-32767)", "TINY_SCORE_LOW is -32767"),
    "a layer": ("tiny.h", r"TINY_LAYER_SCORES \d+", "TINY_LAYER_SCORES 0", "TINY_LAYER_SCORES is 0"),
    "a class": ("tiny.h", r'"walking"', '"wolking"', "tiny_class_names[0] is "),
    "the graph": ("tiny.h", r'GRAPH_SHA256 "(.)', 'GRAPH_SHA256 "x', "TINY_GRAPH_SHA256 is 'x"),
    "run that begins nowhere": ("tiny.c", r"\n    tiny_init\(state\);\n    while", "\n    while", "the scores of run is"),
    "run that stands still": ("tiny.c", r"input \+= TINY_INPUT_SIZE;", "input += 0;", "the scores of run is"),
    "run of one step less": ("tiny.c", r"while \(steps-- > 0\)", "while (--steps > 0)", "the scores of run is"),
    "init of nothing": ("tiny.c", r"memset\(state->h, 0, sizeof state->h\);", "(void)state;", "the scores of run is"),
    "the last among equals": ("tiny.c", r"scores\[i\] > scores\[best\]", "scores[i] >= scores[best]", "the answer of classify to equal"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_broken_promise_is_named(used_job, name):
    file, pattern, new, said = FAULTS[name]
    job = used_job()
    patch(job, file, pattern, new)
    answer = answer_of(job)
    assert answer.mismatches > 0
    assert said in answer.first
    assert answer.first.isprintable()


def test_a_state_that_is_wrong_is_named_by_its_entry(used_job):
    job = used_job()
    cleared = "memset(state->h, 0, sizeof state->h);"
    patch(job, "tiny.c", r"(void tiny_init\(tiny_state \*state\)\n\{\n(?:.*\n)*?)\}\n", r"\1    state->h[1] = 71;\n}\n")
    patch(job, "tiny.c", r"(\n    tiny_init\(state\);\n)(    while)", rf"\1    {cleared}\n\2")
    answer = answer_of(job)
    assert answer.first == "the state that init gives, h[1], is 71 instead of 0"


def test_two_states_that_share_memory_are_seen(used_job):
    """Every step works on one state that init clears, and copies it to its caller's: alone, each sequence is right."""
    job = used_job()
    patch(
        job,
        "tiny.c",
        r"(void tiny_init\(tiny_state \*state\)\n\{\n)",
        r"static tiny_state shared;\n\n\1    memset(&shared, 0, sizeof shared);\n",
    )
    patch(job, "tiny.c", r"(void tiny_step\(tiny_state )\*state(, .*)\n\{\n", r"\1*caller\2\n{\n    tiny_state *const state = &shared;\n")
    path = job.directory / "c" / "tiny.c"
    text = path.read_text()
    end = text.index("\n}\n", text.index("void tiny_step(tiny_state *caller"))
    path.write_text(text[:end] + "\n    memcpy(caller->h, shared.h, sizeof shared.h);" + text[end:])
    reference = evaluate(job.model, job.x.astype(np.int64), job.lengths)
    assert [compare(job, reference, answer.trajectory).mismatches for answer in load_witness("c").answers(job)] == [0, 0]
    assert answer_of(job).first.startswith("a second state in turns with the first after step 0")


def test_a_header_without_a_number_does_not_compile(used_job):
    job = used_job()
    patch(job, "tiny.h", r"#define TINY_CONST_BYTES.*\n", "")
    with pytest.raises(RescompError, match="CONST_BYTES"):
        answer_of(job)
