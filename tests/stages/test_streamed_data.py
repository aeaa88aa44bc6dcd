"""What a streamed figure is of: continuous recordings whole, single ones without what fills windows up, each second once."""

import json
import math
import os
import shutil

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.data.split import Split
from rescomp.errors import InputError
from rescomp.graph.evaluate import evaluate
from rescomp.graph.serialize import from_npz, to_npz
from rescomp.model_directory import MANIFEST, REPORT, VECTORS, ModelDirectory, to_json
from rescomp.recipe import load_recipe
from rescomp.stages import decision, evaluation
from rescomp.stages.perturbations import held, perturbed, resampled
from rescomp.tests.stages.untrained import CSV, decided, made, parts, write_log

STREAMING = ("model.kind=dscnn1d", "model.widths=[4]", "model.blocks=1", "model.hidden_size=32", "model.streaming=true")


@pytest.fixture(scope="module")
def of_windows(recordings, tmp_path_factory):
    """An untrained net that streams without recurrent cells."""
    return made(tmp_path_factory.mktemp("windows") / "model", recordings, *STREAMING)


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


def figures(found):
    """All that an evaluation found, without what names its data."""
    document = found.as_json()
    return {**document, "data": None, "streamed": {**document["streamed"], "sha256": None}}


@pytest.mark.parametrize(
    "asked",
    [
        (*STREAMING, "model.time_steps=6"),
        ("model.readings=3",),
        ("model.readings=3", "model.stride=2"),
        ("model.kind=gru", "model.readings=2", "model.stride=1"),
        ("model.readings=2", "model.stride=3"),
    ],
    ids=lambda asked: " ".join(asked[-2:]),
)
def test_a_file_has_the_same_figures_as_golden_vectors_and_as_new_data(asked, recordings, tmp_path):
    """Recordings of 4 to 9 readings: longer than the window that the net reads, and not of whole steps."""
    arrays = {key: np.maximum(array, 4) if key.startswith("lengths") else array for key, array in np.load(recordings).items()}
    np.savez(tmp_path / "data.npz", **arrays)
    path = made(tmp_path / "model", tmp_path / "data.npz", *asked)
    perturb = "model.stride=3" not in asked  # which leaves readings out of the golden vectors
    own, new = (stages.evaluate(path, source=source, stream=True, perturb=perturb) for source in (None, str(tmp_path / "data.npz")))
    assert figures(own) == figures(new)
    _, vectors, reader = parts(path)
    lengths = arrays["lengths_test"]
    if perturb:
        x = reader.integers(arrays["x_test"].astype(np.float32))[0]
        ours, theirs = reader.readings(vectors), reader.read(Split(x, vectors.labels, lengths))
        assert ours.lengths.tolist() == theirs.lengths.tolist()
        assert np.array_equal(ours.x, theirs.x)
    assert own.streamed.clock.settle == math.ceil(np.median(np.minimum(lengths, 6) if "model.time_steps=6" in asked else lengths))
    if "model.time_steps=6" in asked:
        longer, behind = (lengths > 6).sum(), (lengths - 6)[lengths > 6].sum()
        said = f"{longer} of 24 recordings are longer than the 6 readings of the net's window: {behind} readings behind it are left out"
        assert own.sentences[0] == said


