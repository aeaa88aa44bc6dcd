"""From data to verified exports for nets without state: sequences, images, streams, and nets of the user's own."""

import json
import pickle
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import safetensors.torch
import torch

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError, UnsupportedError
from rescomp.model_directory import CHECKPOINT, ModelDirectory
from rescomp.models import Blueprint, build_net
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.tests.stages.listeners import Interrupt, Warned
from rescomp.validate.torch_net import load_quantized

QUICK = ("train.epochs=2", "quantize.epochs=2", "train.threads=1")
INT8 = ('compress=[{kind = "quantize", bits = 6, scale = "power_of_two", activations = "int8"}]',)
CLASSES = 3


def write(path, shape, integers=False, **changes):
    """Three classes that differ in the mean of a channel; 30 samples to train, 12 to test."""
    rng = np.random.default_rng(5)
    arrays = {}
    for split, count in (("train", 30), ("test", 12)):
        y = np.arange(count) % CLASSES
        x = rng.normal(size=(count, *shape)) * 0.4 + np.eye(CLASSES, shape[-1])[y].reshape(count, *(1,) * (len(shape) - 1), shape[-1])
        arrays |= {f"x_{split}": np.rint(x * 50 + 100).clip(0, 255).astype(np.uint8) if integers else x.astype(np.float32), f"y_{split}": y}
    np.savez(path, **{**arrays, **changes})
    return path


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "gestures.npz", (10, 3))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "digits.npz", (6, 4, 3), integers=True)


def recipe(source, *overrides):
    return load_recipe(None, [f"data.source={source}", *QUICK, *overrides])


def contents(path):
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def assert_verified(summary, compared):
    reports = summary.verification.witnesses
    assert {report.witness for report in reports} == {"onnxruntime", "tflite", "c", "torch"}
    assert {report.mismatches for report in reports} == {0}
    assert {report.compared for report in reports if report.set == "test"} == {compared}
    assert summary.bytes["model"] > 0


def beside_its_data(listener: Warned) -> list[str]:
    """Warnings but for those of what the drawn recordings are: whose, and how many classes are never right after so short a training."""
    return [each for each in listener.warnings if not each.startswith("nothing says whose") and "classes count" not in each]


def test_resnet1d(sequences, tmp_path):
    listener = Warned()
    asked = recipe(sequences, "model.kind=resnet1d", "model.widths=[3, 4]")
    summary = stages.run(asked, tmp_path / "a", listener=listener)
    assert_verified(summary, 12 * CLASSES)
    assert not beside_its_data(listener)
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["input"]["shape"] == [10, 3]
    assert json.loads((tmp_path / "a" / "net.json").read_text())["parts"][0]["input_shape"] == [10, 3]
    layers = {layer.layer for layer in stages.inspect(tmp_path / "a").layers}
    assert {"stem", "stage1_block1_branch_conv1", "pool", "classifier"} <= layers
    stages.run(asked, tmp_path / "b")
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_images_with_int8_values(pictures, tmp_path):
    summary = stages.run(
        recipe(pictures, "model.kind=resnet2d", "model.widths=[3, 4]", "train.crop=1", "train.flip=true", *INT8), tmp_path / "out"
    )
    assert_verified(summary, 12 * CLASSES)
    directory = ModelDirectory.open(tmp_path / "out")
    model = read_model(directory)
    assert model.input.type.shape == (6, 4, 3)
    assert model.output.type.format.dtype == "int8"
    assert read_vectors(directory, model).x.shape == (12, 6, 4, 3)


