"""search, from the command line: candidates trained for an epoch, a front whose recipes are models by hand, the same command again."""

import json

import numpy as np
import pytest

pytest.importorskip("optuna")

from rescomp import stages
from rescomp.cli import main
from rescomp.data.rows import ORDERS
from rescomp.errors import InputError
from rescomp.graph.serialize import digest
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages import stream_settings
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.decision import NoDecisionError
from rescomp.stages.features import load_readings
from rescomp.stages.right_answers import confusion_in_a_row
from rescomp.stages.subjects import recordings_of
from rescomp.stages.withheld import withheld
from rescomp.tests.data.wav_files import write_wav

SPACE = 'search.space={"model.hidden_size" = [4, 8], "weights" = ["int8", "int4"]}'
ASKED = (
    *("model.kind=fastgrnn", "model.rank_w=2", "model.rank_u=2", "model.readings=1", "model.nonlinearity=table"),
    *("train.epochs=1", "quantize.epochs=1", "search.const=2KB", "search.trials=2", "search.finalists=1", "search.repeats=1", SPACE),
)


def test_a_front_is_found_again_and_made_by_hand_to_the_byte(recordings, tmp_path, capsys):
    command = [
        "search",
        "--data",
        str(recordings),
        "-o",
        str(tmp_path / "s"),
        "--json",
        *(part for key in ASKED for part in ("--set", key)),
    ]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "s" / "front.json").read_text())
    assert (tmp_path / "s" / "front.svg").read_text().startswith("<svg")
    best = found["front"][0]
    assert best["costs"]["const"] <= 2048
    assert len(best["repeated"]) == 1
    stages.train_model(load_recipe(tmp_path / "s" / best["recipe"]), tmp_path / "m")
    stages.quantize(tmp_path / "m")
    assert digest(read_model(ModelDirectory.open(tmp_path / "m"))) == best["graph_sha256"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert main([*command[:-2], "--set", "search.const=3KB"]) == 2
    assert "holds a search of another recipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "metric"), [("gru", "streamed_accuracy"), ("gru", "streamed_macro_f1"), ("resnet1d", "streamed_accuracy")]
)
def test_candidates_may_be_judged_in_a_stream(kind, metric, recordings, tmp_path):
    """At the ends of validation recordings in a row: by the integer model, and at rungs by the float net. A net without state is judged
    by windows.
    """
    space = 'search.space={"model.widths" = [4], "weights" = ["int8"]}' if kind == "resnet1d" else 'search.space={"weights" = ["int8"]}'
    asked = ["train.epochs=1", "quantize.epochs=1", "search.trials=1", "search.finalists=0", f"model.kind={kind}", space]
    recipe = load_recipe(None, [f"data.source={recordings}", *asked, f"search.metric={metric}"])
    result = stages.search_recipes(recipe, tmp_path / "s")
    assert result.outcomes["trained"] == 1
    figures = {}
    for path in (tmp_path / "s" / "candidates").iterdir():
        directory = ModelDirectory.open(path)
        model, manifest = read_model(directory), directory.manifest()
        vectors = read_vectors(directory, model)
        wanted = confusion_in_a_row(model, recordings_of(vectors)) if model.is_recurrent else vectors.confusion
        figures[digest(model)] = getattr(wanted, metric.removeprefix("streamed_"))
        if model.is_recurrent:
            assert stages.evaluate(path, stream=True).streamed.metrics.ends == pytest.approx(wanted.accuracy, abs=1e-12)
            assert wanted.counts.sum() == ORDERS * manifest.data.test_sequences
    assert all(figures[each.graph_sha256] == each.metric for each in result.front)


def test_the_test_set_is_withheld_from_candidates(recordings):
    recipe = load_recipe(None, [f"data.source={recordings}", "train.validation_fraction=0.2"])
    _, dataset = load_readings(recipe)
    judged = withheld(recipe, dataset)
    known = {row.tobytes() for row in dataset.train.x}
    assert len(judged.test) == 12
    assert all(row.tobytes() in known for row in judged.test.x)
    assert np.array_equal(judged.train.x, dataset.train.x)


def test_a_search_without_validation_or_in_a_model_is_refused(recordings, model_dir, tmp_path):
    with pytest.raises(InputError, match="a search judges candidates on validation recordings"):
        stages.search_recipes(load_recipe(None, [f"data.source={recordings}", "train.validation_fraction=0"]), tmp_path / "s")
    with pytest.raises(InputError, match="is not empty and holds no search"):
        stages.search_recipes(load_recipe(None, [f"data.source={recordings}"]), model_dir)
    with pytest.raises(InputError, match=r"search\.instructions are those of a step on search\.core"):
        load_recipe(None, ["search.instructions=5"])


def test_a_section_for_searches_is_refused_where_nothing_reads_it(recordings, tmp_path):
    with pytest.raises(InputError, match=r"\[search\] is read by `rescomp search` alone"):
        stages.train_model(load_recipe(None, [f"data.source={recordings}", "search.const=2KB"]), tmp_path / "m")


