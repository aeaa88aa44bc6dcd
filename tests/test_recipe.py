"""Recipes: defaults, overrides, errors that name the key and its nearest neighbour, and the way to TOML and back."""

import json

import pytest

from rescomp.errors import InputError
from rescomp.recipe import (
    OPTIONAL_SECTIONS,
    STAGE_KINDS,
    AugmentSection,
    FrontendSection,
    Quantize,
    Recipe,
    SearchSection,
    Sparse,
    Ternary,
    load_recipe,
    parse_recipe,
    revise,
    to_toml,
)

MAY_BE_MISSING = {**OPTIONAL_SECTIONS, "frontend": FrontendSection, "augment": AugmentSection, "search": SearchSection}


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


def test_a_density_is_set_or_put_before_the_weight_format(tmp_path):
    assert load_recipe(weights="int4", density=0.2).compress == (Sparse(density=0.2), Quantize(bits=4))
    file = tmp_path / "recipe.toml"
    file.write_text(
        '[[compress]]\nkind = "low_rank"\nrank_w = 3\n[[compress]]\nkind = "sparse"\ndensity_u = 0.5\nsearch = 0.3\n'
        '[[compress]]\nkind = "quantize"\n'
    )
    recipe = load_recipe(file, density=0.1)
    assert recipe.compress[1:] == (Sparse(density=0.1, search=0.3), Quantize())
    assert revise(recipe, ["compress.1.search=0.4"], density=0.2).compress[1] == Sparse(density=0.2, search=0.4)
    with pytest.raises(InputError, match=r"compress\.0\.density = 2\.0"):
        load_recipe(density=2.0)


def test_a_rotation_is_one_angle_or_three():
    assert load_recipe(None, ["train.rotation=[0.3, 0, 1]"]).train.rotation == (0.3, 0.0, 1.0)
    assert [load_recipe(None, [f"train.rotation={value}"]).train.rotation for value in (0.2, 1, [0, 0, 0])] == [0.2, 1.0, 0.0]
    for value in ([0.1], [0.1, 0.2, -0.3], [0.1, True, 0.2], -0.1, "x", True):
        with pytest.raises(InputError, match=r"train\.rotation = .*an angle in radians is wanted, at least 0, or a list of three"):
            load_recipe(None, [f"train.rotation={json.dumps(value)}"])


def test_patience_needs_a_validation_part():
    assert load_recipe(None, ["train.patience=5", "train.validation_fraction=0.2"]).train.patience == 5
    with pytest.raises(InputError, match=r"train\.patience = 5: early stopping needs a validation part: set train\.validation_fraction"):
        load_recipe(None, ["train.patience=5", "train.validation_fraction=0"])


