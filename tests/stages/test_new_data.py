"""New data are read for what is asked of them: no labels, groups or windows where nothing uses them, and one meaning of a label."""

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.data.new_data import load_new_data
from rescomp.data.ts import read_ts
from rescomp.errors import InputError
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import DataSection
from rescomp.tests.stages.conftest import write_recordings
from rescomp.tests.stages.listeners import Told
from rescomp.tests.stages.untrained import CSV, UNTRAINED, decided, made, parts, write_log


@pytest.fixture(scope="module")
def from_log(tmp_path_factory):
    """An untrained model of two readings a step and windows of eight, from a log of four people."""
    folder = tmp_path_factory.mktemp("log")
    return made(folder / "model", write_log(folder / "log.csv", "abcd"), *CSV)


def write(path, labels, who=None):
    """A log without a gap; labels: one a reading, or none."""
    columns = ["t,ax,ay,az", *(["label"] if labels else []), *(["who"] if who else [])]
    lines = [",".join(columns)]
    for row in range(len(labels or range(30))):
        cells = [20 * row, 40 * row % 700 - 300, 90 * row % 500 - 300, 70 * row % 300]
        lines.append(",".join(map(str, [*cells, *([labels[row]] if labels else []), *([who] if who else [])])))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize("stream", [False, True])
def test_predict_reads_no_labels_and_needs_no_groups(stream, from_log, tmp_path):
    labels = ["lie"] * 5 + [""] * 7 + ["nobody's"] * 3 + ["walk"] * 15
    plain = write(tmp_path / "plain.csv", None)
    (tmp_path / "with").mkdir()
    others = write(tmp_path / "with" / "plain.csv", labels)
    for source, output in ((plain, "a.csv"), (others, "b.csv")):
        stages.predict(from_log, source, tmp_path / output, stream=stream)
    answers = (tmp_path / "a.csv").read_text()
    assert answers == (tmp_path / "b.csv").read_text()
    assert len(answers.splitlines()) == 1 + (15 if stream else 6)
    assert {line.split(",")[1] for line in answers.splitlines()[1:]} == {"plain.csv"}


def test_a_group_column_is_read_where_it_is_and_needed_where_it_is_named(from_log, tmp_path):
    labels = ["lie"] * 10 + ["sit"] * 10 + ["walk"] * 10
    (tmp_path / "new").mkdir()
    for name, who in (("a", None), ("b", "ann")):
        write(tmp_path / "new" / f"{name}.csv", labels, who)
    stages.predict(from_log, str(tmp_path / "new"), tmp_path / "out.csv")
    assert {line.split(",")[1] for line in (tmp_path / "out.csv").read_text().splitlines()[1:]} == {"a.csv", "ann"}
    one = str(tmp_path / "new" / "a.csv")
    found = stages.evaluate(from_log, source=one, stream=True)
    assert (found.recordings, found.streamed.metrics.streams) == (3, 1)
    with pytest.raises(InputError, match=r"no column 'who' \(data.group\)"):
        stages.evaluate(from_log, source=one, overrides=["data.group=who"])


def test_a_stream_needs_no_windows(from_log, tmp_path):
    labels = [name for name in ("lie", "sit", "walk", "lie", "sit", "walk") for _ in range(5)]
    source = write(tmp_path / "short.csv", labels)
    model, _, reader = parts(from_log)
    found = stages.evaluate(from_log, source=source, stream=True)
    (streams,) = [load_new_data(DataSection(source=source, time="t"), model.classes, 3).streams]
    x = reader.stream_steps(streams).x[0].astype(np.int64)
    known = np.array([model.classes.index(label) for label in labels[1::2]])
    assert found.streamed.metrics.streamed == (decided(model, x) == known).mean()
    assert found.recordings == 6
    assert found.sentences[0].startswith("the single recordings are stretches of one class of the streams")
    with pytest.raises(InputError, match="no recording fills a window of 8 readings: give longer ones, or --stream"):
        stages.evaluate(from_log, source=source)


def test_where_no_stretch_fills_a_step_there_is_no_figure_of_single_recordings(from_log, tmp_path):
    source = write(tmp_path / "shorter.csv", ["lie", "sit", "walk"] * 10)
    found = stages.evaluate(from_log, source=source, stream=True)
    assert (found.accuracy, found.corner, found.recordings) == (None, None, 0)
    assert found.streamed.metrics.steps == 15
    assert "no stretch of one class has the 2 readings" in found.sentences[0]
    with pytest.raises(InputError, match="leave out --perturb"):
        stages.evaluate(from_log, source=source, stream=True, perturb=True)


