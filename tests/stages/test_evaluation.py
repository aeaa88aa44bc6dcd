"""evaluate: figures that follow from the integer graph, on the model's own data and on new ones."""

import json

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.data.rows import row_orders
from rescomp.errors import InputError, UnsupportedError
from rescomp.graph.evaluate import evaluate, evaluate_graph, split_state, take_decisions
from rescomp.graph.policy import StreamWalk
from rescomp.model_directory import REPORT, ModelDirectory
from rescomp.printing.runs import _in_a_stream
from rescomp.stages import remarks
from rescomp.stages.artefacts import read_model
from rescomp.stages.evaluation import anywhere
from rescomp.stages.listener import Silent
from rescomp.stages.perturbations import PERTURBATIONS, dead, resampled
from rescomp.stages.pipeline import streamed_figures
from rescomp.tests.stages.conftest import write_recordings
from rescomp.tests.stages.untrained import BARE, CSV, decided, made, parts, write_log


@pytest.fixture(scope="module")
def from_log(tmp_path_factory):
    """An untrained model of two readings a step, from a log of four people."""
    folder = tmp_path_factory.mktemp("log")
    return made(folder / "model", write_log(folder / "log.csv", "abcd"), *CSV)


def test_single_recordings_and_any_state(model_dir):
    found = stages.evaluate(model_dir)
    model, vectors, _ = parts(model_dir)
    assert found.accuracy == ModelDirectory.open(model_dir).manifest().accuracy.integer
    states = anywhere(model, len(vectors.x))
    assert [states.min(), states.max()] == pytest.approx([-10922, 10922], rel=0.05)
    scores = evaluate(model, vectors.x, vectors.lengths, states).scores
    assert found.corner == (scores.argmax(axis=1) == vectors.labels).mean()
    assert (found.streamed, found.perturbed) == (None, {})


def test_recordings_in_a_row_are_one_stream(model_dir):
    found = stages.evaluate(model_dir, stream=True)
    model, vectors, _ = parts(model_dir)
    right, ends = [], []
    for order in (*row_orders(vectors.labels), np.arange(len(vectors.x))):
        x = np.concatenate([vectors.x[i, : vectors.lengths[i]] for i in order])
        correct = decided(model, x) == np.repeat(vectors.labels[order], vectors.lengths[order])
        right.append(correct.mean())
        ends.append(correct[np.cumsum(vectors.lengths[order]) - 1].mean())
    streamed = found.streamed
    assert streamed.of == "in a row"
    assert streamed.orders == 5
    assert streamed.metrics.streamed == pytest.approx(np.mean(right[:5]), abs=1e-12)
    assert streamed.metrics.ends == pytest.approx(np.mean(ends[:5]), abs=1e-12)
    assert streamed.spread["ends"] == pytest.approx(np.std(ends[:5], ddof=1), abs=1e-12)
    assert (streamed.own_order.streamed, streamed.own_order.ends) == (right[5], ends[5])
    assert streamed.clock.settle == int(np.ceil(np.median(vectors.lengths)))


def test_the_graph_that_decides_is_asked(model_dir, capsys):
    stages.quantize(model_dir, overrides=["decide.smoothing=1", "decide.hold=2", "decide.rate=20.0", "decide.false_alarms=9"])
    found = stages.evaluate(model_dir, stream=True)
    model, vectors, _ = parts(model_dir)
    assert model.decides
    assert (found.streamed.decided_by, found.streamed.clock.rate) == ("decide", 20.0)
    x = np.concatenate([vectors.x[i, : vectors.lengths[i]] for i in range(len(vectors.x))])
    scores = evaluate_graph(model.graphs["head"], split_state(model, evaluate(model, x[None]).states[0]))[model.output.name]
    decisions = take_decisions(model, scores[None])[0]
    assert found.streamed.own_order.streamed == (decisions == np.repeat(vectors.labels, vectors.lengths)).mean()
    assert (decisions != scores.argmax(axis=1)).any()
    assert main(["evaluate", str(model_dir), "--stream"]) == 0
    assert "decided by the graph decide" in capsys.readouterr().out


