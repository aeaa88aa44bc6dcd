"""report.json: what it binds evidence to, what survives, and what a damaged or a foreign one ends with."""

import json
import re
import shutil

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError, ParityError
from rescomp.graph.serialize import digest, from_npz, to_npz
from rescomp.model_directory import REPORT, ModelDirectory, to_json
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.coverage_summary import CoverageSummary
from rescomp.stages.evidence import Evidence
from rescomp.stages.golden_vectors import Vectors, is_possible
from rescomp.stages.merging import merge
from rescomp.stages.report import parse_report, read_report
from rescomp.stages.vector_sets import golden_set
from rescomp.validate.build import Build


@pytest.fixture(scope="module")
def verified_once(finished, tmp_path_factory):
    """With report.json of the three witnesses that need no training packages."""
    path = shutil.copytree(finished, tmp_path_factory.mktemp("verified") / "model")
    stages.verify(path, "onnxruntime,tflite,c")
    return path


@pytest.fixture
def verified(verified_once, tmp_path):
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
    assert report["graph_sha256"] == digest(read_model(directory)) == directory.manifest().graph_sha256
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
    stages.export_model(verified)
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


CHANGES = {
    "x": lambda x: x + 1,
    "lengths": lambda lengths: np.maximum(lengths - 1, 1),
    "labels": lambda labels: (labels + 1) % 3,
    "scores": lambda scores: scores + 1,
    "states": lambda states: states ^ 1,
    "states_sha256": lambda sha256: sha256 ^ 1,
}


@pytest.mark.parametrize("name", CHANGES)
def test_evidence_on_other_vectors_does_not_count(verified, name):
    arrays = from_npz((verified / "vectors/test.npz").read_bytes(), "vectors")
    changed = {**arrays, name: CHANGES[name](arrays[name]).astype(arrays[name].dtype)}
    ModelDirectory.open(verified).write({"vectors/test.npz": to_npz(changed)})
    with pytest.raises(InputError, match=r"vectors/test\.npz is not of the model in .*rescomp quantize"):
        stages.check(verified)
    ModelDirectory.open(verified).update_manifest(vectors_sha256=None, accuracy={"float": 0.5})
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


FAULT = {"graph": "step", "layer": "gate", "kernel": "lookup", "channels": 1, "of_channels": 4, "steps": 2, "first_step": 0, "last_step": 3}
FAULT |= {"sequence": 0, "step": 1, "channel": 2, "expected": -3, "got": 4}


