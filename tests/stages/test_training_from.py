"""train --from: goes on with the float net of another model directory, and with nothing else of it changed."""

import shutil

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.model_directory import CHECKPOINT, FLOAT_NET, MANIFEST, START, ModelDirectory, to_json
from rescomp.recipe import load_recipe
from rescomp.stages import training
from rescomp.store import LOCK
from rescomp.train.checkpoint import read_tensors


@pytest.fixture(scope="module")
def new(recordings, tmp_path_factory):
    """The same gestures, made by other people: larger, moved, and shorter."""
    arrays = dict(np.load(recordings))
    changed = {key: array * 1.5 + 0.2 if key.startswith("x") else array for key, array in arrays.items()}
    path = tmp_path_factory.mktemp("new") / "others.npz"
    np.savez(path, **{key: array[:, :7] if key.startswith("x") else np.minimum(array, 7) for key, array in changed.items()})
    return path


def contents(path):
    return {file.name: file.read_bytes() for file in path.rglob("*") if file.is_file() and file.name != LOCK}


def test_without_an_epoch_it_is_the_same_net_with_its_normalization_and_input_format(finished, new, tmp_path):
    stages.train_from(finished, str(new), tmp_path / "out", overrides=["train.epochs=0"])
    before, after = ModelDirectory.open(finished).manifest(), ModelDirectory.open(tmp_path / "out").manifest()
    theirs, ours = (read_tensors(path / FLOAT_NET)[0] for path in (finished, tmp_path / "out"))
    assert theirs.keys() == ours.keys()
    assert all((theirs[name] == ours[name]).all() for name in theirs)
    assert (after.name, after.input) == (before.name, before.input)
    assert after.begun_from.graph_sha256 == before.graph_sha256
    assert after.begun_from.data_sha256 == before.data.sha256 != after.data.sha256
    assert (tmp_path / "out" / START).read_bytes() == (finished / FLOAT_NET).read_bytes()


def test_it_learns_the_new_data_and_goes_through_every_stage(finished, new, tmp_path):
    before = stages.evaluate(finished, source=str(new)).accuracy
    stages.train_from(finished, str(new), tmp_path / "out", overrides=["train.epochs=6"], weights="int8")
    stages.quantize(tmp_path / "out")
    assert stages.evaluate(tmp_path / "out").accuracy >= before
    stages.export_model(tmp_path / "out", ["c"])


@pytest.mark.parametrize("begun", [False, True])
def test_an_interrupted_one_resumes_to_the_same_net(begun, finished, new, tmp_path, monkeypatch):
    """Also where it died before its first checkpoint: it begins with the other net again, not with a fresh one."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    stages.train_from(finished, str(new), whole, overrides=["train.epochs=2"])
    with monkeypatch.context() as patch:
        original = training.fit

        def dies(*arguments, **keywords):
            def report(epoch):
                raise KeyboardInterrupt

            return original(*arguments, **{**keywords, "report": report})

        patch.setattr(training, "fit", dies)
        with pytest.raises(KeyboardInterrupt):
            stages.train_from(finished, str(new), cut, overrides=["train.epochs=2"])
    if not begun:
        (cut / CHECKPOINT).unlink()
    stages.train_model(None, cut)
    assert contents(cut) == contents(whole)


def test_nets_of_fixed_length_keep_it(recordings, new, tmp_path):
    asked = ("model.kind=dscnn1d", "model.widths=[4]", "model.blocks=1", "train.epochs=0", "quantize.epochs=0")
    stages.train_model(load_recipe(None, [f"data.source={recordings}", *asked]), tmp_path / "first")
    stages.train_from(tmp_path / "first", str(new), tmp_path / "out")
    stages.quantize(tmp_path / "out")
    assert ModelDirectory.open(tmp_path / "out").manifest().input.shape == ModelDirectory.open(tmp_path / "first").manifest().input.shape


def test_what_does_not_fit_the_net_is_refused(finished, new, tmp_path):
    arrays = dict(np.load(new))
    cases = {
        "more classes": (
            {"y_train": arrays["y_train"] + (np.arange(60) == 0) * 3},
            "label 3 at sequence 0, outside 0..2: correct it; for other",
        ),
        "channels": ({f"x_{split}": arrays[f"x_{split}"][..., :3] for split in ("train", "test")}, "3 channels and the net reads 4"),
        "integers": ({f"x_{split}": np.rint(arrays[f"x_{split}"] * 9).astype(int) for split in ("train", "test")}, "holds integers"),
        "images": ({f"x_{split}": arrays[f"x_{split}"][..., None] for split in ("train", "test")}, "samples of shape"),
        "larger": ({"x_train": arrays["x_train"] * 1e6}, "does not fit int16"),
    }
    for name, (changes, said) in cases.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, **{**arrays, **changes})
        if name == "images":
            np.savez(path, **{**{key: array for key, array in arrays.items() if "lengths" not in key}, **changes})
        with pytest.raises(InputError) as caught:
            stages.train_from(finished, str(path), tmp_path / "out")
        assert said in str(caught.value)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give it --data"),
        (("--data", "{new}", "--model", "gru"), "no --recipe, --model or rank"),
        (("--data", "{new}", "--rank-w", "0"), "no --recipe, --model or rank"),
        (("--data", "{new}", "--resume"), "give it no option but -o"),
        (("--data", "{new}", "--set", "model.hidden_size=9"), "goes on with the net and the input format"),
        (("--data", "{new}", "--set", "data.fraction_bits=3"), "goes on with the net and the input format"),
        (("--data", "{new}", "--set", "train.epohs=3"), "'epochs'"),
        (("--data", "missing.npz"), "missing.npz"),
    ],
)
def test_what_it_does_not_take_is_refused(words, said, finished, new, tmp_path, capsys):
    command = ["train", "--from", str(finished), "-o", str(tmp_path / "out"), *(word.format(new=new) for word in words)]
    assert main(command) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_directory_without_a_net_is_refused(finished, new, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "model")
    ModelDirectory(tmp_path / "model").remove(FLOAT_NET)
    assert main(["train", "--from", str(tmp_path / "model"), "--data", str(new), "-o", str(tmp_path / "out")]) == 2
    assert f"has no {FLOAT_NET}: run `rescomp train" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("input", "fraction_bits", 3), ("input", "readings_a_step", 2), ("input", "channels", ["a"]), (None, "name", "other")],
)
def test_a_manifest_of_another_model_is_no_beginning(section, key, value, finished, new, tmp_path):
    """The input format and the name go on: they are not taken from a file that speaks of something else."""
    shutil.copytree(finished, tmp_path / "model")
    directory = ModelDirectory.open(tmp_path / "model")
    document = directory.manifest().as_json()
    (document[section] if section else document)[key] = value
    directory.write({MANIFEST: to_json(document)})
    with pytest.raises(InputError, match=rf"manifest\.json is not of the model in .*{key} differs"):
        stages.train_from(tmp_path / "model", str(new), tmp_path / "out", overrides=["train.epochs=0"])
    assert not (tmp_path / "out").exists()