def test_channels_as_on_a_command_line():
    assert load_recipe(None, ["data.channels=ax, ay"]).data.channels == ("ax", "ay")
    assert load_recipe(None, ['data.channels=["ax"]']).data.channels == ("ax",)


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
        ("compress.-1.scale=1", "no such entry"),
        ("train.epochs=-1", r"train.epochs = -1: "),
        ("train.epochs=many", r'train.epochs = "many"'),
        ("model.kind=gruu", r"model.kind"),
        ("epochs=3", "section.key=value"),
        ("data.source=", 'data.source = "": an empty path names nothing'),
        ("data.source=a\0b.npz", "no file's name holds a zero byte"),
        ("decide.rate=5e-324", "at least 1e-06 is wanted"),
        ('model.weights=" "', 'model.weights = " ": an empty path names nothing'),
        ("train.epochs", "section.key=value"),
        ("train.epochs=true", "train.epochs = true: a whole number is wanted"),
        ('train.epochs="3"', "a whole number is wanted"),
        ("train.learning_rate=inf", "a finite number is wanted"),
        ("quantize.epochs=-1", "quantize.epochs = -1"),
        ("quantize.epoch=3", "unknown key 'quantize.epoch'; the nearest one is 'epochs'"),
        ("model.kind=fastgrn", "the nearest value is 'fastgrnn'"),
        ("compress=[]", "exactly one entry must say how weights are stored"),
        ("compress.0.kind=tern", "the nearest value is 'ternary'"),
        ("compress=[{}]", "needs a kind"),
        ("compress=3", "a list is wanted"),
        ("train=3", "section.key=value"),
        ("model.name=string", "no header of somebody else's: choose another, 'model_string' for instance"),
        ("model.name=rescomp_math", "choose another, 'model_rescomp_math'"),
        ("model.name=features", "choose another"),
        ("model.name=uart", "choose another"),
        ("model.name=register", "choose another"),
        ("model.name=immintrin", "choose another"),
        ("model.kind=renset1d", "the nearest value is 'resnet1d' .*package.module:function, your own net; or FILE.onnx"),
        ("model.kind=a.b:", "the nearest value is"),
        ("model.widths=[]", r"model\.widths"),
        ("model.widths=[0]", r"model\.widths"),
        ("model.stem_kernel=[1, 2, 3]", r"model\.stem_kernel"),
        ("compress.0.activations=int8", 'takes scale = "power_of_two", so that every runtime rounds alike'),
        (
            'compress=[{kind = "quantize", bits = 8, scale = "power_of_two", activations = "int8"}]',
            "weights of at most six bits: set bits = 6",
        ),
        ('compress=[{kind = "quantize", bits = 6, activations = "int8"}]', 'takes scale = "power_of_two"'),
        ("quantize.vectors=0", r"quantize\.vectors"),
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


def test_what_windows_editors_write_is_read(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xef\xbb\xbf[model]\r\nhidden_size = 6\r\n")
    assert load_recipe(path).model.hidden_size == 6
    path.write_bytes("[model]\r\nhidden_size = 6\r\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"recipe\.toml is not valid TOML: it is UTF-16 text: save it in UTF-8"):
        load_recipe(path)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "[model]\nhidden_size = " + "9" * 5000])
def test_a_recipe_without_end_is_refused(tmp_path, text):
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(InputError, match=r"recipe\.toml is not valid TOML"):
        load_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize("name", ["\U0001f600.npz", 'a"b\\c d.npz', "\xa0.npz", "2024-05-01", "true", "\u65e5\u672c\u8a9e.npz"])
def test_a_key_that_an_option_stands_for_is_taken_as_it_is(name):
    recipe = load_recipe(keys={"data.source": name})
    assert recipe.data.source == name
    assert parse_recipe(to_toml(recipe), "it") == recipe


def test_a_name_that_is_not_utf_8_is_refused():
    with pytest.raises(InputError, match=r"data\.source = .*: this is not UTF-8 text: write it, or rename the file, in UTF-8"):
        load_recipe(keys={"data.source": "caf\udce9.npz"})


def test_a_new_kind_drops_the_keys_it_does_not_know():
    assert load_recipe(None, ["compress.0.kind=quantize"]).compress == (Quantize(),)
    assert load_recipe(None, ['compress=[{kind = "quantize"}]', "compress.0.scale=power_of_two"]).compress == (
        Quantize(scale="power_of_two"),
    )


def test_a_key_is_read_by_the_name_that_it_had_earlier_and_it_is_said(tmp_path):
    path, said = tmp_path / "recipe.toml", []
    path.write_text("[model]\nwindow = 3\n")
    older, today = load_recipe(path, note=said.append), load_recipe(None, ["model.readings=3"], note=said.append)
    assert older == today == load_recipe(None, ["model.window=3"], note=said.append)
    assert said == ["model.window is called model.readings now: use that name"] * 2
    assert parse_recipe(path.read_bytes(), "").model.readings == 3
    path.write_text("[model]\nwindow = 3\nreadings = 3\n")
    with pytest.raises(
        InputError, match=r"model\.window is the name that model\.readings had earlier, and both are there: leave model\.window out"
    ):
        load_recipe(path)


