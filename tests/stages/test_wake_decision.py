"""The decision chosen for words to be heard: false accepts an hour as asked, the fewest words rejected."""

import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.data.dataset import load_dataset
from rescomp.data.splits import validation_split
from rescomp.errors import InputError
from rescomp.graph.decide import Decision, decision_of
from rescomp.model_directory import MANIFEST, ModelDirectory
from rescomp.rates import Clock, Rate
from rescomp.recipe import DecideSection, load_recipe, parse_recipe, to_toml
from rescomp.stages import fine_tuning, wake_decision
from rescomp.stages.artefacts import read_model
from rescomp.stages.decision import Stream
from rescomp.stages.fitting import predict_size
from rescomp.stages.labelled_steps import LabelledSteps
from rescomp.stages.wake_decision import search_wake_decision
from rescomp.stages.wake_words import measure_wake_words
from rescomp.tests.stages.conftest import write_recordings
from rescomp.tests.stages.listeners import Told
from rescomp.train.loop import fit

CLASSES = ("yes", "no", "unknown", "silence")
BACKGROUND = (2, 3)
CLOCK = Clock(settle=20, rate=10.0)


@pytest.fixture
def model(random_fastgrnn):
    return replace(random_fastgrnn(np.random.default_rng(0)), classes=CLASSES)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(wake_decision, "SMOOTHINGS", (0, 2))
    monkeypatch.setattr(wake_decision, "SHARES", (0.0, 0.25, 0.5))


def unit_of(model):
    """A point: small enough for twenty of them to fit the scores."""
    return 2**model.output.type.format.fraction_bits // 32


def stream_of(model, labels, points):
    """Streams side by side. labels: [streams, steps]; points: of each class at each step."""
    labels = np.array(labels)
    scores = np.round(np.array(points) * unit_of(model)).astype(np.int64)
    return Stream(scores, LabelledSteps(labels, np.full(len(labels), labels.shape[1])))


def noisy(model, spread):
    """Twelve streams of four segments: the right class is four points better, beside noise."""
    labels = np.repeat((np.arange(48) * 3 % 4).reshape(12, 4), 20, axis=1)
    points = 4 * (labels[..., None] == np.arange(4)) + np.random.default_rng(1).normal(0, 4 * spread, (*labels.shape, 4))
    return stream_of(model, labels, points)


def search(model, stream, **keys):
    listener = Told()
    keys = {"background": ("unknown", "silence"), "rate": 10.0, **keys}
    found, worth = search_wake_decision(DecideSection(**keys), model, stream, replace(CLOCK, rate=keys["rate"]), listener)
    measured = measure_wake_words(stream.decisions(model, found), stream.steps, CLOCK, BACKGROUND)
    assert (worth == measured) == (keys["rate"] == CLOCK.rate)
    return found, measured, listener.said


def test_the_least_level_is_taken_that_keeps_the_false_accepts_out_and_it_is_exact(model):
    """Words reach 4, 3, 2 and 2 points, 1 above the background at least; what is no word 1.5, for 3 steps."""
    labels, points = [], []
    for peak in (4, 3, 2, 2):
        labels += [2] * 40 + [0] * 10
        points += [[0, 0, 1, 0]] * 30 + [[1.5, 0, 1, 0]] * 3 + [[0, 0, 1, 0]] * 7 + [[peak, 0, 1, 0]] * 10
    unit, keys = unit_of(model), {"smoothing": 0, "hold": 1, "refractory": 0}
    stream = stream_of(model, [labels], [points])
    _, loose, said = search(model, stream, false_alarms=1e6, **keys)
    assert (loose.rejected, loose.false_accepts.events) == (0, 4)
    assert said[0].startswith(
        "smoothing 0, margin 0, hold 1: words 0 of 4 rejected, latency 1 reading (90 %: 1); false accepts 720 an hour"
    )
    by_margin, found, _ = search(model, stream, false_alarms=0, **keys)
    assert by_margin == Decision(0, unit - 1, 1, 0, ())
    assert (found.rejected, found.false_accepts) == (0, Rate(0, 200 / 10 / 3600, "hour"))
    by_threshold, found, said = search(model, stream, false_alarms=0, margin=0.0, **keys)
    low = model.output.type.format.low
    assert by_threshold == Decision(0, 0, 1, 0, (2 * unit, 2 * unit, low, low))
    assert (found.rejected, found.false_accepts.events) == (0, 0)
    assert said[0].startswith("smoothing 0, margin 0, hold 1, threshold 0.0625: words 0 of 4 rejected, latency 1 reading")