def test_a_stream_is_walked_as_the_model_s_policy_says(model_dir, capsys):
    before = stages.evaluate(model_dir, stream=True).streamed
    stages.quantize(model_dir, overrides=["stream.window=6", "stream.rail=7"])
    found = stages.evaluate(model_dir, stream=True).streamed
    model, vectors, _ = parts(model_dir)
    walk, right = StreamWalk(model), []
    for i, length in enumerate(vectors.lengths):
        for reading in vectors.x[i, :length]:
            walk.step(reading)
            right.append(int(walk.scores().argmax()) == vectors.labels[i])
    assert found.own_order.streamed == np.mean(right) != before.own_order.streamed
    assert main(["evaluate", str(model_dir), "--stream"]) == 0
    text = capsys.readouterr().out
    assert "; two staggered states, each begun anew every 6 steps, the older one answers; readings that stand at an end for" in text
    assert main(["evaluate", str(model_dir), "--stream", "--json"]) == 0
    known = {"states": 2, "gap": 0, "rail": 7, "half_window": 3}
    assert (json.loads(capsys.readouterr().out)["streamed"]["policy"], before.as_json()["policy"]) == (known, None)
    figures = streamed_figures(ModelDirectory.open(model_dir), Silent())
    assert figures.states == 2
    assert _in_a_stream(figures).endswith(" at the recordings' ends, by two staggered states")


def test_a_stream_of_two_states_is_not_told_to_reset_them(model_dir, monkeypatch):
    stages.quantize(model_dir, overrides=["stream.window=6"])
    monkeypatch.setattr(remarks, "PARTED", -1.0)
    (said,) = stages.evaluate(model_dir, stream=True).sentences
    assert "of two staggered states that are each begun anew every 6 steps: a stream.window of about twice what the net needs" in said


@pytest.mark.parametrize("keys", [("model.kind=gru", "model.readings=2"), ("model.readings=3", "model.stride=2")])
def test_kept_recordings_may_all_be_shorter_than_the_longest(keys, tmp_path):
    data = write_recordings(tmp_path / "data.npz", lengths_train=np.full(60, 9), lengths_test=np.array([5, 4, *[9] * 22]))
    path = made(tmp_path / "model", data, *keys, "quantize.vectors=2")
    _, vectors, reader = parts(path)
    readings = reader.readings(vectors)
    raw, _ = reader.integers(np.load(data)["x_test"][:2])
    for own, given, length in zip(readings.x, raw, readings.lengths, strict=True):
        assert np.array_equal(own[:length], given[:length])
    assert all(
        each.accuracy is not None for each in stages.evaluate(path, stream=True, perturb=True).perturbed.values() if not each.why_not
    )


def test_where_no_decision_is_made_it_is_told_and_no_window_is_advised(model_dir):
    stages.quantize(model_dir, overrides=["stream.window=6", "decide.hold=30000"])
    found = stages.evaluate(model_dir, stream=True)
    assert found.streamed.metrics.streamed == 0
    (said,) = found.sentences
    assert (
        "[decide] asks: no step of any stream has the right one, so ask for less there (thresholds, margin, hold, smoothing) (docs" in said
    )


def test_continuous_recordings_of_the_test_people(from_log):
    found = stages.evaluate(from_log, stream=True, rate=50.0, background=["lie"])
    directory = ModelDirectory.open(from_log)
    people = directory.manifest().data.test_groups
    assert len(people) == 2
    assert found.streamed.of == "continuous"
    assert (found.streamed.metrics.streams, found.streamed.metrics.steps, found.streamed.metrics.changes) == (2, 120, 10)
    lines = [line.split(",") for line in (from_log.parent / "log.csv").read_text().splitlines()[1:]]
    model = read_model(directory)
    right = []
    for person in people:
        own = [line for line in lines if line[5] == person]
        x = np.array([line[1:4] for line in own], int).reshape(-1, 6)
        right.append(decided(model, x) == [("lie", "sit", "walk").index(line[4]) for line in own[1::2]])
    assert found.streamed.metrics.streamed == np.mean(right)
    assert (found.streamed.clock.stride, found.streamed.clock.settle) == (2, 8)
    assert found.streamed.wake_words.words == 8
    assert found.streamed.wake_words.false_accepts.exposure == pytest.approx(240 / 50 / 3600)


