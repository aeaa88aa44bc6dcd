"""Weights of somebody else's training: checked when they are loaded, and met by the readings that they were trained on."""

import numpy as np
import pytest
import safetensors.torch
import torch

from rescomp import stages
from rescomp.errors import InputError
from rescomp.models import build_net
from rescomp.recipe import ModelSection, load_recipe
from rescomp.stages import kept_nets
from rescomp.tests.stages.listeners import Warned

NETS = """
from torch import nn
def build(shape, classes):
    return nn.Sequential(nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(2, 2))
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A function that writes weights, and data where class 1 reads 9 and class 0 reads 2; it gives the recipe's keys."""
    (tmp_path / "author_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)

    def write(scale=1.0, **changes):
        weights = {
            "0.weight": torch.ones(2, 1, 1),
            "0.bias": torch.tensor([-5.0, 0.0]) * scale,
            "1.weight": torch.ones(2),
            "1.bias": torch.zeros(2),
            "1.running_mean": torch.zeros(2),
            "1.running_var": torch.ones(2),
            "1.num_batches_tracked": torch.tensor(0),
            "5.weight": torch.tensor([[0.0, 0.0], [1.0, 0.0]]),
            "5.bias": torch.tensor([1.0, 0.0]) * scale,
        }
        safetensors.torch.save_file({**weights, **changes}, tmp_path / "w.safetensors")
        y = np.arange(24) % 2
        x = (scale * np.array([2.0, 9.0])[y][:, None, None] + 0.1 * np.random.default_rng(0).standard_normal((24, 8, 1))).astype(np.float32)
        np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
        keys = ("model.kind=author_nets:build", f"model.weights={tmp_path / 'w.safetensors'}", f"data.source={tmp_path / 'd.npz'}")
        return [*keys, "train.epochs=0", "quantize.epochs=0"]

    return write


def test_own_weights_read_what_their_author_read(own, tmp_path):
    recipe = load_recipe(None, own(), weights="int8")
    assert recipe.model.normalization == "none"
    told = Warned()
    assert stages.train_model(recipe, tmp_path / "out", listener=told) == 1.0
    assert stages.quantize(tmp_path / "out", listener=told) == 1.0
    assert [each[:24] for each in told.warnings] == ["24 of 24 test recordings", "nothing says whose the t"]


def test_readings_past_the_first_value_are_counted(own, tmp_path):
    told, recipe = Warned(), load_recipe(None, own(scale=1500.0), weights="int8")
    stages.train_model(recipe, tmp_path / "out", listener=told)
    stages.quantize(tmp_path / "out", listener=told)
    assert any(text.startswith("192 of 384 readings lie outside -10922..10922") for text in told.warnings), told.warnings


def test_a_normalization_that_is_asked_for_stays():
    assert ModelSection.model_validate({"weights": "w", "normalization": "standard"}).normalization == "standard"
    assert ModelSection().normalization == "standard"
    assert load_recipe(None, ["model.normalization=none"]).model.normalization == "none"


def test_a_recurrent_net_with_weights_keeps_the_normalization_in_them(tmp_path, monkeypatch):
    (tmp_path / "cells.py").write_text(
        "from rescomp.models import CellShape, GruCell, RecurrentNet\nimport torch\n"
        "def net(shape, classes):\n    return RecurrentNet([GruCell(CellShape(2, 3, None, None, ''))], classes, torch.ones(2), torch.full((2,), 4.0), 'table')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for normalization, mean in (("none", 1.0), ("standard", 7.0)):
        net = build_net(ModelSection(kind="cells:net", normalization=normalization), (2,), 3, torch.full((2,), 7.0), torch.ones(2))
        assert net.mean.tolist() == [mean, mean]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("0.weight", torch.full((2, 1, 1), torch.nan), r"number in '0\.weight' that is not finite"),
        ("5.bias", torch.tensor([1.0, -torch.inf]), r"number in '5\.bias' that is not finite"),
        ("0.bias", torch.tensor([1e300, 0.0], dtype=torch.float64), r"number in '0\.bias' that is not finite"),
        ("1.running_var", torch.tensor([1.0, -0.5]), r"negative variance in '1\.running_var'"),
    ],
)
def test_weights_that_mean_nothing_are_refused(own, tmp_path, name, value, reason):
    with pytest.raises(InputError, match=rf"w\.safetensors holds a {reason}"):
        stages.train_model(load_recipe(None, own(**{name: value})), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_float_net_that_is_not_finite_is_not_quantized(own, tmp_path, monkeypatch):
    stages.train_model(load_recipe(None, own(), weights="int8"), tmp_path / "out")

    def load(net, path):
        next(net.parameters()).data.fill_(torch.nan)

    monkeypatch.setattr(kept_nets, "load_net", load)
    with pytest.raises(InputError, match=r"float\.safetensors holds a number in '.*' that is not finite: train anew"):
        stages.quantize(tmp_path / "out")


def test_a_net_that_its_function_breaks_is_refused(tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text(
        "from torch import nn\ndef net(shape, classes):\n    linear = nn.Linear(2, classes)\n    nn.init.constant_(linear.weight, float('inf'))\n    return nn.Sequential(nn.Flatten(), linear)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"what broken:net gave holds a number in '1\.weight'"):
        build_net(ModelSection(kind="broken:net"), (2, 1), 3)
