"""What no export can do is refused before the first epoch, with what to change; what it can do is done, however large."""

import numpy as np
import pytest

from rescomp import stages
from rescomp.errors import InputError, UnsupportedError
from rescomp.model_directory import FLOAT_NET, QUANTIZED_NET, RECIPE, ModelDirectory
from rescomp.recipe import load_recipe


def write(path, shape, count=4, classes=("a", "b")):
    x = np.zeros((count, *shape), np.float32)
    x[1::2] = 1
    x += np.random.default_rng(0).standard_normal(x.shape).astype(np.float32) / 8
    np.savez(path, x_train=x, y_train=np.arange(count) % 2, x_test=x, y_test=np.arange(count) % 2, classes=np.array(classes))
    return f"data.source={path}"


def test_a_value_that_no_integer_model_has(tmp_path):
    source = write(tmp_path / "d.npz", (20000, 1))
    with pytest.raises(UnsupportedError, match=r"stem.* has 5,120,000 entries, past the 4,194,304 .*: take shorter windows"):
        stages.train_model(load_recipe(None, [source, "model.kind=resnet1d", "model.widths=[256]"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_class_that_is_not_utf_8(tmp_path):
    for name in ("caf\udce9", "b"):
        (tmp_path / "d" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "d" / name / f"{i}.csv").write_text("x,y\n" + "1.0,2.0\n" * 5)
    with pytest.raises(InputError, match=r"the class 'caf\\udce9', .*: rename it"):
        stages.train_model(load_recipe(None, [f"data.source={tmp_path / 'd'}"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_a_gpu_that_is_not_here(no_gpu, recordings, tmp_path):
    path = tmp_path / "out"
    recipe = load_recipe(None, [f"data.source={recordings}", "train.device=cuda"])
    with pytest.raises(InputError, match=r'train\.device = "cuda", and torch finds no GPU here: set it to "auto" or "cpu"'):
        stages.train_model(recipe, path)
    assert not path.exists()
    with pytest.raises(InputError, match=r'train\.device = "cuda": train\.loop = "compiled" runs on the processor: leave one of them out'):
        load_recipe(None, ["train.device=cuda", "train.loop=compiled"])


def test_a_gpu_that_the_machine_had_on_which_the_training_began(no_gpu, model_dir, monkeypatch):
    directory = ModelDirectory.open(model_dir)
    directory.write({RECIPE: directory.read(RECIPE).replace(b'device = "auto"', b'device = "cuda"')})
    missing = r'train\.device = "cuda", and torch finds no GPU here: quantize with --set train.device=cpu'
    with monkeypatch.context() as patch:
        patch.delattr("rescomp.stages.quantization.load_readings")
        with pytest.raises(InputError, match=missing):
            stages.quantize(model_dir, force=True)
    with pytest.raises(InputError, match=missing):
        stages.quantize(model_dir, overrides=["quantize.learning_rate=0.1"])
    stages.quantize(model_dir, overrides=["quantize.epochs=0"])  # which needs none
    stages.quantize(model_dir, overrides=["train.device=cpu", "quantize.epochs=1"])
    directory.remove(FLOAT_NET, QUANTIZED_NET)
    directory.write({RECIPE: directory.read(RECIPE).replace(b'device = "cpu"', b'device = "cuda"')})
    with pytest.raises(InputError, match="no GPU here: go on where there is one, or train anew on another device"):
        stages.train_model(None, model_dir)