def test_new_data_are_read_as_the_model_s_own(from_log, tmp_path):
    new = write_log(tmp_path / "new.csv", "xy", seed=4)
    report = (from_log / REPORT).read_bytes() if (from_log / REPORT).is_file() else None
    found = stages.evaluate(from_log, source=str(new), stream=True)
    assert (found.recordings, found.data) == (2 * 6 * 4, "48 recordings of new")
    assert found.streamed.metrics.streams == 2
    assert ((from_log / REPORT).read_bytes() if (from_log / REPORT).is_file() else None) == report
    text = new.read_text().replace("t,ax,ay,az", "t,extra,ax,ay").replace(",sit,", ",stand,")
    for changed, said in (
        (text, "no column 'az' (data.channels)"),
        (new.read_text().replace(",sit,", ",sti,"), "class"),
        (new.read_text().replace(",100,", ",nan,", 1) + "1,nan,1,1,lie,x\n", "nan"),
    ):
        new.write_text(changed)
        with pytest.raises(InputError) as caught:
            stages.evaluate(from_log, source=str(new), stream=True)
        assert said in str(caught.value)


def test_new_archives(model_dir, recordings, tmp_path):
    own = np.load(recordings)
    same = {key: own[key] for key in ("x_test", "y_test", "lengths_test")}

    def evaluated(**arrays):
        np.savez(tmp_path / "new.npz", **arrays)
        return stages.evaluate(model_dir, source=str(tmp_path / "new.npz"), stream=True)

    before = stages.evaluate(model_dir, stream=True)
    found = evaluated(**same)
    assert (found.accuracy, found.corner, found.streamed.metrics) == (before.accuracy, before.corner, before.streamed.metrics)
    assert found.sentences == before.sentences
    far = evaluated(**{**same, "x_test": own["x_test"] * 1e6})
    assert any("lie outside what the model's 16-bit input holds" in sentence for sentence in far.sentences)
    stream = {"x_stream": own["x_test"].reshape(2, 108, 4), "y_stream": np.repeat(own["y_test"], 9).reshape(2, 108)}
    alone = evaluated(**stream)
    assert alone.streamed.of == "continuous"
    assert alone.streamed.metrics.steps == 216
    assert alone.recordings >= 24
    for wrong, said in (
        ({**same, "x_test": own["x_test"][..., :3]}, "3 channels and the model reads 4"),
        ({**same, "y_test": own["y_test"] + 1}, "label 3 at sequence"),
        ({"x_test": own["x_test"]}, "no array 'y_test'"),
        ({**same, "lengths": own["lengths_test"]}, "lengths_test"),
        ({"x_train": own["x_test"]}, "neither x_test nor x_stream"),
        ({**stream, "y_stream": stream["y_stream"] + 1}, "stream 0, step 18"),
    ):
        with pytest.raises(InputError) as caught:
            evaluated(**wrong)
        assert said in str(caught.value)


def test_what_is_perturbed_is_what_the_model_reads(from_log):
    model, vectors, reader = parts(from_log)
    readings = reader.readings(vectors)
    assert np.array_equal(reader.steps(readings).x, vectors.x)
    found = stages.evaluate(from_log, perturb=True).perturbed
    assert list(found) == list(PERTURBATIONS)

    def accuracy(split):
        steps = reader.steps(split)
        return (evaluate(model, steps.x, steps.lengths).scores.argmax(axis=1) == vectors.labels).mean()

    assert found["rate_plus"].accuracy == accuracy(resampled(readings, 1.05))
    channels = [accuracy(dead(readings, channel)) for channel in range(3)]
    assert (found["dead_channel"].accuracy, found["dead_channel"].worst) == (min(channels), f"channel {np.argmin(channels)}")
    assert found["turned"].accuracy is not None


