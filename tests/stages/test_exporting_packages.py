"""export --format arduino and its like: what is written into the model directory, and what goes away again."""

import json
import re

import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.export.packages import ECOSYSTEMS, About
from rescomp.model_directory import REPORT, SUMS, ModelDirectory
from rescomp.stages.artefacts import read_model, read_vectors


def test_every_format_writes_its_folder_and_seals_it(model_dir):
    for format in ECOSYSTEMS:
        written = stages.export_model(model_dir, [format], about=About("2.0.1"))
        assert {name.split("/")[0] for name in written} == {f"package-{format}"}
        assert len({name.split("/")[1] for name in written}) == 1
        listed = {line.split("  ")[1] for line in (model_dir / SUMS).read_text().splitlines()}
        assert set(written) <= listed
        assert all((model_dir / name).is_file() for name in written)
    assert json.loads((model_dir / "package-platformio/three-gestures/library.json").read_text())["version"] == "2.0.1"


def test_the_recording_is_a_golden_vector(model_dir):
    stages.export_model(model_dir, ["zephyr"])
    text = (model_dir / "package-zephyr/three_gestures/samples/self_test/src/test_vector.c").read_text()
    directory = ModelDirectory.open(model_dir)
    vectors = read_vectors(directory, read_model(directory))
    blocks = [[int(number) for number in block.split(",") if number.strip()] for block in re.findall(r"= \{\n([^{}]*)\};", text)]
    found, scores = blocks
    steps = len(found) // vectors.x.shape[2]
    matches = [i for i in range(len(vectors.x)) if vectors.lengths[i] == steps and vectors.x[i, :steps].reshape(-1).tolist() == found]
    assert [vectors.scores[i].tolist() for i in matches] == [scores]


def test_a_new_package_replaces_the_old_one_and_leaves_the_report(model_dir):
    stages.verify(model_dir, "c")
    stages.export_model(model_dir, ["arduino"])
    stale = model_dir / "package-arduino/ThreeGestures/src/stale.c"
    stale.write_text("")
    stages.export_model(model_dir, ["arduino"])
    assert not stale.exists()
    assert (model_dir / REPORT).is_file()
    stages.quantize(model_dir, force=True)
    assert not (model_dir / "package-arduino").exists()


def test_the_command_line(model_dir, capsys):
    options = ["--package-version", "3.1.4", "--package-author", "Ada <ada@example.org>", "--package-url", "https://example.org"]
    assert main(["export", str(model_dir), "--format", "arduino,esp-idf", *options]) == 0
    assert str(model_dir / "package-esp-idf/three_gestures/idf_component.yml") in capsys.readouterr().out
    fields = (model_dir / "package-arduino/ThreeGestures/library.properties").read_text().splitlines()
    assert {"version=3.1.4", "author=Ada <ada@example.org>", "url=https://example.org"} <= set(fields)
    assert main(["export", str(model_dir), "--format", "arduino", "--package-version", "3"]) == 2
    assert "semver.org" in capsys.readouterr().err


def test_an_unknown_format_names_the_nearest(model_dir):
    with pytest.raises(InputError, match="'platformio'"):
        stages.export_model(model_dir, ["platform-io"])
