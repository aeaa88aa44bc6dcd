"""Trainings whose windows are cut again in every epoch, and which other nets teach."""

import shutil

import pytest

from rescomp import stages
from rescomp.errors import InputError
from rescomp.model_directory import FLOAT_NET, QUANTIZED_NET
from rescomp.recipe import load_recipe, parse_recipe, to_toml
from rescomp.tests.stages.listeners import Interrupt
from rescomp.tests.stages.untrained import CSV, write_log

SMALL = (*CSV, "model.hidden_size=5", "train.epochs=2", "quantize.epochs=2", "train.threads=1")
CUT = ("train.recut=3", "train.time_warp=0.1", "train.rotation=[0.3, 0.1, 0]")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("log") / "log.csv", "abcd")


@pytest.fixture(scope="module")
def teachers(log, tmp_path_factory):
    paths = [tmp_path_factory.mktemp("teachers") / name for name in ("a", "b")]
    for seed, path in enumerate(paths):
        keys = ("train.epochs=1", f"train.seed={seed}", "model.kind=gru")
        stages.train_model(load_recipe(None, [f"data.source={log}", *SMALL, *keys]), path)
    return paths


def recipe(log, *keys):
    return load_recipe(None, [f"data.source={log}", *SMALL, *keys])


def taught(teachers):
    return f"compress=[{{kind='ternary'}},{{kind='distill',share=1.0,teachers={[str(path) for path in teachers]}}}]"


def test_both_stages_go_on_to_the_same_bytes_and_learn_from_others(log, teachers, tmp_path):
    whole, resumed, alone = (tmp_path / name for name in ("whole", "resumed", "alone"))
    asked = recipe(log, *CUT, taught(teachers))
    assert parse_recipe(to_toml(asked), "recipe.toml") == asked
    stages.train_model(asked, whole)
    stages.quantize(whole)
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(asked, resumed, listener=Interrupt())
    stages.train_model(None, resumed)
    with pytest.raises(KeyboardInterrupt):
        stages.quantize(resumed, listener=Interrupt())
    stages.quantize(resumed, resume=True)
    for name in (FLOAT_NET, QUANTIZED_NET):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()
    for other in ([*CUT[1:], taught(teachers)], [*CUT[:1], *CUT[2:], taught(teachers)], [*CUT, taught(teachers[:1])], CUT):
        stages.train_model(recipe(log, *other), alone, force=True)
        assert (alone / FLOAT_NET).read_bytes() != (whole / FLOAT_NET).read_bytes(), "each of them changes the training"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (("data.stride=30", "train.recut=2"), "these data have none that overlap or touch"),
        (("model.readings=1", "compress=[{kind='ternary'},{kind='distill',teachers=[TEACHER]}]"), "reads other steps, windows or features"),
        (
            ("data.label=who", "data.group=label", "compress=[{kind='ternary'},{kind='distill',teachers=[TEACHER]}]"),
            "other classes or channels",
        ),
        (("compress=[{kind='ternary'},{kind='distill',teachers='nowhere'}]",), "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_before_an_epoch_is_spent(log, teachers, keys, sentence, tmp_path):
    keys = [key.replace("TEACHER", f"'{teachers[0]}'") for key in keys]
    with pytest.raises(InputError, match=sentence):
        stages.train_model(recipe(log, *keys), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_teacher_that_changed_is_noticed_by_a_training_that_goes_on(log, teachers, tmp_path):
    own = [shutil.copytree(path, tmp_path / path.name) for path in teachers]
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(recipe(log, taught(own)), tmp_path / "model", listener=Interrupt())
    shutil.rmtree(own[0])
    shutil.copytree(teachers[1], own[0])
    with pytest.raises(InputError, match="teachers"):
        stages.train_model(None, tmp_path / "model")