def test_a_candidate_without_a_decision_ends_no_search(recordings, tmp_path, monkeypatch):
    """Of two the first hears no word at the rate that is asked for."""
    asked = ["train.epochs=1", "quantize.epochs=1", "search.trials=2", "search.finalists=0", "model.kind=gru", "model.hidden_size=4"]
    decide = ["decide.background=0", "decide.rate=50.0", "decide.false_alarms=200000", "train.validation_fraction=0.4"]
    space = 'search.space={"weights" = ["int8", "int4"]}'
    recipe = load_recipe(None, [f"data.source={recordings}", *asked, *decide, space])
    search, calls = stream_settings.search_wake_decision, []

    def refuse_the_first(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise NoDecisionError("no decision that was tried hears any word")
        return search(*arguments)

    monkeypatch.setattr(stream_settings, "search_wake_decision", refuse_the_first)
    result = stages.search_recipes(recipe, tmp_path / "s")
    assert (result.outcomes["trained"], result.outcomes["came to nothing"]) == (1, 1)
    assert len(result.front) == 1


def test_candidates_that_read_more_at_once_than_a_recording_has_are_priced_as_no_net(recordings, tmp_path):
    """A recording has one reading."""
    asked = ["train.epochs=1", "quantize.epochs=1", "search.trials=2", "search.finalists=0", "model.kind=gru", "model.hidden_size=4"]
    space = 'search.space={"weights" = ["int8", "int4"], "model.readings" = [1, 2, 4, 8]}'
    result = stages.search_recipes(load_recipe(None, [f"data.source={recordings}", *asked, space]), tmp_path / "s")
    assert result.outcomes["trained"] == 2
    assert result.outcomes["no net"] >= 1
    assert all('"model.readings": 1' in json.dumps(dict(each.chosen)) for each in result.front)


@pytest.mark.parametrize(("kind", "widths"), [("resnet1d", "[4, 8]"), ("dscnn2d", "[2, 4]")])
def test_a_residual_net_over_frames_is_searched_for_and_made_by_hand_to_the_byte(kind, widths, tmp_path):
    """Behind a front-end: over time, and with frames as an image."""
    rng = np.random.default_rng(0)
    for place in range(16):
        wave = 6000 * np.sin(2 * np.pi * (300, 1400)[place % 2] * np.arange(1200) / 8000) + rng.normal(size=1200) * 300
        write_wav(tmp_path / "words" / ("low", "high")[place % 2] / f"{place:08x}_nohash_0.wav", np.round(wave), 8000)
    front = ("frontend.length=200", "frontend.hop=160", "frontend.bands=6", "train.epochs=1", "quantize.epochs=1")
    net = (f"model.kind={kind}", "model.blocks=1", "model.kernel_size=3", "compress.0.scale=power_of_two")
    asked = (*front, *net, "search.trials=2", "search.finalists=0", "search.rungs=[1.0]")
    recipe = load_recipe(None, [f"data.source={tmp_path / 'words'}", *asked, f'search.space={{"model.widths" = {widths}}}'])
    result = stages.search_recipes(recipe, tmp_path / "s")
    assert result.outcomes["trained"] == 2
    (best, *_) = result.front
    by_hand = load_recipe(tmp_path / "s" / "front" / f"trial-{best.trial}.toml")
    stages.train_model(by_hand, tmp_path / "m")
    stages.quantize(tmp_path / "m")
    assert digest(read_model(ModelDirectory.open(tmp_path / "m"))) == best.graph_sha256


def test_a_search_over_long_recordings_tries_residual_nets_and_a_refused_space_leaves_nothing(tmp_path):
    """The default of readings a step, which long recordings have, is not the user's."""
    rng, y = np.random.default_rng(0), np.arange(45) % 3
    x = rng.normal(size=(45, 128, 3)).astype(np.float32)
    np.savez(tmp_path / "long.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9], group_train=np.arange(45) % 5)
    asked = [f"data.source={tmp_path / 'long.npz'}", "search.trials=2", "search.finalists=0", "train.epochs=1", "quantize.epochs=1"]
    space = 'search.space={"model.kind" = ["resnet1d", "gru"], "train.input_noise" = [0.2], "weights" = ["int8"], "model.hidden_size" = [4]'
    with pytest.raises(InputError, match=r"unknown key 'train\.input_nose'"):
        stages.search_recipes(load_recipe(None, [*asked, 'search.space={"train.input_nose" = [0.2]}']), tmp_path / "s")
    recipe = load_recipe(None, [*asked, "search.sampler=random", f'{space}, "model.widths" = [4]}}'])
    result = stages.search_recipes(recipe, tmp_path / "s")
    assert result.outcomes["trained"] == 2
    assert "no net" not in result.outcomes
