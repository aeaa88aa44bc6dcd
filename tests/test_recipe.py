"""Recipes: defaults, overrides, errors that name the key and its nearest neighbour, and the way to TOML and back."""

import pytest

from rescomp.errors import InputError
from rescomp.recipe import Quantize, Recipe, Ternary, load_recipe, parse_recipe, revise, to_toml


def test_defaults_are_ternary_fastgrnn_on_the_bundled_set():
    recipe = load_recipe()
    assert recipe == Recipe()
    assert recipe.data.source == "japanese_vowels"
    assert recipe.compress == (Ternary(),)


def test_overrides_and_files(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text('[model]\nhidden_size = 16\n[[compress]]\nkind = "quantize"\nscale = "power_of_two"\n')
    recipe = load_recipe(file, ["train.epochs=3", "data.source=a.ts,b.ts", "model.nonlinearity=piecewise_linear"])
    assert (recipe.model.hidden_size, recipe.train.epochs, recipe.data.source) == (16, 3, "a.ts,b.ts")
    assert recipe.compress == (Quantize(scale="power_of_two"),)


def test_weights_exchange_the_format_and_keep_the_scale_form():
    recipe = load_recipe(None, ["compress.0.scale=power_of_two"])
    assert revise(recipe, weights="int8").compress == (Quantize(scale="power_of_two"),)
    assert revise(revise(recipe, weights="int8"), weights="ternary") == recipe


def test_toml_round_trip():
    recipe = load_recipe(None, ["model.rank_w=6", "train.seed=7", "compress.0.arenas=false"])
    assert parse_recipe(to_toml(recipe), "recipe.toml") == recipe


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epohs=3", "unknown key 'train.epohs'; the nearest one is 'epochs'"),
        ("trian.epochs=3", "unknown key 'trian'; the nearest one is 'train'"),
        ("compress.0.scal=3", "unknown key 'compress.0.scal'; the nearest one is 'scale'"),
        ("compress.3.scale=1", "no such entry"),
        ("train.epochs=-1", r"train.epochs = -1: "),
        ("train.epochs=many", r'train.epochs = "many"'),
        ("model.kind=gruu", r"model.kind"),
        ("epochs=3", "section.key=value"),
        ("train.epochs", "section.key=value"),
        ("train.epochs=true", "train.epochs = true: a whole number is wanted"),
        ('train.epochs="3"', "a whole number is wanted"),
        ("train.learning_rate=inf", "a finite number is wanted"),
        ("quantize.epochs=-1", "quantize.epochs = -1"),
        ("quantize.epoch=3", "unknown key 'quantize.epoch'; the nearest one is 'epochs'"),
        ("model.kind=fastgrn", "the nearest value is 'fastgrnn'"),
        ("compress=[]", "exactly one entry must give the weights their format"),
        ("compress.0.kind=tern", "the nearest value is 'ternary'"),
        ("compress=[{}]", "needs a kind"),
        ("compress=3", "a list is wanted"),
        ("train=3", "section.key=value"),
        ("model.name=string", "that no C header has"),
        ("model.name=rescomp_math", "that no C header has"),
    ],
)
def test_mistakes_are_named(override, message):
    with pytest.raises(InputError, match=message):
        load_recipe(None, [override])


def test_unreadable_recipes(tmp_path):
    with pytest.raises(InputError, match="cannot read the recipe"):
        load_recipe(tmp_path / "missing.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[train\n")
    with pytest.raises(InputError, match="not valid TOML"):
        load_recipe(broken)


def test_a_new_kind_drops_the_keys_it_does_not_know():
    assert load_recipe(None, ["compress.0.kind=quantize"]).compress == (Quantize(),)
    assert load_recipe(None, ['compress=[{kind = "quantize"}]', "compress.0.scale=power_of_two"]).compress == (
        Quantize(scale="power_of_two"),
    )
