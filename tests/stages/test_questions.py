"""What verify asked stands in report.json beside what was found, so that nothing of it can be away unnoticed."""

import json
import shutil

import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.model_directory import REPORT, ModelDirectory, to_json


@pytest.fixture(scope="module")
def verified_once(finished, tmp_path_factory):
    """Asked for everything, of which not every witness can be asked all."""
    path = shutil.copytree(finished, tmp_path_factory.mktemp("asked") / "model")
    stages.verify(path, "onnxruntime,tflite:reference,c")
    return path


@pytest.fixture
def verified(verified_once, tmp_path):
    return shutil.copytree(verified_once, tmp_path / "verified")


def report_of(path):
    return json.loads((path / REPORT).read_text())


def failures_of(path, report):
    """As somebody would leave a report who repairs SHA256SUMS too."""
    ModelDirectory(path).write({REPORT: to_json(report)})
    return list(stages.check(path).mismatch_failures)


def without(report, sets):
    kept = [entry for entry in report["evidence"] if entry["set"] not in sets]
    vectors = {name: each for name, each in report["vectors"].items() if name not in sets}
    coverage = {name: each for name, each in report["coverage"].items() if name not in sets}
    return {**report, "evidence": kept, "vectors": vectors, "coverage": coverage, "stream": None}


def test_a_report_says_what_each_witness_was_asked(verified):
    asked = {each["witness"]: each for each in report_of(verified)["questions"]}
    assert set(asked) == {"onnxruntime", "tflite:reference", "c"}
    assert {(each["stress"], each["compare_files"], "samples" in each, "build" in each) for each in asked.values()} == {
        ("quick", True, False, False)
    }
    assert {name: each["stream_steps"] for name, each in asked.items()} == {"c": 10_000, "onnxruntime": 256, "tflite:reference": 256}
    assert asked["c"]["answered"]["stress"] == ["gcc -O2", "gcc -O1 sanitized"]
    assert "header" not in asked["onnxruntime"]["answered"]
    assert asked["c"]["files"] == next(entry["files"] for entry in report_of(verified)["evidence"] if entry["witness"] == "c")
    assert stages.check(verified).passed


def test_a_report_stripped_to_what_less_would_have_left_is_refused(verified):
    stripped = without(report_of(verified), ("stress", "layers", "stream"))
    found = failures_of(verified, stripped)
    assert {text.partition(" left")[0] for text in found} == {"onnxruntime", "tflite:reference", "c"}
    assert sum("which verify asked it for: run verify again" in text for text in found) == len(found) == 9
    lied = [{**each, "stress": "off", "stream_steps": None} for each in stripped["questions"]]
    assert len(failures_of(verified, {**stripped, "questions": lied})) == 9
    parts = ("test", "header", "files")
    lied = [{**each, "answered": {name: who for name, who in each["answered"].items() if name in parts}} for each in stripped["questions"]]
    assert len(failures_of(verified, {**stripped, "questions": lied})) == 8  # a variant of onnxruntime runs no stream, which a note says


def test_any_one_piece_of_evidence_that_is_away_is_named(verified):
    report = report_of(verified)
    several = {(entry["witness"], entry["set"]) for entry in report["evidence"] if entry["set"] not in ("header", "files")}
    for place, gone in enumerate(report["evidence"]):
        kept = [entry for number, entry in enumerate(report["evidence"]) if number != place]
        (said,) = failures_of(verified, {**report, "evidence": kept, "stream": None})
        alone = (gone["witness"], gone["set"]) not in several or gone["witness"] == "tflite:reference"
        who = gone["witness"] if alone or (gone["witness"], gone["set"]) == ("c", "layers") else f"{gone['witness']} ({gone['variant']})"
        assert said.startswith(f"{who} left no evidence on ")


def test_a_whole_witness_that_is_away_is_named(verified):
    report = report_of(verified)
    kept = [entry for entry in report["evidence"] if entry["witness"] != "tflite:reference"]
    found = failures_of(verified, {**report, "evidence": kept})
    assert {text.partition(" left")[0] for text in found} == {"tflite:reference"}
    path = verified / "model.tflite"
    ModelDirectory(verified).write({"model.tflite": path.read_bytes() + b"\0"})
    with pytest.raises(InputError, match=r"model\.tflite is not the file that tflite:reference was compared on: run `rescomp verify"):
        stages.check(verified)
    ModelDirectory.open(verified).remove("model.tflite")
    assert stages.check(verified).passed


def test_less_than_the_steps_that_were_asked_for_is_too_little(verified):
    report = report_of(verified)
    model_steps = [entry for entry in report["evidence"] if entry["set"] == "stream" and entry["witness"] == "c"]
    for entry in model_steps:
        entry.update(compared=entry["compared"] // 10_000 * 300, steps=300)
    (said,) = failures_of(verified, {**report, "stream": None})
    assert said.startswith("c left no evidence on the stream set")


def test_a_report_of_an_earlier_version_is_read_and_what_that_means_is_said(verified, capsys):
    report = {name: part for name, part in report_of(verified).items() if name != "questions"}
    assert failures_of(verified, report) == []
    assert main(["check", str(verified)]) == 0
    printed = capsys.readouterr().out
    for name in ("c", "onnxruntime", "tflite:reference"):
        assert f"not seen: {name}: whether something was taken out of its evidence: report.json does not say what it was asked" in printed
    stages.verify(verified, "c", stress="off")
    assert [line.partition(":")[0] for line in stages.check(verified).not_seen if "taken out" in line] == ["onnxruntime", "tflite"]
    assert [each["witness"] for each in report_of(verified)["questions"]] == ["c"]


def test_runs_that_ask_less_leave_what_was_asked_before(verified):
    stages.verify(verified, "c", stress="off", samples=3)
    stages.verify(verified, "c", stress="off", stream_steps=300)
    report = report_of(verified)
    asked = [each for each in report["questions"] if each["witness"] == "c"]
    assert sorted((each.get("samples", 0), each.get("stream_steps", 0), sorted(each["answered"])) for each in asked) == [
        (0, 300, ["files", "header", "stream", "test"]),
        (0, 10_000, ["layers", "stream", "stress"]),
    ]
    assert stages.check(verified).passed
    assert len(failures_of(verified, without(report, ("stress", "layers")))) == 6