def test_listed_stages_over_images(pictures, tmp_path):
    listed = '{kind="convolution",width=4},{kind="depthwise"},{kind="pool",size=2,function="average"},{kind="dense",width=5},{kind="pool"}'
    path = tmp_path / "out"
    stages.train_model(recipe(pictures, f"model.stages=[{listed}]", "train.flip=true", "train.epochs=1", "quantize.epochs=0"), path)
    stages.quantize(path)
    stages.export_model(path, ["onnx", "c"])
    found = stages.verify(path, "onnxruntime,c,torch", stress="off")
    assert found.mismatches == 0
    assert {entry.compared for entry in found.witnesses if entry.set == "test"} == {12 * CLASSES}
    types = read_model(ModelDirectory.open(path)).graphs["whole"].types()
    assert [types[name].shape for name in ("depthwise2", "pool3", "dense4")] == [(6, 4, 4), (3, 2, 4), (3, 2, 5)]


@pytest.mark.parametrize("activations", ["int16", "int8"])
def test_dense_weights_of_the_first_and_the_last_layer(activations, sequences, tmp_path):
    scale = "power_of_two" if activations == "int8" else "multiplier"
    compress = f'compress=[{{kind="ternary", scale="{scale}", activations="{activations}", first_and_last="dense"}}]'
    summary = stages.run(recipe(sequences, "model.kind=resnet1d", "model.widths=[3, 4]", compress), tmp_path / "out")
    assert_verified(summary, 12 * CLASSES)
    kinds = {layer.layer: layer.weights for layer in stages.inspect(tmp_path / "out").layers if layer.weights}
    assert {name for name, kind in kinds.items() if kind == "int8"} == {"stem", "classifier"}
    assert {kind for name, kind in kinds.items() if name not in ("stem", "classifier")} == {"ternary"}


def test_a_stream(sequences, tmp_path):
    overrides = ("model.kind=dscnn1d", "model.widths=[4]", "model.blocks=1", "model.streaming=true", "quantize.vectors=5")
    summary = stages.run(recipe(sequences, *overrides), tmp_path / "out")
    model = read_model(ModelDirectory.open(tmp_path / "out"))
    assert model.input.type.shape == (2, 3)
    width = sum(value.type.size for value in model.graphs["step"].state_inputs)
    assert_verified(summary, 5 * (5 * width + CLASSES))


