"""verify's long run: the state is never reset, every witness that can gives every state and score, and report.json says how far it went."""

import itertools
import json
import re

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import ParityError
from rescomp.export.c import export_c
from rescomp.graph.evaluate import evaluate
from rescomp.model_directory import ModelDirectory, to_json
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.stream_proof import FEWEST_STEPS, HOST_STEPS, NAMING_STEPS, WRONG_STEPS, LongRunSet
from rescomp.validate.stream_inputs import STRETCH_STEPS, stream_inputs


def of_stream(path, steps):
    """The evidence by witness and variant."""
    report = json.loads((path / "report.json").read_text())
    return {(entry["witness"], entry["variant"]): entry for entry in report["evidence"] if entry["steps"] == steps}


def test_each_witness_carries_its_state_through_the_stream(model_dir, capsys):
    directory = ModelDirectory.open(model_dir)
    model = read_model(directory)
    assert main(["verify", str(model_dir), "--against", "onnxruntime,tflite:reference,tflite-micro,c,torch"]) == 0
    out = capsys.readouterr().out
    assert (
        f"stream, its state never reset: c: {HOST_STEPS:,} steps; onnxruntime, tflite:reference, tflite-micro, torch: {FEWEST_STEPS} steps"
        in out
    )
    assert re.search(r"of [\d,]+ values in 10,000 steps lie at an end of their format: clamps from below [\d,]+", out)
    assert "not seen: onnxruntime: the stream: model_sequence.onnx gives scores at the end of a sequence alone" in out
    a_step = 8 + 3
    quick, host = of_stream(model_dir, FEWEST_STEPS), of_stream(model_dir, HOST_STEPS)
    assert {witness for witness, _ in quick} == {"onnxruntime", "tflite:reference", "tflite-micro", "torch"}
    assert {entry["compared"] for entry in quick.values()} == {a_step * FEWEST_STEPS}
    assert [entry["compared"] for entry in host.values()] == [a_step * HOST_STEPS] * 2
    stream = LongRunSet.of(model, read_vectors(directory, model), None, 0)
    states = evaluate(model, stream.x[None, :HOST_STEPS]).states[0]
    low, high = (getattr(model.graphs["step"].state_inputs[0].type.format, end) for end in ("low", "high"))
    summary = json.loads((model_dir / "report.json").read_text())["stream"]
    assert summary["states"] == states.size
    assert summary["states_at_ends"] == int(((states == low) | (states == high)).sum())


def test_a_longer_stream_stays_beside_a_shorter_one_and_check_sees_both(model_dir):
    stages.verify(model_dir, "c", stream_steps=700)
    found = stages.verify(model_dir, "c", stream_steps=500)
    assert found.streams == {500: ["c"]}
    assert len(of_stream(model_dir, 700)) == len(of_stream(model_dir, 500)) == 2
    assert found.report.stream.steps == 700
    limits = model_dir.parent / "limits.toml"
    limits.write_text("[parity]\nstream_steps = 700\n")
    assert "stream, 700 steps" in stages.check(model_dir, limits=limits).as_markdown()
    limits.write_text("[parity]\nwitnesses = ['c']\nstream_steps = 701\n")
    with pytest.raises(ParityError, match=r"c ran 700 steps without a reset, and the limits want 701: verify with --stream-steps 701"):
        stages.check(model_dir, limits=limits).raise_failures()
    stages.verify(model_dir, "c", stream_steps=800)
    assert not of_stream(model_dir, 700)
    report = json.loads((model_dir / "report.json").read_text())
    for entry in report["evidence"]:
        entry["compared"] -= entry["steps"] == 800
    ModelDirectory(model_dir).write({"report.json": to_json(report)})
    with pytest.raises(ParityError, match=r"compared 8,799 of 8,800 values of the stream set"):
        stages.check(model_dir).raise_failures()


def test_evidence_of_nothing_is_none(model_dir):
    stages.verify(model_dir, "c")
    report = json.loads((model_dir / "report.json").read_text())
    for entry in report["evidence"]:
        entry["compared"] *= entry["set"] in ("test", "stream")
    ModelDirectory(model_dir).write({"report.json": to_json(report)})
    said = [
        re.search(r"compared (?:nothing|0 of [\d,]+ values) of the (\w+) set: run verify again", failure)[1]
        for failure in stages.check(model_dir).mismatch_failures
    ]
    assert sorted(said) == ["files", "header", "layers", "stress", "stress"]


