"""What candidates are drawn from: the space by default, less what the recipe sets, with what [search.space] lists."""

import random
from itertools import product

import pytest

from rescomp.errors import InputError
from rescomp.recipe import DataSize, following, load_recipe, parse_recipe, to_toml, with_readings
from rescomp.search.space import Space
from rescomp.stages.fitting import candidates


def space(*overrides, images=False):
    return Space(load_recipe(None, overrides), images=images)


def keys(found):
    return {each.key for each in found.dimensions}


@pytest.mark.parametrize("images", [False, True])
def test_every_candidate_is_a_recipe_that_is_read_back(images):
    drawn, kinds, refused = random.Random(0), set(), 0
    found = space(images=images)
    for _ in range(60):
        chosen = found.draw(lambda dimension: drawn.choice(dimension.values))
        try:
            recipe = found.recipe(chosen)
        except InputError:  # values that do not go together: the sampler is told so
            refused += 1
            continue
        kinds.add(recipe.model.kind)
        assert parse_recipe(to_toml(recipe), "itself") == recipe
        assert ("model.hidden_size" in chosen) == ("model.widths" not in chosen) == recipe.model.is_recurrent
        assert recipe.search is None
    assert len(kinds) > 2
    assert refused < 6


def test_what_the_recipe_sets_is_not_drawn():
    assert "model.kind" not in keys(space("model.kind=gru"))
    assert not {"weights", "weights.U", "density"} & keys(space("compress.0.scale=power_of_two"))
    fixed = space("model.hidden_size=12", "model.kind=gru")
    assert "model.hidden_size" not in keys(fixed)
    assert fixed.recipe({"weights": "int4"}).model.hidden_size == 12


def test_listed_values_take_the_place_of_those_by_default():
    found = space("model.kind=gru", 'search.space={"model.hidden_size" = [5, 7], "train.learning_rate" = [0.01, 0.1]}')
    (sizes,) = (each.values for each in found.dimensions if each.key == "model.hidden_size")
    assert sizes == (5, 7)
    chosen = found.draw(lambda dimension: dimension.values[-1])
    assert (found.recipe(chosen).model.hidden_size, found.recipe(chosen).train.learning_rate) == (7, 0.1)


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ('{"data.window" = [1, 2]}', "every candidate reads the same data"),
        ('{"train.seed" = [1, 2]}', "the finalists are trained with several"),
        ('{"model.hiden_size" = [4]}', r"unknown key 'model.hiden_size'; the nearest one is 'hidden_size'"),
        ('{"model.hidden_size" = [4, "many"]}', "a whole number is wanted"),
        ('{"weights" = ["int5"]}', "the nearest value is 'int"),
        ('{"density" = [2.0]}', "a density is above 0"),
        ('{"model.kind" = ["gru"]}', "which the recipe sets: leave one of them out"),
        ('{"compress.nothing" = [1]}', "no entry of compress has the key nothing"),
    ],
)
def test_keys_and_values_that_no_candidate_can_have_are_refused(listed, said):
    with pytest.raises(InputError, match=said):
        space("model.kind=fastgrnn", f"search.space={listed}")


def test_the_choice_of_fit_is_a_candidate():
    found = space("model.kind=gru")
    for fitted in list(candidates(load_recipe(None, ["model.kind=gru"])))[::5]:
        chosen = found.values_of(fitted)
        assert found.recipe(chosen).model == fitted.model
        assert found.recipe(chosen).compress == fitted.compress


@pytest.mark.parametrize(
    ("drawn", "alike"),
    [
        ({"weights": "int4", "W": "int8", "U": "int8", "classifier": "int8"}, {"weights": "int8"}),
        ({"weights": "ternary", "W": "int8", "U": "int4", "classifier": "int4"}, {"weights": "int4", "W": "int8"}),
        ({"weights": "int8", "W": "int8", "U": "alike", "classifier": "int4"}, {"weights": "int8", "classifier": "int4"}),
    ],
)
def test_storages_that_come_to_the_same_are_one_recipe(drawn, alike):
    """Also where every matrix has one of its own, which leaves the entry of all others nothing."""
    found = space("model.kind=gru")

    def made(storages):
        return to_toml(found.recipe({key if key == "weights" else f"weights.{key}": value for key, value in storages.items()}))

    assert made(drawn) == made({"weights": "", "W": "alike", "U": "alike", "classifier": "alike", **alike})


def test_every_storage_of_every_matrix_is_a_recipe():
    found, storages = space("model.kind=gru", "model.hidden_size=8"), ("alike", "int8", "int4")
    for base, *own in product(("int8", "int4", "ternary"), *[storages] * 3):
        found.recipe({"weights": base, **dict(zip(("weights.W", "weights.U", "weights.classifier"), own, strict=True))})


def test_a_listed_density_is_drawn_of_layers_too_and_its_granularity_where_something_is_left_out():
    found = space("model.kind=resnet1d", 'search.space={"density" = [1.0, 0.5], "granularity" = ["weight", "kernel"]}')

    def drawn(density):
        return found.draw(lambda each: density if each.key == "density" else "int8" if each.key == "weights" else each.values[-1])

    (sparse, _), (alone,) = found.recipe(drawn(0.5)).compress, found.recipe(drawn(1.0)).compress
    assert (sparse.kind, sparse.density, sparse.granularity, alone.kind) == ("sparse", 0.5, "kernel", "quantize")
    assert "granularity" not in drawn(1.0)
    assert "granularity" not in keys(space()), "only where it is listed"
    with pytest.raises(InputError, match=r"search\.space lists granularity"):
        space("model.kind=resnet1d", 'search.space={"granularity" = ["row"]}')


def test_kinds_that_do_not_read_what_the_recipe_sets_are_not_tried():
    kinds = {each.key: each.values for each in space("model.hidden_size=6").dimensions}["model.kind"]
    assert "gru" in kinds
    assert not {"resnet1d", "dscnn1d", "score1d"} & set(kinds)
    assert "resnet1d" in {each.key: each.values for each in space().dimensions}["model.kind"]


def test_what_follows_the_data_is_given_last_and_varied_nevertheless():
    """Keys that defaults fill are nobody's word: each may be listed, and a kind that does not read them is no less a net."""
    size = DataSize(1000, 32_000)

    def complete(recipe):
        return following(with_readings(recipe, 300, 300, 3), size)

    listed = 'search.space={"train.input_noise" = [0.2, 0.6], "train.batch_size" = [18, 36]}'
    found = Space(load_recipe(None, [listed]), readings=8, complete=complete)
    values = {each.key: each.values for each in found.dimensions}
    assert values["model.readings"] == (4, 8, 16)
    recipe = found.recipe({"model.kind": "resnet1d", "weights": "int8", "train.input_noise": 0.2, "train.batch_size": 36})
    assert (recipe.model.kind, recipe.train.input_noise, recipe.train.batch_size) == ("resnet1d", 0.2, 36)
    assert recipe.train.epochs == complete(load_recipe(None, ["train.batch_size=36"])).train.epochs
    cell = found.recipe({"model.kind": "gru", "weights": "int8", "train.input_noise": 0.6, "train.batch_size": 18})
    assert (cell.model.readings, cell.train.input_noise) == (8, 0.6)
