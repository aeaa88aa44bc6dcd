"""The decision of a recipe: in integers, searched on validation recordings, and put behind a model that is there."""

import re
from dataclasses import replace

import numpy as np
import pytest

from rescomp import stages
from rescomp.data.rows import in_a_row, row_orders
from rescomp.data.split import Split
from rescomp.errors import InputError
from rescomp.graph.decide import Decision, decision_of, with_decision
from rescomp.graph.evaluate import take_decisions
from rescomp.graph.ir import StreamPolicy
from rescomp.graph.policy import StreamWalk
from rescomp.model_directory import ModelDirectory
from rescomp.rates import Clock
from rescomp.recipe import DecideSection, load_recipe, parse_recipe, to_toml
from rescomp.stages import decision, fine_tuning, stream_settings
from rescomp.stages.artefacts import read_model
from rescomp.stages.decision import Stream, check_thresholds, decide_by, search_decision
from rescomp.stages.labelled_steps import LabelledSteps
from rescomp.tests.stages.listeners import Told
from rescomp.validate.torch_net import load_quantized

HELD = 40
"""Steps of a recording."""


@pytest.fixture
def model(random_fastgrnn):
    return random_fastgrnn(np.random.default_rng(0))


def noisy(model, spread, bias=0.0):
    """Two streams of twelve recordings: the right class is a point better, beside noise."""
    rng, unit, classes = np.random.default_rng(1), 2**model.output.type.format.fraction_bits, model.output.type.size
    labels = np.repeat(np.arange(24).reshape(2, 12) % classes, HELD, axis=1)
    scores = (labels[..., None] == np.arange(classes)) * unit + rng.normal(bias, spread * unit, (*labels.shape, classes))
    return Stream(np.clip(scores, -32768, 32767).astype(np.int64), LabelledSteps(labels, np.full(2, 12 * HELD)))


def search(model, monkeypatch, stream, **keys):
    listener = Told()
    monkeypatch.setattr(decision, "SMOOTHINGS", (0, 2))
    monkeypatch.setattr(decision, "MARGINS", (0.0, 1.0))
    found, worth = search_decision(DecideSection(**keys), model, stream, Clock(settle=20, rate=keys.get("rate")), listener)
    assert worth == stream.measure(model, found, Clock(settle=20, rate=keys.get("rate")))
    return found, stream.measure(model, found, Clock(settle=20)), listener.said


