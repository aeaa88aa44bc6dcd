"""A float net in ONNX becomes a model directory like any other, from the command line on."""

import json

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.tests.models.onnx_files import NETS, torch_har_cnn

WITNESSES = "onnxruntime,tflite,c,torch"


def files(folder, name, samples=24):
    model, shape = NETS[name]()
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    np.savez(folder / "x.npz", x=np.random.default_rng(2).standard_normal((samples, *shape)).astype(np.float32))
    return folder / "net.onnx", folder / "x.npz"


@pytest.mark.parametrize("name", NETS)
def test_every_witness_computes_an_imported_net(tmp_path, name):
    found = stages.import_onnx(*files(tmp_path, name), tmp_path / "out")
    assert found.agreement >= 0.9
    assert {each.saturated for each in found.layers} == {0}
    assert [each.sqnr for each in found.layers] == sorted(each.sqnr for each in found.layers)
    assert min(each.sqnr for each in found.layers) > 25
    stages.export_model(tmp_path / "out")
    verification = stages.verify(tmp_path / "out", WITNESSES)
    verification.raise_failures()
    assert verification.mismatches == 0
    assert verification.compared > 1000


def test_the_command_prints_what_was_compared(tmp_path, capsys):
    file, data = files(tmp_path, "torch_har_cnn")
    command = ["import", str(file), "--calibrate", str(data), "-o", str(tmp_path / "out")]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["samples"], said["layout"], said["dropped"]) == (24, "channels first", "Softmax")
    assert said["parity"]["largest_difference"] < 1e-5
    assert {each["name"] for each in said["layers"]} == {"conv1", "conv2", "maxpool1", "flatten", "dense1"}
    assert main(command) == 2  # the directory is there
    assert main([*command, "--force"]) == 0
    assert "Softmax at the end is left out" in capsys.readouterr().out


def test_coarse_integers_are_seen_layer_by_layer(tmp_path):
    file, data = files(tmp_path, "torch_har_cnn")
    fine = stages.import_onnx(file, data, tmp_path / "fine")
    coarse = stages.import_onnx(file, data, tmp_path / "coarse", overrides=["compress.0.bits=4"])
    assert coarse.layers[0].sqnr < fine.layers[0].sqnr - 10


def test_it_is_trained_on_with_labels(tmp_path):
    """The labels are what a net of other last weights answers: what import gave does not know them, training on finds them."""
    file, data = files(tmp_path, "mlp", 200)
    stages.import_onnx(file, data, tmp_path / "out")
    x = np.load(data)["x"]
    np.savez(tmp_path / "labelled.npz", x=x, y=np.arange(4)[np.argmax(x[:, :4, 0], axis=1)])
    trained = stages.train_from(tmp_path / "out", str(tmp_path / "labelled.npz"), tmp_path / "next", overrides=["train.epochs=20"])
    assert trained > 0.6
    assert stages.quantize(tmp_path / "next", overrides=["quantize.epochs=5"]) > 0.6


def test_what_import_does_not_do_is_refused(tmp_path):
    file, data = files(tmp_path, "torch_har_cnn")
    with pytest.raises(InputError, match="import trains nothing"):
        stages.import_onnx(file, data, tmp_path / "out", overrides=["train.epochs=3"])
    np.savez(tmp_path / "y.npz", z=np.zeros(3))
    with pytest.raises(InputError, match="has no array 'x'"):
        stages.import_onnx(file, tmp_path / "y.npz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recipe_names_an_onnx_file_as_its_net(tmp_path):
    model, shape = torch_har_cnn()
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    random = np.random.default_rng(3)
    np.savez(tmp_path / "d.npz", x=random.standard_normal((40, *shape)).astype(np.float32), y=np.arange(40) % 4)
    from rescomp.recipe import load_recipe

    recipe = load_recipe(None, [f"model.kind={tmp_path / 'net.onnx'}", f"data.source={tmp_path / 'd.npz'}", "train.epochs=1"])
    assert recipe.model.normalization == "none"
    assert 0 <= stages.train_model(recipe, tmp_path / "out") <= 1
