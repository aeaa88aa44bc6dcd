"""rescomp in Python: the same answers as the stages, readings one by one or together, and results that show themselves."""

import inspect as python_inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rescomp
from rescomp import stages
from rescomp.errors import InputError, UnsupportedError
from rescomp.graph.decisions import stream_decisions
from rescomp.graph.evaluate import evaluate
from rescomp.interface import Evaluated, Inspected, Ran, Verified
from rescomp.manifest import Manifest
from rescomp.model_directory import ModelDirectory
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.evaluation import Evaluation
from rescomp.stages.golden_vectors import answers
from rescomp.tests.stages.untrained import CSV, made, write_log

ROOT = Path(rescomp.__file__).parent
NOTEBOOK = ROOT / "examples/first_model.ipynb"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """An untrained model of two readings a step, from a log of four people."""
    folder = tmp_path_factory.mktemp("log")
    return made(folder / "model", write_log(folder / "log.csv", "abcd"), *CSV, "decide.smoothing=1", "decide.hold=2", "decide.margin=0")


@pytest.fixture(scope="module")
def model(path):
    return rescomp.load(path)


def test_dir_lists_what_there_is():
    assert dir(rescomp) == ["DISTRIBUTION", "Model", "__version__", "load", "run"]
    for name in ("load", "run", "Model"):
        assert getattr(rescomp, name).__doc__
    public = {name for name in dir(rescomp.Model) if not name.startswith("_")}
    assert public >= {"predict", "stream", "evaluate", "verify", "profile", "export", "inspect"}
    packages = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists()}
    assert not packages & {"run", "load", *public} - {"export"}  # a method, which hides no package
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        rescomp.trian  # noqa: B018


def test_importing_it_is_cheap():
    code = "import rescomp, sys; dir(rescomp); print('numpy' in sys.modules, 'torch' in sys.modules); rescomp.load; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/", timeout=60).stdout
    assert said.split() == ["False", "False", "False"]


def test_predictions_are_those_of_the_device(model, path):
    directory = ModelDirectory.open(path)
    integer = read_model(directory)
    vectors = read_vectors(directory, integer)
    readings = vectors.x.reshape(len(vectors.x), -1, 3)[:, :8]
    found = model.predict(readings.astype(np.int64))
    expected = evaluate(integer, vectors.x[:, :4], np.full(len(readings), 4)).scores
    assert (found.scores == expected).all()
    assert found.numbers.tolist() == answers(expected).tolist()
    assert found.labels[0] in model.classes
    one = model.predict(readings[0])
    assert (one.scores == expected[:1]).all()
    assert len(one) == 1
    with pytest.raises(InputError, match="x has 2 channels and the model reads 3"):
        model.predict(readings[:, :, :2])
    with pytest.raises(InputError, match="not a finite number"):
        model.predict(np.full((1, 8, 3), np.nan))
    shorter = model.predict(readings, lengths=np.full(len(readings), 4))
    assert (shorter.scores == evaluate(integer, vectors.x[:, :2], np.full(len(readings), 2)).scores).all()


def test_a_stream_decides_as_the_device_does(model, path):
    integer = read_model(ModelDirectory.open(path))
    readings = np.random.default_rng(3).integers(-400, 400, (60, 3))
    stream = model.stream()
    steps = [step for reading in readings if (step := stream.push(reading)) is not None]
    x = readings.reshape(1, 30, 6)
    decisions = stream_decisions(integer, x, np.array([30]))[0]
    names = {-2: None, -1: "unknown", **dict(enumerate(integer.class_names))}
    assert [step.label for step in steps] == [names[int(decision)] for decision in decisions]
    assert [step.number for step in steps] == list(range(30))
    assert len({step.label for step in steps}) > 1
    last = evaluate(integer, x).scores[0]
    assert list(steps[-1].scores.values()) == last.reshape(-1).tolist()
    assert list(steps[-1].scores) == list(model.classes)
    stream.reset()
    assert [stream.push(reading) for reading in readings[:2]] == [None, steps[0]]
    for wrong in ([1, 2], [1, 2, np.nan], ["a", "b", "c"]):
        with pytest.raises(InputError, match="a reading is 3 finite numbers"):
            stream.push(wrong)


