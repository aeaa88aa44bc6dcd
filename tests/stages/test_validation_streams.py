"""Decisions chosen on continuous recordings of the validation part, where the source has them."""

import json

import numpy as np
import pytest

from rescomp import stages
from rescomp.model_directory import MANIFEST, ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model
from rescomp.stages.features import load_readings
from rescomp.stages.net_readings import training_data
from rescomp.stages.validation_streams import validation_streams
from rescomp.stages.withheld import withheld
from rescomp.tests.data.wav_files import write_wav
from rescomp.tests.stages.listeners import Told
from rescomp.tests.stages.untrained import BARE, CSV, made, parts, write_log

RATE = 8000
SOUND = ("frontend.length=200", "frontend.hop=160", "frontend.bands=6", "model.kind=gru", "model.hidden_size=4")
HEARD = (*SOUND, "data.rest=quiet", "data.window=1600", "train.validation_fraction=0.4", "decide.background=quiet", "decide.smoothing=1")


def record(folder, number, seconds):
    """A file in which a tone of half a second comes every second, and its label track."""
    rng = np.random.default_rng(number)
    wave = rng.normal(size=seconds * RATE) * 300
    lines = ["start,end,label"]
    for second in range(seconds):
        begin = second * RATE + RATE // 4
        wave[begin : begin + RATE // 2] += 6000 * np.sin(2 * np.pi * (300, 1400)[second % 2] * np.arange(RATE // 2) / RATE)
        lines.append(f"{begin / RATE},{(begin + RATE // 2) / RATE},{('low', 'high')[second % 2]}")
    path = write_wav(folder / f"{number}.wav", np.round(wave), RATE)
    path.with_suffix(".csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Six files of 2 to 7 seconds."""
    folder = tmp_path_factory.mktemp("days") / "days"
    for number in range(6):
        record(folder, number, 2 + number)
    return folder


@pytest.fixture(scope="module")
def heard(tracked, tmp_path_factory):
    """(a model whose decision was chosen there, what was said)."""
    path, told = tmp_path_factory.mktemp("heard") / "m", Told()
    stages.train_model(load_recipe(None, [f"data.source={tracked}", *BARE, "train.batch_size=8", *HEARD, "decide.false_alarms=9e9"]), path)
    stages.quantize(path, listener=told)
    return path, told.said


def test_it_is_chosen_on_long_files_of_the_validation_part_and_kept(heard, tracked, tmp_path):
    """What the manifest keeps is what evaluate finds of these very files."""
    path, said = heard
    kept = json.loads((path / MANIFEST).read_text())["decision"]
    assert kept["of"] == "continuous"
    recipe, dataset = load_readings(load_recipe(None, [f"data.source={tracked}", *BARE, *HEARD, "decide.false_alarms=9e9"]))
    clips = dataset.clips.train
    files = set(clips.places[:, 0]) - set(clips.take(np.setdiff1d(np.arange(len(clips)), _held(recipe, dataset))).places[:, 0])
    assert len(files) == kept["recordings"] > 1
    assert f"of the decision on {kept['recordings']} continuous validation recordings" in "\n".join(said)
    for file in files:
        for suffix in ("wav", "csv"):
            (tmp_path / f"{file}.{suffix}").write_bytes((tracked / f"{file}.{suffix}").read_bytes())
    found = stages.evaluate(path, source=str(tmp_path), stream=True).streamed
    assert found.of == "continuous"
    words = {key: value for key, value in found.wake_words.as_json().items() if value is not None}
    assert kept["wake_words"] == {"background": ["quiet"], **words}
    frames = sum(((2 + file) * RATE - 201) // 160 + 1 for file in files)
    assert words["false_accepts"]["exposure"] == pytest.approx(frames * 160 / RATE / 3600)


def test_a_candidate_of_a_search_chooses_on_the_files_that_its_recipe_does(heard, tracked):
    recipe, dataset = load_readings(load_recipe(None, [f"data.source={tracked}", *BARE, *HEARD, "decide.false_alarms=9e9"]))
    directory = ModelDirectory.open(heard[0])
    manifest, model = directory.manifest(), read_model(directory)
    own, found = (validation_streams(recipe, manifest, model, each) for each in (dataset, withheld(recipe, dataset)))
    assert np.array_equal(found.x, own.x)


def _held(recipe, dataset):
    _, validation = training_data(recipe, dataset.train)
    spans = {tuple(span) for span in validation.spans}
    return np.array([row for row, span in enumerate(dataset.train.spans) if tuple(span) in spans])


def test_logs_in_which_the_label_changes_are_streams_too(tmp_path):
    """Of the validation people alone."""
    log, asked = write_log(tmp_path / "log.csv", "abcdef"), (*CSV, "decide.false_alarms=1e6", "train.validation_fraction=0.4")
    path = made(tmp_path / "model", log, *asked)
    kept = json.loads((path / MANIFEST).read_text())["decision"]
    recipe, dataset = load_readings(load_recipe(None, [f"data.source={log}", *BARE, *asked]))
    training, validation = training_data(recipe, dataset.train)
    people = np.setdiff1d(validation.groups, training.groups)
    assert (kept["of"], kept["recordings"]) == ("continuous", len(people))
    model, _, reader = parts(path)
    streams = validation_streams(recipe, ModelDirectory.open(path).manifest(), model, dataset)
    own = [row.split(",") for row in log.read_text().splitlines()[1:]]
    names = sorted(set(dataset.facts["train_groups"]))
    for stream, person in zip(streams.x, people, strict=True):
        x = np.array([row[1:4] for row in own if row[5] == names[person]], float)
        assert np.array_equal(stream.reshape(-1, 3), reader.integers(x)[0])
    assert kept["changes"]["judged"] == 5 * len(people)
