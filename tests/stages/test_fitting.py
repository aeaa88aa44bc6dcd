"""--fit: the rule picks the first candidate that fits, what it predicts is an upper bound, and it refuses with the closest fit."""

import json

import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import BudgetError, InputError
from rescomp.export.c import constant_bytes, translate
from rescomp.graph.decide import with_decision
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import Recipe, load_recipe, parse_recipe
from rescomp.stages.artefacts import read_model
from rescomp.stages.budget import Budget, parse_budget
from rescomp.stages.features import load_readings
from rescomp.stages.fitting import Size, candidates, check_budget, fit_recipe, predict_size


def test_budgets_are_read():
    assert parse_budget("const=2KB,state=512B") == Budget(2048, 512)
    assert parse_budget(" state = 1.5KB ") == Budget(None, 1536)
    for text in ("2KB", "const=2", "const=2MB", "const=1KB,const=2KB", "", "flash=2KB"):
        with pytest.raises(InputError, match="--fit takes"):
            parse_budget(text)


def test_the_first_candidate_that_fits_is_taken():
    order = list(candidates(Recipe()))
    for budget in (Budget(8192), Budget(4096), Budget(2048, 512), Budget(300)):
        chosen, size = fit_recipe(Recipe(), budget)
        assert budget.holds(size)
        place = order.index(chosen)
        for earlier in order[max(0, place - 3) : place]:
            assert not budget.holds(predict_size(earlier, 12, 9))


def test_own_constraints_are_kept():
    recipe = load_recipe(None, ["model.kind=gru"], weights="int8", density=0.3)
    chosen, _ = fit_recipe(recipe, Budget(3072))
    assert chosen.compress == recipe.compress
    assert chosen.model.kind == "gru"


@pytest.mark.parametrize("weights", ["ternary", "int8", "int4"])
def test_weights_that_are_asked_for_are_kept_though_they_are_the_default(weights):
    recipe = load_recipe(None, weights=weights)
    assert {candidate.compress for candidate in candidates(recipe)} == {recipe.compress}


def test_a_nonlinearity_that_is_asked_for_is_kept():
    recipe = load_recipe(None, ["model.nonlinearity=table"])
    assert {candidate.model.nonlinearity for candidate in candidates(recipe)} == {"table"}
    assert {candidate.model.nonlinearity for candidate in candidates(load_recipe())} == {"table", "piecewise_linear"}


@pytest.mark.parametrize("size", [16, Recipe().model.hidden_size])
def test_a_hidden_size_beside_fit_is_refused(size):
    with pytest.raises(InputError, match=r"--fit chooses model\.hidden_size: leave it out of the recipe and of --set"):
        fit_recipe(load_recipe(None, [f"model.hidden_size={size}"]), Budget(8192))


@pytest.mark.parametrize(("rank", "least"), [("rank_w", 12), ("rank_u", 40)])
def test_a_rank_that_is_asked_for_is_kept(rank, least):
    tried = list(candidates(load_recipe(None, [f"model.{rank}={least}"])))
    assert {getattr(candidate.model, rank) for candidate in tried} == {least}
    assert min(candidate.model.hidden_size for candidate in tried) == least
    with pytest.raises(InputError, match=r"--fit tries hidden sizes below the rank that the recipe asks for \(300\)"):
        fit_recipe(load_recipe(None, [f"model.{rank}=300"], weights="int8"), Budget(8192))


def test_nothing_fits():
    with pytest.raises(
        BudgetError, match=r"no net fits const 64 B: the closest, fastgrnn of hidden size 4, ternary, piecewise_linear, needs const \d+ B"
    ):
        fit_recipe(Recipe(), Budget(64))


