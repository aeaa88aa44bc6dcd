"""What is said of data before a training and of a net after it: in the output and in the manifest."""

import json

import numpy as np
import pytest
import torch

from rescomp import stages
from rescomp.data.confusion import Confusion
from rescomp.data.dataset import Dataset, load_dataset
from rescomp.data.split import Split
from rescomp.manifest import Warnings
from rescomp.model_directory import MANIFEST
from rescomp.recipe import DataSection, load_recipe
from rescomp.stages.class_figures import class_figures
from rescomp.stages.data_remarks import remarks_on_data
from rescomp.stages.features import load_readings
from rescomp.stages.net_remarks import remarks_on_classes, remarks_on_integers, remarks_on_training
from rescomp.tests.stages.conftest import write_recordings
from rescomp.tests.stages.listeners import Warned


def split(y, seed=0, **parts):
    rng = np.random.default_rng(seed)
    return Split(rng.normal(size=(len(y), 5, 2)).astype(np.float32), np.array(y), np.full(len(y), 5), **parts)


def said(train, test, *asked):
    recipe = load_recipe(None, ["data.source=mine.npz", *asked])
    return list(remarks_on_data(recipe, Dataset("mine", train, test, ("a", "b"), "0" * 64)))


OWNED = {"groups": np.arange(20) // 5}
HALVES = [0, 1] * 10


def test_nothing_is_said_of_data_that_want_nothing():
    assert said(split(HALVES, **OWNED), split([0, 1], 1)) == []


def test_recordings_on_both_sides_of_a_split_are_told(tmp_path):
    path = write_recordings(tmp_path / "twice.npz")
    arrays = dict(np.load(path))
    arrays["x_test"][[3, 7]] = arrays["x_train"][[11, 11]]
    arrays["lengths_test"][[3, 7]] = arrays["lengths_train"][11]
    arrays["x_test"][5] = arrays["x_train"][11] + np.float32(1e-6)
    np.savez(path, **arrays)
    (note,) = load_dataset(str(path)).notes
    other = int(arrays["y_test"][3] != arrays["y_train"][11]) + int(arrays["y_test"][7] != arrays["y_train"][11])
    assert note.startswith(
        f"2 of 24 test recordings are among those for training, reading for reading, {other} of them under another label"
    )
    assert "(the first: test 3 is training 11, counting from 0)" in note
    whole = split(HALVES, **OWNED)
    whole.x[5:] = np.tile(whole.x[:5], (3, 1, 1))
    (within,) = said(whole, split([0, 1], 1), "train.validation_fraction=0.25")
    assert within.startswith("5 of 5 validation recordings are among those for training, reading for reading")


def test_recordings_that_differ_behind_their_end_or_in_length_are_told_apart_by_their_readings_alone():
    from rescomp.data.repeated import repeated

    one, other = split([0, 1]), split([0, 1])
    short = Split(one.x.copy(), one.y, np.array([3, 5]))
    short.x[0, 3:] = 0
    assert repeated(other, one) == [(0, 0), (1, 1)]
    assert repeated(short, one) == [(1, 1)]


def test_data_without_groups_say_so_but_for_those_that_come_with_rescomp():
    (one,) = said(split(HALVES), split([0, 1], 1))
    assert one == (
        "nothing says whose the training recordings are: if several are of one person or device, none can be held apart; store them as .npz "
        "with group_train"
    )
    assert (
        "a validation part is drawn from all alike, and flatters"
        in said(split(HALVES), split([0, 1], 1), "train.validation_fraction=0.2")[0]
    )
    assert said(split(HALVES), split([0, 1], 1), "data.source=japanese_vowels") == []


def test_missed_and_unbalanced_classes_are_told():
    assert said(split(HALVES, **OWNED), split([1, 1], 1)) == [
        "no test recording is of class a, so that nothing is known of how well it is answered: add some"
    ]
    unequal = [0] * 17 + [1] * 3
    (one,) = said(split(unequal, **OWNED), split([0, 1], 1))
    assert one.startswith("the classes are unbalanced, 17 training recordings of a and 3 of b: train.balance")
    assert said(split(unequal, **OWNED), split([0, 1], 1), "train.balance=weights") == []
    assert said(split([0] * 16 + [1] * 4, **OWNED), split([0, 1], 1)) == []


def test_gaps_in_time_and_logs_of_another_rate_are_told(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()

    rng = np.random.default_rng(0)

    def log(name, times):
        rows = [f"{time},{rng.normal():.6f},{'ab'[number // 10 % 2]}" for number, time in enumerate(times)]
        (folder / name).write_text("\n".join(["time,x,label", *rows]) + "\n")

    steady = [10 * number for number in range(40)]
    log("1.csv", steady)
    log("2.csv", steady)
    section = DataSection(source=str(folder), window=5)
    assert load_dataset(section).notes == ()
    log("2.csv", steady[:15] + [time + 400 for time in steady[15:30]] + [time + 300 for time in steady[30:]])
    log("3.csv", [2 * time for time in steady])
    told = load_dataset(section).notes
    assert told == (
        "the times of 1 log (2.csv) have 2 gaps, steps back or of more than 3 median steps (data.gap): recordings end there",
        "the readings of 1 log of 3 are at another rate: those of 3.csv are 20 apart in time, and the median is 10: resample them, unless "
        "their times are in another unit",
    )
    framed = ["frontend.kind=statistics", "frontend.statistics=mean", "frontend.sample_rate=100", "frontend.length=2", "frontend.hop=1"]
    _, dataset = load_readings(load_recipe(None, [f"data.source={folder}", "data.window=5", *framed]))
    assert dataset.notes == told, "the same where the net reads a front-end's features"


class Knows(torch.nn.Module):
    """Answers as one of these recordings, the nearest."""

    def __init__(self, known):
        super().__init__()
        self.x, self.y = torch.nn.Parameter(torch.from_numpy(known.x).flatten(1)), torch.from_numpy(known.y)

    def forward(self, x, lengths):
        return torch.nn.functional.one_hot(self.y[torch.cdist(x.flatten(1), self.x).argmin(dim=1)], 2).float()


def test_a_net_that_knows_its_recordings_by_heart_is_told():
    known = split([0, 1] * 50)
    (one,) = remarks_on_training(Knows(known), known, split([0, 1] * 20, 1), "validation")
    assert one.startswith("100.0% of the training recordings are answered right, and ")
    assert " of the validation recordings: the net knows what it learnt from better than what is new" in one
    assert list(remarks_on_training(Knows(known), known, known, "test")) == []


def test_few_recordings_that_miss_by_chance_are_no_sign():
    known, few = split([0, 1] * 50), split([0, 1] * 4)
    few.y[0] ^= 1
    assert list(remarks_on_training(Knows(known), known, few, "test")) == []


def test_a_class_that_is_never_answered_right_is_told():
    found = Confusion.of(np.array([0, 0, 1, 2]), np.array([0, 1, 0, 2]), 4)
    figures = class_figures(found, ("a", "b", "c", "d"))
    (one,) = remarks_on_classes(found, figures, "float net", balanced=False)
    assert one == "the float net never answers b (of 1 recording) right: train.balance = 'weights' or 'batches' makes small classes count"
    assert list(remarks_on_classes(found, figures, "integer model", balanced=True)) == [
        "the integer model never answers b (of 1 recording) right"
    ]


@pytest.mark.parametrize(
    ("float_", "integer", "recordings", "told"),
    [(0.9, 0.89, 1000, True), (0.9, 0.8901, 10000, False), (1, 0.95, 20, False), (1, 0.9, 20, True)],
)
def test_an_integer_model_below_its_float_net_is_told(float_, integer, recordings, told):
    assert bool(list(remarks_on_integers(float_, integer, recordings))) == told


def test_what_is_said_is_in_the_manifest(tmp_path):
    """A class of three recordings in sixty, that nothing tells from the others."""
    rng = np.random.default_rng(0)
    arrays = {f"y_{name}": np.array([0] * (count - 3) + [1] * 3) for name, count in (("train", 60), ("test", 30))}
    arrays |= {f"x_{name}": rng.normal(size=(count, 6, 2)).astype(np.float32) for name, count in (("train", 60), ("test", 30))}
    np.savez(tmp_path / "rare.npz", **arrays)
    listener, path = Warned(), tmp_path / "model"
    asked = [f"data.source={tmp_path / 'rare.npz'}", "model.hidden_size=4", "train.epochs=10", "quantize.epochs=0", "train.threads=1"]
    stages.train_model(load_recipe(None, asked, weights="int8"), path, listener=listener)
    stages.quantize(path, listener=listener)
    kept = json.loads((path / MANIFEST).read_text())["warnings"]
    assert kept["train"][-1].startswith("the float net never answers 1 (of 3 recordings) right")
    assert kept["quantize"] == ["the integer model never answers 1 (of 3 recordings) right" + kept["train"][-1].partition("right")[2]]
    assert [text for text in listener.warnings if text in (*kept["train"], *kept["quantize"])] == [*kept["train"], *kept["quantize"]]
    assert Warnings.model_validate_json(json.dumps(kept)) == Warnings(train=tuple(kept["train"]), quantize=tuple(kept["quantize"]))
