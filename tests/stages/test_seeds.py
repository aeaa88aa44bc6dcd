"""Several seeds in one command, groups and windows through the stages, and the documents that come out."""

import json
import statistics

import numpy as np
import pytest

from rescomp import stages
from rescomp.cli import main
from rescomp.errors import InputError
from rescomp.graph.fixed_point import TERNARY_INPUT_BOUND
from rescomp.model_directory import ModelDirectory, to_json
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model, read_vectors

SMALL = ("model.hidden_size=4", "train.epochs=2", "quantize.epochs=1")
AGAINST = "onnxruntime"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, recordings):
    path = tmp_path_factory.mktemp("seeds") / "out"
    recipe = load_recipe(None, [f"data.source={recordings}", *SMALL])
    return recipe, path, stages.run_seeds(recipe, [0, 3], path, against=AGAINST)


class Recorder:
    def __init__(self):
        self.titles = []

    def stage(self, title):
        self.titles.append(title)

    def warning(self, text):
        pass

    def epoch(self, report):
        self.titles.append("epoch")

    def progress(self, progress):
        pass


def test_the_document_is_of_all_seeds(trained):
    _, path, summary = trained
    document = summary.as_json()
    assert set(document) == {"schema", "seeds", "accuracy"}
    assert [entry["model_dir"] for entry in document["seeds"]] == [str(path / "seed-0"), str(path / "seed-3")]
    for kind in ("float", "integer"):
        values = [entry["accuracy"][kind] for entry in document["seeds"]]
        assert document["accuracy"][kind] == {
            "mean": statistics.mean(values),
            "std": statistics.stdev(values),
            "median": statistics.median(values),
        }


def test_a_seed_of_several_is_the_seed_alone(trained, tmp_path):
    recipe, path, _ = trained
    alone = tmp_path / "alone"
    stages.run(load_recipe(None, [f"data.source={recipe.data.source}", *SMALL, "train.seed=3"]), alone, against=AGAINST)
    for name in ("recipe.toml", "manifest.json", "float.safetensors", "graph.json", "weights.npz", "SHA256SUMS"):
        assert (alone / name).read_bytes() == (path / "seed-3" / name).read_bytes()


def test_finished_seeds_are_not_made_again_and_unfinished_ones_go_on(trained, tmp_path):
    recipe, path, summary = trained
    before = (path / "seed-0" / "SHA256SUMS").read_bytes()
    listener = Recorder()
    again = stages.run_seeds(recipe, [0, 3], path, against=AGAINST, listener=listener)
    assert "epoch" not in listener.titles
    assert [run.seconds for run in again.summaries] == [0.0, 0.0]
    assert (again.accuracy_float, again.accuracy_integer) == (summary.accuracy_float, summary.accuracy_integer)
    (path / "seed-0" / "report.json").unlink()
    stages.run_seeds(recipe, [0], path, against=AGAINST, listener=listener)
    assert "epoch" not in listener.titles
    assert (path / "seed-0" / "SHA256SUMS").read_bytes() == before


def test_an_interrupted_seed_goes_on_from_its_checkpoint(trained, tmp_path):
    class Interrupt(Recorder):
        def epoch(self, report):
            if report.epoch == 1:
                raise KeyboardInterrupt

    recipe, path, _ = trained
    with pytest.raises(KeyboardInterrupt):
        stages.run_seeds(recipe, [3], tmp_path, against=AGAINST, listener=Interrupt())
    listener = Recorder()
    stages.run_seeds(recipe, [3], tmp_path, against=AGAINST, listener=listener)
    assert listener.titles.count("epoch") == 1 + 1
    assert (tmp_path / "seed-3" / "SHA256SUMS").read_bytes() == (path / "seed-3" / "SHA256SUMS").read_bytes()


def test_other_models_are_not_replaced_unasked(trained, finished):
    recipe, path, _ = trained
    other = load_recipe(None, [f"data.source={recipe.data.source}", *SMALL, "model.hidden_size=5"])
    with pytest.raises(InputError, match=r"seed-0 is not empty.*--force"):
        stages.run_seeds(other, [0], path)
    with pytest.raises(InputError, match="is a model directory itself"):
        stages.run_seeds(recipe, [0], finished)
    for seeds in ([], [1, 1]):
        with pytest.raises(InputError, match="different seeds"):
            stages.run_seeds(recipe, seeds, path)