def test_an_interrupted_training_and_fine_tuning_resume_to_the_same_model(sequences, tmp_path):
    asked = recipe(
        sequences,
        "model.kind=resnet1d",
        "model.widths=[3]",
        "train.optimizer=sgd",
        "train.learning_rate=0.05",
        "train.time_shift=2",
        "quantize.epochs=4",
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    stages.train_model(asked, whole)
    stages.quantize(whole)
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(asked, cut, listener=Interrupt())
    assert (cut / CHECKPOINT).is_file()
    stages.train_model(None, cut)
    with pytest.raises(KeyboardInterrupt):
        stages.quantize(cut, listener=Interrupt())
    stages.quantize(cut, resume=True)
    assert contents(whole) == contents(cut)


def test_only_so_many_vectors_are_kept(sequences, tmp_path):
    asked = recipe(sequences, "model.kind=resnet1d", "model.widths=[3]", "quantize.vectors=5")
    stages.train_model(asked, tmp_path / "out")
    accuracy = stages.quantize(tmp_path / "out")
    directory = ModelDirectory.open(tmp_path / "out")
    vectors = read_vectors(directory, read_model(directory))
    assert len(vectors.x) == len(vectors.labels) == len(vectors.scores) == len(vectors.lengths) == 5
    assert directory.manifest().accuracy.integer == accuracy
    assert accuracy * 12 == pytest.approx(round(accuracy * 12)), "of the whole test set, not of the vectors"
    stages.quantize(tmp_path / "out", overrides=["quantize.vectors=100"])
    assert len(read_vectors(directory, read_model(directory)).x) == 12


def test_longer_recordings_are_cut_with_a_warning(sequences, tmp_path):
    listener = Warned()
    stages.train_model(
        recipe(sequences, "model.kind=dscnn1d", "model.widths=[3]", "model.time_steps=8"), tmp_path / "out", listener=listener
    )
    assert beside_its_data(listener) == ["42 recordings are longer than the 8 steps that the net reads: what lies behind is left out"]
    assert json.loads((tmp_path / "out" / "net.json").read_text())["parts"][0]["input_shape"] == [8, 3]


def test_the_time_is_a_multiple_of_the_strides(tmp_path):
    source = write(tmp_path / "odd.npz", (9, 3), lengths_train=np.full(30, 7), lengths_test=np.full(12, 9))
    listener = Warned()
    stages.train_model(recipe(source, "model.kind=resnet1d", "model.widths=[3, 3, 3]"), tmp_path / "out", listener=listener)
    assert json.loads((tmp_path / "out" / "net.json").read_text())["parts"][0]["input_shape"] == [8, 3]
    assert beside_its_data(listener) == ["12 recordings are longer than the 8 steps that the net reads: what lies behind is left out"]


NETS = """
import torch
from torch import nn
from rescomp.models import CellShape, GruCell, LstmCell, RecurrentNet

RUNS = []

def build(input_shape, classes):
    RUNS.append(input_shape)
    return nn.Sequential(nn.Conv1d(input_shape[-1], 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(16, classes))

class Joined(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv, self.more, self.last = nn.Conv1d(channels, 4, 3), nn.Conv1d(8, 3, 1), nn.Linear(11, classes)

    def forward(self, x):
        x = self.conv(x)
        x = torch.cat([torch.relu(x), torch.abs(x)], dim=1)
        return self.last(torch.cat([x, self.more(x)], dim=1).mean(2))

def joined(input_shape, classes):
    return Joined(input_shape[-1], classes)

def unsupported(input_shape, classes):
    return nn.Sequential(nn.Conv1d(input_shape[-1], 4, 3), nn.GELU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, classes))

def not_causal(input_shape, classes):
    return nn.Sequential(nn.Conv1d(input_shape[-1], 4, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, classes))

def recurrent(input_shape, classes):
    RUNS.append(input_shape)
    cells = [GruCell(CellShape(input_shape[-1], 5, rank_w=2)), LstmCell(CellShape(5, 4, suffix="_2"))]
    return RecurrentNet(cells, classes, torch.zeros(input_shape[-1]), torch.ones(input_shape[-1]))

def framed(input_shape, classes):
    cells = [GruCell(CellShape(2 * input_shape[-1], 5))]
    return RecurrentNet(cells, classes, torch.zeros(2 * input_shape[-1]), torch.ones(2 * input_shape[-1]), "piecewise_linear")

class MyCell(GruCell):
    pass

def own_cell(input_shape, classes):
    return RecurrentNet([MyCell(CellShape(input_shape[-1], 5))], classes, torch.zeros(input_shape[-1]), torch.ones(input_shape[-1]))

def nothing(input_shape, classes):
    return None

def one(input_shape):
    return None

def raising(input_shape, classes):
    return {}["conv1"]

def leaving(input_shape, classes):
    raise SystemExit(3)

def of_torch(input_shape, classes):
    return nn.Sequential(nn.Linear(-1, classes))

class Wrong(nn.Module):
    def forward(self, x):
        return self.conv(x)

def forward(input_shape, classes):
    return Wrong()
"""


def line_of(text):
    return next(number for number, line in enumerate(NETS.splitlines(), start=1) if text in line)


BROKEN = {
    "broken_syntax": "from torch import nn\ndef build(input_shape, classes:\n    return None\n",
    "broken_import": "def build(input_shape, classes):\n    return None\nimport no_such.thing\n",
    "broken_exit": "raise SystemExit('no')\n",
}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's module, importable; `own.forget()` makes it impossible to import again."""
    folder = tmp_path / "user"
    folder.mkdir()
    (folder / "my_nets.py").write_text(NETS)
    for name, text in BROKEN.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    yield lambda: ((folder / "my_nets.py").write_text("raise SystemError('imported again')"), sys.modules.pop("my_nets", None))
    sys.modules.pop("my_nets", None)


def finish(path, forget):
    """The later stages, without the user's module."""
    forget()
    stages.quantize(path)
    stages.export_model(path)
    result = stages.verify(path)
    assert {report.witness for report in result.witnesses} == {"onnxruntime", "tflite", "c", "torch"}
    assert result.compared > 0
    assert result.mismatches == 0
    assert stages.inspect(path).layers
    assert "my_nets" not in sys.modules
    return result


def test_an_own_net(own, sequences, tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text(f'model = "my_nets:build"\n[data]\nsource = "{sequences}"\n[train]\nepochs = 2\n[quantize]\nepochs = 1\n')
    path = tmp_path / "out"
    stages.train_model(load_recipe(file), path)
    assert sys.modules["my_nets"].RUNS == [(10, 3)]
    assert {report.compared for report in finish(path, own).witnesses if report.set == "test"} == {12 * CLASSES}
    assert not load_quantized(ModelDirectory.open(path)).training


def test_an_own_net_of_magnitudes_and_concatenations_with_int8_values(own, sequences, tmp_path):
    summary = stages.run(recipe(sequences, "model.kind=my_nets:joined", "quantize.epochs=1", *INT8), tmp_path / "out")
    assert_verified(summary, 12 * CLASSES)
    ops = [layer.op for layer in stages.inspect(tmp_path / "out").layers]
    assert (ops.count("concat"), ops.count("abs")) == (2, 1)


def test_the_installed_command_finds_a_net_in_the_working_directory(sequences, tmp_path):
    """A console script's path lacks it, python -m has it first."""
    (tmp_path / "nets_here.py").write_text(NETS)
    command = [sys.executable, "-P", "-m", "rescomp", "train", "--data", str(sequences), "--model", "nets_here:build", "-o", "out"]
    result = subprocess.run([*command, "--set", "train.epochs=1"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "net.json").is_file()


def test_the_working_directory_is_looked_in_last_and_only_while_the_module_is_imported(sequences, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets_seen.py").write_text("import sys\nSEEN = list(sys.path)\ndef build(shape, classes):\n    return sys.path[:]\n")
    before = list(sys.path)
    section = recipe(sequences, "model.kind=nets_seen:build").model
    with pytest.raises(InputError, match="gave a list"):
        build_net(section, (10, 3), CLASSES, folder=tmp_path)
    assert sys.path == before
    assert [*before, str(tmp_path)] == sys.modules.pop("nets_seen").SEEN
    with pytest.raises(InputError, match="there is no module 'nets_seen' where Python looks: put its folder on PYTHONPATH"):
        build_net(section, (10, 3), CLASSES)


def test_an_own_net_goes_on_without_its_module(own, sequences, tmp_path):
    asked = recipe(sequences, "model.kind=my_nets:build", "model.normalization=robust", "train.time_shift=2")
    stages.train_model(asked, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(asked, tmp_path / "cut", listener=Interrupt())
    own()
    stages.train_model(None, tmp_path / "cut")
    assert "my_nets" not in sys.modules
    assert contents(tmp_path / "whole") == contents(tmp_path / "cut")


@pytest.mark.parametrize(
    "overrides", [["train.batch_size=29"], ["train.batch_size=1"], ["train.validation_fraction=0.3", "train.batch_size=20"]]
)
def test_a_last_batch_of_one_is_trained_and_fine_tuned(overrides, sequences, tmp_path):
    """Of hourglass, whose maps have one position: such a batch has no variance."""
    asked = recipe(sequences, "model.kind=hourglass", "model.widths=[8, 4]", *overrides)
    stages.train_model(asked, tmp_path / "out")
    assert stages.quantize(tmp_path / "out") > 0


def test_a_batch_of_one_at_one_position_counts_as_it_will_when_folded():
    net = build_net(recipe("a.npz", "model.kind=hourglass", "model.widths=[8, 4]").model, (10, 3), CLASSES)
    x = torch.randn(1, 10, 3)
    net.train()
    net(torch.randn(7, 10, 3))
    assert torch.allclose(net(x), net.eval()(x), atol=1e-5)
    assert not torch.allclose(net.train()(torch.cat([x, x + 1]))[:1], net.eval()(x), atol=1e-5)


def test_the_weights_of_an_own_net(own, sequences, tmp_path):
    import my_nets

    torch.manual_seed(3)
    module = my_nets.build((10, 3), CLASSES)
    safetensors.torch.save_file(module.state_dict(), tmp_path / "w.safetensors")
    asked = recipe(
        sequences, "model.kind=my_nets:build", f"model.weights={tmp_path / 'w.safetensors'}", "train.learning_rate=1e-30", "train.epochs=1"
    )
    stages.train_model(asked, tmp_path / "out")
    trained = safetensors.torch.load_file(tmp_path / "out" / "float.safetensors")
    expected = module[5].weight.reshape(CLASSES, 4, 4).permute(0, 2, 1).reshape(CLASSES, 16)
    assert any(torch.equal(value, expected) for value in trained.values() if value.shape == expected.shape)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pickle", r"w\.bin is no safetensors file .*: save it with safetensors\.torch\.save_file, never as a pickle"),
        ("other", r"w\.bin is not of this net: .*size mismatch|w\.bin is not of this net"),
        (None, r"cannot read model\.weights .*w\.bin: No such file"),
    ],
)
def test_other_weights_are_refused(content, message, own, sequences, tmp_path):
    path = tmp_path / "w.bin"
    if content == "pickle":
        path.write_bytes(pickle.dumps({"0.weight": [1]}))
    elif content == "other":
        safetensors.torch.save_file({"0.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=message):
        stages.train_model(recipe(sequences, "model.kind=my_nets:build", f"model.weights={path}"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_own_recurrent_net(own, sequences, tmp_path):
    path = tmp_path / "out"
    stages.train_model(recipe(sequences, "model.kind=my_nets:recurrent"), path)
    assert sys.modules["my_nets"].RUNS == [(10, 3)]
    result = finish(path, own)
    assert {report.compared for report in result.witnesses if report.set == "test"} == {12 * (10 * (5 + 4 + 4) + CLASSES)}


def test_an_own_recurrent_net_of_frames_and_a_constant_channel(own, tmp_path):
    data = np.load(write(tmp_path / "a.npz", (10, 3)))
    x = {name: np.concatenate([data[name], np.full((len(data[name]), 10, 1), 2.0, np.float32)], axis=2) for name in ("x_train", "x_test")}
    source = write(tmp_path / "constant.npz", (10, 3), **x)
    path = tmp_path / "out"
    stages.train_model(recipe(source, "model.kind=my_nets:framed", "model.readings=2"), path)
    values = safetensors.torch.load_file(path / "float.safetensors")
    assert (values["std"] > 0).all()
    assert torch.equal(values["mean"][:4], values["mean"][4:])
    assert values["mean"][0] != 0
    finish(path, own)


def test_a_spread_of_nothing_counts_as_one(own):
    section = recipe("a.npz", "model.kind=my_nets:framed", "model.readings=2").model
    net = build_net(section, (10, 2), CLASSES, torch.tensor([1.0, 2.0]), torch.tensor([0.0, 3.0]))
    assert net.mean.tolist() == [1, 2, 1, 2]
    assert net.std.tolist() == [1, 3, 1, 3]


def test_a_damaged_description_of_cells_is_refused(own):
    net = build_net(recipe("a.npz", "model.kind=my_nets:recurrent").model, (10, 3), CLASSES)
    known = Blueprint.of(net)
    cells = [[part.kind, asdict(part.shape)] for part in known.parts]
    document = {"schema": 1, "cells": cells, "channels": known.channels, "classes": known.classes, "nonlinearity": known.nonlinearity}
    data = json.dumps(document).encode()
    assert Blueprint.from_json(data, "cells.json") == known
    assert {name: value.shape for name, value in known.net().state_dict().items()} == {
        name: value.shape for name, value in net.state_dict().items()
    }
    for damage in (
        data[:-9],
        b"[]",
        data.replace(b'"gru"', b'"gruu"'),
        data.replace(b'"cells"', b'"cell"'),
        data.replace(b"hidden_size", b"size"),
    ):
        with pytest.raises(InputError, match=r"^cells\.json is damaged .*: train the model again$"):
            Blueprint.from_json(damage, "cells.json")
    with pytest.raises(InputError, match=r"^cells\.json has schema 3, this rescomp reads 1 and 2"):
        Blueprint.from_json(data.replace(b'"schema": 1', b'"schema": 3'), "cells.json")


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["model.kind=my_nets:unsupported"], UnsupportedError, r"layer '1' \(GELU\) is not supported: use nn\.ReLU"),
        (
            ["model.kind=my_nets:own_cell"],
            UnsupportedError,
            "a MyCell cannot be exported: use one of FastRnnCell, FastGrnnCell, GruCell, MguCell, LstmCell",
        ),
        (
            ["model.kind=my_nets:recurrent", "model.readings=2"],
            InputError,
            "gave a net whose input has 3 entries, and the data's steps have 2 readings of 3",
        ),
        (["model.kind=my_nets:nothing"], InputError, r"my_nets:nothing gave a NoneType: it must give a torch\.nn\.Module"),
        (["model.kind=my_nets:bild"], InputError, r"the module my_nets \(.*my_nets\.py\) has no function 'bild'"),
        (["model.kind=my_nets:RUNS"], InputError, "has no function 'RUNS'"),
        (["model.kind=no_such_package:build"], InputError, "there is no module 'no_such_package' where Python looks and in the working"),
        (
            ["model.kind=my_nets:one"],
            InputError,
            rf"is called as function\(input_shape, classes\), and too many .*my_nets\.py, line {line_of('def one(input_shape):')}\)",
        ),
        (
            ["model.kind=my_nets:raising"],
            InputError,
            rf"your function raised KeyError: 'conv1' \(.*my_nets\.py, line {line_of('conv1')}\): correct it there",
        ),
        (
            ["model.kind=my_nets:leaving"],
            InputError,
            rf"your function raised SystemExit: 3 \(.*my_nets\.py, line {line_of('raise SystemExit(3)')}\)",
        ),
        (
            ["model.kind=my_nets:of_torch"],
            InputError,
            rf"your function raised RuntimeError: .*\(.*my_nets\.py, line {line_of('nn.Linear(-1, classes)')}\)",
        ),
        (
            ["model.kind=my_nets:forward"],
            InputError,
            rf"Wrong\.forward raised AttributeError: .*'conv'.* \(.*my_nets\.py, line {line_of('return self.conv(x)')}\)",
        ),
        (["model.kind=broken_syntax:build"], InputError, r"your module 'broken_syntax' raised SyntaxError.*broken_syntax\.py, line 2\)"),
        (
            ["model.kind=broken_import:build"],
            InputError,
            r"raised ModuleNotFoundError: No module named 'no_such'.*broken_import\.py, line 3\)",
        ),
        (["model.kind=broken_exit:build"], InputError, r"your module 'broken_exit' raised SystemExit.*broken_exit\.py, line 1\)"),
        (["model.kind=my_nets:not_causal", "model.streaming=true"], UnsupportedError, "looks ahead"),
        (
            ["model.kind=my_nets:recurrent", "model.streaming=true"],
            InputError,
            r"a net of recurrent cells over time, does not read model\.streaming",
        ),
    ],
)
def test_own_nets_that_are_refused_before_the_training(overrides, error, message, own, sequences, tmp_path):
    with pytest.raises(error, match=message):
        stages.train_model(recipe(sequences, *overrides), tmp_path / "out")
    assert not (tmp_path / "out").exists()


FAILURES = [
    (("--model", "renset1d"), 2, "the nearest value is 'resnet1d'"),
    (("--model", "my_nets:unsupported"), 5, "layer '1' (GELU) is not supported: use nn.ReLU"),
    (("--model", "resnet1d", "--set", "train.loop=compiled"), 2, "is for recurrent cells: leave it out for a net without state"),
    (
        ("--model", "resnet1d", "--weights", "int8", "--set", "compress.0.activations=int8", "--set", "compress.0.scale=power_of_two"),
        2,
        "six bits: set bits = 6",
    ),
    (
        ("--model", "resnet1d", "--weights", "int6", "--set", "compress.0.activations=int8"),
        2,
        'takes scale = "power_of_two", so that every runtime rounds alike',
    ),
    (("--model", "resnet1d", "--set", "compress.0.activations=int8"), 2, 'takes scale = "power_of_two"'),
    (
        ("--weights", "int6", "--set", "compress.0.scale=power_of_two", "--set", "compress.0.activations=int8"),
        2,
        "for nets without state: a recurrent state needs 16 bits",
    ),
    (("--model", "resnet2d"), 2, "resnet2d reads samples of (height, width, channels), and the data's are (time, channels)"),
    (
        ("--model", "resnet1d", "--set", 'compress=[{kind="sparse", density_u=0.2},{kind="quantize"}]'),
        2,
        "density_w and density_u of sparse in compress are for recurrent cells: set density",
    ),
    (("--model", "resnet1d", "--weights", "ternary", "--density", "0.5"), 2, "cannot be sparse and ternary"),
    (
        ("--model", "resnet1d", "--set", 'compress=[{kind="low_rank", rank_w=2},{kind="quantize"}]'),
        2,
        "rank_w and rank_u of low_rank in compress are for recurrent cells",
    ),
    (("--model", "resnet1d", "--set", "model.widths=[4, 4, 4, 4]", "--set", "model.time_steps=12"), 2, "layer stage4_block1 halves time"),
    (("--model", "resnet1d", "--set", "train.crop=2"), 2, "train.crop is for images, and the data are none: leave it out"),
    (("--model", "resnet1d", "--set", "train.rotation=0.1", "--data", "{pictures}"), 2, "reads samples of (time, channels)"),
    (
        ("--model", "resnet2d", "--set", "train.time_shift=2", "--data", "{pictures}", "--set", "model.widths=[4]"),
        2,
        "train.time_shift is for sequences",
    ),
    (
        ("--model", "gru", "--data", "{pictures}"),
        2,
        "gru reads sequences [time, channels], and the data's samples have the shape [6, 4, 3]",
    ),
    (("--model", "gru", "--set", "model.streaming=true"), 2, "gru does not read model.streaming"),
    (
        ("--model", "resnet2d", "--set", "model.widths=[4]", "--set", "model.streaming=true", "--data", "{pictures}"),
        2,
        "resnet2d does not read model.streaming",
    ),
    (
        ("--set", 'model.stages=[{kind="depthwise"},{kind="gru"}]', "--data", "{pictures}"),
        2,
        "a net with cells among its stages reads sequences [time, channels], and the data's samples have the shape [6, 4, 3]",
    ),
    (
        ("--set", 'model.stages=[{kind="depthwise"}]', "--set", "model.streaming=true", "--data", "{pictures}"),
        2,
        "stages, a net without state over images, does not read model.streaming",
    ),
    (("--set", 'model.stages=[{kind="depthwise",stride=4}]', "--data", "{pictures}"), 2, "depthwise1 divides axes of [6, 4] by 4"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), FAILURES, ids=[" ".join(failure[0]) for failure in FAILURES])
def test_mistakes_get_one_sentence_and_their_exit_code(arguments, code, text, own, sequences, pictures, tmp_path, capsys):
    data = () if "--data" in arguments else ("--data", str(sequences))
    command = (
        "run",
        *data,
        "-o",
        str(tmp_path / "out"),
        *(part.format(pictures=pictures) if part == "{pictures}" else part for part in arguments),
    )
    assert main(list(command)) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert "Traceback" not in captured.err
    assert [line.startswith("read ") for line in captured.err.splitlines()[:-1]] in ([], [True])
    assert not (tmp_path / "out").exists()