def test_results_are_those_of_the_stages_and_show_themselves(model, path, tmp_path):
    found = model.evaluate()
    assert isinstance(found, Evaluated)
    assert isinstance(found, Evaluation)
    assert found.as_json() == stages.evaluate(path).as_json()
    assert f"{found.name} on" in repr(found)
    assert found._repr_html_().startswith("<pre")
    assert isinstance(model.inspect(), Inspected)
    assert "const data" in repr(model.inspect())
    written = model.export("c")
    assert all(file.is_file() for file in written)
    verified = model.verify("c", stress="off")
    assert isinstance(verified, Verified)
    assert "values compared, 0 differ" in repr(verified)
    assert repr(model).startswith("<rescomp model log: 3 channels (ax, ay, az) to 3 classes, ")
    assert "recurrent_product" in model._repr_html_() or "fastgrnn" in model._repr_html_()
    assert isinstance(model.manifest, Manifest)


def test_nothing_of_a_name_is_markup_in_a_notebook():
    from rescomp.interface.predictions import Predictions

    hostile = "<script>alert(1)</script>\x1b[2J"
    shown = Predictions((hostile, "b"), np.array([0]), np.array([[2, 1]]))
    assert "<script>" not in shown._repr_html_()
    assert "&lt;script&gt;" in shown._repr_html_()
    assert "\x1b" not in shown._repr_html_() + repr(shown)
    many = Predictions(("a", "b"), np.zeros(30, np.int64), np.zeros((30, 2), np.int64))
    assert repr(many).splitlines()[-1] == "and 10 more recordings"


def test_what_a_net_without_state_or_with_a_policy_does_not_do(path, tmp_path):
    log = write_log(tmp_path / "log.csv", "abcd")
    still = rescomp.load(
        made(tmp_path / "still", log, *CSV[:-1], "model.kind=resnet1d", "model.widths=[4]", small=("train.epochs=0", "quantize.epochs=0"))
    )
    with pytest.raises(UnsupportedError, match="has no stream"):
        still.stream()
    assert len(still.predict(np.zeros((2, 8, 3), np.int64))) == 2
    streamed = rescomp.load(made(tmp_path / "policy", log, *CSV, "stream.gap=2"))
    with pytest.raises(UnsupportedError, match="has a policy of streams"):
        streamed.stream()


SMALL = {"train.epochs": 0, "quantize.epochs": 0, "model.hidden_size": 4}


@pytest.mark.parametrize("how", ["settings", "sections", "file"])
def test_run_takes_a_recipe_however_it_is_given(how, tmp_path):
    log = str(write_log(tmp_path / "log.csv", "abcd"))
    keys = dict(item.split("=") for item in CSV)
    settings = {
        **SMALL,
        **{key: float(value) if "fraction" in key else int(value) if value.isdigit() else value for key, value in keys.items()},
    }
    if how == "settings":
        given = {"data": log, "settings": settings}
    elif how == "sections":
        sections = {}
        for key, value in settings.items():
            sections.setdefault(key.split(".")[0], {})[key.split(".")[1]] = value
        given = {"recipe": sections, "data": log}
    else:
        lines = [
            f"[{section}]\n"
            + "".join(f"{key.split('.')[1]} = {json.dumps(value)}\n" for key, value in settings.items() if key.startswith(section))
            for section in ("data", "train", "quantize", "model")
        ]
        (tmp_path / "recipe.toml").write_text("".join(lines))
        given = {"recipe": tmp_path / "recipe.toml", "data": log}
    ran = rescomp.run(**given, output=tmp_path / "out", against="c", quiet=True)
    assert isinstance(ran, Ran)
    assert repr(ran).startswith("accuracy   float")
    assert rescomp.load(ran.model_dir).accuracy == ran.accuracy_integer
    with pytest.raises(InputError, match="--force"):
        rescomp.run(**given, output=tmp_path / "out", quiet=True)


def test_a_recipe_says_all_of_it():
    with pytest.raises(InputError, match="a Recipe says all of it"):
        rescomp.run(rescomp_recipe(), data="x.npz")


def rescomp_recipe():
    from rescomp.recipe import Recipe

    return Recipe()


def cells():
    document = json.loads(NOTEBOOK.read_text())
    assert document["nbformat"] == 4
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for cell in cells():
        assert "!" not in cell.split("\n")[0][:1]
        exec(compile(cell, str(NOTEBOOK), "exec"), names)
    assert names["ran"].verification.failures == ()
    assert names["step"].label in names["model"].classes
    for cell in cells():  # every method that the class has is shown
        assert python_inspect.cleandoc(cell)
    shown = "\n".join(cells())
    assert all(f".{method}(" in shown for method in ("predict", "stream", "evaluate", "verify", "export", "profile", "inspect"))
