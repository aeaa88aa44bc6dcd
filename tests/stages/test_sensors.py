"""What the sensor is: told by recipe or data, kept in recipe, manifest and graph, and told by headers, which verify compares."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError, UnsupportedError
from rescomp.graph.ir import Sensor
from rescomp.graph.serialize import decode, digest, encode
from rescomp.graph.verify import verify_model
from rescomp.model_directory import ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model
from rescomp.stages.features import load_readings
from rescomp.tests.stages.untrained import made

HOSTILE = '*/ <script> | "\\n'


def arrays(path, **changes):
    x = np.random.default_rng(5).normal(size=(24, 6, 3)).astype(np.float32)
    np.savez(path, **{"x": x, "y": np.arange(24) % 3, "sample_rate": np.array(50), **changes})
    return str(path)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    names = {"channels": np.array(["ax", HOSTILE, "az"]), "unit": np.array("m/s2")}
    path = made(folder / "model", arrays(folder / "own.npz", **names), "data.full_scale=[4, 8, 1e9]", "data.fraction_bits=[12, 11, 10]")
    stages.export_model(path, ["c"])
    return path


def test_it_is_kept_and_told(told, capsys):
    directory = ModelDirectory.open(told)
    model, manifest = read_model(directory), directory.manifest()
    assert model.sensor == Sensor("m/s2", ("ax", HOSTILE, "az"), 50_000, (16384, 16384, 32767))
    assert (manifest.input.unit, manifest.input.sample_rate, manifest.input.full_scale) == ("m/s2", 50.0, (4.0, 8.0, 1e9))
    assert load_recipe(told / "recipe.toml").data.sample_rate == 50
    assert main(["inspect", str(told)]) == 0
    assert ", 50 a second, up to 4, 8, 1e+09 m/s2" in capsys.readouterr().out
    assert digest(decode(*encode(model))) == digest(model)
    assert decode(*encode(model)).sensor == model.sensor


def test_the_header_tells_it_and_is_compared(told, tmp_path):
    (header,) = (told / "c").glob("*.h")
    name = header.stem.upper()
    program = f"""
#include <stdio.h>
#include "{header.name}"
static const char *const names[] = {name}_INPUT_CHANNEL_NAMES;
static const int16_t full[] = {name}_INPUT_FULL_SCALE_OF_CHANNELS;
int main(void) {{
    printf("%s\\n%ld\\n%d %d %d\\n%d %s\\n%s", {name}_INPUT_UNIT, (long){name}_INPUT_MILLIHERTZ, full[0], full[1], full[2],
           (int){name}_INPUT_FULL_SCALE_2, names[0], names[1]);
    return 0;
}}
"""
    (tmp_path / "main.c").write_text(program)
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{told / 'c'}", str(tmp_path / "main.c"), "-o", str(tmp_path / "main")]
    subprocess.run(command, check=True, timeout=60)
    said = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said == f"m/s2\n50000\n16384 16384 32767\n32767 ax\n{HOSTILE}"
    assert "*/ <script>" not in header.read_text()
    verified = stages.verify(told, "c", stress="off")
    verified.raise_failures()
    wrong = shutil.copytree(told, tmp_path / "wrong")
    changed = re.sub(r"(INPUT_MILLIHERTZ) 50000", r"\1 50001", header.read_text())
    ModelDirectory(wrong).write({f"c/{header.name}": changed.encode()})
    assert any("MILLIHERTZ" in failure for failure in stages.verify(wrong, "c", stress="off").failures)


def test_nothing_is_said_where_nobody_says_anything(tmp_path):
    path = made(tmp_path / "model", plain(tmp_path))
    assert read_model(ModelDirectory.open(path)).sensor is None
    assert "sensor" not in json.loads((path / "graph.json").read_text())


def plain(folder):
    x = np.random.default_rng(5).normal(size=(24, 6, 3)).astype(np.float32)
    np.savez(folder / "plain.npz", x=x, y=np.arange(24) % 3)
    return str(folder / "plain.npz")


WRONG = [
    (["data.sample_rate=51"], "says sample_rate = 50, and the recipe data.sample_rate = 51.0: correct one"),
    (["data.full_scale=[1, 2]"], "data.full_scale lists 2 numbers, and .* has 3 channels: give one for each, or one"),
    (["data.full_scale=0"], "data.full_scale"),
    (["data.sample_rate=0"], "data.sample_rate"),
]


@pytest.mark.parametrize(("overrides", "message"), WRONG)
def test_what_contradicts_the_data_is_refused(overrides, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load_readings(load_recipe(None, overrides, keys={"data.source": arrays(tmp_path / "own.npz")}))


SENSORS = [
    Sensor(unit="\x1b"),
    Sensor(channels=("a", "b")),
    Sensor(full_scale=(1, 2)),
    Sensor(channels=("a", "b", "c"), full_scale=(1,)),
    Sensor(full_scale=(0, 1, 1)),
    Sensor(full_scale=(32768, 1, 1)),
    Sensor(millihertz=2_000_000_001),
]


@pytest.mark.parametrize("sensor", SENSORS, ids=repr)
def test_a_graph_of_no_sensor_is_refused(sensor, told):
    model = read_model(ModelDirectory.open(told))
    assert digest(replace(model, sensor=None)) != digest(model)
    with pytest.raises(UnsupportedError):
        verify_model(replace(model, sensor=sensor))