def test_what_is_printed_and_json_are_of_this_run_alone(model_dir, capsys):
    stages.verify(model_dir, "c", stream_steps=700)
    short = ["verify", str(model_dir), "--against", "c", "--stress", "off", "--stream-steps", "100"]
    assert main([*short, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["stream"]["steps"] == 100 == max(entry["steps"] or 0 for entry in document["evidence"])
    assert (set(document["vectors"]), set(document["coverage"])) == ({"test", "stream"}, {"test", "not_seen"})
    assert main(short) == 0
    out = capsys.readouterr().out
    assert re.search(r"of [\d,]+ values in 100 steps lie", out)
    assert re.search(r"reached +test set +of reachable", out)
    report = json.loads((model_dir / "report.json").read_text())
    assert (report["stream"]["steps"], "stress" in report["coverage"]) == (700, True)


FAULT = """    static unsigned long steps;
    if (++steps >= 300) {
        state->STATE[2] ^= 1024;
    }
"""
"""Counted in one process: no test or stress sequence alone lasts so long."""


def test_a_fault_that_comes_late_is_found_where_it_comes(model_dir):
    directory = ModelDirectory(model_dir)
    model, name = read_model(directory), "c/three_gestures.c"
    (state,) = model.graphs["step"].state_inputs
    text = (model_dir / name).read_text()
    begin = text.index("{\n", text.index("void three_gestures_step(")) + 2
    late = FAULT.replace("STATE", state.name)
    directory.write({name: (text[:begin] + late + text[begin:]).encode()})
    found = stages.verify(model_dir, "c", stress="off", samples=5, stream_steps=5000, compare_files=False)
    streamed = [entry for entry in found.witnesses if entry.set == "stream"]
    assert all(re.search(rf"differs on the stream set in .* sequence 0, step 299, {state.name}\[", entry.failure) for entry in streamed)
    assert {entry.steps for entry in streamed} == {299 + WRONG_STEPS}
    assert len({entry.variant for entry in streamed}) > len({(entry.compared, entry.mismatches) for entry in streamed}) == 1


def test_a_state_of_the_decision_that_is_spoiled_late_is_named_where_no_decision_shows_it(model_dir):
    stages.quantize(model_dir, overrides=["decide.smoothing=3", "decide.margin=0.25", "quantize.epochs=0"])
    directory, name = ModelDirectory(model_dir), "c/three_gestures.c"
    directory.write({f"c/{name}": data for name, data in export_c(read_model(directory)).items()})
    text, end = (model_dir / name).read_text(), "    return decision[0];"
    late = "    static unsigned long steps;\n    if (++steps == 990) {\n        state->decide_average[1] ^= 1;\n    }\n"
    directory.write({name: text.replace(end, late + end).encode()})
    found = stages.verify(model_dir, "c", stress="off", samples=5, stream_steps=1000, compare_files=False)
    for entry in (entry for entry in found.witnesses if entry.set == "stream"):
        assert re.search(r"differs on the stream set in .* sequence 0, step 989, decide_average\[1\]: expected", entry.failure)
        assert entry.steps == 1000


def test_a_witness_is_followed_as_far_whoever_was_asked_before(model_dir):
    directory, steps = ModelDirectory(model_dir), 2000
    model = read_model(directory)
    vectors = read_vectors(directory, model)
    right = evaluate(model, LongRunSet.of(model, vectors, steps, 0).x[None]).states[0]
    late, rare = right.copy(), right.copy()
    late[900:] ^= 1
    rare[::20, 0] ^= 1
    ends = {"late": 900 + WRONG_STEPS, "rare": 20 * (WRONG_STEPS - 1) + 1, "right": steps}
    guesses = {"late": late, "rare": rare, "right": right}
    for order in itertools.permutations(ends):
        stream = LongRunSet.of(model, vectors, steps, 0)
        for name in order:
            assert np.array_equal(stream.reference(guesses[name]).states[0], right[: ends[name]]), (order, name)
        assert stream.summary.steps == steps


def test_the_stream_is_of_recordings_in_seeded_orders_with_stretches_between(model_dir):
    directory = ModelDirectory(model_dir)
    model = read_model(directory)
    vectors, t = read_vectors(directory, model), model.input.type
    made = stream_inputs(t, vectors.x, vectors.lengths, 900)
    assert np.array_equal(made[:400], stream_inputs(t, vectors.x, vectors.lengths, 400))
    rows = {reading.tobytes() for recording, length in zip(vectors.x, vectors.lengths, strict=True) for reading in recording[:length]}
    strange = np.array([row.tobytes() not in rows for row in made])
    assert 0.2 < strange.mean() < 0.9
    edges = np.flatnonzero(np.diff(np.concatenate([[0], strange, [0]])))
    stretches = list(zip(edges[::2], edges[1::2], strict=True))
    assert max(end - begin for begin, end in stretches) <= STRETCH_STEPS
    held = [(made[begin:end] == made[begin]).all() for begin, end in stretches if end - begin > 1]
    assert 0 < sum(held) < len(held)


@pytest.mark.parametrize(
    ("options", "said"), [(("--stream-steps", "0"), "from 1 on"), (("--stream-steps", str(10**9)), "steps can be held at once")]
)
def test_a_number_of_steps_that_cannot_be_is_refused(model_dir, capsys, options, said):
    assert main(["verify", str(model_dir), "--against", "c", *options]) == 2
    assert said in capsys.readouterr().err


def test_without_the_stress_set_no_stream_is_run_unless_it_is_asked_for(model_dir):
    assert stages.verify(model_dir, "c", stress="off").streams == {}
    assert stages.verify(model_dir, "c", samples=3).streams == {}
    found = stages.verify(model_dir, "c", stress="off", stream_steps=NAMING_STEPS + 1)
    assert found.streams == {NAMING_STEPS + 1: ["c"]}
