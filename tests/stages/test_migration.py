"""A model directory of an earlier version is rewritten as this one writes it: the model, its vectors and its evidence stay."""

import json
import shutil

import pytest
import torch

from rescomp import stages
from rescomp.benchmarks.dying_disk import contents
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.model_directory import (
    CELLS_FILE,
    FLOAT_NET,
    GRAPH,
    MANIFEST,
    NET,
    QUANTIZED_NET,
    RECIPE,
    REPORT,
    SUMS,
    VECTORS,
    WEIGHTS,
    ModelDirectory,
)
from rescomp.stages.artefacts import read_model
from rescomp.stages.report import read_report
from rescomp.tests.goldens.directories import DIRECTORIES, EARLIER
from rescomp.validate.torch_net import load_quantized

WRITTEN = {NET, CELLS_FILE, QUANTIZED_NET, RECIPE, REPORT, SUMS, ".lock"}


def earlier(name, path):
    shutil.unpack_archive(DIRECTORIES / f"{name}.zip", path)
    return ModelDirectory.open(path)


def evidence(directory):
    model = read_model(directory)
    return [(entry.witness, entry.set, entry.changed_files(directory, model)) for entry in read_report(directory, model).evidence]


@pytest.mark.parametrize("name", EARLIER)
def test_the_model_and_what_was_compared_stay(name, tmp_path):
    directory = earlier(name, tmp_path / "model")
    stages.verify(directory.path, "torch", stress="off")
    before, known, net = contents(directory.path), evidence(directory), load_quantized(directory)
    assert known
    assert all(not changed for _, _, changed in known)
    changed = stages.migrate(directory.path).changes
    assert NET in {change.file for change in changed}
    assert not directory.has(CELLS_FILE)
    after = contents(directory.path)
    assert {file for file in {*before, *after} if before.get(file) != after.get(file)} <= WRITTEN
    assert evidence(directory) == known
    again = load_quantized(directory)
    assert type(again) is type(net)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in net.state_dict().items())
    assert stages.migrate(directory.path).changes == ()
    assert contents(directory.path) == after


def test_what_is_no_evidence_does_not_become_any(tmp_path):
    directory = earlier("own_gru", tmp_path / "model")
    stages.verify(directory.path, "torch", stress="off")
    report = json.loads(directory.read(REPORT))
    for entry in report["evidence"]:
        entry["files"][QUANTIZED_NET] = "0" * 64
    directory.write({REPORT: json.dumps(report).encode()})
    stages.migrate(directory.path)
    assert all(QUANTIZED_NET in changed for _, _, changed in evidence(directory))


def test_a_directory_of_this_version_is_left_alone(finished, capsys):
    before = contents(finished)
    assert main(["migrate", str(finished)]) == 0
    assert capsys.readouterr().out == f"{finished} is as this version writes it: nothing was changed\n"
    assert contents(finished) == before


def test_it_says_what_it_changed(tmp_path, capsys):
    path = earlier("two_readings_a_step", tmp_path / "model").path
    assert main(["migrate", str(path), "--json"]) == 0
    changes = {change["file"]: change["what"] for change in json.loads(capsys.readouterr().out)["changes"]}
    assert changes[RECIPE] == "model.window is model.readings"
    assert b"\nreadings = 2\n" in ModelDirectory.open(path).read(RECIPE)
    path = earlier("own_gru", tmp_path / "own").path
    assert main(["migrate", str(path)]) == 0
    assert f"{NET} (instead of {CELLS_FILE}): one file for the parts of every net\n" in capsys.readouterr().out


def test_what_it_does_not_know_is_refused_and_stays(tmp_path):
    directory = earlier("own_convolutions", tmp_path / "model")
    document = json.loads(directory.read(NET))
    directory.write({NET: json.dumps({**document, "schema": 99}).encode()})
    before = contents(directory.path)
    with pytest.raises(InputError, match=r"net\.json has schema 99, this rescomp reads .*: use the rescomp that wrote it"):
        stages.migrate(directory.path)
    assert {name: data for name, data in contents(directory.path).items() if name != ".lock"} == before


