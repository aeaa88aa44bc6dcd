"""Channels of unlike magnitude, g and degrees a second of one sensor: fraction bits for each, from the training data to every witness."""

import re

import numpy as np
import pytest

from rescomp.errors import InputError
from rescomp.export.file_metadata import onnx_metadata
from rescomp.model_directory import ModelDirectory
from rescomp.printing.costs import print_inspection
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.beginning import train_model
from rescomp.stages.evaluation import evaluate
from rescomp.stages.exporting import export_model
from rescomp.stages.inspection import inspect
from rescomp.stages.quantization import quantize
from rescomp.stages.training import train_from
from rescomp.stages.verification import verify
from rescomp.validate.torch_net import load_quantized

BITS = (13, 13, 13, 3, 3, 3)
STEPS = 8


def side(rng, count):
    """Which axis of the accelerometer feels something; the gyroscope says nothing, and goes to 2000."""
    y = np.arange(count) % 3
    acceleration = rng.uniform(-0.1, 0.1, (count, STEPS, 3)) + np.eye(3)[y][:, None]
    return np.concatenate([acceleration, rng.uniform(-2000, 2000, (count, STEPS, 3))], axis=2).astype(np.float32), y


def write(path, seed=0, scale=(1, 1)):
    rng, arrays = np.random.default_rng(seed), {}
    for name, count in (("train", 60), ("test", 30)):
        x, arrays[f"y_{name}"] = side(rng, count)
        arrays[f"x_{name}"] = x * np.repeat(np.float32(scale), 3)
        arrays[f"group_{name}"] = np.arange(count) // 6
    np.savez(path, **arrays)
    return path


QUICK = ("model.kind=fastrnn", "model.hidden_size=4", "train.epochs=40", "train.batch_size=20", "quantize.epochs=1", "train.threads=1")


def recipe_of(source, *asked):
    return load_recipe(None, [f"data.source={source}", *QUICK, "model.readings=2", *asked])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "imu.npz")


@pytest.fixture(scope="module")
def path(source, tmp_path_factory):
    """A model directory, exported. Nothing asks for fraction bits of each channel: one format would leave the accelerometer 8 steps a g."""
    path = tmp_path_factory.mktemp("model") / "m"
    train_model(recipe_of(source), path)
    assert quantize(path) > 0.9
    export_model(path, ["c", "onnx", "tflite"])
    return path


def test_every_witness_computes_the_same_from_readings_of_unlike_formats(path, emulated):
    cores = ",".join(f"{emulated(name).family.witness}:{name}" for name in ("cortex-m0", "atmega2560"))
    found = verify(path, f"torch,c,onnxruntime,tflite,{cores}", stress="off", stream_steps=None)
    assert not found.failures
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    assert directory.manifest().input.fraction_bits == model.channel_bits == model.input_bits == BITS
    assert load_quantized(directory).fixed.input_bits == BITS
    shifts = model.graphs["step"].nodes[0].op.requantization.shift
    assert (shifts[:3] - shifts[3:6]).mean() == pytest.approx(0, abs=2)  # both kinds of channel span their formats alike
    largest = np.abs(read_vectors(directory, model).x.reshape(-1, 6)).max(axis=0)
    assert (largest > 8000).all()
    assert (largest < 16384).all()


def test_a_driver_finds_the_fraction_bits_of_each_channel(path, capsys):
    header = (path / "c" / "imu.h").read_text()
    found = dict(re.findall(r"#define \w+_INPUT_FRACTION_BITS(_\w+|) (.*)", header))
    assert found == {**{f"_{c}": str(bits) for c, bits in enumerate(BITS)}, "_OF_CHANNELS": "{13, 13, 13, 3, 3, 3}"}
    text = "integer / (2^13, 2^13, 2^13, 2^3, 2^3, 2^3), channel by channel"
    assert text in (path / "c" / "README.md").read_text()
    assert onnx_metadata(next(path.glob("**/*.onnx")).read_bytes())["rescomp.input"] == "12 int16 Q(13, 13, 13, 3, 3, 3)"
    assert inspect(path).reading.scale == (2**-13,) * 3 + (2**-3,) * 3
    print_inspection(inspect(path))
    shown = capsys.readouterr().out
    assert "the integer 1 is 0.0001220703125 of channel 0 (13 fraction bits)," in shown
    assert "0.125 of channel 5 (3 fraction bits)" in shown


def test_new_readings_are_read_in_the_formats_of_the_training(path, tmp_path):
    found = evaluate(path, source=str(write(tmp_path / "new.npz", 1)), perturb=True)
    assert found.accuracy > 0.9
    assert found.perturbed["turned"].accuracy > 0.9
    assert not found.sentences
    louder, coarse = (evaluate(path, source=str(write(tmp_path / "new.npz", 1, scale))).sentences for scale in ((8, 1), (1e-3, 1e-3)))
    assert "outside" in louder[0]
    assert "few integers from -" in coarse[0]


def test_a_training_that_goes_on_keeps_the_formats(path, tmp_path):
    train_from(path, str(write(tmp_path / "more.npz", 2, (0.5, 0.5))), tmp_path / "m", overrides=["train.epochs=1"])
    assert ModelDirectory.open(tmp_path / "m").manifest().input.fraction_bits == BITS


def test_a_manifest_of_other_channels_is_refused(path):
    directory = ModelDirectory.open(path)
    manifest = directory.manifest()
    for bits in ((13, 3), (3,) * 6):
        said = manifest.model_copy(update={"input": manifest.input.model_copy(update={"fraction_bits": bits})})
        with pytest.raises(ValueError, match=r"input\.fraction_bits are no different ones of 6 channels"):
            type(manifest).of(said.as_json())


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("stages", ("model.time_steps=8",)),
        ("gru", ("data.fraction_bits=auto", "frontend.kind=align")),
        (
            "gru",
            ("frontend.kind=statistics", "frontend.sample_rate=50", "frontend.length=4", "frontend.hop=4", 'frontend.statistics=["mean"]'),
        ),
    ],
)
def test_nets_of_layers_alignments_and_statistics_read_them_too(source, tmp_path, kind, asked):
    net = ["model.kind=resnet1d", "model.widths=[4]", "model.blocks=1"] if kind == "stages" else [f"model.kind={kind}", "model.readings=1"]
    recipe = load_recipe(None, [f"data.source={source}", *QUICK[1 if kind == "gru" else 2 :], "train.epochs=1", *net, *asked])
    train_model(recipe, tmp_path / "m")
    quantize(tmp_path / "m")
    export_model(tmp_path / "m", ["c"])
    assert not verify(tmp_path / "m", "torch,c", stress="off", stream_steps=None).failures
    model = read_model(ModelDirectory.open(tmp_path / "m"))
    assert model.channel_bits == BITS
    header = (tmp_path / "m" / "c" / "imu.h").read_text()
    assert ("_SAMPLE_" if model.reads_samples else "_INPUT_") + "FRACTION_BITS_OF_CHANNELS {13, 13, 13, 3, 3, 3}" in header


def test_axes_that_are_turned_into_each_other_have_one_format(source, tmp_path):
    recipe = recipe_of(source, "model.readings=1", "frontend.kind=align", "data.fraction_bits=13,12,13,3,3,3")
    with pytest.raises(
        InputError, match=r"turns the channels \[0, 1, 2\] into each other, and data.fraction_bits gives them \[13, 12, 13\]"
    ):
        train_model(recipe, tmp_path / "m")
