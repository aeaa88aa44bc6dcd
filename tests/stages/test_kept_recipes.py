"""The recipe in a model directory says how its net was trained, and one from before there were streams keeps what it meant."""

import shutil

import pytest

from rescomp import stages
from rescomp.model_directory import CHECKPOINT, FLOAT_NET, GRAPH, QUANTIZED_NET, RECIPE, ModelDirectory
from rescomp.recipe import load_recipe, parse_recipe, revise
from rescomp.stages.listener import Silent
from rescomp.stages.recipes import read_recipe
from rescomp.tests.stages.listeners import Warned
from rescomp.train.checkpoint import read_tensors, write_tensors

QUICK = ("model.hidden_size=4", "train.epochs=1", "quantize.epochs=1")
ALONE = ("train.carry=0.0", "train.loss_share=0.0")


def age(path):
    """Make the directory one of before the keys were there."""
    directory = ModelDirectory.open(path)
    lines = directory.read(RECIPE).splitlines(keepends=True)
    directory.write({RECIPE: b"".join(line for line in lines if not line.startswith((b"carry", b"loss_share")))})
    assert parse_recipe(directory.read(RECIPE), "").train.carry is None


@pytest.fixture(scope="module")
def alone(recordings, tmp_path_factory):
    """Trained on recordings one by one, and not quantized."""
    path = tmp_path_factory.mktemp("models") / "alone"
    stages.train_model(load_recipe(None, [f"data.source={recordings}", *QUICK, *ALONE]), path)
    return path


def test_what_a_net_with_a_state_was_trained_with_is_recorded(finished, recordings, tmp_path, monkeypatch):
    (tmp_path / "kept_cells.py").write_text(
        "from rescomp.models import CellShape, GruCell, RecurrentNet\nimport torch\n"
        "def net(shape, classes):\n    return RecurrentNet([GruCell(CellShape(4, 3, None, None, ''))], classes, torch.zeros(4), torch.ones(4))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    kept = {finished.name: read_recipe(ModelDirectory.open(finished)).train}
    for kind in ("kept_cells:net", "resnet1d"):
        path = tmp_path / kind.partition(":")[0]
        stages.train_model(load_recipe(None, [f"data.source={recordings}", f"model.kind={kind}", "train.epochs=0"]), path)
        kept[path.name] = parse_recipe(ModelDirectory.open(path).read(RECIPE), "").train
    found = {name: (train.carry, train.loss_share) for name, train in kept.items()}
    assert found == {"finished": (0.75, 0.5), "kept_cells": (0.75, 0.5), "resnet1d": (None, None)}


def test_a_directory_of_before_is_fine_tuned_as_it_was_trained_and_says_so(alone, recordings, tmp_path):
    paths = [tmp_path / name for name in ("today", "before")]
    for path in paths:
        shutil.copytree(alone, path)
    age(paths[1])
    told = Warned()
    for path in paths:
        stages.quantize(path, listener=told)
    for name in (QUANTIZED_NET, GRAPH, RECIPE):
        assert (paths[0] / name).read_bytes() == (paths[1] / name).read_bytes()
    said = f"{paths[1]} was made before train.carry and train.loss_share existed, so it goes on with 0, as its net was trained"
    assert [text.partition(":")[0] for text in told.warnings if "existed" in text] == [said]
    stages.quantize(paths[1], listener=told)
    age(paths[1])
    for overrides, train in (((), (0.0, 0.0)), (("train.carry=0.75", "train.loss_share=0.5"), (0.75, 0.5))):
        stages.train_from(paths[1], str(recordings), tmp_path / "on", overrides=["train.epochs=0", *overrides], force=True, listener=told)
        kept = read_recipe(ModelDirectory.open(tmp_path / "on")).train
        assert (kept.carry, kept.loss_share) == train
    assert sum("existed" in text for text in told.warnings) == 2
    assert read_recipe(ModelDirectory.open(paths[1])) == read_recipe(ModelDirectory.open(paths[0]))


@pytest.mark.parametrize("stage", ["train", "quantize"])
def test_a_training_of_before_that_was_interrupted_goes_on_as_it_began(stage, alone, tmp_path):
    """Its checkpoint knows neither key, and neither does the recipe in it."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    shutil.copytree(alone, whole)
    recipe = revise(read_recipe(ModelDirectory.open(alone)), ["train.epochs=2", "quantize.epochs=2"])
    stages.train_model(recipe, whole, force=True)
    if stage == "quantize":
        shutil.copytree(whole, cut)
        stages.quantize(whole)

    class Kill(Silent):
        def epoch(self, report):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.quantize(cut, listener=Kill()) if stage == "quantize" else stages.train_model(recipe, cut, listener=Kill())
    age(cut)
    tensors, metadata = read_tensors(cut / CHECKPOINT)
    known = {key: value for key, value in metadata["identity"].items() if key not in ("carry", "loss_share")}
    text = metadata.get("recipe") and (cut / RECIPE).read_text()
    write_tensors(cut / CHECKPOINT, tensors, {**metadata, "identity": known, **({"recipe": text} if text else {})})
    told = Warned()
    stages.quantize(cut, resume=True, listener=told) if stage == "quantize" else stages.train_model(None, cut, listener=told)
    name = QUANTIZED_NET if stage == "quantize" else FLOAT_NET
    assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert "was made before train.carry and train.loss_share existed" in told.warnings[0]
