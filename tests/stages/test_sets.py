"""What verify compares on beside the test set: a stress set, single layers, and the bytes of the files at hand."""

import json
import re
import shutil

import pytest

from rescomp import __version__, stages
from rescomp.cli import main
from rescomp.errors import ParityError
from rescomp.model_directory import REPORT, ModelDirectory
from rescomp.printing import print_check
from rescomp.stages.artefacts import read_model
from rescomp.stages.fresh_files import compare_with_fresh
from rescomp.validate.build import Build


def report_of(path):
    return json.loads((path / REPORT).read_text())


def change(path, name, old, new, count=1):
    """Change a file as whoever repairs SHA256SUMS too."""
    directory = ModelDirectory.open(path)
    data = directory.read(name)
    assert data.count(old) >= 1
    directory.write({name: data.replace(old, new, count)})


def test_every_witness_is_asked_on_every_set_that_it_can_be_asked_on(model_dir):
    result = stages.verify(model_dir)
    assert result.failures == ()
    found = {(entry.witness, entry.variant): set() for entry in result.witnesses}
    for entry in result.witnesses:
        found[entry.witness, entry.variant].add(entry.set)
    everything = {"test", "stress", "layers", "stream"}
    assert found.pop(("onnxruntime", "sequence")) == {"test", "stress", "layers"}
    assert found.pop(("c", "gcc -O1 sanitized, header, run and classify")) == {"header"}
    assert found.pop(("torch", "float64")) == {"test", "stress", "stream"}
    assert found.pop(("c", "gcc -O2")) == {"test", "stress", "stream"}
    assert {name for name, variant in found if variant == "fresh export"} == {"onnxruntime", "tflite", "c"}
    assert all(sets == ({"files"} if variant == "fresh export" else everything) for (_, variant), sets in found.items())
    assert set(report_of(model_dir)["vectors"]) == everything


def test_the_report_says_what_a_witness_cannot_be_asked_and_keeps_it(model_dir, capsys):
    assert main(["verify", str(model_dir)]) == 0
    assert "not seen: torch: single layers: the torch net computes no layers" in capsys.readouterr().out
    notes = report_of(model_dir)["coverage"]["not_seen"]
    initial, stream = "initial states (sequence): every sequence begins with zeros there", "the stream: model_sequence.onnx gives scores at"
    assert notes["onnxruntime"] == [initial, f"{stream} the end of a sequence alone"]
    stages.verify(model_dir, "c")
    assert report_of(model_dir)["coverage"]["not_seen"] == notes


def test_stress_off_is_the_test_set_alone(model_dir):
    assert {entry.set for entry in stages.verify(model_dir, "c", stress="off").witnesses} == {"test", "files", "header"}


def test_full_sets_are_larger_and_stand_beside_the_quick_ones(model_dir):
    quick = stages.verify(model_dir, "onnxruntime")
    full = stages.verify(model_dir, "onnxruntime", stress="full")
    assert full.failures == ()
    assert {entry.set for entry in full.witnesses} == {"test", "stress full", "layers full", "stream", "files"}
    assert full.compared > 2 * quick.compared
    assert {"stress", "layers", "stress full", "layers full"} < {entry["set"] for entry in report_of(model_dir)["evidence"]}


def test_samples_takes_so_many_of_each_set_always_the_same_and_says_so(model_dir, capsys):
    assert main(["verify", str(model_dir), "--against", "c", "--samples", "5"]) == 0
    assert "sampled: not every sequence" in capsys.readouterr().out
    evidence = report_of(model_dir)["evidence"]
    whole = {("files", None), ("header", None)}
    assert {(entry["set"], entry["sampled"]) for entry in evidence} == {("test", 5), ("stress", 5), ("layers", 10)} | whole
    stages.verify(model_dir, "c", samples=5)
    assert report_of(model_dir)["evidence"] == evidence
    assert all(entry.sampled is None for entry in stages.verify(model_dir, "c", samples=10**6).witnesses)


@pytest.mark.parametrize("options", [["--samples", "0"], ["--samples", "-3"], ["--stress", "fast"]], ids=str)
def test_options_that_mean_nothing_are_refused(model_dir, capsys, options):
    assert main(["verify", str(model_dir), *options]) == 2
    assert re.search(r"from 1 on, not|quick, full or off, not 'fast'", capsys.readouterr().err)


