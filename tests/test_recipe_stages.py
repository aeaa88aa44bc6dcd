"""[[model.stages]]: what may stand in which order, what is read beside it, and what is refused in one sentence."""

import pytest

from rescomp.errors import InputError
from rescomp.model_names import CELL_KINDS
from rescomp.models.layered.kinds import LAYER_KINDS, Entrywise
from rescomp.recipe import load_recipe, parse_recipe, to_toml

CRNN = (
    '{kind="convolution",width=8,kernel_size=5,stride=2},{kind="pool",size=3},{kind="gru"},{kind="depthwise"},{kind="lstm",hidden_size=4}'
)


def loaded(stages, *keys):
    return load_recipe(None, [f"model.stages=[{stages}]", *keys])


def test_stages_are_a_kind_whose_first_layers_say_what_a_step_reads():
    recipe = loaded(f'{CRNN},{{kind="dense",width=16}}', "model.hidden_size=12")
    assert (recipe.model.kind, recipe.model.is_recurrent, recipe.model.readings_a_step) == ("stages", True, 6)
    assert [stage.kind for stage in recipe.model.program] == ["convolution", "pool", "gru", "depthwise", "lstm", "dense"]
    assert parse_recipe(to_toml(recipe), "again") == recipe
    assert loaded('{kind="gru"},{kind="convolution",width=4}, {kind="gru"}', "model.readings=3").model.readings_a_step == 3
    assert not loaded('{kind="convolution",width=4,stride=2},{kind="pool"}', "model.streaming=true").model.is_recurrent


def test_a_kind_of_cells_is_short_for_stages():
    recipe = load_recipe(None, ["model.kind=gru", "model.layers=3"])
    assert [stage.kind for stage in recipe.model.program] == ["gru"] * 3
    assert load_recipe(None, ["model.kind=resnet1d"]).model.program == ()


def test_an_entry_is_changed_by_its_place():
    assert load_recipe(None, [f"model.stages=[{CRNN}]", "model.stages.0.width=5"]).model.stages[0].width == 5


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ('{kind="convolution"},{kind="gru"}', r"model\.stages\.0\.width is missing: set it"),
        ("{width=3}", r"model\.stages\.0: an entry of model\.stages needs a kind \(convolution, depthwise, pool, dense, abs, .*\)"),
        ('{kind="convolve",width=3}', r"the nearest value is 'convolution' \(of convolution, depthwise, .*\)"),
        ('{kind="average_pool"},{kind="gru"}', r"the nearest value is 'pool' \(of convolution, "),
        (
            '{kind="concat"},{kind="gru"}',
            r"stages are convolution, .*, abs, fastrnn, .*; a net in which values join .* is one of your own "
            r"\(model\.kind = package\.module:function\)",
        ),
        ('{kind="gru",hidden=3}', r"unknown key 'model\.stages\.0\.hidden'; the nearest one is 'hidden_size'"),
        ('{kind="gru",stride=2}', r"unknown key 'model\.stages\.0\.stride'"),
        ('{kind="convolution",width=0},{kind="gru"}', r"model\.stages\.0\.width = 0: at least 1 is wanted"),
        ('{kind="gru"},{kind="convolution",width=3}', r"model\.stages\.1 \(convolution\) follows the last cell, where time is gone"),
        ('{kind="gru"},{kind="dense",width=3},{kind="depthwise"}', r"model\.stages\.2 \(depthwise\) follows the last cell"),
        ('{kind="gru"},{kind="pool",size=2},{kind="gru"}', r"model\.stages\.1 \(pool\) divides time by 2 behind a cell"),
        (
            '{kind="gru"},{kind="convolution",width=2,stride=3},{kind="gru"}',
            r"model\.stages\.1 \(convolution\) divides time by 3 behind a cell",
        ),
        ('{kind="pool"},{kind="gru"}', r"model\.stages\.0 pools all positions, which a net with cells never has at once: give it a size"),
        ('{kind="pool"},{kind="depthwise"}', r"model\.stages\.1 \(depthwise\) follows a pool over all positions"),
        (",".join(['{kind="gru"}'] * 9), r"model\.stages holds 9 cells, and a net has at most 8: make the others larger instead"),
        (",".join(['{kind="pool",size=64}'] * 3 + ['{kind="gru"}']), r"the layers before the first cell divide time by 262144"),
        ("", r"model\.stages = \[\]: a list of at least 1 is wanted"),
        (",".join(['{kind="dense",width=2}'] * 33), r"model\.stages = .{200}\.\.\.: a list of at most 32 is wanted, not of 33"),
        ("3", r"model\.stages\.0 = 3: a table with a kind is wanted"),
    ],
)
def test_what_cannot_be_is_refused(stages, reason):
    with pytest.raises(InputError, match=reason) as refused:
        loaded(stages)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", LAYER_KINDS)
def test_a_kind_of_layer_is_a_stage_or_refused_as_none(kind):
    """Never as a misspelt cell."""
    stages = f'{{kind="{kind}"}},{{kind="gru"}}'
    if isinstance(LAYER_KINDS[kind], Entrywise):
        assert loaded(stages).model.stages[0].kind == kind
        return
    with pytest.raises(InputError) as refused:
        loaded(stages)
    assert not any(f"nearest value is '{cell}'" in str(refused.value) for cell in CELL_KINDS)


@pytest.mark.parametrize(
    ("stages", "key", "reason"),
    [
        ('{kind="gru"}', "model.kind=gru", r"model\.stages lists what the net is made of, and model\.kind gru is another net"),
        ('{kind="gru"}', "model.widths=[3]", r"stages does not read model\.widths"),
        ('{kind="gru"}', "model.layers=2", r"stages does not read model\.layers"),
        ('{kind="gru",hidden_size=3}', "model.hidden_size=4", r"does not read model\.hidden_size, as each of its cells has its own"),
        ('{kind="gru",rank_u=3}', "model.rank_u=4", r"does not read model\.rank_u, as each of its cells has its own"),
        (
            '{kind="depthwise"},{kind="gru"}',
            "model.readings=4",
            r"does not read model\.readings, as its first layers say what a step reads",
        ),
        ('{kind="gru"}', "model.streaming=true", r"does not read model\.streaming, as a net with cells takes steps of its own"),
        ('{kind="gru"}', "model.time_steps=9", r"does not read model\.time_steps"),
        ('{kind="depthwise"}', "model.hidden_size=9", r"does not read model\.hidden_size, as it has no cell"),
        ('{kind="depthwise"}', "train.carry=0.5", r"does not read train\.carry, as it has no cell"),
        ('{kind="depthwise"}', "decide=true", r"takes no steps, so that \[decide\] has no meaning: set model\.streaming = true"),
    ],
)
def test_a_key_that_the_stages_do_not_read_is_refused(stages, key, reason):
    with pytest.raises(InputError, match=reason):
        loaded(stages, key)


def test_an_entry_before_the_first_is_none():
    with pytest.raises(InputError, match="there is no such entry in the recipe"):
        loaded(CRNN, "model.stages.-1.hidden_size=5")


def test_stages_alone_make_the_kind():
    with pytest.raises(InputError, match=r'model\.kind = "stages" is for a net that \[\[model\.stages\]\] lists, and there are none'):
        load_recipe(None, ["model.kind=stages"])