def test_no_decision_that_was_tried_rejects_fewer_words_at_the_rate_that_was_asked_for(model):
    stream = noisy(model, 0.8)
    plain = {"false_alarms": 100.0}
    chosen, words, _ = search(model, stream, **plain)
    section = DecideSection(background=("unknown", "silence"), **plain)
    tried = list(wake_decision._Search(section, model, stream, CLOCK, BACKGROUND).tried())
    assert {each.decision.smoothing for each in tried} == {0, 2}
    assert {each.decision.hold for each in tried} == {1, 4}
    assert any(each.decision.margin for each in tried)
    assert any(each.decision.thresholds for each in tried)
    quiet = [each.words for each in tried if each.words.false_accepts.value <= 100]
    assert 0 < len(quiet) < len(tried)
    assert words in quiet
    assert words.rejected == min(each.rejected for each in quiet) < words.words
    equal = [each for each in quiet if each.rejected == words.rejected]
    assert words.latency_median == min(each.latency_median for each in equal)
    assert chosen in [each.decision for each in tried]


def test_levels_are_passed_by_just_the_words_they_are_named_for(model, monkeypatch):
    """Each column walked to its end: at the k-th level as many words are lost as have a lower peak, smoothed or not."""
    monkeypatch.setattr(wake_decision._Search, "is_quiet", lambda *_: False)
    points = [[[peak, 0, 0, 0]] * 9 + [[0, 0, 20, 0]] * 40 for peak in (5, 7, 11, 13)]
    labels = ([0] * 9 + [2] * 40) * 4
    before = [2] * 40
    stream = stream_of(model, [before + labels], [[[0, 0, 20, 0]] * 40 + list(itertools.chain(*points))])
    section = DecideSection(background=("unknown",), false_alarms=0.0, hold=1)
    tried = list(wake_decision._Search(section, model, stream, replace(CLOCK, settle=5), (2,)).tried())
    for smoothing in (0, 2):
        for key in ("margin", "thresholds"):
            column = [each for each in tried if each.decision.smoothing == smoothing and getattr(each.decision, key)]
            assert [each.words.rejected for each in column] == [0, 1, 2]


