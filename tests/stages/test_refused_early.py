"""What no export can do is refused before the first epoch, with what to change; what it can do is done, however large."""

import numpy as np
import pytest

from rescomp import stages
from rescomp.errors import InputError, UnsupportedError
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
