"""What a training writes down of the defaults that it chose."""

import dataclasses

import numpy as np
import pytest

from rescomp import stages
from rescomp.data.dataset import load_dataset
from rescomp.errors import MissingToolError
from rescomp.model_directory import RECIPE, ModelDirectory
from rescomp.models import build_net
from rescomp.recipe import load_recipe, parse_recipe, revise
from rescomp.stages.defaults import size_of, with_defaults, with_loop
from rescomp.stages.net_readings import input_shape
from rescomp.stages.seeds import _is_of

FAST = ("model.hidden_size=4", "train.epochs=1", "quantize.epochs=0", "train.threads=1")


@pytest.fixture(scope="module")
def owned(tmp_path_factory):
    """Of six people, 50 recordings each."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "people.npz"
    y = np.arange(300) % 2
    x = (rng.normal(size=(300, 6, 2)) + y[:, None, None]).astype(np.float32)
    np.savez(path, x_train=x, y_train=y, x_test=x[:20] + 1, y_test=y[:20], group_train=np.arange(300) // 50)
    return path


def test_they_are_written_into_the_recipe_and_are_its_word_from_then_on(owned, tmp_path):
    path, recipe = tmp_path / "model", load_recipe(None, [f"data.source={owned}", *FAST])
    stages.train_model(recipe, path)
    kept = parse_recipe(ModelDirectory.open(path).read(RECIPE), RECIPE)
    assert (kept.train.batch_size, kept.train.input_noise) == (19, 0.57)
    assert (kept.train.validation_fraction, kept.train.patience, kept.train.epochs) == (0.2, 5, 1)
    assert kept.quantize.learning_rate == 0.0098
    dataset = load_dataset(kept.data)
    assert with_defaults(kept, dataset) == kept
    assert _is_of(path, recipe, dataset)
    assert _is_of(path, revise(recipe, ["train.seed=0"]), dataset)
    assert not _is_of(path, revise(recipe, ["train.batch_size=18"]), dataset)


def test_groups_of_which_none_can_be_held_apart_are_no_reason_for_validation(owned):
    recipe = load_recipe(None, [f"data.source={owned}"])
    dataset = load_dataset(recipe.data)
    assert (size_of(recipe, dataset).recordings, size_of(recipe, dataset).steps, size_of(recipe, dataset).groups) == (300, 1800, 6)
    own_class = dataclasses.replace(dataset.train, groups=dataset.train.y)
    assert size_of(recipe, dataclasses.replace(dataset, train=own_class)).groups == 0
    assert with_defaults(recipe, dataclasses.replace(dataset, train=own_class)).train.validation_fraction == 0


def test_steps_are_counted_as_the_net_reads_them(owned):
    recipe = load_recipe(None, [f"data.source={owned}", "model.readings=4", "model.stride=2"])
    assert size_of(recipe, load_dataset(recipe.data)).steps == 300 * 2


def test_much_data_is_walked_through_by_the_compiled_loop_where_there_is_a_compiler(owned, monkeypatch):
    recipe = load_recipe(None, [f"data.source={owned}", *FAST])
    dataset = load_dataset(recipe.data)
    net = build_net(recipe.model, input_shape(recipe, dataset), 2)
    assert with_loop(recipe, net, dataset).train.loop == "torch"
    monkeypatch.setattr("rescomp.stages.defaults.SHORT", 100)
    found = []
    monkeypatch.setattr("rescomp.models.use_loop", lambda net, loop: found.append(loop))
    assert with_loop(recipe, net, dataset).train.loop == "compiled"
    for asked in ("train.loop=torch", "train.device=cuda"):
        assert with_loop(revise(recipe, [asked]), net, dataset).train.loop == "torch"
    assert found == ["compiled", "compiled"]

    def without_compiler(net, loop):
        found.append(loop)
        if loop == "compiled":
            raise MissingToolError("no compiler")

    monkeypatch.setattr("rescomp.models.use_loop", without_compiler)
    assert with_loop(recipe, net, dataset).train.loop == "torch"
    assert found[2:] == ["compiled", "torch"]
