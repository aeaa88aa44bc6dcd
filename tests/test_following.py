"""Defaults that follow the data."""

import pytest

from rescomp.recipe import (
    DataSize,
    Quantize,
    Recipe,
    Sparse,
    following,
    load_recipe,
    parse_recipe,
    refuse_unread,
    revise,
    to_toml,
    with_readings,
)
from rescomp.train import train_schedule

HAR = DataSize(8035, 8035 * 128, groups=23)


def chosen(recipe, size):
    found = following(recipe, size)
    train, quantize = found.train, found.quantize
    of_train = (train.epochs, train.batch_size, train.input_noise, train.validation_fraction, train.patience)
    return of_train, (quantize.epochs, quantize.learning_rate)


@pytest.mark.parametrize("size", [DataSize(270, 4274), DataSize(255, 300), DataSize(270, 270 * 16)])
def test_some_short_recordings_keep_the_sections_own_defaults(size):
    assert following(Recipe(), size) == Recipe()


@pytest.mark.parametrize(
    ("size", "train", "quantize"),
    [
        (HAR, (16, 98, 0.075, 0.2, 8), (16, 0.0051)),
        (DataSize(8035, 8035 * 32, groups=23), (31, 98, 0.11, 0.2, 15), (31, 0.0051)),
        (DataSize(254, 300), (60, 18, 0.6, 0.0, None), (60, 0.01)),
        (DataSize(252, 300), (65, 18, 0.6, 0.0, None), (65, 0.01)),
        (DataSize(60, 60 * 37), (225, 18, 0.26, 0.0, None), (225, 0.01)),
        (DataSize(1, 20), (300, 18, 0.48, 0.0, None), (300, 0.01)),
        (DataSize(3650, 3650 * 49), (37, 66, 0.16, 0.0, None), (37, 0.0059)),
        (DataSize(100_000, 4_900_000, held=True), (10, 346, 0.031, 0.2, 5), (10, 0.0031)),
        (DataSize(10_000_000, 1 << 40), (10, 512, 0.0031, 0.0, None), (10, 0.0012)),
        (DataSize(270, 4274, groups=5), (60, 18, 0.6, 0.2, 30), (60, 0.01)),
        (DataSize(270, 4274, groups=4), (60, 18, 0.6, 0.0, None), (60, 0.01)),
    ],
)
def test_more_and_longer_ones_have_larger_batches_less_noise_and_fewer_epochs(size, train, quantize):
    assert chosen(Recipe(), size) == (train, quantize)


@pytest.mark.parametrize(
    ("median", "shortest", "channels", "readings"),
    [
        (26, 7, 12, 1),
        (48, 48, 1, 1),
        (49, 49, 1, 2),
        (128, 128, 6, 4),
        (128, 128, 9, 2),
        (128, 3, 6, 2),
        (150, 150, 1, 4),
        (5000, 5000, 3, 8),
    ],
)
def test_cells_read_long_recordings_several_readings_at_once(median, shortest, channels, readings):
    assert with_readings(Recipe(), median, shortest, channels).model.readings == readings
    for given in ("model.readings=1", "model.stride=1", "model.kind=resnet1d", "model.stages=[{kind='gru'}]", "frontend.kind=log_mel"):
        recipe = load_recipe(None, [given])
        assert with_readings(recipe, median, shortest, channels) == recipe, given


def test_what_is_given_wins_also_where_it_is_the_default(tmp_path):
    given = ["train.epochs=60", "train.batch_size=18", "train.input_noise=0.6", "quantize.epochs=60", "quantize.learning_rate=0.01"]
    assert chosen(load_recipe(None, [*given, "train.validation_fraction=0"]), HAR) == ((60, 18, 0.6, 0.0, None), (60, 0.01))
    (tmp_path / "recipe.toml").write_text("[train]\nbatch_size = 18\nvalidation_fraction = 0.1\n")
    assert chosen(load_recipe(tmp_path / "recipe.toml"), HAR)[0] == (16, 18, 0.075, 0.1, 8)
    assert chosen(load_recipe(None, ["train.patience=3"]), HAR)[0] == (16, 98, 0.075, 0.2, 3)
    assert chosen(load_recipe(None, ["train.patience=0"]), HAR)[0] == (16, 98, 0.075, 0.2, 0)
    assert train_schedule(load_recipe(None, ["train.patience=0"]).train).patience is None


def test_what_rescomp_wrote_is_taken_by_its_word():
    """A directory of an earlier version, which had no default early stopping, and one of this version."""
    before = parse_recipe(to_toml(load_recipe(None, ["train.validation_fraction=0.2"])), "recipe.toml")
    assert following(before, HAR) == before
    resolved = following(Recipe(), HAR)
    again = parse_recipe(to_toml(resolved), "recipe.toml")
    assert following(again, DataSize(50, 500)) == again == resolved


def test_what_is_revised_leaves_unset_what_was_and_keeps_its_entries():
    recipe = load_recipe(None, ["train.epochs=3", "model.stages=[{kind='gru'}]"], weights="int4", density=0.5)
    changed = recipe.model_copy(update={"compress": (Sparse(density_w=0.25, density_u=0.5), Quantize(bits=4))})
    for each in (recipe, changed):
        revised = revise(each, ["train.seed=2"])
        assert revised == each.model_copy(update={"train": each.train.model_copy(update={"seed": 2})})
        assert chosen(revised, HAR) == ((3, 98, 0.075, 0.2, 5), (16, 0.0051))
        refuse_unread(revised)
