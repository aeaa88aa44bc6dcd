"""Whatever an artefact says of itself: no control character of it reaches the terminal, and no traceback."""

import json
import shutil

import onnx
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe

ESCAPE = "\x1b[2J"


@pytest.fixture(scope="module")
def verified_once(finished, tmp_path_factory):
    path = shutil.copytree(finished, tmp_path_factory.mktemp("steered") / "model")
    stages.verify(path, "c", stress="off")
    return path


@pytest.fixture
def verified(verified_once, tmp_path):
    return shutil.copytree(verified_once, tmp_path / "verified")


def said(capsys):
    found = capsys.readouterr()
    text = found.out + found.err
    assert all(each.isprintable() for line in text.split("\n") for each in line), text
    assert "Traceback" not in text
    return text


WRONG = {
    "manifest.json": lambda document: document["versions"].update(rescomp=f"0.1{ESCAPE}"),
    "report.json": lambda document: document["evidence"][0].update(version=f"gcc{ESCAPE}"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_document_that_steers_a_terminal_is_refused(name, verified, capsys):
    document = json.loads((verified / name).read_text())
    WRONG[name](document)
    ModelDirectory(verified).write({name: json.dumps(document).encode()})
    for command in ("check", "inspect", "verify")[: 1 if name == "report.json" else 3]:
        assert main([command, str(verified)]) == 2
        assert "control character" in said(capsys)


def test_a_recipe_that_does_is_refused_before_the_training(verified, tmp_path, capsys):
    (verified / "recipe.toml").write_bytes((verified / "recipe.toml").read_bytes() + b'\n[stream]\nnote = "\\u001b"\n')
    assert main(["run", "--recipe", str(verified / "recipe.toml"), "-o", str(tmp_path / "new")]) == 2
    assert "control character" in said(capsys)
    assert main(["run", "--data", f"{tmp_path}/a{ESCAPE}.csv", "-o", str(tmp_path / "new")]) == 2
    assert "not printable" in said(capsys)
    assert not (tmp_path / "new").exists()


def test_the_stamp_of_an_exported_file_is_shown_escaped(verified, capsys):
    model = onnx.load(verified / "model.onnx")
    model.producer_version = f"9{ESCAPE}"
    ModelDirectory(verified).write({"model.onnx": model.SerializeToString()})
    assert main(["verify", str(verified), "--against", "onnxruntime:step", "--stress", "off"]) in (2, 3)
    assert r"9\x1b[2J" in said(capsys)
    assert main(["check", str(verified)]) in (2, 3)
    said(capsys)


def test_a_file_whose_name_does_is_refused(verified, capsys):
    ModelDirectory(verified).write({f"c/rescomp/a{ESCAPE}.c": b"int more;\n"})
    assert main(["verify", str(verified), "--against", "c", "--stress", "off"]) == 2
    assert r"a\x1b[2J.c', whose name is no text of one line" in said(capsys)


def test_a_group_that_does_is_refused_before_the_training(tmp_path):
    rows = "".join(f'"p\x1b{person}",{label},{time % 7},{label}\n' for person in range(4) for label in "ab" for time in range(30))
    (tmp_path / "log.csv").write_text(f"who,label,x,y\n{rows}".replace(",a\n", ",1\n").replace(",b\n", ",2\n"))
    recipe = load_recipe(None, [f"data.source={tmp_path / 'log.csv'}", "data.group=who", "data.window=10", "train.epochs=0"])
    with pytest.raises(InputError, match=r"the group 'p\\x1b\d' of .* holds a control character"):
        stages.train_model(recipe, tmp_path / "model")
