"""Worn devices before a front-end, from the recipe to the witnesses: what is trained on, what is kept, what a calibration is worth."""

import shutil

import numpy as np
import pytest

from rescomp.data.turned_clips import TurnedClips
from rescomp.data.wav import WavFile
from rescomp.errors import InputError
from rescomp.frontend.lowering import frontend_graph
from rescomp.graph.alignment import ALIGNMENT_STATE, align_of, alignment_of, calibration_sums
from rescomp.graph.evaluate import split_state
from rescomp.graph.sound import evaluate_frontend
from rescomp.model_directory import RECIPE, ModelDirectory
from rescomp.recipe import load_recipe, parse_recipe, refuse_unread, to_toml
from rescomp.stages.artefacts import check_whole, read_model, read_vectors
from rescomp.stages.beginning import train_model
from rescomp.stages.evaluation import evaluate
from rescomp.stages.exporting import export_model
from rescomp.stages.features import load_readings
from rescomp.stages.prediction import predict
from rescomp.stages.quantization import quantize
from rescomp.stages.readings import Reader
from rescomp.stages.training import train_from
from rescomp.stages.verification import verify
from rescomp.tests.data.wav_files import write_wav
from rescomp.tests.stages.test_alignment import CLASSES, side
from rescomp.tests.stages.test_alignment import write as write_worn

QUICK = ("model.kind=gru", "model.hidden_size=6", "train.epochs=16", "quantize.epochs=2", "train.batch_size=15", "train.threads=1")
FRAMES = ("frontend.kind=statistics", "frontend.length=20", "frontend.hop=10", "frontend.statistics=mean,log_deviation")
ALIGN = ("frontend.align=true", "frontend.calibration=walking", "frontend.axes=4,5,6,0,1,2", "frontend.calibration_readings=120")
EACH, SAMPLES = 9, 60


def write(path, seed=3, **changes):
    return write_worn(path, seed, EACH, SAMPLES, **{"sample_rate": np.array(50), **changes})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "worn.npz")


def recipe_of(source, *asked):
    return load_recipe(None, [f"data.source={source}", *QUICK, *FRAMES, *ALIGN, *asked])


@pytest.fixture(scope="module")
def path(source, tmp_path_factory):
    """A model directory, quantized and exported."""
    path = tmp_path_factory.mktemp("model") / "m"
    train_model(recipe_of(source), path)
    quantize(path)
    export_model(path, ["c", "onnx", "tflite"])
    return path


def test_training_clips_are_turned_as_the_device_turns_them_and_test_clips_stay(source):
    recipe, dataset = load_readings(recipe_of(source))
    clips, axes = dataset.clips, (4, 5, 6, 0, 1, 2)
    bits = dict(zip(range(7), np.broadcast_to(clips.fraction_bits, 7).tolist(), strict=True))
    assert len({bits[axis] for axis in axes[:3]}) == len({bits[axis] for axis in axes[3:]}) == 1
    raw, wanted = clips.train.clips, np.array(dataset.alignment.reference) / 16384
    for person in range(8):
        rows = np.flatnonzero(raw.groups == person)
        walks = np.concatenate([raw.read(row) for row in rows if raw.y[row] == 0])
        alignment = alignment_of(calibration_sums(walks, axes), dataset.alignment.reference)
        for row in rows.tolist():
            turned, _ = clips.train.op.evaluate(raw.read(row)[None].astype(np.int64), alignment[None])
            assert np.array_equal(clips.train.read(row), turned[0]), row
        mean = np.concatenate([clips.train.read(row) for row in rows if raw.y[row] == 0])[:, 4:].mean(axis=0)
        assert np.abs(mean / np.linalg.norm(mean) - wanted).max() < 0.01
    assert not isinstance(clips.test, TurnedClips)
    assert (recipe.frontend.align, recipe.frontend.axes, recipe.frontend.calibration) == (True, axes, ("walking",))
    assert parse_recipe(to_toml(recipe), "it") == recipe


def test_features_are_those_that_the_model_makes_with_its_group_s_rotation(source, path):
    """The features that a net is trained on are those of the graph from a state that holds the clip's own rotation."""
    _, dataset = load_readings(recipe_of(source))
    model = read_model(ModelDirectory.open(path))
    for row in (0, 20, 71):
        initial = np.zeros((1, sum(value.type.size for value in model.states("step"))), np.int64)
        split_state(model, initial)[ALIGNMENT_STATE][:] = dataset.clips.train.alignments[row]
        made = evaluate_frontend(model, dataset.clips.train.clips.read(row), initial[0])
        assert np.array_equal(made, dataset.train.x[row] * 1024)
    assert align_of(model).reference == dataset.alignment.reference
    assert frontend_graph(dataset.front_end).state == {}


@pytest.mark.parametrize("witness", ["torch", "onnxruntime", "tflite", "c"])
def test_every_witness_turns_samples_before_the_front_end(witness, path):
    found = verify(path, witness, stream_steps=None)
    assert not found.failures
    assert found.compared > 10000


def test_a_calibration_is_worth_what_the_samples_of_each_group_say(source, path):
    """In the manifest, and of new data: the first two clips of walking of each of four people are left out."""
    found = evaluate(path)
    assert found.calibrated == ModelDirectory.open(path).manifest().calibrated
    assert (found.calibrated.recordings, found.calibrated.groups) == (4 * (EACH - 2), 4)
    assert found.calibrated.accuracy > 0.95 > 0.8 > found.calibrated.as_they_are
    assert evaluate(path, source=str(source)).calibrated == found.calibrated