def changed_document(directory, name, **entries):
    directory.write({name: json.dumps({**json.loads(directory.read(name)), **entries}).encode()})


def other_readings(directory):
    directory.write({RECIPE: directory.read(RECIPE).replace(b"\nwindow = 1\n", b"\nwindow = 2\n")})


def other_size(directory):
    stages.migrate(directory.path)
    directory.write({RECIPE: directory.read(RECIPE).replace(b"\nhidden_size = 6\n", b"\nhidden_size = 8\n")})


HARM = {
    "a recipe of another size": (
        other_size,
        r"net\.json is not of the net in recipe\.toml: it tells fastgrnn of hidden size 6 .*, and the recipe makes .* 8 .*train the model",
    ),
    "a graph of another contract": (
        lambda it: changed_document(it, GRAPH, contract=99),
        r"graph\.json has contract 99, this rescomp reads 1: use the rescomp that wrote it",
    ),
    "a manifest of another contract": (
        lambda it: changed_document(it, MANIFEST, contract=99),
        r"manifest\.json has contract 99, this rescomp reads 1: use the rescomp that wrote it",
    ),
    "a recipe of another net": (other_readings, r"manifest\.json is not of the model in recipe\.toml: input\.readings_a_step differs"),
    "no graph": (lambda it: it.remove(GRAPH), r"has no graph\.json: run `rescomp quantize"),
    "no weights": (lambda it: it.remove(WEIGHTS), r"has no weights\.npz: run `rescomp quantize"),
    "no vectors": (lambda it: it.remove(VECTORS), r"has no vectors/test\.npz: run `rescomp quantize"),
    "no fine-tuned net": (lambda it: it.remove(QUANTIZED_NET), r"has no quantized\.safetensors: run `rescomp quantize"),
    "no float net": (lambda it: it.remove(FLOAT_NET), r"has no float\.safetensors: run `rescomp train --resume"),
    "two files of the net's parts": (
        lambda it: it.write({NET: b"{}", CELLS_FILE: b"{}"}),
        r"holds net\.json and cells\.json, and one of them tells what the net is: train the model again",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_is_not_whole_or_contradicts_itself_is_refused_and_stays(harm, tmp_path):
    directory = earlier("fastgrnn_ternary", tmp_path / "model")
    spoil, said = HARM[harm]
    spoil(directory)
    before = contents(directory.path)
    with pytest.raises(InputError, match=said):
        stages.migrate(directory.path)
    assert {name: data for name, data in contents(directory.path).items() if name != ".lock"} == before


def test_a_recipe_of_other_layers_is_refused_too(tmp_path):
    directory = earlier("resnet1d_int8", tmp_path / "model")
    directory.write({RECIPE: directory.read(RECIPE).replace(b"    4,\n", b"    8,\n")})
    with pytest.raises(
        InputError, match=r"net\.json is not of the net in recipe\.toml: it tells layers of 4 x .*recipe makes layers of 8 x"
    ):
        stages.migrate(directory.path)


def test_the_same_matrices_put_together_otherwise_are_refused_too(tmp_path):
    directory = earlier("resnet1d_int8", tmp_path / "model")
    stages.migrate(directory.path)
    document = json.loads(directory.read(NET))
    step = next(step for part in document["parts"] for step in part["steps"] if step["relu"])
    step["relu"] = False
    directory.write({NET: json.dumps(document).encode()})
    with pytest.raises(InputError, match=rf"net\.json is not of the net in recipe\.toml: its layers from '{step['name']}' on are put"):
        stages.migrate(directory.path)


def test_a_float_net_of_another_contract_is_refused_too(tmp_path):
    directory = earlier("fastgrnn_ternary", tmp_path / "model")
    directory.remove(GRAPH, WEIGHTS, VECTORS, QUANTIZED_NET)
    directory.update_manifest(graph_sha256=None, vectors_sha256=None, formats=None, contract=99)
    with pytest.raises(InputError, match="has contract 99"):
        stages.migrate(directory.path)