def test_a_sensor_s_noise_is_that_of_the_model_whatever_the_new_data(of_windows, recordings, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(evaluation, "perturbed", lambda readings, scales, _: given.append((readings, scales)) or {})
    own = dict(np.load(recordings))
    np.savez(tmp_path / "fewer.npz", **{key: array[:5] if key.endswith("test") else array for key, array in own.items()})
    for source in (None, str(recordings), str(tmp_path / "fewer.npz")):
        stages.evaluate(of_windows, source=source, perturb=True)
    (readings, scales), *others = given
    assert scales.tolist() == readings.steps.astype(float).std(axis=0).tolist()
    assert all(each.tolist() == scales.tolist() for _, each in others)


def test_what_is_shorter_than_a_step_is_said_to_be_left_out(of_windows, recordings, tmp_path):
    lengths = np.load(recordings)["lengths_test"]
    said = f"{(lengths < 2).sum()} of 24 recordings are shorter than the 2 readings that the net takes as one step, and left out of what is"
    for source in (None, str(recordings)):
        assert any(sentence.startswith(said) for sentence in stages.evaluate(of_windows, source=source, stream=True).sentences)
        assert not stages.evaluate(of_windows, source=source).sentences
    own = np.load(recordings)
    np.savez(tmp_path / "new.npz", x_stream=own["x_test"][:3], y_stream=np.zeros((3, 9), int), lengths_stream=np.array([9, 1, 5]))
    (sentence,) = (
        each for each in stages.evaluate(of_windows, source=str(tmp_path / "new.npz"), stream=True).sentences if "left out" in each
    )
    assert sentence.startswith("1 of 3 streams is shorter than the 2 readings")


def test_predict_says_what_it_leaves_out(recordings, tmp_path, capsys):
    path = made(tmp_path / "model", recordings, *STREAMING, "model.time_steps=6")
    lengths = np.load(recordings)["lengths_test"]
    for words, said in (
        ((), f"{(lengths > 6).sum()} of 24 recordings are longer than the 6 readings of the net's window"),
        (("--stream",), f"{(lengths < 2).sum()} of 24 recordings are shorter than the 2 readings that the net takes as one step"),
    ):
        assert main(["predict", str(path), "--data", str(recordings), "-o", str(tmp_path / "a.csv"), "--force", *words]) == 0
        assert f"\n{said}" in capsys.readouterr().out


def test_golden_vectors_that_are_not_all_of_the_test_recordings_say_so(recordings, tmp_path):
    path = made(tmp_path / "model", recordings, "quantize.vectors=7")
    assert stages.evaluate(path).sentences == (
        "the golden vectors are of the first 7 of 24 test recordings (quantize.vectors): no other is asked",
    )


def test_data_that_the_model_was_trained_on_are_told_from_new_ones(from_log, tmp_path):
    found = stages.evaluate(from_log, source=str(tmp_path / "log.csv"))
    assert f"{tmp_path / 'log.csv'} is what the model was made of" in found.sentences[0]
    assert not stages.evaluate(from_log, source=str(write_log(tmp_path / "other.csv", "ab"))).sentences


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
    made(tmp_path / "model", recordings, *STREAMING, "decide.false_alarms=1", "train.validation_fraction=0.2")
    assert len(set(rows[0].lengths)) > 1
    assert rows[0].lengths.max() <= 5


def test_a_recording_of_one_class_is_walked_whole(from_log, tmp_path):
    model, _, reader = parts(from_log)
    x = np.random.default_rng(3).integers(-200, 200, (3, 300, 3))
    lengths = np.array([300, 200, 100])

    def streamed(labels):
        y = np.repeat(np.array(labels)[:, None], 300, axis=1)
        np.savez(tmp_path / "new.npz", x_stream=x, y_stream=y, lengths_stream=lengths)
        return stages.evaluate(from_log, source=str(tmp_path / "new.npz"), stream=True, background="lie").streamed

    found = streamed([0, 0, 0])
    assert (found.of, found.orders, found.metrics.streams, found.metrics.steps) == ("continuous", 0, 3, 300)
    own = [decided(model, reader.integers(row[:length])[0].reshape(-1, 6)) for row, length in zip(x, lengths, strict=True)]
    assert found.metrics.streamed == (np.concatenate(own) == 0).mean()
    assert (found.wake_words.words, found.wake_words.false_accepts.exposure) == (0, 600 / 1000)
    found = streamed([0, 1, 2])
    assert (found.of, found.orders, found.metrics.steps, found.metrics.changes) == ("continuous, in a row", 5, 5 * 300, 5 * 2)
    assert found.wake_words.false_accepts.exposure == pytest.approx(600 / 1000)


def test_time_counts_once_whatever_orders_and_windows(tmp_path):
    """Windows of 8 readings that overlap by half, of a log without streams: it is split in time."""
    path = made(tmp_path / "model", write_log(tmp_path / "log.csv", "abcd"), *CSV, "data.split=time")
    found = stages.evaluate(path, stream=True, rate=50.0, background="lie").streamed
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
    whole = made(tmp_path / "whole", recordings, *STREAMING[:-1])
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
