"""report.json: what it binds evidence to, what survives, and what a damaged or a foreign one ends with."""

import json
import re

import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError, ParityError
from rescomp.graph.serialize import digest
from rescomp.model_directory import REPORT, ModelDirectory, to_json
from rescomp.stages.artefacts import read_model
from rescomp.stages.evidence import Report, parse_report


@pytest.fixture(scope="module")
def verified_once(finished, tmp_path_factory):
    """report.json of the three witnesses that need no training packages."""
    import shutil

    path = shutil.copytree(finished, tmp_path_factory.mktemp("verified") / "model")
    stages.verify(path, "onnxruntime,tflite,c")
    return path


@pytest.fixture
def verified(verified_once, tmp_path):
    import shutil

    return shutil.copytree(verified_once, tmp_path / "verified")


def report_of(path):
    return json.loads((path / REPORT).read_text())


def rewrite(path, document):
    """As somebody would who repairs SHA256SUMS too."""
    ModelDirectory(path).write({REPORT: document if isinstance(document, bytes) else to_json(document)})


def witnesses(path):
    return {entry["witness"] for entry in report_of(path)["evidence"]}


def test_a_report_names_graph_vectors_and_every_file_that_was_read(verified):
    directory = ModelDirectory.open(verified)
    report = report_of(verified)
    assert report["schema"] == 2
    assert report["graph_sha256"] == digest(read_model(directory)) == directory.manifest()["graph_sha256"]
    assert report["vectors"]["test"]["sequences"] == 24
    sums = dict(reversed(line.split("  ")) for line in (verified / "SHA256SUMS").read_text().splitlines())
    assert all(sums[name] == sha256 for entry in report["evidence"] for name, sha256 in entry["files"].items())
    read = {entry["witness"]: set(entry["files"]) for entry in report["evidence"]}
    assert read["onnxruntime"] == {"model.onnx", "model_sequence.onnx"}
    assert read["tflite"] == {"model.tflite"}
    assert {"c/three_gestures.c", "c/three_gestures.h", "c/rescomp/rescomp_math.h"} < read["c"]


def test_a_later_verify_keeps_the_evidence_of_other_witnesses(verified):
    before = report_of(verified)
    stages.verify(verified, "c")
    assert report_of(verified) == before
    stages.check(verified).raise_failures()


def test_evidence_survives_an_export_that_changes_no_byte(verified):
    before = report_of(verified)
    stages.export(verified)
    assert report_of(verified) == before
    assert {entry.witness for entry in stages.check(verified).witnesses} == {"onnxruntime", "tflite", "c"}


def test_evidence_on_a_file_that_changed_is_dropped_by_the_next_verify_and_refused_until_then(verified):
    directory = ModelDirectory.open(verified)
    directory.write({"model.onnx": (verified / "model.onnx").read_bytes() + bytes([0x62, 0])})
    with pytest.raises(InputError, match=r"model\.onnx is not the file that onnxruntime \(.*rescomp verify"):
        stages.check(verified)
    stages.verify(verified, "c")
    assert witnesses(verified) == {"tflite", "c"}
    stages.check(verified).raise_failures()


def test_evidence_on_a_file_that_is_gone_does_not_count(verified):
    ModelDirectory.open(verified).remove("model.tflite")
    assert {entry.witness for entry in stages.check(verified).witnesses} == {"onnxruntime", "c"}


def test_evidence_on_other_vectors_does_not_count(verified, model_dir):
    directory = ModelDirectory.open(verified)
    from rescomp.graph.serialize import from_npz, to_npz

    arrays = from_npz((verified / "vectors/test.npz").read_bytes(), "vectors")
    directory.write({"vectors/test.npz": to_npz({**arrays, "labels": (arrays["labels"] + 1) % 3})})
    with pytest.raises(InputError, match=r"vectors/test\.npz is not what was compared.*rescomp verify"):
        stages.check(verified)


@pytest.mark.parametrize("failure", [None, "", "c differs"])
def test_a_mismatch_fails_whatever_is_said_of_it(verified, failure):
    report = report_of(verified)
    report["evidence"][2].update(mismatches=700, failure=failure)
    rewrite(verified, report)
    with pytest.raises(ParityError, match="differs"):
        stages.check(verified).raise_failures()
    assert main(["check", str(verified)]) == 3