def test_what_is_kept_is_whole_and_read_again(path, tmp_path):
    directory = ModelDirectory.open(path)
    with directory.held():
        check_whole(directory)
    model = read_model(directory)
    vectors = read_vectors(directory, model)
    assert vectors.sound.samples.shape[2] == 7
    assert Reader.of(directory.manifest(), model).one == "frame"
    copy = ModelDirectory.open(shutil.copytree(path, tmp_path / "m"))
    with copy.held():
        copy.write(copy.revised_manifest(alignment=None))
    with pytest.raises(InputError, match="alignment differs"):
        read_model(copy)
    assert parse_recipe(directory.read(RECIPE), RECIPE).frontend.align


def test_a_training_that_goes_on_keeps_the_axes_and_the_reference(path, tmp_path):
    new = write(tmp_path / "new.npz", seed=4)
    train_from(path, str(new), tmp_path / "next", overrides=["train.epochs=1"])
    before, after = (ModelDirectory.open(each).manifest() for each in (path, tmp_path / "next"))
    assert after.alignment == before.alignment
    assert load_readings(recipe_of(new))[1].alignment.reference != before.alignment.reference
    quantize(tmp_path / "next")


def test_the_axes_of_a_sensor_are_in_one_format_and_the_data_are_those_again(tmp_path):
    """One axis is far smaller than the others of its sensor, which alone would have more fraction bits."""
    rng, arrays = np.random.default_rng(9), {"classes": np.array(CLASSES), "sample_rate": np.array(50)}
    for name, people in (("train", 4), ("test", 2)):
        x, y, group = side(rng, people, EACH, SAMPLES)
        arrays |= {f"x_{name}": x * np.array([1, 1, 0.01, 1, 50, 50, 50], np.float32), f"y_{name}": y, f"group_{name}": group}
    np.savez(tmp_path / "scales.npz", **arrays)
    recipe = recipe_of(tmp_path / "scales.npz", "data.fraction_bits=auto", "train.epochs=1", "quantize.epochs=0")
    train_model(recipe, tmp_path / "m")
    bits = ModelDirectory.open(tmp_path / "m").manifest().samples.fraction_bits
    assert len(set(bits[:3])) == len(set(bits[4:])) == 1 != len(set(bits))
    quantize(tmp_path / "m")
    assert read_model(ModelDirectory.open(tmp_path / "m")).channel_bits == bits


def test_new_samples_are_read_as_the_device_reads_them(source, path, tmp_path):
    assert predict(path, str(source), tmp_path / "answers.csv").rows == 4 * EACH


WORN_WAV = ("frontend.length=64", "frontend.hop=32", "frontend.bands=4", "frontend.align=true", "model.kind=gru")


def test_wav_files_of_worn_devices_are_turned_and_refused_before_they_are_read(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name in ("still", "walking"):
        for n in range(4):
            samples = rng.integers(-900, 900, (300, 3)) + np.array([9000, 0, 900 * n])
            write_wav(tmp_path / "w" / name / f"{n}_nohash_0.wav", samples, 1000)
    _, dataset = load_readings(load_recipe(None, [f"data.source={tmp_path / 'w'}", *WORN_WAV]))
    assert isinstance(dataset.clips.train, TurnedClips)
    assert dataset.train.x.shape[2] == 12
    monkeypatch.setattr(WavFile, "read", lambda *_: pytest.fail("a sample was read"))
    for asked, message in (
        (["frontend.axes=0,1,2,0"], "x, y, z of each sensor, three channels each"),
        (["frontend.axes=0,1,3"], "the data have no channel '3'"),
        (["frontend.calibration=runing"], "the data have no class 'runing'"),
    ):
        with pytest.raises(InputError, match=message):
            load_readings(load_recipe(None, [f"data.source={tmp_path / 'w'}", *WORN_WAV, *asked]))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            ["model.kind=resnet1d"],
            "frontend.align keeps a rotation in the state of recurrent cells, and resnet1d has",
        ),
        (["stream.gap=2"], r"\[stream\] begins states anew, and an alignment keeps in one how the device is worn"),
        (["frontend.align=false"], "frontend.(axes|calibration|calibration_readings) is for an alignment: set frontend.align = true"),
        (["train.rotation=0.1"], "train.rotation turns the axes of a sensor"),
    ],
)
def test_what_cannot_stand_beside_it_is_refused(source, asked, message):
    quick = [each for each in QUICK if not (each.startswith("model") and asked[0].startswith("model"))]
    with pytest.raises(InputError, match=message):
        refuse_unread(load_recipe(None, [f"data.source={source}", *quick, *FRAMES, *ALIGN, *asked]))


def test_clips_of_which_nobody_knows_whose_they_are_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"does not say whose a recording is, and frontend\.align turns those of each person"):
        load_readings(recipe_of(write(tmp_path / "nobody.npz", group_train=None)))
    with pytest.raises(InputError, match="an alignment turns channels in threes"):
        load_readings(replace_axes(recipe_of(write(tmp_path / "some.npz"))))


def replace_axes(recipe):
    return recipe.model_copy(update={"frontend": recipe.frontend.model_copy(update={"axes": None})})
