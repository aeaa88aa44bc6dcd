"""What a streamed figure is of: continuous recordings whole, single ones without what fills windows up, each second once."""

import json
import math
import os
import shutil

import numpy as np
import pytest

from rescomp import stages
from rescomp.errors import InputError
from rescomp.graph.decide import Decision
from rescomp.graph.evaluate import evaluate
from rescomp.graph.serialize import from_npz, to_npz
from rescomp.model_directory import MANIFEST, REPORT, VECTORS, ModelDirectory, to_json
from rescomp.recipe import load_recipe
from rescomp.stages import decision, stream_settings
from rescomp.stages.perturbations import held, perturbed, resampled
from rescomp.tests.stages.untrained import BARE, CSV, decided, made, parts, write_log

STREAMING = ("model.kind=dscnn1d", "model.widths=[4]", "model.blocks=1", "model.streaming=true")


@pytest.fixture(scope="module")
def of_windows(recordings, tmp_path_factory):
    """An untrained net that streams without recurrent cells."""
    return made(tmp_path_factory.mktemp("windows") / "model", recordings, *STREAMING, small=BARE)


@pytest.fixture
def from_log(tmp_path):
    return made(tmp_path / "model", write_log(tmp_path / "log.csv", "abcd"), *CSV)


def test_what_fills_a_window_up_is_no_reading(of_windows, recordings):
    model, vectors, reader = parts(of_windows)
    lengths = np.load(recordings)["lengths_test"]
    assert np.array_equal(vectors.recorded, lengths)
    readings = reader.readings(vectors)
    assert np.array_equal(readings.lengths, vectors.recorded)
    x = reader.steps(held_by_hand(resampled(readings, 0.95), vectors.recorded)).x
    scores = evaluate(model, x.astype(np.int64), np.full(len(x), x.shape[1])).scores
    assert stages.evaluate(of_windows, perturb=True).perturbed["rate_minus"].accuracy == (scores.argmax(axis=1) == vectors.labels).mean()


def test_what_fills_a_window_up_stays_zero_whatever_the_sensor_does(of_windows, recordings):
    _, vectors, reader = parts(of_windows)
    readings, scales = reader.readings(vectors), reader.scales(vectors)
    made = perturbed(readings, scales, is_image=False)
    for version in made["offset"] + made["noise"]:
        kept = held(version(), reader.least_readings(readings.lengths))
        assert not kept.x[~kept.valid].any()
    own, new = (stages.evaluate(of_windows, source=source, perturb=True).perturbed["offset"] for source in (None, str(recordings)))
    assert own.accuracy == new.accuracy


def test_settled_is_what_is_as_old_as_the_median_of_what_was_recorded(of_windows, recordings):
    assert stages.evaluate(of_windows, stream=True).streamed.clock.settle == math.ceil(np.median(np.load(recordings)["lengths_test"]))


def test_streams_that_nobody_asks_for_refuse_nothing(of_windows, recordings, tmp_path):
    own = {key: np.load(recordings)[key] for key in ("x_test", "y_test", "lengths_test")}
    np.savez(tmp_path / "new.npz", **own, x_stream=own["x_test"][:1, :1], y_stream=np.zeros((1, 1), int))
    assert stages.evaluate(of_windows, source=str(tmp_path / "new.npz")).recordings == 24
    with pytest.raises(InputError, match="no stream has 2 readings"):
        stages.evaluate(of_windows, source=str(tmp_path / "new.npz"), stream=True)


def held_by_hand(split, lengths):
    """The last reading goes on to the length before."""
    x = np.zeros((len(split), 10, split.channels), np.int16)
    for row, (recording, length, until) in enumerate(zip(split.x, split.lengths, lengths, strict=True)):
        x[row, :until] = np.concatenate([recording[:length], np.repeat(recording[length - 1 : length], 10, axis=0)])[:until]
    return type(split)(x, split.y, lengths)