def test_a_report_of_another_model_is_refused(verified, capsys):
    report = report_of(verified)
    other = "0123456789ab" + report["graph_sha256"][12:]
    rewrite(verified, {**report, "graph_sha256": other})
    assert main(["check", str(verified)]) == 2
    assert re.search(r"report\.json is of another model \(graph 0123456789ab, not .*rescomp verify", capsys.readouterr().err)
    stages.verify(verified, "c")
    assert witnesses(verified) == {"c"}


def test_a_report_of_an_older_or_a_newer_rescomp_is_refused_with_its_version(verified, capsys):
    older = {"schema": 1, "accuracy": {"integer": 1.0}, "witnesses": [], "failures": [], "not_run": []}
    for document, said in ((older, "has schema 1, which does not say"), ({**report_of(verified), "schema": 3}, "has schema 3")):
        rewrite(verified, document)
        assert main(["check", str(verified)]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert f"run `rescomp verify {verified}` again" in error
    assert main(["verify", str(verified), "--against", "c"]) == 0
    assert main(["check", str(verified)]) == 0


def damage(**changes):
    """A function that changes the first entry of the evidence."""
    return lambda report: {**report, "evidence": [{**report["evidence"][0], **changes}, *report["evidence"][1:]]}


DAMAGED = {
    "another type": damage(compared="12"),
    "a truth value": damage(mismatches=False),
    "a fraction": damage(compared=12.5),
    "a negative count": damage(compared=-1),
    "more mismatches than values": damage(compared=2, mismatches=3),
    "an unknown key of an entry": damage(verdict="equal"),
    "an unknown witness": damage(witness="oracle"),
    "an unknown core": damage(witness="qemu:cortex-m99"),
    "two witnesses": damage(witness="c,tflite"),
    "an unknown set": damage(set="lucky"),
    "a set without vectors": damage(set="stress"),
    "no digest": damage(files={"model.onnx": "equal"}),
    "a digest with a line behind it": damage(files={"model.onnx": "0" * 64 + "\n"}),
    "a file elsewhere": damage(files={"../other/model.onnx": "0" * 64}),
    "an absolute file": damage(files={"/model.onnx": "0" * 64}),
    "more sequences than there are": damage(sampled=25),
    "no sequences": damage(sampled=0),
    "a text for the terminal": damage(version="\x1b[2J"),
    "an entry twice": lambda report: {**report, "evidence": [*report["evidence"], report["evidence"][0]]},
    "an unknown key": lambda report: {**report, "verdict": "equal"},
    "a missing key": lambda report: {key: value for key, value in report.items() if key != "graph_sha256"},
    "no list": lambda report: {**report, "evidence": {"c": 0}},
    "an accuracy above one": lambda report: {**report, "accuracy": {"integer": 1.5}},
    "an accuracy in words": lambda report: {**report, "accuracy": {"integer": "1"}},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_report_is_refused_with_its_name(verified, capsys, name):
    rewrite(verified, DAMAGED[name](report_of(verified)))
    assert main(["check", str(verified)]) == 2
    assert re.search(r"report\.json is damaged, or not rescomp's \(.+\): run `rescomp verify .*` again", capsys.readouterr().err)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b"{}",
        b'{"schema": true}',
        b'{"schema": 2}',
        b"\xff\xfe",
        b'{"schema": 2, "evidence":' + b"[" * 99_999,
    ],
)
def test_what_is_no_report_is_refused(data):
    with pytest.raises(InputError, match=r"^report .+: verify again$"):
        parse_report(data, "report", "verify")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ["accuracy", "coverage"])
def test_numbers_that_are_none_are_refused(verified, number, place):
    report = {**report_of(verified), "accuracy": {"integer": 0.125}, "coverage": {"clamps": {"reached": 0.125}}}
    before = '"integer": 0.125' if place == "accuracy" else '"reached": 0.125'
    data = json.dumps(report)
    Report.model_validate_json(data)
    with pytest.raises(InputError, match="damaged"):
        parse_report(data.replace(before, before.replace("0.125", number)).encode(), "report", "verify")


def test_verify_goes_on_from_a_damaged_report_and_says_so(verified, capsys):
    rewrite(verified, b"{")
    assert main(["verify", str(verified), "--against", "c"]) == 0
    assert re.search(r"warning: earlier evidence is not kept: .*report\.json is damaged", capsys.readouterr().err)
    assert witnesses(verified) == {"c"}