def test_the_command_prints_a_table_or_a_document(trained, capsys):
    recipe, path, _ = trained
    command = ["run", "--data", recipe.data.source, "-o", str(path), "--against", AGAINST, "--seeds", "0,3"]
    command += [part for key in SMALL for part in ("--set", key)]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line][2:] == ["0", "3", "mean", "std", "median", "std:"]
    assert main([*command, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["seeds"]) == 2
    assert main([*command[:-1], "x"]) == 2


def test_one_seed_has_no_spread():
    from rescomp.stages.seeds import Spread

    assert Spread.of([0.5]) == Spread(0.5, None, 0.5)


def test_early_stopping_in_both_stages(recordings, tmp_path):
    groups = tmp_path / "groups.npz"
    np.savez(groups, **np.load(recordings), group_train=np.arange(60) % 6)
    keys = ("train.validation_fraction=0.3", "train.patience=1", "train.epochs=30", "quantize.epochs=30", "compress.0.arenas=true")
    listener = Recorder()
    stages.train_model(load_recipe(None, [f"data.source={groups}", *SMALL, *keys]), tmp_path / "m", listener=listener)
    stages.quantize(tmp_path / "m", listener=listener)
    kept = [title for title in listener.titles if title.startswith("keep the weights of epoch")]
    assert len(kept) == 2
    assert listener.titles.count("epoch") < 60
    lines = [json.loads(line) for line in (tmp_path / "m" / "metrics.jsonl").read_text().splitlines()]
    assert {"best_epoch"} < set(lines[0])
    assert lines[-1]["schedule"].startswith("lambda ")


def test_robust_normalization(recordings, tmp_path):
    """The float net and the integer one limit the same readings: every witness agrees, the torch one included."""
    keys = [f"data.source={recordings}", "model.normalization=robust", *SMALL]
    summary = stages.run(load_recipe(None, keys), tmp_path / "m", against="onnxruntime,torch")
    assert {report.mismatches for report in summary.verification.witnesses} == {0}
    directory = ModelDirectory.open(tmp_path / "m")
    model = read_model(directory)
    normalize = model.graphs["step"].nodes[0].op
    readings = read_vectors(directory, model).x.astype(np.int64).reshape(-1, model.graphs["step"].inputs[0].type.shape[0])
    (normalized,) = normalize.evaluate(readings)
    assert (normalize.output.fraction_bits, np.abs(normalized).max()) == (12, TERNARY_INPUT_BOUND)


def test_rotation_is_refused_before_anything_is_written(recordings, tmp_path):
    with pytest.raises(InputError, match="in threes"):
        stages.train_model(load_recipe(None, [f"data.source={recordings}", "train.rotation=0.1", *SMALL]), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_readings_side_by_side(recordings, tmp_path, capsys):
    short = tmp_path / "long_enough.npz"
    arrays = dict(np.load(recordings))
    np.savez(short, **{**arrays, **{f"lengths_{split}": np.maximum(arrays[f"lengths_{split}"], 4) for split in ("train", "test")}})
    keys = [f"data.source={short}", "data.unit=mg", "model.readings=3", "model.stride=2", *SMALL]
    summary = stages.run(load_recipe(None, keys), tmp_path / "m", against="onnxruntime,c,torch")
    assert summary.verification.compared > 0
    inspection = stages.inspect(tmp_path / "m")
    reading = inspection.reading
    assert inspection.layers[0].bytes <= 7 * 4  # one normalisation of four channels
    assert (reading.unit, reading.readings_a_step, reading.stride) == ("mg", 3, 2)
    assert main(["inspect", str(tmp_path / "m")]) == 0
    out = capsys.readouterr().out
    assert f"the integer 1 is {reading.scale:.11g} mg" in out
    assert "a step     3 readings side by side, the next step begins 2 readings later" in out
    assert main(["inspect", str(tmp_path / "m"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reading"]["fraction_bits"] == reading.fraction_bits


def test_a_seed_cut_off_before_its_first_checkpoint_is_made_anew(trained, tmp_path):
    recipe, path, _ = trained
    place = tmp_path / "seed-0"
    manifest = json.loads((path / "seed-0" / "manifest.json").read_text())
    del manifest["accuracy"]
    cut_off = ModelDirectory.create(place)
    kept = {name: (path / "seed-0" / name).read_bytes() for name in ("recipe.toml", "net.json", ".gitattributes")}
    cut_off.write({"manifest.json": to_json(manifest), **kept})
    stages.run_seeds(recipe, [0], tmp_path, against=AGAINST)
    assert (place / "SHA256SUMS").read_bytes() == (path / "seed-0" / "SHA256SUMS").read_bytes()
