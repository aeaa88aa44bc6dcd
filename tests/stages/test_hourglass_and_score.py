"""Hourglass and score nets through every stage on the bundled set: every witness, nothing differs."""

import json

import pytest

from rescomp import stages
from rescomp.model_directory import NET
from rescomp.recipe import load_recipe

SEQUENCES, CLASSES = 370, 9


@pytest.mark.parametrize("overrides", [("model.kind=hourglass", "model.fixed_projection=true"), ("model.kind=score1d",)], ids=str)
def test_run_from_recordings_to_verified_exports(overrides, tmp_path):
    recipe = load_recipe(None, [*overrides, "train.epochs=1", "quantize.epochs=1"])
    result = stages.run(recipe, tmp_path / "model")
    assert {report.witness for report in result.verification.witnesses} == {"onnxruntime", "tflite", "c", "torch"}
    assert result.verification.failures == ()
    assert {report.compared for report in result.verification.witnesses if report.set == "test"} == {SEQUENCES * CLASSES}
    layers = json.loads((tmp_path / "model" / NET).read_text())["parts"][0]["layers"]
    assert sum(layer["seed"] is not None for layer in layers) == (1 if recipe.model.fixed_projection else 0)