def test_report_json_keeps_the_figures_of_the_model_s_own_data(model_dir):
    stages.evaluate(model_dir, stream=True)
    kept = json.loads((model_dir / REPORT).read_text())
    assert set(kept["evaluation"]) == {"vectors_sha256", "corner", "streamed"}
    assert kept["evidence"] == []
    stages.verify(model_dir, "onnxruntime", stress="off")
    stages.evaluate(model_dir, perturb=True)
    later = json.loads((model_dir / REPORT).read_text())
    assert later["evaluation"]["streamed"] == kept["evaluation"]["streamed"]
    assert set(later["evaluation"]["perturbed"]) == set(PERTURBATIONS) - {"turned"}
    assert later["evidence"]
    stages.quantize(model_dir, weights="int4")
    assert not (model_dir / REPORT).exists()


def test_nets_without_recurrence(model_dir, recordings, tmp_path):
    net = ("model.kind=dscnn1d", "model.widths=[4]", "model.blocks=1")
    whole = made(tmp_path / "whole", recordings, *net, small=BARE)
    with pytest.raises(UnsupportedError, match="has no stream: leave out --stream"):
        stages.evaluate(whole, stream=True)
    found = stages.evaluate(whole, perturb=True)
    assert found.corner is None
    assert found.accuracy == ModelDirectory.open(whole).manifest().accuracy.integer
    streaming = made(tmp_path / "streaming", recordings, *net, "model.streaming=true", small=BARE)
    found = stages.evaluate(streaming, stream=True, perturb=True)
    model, vectors, reader = parts(streaming)
    assert (reader.readings_a_step, reader.stride, reader.time_steps) == (2, 2, 10)
    lengths = np.load(recordings)["lengths_test"] // 2
    assert len(set(lengths)) > 1
    assert found.streamed.metrics.steps == 5 * lengths.sum()
    x = np.concatenate([row[:length] for row, length in zip(vectors.x, lengths, strict=True)])
    assert found.streamed.own_order.streamed == (decided(model, x) == np.repeat(vectors.labels, lengths)).mean()
    assert stages.evaluate(streaming, source=str(recordings), stream=True).streamed == found.streamed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rate", "50"), "--rate is of streams"),
        (("--background", "0"), "--background is of streams"),
        (("--stream", "--rate", "0"), "from 1e-06 to 1e+09, not 0"),
        (("--stream", "--rate", "5e-324"), "from 1e-06 to 1e+09, not 4.94066e-324"),
        (("--stream", "--rate", "1e999"), "not inf"),
        (("--stream", "--background", "11"), "the nearest one is '1'"),
        (("--set", "data.label=x"), "give them with --data"),
        (("--data", "{data}", "--set", "model.readings=2"), "of new data only label, group"),
        (("--data", "{data}", "--set", "data.unit=g"), "not g: convert the data"),
        (("--data", "{data}", "--set", "data.window=3"), "data.window is for CSV logs"),
        (("--data", "missing.npz"), "missing.npz"),
        (("--data", "missing.txt"), "no data that rescomp reads"),
    ],
)
def test_what_is_not_read_is_refused(words, said, model_dir, recordings, capsys):
    assert main(["evaluate", str(model_dir), *(word.format(data=recordings) for word in words)]) == 2
    assert said in capsys.readouterr().err


def test_the_table_and_the_document(model_dir, capsys):
    assert main(["evaluate", str(model_dir), "--stream", "--perturb", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"schema", "model", "graph_sha256", "data", "accuracy", "by_class", "streamed", "perturbed", "sentences"}
    assert document["perturbed"]["turned"]["why_not"] == "4 channels are no triples of axes"
    assert main(["evaluate", str(model_dir), "--stream", "--perturb", "--rate", "10", "--background", "0"]) == 0
    text = capsys.readouterr().out
    for said in (
        f"the same, macro F1              {document['by_class']['macro_f1']:7.2%}",
        "single, from any state",
        "ends of recordings",
        "settled",
        "delay",
        "an hour",
        "4 channels are no triples",
        "worst: channel",
    ):
        assert said in text
