"""A small data set and a model directory made from it, once a test session."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from rescomp import stages
from rescomp.recipe import load_recipe

SMALL = ("model.hidden_size=8", "train.epochs=4", "quantize.epochs=3", "train.threads=1")


def write_recordings(path: Path, **changes: np.ndarray) -> Path:
    """Three classes of short sequences of different lengths as a .npz file."""
    rng = np.random.default_rng(5)
    arrays = {}
    for split, count in (("train", 60), ("test", 24)):
        y = np.arange(count) % 3
        arrays[f"x_{split}"] = (rng.normal(size=(count, 9, 4)) * 0.3 + np.eye(3, 4)[y][:, None]).astype(np.float32)
        arrays[f"y_{split}"] = y
        arrays[f"lengths_{split}"] = rng.integers(1, 10, count)
    np.savez(path, **{**arrays, **changes})
    return path


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> Path:
    return write_recordings(tmp_path_factory.mktemp("data") / "three-gestures.npz")


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """Three classes of 8 x 8 images in three colours."""
    rng = np.random.default_rng(0)
    arrays = {f"x_{split}": rng.normal(size=(24, 8, 8, 3)).astype(np.float32) for split in ("train", "test")}
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, **arrays, **{f"y_{split}": np.arange(24) % 3 for split in ("train", "test")})
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory, recordings) -> Path:
    """A model directory that went through every stage but verify."""
    path = tmp_path_factory.mktemp("models") / "finished"
    stages.train_model(load_recipe(None, [f"data.source={recordings}", *SMALL]), path)
    stages.quantize(path)
    stages.export_model(path)
    return path


@pytest.fixture
def model_dir(finished, tmp_path) -> Path:
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(finished, tmp_path / "model"))