@pytest.mark.parametrize(("first", "second"), [("window", "readings"), ("readings", "window")])
def test_both_names_of_a_key_are_refused_wherever_they_stand(first, second, tmp_path):
    path, said = tmp_path / "recipe.toml", r"model\.window is the name that model\.readings had earlier, and both are there"
    path.write_text(f"[model]\n{first} = 2\n")
    for file, overrides in ((None, [f"model.{first}=2", f" model.{second} = 3"]), (path, [f"model.{second}=2"])):
        with pytest.raises(InputError, match=said):
            load_recipe(file, overrides)
    assert load_recipe(path, [f"model.{first}=3"]).model.readings == 3


def test_overrides_leave_the_defaults_alone():
    load_recipe(None, ["compress.0.scale=power_of_two"], weights="ternary")
    load_recipe(None, ["compress.0.scale=power_of_two"])
    assert load_recipe(None, [], weights="ternary") == load_recipe() == Recipe()


def test_an_own_net_may_stand_in_place_of_the_section(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text('model = "my_package.nets:build"\n')
    section = load_recipe(file).model
    assert (section.kind, section.is_own, section.is_recurrent) == ("my_package.nets:build", True, False)
    assert parse_recipe(to_toml(load_recipe(file)), "recipe.toml") == load_recipe(file)


@pytest.mark.parametrize("weights", ["int6", "int4", "ternary"])
def test_weights_keep_the_activations_and_the_ends(weights):
    asked = ['compress=[{kind = "quantize", bits = 6, scale = "power_of_two", activations = "int8", first_and_last = "dense"}]']
    (entry,) = revise(load_recipe(None, asked), weights=weights).compress
    assert (entry.activations, entry.scale, entry.first_and_last) == ("int8", "power_of_two", "dense")


def test_nets_without_state_in_toml():
    asked = ["model.kind=dscnn1d", "model.widths=[4, 8]", "model.stem_kernel=[5]", "model.streaming=true", "quantize.vectors=9"]
    recipe = load_recipe(None, asked)
    assert (recipe.model.widths, recipe.model.stem_kernel) == ((4, 8), (5,))
    assert parse_recipe(to_toml(recipe), "recipe.toml") == recipe


def test_no_number_of_a_recipe_is_beyond_what_can_be_counted():
    for section, field in Recipe.model_fields.items():
        for key, entry in MAY_BE_MISSING.get(section, field.annotation).model_fields.items() if section != "compress" else ():
            for value in (10**400, 1 << 63)[: 1 if "float" in str(entry.annotation) else 2]:
                with pytest.raises(InputError, match=rf"{section}\.{key}(\.0)? = "):
                    load_recipe(overrides=[f"{section}.{key}={value}"])
    assert load_recipe(overrides=[f"train.seed={(1 << 63) - 1}"]).train.seed == (1 << 63) - 1


HOSTILE = (
    "x",
    "-1",
    "1000000000000",
    "1e30",
    "[]",
    "{}",
    "1.5",
    "true",
    '["a"]',
    "[-5]",
    "[1,2,3,4,5,6,7,8,9]",
    "{a=1}",
    "nan",
    "[{}]",
    "[3]",
)


def every_key():
    """Every setting of a recipe, with a place for its value."""
    for name, field in Recipe.model_fields.items():
        yield from (f"{name}.{key}=%s" for key in getattr(MAY_BE_MISSING.get(name, field.annotation), "model_fields", ()))
    for kind, entry in STAGE_KINDS.items():
        yield from (f'model.stages=[{{kind="{kind}",{key}=%s}}]' for key in entry.model_fields)
    yield from ("model.stages=[%s]", "compress=[%s]", 'compress=[{kind="sparse",density=%s}]', 'compress=[{kind="quantize",bits=%s}]')


def test_whatever_a_key_is_given_it_is_refused_in_rescomp_s_own_words():
    said = set()
    for setting in every_key():
        for value in HOSTILE:
            try:
                load_recipe(None, [setting % value])
            except InputError as error:
                said.add(str(error))
    assert len(said) > 500
    assert [text for text in said if "Input should" in text or "Tuple" in text or "dictionary" in text] == []