def test_golden_vectors_that_do_not_tell_are_said_not_to(of_windows, tmp_path):
    path = shutil.copytree(of_windows, tmp_path / "model")
    _, vectors, _ = parts(path)
    arrays = from_npz((path / VECTORS).read_bytes(), VECTORS)
    del arrays["recorded"]
    manifest = json.loads((path / MANIFEST).read_text())
    del manifest["vectors_sha256"]
    directory = ModelDirectory.open(path)
    directory.write({VECTORS: to_npz(arrays), MANIFEST: to_json(manifest)})
    (said, *_) = stages.evaluate(path, stream=True).sentences
    assert said.startswith("an earlier rescomp made the golden vectors, which do not tell the zeros that fill a window up from readings")
    for wrong in (vectors.recorded + (1 << 31), vectors.recorded * 0, vectors.recorded[1:], vectors.recorded.astype(np.int16)):
        directory.write({VECTORS: to_npz({**arrays, "recorded": wrong})})
        with pytest.raises(InputError, match=r"test\.npz (tells of more or fewer readings|holds recorded as)"):
            stages.evaluate(path)


def test_a_decision_is_chosen_on_what_was_recorded(recordings, tmp_path, monkeypatch):
    rows, of = [], decision.Stream.of
    monkeypatch.setattr(decision.Stream, "of", lambda model, recordings: rows.append(recordings) or of(model, recordings))
    made(tmp_path / "model", recordings, *STREAMING, "decide.false_alarms=1", "train.validation_fraction=0.2", small=BARE)
    assert len(set(rows[0].lengths)) > 1
    assert rows[0].lengths.max() <= 5


def test_a_recording_of_one_class_is_walked_whole(from_log, tmp_path):
    model, _, reader = parts(from_log)
    x = np.random.default_rng(3).integers(-200, 200, (3, 300, 3))
    lengths = np.array([300, 200, 100])

    def streamed(labels):
        y = np.repeat(np.array(labels)[:, None], 300, axis=1)
        np.savez(tmp_path / "new.npz", x_stream=x, y_stream=y, lengths_stream=lengths)
        return stages.evaluate(from_log, source=str(tmp_path / "new.npz"), stream=True, background=["lie"]).streamed

    found = streamed([0, 0, 0])
    assert (found.of, found.orders, found.metrics.streams, found.metrics.steps) == ("continuous", 0, 3, 300)
    own = [decided(model, reader.integers(row[:length])[0].reshape(-1, 6)) for row, length in zip(x, lengths, strict=True)]
    assert found.metrics.streamed == (np.concatenate(own) == 0).mean()
    assert (found.wake_words.words, found.wake_words.false_accepts.exposure) == (0, 600 / 1000)
    found = streamed([0, 1, 2])
    assert (found.of, found.orders, found.metrics.steps, found.metrics.changes) == ("continuous, in a row", 5, 5 * 300, 5 * 2)
    assert found.wake_words.false_accepts.exposure == pytest.approx(600 / 1000)


def test_time_counts_once_whatever_orders_and_windows(tmp_path, monkeypatch):
    """Windows of 8 readings that overlap by half, of a log without streams: it is split in time."""
    clocks = []
    monkeypatch.setattr(
        stream_settings,
        "search_decision",
        lambda *parts: clocks.append(parts[3]) or (Decision(), parts[2].measure(parts[1], Decision(), parts[3])),
    )
    path = made(
        tmp_path / "model",
        write_log(tmp_path / "log.csv", "abcd"),
        *CSV,
        "data.split=time",
        "decide.false_alarms=1",
        "train.validation_fraction=0.4",
    )
    assert clocks[0].copies == 2
    found = stages.evaluate(path, stream=True, rate=50.0, background=["lie"]).streamed
    _, vectors, _ = parts(path)
    assert (found.of, found.clock.copies) == ("in a row", 10)
    assert found.wake_words.false_accepts.exposure == pytest.approx(vectors.lengths.sum() * 2 / 2 / 50 / 3600)
    assert set(found.spread) == {"streamed", "tail", "ends"}


def test_continuous_recordings_that_cannot_be_read_are_missed_aloud(from_log, tmp_path, monkeypatch):
    log = tmp_path / "log.csv"
    assert stages.evaluate(from_log, stream=True).streamed.of == "continuous"
    kept = json.loads((from_log / REPORT).read_text())["evaluation"]["streamed"]
    whole = log.read_text()
    for text, said in (
        (None, f"there is no {log}"),
        (whole.replace(",sit,", ",lie,"), f"{log} has changed since the training"),
        (whole + "2,2,x,2,lie,a\n", "'x'"),
    ):
        log.unlink()
        if text is not None:
            log.write_text(text)
        found = stages.evaluate(from_log, stream=True)
        (sentence,) = (each for each in found.sentences if "cannot be read" in each)
        assert said in sentence
        assert found.streamed.of == "in a row"
        assert json.loads((from_log / REPORT).read_text())["evaluation"]["streamed"] == kept
        log.write_text(whole)
    os.chdir(tmp_path)
    relative = made(tmp_path / "relative", "log.csv", *CSV)
    monkeypatch.chdir("/")
    assert any("there is no log.csv in /" in sentence for sentence in stages.evaluate(relative, stream=True).sentences)


