"""train.loop = compiled through the stages: the same command twice, resuming, provenance, and no compiler."""

import json

import pytest

from rescomp import stages
from rescomp.errors import InputError, MissingToolError
from rescomp.model_directory import CHECKPOINT, MANIFEST, RECIPE, ModelDirectory
from rescomp.models.recurrent.compiled.recurrence import library
from rescomp.recipe import load_recipe
from rescomp.tests.stages.listeners import Interrupt

SMALL = ("model.hidden_size=8", "train.epochs=4", "quantize.epochs=3", "train.loop=compiled")


def recipe_of(recordings, *overrides):
    return load_recipe(None, [f"data.source={recordings}", *SMALL, *overrides])


def contents(path):
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def trained(compiler, recordings, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "compiled"
    stages.train_model(recipe_of(recordings), path)
    stages.quantize(path)
    return path


def test_it_learns_what_the_torch_loop_learns(trained, finished):
    ours, theirs = (json.loads((path / MANIFEST).read_text())["accuracy"] for path in (trained, finished))
    assert abs(ours["float"] - theirs["float"]) < 0.1
    assert abs(ours["integer"] - theirs["integer"]) < 0.1
    assert (trained / "float.safetensors").read_bytes() != (finished / "float.safetensors").read_bytes()
    stages.export_model(trained)
    assert all(report.mismatches == 0 for report in stages.verify(trained).witnesses)


def test_the_directory_says_what_trained_it(trained, finished):
    manifest = json.loads((trained / MANIFEST).read_text())
    assert manifest["versions"]["compiler"].startswith(("gcc ", "cc "))
    assert 'loop = "compiled"' in (trained / RECIPE).read_text()
    assert 'loop = "torch"' in (finished / RECIPE).read_text()


def test_the_same_command_twice_and_resumed_gives_the_same_bytes(trained, recordings, tmp_path):
    path = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(recipe_of(recordings), path, listener=Interrupt(2))
    stages.train_model(None, path)
    with pytest.raises(KeyboardInterrupt):
        stages.quantize(path, listener=Interrupt(2))
    stages.quantize(path, resume=True)
    again, first = contents(path), contents(trained)
    assert [name for name in again if name != "SHA256SUMS" and again[name] != first[name]] == []


def test_an_interrupted_training_does_not_change_its_loop(compiler, recordings, tmp_path):
    path = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(recipe_of(recordings), path, listener=Interrupt(2))
    directory = ModelDirectory.open(path)
    directory.write({RECIPE: directory.read(RECIPE).replace(b'loop = "compiled"', b'loop = "torch"')})
    with pytest.raises(InputError, match="was made with loop = compiled, this run has torch"):
        stages.train_model(None, path)


def test_a_missing_compiler_is_noticed_before_anything_is_written(recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match=r"train\.loop = compiled needs gcc.*apt-get install gcc libc6-dev") as error:
        stages.train_model(recipe_of(recordings), tmp_path / "none")
    assert error.value.exit_code == 7
    assert not (tmp_path / "none").exists()


def test_a_missing_compiler_is_noticed_before_the_fine_tuning(trained, monkeypatch):
    before = contents(trained)
    monkeypatch.setenv("PATH", "")
    library.cache_clear()
    with pytest.raises(MissingToolError, match="gcc"):
        stages.quantize(trained)
    assert contents(trained) == before
    assert CHECKPOINT not in before
