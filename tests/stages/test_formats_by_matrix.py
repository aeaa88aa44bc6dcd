"""A format for each matrix, learned scales and gains through the stages: exports, every witness, inspect, the budget's prediction, a fine-tuning that goes on."""

import shutil

import pytest
from safetensors.torch import load_file

from rescomp import stages
from rescomp.errors import InputError
from rescomp.model_directory import QUANTIZED_NET, VECTORS, WEIGHTS, ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model
from rescomp.stages.fitting import describe, predict_size
from rescomp.tests.stages.listeners import Interrupt
from rescomp.tests.stages.untrained import CSV, write_log

HYBRID = (
    'compress=[{kind="ternary",per="tensor",learned=true},{kind="quantize",bits=4,learned=true,matrices="W*"},'
    '{kind="ternary",learned=true,packing="rows",matrices="classifier"},{kind="input_gains"}]'
)
LEARNED = ("factor", "input_gains")
KEYS = (*CSV, "model.hidden_size=6", "model.layers=2", "model.rank_u=2", "train.epochs=1", "quantize.epochs=2", "train.threads=1", HYBRID)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return load_recipe(None, [f"data.source={write_log(tmp_path_factory.mktemp('log') / 'log.csv', 'ab')}", *KEYS])


@pytest.fixture(scope="module")
def directory(recipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("hybrid") / "model"
    stages.train_model(recipe, path)
    return path


def test_every_witness_runs_it_and_inspect_tells_each_format(directory, recipe, tmp_path):
    path = shutil.copytree(directory, tmp_path / "model")
    stages.quantize(path)
    stages.export_model(path)
    found = stages.verify(path, "onnxruntime,tflite,c,torch", stress="off")
    assert (found.mismatches, found.failures) == (0, ())
    assert {entry.witness for entry in found.witnesses} == {"onnxruntime", "tflite", "c", "torch"}
    inspection = stages.inspect(path)
    weights = {layer.layer: layer.weights for layer in inspection.layers if layer.weights}
    assert [weights[f"{name}_product{suffix}"] for suffix in ("", "_2") for name in ("input", "recurrent")] == ["int4", "ternary"] * 2
    assert [layer.weights for layer in inspection.layers if layer.graph == "head" and layer.weights] == ["ternary_rows"]
    assert inspection.bytes["model"] <= predict_size(recipe, 3, 3).const
    assert describe(recipe).endswith("ternary + int4 of W* + ternary of classifier + input_gains, table")
    moved = {name: float((tensor - 1).abs().max()) for name, tensor in load_file(path / QUANTIZED_NET).items() if name.endswith(LEARNED)}
    assert len(moved) == 8
    assert min(moved.values()) > 1e-3, "what is not trained proves nothing"
    (normalize,) = [node.op for node in read_model(ModelDirectory.open(path)).graphs["step"].nodes if node.name == "normalize"]
    assert [len(array) for array in (normalize.bias, normalize.scales[0].multiplier)] == [3, 3], "of one reading, of the two in a step"


def test_an_interrupted_fine_tuning_ends_with_the_same_bytes(directory, tmp_path):
    paths = [shutil.copytree(directory, tmp_path / name) for name in ("whole", "resumed")]
    stages.quantize(paths[0])
    with pytest.raises(KeyboardInterrupt):
        stages.quantize(paths[1], listener=Interrupt())
    stages.quantize(paths[1], resume=True)
    for name in (QUANTIZED_NET, WEIGHTS, VECTORS):
        assert (paths[0] / name).read_bytes() == (paths[1] / name).read_bytes()


def test_names_are_refused_before_an_epoch_is_spent(recipe, tmp_path):
    wrong = recipe.model_copy(update={"compress": load_recipe(None, [HYBRID.replace("W*", "V")]).compress})
    with pytest.raises(InputError, match=r"'V' matches none of this net's matrices, which are W, U, W_2, U_2, classifier"):
        stages.train_model(wrong, tmp_path / "model")
    assert not (tmp_path / "model").exists()
