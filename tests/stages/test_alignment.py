"""Devices that are worn at an angle, from the recipe to the witnesses: what is trained on, what is kept, what a calibration is worth."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from rescomp.data.split import Split
from rescomp.errors import InputError
from rescomp.graph.alignment import align_of, calibrate
from rescomp.graph.formats import Format
from rescomp.graph.ops import Align
from rescomp.manifest import parse_manifest
from rescomp.model_directory import REPORT, ModelDirectory
from rescomp.printing.recognition import print_evaluation
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model
from rescomp.stages.beginning import train_model
from rescomp.stages.budget import Budget
from rescomp.stages.calibrated import calibrated_accuracy
from rescomp.stages.checking import check
from rescomp.stages.evaluation import anywhere, evaluate
from rescomp.stages.exporting import export_model
from rescomp.stages.features import load_readings
from rescomp.stages.fitting import fit_recipe, predict_size
from rescomp.stages.quantization import quantize
from rescomp.stages.readings import Reader
from rescomp.stages.training import train_from
from rescomp.stages.verification import verify
from rescomp.validate.parity_firmware import build_parity_firmware
from rescomp.validate.serial_machines import serial_machine

QUICK = ("model.kind=gru", "model.hidden_size=6", "train.epochs=16", "quantize.epochs=2", "train.batch_size=15", "train.threads=1")
ALIGN = ("frontend.kind=align", "frontend.calibration=walking", "frontend.calibration_readings=24")
CLASSES = ["walking", "sitting", "standing"]
STEPS, EACH = 12, 15


def rotation(rng):
    """By 50 degrees about any axis."""
    x, y, z = (axis := rng.normal(size=3)) / np.linalg.norm(axis)
    cross, angle = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]), np.radians(50)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def side(rng, people, each=EACH, steps=STEPS):
    """Who walks, sits and stands differs by where down is; a seventh channel says nothing. The channels: rotation, noise, acceleration."""
    y, down = np.tile(np.arange(3), people * each // 3), np.array([[0, -1, 0], [0.5, -0.85, 0], [-0.5, -0.85, 0]])
    group = np.repeat(np.arange(people), each)
    turns = np.array([rotation(rng) for _ in range(people)])[group]
    acceleration = down[y][:, None] + rng.normal(size=(len(y), steps, 3)) * 0.1
    turning = rng.normal(size=(len(y), steps, 3)) * np.where(y == 0, 0.5, 0.1)[:, None, None]
    turned = [np.einsum("nij,ntj->nti", turns, values) for values in (turning, acceleration)]
    x = np.concatenate([turned[0], rng.normal(size=(len(y), steps, 1)), turned[1]], axis=2)
    return x.astype(np.float32), y, group


def write(path, seed=3, each=EACH, steps=STEPS, **changes):
    rng, arrays = np.random.default_rng(seed), {"classes": np.array(CLASSES)}
    for name, people in (("train", 8), ("test", 4)):
        arrays |= dict(zip((f"x_{name}", f"y_{name}", f"group_{name}"), side(rng, people, each, steps), strict=True))
    np.savez(path, **{key: value for key, value in {**arrays, **changes}.items() if value is not None})
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "worn.npz")


def recipe_of(source, *asked):
    return load_recipe(None, [f"data.source={source}", *QUICK, *ALIGN, "frontend.axes=4,5,6,0,1,2", *asked])


@pytest.fixture(scope="module")
def path(source, tmp_path_factory):
    """A model directory, quantized."""
    path = tmp_path_factory.mktemp("model") / "m"
    train_model(recipe_of(source), path)
    quantize(path)
    return path


def test_training_recordings_are_turned_as_the_device_turns_them_and_test_recordings_stay(source):
    arrays = dict(np.load(source))
    recipe, dataset = load_readings(recipe_of(source))
    op = Align(7, (4, 5, 6, 0, 1, 2), Format(dataset.fraction_bits), dataset.alignment.reference)
    read = np.floor(arrays["x_train"] * 2.0**dataset.fraction_bits + 0.5).astype(np.int64)
    for person in range(8):
        rows = arrays["group_train"] == person
        alignment = calibrate(read[rows & (arrays["y_train"] == 0)].reshape(-1, 7), op)
        turned = op.evaluate(read[rows].reshape(EACH, -1), np.broadcast_to(alignment, (EACH, 9)))[0].reshape(EACH, STEPS, 7)
        assert np.array_equal(turned, dataset.train.x[rows] * 2.0**dataset.fraction_bits), person
    assert np.array_equal(dataset.test.x, arrays["x_test"])
    assert recipe.frontend.axes == (4, 5, 6, 0, 1, 2)
    walking = dataset.train.x[dataset.train.y == 0].reshape(8, -1, 7).mean(axis=1)[:, 4:]
    wanted = np.array(dataset.alignment.reference) / 16384
    assert np.abs(walking / np.linalg.norm(walking, axis=1)[:, None] - wanted).max() < 0.01


def test_integers_stay_integers(source, tmp_path):
    arrays = dict(np.load(source))
    integers = {f"x_{name}": np.round(arrays[f"x_{name}"] * 8192).astype(np.int16) for name in ("train", "test")}
    _, dataset = load_readings(recipe_of(write(tmp_path / "integers.npz", **integers)))
    assert (dataset.train.x.dtype, dataset.fraction_bits) == (np.int32, 0)
    assert not np.array_equal(dataset.train.x, integers["x_train"])


def test_a_calibration_is_worth_what_the_readings_of_each_group_say(source, path, capsys):
    """In the manifest, of own data and of new ones: the first two recordings of walking, 24 readings, of each of four people are left out."""
    found = evaluate(path)
    assert found.calibrated == ModelDirectory.open(path).manifest().calibrated
    assert (found.calibrated.recordings, found.calibrated.groups) == (4 * (EACH - 2), 4)
    assert found.calibrated.accuracy > 0.95 > 0.75 > found.calibrated.as_they_are
    assert evaluate(path, source=str(source)).calibrated == found.calibrated
    assert found.as_json()["calibrated"]["groups"] == 4
    print_evaluation(found)
    assert "calibrated: 52 recordings of 4 groups" in capsys.readouterr().out


def test_a_recording_that_shares_readings_with_a_calibrating_one_is_left_out(path):
    directory = ModelDirectory.open(path)
    reader = Reader.of(directory.manifest(), read_model(directory))
    x, y, group = side(np.random.default_rng(8), 2)
    ints = np.round(x * 2.0**reader.fraction_bits).astype(np.int16)
    begins = np.arange(len(y))[::-1] * 6  # the last one is the first, and each shares six readings with the next
    split = Split(ints, y, np.full(len(y), STEPS), group, np.stack([begins, begins + STEPS], axis=1))
    section = recipe_of("x").frontend
    assert calibrated_accuracy(section, reader, split).recordings == 2 * (EACH - 2 - 4)
    assert calibrated_accuracy(section, reader, replace(split, spans=None)).recordings == 2 * EACH - 4
    assert calibrated_accuracy(section, reader, replace(split, groups=None)) is None


def test_the_trained_net_and_the_graph_turn_alike_from_any_state(path):
    found = verify(path, "torch", stream_steps=None)
    assert not found.failures
    assert found.compared > 10000


def test_no_measure_begins_with_a_device_that_is_worn_anyhow(path):
    states = anywhere(read_model(ModelDirectory.open(path)), 5)
    assert not states[:, -9:].any()
    assert states[:, :-9].any(axis=0).all()


def test_a_training_that_goes_on_keeps_the_axes_and_the_reference(path, tmp_path):
    new = write(tmp_path / "new.npz", seed=4)
    train_from(path, str(new), tmp_path / "next", overrides=["train.epochs=1"])
    before, after = (ModelDirectory.open(each).manifest() for each in (path, tmp_path / "next"))
    assert after.alignment == before.alignment
    assert load_readings(recipe_of(new))[1].alignment.reference != before.alignment.reference
    quantize(tmp_path / "next")
    assert align_of(read_model(ModelDirectory.open(tmp_path / "next"))).reference == before.alignment.reference


@pytest.mark.parametrize("change", [{"reference": [16384, 0, 0]}, {"axes": [0, 1, 2, 4, 5, 6]}, None])
def test_a_manifest_of_another_alignment_is_refused(change, path, tmp_path):
    directory = ModelDirectory.open(shutil.copytree(path, tmp_path / "m"))
    said = None if change is None else directory.manifest().alignment.model_dump(mode="json") | change
    with directory.held():
        directory.write(directory.revised_manifest(alignment=said))
    with pytest.raises(InputError, match="alignment differs"):
        read_model(directory)


def test_a_reference_that_no_direction_has_is_damage(path):
    document = ModelDirectory.open(path).manifest().as_json()
    document["alignment"]["reference"] = [1 << 40, 0, 0]
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        parse_manifest(json.dumps(document).encode(), "manifest.json")


def test_an_alignment_counts_in_a_budget(source):
    chosen, size = fit_recipe(load_recipe(None, [f"data.source={source}", "model.kind=gru", *ALIGN, "frontend.axes=4,5,6"]), Budget(1500))
    plain = predict_size(chosen, 7, 3)
    assert (size.const - plain.const, size.state - plain.state) == (2 * 3, 2 * 9 + 2 * 9)  # the axes; what is kept, and what is next


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["frontend.hop=3"], "frontend.kind = align turns readings and makes no frames, so that it does not read frontend.hop"),
        (["frontend.preset=vibration"], "does not read frontend.preset"),
        (["frontend.kind=mfcc"], "frontend.axes is for an alignment: set frontend.align = true before this front-end, or leave it out"),
        (["frontend.kind=aline"], "the nearest value is 'align'"),
        (["stream.gap=2"], "keeps in one how the device is worn"),
        (["model.kind=dscnn1d"], "turns what recurrent cells read step by step, and dscnn1d has none"),
        (["augment.gain=3"], "changes samples before a front-end"),
        (["frontend.axes=4,5,6,0"], "names x, y, z of each sensor, three channels each and none twice"),
        (["frontend.axes=4,5,7"], "the data have no channel '7'; give a number from 0 to 6"),
        (["frontend.axes=4,5,5"], "none twice"),
        (["frontend.axes=[4,5]"], "a list of at least 3 is wanted"),
        (["frontend.calibration=walk"], "no class 'walk'; the nearest one is 'walking'"),
        (["frontend.calibration_readings=0"], "at least 1 is wanted"),
    ],
)
def test_what_cannot_be_turned_is_refused_in_a_sentence(source, asked, message):
    kept = [each for each in QUICK if not (each.startswith("model.hidden") and asked[0].startswith("model.kind"))]
    with pytest.raises(InputError, match=message):
        load_readings(load_recipe(None, [f"data.source={source}", *kept, *ALIGN, "frontend.axes=4,5,6", *asked]))


@pytest.mark.parametrize(
    ("changes", "asked", "message"),
    [
        ({"group_train": None}, [], "does not say whose a recording is"),
        ({"x_train": np.zeros((120, STEPS, 7), np.float32)}, [], "has a direction to turn to"),
        ({}, ["frontend.axes="], "turns channels in threes .* and there are 7: name those to turn in frontend.axes"),
    ],
)
def test_data_that_cannot_be_turned_are_refused_in_a_sentence(tmp_path, changes, asked, message):
    source = write(tmp_path / "worn.npz", **changes)
    with pytest.raises(InputError, match=message):
        load_readings(load_recipe(None, [f"data.source={source}", *QUICK, *ALIGN, *([] if asked else ["frontend.axes=4,5,6"])]))


def test_verify_calls_the_alignment_of_a_board_and_check_misses_what_is_taken_out(path, tmp_path):
    copied = shutil.copytree(path, tmp_path / "model")
    export_model(copied, ["c"])
    elf = build_parity_firmware(None, read_model(ModelDirectory.open(copied)), copied / "c", tmp_path)
    with serial_machine(None, elf) as port:
        result = verify(copied, f"serial:{port}", samples=2)
    assert result.mismatches == 0
    (called,) = [entry for entry in result.witnesses if entry.set == "header"]
    assert called.variant == "host, the calls of its alignment"
    assert (called.compared > 1000, called.mismatches) == (True, 0)
    report = json.loads((copied / REPORT).read_text())
    report["evidence"] = [entry for entry in report["evidence"] if entry["set"] != "header"]
    ModelDirectory.open(copied).write({REPORT: json.dumps(report).encode()})
    assert "left no evidence on its header" in " ".join(check(copied).mismatch_failures)