def test_a_stream_shorter_than_a_window_is_answered(from_log, tmp_path):
    source = write(tmp_path / "short.csv", ["lie"] * 6)
    assert stages.predict(from_log, source, tmp_path / "out.csv", stream=True).rows == 3
    with pytest.raises(InputError, match="no recording fills a window of 8 readings: give longer ones, or --stream"):
        stages.predict(from_log, source, tmp_path / "other.csv")


def test_labels_of_an_archive_are_not_read_by_predict(finished, recordings, tmp_path):
    own = dict(np.load(recordings))
    stages.predict(finished, str(recordings), tmp_path / "a.csv")
    odd = {"y_test": np.array([{}] * 3), "classes": np.array([[0.5]]), "y_train": np.array([None])}
    np.savez(tmp_path / "new.npz", x_test=own["x_test"], lengths_test=own["lengths_test"], **odd)
    stages.predict(finished, str(tmp_path / "new.npz"), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    np.savez(tmp_path / "stream.npz", x_stream=own["x_test"], y_stream=np.zeros(3), classes=np.array([None]))
    assert stages.predict(finished, str(tmp_path / "stream.npz"), tmp_path / "c.csv", stream=True).rows == 24 * 9


def test_classes_of_a_ts_file_are_not_read_where_labels_are_not(tmp_path):
    for declared, lines, said in (
        ("true a b", "1,2:3,4:zebra\n1,2:3,4:\n", "'zebra' is not declared"),
        ("false", "1,2:3,4\n5,6:7,8\n", "has no class labels"),
    ):
        path = tmp_path / "x.ts"
        path.write_text(f"@problemName x\n@classLabel {declared}\n@data\n{lines}")
        assert read_ts(path, labelled=False)[0].x.shape == (2, 2, 2)
        with pytest.raises(InputError, match=said):
            read_ts(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": np.array(["2", "2", "0"])}, "the class names repeat (2, 2, 0): give each class its own name"),
        ({"y_test": np.full(24, 2**63 + 5, np.uint64)}, "label 9223372036854775813 at sequence 0: labels are 0..classes-1"),
    ],
)
def test_labels_that_mean_nothing_are_refused_by_evaluate_and_by_train_from(changes, said, finished, recordings, tmp_path):
    np.savez(tmp_path / "new.npz", **{**np.load(recordings), **changes})
    with pytest.raises(InputError) as evaluated:
        stages.evaluate(finished, source=str(tmp_path / "new.npz"))
    with pytest.raises(InputError) as trained:
        stages.train_from(finished, str(tmp_path / "new.npz"), tmp_path / "out")
    assert said in str(evaluated.value)
    assert said in str(trained.value)


def test_a_label_of_a_log_that_no_class_has_is_told_by_its_line(from_log, tmp_path):
    source = write(tmp_path / "new.csv", ["lie"] * 10 + ["Sit"] * 10)
    with pytest.raises(InputError, match=r"new\.csv, line 12: column 'label' is 'Sit', not one of the 3 classes: did you mean 'sit'"):
        stages.evaluate(from_log, source=source)


def told(from_log, source, tmp_path):
    """What evaluate, predict and train --from say about new data."""
    listener = Told()
    stages.train_from(from_log, source, tmp_path / "next", overrides=["train.epochs=0"], listener=listener)
    predicted = stages.predict(from_log, source, tmp_path / "a.csv")
    return stages.evaluate(from_log, source=source).sentences, predicted.sentences, listener.said


