"""Pipes, devices and folders in the place of files: one sentence, at once, and exit code 2."""

import os
import shutil

import pytest
from PIL import Image

from rescomp import stages
from rescomp.cli import main

KINDS = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "link to nothing": lambda path: path.symlink_to("/nowhere/at/all"),
}
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=KINDS)
def strange(request):
    return KINDS[request.param]


def refused(capsys, *arguments):
    """The sentence that it ends with."""
    assert main([*map(str, arguments)]) == 2
    said = capsys.readouterr().err
    assert said.count("rescomp: ") == 1
    return said.splitlines()[-1]


@pytest.fixture(scope="session")
def verified(finished, tmp_path_factory):
    path = shutil.copytree(finished, tmp_path_factory.mktemp("verified") / "model")
    stages.verify(path, "onnxruntime")
    return path


OWN_NET = """
import torch

def net(shape, classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(shape[0] * shape[1], classes))
"""
READERS = {
    "manifest.json": ["inspect"],
    "SHA256SUMS": ["inspect"],
    "graph.json": ["inspect"],
    "weights.npz": ["inspect"],
    "vectors/test.npz": ["verify", "--against", "onnxruntime"],
    "recipe.toml": ["quantize"],
    "float.safetensors": ["quantize", "--set", "quantize.epochs=0"],
    "quantized.safetensors": ["verify", "--against", "torch"],
    "model.onnx": ["verify", "--against", "onnxruntime"],
    "model_sequence.onnx": ["verify", "--against", "onnxruntime"],
    "model.tflite": ["verify", "--against", "tflite"],
    "c/rescomp/rescomp_math.h": ["verify", "--against", "c"],
    "report.json": ["check"],
}


@pytest.mark.parametrize("name", READERS)
def test_a_model_directory_with_something_strange_in_it_is_refused(name, strange, verified, tmp_path, capsys):
    path = shutil.copytree(verified, tmp_path / "model")
    (path / name).unlink()
    strange(path / name)
    command, *rest = READERS[name]
    assert str(path) in refused(capsys, command, path, *rest)


def test_a_strange_lock_or_journal_holds_nobody_up(strange, verified, tmp_path, capsys):
    path = shutil.copytree(verified, tmp_path / "model")
    strange(path / ".lock")
    code = main(["quantize", str(path), "--set", "quantize.epochs=0"])
    assert code in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
    (path / ".staging").mkdir()
    strange(path / ".staging" / "journal.json")
    assert main(["inspect", str(path)]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--recipe", "--limits", "--baseline", "--profile", "--board-file", "weights"])
def test_an_option_that_names_something_strange_is_refused(option, strange, verified, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_net_for_weights.py").write_text(OWN_NET)
    path = tmp_path / {"--board-file": "board.toml", "--recipe": "r.toml", "--limits": "l.toml"}.get(option, "x.json")
    strange(path)
    commands = {
        "--recipe": ["train", "-o", tmp_path / "out", "--recipe", path],
        "--board-file": ["boards", "--board-file", path],
        "weights": ["train", "-o", tmp_path / "out", "--set", "model.kind=own_net_for_weights:net", "--set", f"model.weights={path}"],
    }
    command = commands.get(option, ["check", verified, option, path])
    if option in ("--baseline", "--profile"):
        limits = tmp_path / "limits.toml"
        limits.write_text("[growth]\nram_bytes = 9\n" if option == "--baseline" else "[limits.cortex-m4]\nflash_bytes = 9\n")
        command += ["--limits", limits]
    assert str(path) in refused(capsys, *command)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("name", ["set.npz", "log.csv", "a.ts"])
def test_data_that_is_something_strange_is_refused(name, strange, tmp_path, capsys):
    path = tmp_path / name
    strange(path)
    source = f"{path},{path}" if name.endswith("ts") else path
    assert str(path) in refused(capsys, "train", "-o", tmp_path / "out", "--data", source)


@pytest.mark.parametrize("suffix", ["png", "csv"])
@pytest.mark.parametrize("strange", [make for name, make in KINDS.items() if name != "folder"])
def test_a_folder_of_recordings_with_something_strange_in_it_is_refused(suffix, strange, tmp_path, capsys):
    for label in ("go", "stop"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for k in range(3):
            path = tmp_path / "data" / label / f"{k}.{suffix}"
            if suffix == "png":
                Image.new("L", (8, 8)).save(path)
            else:
                path.write_text("ax,ay\n" + "1,2\n" * 20)
    odd = tmp_path / "data" / "go" / f"odd.{suffix}"
    strange(odd)
    keys = ["--model", "dscnn2d"] if suffix == "png" else ["--set", "data.window=8"]
    assert str(odd) in refused(capsys, "train", "-o", tmp_path / "out", "--data", tmp_path / "data", *keys)