def test_an_archive_whose_streams_changed_is_another(tmp_path, recordings):
    own = dict(np.load(recordings))
    stream = {"x_stream": own["x_test"].reshape(2, 108, 4), "y_stream": np.repeat(own["y_test"], 9).reshape(2, 108)}
    np.savez(tmp_path / "both.npz", **own, **stream)
    path = made(tmp_path / "model", tmp_path / "both.npz")
    assert stages.evaluate(path, stream=True).streamed.of == "continuous"
    np.savez(tmp_path / "both.npz", **own, **{**stream, "x_stream": stream["x_stream"] * 2})
    assert any("has changed since the training" in sentence for sentence in stages.evaluate(path, stream=True).sentences)


def test_check_wants_figures_of_what_the_data_hold(from_log, tmp_path):
    stages.export_model(from_log)
    stages.verify(from_log, "c", stress="off")
    limits = tmp_path / "limits.toml"
    limits.write_text("[evaluation]\nstreamed = 0.0\n")
    stages.evaluate(from_log, stream=True)
    assert stages.check(from_log, limits=limits).passed
    report = json.loads((from_log / REPORT).read_text())
    report["evaluation"]["streamed"]["of"] = "in a row"
    ModelDirectory.open(from_log).write({REPORT: to_json(report)})
    with pytest.raises(InputError, match="of single recordings in a row, and the model's data hold continuous ones"):
        stages.check(from_log, limits=limits)


def test_check_says_what_no_evaluation_tells(of_windows, recordings, tmp_path):
    settled = made(tmp_path / "equal", equal_lengths(recordings, tmp_path / "equal.npz"))
    whole = made(tmp_path / "whole", recordings, *STREAMING[:-1], small=BARE)
    limits = tmp_path / "limits.toml"
    for path, name, said in (
        (settled, "settled", "no step of the streams that it was evaluated on is settled"),
        (whole, "streamed", "keeps no state from one input to the next, so that there is none: leave evaluation.streamed out"),
        (whole, "corner", "keeps no state from one input to the next"),
    ):
        found = stages.evaluate(path, stream=path is settled)
        if path is settled:
            assert any(
                sentence.startswith("no step is settled: none begins 7 readings after the first of its class")
                for sentence in found.sentences
            )
        stages.export_model(path)
        stages.verify(path, "c", stress="off")
        limits.write_text(f"[evaluation]\n{name} = 0.1\n")
        with pytest.raises(InputError, match=said):
            stages.check(path, limits=limits)


def equal_lengths(recordings, path):
    """The archive with every recording as long as the others."""
    own = dict(np.load(recordings))
    np.savez(path, **{key: own[key][:, :7] if key.startswith("x_") else own[key] for key in own if not key.startswith("lengths")})
    return path


def test_readings_of_streams_that_do_not_fit_are_counted(model_dir, recordings, tmp_path):
    own = dict(np.load(recordings))
    x = own["x_test"].reshape(2, 108, 4).copy()
    x[0, :3] = 1e6
    arrays = {"x_stream": x, "y_stream": np.repeat(own["y_test"], 9).reshape(2, 108)}
    for beside in ({}, {key: own[key] for key in ("x_test", "y_test", "lengths_test")}):
        np.savez(tmp_path / "new.npz", **arrays, **beside)
        found = stages.evaluate(model_dir, source=str(tmp_path / "new.npz"), stream=True)
        total = x.size + (int(own["lengths_test"].sum()) * 4 if beside else 0)
        assert any(sentence.startswith(f"12 of {total:,} readings lie outside") for sentence in found.sentences)


def test_a_recipe_without_streams_says_nothing_of_them(model_dir):
    manifest = ModelDirectory.open(model_dir).manifest()
    assert manifest.data.test_streams_sha256 is None
    assert "cannot be read" not in " ".join(stages.evaluate(model_dir, stream=True).sentences)
    assert load_recipe(None, ["data.source=x.npz"]).data.split == "group"