@pytest.mark.parametrize(
    "overrides", [[], ["model.rank_u=4"], ["compress.0.scale=power_of_two"], ["compress.0.per=tensor"], ["model.layers=2"]]
)
@pytest.mark.parametrize("weights", ["ternary", "int8", "int4"])
def test_the_prediction_bounds_the_trained_model(recordings, tmp_path, overrides, weights):
    if weights != "ternary":
        overrides = [override for override in overrides if "per=" not in override]
    recipe = load_recipe(
        None, [f"data.source={recordings}", "model.hidden_size=8", "train.epochs=1", "quantize.epochs=1", *overrides], weights=weights
    )
    stages.train_model(recipe, tmp_path / "m")
    stages.quantize(tmp_path / "m")
    model = read_model(ModelDirectory.open(tmp_path / "m"))
    predicted = predict_size(recipe, 4, 3)
    inspection = stages.inspect(tmp_path / "m")
    assert constant_bytes(model)["model"] <= predicted.const
    assert inspection.ram == predicted.state
    check_budget(Budget(predicted.const, predicted.state), model)
    with pytest.raises(BudgetError, match=r"lower model\.hidden_size"):
        check_budget(Budget(const=100), model)


def test_a_decision_and_a_policy_of_streams_are_part_of_the_price(model_dir):
    stages.quantize(model_dir, overrides=["decide.thresholds=0.5", "stream.window=20"])
    directory = ModelDirectory.open(model_dir)
    model = read_model(directory)
    recipe = parse_recipe(directory.read("recipe.toml"), "a recipe")
    alone = predict_size(recipe.model_copy(update={"decide": None, "stream": None}), 4, 3)
    predicted = predict_size(recipe, 4, 3)
    assert predicted.state == translate(model).stream_bytes > 2 * alone.state
    more = translate(model).constant_bytes - translate(with_decision(model, None)).constant_bytes
    assert predicted.const - alone.const == more > 0
    check_budget(Budget(state=predicted.state), model)
    with pytest.raises(BudgetError, match=f"state {predicted.state} B, the budget is state {predicted.state - 1} B"):
        check_budget(Budget(state=predicted.state - 1), model)


@pytest.mark.parametrize("readings", [2, 4])
def test_readings_side_by_side_cost_their_weights_only(readings):
    one, more = (predict_size(load_recipe(None, [f"model.readings={n}"], weights="int8"), 12, 9) for n in (1, readings))
    hidden = Recipe().model.hidden_size
    assert more.const - one.const == (readings - 1) * 12 * hidden


def test_run_with_fit(recordings, tmp_path, capsys):
    quick = ["--set", "train.epochs=1", "--set", "quantize.epochs=1", "--against", "onnxruntime", "--json"]
    assert main(["run", "--data", str(recordings), "--fit", "const=600B", "-o", str(tmp_path / "m"), *quick]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"]["model"] <= 600
    assert main(["run", "--data", str(recordings), "--fit", "const=60B", "-o", str(tmp_path / "n"), *quick]) == 4
    assert "the closest" in capsys.readouterr().err
    assert not (tmp_path / "n").exists()
    assert main(["run", "--fit", "const=1KB", "--seeds", "0,1"]) == 2


def test_sizes_read_well():
    assert str(Size(10, 20)) == "const 10 B, state 20 B"


def test_widths_of_a_residual_net_are_chosen_for_windows_frames_and_images(recordings, images):
    for source, asked, kind in ((recordings, ["model.kind=resnet1d"], "resnet1d"), (images, [], "resnet2d")):
        chosen, size = fit_recipe(load_recipe(None, [f"data.source={source}", *asked]), Budget(6000))
        order = list(candidates(load_recipe(None, [f"data.source={source}", f"model.kind={kind}"])))
        place = [(recipe.model.widths, recipe.compress) for recipe in order].index((chosen.model.widths, chosen.compress))
        assert chosen.model.kind == kind
        assert size.const <= 6000
        with pytest.raises(BudgetError, match=f"no net fits const 60 B: the closest, {kind} of widths"):
            fit_recipe(load_recipe(None, [f"data.source={source}", *asked]), Budget(60))
        _, dataset = load_readings(chosen)
        assert predict_size(order[place - 1], dataset.train.channels, 3, dataset).const > 6000 >= size.const


def test_widths_beside_fit_are_refused(recordings):
    with pytest.raises(InputError, match=r"--fit chooses model\.widths: leave it out"):
        fit_recipe(load_recipe(None, [f"data.source={recordings}", "model.kind=resnet1d", "model.widths=[8]"]), Budget(8192))
