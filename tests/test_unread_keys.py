"""Keys that the chosen net does not read are refused; the table that says so is what the nets do read."""

import zipfile

import pytest

from rescomp.errors import InputError
from rescomp.model_names import CELL_KINDS
from rescomp.models import NETS, NetShape
from rescomp.recipe import MODEL_KINDS, TRAIN_READERS, ModelSection, Recipe, load_recipe, parse_recipe, to_toml
from rescomp.recipe.model_section import NET_KINDS, STAGES
from rescomp.recipe.unread import READERS
from rescomp.tests.goldens.directories import DIRECTORIES

OTHERS = {
    "hidden_size": 8, "rank_w": 2, "rank_u": 2, "layers": 2, "nonlinearity": "piecewise_linear", "readings": 2, "stride": 2, "widths": (8,),
    "blocks": 2, "kernel_size": 5, "stem_kernel": (5,), "stem_stride": 2, "norm": "none", "dt": 0.25, "fixed_projection": True,
    "streaming": True, "time_steps": 16, "weights": "w.safetensors", "readout": "mean", "readout_steps": 8,
}  # fmt: skip
"""A value of each key that is not its default."""
BESIDE = {"readout_steps": {"readout": "mean"}}
"""Without which no kind reads a key."""
FIELDS = {"widths", "blocks", "kernel_size", "stem_kernel", "stem_stride", "norm", "dt", "fixed_projection"}
"""Of NetShape, called as in [model]."""


def asked(kind, **keys):
    return to_toml(Recipe(model=ModelSection(kind=kind, **keys)))


@pytest.mark.parametrize("kind", [*MODEL_KINDS, "mine:net"])
@pytest.mark.parametrize("key", OTHERS)
def test_a_key_is_read_or_refused(tmp_path, kind, key):
    (tmp_path / "recipe.toml").write_bytes(asked(kind, **{key: OTHERS[key]}, **BESIDE.get(key, {})))
    if ("an own net" if ":" in kind else kind) in READERS[key]:
        load_recipe(tmp_path / "recipe.toml")
        return
    with pytest.raises(InputError, match=rf"does not read model\.{key}, which is for .*: leave it out"):
        load_recipe(tmp_path / "recipe.toml")
    parse_recipe((tmp_path / "recipe.toml").read_bytes(), "a directory's")


DEFAULTS = {key: ModelSection.model_fields[key].default for key in OTHERS if ModelSection.model_fields[key].default is not None}


@pytest.mark.parametrize("kind", [*MODEL_KINDS, "mine:net"])
@pytest.mark.parametrize("key", DEFAULTS)
def test_a_default_that_is_written_down_asks_too(tmp_path, kind, key):
    """On the command line, and in a recipe but for one that rescomp wrote, which spells all of them out."""
    if ("an own net" if ":" in kind else kind) in READERS[key]:
        return
    value = str(DEFAULTS[key]).lower() if isinstance(DEFAULTS[key], bool) else repr(DEFAULTS[key])
    (tmp_path / "recipe.toml").write_text(f"[model]\nkind = '{kind}'\n{key} = {value}\n")
    (tmp_path / "resolved.toml").write_bytes(asked(kind))
    load_recipe(tmp_path / "resolved.toml")
    of_a_command = [f"model.{key}={value}"]
    for path, overrides in (
        (tmp_path / "recipe.toml", []),
        (None, [f"model.kind={kind}", *of_a_command]),
        (tmp_path / "resolved.toml", of_a_command),
    ):
        with pytest.raises(InputError, match=rf"does not read model\.{key}, which is for"):
            load_recipe(path, overrides)


@pytest.mark.parametrize("path", sorted(DIRECTORIES.glob("*.zip")), ids=lambda path: path.stem)
def test_the_recipe_of_a_model_directory_is_one_to_start_from(tmp_path, path):
    (tmp_path / "recipe.toml").write_bytes(zipfile.ZipFile(path).read("recipe.toml"))
    load_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["model.stages=[{kind='gru'}]", "model.layers=1"], "stages does not read model.layers"),
        (["model.stages=[{kind='gru',hidden_size=4}]", "model.hidden_size=32"], "does not read model.hidden_size, as each of its cells"),
        (["data.split=time", "data.split_seed=0"], "data.split_seed draws the groups"),
        (["compress=[{kind='ternary'},{kind='sparse',density_w=0.2,density_u=0.2,density=0.3}]"], "density in compress is read by neither"),
    ],
)
def test_so_does_a_default_beside_what_leaves_it_without_a_meaning(keys, said):
    with pytest.raises(InputError, match=said):
        load_recipe(None, keys)