def test_numbers_are_in_the_units_of_the_scores(model):
    unit = 1 << model.output.type.format.fraction_bits
    assert decide_by(DecideSection(), model.output.type) == Decision(2, 0, 1, 0, ())
    format = model.output.type.format
    section = DecideSection(smoothing=0, margin=(format.high - format.low) / unit, hold=4, refractory=7, thresholds=-0.5)
    assert decide_by(section, model.output.type) == Decision(0, format.high - format.low, 4, 7, (-unit // 2,) * 4)
    most = DecideSection(thresholds=(0, 1, format.high / unit, format.low / unit))
    assert decide_by(most, model.output.type).thresholds == (0, unit, format.high, format.low)


@pytest.mark.parametrize("key", ["margin", "thresholds"])
def test_numbers_beyond_the_scores_format_are_refused_with_the_largest_that_there_is(key, model):
    format = model.output.type.format
    most = format.high - (format.low if key == "margin" else 0)
    unit = 1 << format.fraction_bits
    for value in (1e308, 1e300, 1e6, (most + 1) / unit):
        with pytest.raises(
            InputError, match=rf"decide\.{key} of .* is beyond .*: give a number from .* to {re.escape(f'{most / unit:.8g}')}$"
        ):
            decide_by(DecideSection(**{key: value}), model.output.type)
    with pytest.raises(InputError, match=r"decide\.thresholds of -1e\+308"):
        decide_by(DecideSection(thresholds=(0, 0, 0, -1e308)), model.output.type)


def test_a_search_leaves_out_margins_that_the_scores_cannot_hold(model, monkeypatch):
    monkeypatch.setattr(decision, "widest_margin", lambda _: 1 << model.output.type.format.fraction_bits)
    tried = {each.margin for each in decision._candidates(DecideSection(false_alarms=1), model.output.type.format)}
    assert tried == {0.0, 0.5, 1.0}


def test_thresholds_are_one_or_one_a_class():
    check_thresholds(DecideSection(thresholds=1.0), 9)
    check_thresholds(DecideSection(thresholds=(0, 1, 2)), 3)
    with pytest.raises(InputError, match=r"decide\.thresholds has 2 numbers for 3 classes: give one for all"):
        check_thresholds(DecideSection(thresholds=(0, 1)), 3)


def test_the_least_delay_is_taken_whose_changes_are_few_enough(model, monkeypatch):
    stream = noisy(model, 0.8)
    _, loose, said = search(model, monkeypatch, stream, false_alarms=1000)
    slow, strict, told = search(model, monkeypatch, stream, false_alarms=5)
    assert strict.flips.value <= 5 < loose.flips.value
    assert strict.delay_median > loose.delay_median
    assert told[-1].startswith(f"smoothing {slow.smoothing}, margin ")
    assert f"median delay {strict.delay_median} readings" in told[-1]
    assert "per 1000 readings" in told[-1]
    assert len(said) == len(told) == 1


def test_what_is_set_is_kept_and_a_rate_counts_in_hours(model, monkeypatch):
    stream = noisy(model, 0.8)
    found, metrics, said = search(model, monkeypatch, stream, false_alarms=3600, smoothing=2, hold=3, rate=10.0)
    assert (found.smoothing, found.hold) == (2, 3)
    assert metrics.flips.value / 1000 * 10 * 3600 <= 3600
    assert "a minute (" in said[-1]


def test_where_none_is_quiet_enough_the_quietest_is_taken_and_it_is_said(model, monkeypatch):
    _, metrics, said = search(model, monkeypatch, noisy(model, 9.0), false_alarms=0, margin=0.0, hold=1)
    assert metrics.flips.events > 0
    assert said[0].startswith("warning: no decision that was tried has at most 0 changes per 1000 readings")
    assert metrics.miss > 0.1
    assert f"warning: this decision misses {metrics.miss:.1%} of the changes" in said[2]


@pytest.mark.parametrize("policy", [StreamPolicy(half_window=3), StreamPolicy(gap=2, rail=1)], ids=str)
def test_it_is_searched_in_streams_under_the_model_s_policy(model, policy):
    rng, t, decision = np.random.default_rng(2), model.input.type, Decision(1, 20, 2)
    x = rng.integers(t.format.low + 1, t.format.high, (12, 9, *t.shape))
    x[::3, 2:8, 0] = t.format.high
    recordings, deciding = Split(x, np.arange(12) % 4, np.full(12, 9)), replace(with_decision(model, decision), policy=policy)
    stream = Stream.of(replace(model, policy=policy), recordings)
    rows = in_a_row(recordings, row_orders(recordings.y))
    found = take_decisions(deciding, stream.scores, stream.unread)
    for row, length in enumerate(rows.lengths):
        walk, walked = StreamWalk(deciding), []
        for reading in rows.x[row, :length]:
            walk.step(reading)
            walked.append(walk.decide(walk.scores()))
        assert found[row, :length].tolist() == walked


def test_the_policy_is_there_before_the_decision_is_chosen(model_dir, monkeypatch):
    seen, decided = [], stream_settings._decided
    monkeypatch.setattr(stream_settings, "_decided", lambda *parts: seen.append(parts[2].policy) or decided(*parts))
    for window in (9, 12):
        stages.quantize(model_dir, overrides=[f"stream.window={window}"])
        assert seen[-1] == read_model(ModelDirectory.open(model_dir)).policy == StreamPolicy(half_window=window // 2)


def test_a_decision_is_put_behind_a_model_without_training_it_anew(model_dir):
    before = ModelDirectory.open(model_dir)
    net, vectors = before.read("quantized.safetensors"), before.read("vectors/test.npz")
    listener = Told()
    stages.quantize(model_dir, overrides=["decide.margin=0.25", "decide.hold=2"], listener=listener)
    model = read_model(ModelDirectory.open(model_dir))
    unit = 1 << model.output.type.format.fraction_bits
    assert decision_of(model.graphs["decide"]) == Decision(2, unit // 4, 2, 0, ())
    assert (before.read("quantized.safetensors"), before.read("vectors/test.npz")) == (net, vectors)
    assert not before.has("model.onnx")
    stages.quantize(model_dir, overrides=["decide.false_alarms=5", "decide.margin=1"], listener=listener)
    assert listener.said[-1] == (
        "warning: decide.false_alarms has no validation recordings to choose on: the decision keeps smoothing 2, margin 1, hold 2; "
        "set train.validation_fraction, 0.2 for instance, and train anew"
    )
    with pytest.raises(InputError, match=r"decide\.rate is read beside decide\.false_alarms"):
        stages.quantize(model_dir, overrides=["decide=false", "decide.rate=50.0"])
    stages.quantize(model_dir, overrides=["stream.gap=3", "stream.window=9"], listener=listener)
    assert read_model(ModelDirectory.open(model_dir)).policy == StreamPolicy(gap=3, half_window=4)
    stages.quantize(model_dir, overrides=["decide=false", "stream=false"], listener=listener)
    model = read_model(ModelDirectory.open(model_dir))
    assert (model.decides, model.policy) == (False, None)
    assert not any("fine-tune" in text for text in listener.said)


@pytest.mark.parametrize(
    ("decide", "said"),
    [
        ("thresholds=[0, 1]", r"decide\.thresholds has 2 numbers for 3 classes"),
        ("margin=65536", r"decide\.margin of 65536 is beyond .*: give a number from 0 to 65535$"),
        ("thresholds=-32769", r"decide\.thresholds of -32769 is beyond .*: give a number from -32768 to 32767$"),
    ],
)
def test_what_no_scores_of_any_net_reach_is_refused_before_the_training(decide, said, recordings, tmp_path):
    recipe = load_recipe(None, [f"data.source={recordings}", f"decide.{decide}"])
    for fit in (None, "const=4KB"):
        with pytest.raises(InputError, match=said):
            stages.run(recipe, tmp_path / "out", fit=fit)
        assert not (tmp_path / "out").exists()


def test_an_own_net_without_steps_is_refused_before_the_training(recordings, tmp_path, monkeypatch):
    net = (
        "from torch import nn\ndef net(shape, classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1], classes))\n"
    )
    (tmp_path / "decided_net.py").write_text(net)
    monkeypatch.syspath_prepend(tmp_path)
    recipe = load_recipe(None, [f"data.source={recordings}", "model.kind=decided_net:net", "train.epochs=0", "decide=true"])
    with pytest.raises(InputError, match=r"decided_net:net takes no steps, so that \[decide\] and \[stream\] have no meaning"):
        stages.train_model(recipe, tmp_path / "out")


@pytest.mark.parametrize("activations", [None, "int8", "int16"])
def test_the_scores_format_is_known_before_the_fine_tuning(activations, model_dir, recordings, tmp_path):
    if activations is not None:
        keys = ["model.kind=dscnn1d", "model.streaming=true", "model.widths=[4]", "train.epochs=0", "quantize.epochs=0"]
        weights = f'compress=[{{kind="quantize", bits=6, scale="power_of_two", activations="{activations}"}}]'
        stages.train_model(load_recipe(None, [f"data.source={recordings}", weights, *keys]), model_dir := tmp_path / "out")
        stages.quantize(model_dir)
    directory = ModelDirectory.open(model_dir)
    assert load_quantized(directory).scores_format() == read_model(directory).output.type.format


def test_what_the_calibrated_scores_do_not_reach_is_refused_before_the_fine_tuning(model_dir, monkeypatch):
    monkeypatch.setattr(fine_tuning, "fit", lambda *_, **__: pytest.fail("the net was fine-tuned"))
    for section in ("margin=30000", "thresholds=[0, 9000, 0]"):
        with pytest.raises(InputError, match=rf"decide\.{section[:6]}.* is beyond what the scores of this model reach"):
            stages.quantize(model_dir, overrides=["quantize.epochs=9", f"decide.{section}"])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["decide.marin=1"], "unknown key 'decide.marin'; the nearest one is 'margin'"),
        (["decide=4"], "decide is a section; decide=true asks for it"),
        (["stream.gap=4097"], "stream.gap = 4097"),
        (["model.kind=hourglass", "stream.gap=1"], r"hourglass takes no steps, so that \[stream\] has no meaning: choose a net that does"),
        (["decide.hold=0"], "decide.hold = 0"),
        (["decide.rate=50.0"], "decide.rate is read beside decide.false_alarms, which is unset"),
        (["decide.smoothing=1", "decide.margin=1", "decide.hold=1", "decide.false_alarms=2"], "all three are set"),
        (["model.kind=resnet1d", "decide=true"], "resnet1d takes no steps, .* set model.streaming = true, or leave"),
        (["model.kind=hourglass", "decide=true"], "hourglass takes no steps, .* choose a net that does, or leave"),
    ],
)
def test_a_section_that_asks_for_nothing_sensible_is_refused(overrides, said):
    with pytest.raises(InputError, match=said):
        load_recipe(None, overrides)


def test_the_section_is_there_or_not_in_toml_and_in_overrides():
    assert load_recipe().decide is None
    assert b"decide" not in to_toml(load_recipe())
    asked = load_recipe(None, ["decide=true", "model.kind=resnet1d", "model.streaming=true"])
    assert asked.decide == DecideSection()
    assert parse_recipe(to_toml(asked), "a recipe") == asked
    assert load_recipe(None, ["decide.margin=2", "decide=false"]).decide is None
    assert load_recipe(None, ["decide.margin=2", "decide=true"]).decide == DecideSection(margin=2.0)
    assert load_recipe(None, ["decide.thresholds=1"]).decide.thresholds == (1.0,)
