"""Every form of the model on the whole bundled test set: weights x scales x non-linearity x rank, every witness, nothing differs."""

import shutil
from itertools import product

import pytest

from rescomp import stages
from rescomp.recipe import load_recipe

RANKS = {"full": (), "low rank": ("model.rank_w=6", "model.rank_u=10")}
HIDDEN, CLASSES, SEQUENCES, STEPS = 32, 9, 370, 5687
EXPECTED = STEPS * HIDDEN + SEQUENCES * CLASSES


@pytest.fixture(scope="module", params=list(product(RANKS, ("table", "piecewise_linear"))), ids=" ".join)
def float_net(request, tmp_path_factory):
    """A float net after two epochs: exactness does not ask for accuracy."""
    rank, nonlinearity = request.param
    path = tmp_path_factory.mktemp("float") / "model"
    stages.train(load_recipe(None, [*RANKS[rank], f"model.nonlinearity={nonlinearity}", "train.epochs=2"]), path)
    return path


@pytest.mark.parametrize("scale", ["multiplier", "power_of_two"])
@pytest.mark.parametrize("weights", ["ternary", "int8"])
def test_all_witnesses_agree(float_net, weights, scale, tmp_path, capsys):
    path = shutil.copytree(float_net, tmp_path / "model")
    stages.quantize(path, weights=weights, overrides=[f"compress.0.scale={scale}", "quantize.epochs=1"])
    stages.export(path)
    result = stages.verify(path)
    assert {report.name for report in result.witnesses} == {"onnxruntime", "tflite", "c", "torch"}
    assert [(report.compared, report.mismatches) for report in result.witnesses] == [(EXPECTED, 0)] * 9
    with capsys.disabled():
        print(f"\n{weights}, {scale}: {result.compared:,} values compared, 0 differ", end="")


@pytest.mark.usefixtures("emulator")
def test_the_default_model_agrees_on_an_emulated_cortex_m0(tmp_path):
    path = tmp_path / "model"
    stages.train(load_recipe(None, ["train.epochs=2", "quantize.epochs=1"]), path)
    stages.quantize(path)
    stages.export(path, ["c"])
    (report,) = stages.verify(path, "qemu:cortex-m0").witnesses
    assert (report.compared, report.mismatches) == (EXPECTED, 0)