def test_data_sampled_otherwise_are_doubted(from_log, tmp_path):
    assert ModelDirectory.open(from_log).manifest().data.interval == 20
    lines = [line.split(",") for line in write_log(tmp_path / "new.csv", "ab").read_text().splitlines()]
    rows = [[str(int(line[0]) // 2), *line[1:]] for line in lines[1:]]
    (tmp_path / "new.csv").write_text("\n".join(map(",".join, [lines[0], *rows])))
    said = "new.csv are 10 apart in time, and those that the model was trained on 20: resample them"
    for sentences in told(from_log, str(tmp_path / "new.csv"), tmp_path):
        assert any(said in sentence for sentence in sentences)


def test_data_in_another_unit_are_doubted(from_log, tmp_path):
    lines = [line.split(",") for line in write_log(tmp_path / "new.csv", "ab").read_text().splitlines()]
    rows = [[line[0], *(str(int(value) / 1000) for value in line[1:4]), *line[4:]] for line in lines[1:]]
    (tmp_path / "new.csv").write_text("\n".join(map(",".join, [lines[0], *rows])))
    for sentences in told(from_log, str(tmp_path / "new.csv"), tmp_path):
        assert any("all readings are rounded to the few integers from 0 to 1, of the 16 bits" in sentence for sentence in sentences)


def test_readings_of_a_log_that_fill_no_window_are_counted(from_log, tmp_path):
    source = write(tmp_path / "new.csv", ["lie"] * 19 + ["sit"] * 3)
    assert stages.evaluate(from_log, source=source).sentences == ("6 of 22 readings are in no window, and so in no single recording",)
    assert stages.predict(from_log, source, tmp_path / "a.csv").sentences[0].startswith("2 of 22 readings are in no window")
    far = stages.evaluate(from_log, source=source, overrides=["data.window=4", "data.stride=5"])
    assert far.sentences == ("6 of 22 readings are in no window, and so in no single recording",)


def test_the_nearest_column_is_that_of_another_case(from_log, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("T,AX,ay,az,label,who\n0,1,2,3,lie,ann\n")
    with pytest.raises(InputError, match=r"no column 't' \(data\.time\); the nearest one is 'T'"):
        stages.evaluate(from_log, source=str(path))


def test_a_training_that_goes_on_names_other_classes_before_anything_else(from_log, tmp_path):
    """Not how a class that the net has not could be split."""
    source = write(tmp_path / "new.csv", [name for name in ("lie", "sit", "walk", "run") for _ in range(9)], "ann")
    with pytest.raises(InputError, match=r"has the classes lie, run, sit, walk and the net lie, sit, walk: training goes on with the same"):
        stages.train_from(from_log, source, tmp_path / "out")


def test_an_archive_of_streams_alone_is_not_taken_for_a_misspelt_one(finished, tmp_path):
    np.savez(tmp_path / "new.npz", x_stream=np.zeros((1, 9, 4)), y_stream=np.zeros((1, 9), int))
    with pytest.raises(InputError, match=r"no array 'x_train' \(it holds x_stream, y_stream\): add it$"):
        stages.train_from(finished, str(tmp_path / "new.npz"), tmp_path / "out")


@pytest.fixture(scope="module")
def of_numbers(tmp_path_factory):
    """An untrained model whose classes are named 1, 2 and 3, and its data with integer labels and no class names."""
    folder = tmp_path_factory.mktemp("numbers")
    named = write_recordings(folder / "named.npz", classes=np.array(["1", "2", "3"]))
    own = dict(np.load(named))
    del own["classes"]
    np.savez(folder / "plain.npz", **{key: array + key.startswith("y") for key, array in own.items()})
    return made(folder / "model", named), folder


def test_an_integer_label_is_the_class_of_that_name(of_numbers, tmp_path):
    model, folder = of_numbers
    expected = stages.evaluate(model).accuracy
    assert [stages.evaluate(model, source=str(folder / f"{name}.npz")).accuracy for name in ("named", "plain")] == [expected] * 2
    plain = dict(np.load(folder / "plain.npz"))
    streams = {"x_stream": plain["x_test"], "y_stream": np.repeat(plain["y_test"][:, None], 9, 1)}
    np.savez(tmp_path / "streams.npz", **streams)
    np.savez(tmp_path / "texts.npz", **{**streams, "y_stream": streams["y_stream"].astype(str)})
    by_number, by_text = (stages.evaluate(model, source=str(tmp_path / f"{name}.npz"), stream=True) for name in ("streams", "texts"))
    assert (by_number.accuracy, by_number.data_sha256) == (by_text.accuracy, by_text.data_sha256)
    np.savez(tmp_path / "wrong.npz", **{**plain, "y_test": plain["y_test"] - 1})
    with pytest.raises(InputError, match=r"label 0 at sequence 0, not one of the 3 classes that integers name here \(1, 2, 3\)"):
        stages.evaluate(model, source=str(tmp_path / "wrong.npz"))


def test_a_training_goes_on_with_integers_that_name_the_classes(of_numbers, tmp_path):
    model, folder = of_numbers
    stages.train_from(model, str(folder / "plain.npz"), tmp_path / "out")
    stages.quantize(tmp_path / "out")
    before, after = (ModelDirectory.open(path).manifest() for path in (model, tmp_path / "out"))
    assert (after.classes, after.data.sha256, after.accuracy) == (before.classes, before.data.sha256, before.accuracy)


def test_classes_are_told_apart_by_name_whatever_their_order(finished, recordings, tmp_path):
    """Where the names are those of the net, a file that lists them otherwise is read as the net has them."""
    own = dict(np.load(recordings))
    turned = {key: 2 - array if key.startswith("y") else array for key, array in own.items()}
    np.savez(tmp_path / "turned.npz", **turned, classes=np.array(["2", "1", "0"]))
    stages.train_from(finished, str(tmp_path / "turned.npz"), tmp_path / "out", overrides=UNTRAINED[:2])
    manifest = ModelDirectory.open(tmp_path / "out").manifest()
    assert (manifest.classes, manifest.data.sha256) == (("0", "1", "2"), ModelDirectory.open(finished).manifest().data.sha256)


def test_an_integer_is_the_number_of_a_class_that_has_another_name(tmp_path):
    model = made(tmp_path / "model", write_recordings(tmp_path / "named.npz", classes=np.array(["10", "walk", "3"])))
    own = dict(np.load(tmp_path / "named.npz"))
    del own["classes"]
    np.savez(tmp_path / "plain.npz", **own)
    assert stages.evaluate(model, source=str(tmp_path / "plain.npz")).accuracy == stages.evaluate(model).accuracy


def test_one_of_each_is_told_in_the_singular(from_log, tmp_path, capsys):
    source = write(tmp_path / "one.csv", ["lie"] * 9)
    assert main(["evaluate", str(from_log), "--data", source, "--stream"]) == 0
    out = capsys.readouterr().out
    assert "on 1 recording of one" in out
    assert "1 stream, 4 steps, 0 changes" in out
    (tmp_path / "step.csv").write_text("t,ax,ay,az\n0,1,2,3\n1,99999,2,3\n")
    assert main(["predict", str(from_log), "--data", str(tmp_path / "step.csv"), "--stream", "-o", str(tmp_path / "out.csv")]) == 0
    out = capsys.readouterr().out
    assert f"1 row in {tmp_path / 'out.csv'}" in out
    assert "1 reading lies outside what the model's 16-bit input holds, and was limited to it" in out


def named_arrays(path, **changes):
    """Recordings that nobody has split, with names for what they are of."""
    x = np.random.default_rng(5).normal(size=(24, 6, 3)).astype(np.float32)
    names = {"channels": np.array(["ax", "ay", "az"]), "unit": np.array("g"), "classes": np.array(["lie", "sit", "walk"])}
    arrays = {"x": x, "y": np.arange(24) % 3, "group": np.arange(24) // 3, **names, **changes}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return str(path)


def test_a_model_knows_the_names_that_its_arrays_gave_and_refuses_other_ones(tmp_path, capsys):
    model = made(tmp_path / "model", named_arrays(tmp_path / "own.npz"))
    manifest = ModelDirectory.open(model).manifest()
    assert (manifest.input.channels, manifest.input.unit, manifest.classes) == (("ax", "ay", "az"), "g", ("lie", "sit", "walk"))
    assert manifest.data.split == "group"
    assert 'unit = "g"' in (model / "recipe.toml").read_text()
    found = stages.evaluate(model, source=named_arrays(tmp_path / "new.npz", y=np.arange(24) // 8))
    assert found.recordings == 24
    assert stages.evaluate(model).recordings == manifest.data.test_sequences == 6
    for changes, message in (
        ({"channels": np.array(["ay", "ax", "az"])}, "has the channels ay, ax, az, and the model ax, ay, az: give these, so ordered"),
        ({"unit": np.array("m/s2")}, "is in m/s2, and the model reads g: convert the data, or train anew"),
    ):
        with pytest.raises(InputError, match=message):
            stages.evaluate(model, source=named_arrays(tmp_path / "new.npz", **changes))
    assert stages.predict(model, named_arrays(tmp_path / "new.npz", y=None, group=None), tmp_path / "answers.csv").rows == 24
    assert main(["train", "--data", str(tmp_path / "own.npz"), "--set", "data.unit=m/s2", "-o", str(tmp_path / "other")]) == 2
    assert "says unit = 'g', and the recipe data.unit = 'm/s2': correct one" in capsys.readouterr().err
