"""Statistics of worn sensors and coefficients of several channels, from the recipe to a witness."""

import numpy as np
import pytest

from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.beginning import train_model
from rescomp.stages.exporting import export_model
from rescomp.stages.quantization import quantize
from rescomp.stages.verification import verify
from rescomp.tests.stages.listeners import Warned

KINDS = {
    "statistics": ["length=32", "hop=32", "kind=statistics", "statistics=log_deviation,mean,zero_crossings"],
    "mfcc": ["length=64", "hop=32", "kind=mfcc", "bands=6", "coefficients=3", "low_hz=1", "high_hz=25", "pre_emphasis=0"],
}


def worn(count, seed):
    """Three loudnesses of movement above another offset a channel; a channel that hardly crosses its mean."""
    rng, y = np.random.default_rng(seed), np.arange(count) % 3
    x = rng.normal(size=(count, 160, 4)) * np.array([80, 700, 3000])[y][:, None, None] + np.array([4000, 0, -900, 3])
    x[..., 3] = 9000 * np.sin(2 * np.pi * 0.25 * np.arange(160) / 50)
    return np.clip(np.round(x), -32768, 32767).astype(np.int16), y


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_worn_sensors_is_trained_on_what_a_witness_makes_of_samples(kind, tmp_path):
    """It learns; nobody is told that counts vary by few steps; scores and features of samples differ nowhere."""
    (x_train, y_train), (x_test, y_test) = worn(36, 1), worn(12, 2)
    np.savez(tmp_path / "worn.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test, sample_rate=50)
    asked = [f"frontend.{key}" for key in KINDS[kind]]
    quick = ["model.kind=fastgrnn", "model.hidden_size=6", "train.epochs=6", "quantize.epochs=1", "train.batch_size=6"]
    told, path = Warned(), tmp_path / "m"
    train_model(load_recipe(None, [f"data.source={tmp_path / 'worn.npz'}", *asked, *quick]), path, listener=told)
    assert [each[:18] for each in told.warnings] == ["nothing says whose"]
    quantize(path)
    export_model(path, ["onnx"])
    found = verify(path, "onnxruntime", stress="off", stream_steps=None)
    assert not found.failures
    model = read_model(ModelDirectory.open(path))
    vectors = read_vectors(ModelDirectory.open(path), model)
    assert model.features.type.size == 12
    assert (vectors.sound.samples.dtype, vectors.sound.samples.shape[2]) == (np.int16, 4)
    assert np.mean(vectors.scores.argmax(axis=1) == vectors.labels) > 0.6