def test_what_is_set_is_kept(model):
    keys = {"false_alarms": 1e6, "smoothing": 3, "margin": 0.0625, "hold": 2, "refractory": 5}
    stream, unit = noisy(model, 0.5), 2**model.output.type.format.fraction_bits
    found, _, _ = search(model, stream, **keys)
    assert replace(found, thresholds=()) == Decision(3, unit // 16, 2, 5, ())
    found, _, _ = search(model, stream, **{**keys, "margin": None, "thresholds": (0.0625,)})
    assert replace(found, margin=0) == Decision(3, 0, 2, 5, (unit // 16,) * 4)


def test_a_rate_that_no_decision_reaches_is_refused_with_the_best_one(model):
    """What is no word is one point better for its class than any word; calls end between."""
    labels = [2] * 10 + ([0] * 5 + [2] * 45) * 2
    points = [[0, 0, 20, 0]] * 10 + ([[9, 0, 0, 0]] * 5 + [[0, 0, 20, 0]] * 35 + [[10, 0, 0, 0]] * 5 + [[0, 0, 20, 0]] * 5) * 2
    stream, said = (
        stream_of(model, [labels], [points]),
        "smoothing 0, margin 0, hold 1: words 0 of 2 rejected, .* false accepts 655 an hour",
    )
    with pytest.raises(InputError, match=f"hears words with at most 9 false accepts an hour on .*, the best one being {said}"):
        search(model, stream, false_alarms=9, smoothing=0)
    with pytest.raises(InputError, match=r"at most 9 false accepts per 1000 readings .* false accepts 18.2 per 1000 readings"):
        search(model, stream, false_alarms=9, rate=None, smoothing=0)
    silent = stream_of(model, [[2] * 20 + [0] * 20], [[[0, 0, 1, 0]] * 40])
    with pytest.raises(InputError, match="hears any word of the validation recordings"):
        search(model, silent, false_alarms=0, smoothing=0, thresholds=(0.5,), margin=0.0)


def test_what_so_few_hours_cannot_show_is_said(model):
    stream = noisy(model, 0.1)
    hours = 48 * 20 / 10 / 3600
    _, words, said = search(model, stream, false_alarms=2.9 / hours)
    assert words.false_accepts == Rate(0, hours, "hour")
    assert said[-1].startswith("warning: the validation recordings are too few to show 108.75 false accepts an hour: had they none")
    assert f"bound would be {words.false_accepts.bound:.3g}" in said[-1]
    _, _, said = search(model, stream, false_alarms=3.0 / hours)
    assert len(said) == 1


def test_a_decision_that_rejects_many_words_is_warned_of(model):
    _, words, said = search(model, noisy(model, 1.5), false_alarms=50)
    assert words.rejected / words.words > 0.1
    assert f"warning: this decision rejects {words.rejected / words.words:.1%} of the words" in said[1]


def test_several_classes_may_be_the_background():
    labels = np.array([[2] * 20 + [0] * 20 + [3] * 20 + [2] * 20])
    steps = LabelledSteps(labels, np.array([80]))
    found = measure_wake_words(labels, steps, CLOCK, BACKGROUND)
    assert (found.words, found.rejected, found.false_accepts.events) == (1, 0, 0)
    assert measure_wake_words(labels, steps, CLOCK, (2,)).words == 2


SMALL = ("model.hidden_size=4", "train.epochs=1", "quantize.epochs=1", "train.threads=1")
WAKE = ["decide.background=0", "decide.false_alarms=1000", "train.validation_fraction=0.2", "quantize.epochs=1"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["decide.background=no"], "decide.background says what decide.false_alarms counts, which is unset: set both"),
        (["decide.background=no", "decide.false_alarms=1"], "there are none: set train.validation_fraction, 0.2 for instance"),
        (["decide.background=[]"], "decide.background"),
        (["decide.background=[0.5]"], "decide.background"),
        (
            [*WAKE, "decide.smoothing=1", "decide.margin=1", "decide.hold=1", "decide.thresholds=1"],
            "chooses smoothing, margin, hold and thresholds, and all are set",
        ),
    ],
)
def test_a_background_that_means_nothing_is_refused(overrides, said):
    with pytest.raises(InputError, match=said):
        load_recipe(None, overrides)


def test_one_class_or_several_are_written_as_a_list():
    asked = load_recipe(None, ['decide.background="0"', *WAKE[1:]])
    assert asked.decide.background == ("0",)
    assert asked.decide.searched == ("smoothing", "margin", "hold", "thresholds")
    assert parse_recipe(to_toml(asked), "a recipe") == asked
    assert load_recipe(None, ['decide.background=["a", "b"]', *WAKE[1:]]).decide.background == ("a", "b")


def test_a_class_that_is_not_there_is_refused_before_the_training(recordings, tmp_path):
    for background, said in (
        ("3", "the data have no class '3'; the nearest one is '.'"),
        ('["0", "1", "2"]', "no recording of a word"),
    ):
        with pytest.raises(InputError, match=said):
            stages.run(load_recipe(None, [f"data.source={recordings}", *WAKE[1:], f"decide.background={background}"]), tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_thresholds_that_may_be_chosen_count_in_a_budget():
    asked = [["decide.background=0"], ["decide.background=0", "decide.thresholds=0.5"], []]
    chosen, given, without = (predict_size(load_recipe(None, [*WAKE[1:], *more]), 3, 5).const for more in asked)
    assert chosen == given == without + 5 * 2


_OF_GRAPH, _OF_RECIPE = r"is not of the model in graph\.json: decision differs", r"is not of the model in recipe\.toml: decision differs"
FORGED_DECISIONS = [
    ((), "hold", lambda hold: hold + 1, _OF_GRAPH),
    ((), "smoothing", lambda smoothing: smoothing + 1, _OF_GRAPH),
    ((), "margin", lambda margin: margin + 0.5, _OF_GRAPH),
    ((), "thresholds", lambda _: [0.5], "decision.thresholds are"),
    ((), "thresholds", lambda _: [100.0] * 3, _OF_GRAPH),
    ((), "false_alarms", lambda rate: rate / 2, _OF_RECIPE),
    (("wake_words",), "background", lambda _: ["1"], _OF_RECIPE),
    (("wake_words",), "background", lambda _: ["none"], "background names another class"),
    (("wake_words", "false_accepts"), "rate", lambda rate: rate / 2, "the rate, or its bound, is not that"),
    (("wake_words", "false_accepts"), "events", lambda events: events + 1, "the rate, or its bound, is not that"),
]
"""Of the manifest's decision: where, what becomes of a value, and how that is refused."""


def test_no_epoch_is_lost_to_a_refusal_and_evaluate_counts_alike(tmp_path, monkeypatch, capsys):
    """Other numbers go on from the fine-tuned net; asked the validation recordings, evaluate finds what was printed."""
    path, resumed = tmp_path / "model", []
    source = write_recordings(tmp_path / "data.npz", lengths_train=np.full(60, 9), lengths_test=np.full(24, 9))
    stages.train_model(load_recipe(None, [f"data.source={source}", *SMALL, "train.validation_fraction=0.3"]), path)
    monkeypatch.setattr(wake_decision._Tried, "hears", False)
    asked = ["decide.background=0", "decide.rate=50.0", "decide.hold=2"]
    with pytest.raises(InputError, match="no decision that was tried hears any word"):
        stages.quantize(path, overrides=[*asked, "decide.false_alarms=100"])
    assert not ModelDirectory.open(path).has("graph.json")
    monkeypatch.undo()
    monkeypatch.setattr(fine_tuning, "fit", lambda *parts, resume, **more: resumed.append(resume) or fit(*parts, resume=resume, **more))
    listener = Told()
    stages.quantize(path, overrides=[*asked, "decide.false_alarms=20000", "decide.smoothing=1"], listener=listener)
    assert resumed == [True]
    assert decision_of(read_model(ModelDirectory.open(path)).graphs["decide"]).hold == 2
    (said,) = [each for each in listener.said if each.startswith("smoothing ")]
    validation = validation_split(load_dataset(str(source)).train, 0.3, 0)[1]
    np.savez(tmp_path / "validation.npz", x_test=validation.x, y_test=validation.y, lengths_test=validation.lengths)
    assert main(["evaluate", str(path), "--data", str(tmp_path / "validation.npz"), "--stream", "--background", "0"]) == 0
    assert f"wake words: {said.partition('words ')[2]}\n" in capsys.readouterr().out
    kept = json.loads((path / MANIFEST).read_text())["decision"]
    heard = stages.evaluate(path, source=str(tmp_path / "validation.npz"), stream=True).streamed.wake_words.as_json()
    assert kept["wake_words"] == {"background": ["0"], **{key: value for key, value in heard.items() if value is not None}}
    assert (kept["of"], kept["recordings"], kept["smoothing"], kept["hold"]) == ("in a row", len(validation), 1, 2)
    for where, key, value, refused in FORGED_DECISIONS:
        document = json.loads((path / MANIFEST).read_text())
        place = document["decision"]
        for name in where:
            place = place[name]
        place[key] = value(place[key])
        forged = shutil.copytree(path, tmp_path / "forged", dirs_exist_ok=True)
        ModelDirectory.open(forged).write({MANIFEST: json.dumps(document).encode()})
        with pytest.raises(InputError, match=refused):
            stages.evaluate(forged)
    stages.quantize(path, overrides=["decide=false"])
    assert "decision" not in json.loads((path / MANIFEST).read_text())
