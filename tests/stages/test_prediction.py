"""predict: the answers are those of the integer graph, and the file is there whole or not at all."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError, UnsupportedError
from rescomp.graph.decisions import stream_decisions
from rescomp.graph.evaluate import evaluate
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.tests.stages.untrained import made


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def parts(path):
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    return model, read_vectors(directory, model)


def test_a_row_a_recording_with_the_scores_of_the_graph(model_dir, recordings, tmp_path):
    found = stages.predict(model_dir, str(recordings), tmp_path / "answers.csv")
    model, vectors = parts(model_dir)
    scores = evaluate(model, vectors.x, vectors.lengths).scores
    header, *body = rows(tmp_path / "answers.csv")
    assert header == ["recording", "group", "class", "0", "1", "2"]
    assert [row[0] for row in body] == list(map(str, range(24)))
    assert [row[2] for row in body] == list(map(str, scores.argmax(axis=1)))
    assert np.array_equal(np.array([row[3:] for row in body], int), scores)
    assert found.rows == 24
    assert found.counts == {name: [row[2] for row in body].count(name) for name in sorted({row[2] for row in body})}


def test_labels_are_neither_needed_nor_read(model_dir, recordings, tmp_path):
    own = np.load(recordings)
    stages.predict(model_dir, str(recordings), tmp_path / "answers.csv")
    for changes in ({}, {"y_test": np.full(24, "nobody's")}):
        np.savez(tmp_path / "new.npz", x_test=own["x_test"], lengths_test=own["lengths_test"], **changes)
        stages.predict(model_dir, str(tmp_path / "new.npz"), tmp_path / "again.csv", force=True)
        assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "answers.csv").read_bytes()


def test_a_row_a_step(model_dir, recordings, tmp_path):
    model, vectors = parts(model_dir)
    own = np.load(recordings)
    stages.predict(model_dir, str(recordings), tmp_path / "single.csv", stream=True)
    decisions = stream_decisions(model, vectors.x, vectors.lengths)
    expected = [[str(i), "", str(t), str(decisions[i, t])] for i in range(24) for t in range(vectors.lengths[i])]
    assert rows(tmp_path / "single.csv")[1:] == expected
    np.savez(tmp_path / "streams.npz", x_stream=own["x_test"][:2], group_stream=np.array(["bob", "ann"]))
    stages.predict(model_dir, str(tmp_path / "streams.npz"), tmp_path / "streams.csv", stream=True)
    assert [row[:3] for row in rows(tmp_path / "streams.csv")[1:]] == [
        [str(i), name, str(t)] for i, name in ((0, "bob"), (1, "ann")) for t in range(9)
    ]
    with pytest.raises(InputError, match="give --stream, or recordings as x_test"):
        stages.predict(model_dir, str(tmp_path / "streams.npz"), tmp_path / "none.csv")


def test_logs_without_labels(tmp_path):
    log = "t,ax,ay,label,who\n" + "".join(f"{t},{t % 7},{t % 5},{'ab'[t // 20 % 2]},{'xyzw'[t // 80]}\n" for t in range(320))
    (tmp_path / "log.csv").write_text(log)
    asked = (
        "data.group=who",
        "data.time=t",
        "data.window=8",
        "model.readings=3",
        "model.hidden_size=4",
        "train.epochs=0",
        "quantize.epochs=0",
    )
    stages.train_model(load_recipe(None, [f"data.source={tmp_path / 'log.csv'}", *asked]), tmp_path / "model")
    stages.quantize(tmp_path / "model")
    (tmp_path / "new.csv").write_text("t,extra,ay,ax,who\n" + "".join(f"{t + 90 * (t > 19)},5,{t % 5},{t % 7},v\n" for t in range(40)))
    found = stages.predict(tmp_path / "model", str(tmp_path / "new.csv"), tmp_path / "a.csv")
    assert found.rows == 4
    assert {row[1] for row in rows(tmp_path / "a.csv")[1:]} == {"v"}
    stages.predict(tmp_path / "model", str(tmp_path / "new.csv"), tmp_path / "b.csv", stream=True)
    assert [row[2] for row in rows(tmp_path / "b.csv")[1:7]] == ["2", "5", "8", "11", "14", "17"]
    assert [row[0] for row in rows(tmp_path / "b.csv")[1:]] == ["0"] * 6 + ["1"] * 6


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+a", "-b", "@c", " =d", "\uff1de", "f;=g", "-1e"])
def test_a_name_that_a_spreadsheet_runs_is_refused_and_nothing_is_written(model_dir, recordings, tmp_path, capsys, name):
    x, output = np.load(recordings)["x_test"][:2], tmp_path / "answers.csv"
    np.savez(tmp_path / "new.npz", x_stream=x, group_stream=np.array(["bob", name]))
    assert main(["predict", str(model_dir), "--data", str(tmp_path / "new.npz"), "--stream", "-o", str(output)]) == 2
    assert "holds what a spreadsheet runs as a formula" in capsys.readouterr().err
    assert not output.exists()


def test_numbers_with_a_sign_are_names(model_dir, recordings, tmp_path):
    groups = ["-1", "+1.5", "a=b", "c-d@e"]
    np.savez(tmp_path / "new.npz", x_stream=np.load(recordings)["x_test"][:4], group_stream=np.array(groups))
    stages.predict(model_dir, str(tmp_path / "new.npz"), tmp_path / "answers.csv", stream=True)
    assert list(dict.fromkeys(row[1] for row in rows(tmp_path / "answers.csv")[1:])) == groups


def test_classes_have_numbers_where_a_spreadsheet_runs_one(recordings, tmp_path):
    arrays = dict(np.load(recordings))
    np.savez(tmp_path / "data.npz", **arrays, classes=np.array(["-walk", "sit", "lie"]))
    path = made(tmp_path / "model", tmp_path / "data.npz")
    found = stages.predict(path, str(recordings), tmp_path / "answers.csv")
    header, *answers = rows(tmp_path / "answers.csv")
    assert header == ["recording", "group", "class", "0", "1", "2"]
    assert {row[2] for row in answers} <= {"0", "1", "2"}
    assert found.counts == {
        name: [row[2] for row in answers].count(str(n)) for n, name in enumerate(("-walk", "sit", "lie")) if name in found.counts
    }
    assert [each for each in found.sentences if each.startswith("the class '-walk' holds what a spreadsheet runs")] == [
        found.sentences[-1]
    ], "and says which number is which"
    assert found.sentences[-1].endswith("numbers: 0 is '-walk', 1 is 'sit', 2 is 'lie'")
    stages.predict(path, str(recordings), tmp_path / "steps.csv", stream=True)
    assert {row[3] for row in rows(tmp_path / "steps.csv")[1:]} <= {"0", "1", "2", ""}


def test_images_by_their_files(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(tmp_path / "set" / name / f"{number}.png")
    asked = ("model.kind=dscnn2d", "model.widths=[4]", "model.blocks=1", "train.epochs=0", "quantize.epochs=0")
    stages.train_model(load_recipe(None, [f"data.source={tmp_path / 'set'}", *asked]), tmp_path / "model")
    stages.quantize(tmp_path / "model")
    shutil.copytree(tmp_path / "set" / "cat", tmp_path / "loose")
    for source, files in (
        ("set", [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(4)]),
        ("loose", [f"{n}.png" for n in range(4)]),
    ):
        stages.predict(tmp_path / "model", str(tmp_path / source), tmp_path / "a.csv", force=True)
        assert [row[1] for row in rows(tmp_path / "a.csv")[1:]] == files
    with pytest.raises(UnsupportedError, match="reads images, so that it has no stream"):
        stages.predict(tmp_path / "model", str(tmp_path / "set"), tmp_path / "b.csv", stream=True)
    assert (
        stages.evaluate(tmp_path / "model", source=str(tmp_path / "set"), perturb=True).perturbed["rate_plus"].why_not
        == "images have no time"
    )
    with pytest.raises(InputError, match="has no labels: give some"):
        stages.evaluate(tmp_path / "model", source=str(tmp_path / "loose"))
    assert not (tmp_path / "b.csv").exists()


def test_nothing_of_a_model_and_no_data_are_written_over(model_dir, recordings, tmp_path, capsys):
    before = {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file()}
    (tmp_path / "link.csv").symlink_to(model_dir / "graph.json")
    for output, said in (
        (model_dir / "graph.json", "would lie in the model directory"),
        (model_dir / "c" / "new.csv", "would lie in the model directory"),
        (tmp_path / "link.csv", "is a link"),
        (recordings, "the data themselves"),
        (tmp_path / "none" / "a.csv", "is no folder"),
    ):
        data = recordings.read_bytes()
        assert main(["predict", str(model_dir), "--data", str(recordings), "-o", str(output)]) == 2
        assert said in capsys.readouterr().err
        assert recordings.read_bytes() == data
    assert before == {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file()}
    assert main(["check", str(model_dir), "--markdown", str(model_dir / "summary.md")]) == 2
    assert "would lie in the model directory" in capsys.readouterr().err


@pytest.mark.parametrize("place", [0, 1])
def test_neither_of_two_files_of_data_is_written_over(model_dir, tmp_path, capsys, place):
    files = [tmp_path / "A.ts", tmp_path / "B.ts"]
    for file in files:
        file.write_text("kept")
    assert main(["predict", str(model_dir), "--data", ",".join(map(str, files)), "-o", str(files[place])]) == 2
    assert "the data themselves" in capsys.readouterr().err
    assert [file.read_text() for file in files] == ["kept", "kept"]


def test_the_document(model_dir, recordings, tmp_path, capsys):
    assert main(["predict", str(model_dir), "--data", str(recordings), "-o", str(tmp_path / "a.csv"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"schema", "model", "graph_sha256", "output", "rows", "classes", "limited_readings", "sentences"}
    assert document["rows"] == sum(document["classes"].values()) == 24
    assert main(["predict", str(model_dir), "--data", str(recordings), "-o", str(tmp_path / "a.csv"), "--force"]) == 0
    assert f"24 rows in {tmp_path / 'a.csv'}" in capsys.readouterr().out


def test_a_file_that_is_there_is_replaced_only_by_force(model_dir, recordings, tmp_path, capsys):
    command = ["predict", str(model_dir), "--data", str(recordings), "-o", str(tmp_path / "thesis.csv")]
    (tmp_path / "thesis.csv").write_text("years of work\n")
    for words, code in (([], 2), (["--force"], 0), ([], 2)):
        before = (tmp_path / "thesis.csv").read_bytes()
        assert main([*command, *words]) == code
        assert ((tmp_path / "thesis.csv").read_bytes() == before) == (code == 2)
        said = "thesis.csv is there already: name another file with -o, or replace it with --force"
        assert (said in capsys.readouterr().err) == (code == 2)