def test_a_table_entry_that_no_recording_reaches_is_found(model_dir):
    text = (model_dir / "c" / "three_gestures.c").read_bytes()
    table = re.search(rb"_table\[\d+\] = \{\n(.*?)\};", text, re.DOTALL)
    last = re.findall(rb"\d+,", table[1])[-1]
    end = table.start(1) + table[1].rindex(last)
    changed = text[:end] + b"%d," % (int(last[:-1]) - 1) + text[end + len(last) :]
    ModelDirectory.open(model_dir).write({"c/three_gestures.c": changed})
    result = stages.verify(model_dir, "c", compare_files=False)
    assert {entry.set for entry in result.witnesses if entry.mismatches} >= {"layers"}


def test_a_file_that_is_not_a_fresh_export_fails_with_its_name_and_the_first_difference(model_dir, capsys):
    change(model_dir, "c/three_gestures.c", b"best = i;", b"best = i; /* mine */")
    assert main(["verify", str(model_dir), "--against", "c"]) == 3
    said = capsys.readouterr().err
    assert re.search(r"c/three_gestures\.c is not what rescomp exports .*line \d+ is 'best = i; /\* mine \*/' instead of 'best = i;'", said)
    assert all(entry.mismatches == 0 for entry in stages.verify(model_dir, "c", compare_files=False).witnesses)


@pytest.mark.parametrize(
    ("more", "said"), [(b"nothing\n", "is 'nothing' instead of the end of the file"), (None, "is the end of the file instead of '")]
)
def test_a_file_that_is_longer_or_shorter_by_a_line(model_dir, more, said):
    directory = ModelDirectory.open(model_dir)
    lines = directory.read("c/three_gestures.c").splitlines(keepends=True)
    directory.write({"c/three_gestures.c": b"".join([*lines, more] if more else lines[:-1])})
    differing = compare_with_fresh(directory, read_model(directory), "c").differing
    assert len(differing) == 1
    assert f"line {len(lines) + bool(more)} {said}" in differing[0]


def test_a_binary_file_names_the_byte(model_dir):
    change(model_dir, "model.tflite", b" three_gestures ", b" three_gesturez ")
    (entry,) = [entry for entry in stages.verify(model_dir, "tflite").witnesses if entry.set == "files"]
    assert re.search(r"model\.tflite is not what .* bytes beside \d+, the first that differs is number \d+", entry.failure)


def test_a_file_too_many_or_too_few_among_the_kernels_is_told(model_dir):
    ModelDirectory.open(model_dir).write({"c/rescomp/mine.c": b"int rescomp_mine = 1;\n"})
    assert "c/rescomp/mine.c is not one of the files" in stages.verify(model_dir, "c").failures[0]
    ModelDirectory.open(model_dir).remove("c/rescomp/mine.c", "c/LICENSE")
    assert "c/LICENSE is missing" in stages.verify(model_dir, "c").failures[0]


@pytest.mark.parametrize(
    ("witness", "name", "old", "new"),
    [
        ("c", "c/three_gestures.h", b"rescomp %s from", b"rescomp 9.9.9 from"),
        ("tflite", "model.tflite", b"rescomp %s ", b"rescomp 9.9.9 "),
        ("onnxruntime", "model.onnx", b"\x07rescomp\x1a\x05%s", b"\x07rescomp\x1a\x059.9.9"),
    ],
)
def test_files_of_another_version_are_not_compared_and_check_says_so_too(model_dir, capsys, witness, name, old, new):
    for each in (name, "model_sequence.onnx") if name == "model.onnx" else (name,):
        change(model_dir, each, old % __version__.encode(), new)
    directory = ModelDirectory.open(model_dir)
    directory.update_manifest(versions={**directory.manifest().versions.as_json(), "rescomp": "9.9.9"})
    result = stages.verify(model_dir, witness)
    assert result.failures == ()
    assert not [entry for entry in result.witnesses if entry.variant == "fresh export"]
    assert any(line.endswith("its files: written by rescomp 9.9.9, not compared with a fresh export") for line in result.not_seen)
    checked = stages.check(model_dir)
    assert checked.not_seen == result.not_seen
    assert checked.as_json()["not_seen"] == list(result.not_seen)
    assert all(f"- not seen: {line}\n" in checked.as_markdown() for line in result.not_seen)
    print_check(checked)
    printed = capsys.readouterr().out
    assert all(f"not seen: {line}\n" in printed for line in result.not_seen)


