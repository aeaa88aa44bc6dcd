"""Files of a model directory that somebody else wrote, their digests in order: one sentence that names the file, exit code 2."""

import hashlib
import io
import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from rescomp.cli import main
from rescomp.graph.serialize import to_npz


def replace(directory, name, data):
    """Write a file, and the list of digests as it then must be."""
    (directory / name).write_bytes(data)
    names = [line.partition("  ")[2] for line in (directory / "SHA256SUMS").read_text().splitlines()]
    lines = [f"{hashlib.sha256((directory / each).read_bytes()).hexdigest()}  {each}\n" for each in names]
    (directory / "SHA256SUMS").write_text("".join(lines))


def refused(command, file, capsys):
    assert main(command) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert file in said
    assert said.startswith("rescomp: ")
    assert not said.startswith("rescomp: unexpected")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("accuracy", 0.5),
        ("accuracy", {"float": "0.5"}),
        ("accuracy", {"integer": 0.5}),
        ("classes", [1, 2, 3]),
        ("classes", {"a": 1}),
        ("name", "../x"),
        ("name", "x" * 41),
        ("contract", True),
        ("input", []),
        ("input.fraction_bits", 10**12),
        ("input.fraction_bits", True),
        ("input.channels", [None]),
        ("input.scale", None),
        ("data.channels", "4"),
    ],
)
def test_a_manifest(path, value, model_dir, capsys):
    manifest = json.loads((model_dir / "manifest.json").read_bytes())
    *folders, key = path.split(".")
    target = manifest
    for folder in folders:
        target = target[folder]
    target[key] = value
    replace(model_dir, "manifest.json", json.dumps(manifest).encode())
    refused(["quantize", str(model_dir), "--set", "quantize.epochs=0"], str(model_dir), capsys)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("x", lambda a: a[0]),
        ("x", lambda a: a[:0]),
        ("x", lambda a: a.astype(np.float32)),
        ("x", lambda a: a.astype("U3")),
        ("lengths", lambda a: a * 0),
        ("lengths", lambda a: a + 1000),
        ("lengths", lambda a: a[:-1]),
        ("labels", lambda a: a - 9),
        ("labels", lambda a: a[None]),
        ("scores", lambda a: a[:, :1]),
        ("states", lambda a: a[:1]),
        ("states_sha256", lambda a: a[:5]),
        ("more", lambda a: np.zeros(1)),
        ("x", None),
    ],
)
def test_vectors(name, change, model_dir, capsys):
    with np.load(model_dir / "vectors/test.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays.get(name))
    replace(model_dir, "vectors/test.npz", to_npz(arrays))
    refused(["verify", str(model_dir), "--against", "onnxruntime"], "vectors/test.npz", capsys)


def test_a_graph_whose_name_carries_code(model_dir, capsys):
    text = (model_dir / "graph.json").read_text()
    state = next(iter(json.loads(text)["graphs"][0]["state"]))
    replace(model_dir, "graph.json", text.replace(f'"{state}"', json.dumps("h */ int payload; /*")).encode())
    refused(["export", str(model_dir), "--format", "c"], "graph.json", capsys)


def test_a_net_whose_formats_mean_nothing(model_dir, capsys):
    path = model_dir / "quantized.safetensors"
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size])["__metadata__"]
    tensors = {name: np.full_like(array, 1 << 60) if array.dtype.kind == "i" else array for name, array in load(data).items()}
    replace(model_dir, path.name, save(tensors, metadata))
    code = main(["verify", str(model_dir), "--against", "torch"])
    assert code in (2, 3)
    assert "unexpected" not in capsys.readouterr().err


def other_size(data):
    document = json.loads(data)
    document["parts"][0]["shape"]["hidden_size"] += 1
    return json.dumps(document).encode()


OF_THE_FLOAT_NET = {
    "net.json of another net": ("net.json", other_size, True),
    "net.json changed": ("net.json", lambda data: data + b" ", False),
    "net.json lost": ("net.json", None, False),
    "a float net changed": ("float.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]), False),
    "a float net of another": (
        "float.safetensors",
        lambda data: save({"bias": np.zeros(3, np.float32)}, {"rescomp": '{"schema": 1}'}),
        True,
    ),
}


@pytest.mark.parametrize("case", OF_THE_FLOAT_NET)
def test_the_float_net_s_files_are_read_by_every_command_that_goes_on_with_it(case, model_dir, recordings, tmp_path, capsys):
    """Also where nothing is made anew: the model of this recipe is there, or all but its decision is."""
    file, change, sealed = OF_THE_FLOAT_NET[case]
    data = None if change is None else change((model_dir / file).read_bytes())
    if data is None:
        (model_dir / file).unlink()
    elif sealed:
        replace(model_dir, file, data)
    else:
        (model_dir / file).write_bytes(data)
    kept = {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file() and path.name != ".lock"}
    commands = (
        ["quantize", str(model_dir)],
        ["quantize", str(model_dir), "--set", "decide.hold=2"],
        ["quantize", str(model_dir), "--force"],
        ["migrate", str(model_dir)],
        ["run", "--resume", "-o", str(model_dir), "--against", "onnxruntime"],
        ["train", "--from", str(model_dir), "--data", str(recordings), "-o", str(tmp_path / "new")],
    )
    for command in commands:
        refused(command, file, capsys)
    assert {path: path.read_bytes() for path in kept} == kept


def test_a_training_goes_on_with_its_own_net_alone(recordings, tmp_path, capsys, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    path = tmp_path / "model"
    command = ["train", "--data", str(recordings), "-o", str(path), "--set", "train.epochs=1"]
    with monkeypatch.context() as patch:
        patch.setattr("rescomp.stages.training.fit", stop)
        assert main(command) == 130
    whole = (path / "net.json").read_bytes()
    replace(path, "net.json", other_size(whole))
    refused(["train", "--resume", "-o", str(path)], "net.json is not of the net in recipe.toml", capsys)
    replace(path, "net.json", whole)
    (path / "net.json").unlink()
    refused(["train", "--resume", "-o", str(path)], "lost its net.json, which its training began with: train the model again", capsys)


def test_an_image_that_unpacks_to_gigabytes(tmp_path, capsys):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install pillow")
    for label in "ab":
        (tmp_path / "images" / label).mkdir(parents=True)
        for k in range(3):
            image.new("L", (4, 4)).save(tmp_path / "images" / label / f"{k}.png")
    for size in ((3000, 3000), (20000, 20000)):
        buffer = io.BytesIO()
        image.new("1", size).save(buffer, "PNG")
        (tmp_path / "images" / "b" / "2.png").write_bytes(buffer.getvalue())
        assert len(buffer.getvalue()) < 1 << 20
        refused(["train", "--data", str(tmp_path / "images"), "--model", "dscnn2d", "-o", str(tmp_path / "m")], "2.png", capsys)


def test_too_little_memory_is_no_fault_of_rescomp(monkeypatch, capsys, tmp_path):
    def take(*arguments):
        raise MemoryError

    monkeypatch.setattr("rescomp.stages.inspect", take)
    assert main(["inspect", str(tmp_path)]) == 2
    assert "not enough memory" in capsys.readouterr().err
