"""The stages one by one: files, determinism, resuming, and what each refuses."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from rescomp import stages
from rescomp.errors import InputError, MissingToolError, ParityError
from rescomp.graph.evaluate import evaluate
from rescomp.graph.serialize import decode, digest, from_npz, to_npz
from rescomp.model_directory import CHECKPOINT, MANIFEST, SUMS, WEIGHTS, ModelDirectory
from rescomp.model_names import is_model_name, model_name_of
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.class_figures import class_figures
from rescomp.tests.stages.listeners import Interrupt, Warned
from rescomp.validate.torch_net import load_quantized

SMALL = ("model.hidden_size=8", "train.epochs=4", "quantize.epochs=3", "train.threads=1")


def contents(path):
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_finished_directory_holds_what_the_readme_says(finished):
    names = set(contents(finished))
    assert {
        *("manifest.json", "recipe.toml", "metrics.jsonl", "float.safetensors", "quantized.safetensors", "graph.json", "weights.npz"),
        *("model.onnx", "model_sequence.onnx", "model.tflite", "vectors/test.npz", "SHA256SUMS"),
        *("c/three_gestures.h", "c/three_gestures.c", "c/README.md", "c/LICENSE"),
    } <= names
    assert CHECKPOINT not in names
    listed = {line.split("  ")[1] for line in (finished / SUMS).read_text().splitlines()}
    assert listed == names - {SUMS}


def test_the_manifest_records_where_the_model_comes_from(finished, recordings):
    manifest = json.loads((finished / MANIFEST).read_text())
    assert manifest["schema"] == 1
    assert manifest["contract"] == 1
    assert (manifest["seed"], manifest["threads"]) == (0, 1)
    assert {"rescomp", "python", "numpy", "torch", "safetensors", "onnx", "flatbuffers", "tflite"} == set(manifest["versions"])
    assert len(manifest["data"]["sha256"]) == len(manifest["graph_sha256"]) == 64
    assert set(manifest["accuracy"]) == {"float", "integer"}
    vectors = read_vectors(ModelDirectory.open(finished), read_model(ModelDirectory.open(finished)))
    assert manifest["by_class"]["integer"] == class_figures(vectors.confusion, manifest["classes"]).model_dump()
    assert set(manifest["by_class"]["float"]["recall"]) == set(manifest["classes"])
    assert manifest["input"]["scale"] == 2.0 ** -manifest["input"]["fraction_bits"]
    assert manifest["formats"]["step.h_next"] == {"format": "int16 Q12, -10922..10922", "scale": 2.0**-12}


def test_the_same_command_twice_gives_the_same_bytes(finished, recordings, tmp_path):
    path = tmp_path / "again"
    stages.train_model(load_recipe(None, [f"data.source={recordings}", *SMALL]), path)
    stages.quantize(path)
    stages.export_model(path)
    first, second = contents(finished), contents(path)
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_an_interrupted_training_resumes_to_the_same_net(recordings, tmp_path, finished):
    path = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(load_recipe(None, [f"data.source={recordings}", *SMALL]), path, listener=Interrupt(2))
    assert (path / CHECKPOINT).is_file()
    with pytest.raises(InputError, match=r"float\.safetensors.*rescomp train"):
        stages.quantize(path)
    stages.train_model(None, path)
    assert (path / "float.safetensors").read_bytes() == (finished / "float.safetensors").read_bytes()
    with pytest.raises(InputError, match="is complete: go on with `rescomp quantize"):
        stages.train_model(None, path)
    with pytest.raises(InputError, match="no interrupted fine-tuning"):
        stages.quantize(path, resume=True)

    with pytest.raises(KeyboardInterrupt):
        stages.quantize(path, listener=Interrupt(2))
    with pytest.raises(InputError, match="rescomp quantize"):
        stages.export_model(path)
    with pytest.raises(InputError, match="--resume goes on with the recipe kept"):
        stages.quantize(path, resume=True, weights="int8")
    stages.quantize(path, resume=True)
    assert (path / "quantized.safetensors").read_bytes() == (finished / "quantized.safetensors").read_bytes()
    assert (path / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()


def test_verify_compares_every_value(model_dir):
    result = stages.verify(model_dir)
    model = read_model(ModelDirectory.open(model_dir))
    vectors = read_vectors(ModelDirectory.open(model_dir), model)
    expected = int(vectors.lengths.sum()) * 8 + 24 * 3
    assert {report.witness for report in result.witnesses} == {"onnxruntime", "tflite", "c", "torch"}
    golden = [report for report in result.witnesses if report.set == "test"]
    assert [(report.compared, report.mismatches) for report in golden] == [(expected, 0)] * len(golden)
    assert len(golden) >= 8
    assert json.loads((model_dir / "report.json").read_text()) == result.report.as_json()


def test_quantize_again_with_other_weights(model_dir):
    before = read_model(ModelDirectory.open(model_dir)).graphs["head"].nodes[0].op.weight.storage
    stages.quantize(model_dir, overrides=["quantize.epochs=0", 'compress=[{kind = "quantize"}]', "compress.0.scale=power_of_two"])
    model = read_model(ModelDirectory.open(model_dir))
    op = model.graphs["head"].nodes[0].op
    assert (before, op.weight.storage, op.requantization.is_power_of_two) == ("ternary", "int8", True)
    assert not (model_dir / "model.onnx").exists()
    with pytest.raises(InputError, match="rescomp export"):
        stages.verify(model_dir, "onnxruntime")
    stages.export_model(model_dir)
    assert all(report.mismatches == 0 for report in stages.verify(model_dir).witnesses)


def test_quantize_changes_only_its_sections(model_dir):
    with pytest.raises(InputError, match="train anew"):
        stages.quantize(model_dir, overrides=["train.epochs=9"])


def test_other_data_than_trained_on_is_refused(model_dir, recordings, tmp_path):
    recipe = (model_dir / "recipe.toml").read_text()
    other = tmp_path / "other.npz"
    np.savez(other, **{**np.load(recordings), "y_test": np.zeros(24, int)})
    directory = ModelDirectory.open(model_dir)
    directory.write({"recipe.toml": recipe.replace(str(recordings), str(other)).encode()})
    with pytest.raises(InputError, match="not the data that the float net was trained on"):
        stages.quantize(model_dir)


def test_a_tampered_weight_file_is_refused(model_dir):
    arrays = from_npz((model_dir / WEIGHTS).read_bytes(), "weights.npz")
    name = "step.gate_bias.bias"
    (model_dir / WEIGHTS).write_bytes(to_npz({**arrays, name: arrays[name] + 1}))
    for call in (stages.verify, stages.export_model, stages.inspect):
        with pytest.raises(InputError, match="changed after it was written"):
            call(model_dir)


def test_a_changed_model_is_noticed_even_when_resealed(model_dir):
    directory = ModelDirectory.open(model_dir)
    arrays = from_npz((model_dir / WEIGHTS).read_bytes(), "weights.npz")
    name = "step.gate_bias.bias"
    changed = {**arrays, name: (arrays[name] + 40).astype(np.int16)}
    directory.write({WEIGHTS: to_npz(changed)})
    with pytest.raises(InputError, match=r"manifest\.json is not of the model in graph\.json: graph_sha256 differs"):
        stages.verify(model_dir, "onnxruntime")
    directory.update_manifest(graph_sha256=digest(decode((model_dir / "graph.json").read_bytes(), changed)))
    with pytest.raises(ParityError, match="no longer gives"):
        stages.verify(model_dir, "onnxruntime")


@pytest.mark.parametrize("name", ["graph.json", "weights.npz", "vectors/test.npz", "model.onnx", "model.tflite"])
def test_truncated_artefacts_are_refused_even_when_resealed(model_dir, name):
    directory = ModelDirectory.open(model_dir)
    data = (model_dir / name).read_bytes()
    directory.write({name: data[: len(data) // 2]})
    with pytest.raises(InputError, match=name.split("/")[0].split(".")[0]):
        stages.verify(model_dir, "onnxruntime,tflite")


def test_a_newer_graph_is_refused(model_dir):
    directory = ModelDirectory.open(model_dir)
    directory.write({"graph.json": (model_dir / "graph.json").read_bytes().replace(b'"contract": 1', b'"contract": 2')})
    with pytest.raises(InputError, match="contract 2, this rescomp reads 1"):
        stages.verify(model_dir)


def test_unknown_names_are_met_with_the_nearest(model_dir):
    with pytest.raises(InputError, match="'tflite'"):
        stages.export_model(model_dir, ["tflit"])
    with pytest.raises(InputError, match="'onnxruntime'"):
        stages.verify(model_dir, "onnxruntim")


def test_a_witness_asked_for_and_missing_is_an_error(model_dir, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError, match="gcc"):
        stages.verify(model_dir, "c")


def test_a_mismatch_names_place_and_layer(model_dir):
    directory = ModelDirectory.open(model_dir)
    source = (model_dir / "c" / "three_gestures.c").read_text()
    assert source.count(" 2045,") == 1  # tanh(1 / 16)
    directory.write({"c/three_gestures.c": source.replace(" 2045,", " 2345,").encode()})
    result = stages.verify(model_dir, "c,onnxruntime")
    with pytest.raises(
        ParityError, match=r"differs in \d+ of \d+ values; the first is sequence \d+, step \d+, h\[\d+\]: expected"
    ) as error:
        result.raise_failures()
    said = str(error.value)
    assert "the first layer that differs there is gate (rescomp_lookup_sigmoid_int16, graph step), of " in said
    assert said.endswith("(and 8 more variants differ)")
    wrong = {report.witness for report in result.witnesses if report.mismatches}
    right = {report.witness for report in result.witnesses if not report.mismatches}
    assert (wrong, right) == ({"c"}, {"onnxruntime"})
    kept = [entry["failure"] for entry in json.loads((model_dir / "report.json").read_text())["evidence"]]
    assert sorted(failure for failure in kept if failure) == sorted(result.failures)


def test_the_quantized_net_loads_from_its_directory(finished):
    net = load_quantized(ModelDirectory.open(finished))
    assert not net.training


def test_inspect_adds_up(finished):
    result = stages.inspect(finished)
    assert sum(layer.bytes for layer in result.layers) + result.bytes["tables"] == result.bytes["model"]
    assert [layer.multiply_accumulates for layer in result.layers if layer.matrix] == [32, 64, 24]
    assert result.bytes["weights"] == 5 + 10 + 10
    assert result.state == 16


def test_evaluating_sequence_by_sequence_changes_nothing(finished):
    model = read_model(ModelDirectory.open(finished))
    vectors = read_vectors(ModelDirectory.open(finished), model)
    together = evaluate(model, vectors.x, vectors.lengths)
    for i in range(5):
        alone = evaluate(model, vectors.x[i : i + 1, : vectors.lengths[i]])
        assert np.array_equal(alone.scores[0], together.scores[i])
        assert np.array_equal(alone.states[0], together.states[i, : vectors.lengths[i]])


def test_an_unlisted_or_unsealed_file_is_not_used(model_dir):
    (model_dir / "c" / "rescomp" / "extra.c").write_text("int extra;")
    with pytest.raises(InputError, match=r"extra\.c is not listed"):
        stages.verify(model_dir, "c")
    (model_dir / SUMS).unlink()
    with pytest.raises(InputError, match=SUMS):
        stages.verify(model_dir, "tflite")


def test_force_checks_the_data_before_it_replaces_a_model(model_dir):
    before = contents(model_dir)
    for overrides in (["data.source=missing.npz"], ["model.rank_w=99"], ["compress=[]"]):
        with pytest.raises(InputError):
            stages.train_model(load_recipe(None, overrides), model_dir, force=True)
    assert contents(model_dir) == before


def test_a_failed_training_leaves_no_directory(recordings, tmp_path):
    with pytest.raises(InputError, match="rank"):
        stages.train_model(load_recipe(None, [f"data.source={recordings}", "model.rank_w=99"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_warnings(tmp_path):
    told, rng = Warned(), np.random.default_rng(0)
    y = np.arange(40) % 2
    x = np.stack([rng.normal(size=(40, 5)) * 1000, rng.normal(size=(40, 5)) * 1e-3], axis=2).astype(np.float32)
    np.savez(tmp_path / "mixed.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    asked = [f"data.source={tmp_path / 'mixed.npz'}", *SMALL, "data.fraction_bits=3"]
    stages.train_model(load_recipe(None, asked), tmp_path / "out", listener=told)
    assert len(told.warnings) == 4
    assert "channel 1" in told.warnings[0]
    assert "40 of 40 test recordings are among those for training" in told.warnings[1]
    assert "nothing says whose" in told.warnings[2]
    assert told.warnings[3].startswith("the float net never answers")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("math", "model_math"),
        ("rescomp_math", "model_rescomp_math"),
        ("9 Lives!", "model_9_lives"),
        ("Gesten", "gesten"),
        ("features", "model_features"),
        ("IO", "model_io"),
        ("class", "model_class"),
        ("\u00e9", "model"),
    ],
)
def test_models_are_named_after_their_data(name, model):
    assert model_name_of(name) == model
    assert is_model_name(model)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git: apt-get install git")
def test_a_directory_that_git_checks_out_with_other_line_ends_is_as_it_was(model_dir, tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True, timeout=60)

    shutil.copytree(model_dir, tmp_path / "here" / "kept")
    git("init", "-q", "here")
    git("-C", "here", "add", "kept")
    git("-C", "here", "commit", "-q", "-m", "a model")
    git("-c", "core.autocrlf=true", "clone", "-q", "here", "there")
    assert stages.verify(tmp_path / "there" / "kept", "c", stress="off").mismatches == 0
    (tmp_path / "here" / "kept" / ".gitattributes").unlink()
    git("-C", "here", "commit", "-q", "-a", "-m", "without")
    git("-c", "core.autocrlf=true", "clone", "-q", "here", "changed")
    with pytest.raises(InputError, match="has other line ends than it was written with"):
        stages.verify(tmp_path / "changed" / "kept", "c", stress="off")