def test_coverage_is_printed_and_stored_with_each_set_that_follows(model_dir, capsys):
    assert main(["verify", str(model_dir), "--against", "c"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^reached +test set +with stress set +with layers +of reachable$", out, re.MULTILINE)
    assert re.search(r"^table entries +\d+ +\d+ +\d+ +\d+$", out, re.MULTILINE)
    coverage = report_of(model_dir)["coverage"]
    test, stress, layers = (coverage[name]["total"]["reached"] for name in ("test", "stress", "layers"))
    assert test < stress < layers <= coverage["layers"]["total"]["reachable"]
    assert all(kind["reached"] == kind["reachable"] for kind in coverage["layers"].values())


def test_coverage_is_in_the_document_for_programs(model_dir, capsys):
    assert main(["verify", str(model_dir), "--against", "c", "--stress", "off", "--json"]) == 0
    coverage = json.loads(capsys.readouterr().out)["coverage"]
    assert coverage["test"]["table"]["reachable"] > coverage["test"]["table"]["reached"] > 0
    assert "stress" not in coverage


def test_a_product_s_own_build_that_is_called_as_rescomp_s_own_stands_beside_it(model_dir, tmp_path, capsys):
    limits = tmp_path / "limits.toml"
    limits.write_text('[parity]\nwitnesses = ["c"]\n')
    for compiler in ("gcc", shutil.which("gcc")):
        stages.verify(model_dir, "c", stress="off", samples=5, build=Build.parse(compiler, "-O2"))
    with pytest.raises(ParityError, match="asked for 5 sequences of the test set only"):
        stages.check(model_dir).raise_failures()
    for compiler in ("gcc", shutil.which("gcc")):
        stages.verify(model_dir, "c", stress="off", build=Build.parse(compiler, "-O2"))
    with pytest.raises(ParityError, match="did not ask c without --cc and --cflags, which the limits want"):
        stages.check(model_dir, limits=limits).raise_failures()
    stages.verify(model_dir, "c", stress="off")
    found = stages.check(model_dir, limits=limits)
    found.raise_failures()
    builds = [row["build"] for row in found.as_json()["witnesses"] if row["variant"] == "gcc -O2" and row["set"] == "test"]
    assert builds == ["", f"{shutil.which('gcc')} -O2", "gcc -O2"]
    assert "| c (gcc -O2, by --cc and --cflags) | test |" in found.as_markdown()


def test_a_product_s_own_compiler_and_flags(model_dir, capsys):
    assert main(["verify", str(model_dir), "--against", "c", "--cc", "gcc", "--cflags", "-Os -funsigned-char", "--json"]) == 0
    entries = [entry for entry in json.loads(capsys.readouterr().out)["evidence"] if entry["set"] not in ("files", "header")]
    assert {entry["variant"] for entry in entries} == {"gcc -Os -funsigned-char"}
    assert {entry["set"] for entry in entries} == {"test", "stress", "layers", "stream"}
    kept = {entry["variant"] for entry in report_of(model_dir)["evidence"]}
    stages.verify(model_dir, "c")
    assert kept < {entry["variant"] for entry in report_of(model_dir)["evidence"]}


@pytest.mark.parametrize(("options", "code", "said"), [
    (("--against", "onnxruntime", "--cflags", "-O3"), 2, "are of the witnesses c, qemu:CORE and simavr:CORE"),
    (("--against", "c", "--cc", "no-such-compiler"), 7, "--cc no-such-compiler is no command here"),
    (("--against", "c", "--cflags", "'-O3"), 2, "cannot be split into words"),
    (("--against", "c", "--cc", ""), 2, "--cc names no command"),
    (("--against", "c", "--cc", "true"), 2, "true made no program and said nothing: is it a C compiler?"),
    (("--against", "c", "--cflags", "-Wno-such-flag -m16x"), 2, "correct --cc and --cflags"),
])  # fmt: skip
def test_a_compiler_that_cannot_be_used_is_told_first(model_dir, capsys, options, code, said):
    assert main(["verify", str(model_dir), *options]) == code
    assert said in capsys.readouterr().err


def test_a_stamp_of_another_version_alone_excuses_nothing(model_dir):
    change(model_dir, "c/three_gestures.h", b"rescomp %s from" % __version__.encode(), b"rescomp 9.9.9 from")
    result = stages.verify(model_dir, "c", stress="off")
    assert any(f"says that rescomp 9.9.9 wrote it, and the model is of {__version__}" in failure for failure in result.failures)


def test_c_that_ends_early_is_no_fault_of_a_device(model_dir, capsys):
    early = b"#include <stdlib.h>\nstatic void __attribute__((constructor)) end(void)\n{\n    _Exit(0);\n}\n"
    name = "c/three_gestures.c"
    ModelDirectory.open(model_dir).write({name: early + ModelDirectory.open(model_dir).read(name)})
    assert main(["verify", str(model_dir), "--against", "c", "--stress", "off"]) == 3
    assert "the program wrote 0 bytes" in capsys.readouterr().err