@pytest.mark.parametrize(
    ("mismatches", "change", "cause"),
    [
        (0, {}, "fault where nothing differs"),
        (7, {"channels": 5}, "more channels or steps differ than there are"),
        (7, {"steps": 5}, "more channels or steps differ than there are"),
        (7, {"kernel": "a\nb"}, "not printable"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(verified, mismatches, change, cause):
    report = report_of(verified)
    report["evidence"][2].update(mismatches=mismatches, failure="c differs", fault=FAULT | change)
    rewrite(verified, report)
    with pytest.raises(InputError, match=cause):
        stages.check(verified)


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


def cover(**changes):
    """A function that changes the coverage."""
    return lambda report: {**report, "coverage": {**report["coverage"], **changes}}


REACH = {"reached": 1, "in_model": 2, "reachable": 2, "places": 2}
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
    "no files, of a witness that reads some": damage(files={}),
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
    "more reached than can be": cover(test={"table": REACH | {"reached": 3}}),
    "more in the model than can be": cover(stress={"table": REACH | {"in_model": 3}}),
    "more that can be than there is": cover(layers={"table": REACH | {"places": 1}}),
    "a share of places": cover(test={"table": REACH | {"reached": 0.5}}),
    "an unknown kind of places": cover(test={"tables": REACH}),
    "coverage of an unknown set": cover(lucky={"table": REACH}),
    "an unknown witness that did not see": cover(not_seen={"oracle": ["nothing"]}),
    "a text for the terminal among what was not seen": cover(not_seen={"c": ["\x1b[2J"]}),
    "an unknown witness that did not run": lambda report: {**report, "not_run": ["oracle: asleep"]},
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
@pytest.mark.parametrize("before", ['"integer": 0.125', '"reached": 1'])
def test_numbers_that_are_none_are_refused(verified, number, before):
    data = json.dumps({**report_of(verified), "accuracy": {"integer": 0.125}, "coverage": {"test": {"table": REACH}}})
    assert parse_report(data.encode(), "report", "verify").coverage.test["table"].reached == 1
    with pytest.raises(InputError, match="damaged"):
        parse_report(data.replace(before, f"{before.partition(':')[0]}: {number}").encode(), "report", "verify")


def test_verify_goes_on_from_a_damaged_report_and_says_so(verified, capsys):
    rewrite(verified, b"{")
    assert main(["verify", str(verified), "--against", "c"]) == 0
    assert re.search(r"warning: earlier evidence is not kept: .*report\.json is damaged", capsys.readouterr().err)
    assert witnesses(verified) == {"c"}


# ---- what is kept


def entry_of(path, witness="c", **changes):
    """The first entry of a witness on the test set, changed."""
    found = next(entry for entry in report_of(path)["evidence"] if entry["witness"] == witness and entry["set"] == "test")
    return Evidence(**{**found, **changes})


def merged(path, *entries):
    """Evidence on the test set after a run that found `entries`, as (witness, sampled, mismatches)."""
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    earlier = read_report(directory, model)
    found = merge(earlier, earlier.model_copy(update={"evidence": entries}), directory, model).evidence
    return [
        (entry.witness, entry.sampled, entry.mismatches) for entry in found if (entry.witness, entry.set) == (entries[0].witness, "test")
    ]


def test_a_sampled_run_stands_beside_a_whole_one_and_is_replaced_by_it(verified):
    whole, sampled = entry_of(verified, "tflite"), entry_of(verified, "tflite", sampled=5, compared=90, mismatches=1)
    assert merged(verified, sampled) == [("tflite", None, 0), ("tflite", 5, 1), ("tflite", None, 0), ("tflite", None, 0)]
    rewrite(verified, {**report_of(verified), "evidence": [sampled.model_dump(mode="json")]})
    assert merged(verified, whole) == [("tflite", None, 0)]


def header_entries(path):
    """Of the sets without vectors: set, build, and how much was compared."""
    return [
        (entry["set"], entry["build"], entry["compared"]) for entry in report_of(path)["evidence"] if entry["set"] in ("files", "header")
    ]


def test_what_was_found_of_a_header_stays_beside_a_product_s_build_and_a_sampled_run(verified):
    before = header_entries(verified)
    assert [name for name, _, _ in before if name == "header"] == ["header"]
    stages.verify(verified, "c", stress="off", samples=1)
    assert header_entries(verified) == before
    stages.verify(verified, "c", stress="off", build=Build.parse("gcc", "-O1"))
    after = header_entries(verified)
    assert [entry for entry in after if not entry[1]] == before
    assert [count for name, build, count in after if name == "header" and build] == [count for name, _, count in before if name == "header"]


def test_a_product_s_build_takes_no_note_away(verified):
    directory = ModelDirectory.open(verified)
    model, earlier = read_model(directory), read_report(directory, read_model(directory))
    note = {"c": ("its header (gcc): there is no memory",)}
    noted = earlier.model_copy(update={"coverage": earlier.coverage.model_copy(update={"not_seen": note})})
    entry = entry_of(verified)
    for build, kept in (("gcc -O3", note), ("", {})):
        now = earlier.model_copy(update={"evidence": (entry.model_copy(update={"build": build}),), "coverage": CoverageSummary()})
        assert merge(noted, now, directory, model).coverage.not_seen == kept


def test_a_variant_that_is_no_more_goes_with_the_next_run_of_its_witness(verified):
    gone = entry_of(verified, "c", variant="gcc 2.95")
    rewrite(verified, {**report_of(verified), "evidence": [gone.model_dump(mode="json")]})
    assert merged(verified, entry_of(verified, "c", variant="gcc -O2")) == [("c", None, 0)]


def test_a_board_with_the_same_firmware_is_the_same_board_at_any_port(verified):
    directory = ModelDirectory.open(verified)
    directory.write({"firmware/uno/firmware.elf": bytes.fromhex(report_of(verified)["graph_sha256"])})
    files = {"firmware/uno/firmware.elf": directory._sums()["firmware/uno/firmware.elf"]}
    one, other = (entry_of(verified, files=files).model_copy(update={"witness": f"serial:/dev/ttyACM{port}"}) for port in (0, 1))
    rewrite(verified, {**report_of(verified), "evidence": [one.model_dump(mode="json")], "stream": None})
    assert [entry.witness for entry in stages.check(verified).witnesses] == ["serial:/dev/ttyACM0"]
    directory_, model = ModelDirectory.open(verified), read_model(directory)
    earlier = read_report(directory_, model)
    now = earlier.model_copy(update={"evidence": (other,)})
    assert [entry.witness for entry in merge(earlier, now, directory_, model).evidence] == ["serial:/dev/ttyACM1"]
    directory.write({"firmware/uno/firmware.elf": bytes.fromhex(report_of(verified)["graph_sha256"]) + b"\0"})
    with pytest.raises(InputError, match=r"firmware\.elf is not the file that serial"):
        stages.check(verified)


def test_a_core_exported_later_takes_the_place_of_the_plain_c_that_was_compared(verified):
    on_core = entry_of(verified, "c").model_dump(mode="json") | {"witness": "qemu:cortex-m4", "variant": "cortex-m4 -O2, c/"}
    rewrite(verified, {**report_of(verified), "evidence": [on_core], "stream": None})
    assert [entry.witness for entry in stages.check(verified).witnesses] == ["qemu:cortex-m4"]
    stages.export_model(verified, cores=["cortex-m4"])
    with pytest.raises(InputError, match=r"c-cortex-m4/.* is not the file that qemu:cortex-m4 \(.*rescomp verify"):
        stages.check(verified)


def test_export_of_a_core_writes_the_core_alone(verified, capsys):
    before = {name: (verified / name).stat().st_mtime_ns for name in ("model.onnx", "model.tflite", "c/three_gestures.c", REPORT)}
    assert main(["export", str(verified), "--core", "cortex-m4"]) == 0
    written = [line.removeprefix(f"{verified}/") for line in capsys.readouterr().out.splitlines()]
    assert "c-cortex-m4/three_gestures.c" in written
    assert {name.split("/")[0] for name in written} == {"c-cortex-m4"}
    assert {name: (verified / name).stat().st_mtime_ns for name in before} == before
    assert {entry.witness for entry in stages.check(verified).witnesses} == {"onnxruntime", "tflite", "c"}
    assert stages.check(verified).not_compared == ("c-cortex-m4",)
    assert {name.split("/")[0] for name in stages.export_model(verified, ["onnx"], cores=["cortex-m3"])} == {
        *("model.onnx", "model_sequence.onnx", "c-cortex-m3")
    }


# ---- what check demands of it


def test_exports_that_nobody_compared_are_named(model_dir, capsys):
    stages.verify(model_dir, "c")
    assert main(["check", str(model_dir)]) == 0
    assert "not compared: model.onnx, model_sequence.onnx, model.tflite" in capsys.readouterr().out
    assert "Not compared: model.onnx, model_sequence.onnx, model.tflite." in stages.check(model_dir).as_markdown()


def test_a_sampled_report_fails_unless_the_limits_allow_it(verified, tmp_path):
    directory = ModelDirectory.open(verified)
    steps = int(golden_set(read_vectors(directory, read_model(directory))).take(5).lengths.sum())
    sampled = entry_of(verified, "tflite", sampled=5, compared=8 * steps + 5 * 3).model_dump(mode="json")
    rest = [entry for entry in report_of(verified)["evidence"] if entry["witness"] != "tflite"]
    questions = [each for each in report_of(verified)["questions"] if each["witness"] != "tflite"]
    rewrite(verified, {**report_of(verified), "questions": questions, "evidence": [*rest, sampled]})
    with pytest.raises(ParityError, match=r"tflite .*5 sequences of the test set only: verify without --samples, or .*parity\.sampled"):
        stages.check(verified).raise_failures()
    limits = tmp_path / "limits.toml"
    for text, passes in (("sampled = true", True), ("sampled = false", False)):
        limits.write_text(f'[parity]\nwitnesses = ["tflite"]\n{text}\n')
        assert stages.check(verified, limits=limits).passed is passes
    whole = entry_of(verified, "tflite").model_dump(mode="json") | {
        "sampled": None,
        "compared": report_of(verified)["evidence"][0]["compared"],
    }
    rewrite(verified, {**report_of(verified), "evidence": [*rest, sampled, whole]})
    assert stages.check(verified).passed


def test_fewer_values_than_the_vectors_have_fail(verified):
    rewrite(verified, damage(compared=5)(report_of(verified)))
    with pytest.raises(ParityError, match=r"compared 5 of \d+ values"):
        stages.check(verified).raise_failures()


def test_a_witness_that_the_limits_want_must_have_compared_the_test_set(verified, tmp_path):
    report = report_of(verified)
    entries = [entry for entry in report["evidence"] if entry["set"] == ("stress" if entry["witness"] == "c" else "test")]
    rewrite(verified, {**report, "evidence": entries, "stream": None})
    limits = tmp_path / "limits.toml"
    limits.write_text('[parity]\nwitnesses = ["c"]\n')
    with pytest.raises(ParityError, match="did not ask c,"):
        stages.check(verified, limits=limits).raise_failures()


def test_an_accuracy_that_the_vectors_do_not_have_is_refused(verified, capsys):
    rewrite(verified, {**report_of(verified), "accuracy": {"integer": 0.03125}})
    assert main(["check", str(verified)]) == 2
    assert "says accuracy 3.1250%, and vectors/test.npz gives " in capsys.readouterr().err


@pytest.mark.parametrize(("integer", "sequences"), [(0.5, 23), (1.0, 24), (0.9, 24), (0.0, 48), (1.0, 0)])
def test_an_accuracy_of_the_manifest_that_the_vectors_do_not_have_is_refused(verified, capsys, integer, sequences):
    manifest = json.loads((verified / "manifest.json").read_text())
    assert manifest["data"]["test_sequences"] == 24
    said = {"accuracy": {**manifest["accuracy"], "integer": integer}, "data": {**manifest["data"], "test_sequences": sequences}}
    ModelDirectory(verified).write({"manifest.json": to_json({**manifest, **said})})
    for command in (["check"], ["verify", "--against", "c"]):
        assert main([command[0], str(verified), *command[1:]]) == 2
        assert f"manifest.json says that {integer:.2%} of {sequences} test sequences" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "sequences"), [("", 25), ("vectors = 25", 25), ("vectors = 20", 30), ("vectors = 24", 24), ("vectors = 24", 30)]
)
def test_as_many_vectors_are_kept_as_manifest_and_recipe_say(verified, asked, sequences):
    """24 of them. The accuracy may be that of more sequences."""
    directory, vectors = ModelDirectory(verified), verified / "vectors/test.npz"
    recipe = (verified / "recipe.toml").read_text().replace("[quantize]\n", f"[quantize]\n{asked}\n")
    data = json.loads((verified / "manifest.json").read_text())["data"] | {"test_sequences": sequences}
    right = round(directory.manifest().accuracy.integer * 24)
    accuracy = {"float": 0.5, "integer": right / sequences}
    directory.write({"recipe.toml": recipe.encode(), **directory.revised_manifest(data=data, accuracy=accuracy)})
    if asked == "vectors = 24":
        assert len(read_vectors(directory, read_model(directory)).x) == 24
    else:
        with pytest.raises(InputError, match=re.escape(f"says that there are {sequences} test sequences, which {vectors} contradicts")):
            read_vectors(directory, read_model(directory))


@pytest.mark.parametrize(("right", "possible"), [(4, False), (5, True), (19, True), (20, False)])
def test_an_accuracy_of_more_sequences_than_are_kept_leaves_the_others_open(right, possible):
    """Of 24 sequences ten are kept, five of them right."""
    labels = np.zeros(10, np.int64)
    scores = np.zeros((10, 2), np.int16)
    scores[:5, 1] = 1
    vectors = Vectors(np.zeros((10, 1, 1), np.int16), labels + 1, labels, scores, np.zeros((0, 0, 0), np.int16), "0" * 64)
    assert is_possible(vectors, right / 24, 24) is possible


# ---- somebody edits a file, or takes it from another model, and repairs SHA256SUMS


@pytest.fixture(scope="module")
def other(finished, tmp_path_factory):
    """Another model of the same name and shapes, verified too."""
    path = shutil.copytree(finished, tmp_path_factory.mktemp("other") / "model")
    stages.quantize(path, overrides=["quantize.epochs=0"], weights="int8")
    stages.export_model(path, ["onnx", "tflite", "c", "arduino"])
    stages.verify(path, "onnxruntime,tflite,c")
    return path


FOREIGN = {
    "graph.json": 2,
    "weights.npz": 2,
    "vectors/test.npz": 2,
    "manifest.json": 2,
    "report.json": 0,
    "model.onnx": 2,
    "model_sequence.onnx": 2,
    "model.tflite": 2,
    "c/three_gestures.c": 2,
    "c/three_gestures.h": 2,
    "c": 2,
    "package-arduino": 0,
}
"""What verify ends with; check ends with 2 for each."""


def take(path, other, name):
    """A file, or a folder, of another model."""
    source = [file for file in (other / name).rglob("*") if file.is_file()] if (other / name).is_dir() else [other / name]
    ModelDirectory(path).remove(name)
    ModelDirectory(path).write({file.relative_to(other).as_posix(): file.read_bytes() for file in source})


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_model_is_noticed(verified, other, capsys, name):
    take(verified, other, name)
    assert main(["check", str(verified)]) == 2
    assert re.search(r"another|not rescomp's|not of the model|is not the file|is not what|holds|damaged|instead", capsys.readouterr().err)
    assert main(["verify", str(verified), "--against", "onnxruntime,tflite,c"]) == FOREIGN[name]


def test_graph_and_weights_of_another_model_are_noticed(verified, other, capsys):
    take(verified, other, "graph.json")
    take(verified, other, "weights.npz")
    for command in ("check", "verify", "export", "inspect"):
        assert main([command, str(verified)]) == 2
        assert re.search(r"manifest\.json is not of the model in graph\.json: graph_sha256 differs", capsys.readouterr().err)


@pytest.mark.parametrize("name", ["weights.npz", "vectors/test.npz"])
def test_quantize_makes_what_is_not_of_its_recipe_again(verified, other, finished, name):
    take(verified, other, name)
    stages.quantize(verified)
    assert (verified / name).read_bytes() == (finished / name).read_bytes()


def test_all_of_another_model_but_the_report_is_noticed(verified, other, capsys):
    report = report_of(verified)
    shutil.rmtree(verified)
    shutil.copytree(other, verified)
    rewrite(verified, report)
    assert main(["check", str(verified)]) == 2
    assert "report.json is of another model" in capsys.readouterr().err
    with pytest.raises(InputError, match="of another model"):
        stages.export_model(verified, ["arduino"])


MANIFEST_EDITS = {
    "name": lambda manifest: {**manifest, "name": "four_gestures"},
    "classes": lambda manifest: {**manifest, "classes": manifest["classes"][::-1]},
    "contract": lambda manifest: {**manifest, "contract": 2},
    "graph_sha256": lambda manifest: {**manifest, "graph_sha256": "0" * 64},
    "graph_sha256 missing": lambda manifest: {key: value for key, value in manifest.items() if key != "graph_sha256"},
    "input.fraction_bits": lambda manifest: {**manifest, "input": {**manifest["input"], "fraction_bits": 3}},
    "input.scale": lambda manifest: {**manifest, "input": {**manifest["input"], "scale": 3.0}},
    **{
        f"input.{key}": lambda manifest, key=key, value=value: {**manifest, "input": {**manifest["input"], key: value}}
        for key, value in {"shape": [1, 4], "readings_a_step": 2, "stride": 2, "dtype": "int8", "unit": "mV", "channels": ["a"]}.items()
    },
    "input.shape []": lambda manifest: {**manifest, "input": {**manifest["input"], "shape": []}},
    "data.channels": lambda manifest: {**manifest, "data": {**manifest["data"], "channels": 5}},
    "seed": lambda manifest: {**manifest, "seed": 1},
    "formats null": lambda manifest: {**manifest, "formats": {}},
    "formats": lambda manifest: {**manifest, "formats": {**manifest["formats"], "step.h_next": {"format": "int16 Q3", "scale": 0.125}}},
}


@pytest.mark.parametrize("name", MANIFEST_EDITS)
def test_a_manifest_that_says_something_else_than_the_graph_is_refused(verified, capsys, name):
    changed = MANIFEST_EDITS[name](json.loads((verified / "manifest.json").read_text()))
    ModelDirectory(verified).write({"manifest.json": to_json(changed)})
    for command in (["check"], ["verify", "--against", "c"], ["export"], ["flash", "--board", "arduino-uno", "--dry-run"]):
        assert main([command[0], str(verified), *command[1:]]) == 2
        assert f"{name.split()[0]} differs" in capsys.readouterr().err


def test_a_class_renamed_in_the_graph_is_noticed(verified, capsys):
    text = (verified / "graph.json").read_text()
    label = json.loads(text)["classes"][0]
    ModelDirectory(verified).write({"graph.json": text.replace(f'"{label}"', '"another"', 1).encode()})
    assert main(["check", str(verified)]) == 2
    assert "differs" in capsys.readouterr().err


def test_any_byte_behind_any_compared_file_is_noticed(verified):
    """Of each kind the first file: the rest is of one loop."""
    directory = ModelDirectory(verified)
    compared = {name for entry in report_of(verified)["evidence"] for name in entry["files"]}
    for name in sorted(compared):
        data = (verified / name).read_bytes()
        directory.write({name: data + b"\n"})
        with pytest.raises(InputError, match=f"{re.escape(name)} is not the file that"):
            stages.check(verified)
        directory.write({name: data})
    stages.check(verified).raise_failures()


def test_a_file_added_to_the_c_is_noticed(verified):
    ModelDirectory(verified).write({"c/rescomp/more.c": b"int more;\n"})
    with pytest.raises(InputError, match=r"c/rescomp/more\.c is not the file that c"):
        stages.check(verified)


def test_a_header_that_names_no_graph_is_refused(verified):
    text = (verified / "c/three_gestures.h").read_text().replace("_GRAPH_SHA256", "_GRAPH")
    ModelDirectory(verified).write({"c/three_gestures.h": text.encode()})
    with pytest.raises(InputError, match="does not say of which graph it is"):
        stages.verify(verified, "c")


def test_firmware_of_another_graph_is_noticed(verified):
    ModelDirectory(verified).write({"firmware/uno/firmware.elf": b"\x7fELF" + bytes(32)})
    with pytest.raises(InputError, match=r"firmware/uno/firmware\.elf is not of this model's graph .*rescomp flash"):
        stages.check(verified)


def test_evidence_without_decisions_fails_for_a_model_that_takes_them(model_dir):
    """But for the variants that end with the scores, whose evidence holds none."""
    stages.quantize(model_dir, overrides=["decide.margin=0.25", "quantize.epochs=0"])
    stages.export_model(model_dir)
    stages.verify(model_dir, "onnxruntime,tflite:reference,c", stress="off", stream_steps=300)
    stages.check(model_dir).raise_failures()
    report = report_of(model_dir)
    steps = {"test": int(read_vectors(ModelDirectory(model_dir), read_model(ModelDirectory(model_dir))).lengths.sum()), "stream": 300}
    for entry in report["evidence"]:
        entry["compared"] -= steps.get(entry["set"], 0)
    rewrite(model_dir, report)
    said = [
        failure for failure in stages.check(model_dir).mismatch_failures if "of the test set" in failure or "of the stream set" in failure
    ]
    assert len(said) == sum(entry["set"] in steps for entry in report["evidence"]) == 6 + 5
    for entry in report["evidence"]:
        ends = entry["witness"] == "tflite:reference" or entry["variant"] == "sequence"
        entry["compared"] += steps.get(entry["set"], 0) + ends * steps.get(entry["set"], 0)
    rewrite(model_dir, report)
    said = [
        re.match(r"(\w+).* compared ([\d,]+) of ([\d,]+) values", failure).groups() for failure in stages.check(model_dir).mismatch_failures
    ]
    assert sorted(name for name, _, _ in said) == ["onnxruntime", "tflite", "tflite"]


LIES = {
    "the stress set": lambda report: report["vectors"]["stress"].update(sha256="0" * 64),
    "fewer stress sequences": lambda report: report["vectors"]["stress"].update(sequences=12),
    "a stress set that is not there": lambda report: report["vectors"].update({"stress full": report["vectors"]["stress"]}),
    "the stream": lambda report: report["vectors"]["stream"].update(sha256="0" * 64),
    "more steps": lambda report: report["stream"].update(steps=1_000_000),
    "fewer states": lambda report: report["stream"].update(states=report["stream"]["states"] - 1),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_report_tells_the_sets_and_the_stream_that_the_model_has(verified, lie):
    report = report_of(verified)
    LIES[lie](report)
    rewrite(verified, report)
    with pytest.raises(
        InputError, match=r"report.json tells (another stre.* set than is made|[\d,]+ values in .* of the stream, and 10,000 steps)"
    ):
        stages.check(verified)


def test_the_summary_of_a_stream_goes_with_its_evidence(verified):
    directory = ModelDirectory.open(verified)
    directory.write({"c/three_gestures.c": (verified / "c/three_gestures.c").read_bytes() + b"/* changed */\n"})
    found = stages.verify(verified, "onnxruntime", stream_steps=40)
    assert {entry.witness: entry.steps for entry in found.report.evidence if entry.steps} == {"tflite": 256, "onnxruntime": 256}
    assert found.report.stream is None
    stages.check(verified).raise_failures()


GONE = {
    r"c left no evidence on its header": lambda entry: entry["set"] == "header",
    r"c left no evidence on its files": lambda entry: (entry["witness"], entry["set"]) == ("c", "files"),
    r"c left no evidence on the stream set": lambda entry: (entry["witness"], entry["set"]) == ("c", "stream"),
    r"c left no evidence on the layers set": lambda entry: (entry["witness"], entry["set"]) == ("c", "layers"),
    r"c left no evidence on the stress set": lambda entry: (entry["witness"], entry["set"]) == ("c", "stress"),
    **{
        rf"c \({variant}\) left no evidence on the {name} set": lambda entry, one=(name, variant): (entry["set"], entry["variant"]) == one
        for variant in ("gcc -O2", "gcc -O1 sanitized")
        for name in ("test", "stress", "stream")
    },
}


def test_evidence_that_one_run_of_the_c_leaves_cannot_be_away(verified):
    report = report_of(verified)
    for said, gone in GONE.items():
        rewrite(verified, {**report, "evidence": [entry for entry in report["evidence"] if not gone(entry)], "stream": None})
        failures = stages.check(verified).mismatch_failures
        assert len(failures) == 1, (said, failures)
        assert re.match(said, failures[0])


@pytest.mark.parametrize("options", [{"stress": "off"}, {"samples": 5}, {"stress": "off", "stream_steps": 20}, {"samples": 10**6}])
def test_what_a_run_was_told_to_leave_out_may_be_away(model_dir, tmp_path, options):
    stages.verify(model_dir, "c", **options)
    limits = tmp_path / "limits.toml"
    limits.write_text("[parity]\nwitnesses = ['c']\nsampled = true\n")
    stages.check(model_dir, limits=limits).raise_failures()
