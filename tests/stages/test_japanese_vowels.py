"""Nets without state on the bundled recordings, in seconds: they learn, and every witness agrees."""

import pytest

from rescomp import stages
from rescomp.recipe import load_recipe

SHORT = ("train.epochs=8", "quantize.epochs=8", "train.learning_rate=0.005", "train.input_noise=0.3")
INT8 = ("compress.0.scale=power_of_two", "compress.0.activations=int8")


@pytest.mark.parametrize(
    ("kind", "weights", "overrides"),
    [("resnet1d", "ternary", ()), ("resnet1d", "int6", INT8), ("dscnn1d", "int8", ("model.widths=[24]",))],
)
def test_learns_and_agrees(kind, weights, overrides, tmp_path):
    recipe = load_recipe(overrides=[f"model.kind={kind}", *SHORT, *overrides], weights=weights)
    summary = stages.run(recipe, tmp_path / "out")
    assert [entry.compared for entry in summary.verification.witnesses if entry.set == "test"] == [370 * 9] * 8
    assert summary.verification.mismatches == 0
    assert summary.accuracy_integer >= 0.9