@pytest.mark.parametrize("kind", [*MODEL_KINDS, "mine:net"])
@pytest.mark.parametrize("key", TRAIN_READERS)
def test_a_key_of_training_is_read_or_refused(kind, key):
    """Of one that is not read, also the value that would change nothing."""
    for value in (0.5, 0):
        asked_for = [f"model.kind={kind}", f"train.{key}={value}"]
        if kind not in NET_KINDS:
            load_recipe(None, asked_for)
            continue
        with pytest.raises(InputError, match=rf"{kind} does not read train\.{key}, which is for fastrnn, .*: leave it out"):
            load_recipe(None, asked_for)


def test_every_key_of_the_model_section_has_its_readers():
    assert set(READERS) | {"kind", "name", "normalization"} == set(ModelSection.model_fields)
    assert set(OTHERS) | {"stages"} == set(READERS)


class Watched(NetShape):
    """Sizes that remember which of them were asked for outside themselves."""

    def __getattribute__(self, name):
        object.__getattribute__(self, "__dict__").setdefault("seen", set()).add(name)
        return object.__getattribute__(self, name)

    @property
    def decimation(self):
        return 1


@pytest.mark.parametrize("kind", NET_KINDS)
def test_the_table_says_what_a_net_reads(kind):
    family, widths = kind.removesuffix("1d").removesuffix("2d"), {"hourglass": (16, 4)}.get(kind, (8,))
    shape = Watched((32, 32, 3) if kind.endswith("2d") else (32, 3), 3, widths, 2, norm="none")
    NETS[family](shape)
    seen = shape.__dict__["seen"] & FIELDS
    if family == "resnet":
        seen.discard("stem_stride")  # of its sizes only: its stem has stride 1
    assert seen == {key for key in FIELDS if kind in READERS[key]}


@pytest.mark.parametrize(("key", "others"), [("hidden_size", {STAGES}), ("rank_w", {STAGES}), ("rank_u", {STAGES}), ("layers", set())])
def test_cells_read_their_own(key, others):
    assert set(READERS[key]) == {*CELL_KINDS, *others}


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (
            ["model.kind=resnet1d", "model.rank_u=3"],
            r"resnet1d does not read model\.rank_u, which is for fastrnn, fastgrnn, gru, mgu, lstm and stages",
        ),
        (["model.widths=[8]"], "fastgrnn does not read model.widths"),
        (
            ["model.readout_steps=8"],
            r"readout_steps is the length of blocks, and model.readout = 'last' reads none: leave it out, or choose",
        ),
        (["model.readout=every", "model.readout_steps=8"], "model.readout = 'every' reads none"),
        (["model.readout=every", "train.loss_share=0.5"], "puts the loss on every step, so that train.loss_share is 1: leave it out"),
        (["model.readout=mean", "model.kind=resnet1d"], r"resnet1d does not read model\.readout"),
        (["data.source=x.csv", "data.stride=5"], r"data\.stride is how far windows lie apart"),
        (['compress=[{kind="low_rank"},{kind="ternary"}]'], "changes nothing"),
        (['compress=[{kind="distill"},{kind="ternary"}]', "quantize.epochs=0"], "distill in compress acts while"),
        (["data.source=x.csv", "data.split=time", "data.window=8", "data.split_seed=3"], r"data\.split_seed draws the groups"),
        (['compress=[{kind="sparse",density=0.5,density_w=0.2,density_u=0.4},{kind="ternary"}]'], "is read by neither matrix"),
    ],
)
def test_what_does_nothing_is_refused(overrides, reason):
    with pytest.raises(InputError, match=reason):
        load_recipe(None, overrides)


def test_what_is_read_beside_it_is_taken(tmp_path):
    """Also of a recipe whose defaults are spelled out."""
    for entry in ("density=0.5,density_w=0.2", "density_w=0.2,density_u=0.4"):
        recipe = load_recipe(None, [f'compress=[{{kind="sparse",{entry}}},{{kind="ternary"}}]'])
        (tmp_path / "recipe.toml").write_bytes(to_toml(recipe))
        assert load_recipe(tmp_path / "recipe.toml") == recipe
