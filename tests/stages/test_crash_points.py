"""Whatever command dies at whatever operation on files: what the messages name goes on, and the end is that of an undisturbed run."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rescomp import stages
from rescomp.benchmarks import crash_commands, crash_points, crash_sweep
from rescomp.benchmarks.crash_commands import call, counting_epochs, named
from rescomp.benchmarks.dying_disk import MODES, Dead, DyingDisk, contents
from rescomp.errors import InputError
from rescomp.model_directory import CHECKPOINT, RECIPE, ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.store import Disk, injected
from rescomp.tests.stages.listeners import Interrupt

SEED, SECONDS = 14, 120
SMALL = ("model.hidden_size=8", "train.epochs=4", "quantize.epochs=3", "train.threads=1")
NAMES = [scenario.name for scenario in crash_commands.scenarios(Path("data.npz"), Path("files"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("crashes")
    crash_commands.make_data(path / "data.npz")
    with crash_commands.stand_in_tool(path):
        yield path


def find_scenario(folder, name):
    (scenario,) = (each for each in crash_commands.scenarios(folder / "data.npz", folder / "files") if each.name == name)
    return scenario


@pytest.mark.parametrize("name", NAMES)
def test_a_death_is_survived(folder, name, emulated):
    """Two operations of each command, drawn; benchmarks/crash_points.py takes all of them."""
    scenario, rng = find_scenario(folder, name), random.Random(f"{SEED} {name}")
    if scenario.core:
        emulated(scenario.core)
    trials = list(crash_sweep.sweep(scenario, folder / "files", lambda count: rng.sample(range(1, count + 1), 2), crash_sweep.ALL_MODES))
    assert len(trials) >= 2 * (len(MODES) - 1)
    assert [trial for trial in trials if trial.failure is not None] == []


@pytest.mark.parametrize("mode", MODES)
def test_a_photographed_death_leaves_what_a_death_leaves(folder, mode):
    """The sweep takes every death from one run; here a run dies for each."""
    each = crash_sweep.Sweep.of(find_scenario(folder, "quantize again, other weights"), folder / "files")
    for death in each.deaths({number: [mode] for number in range(1, each.count, 9)}):
        each._lay(each.reference.start)
        with injected(DyingDisk(each.root, death.number, mode)), counting_epochs() as epochs, contextlib.suppress(Dead):
            call(each.scenario.command)
        assert contents(each.root).keys() == death.files.keys()
        assert {name for name, data in contents(each.root).items() if data != death.files[name]} <= {"model/.lock"}
        assert epochs == death.epochs


def test_a_sweep_that_was_stopped_goes_on(folder, tmp_path):
    scenario, log = find_scenario(folder, "check --markdown"), crash_points.Log(tmp_path / "log")
    points = lambda count: range(1, count + 1)  # noqa: E731
    for trial, _ in zip(crash_sweep.sweep(scenario, folder / "files", points, ["kill"]), range(3), strict=False):
        log.add(trial)
    again = crash_points.Log(tmp_path / "log")
    assert again.trials == log.trials
    rest = list(crash_sweep.sweep(scenario, folder / "files", points, ["kill"], again.known(scenario.name)))
    assert [trial.number for trial in rest] == list(range(4, rest[0].moments + 1))
    assert "| `check --markdown` | 5 | 5 |" in crash_points.page([*log.trials, *rest])
    (tmp_path / "log").write_text('{"sources": "others"}\n')
    with pytest.raises(SystemExit, match="is of other sources"):
        crash_points.Log(tmp_path / "log")


@pytest.mark.parametrize("operation", [150])
def test_a_process_that_is_killed(folder, tmp_path, operation):
    """The same with SIGKILL, in a process of its own."""
    path, data = tmp_path / "model", str(folder / "data.npz")
    sets = [part for key in crash_commands.SMALL for part in ("--set", key)]
    command = ["run", "--data", data, *sets, "-o", str(path), "--against", "onnxruntime"]
    program = f"""
import os, signal, sys
from pathlib import Path
from rescomp.benchmarks.dying_disk import DyingDisk
from rescomp.cli import main
from rescomp.store import injected
class Killing(DyingDisk):
    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)
with injected(Killing(Path({str(path)!r}), {operation})):
    main(sys.argv[1:])
"""
    killed = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, timeout=SECONDS, cwd="/", check=False)
    assert killed.returncode == -signal.SIGKILL
    again = call(command)
    assert again.code == 2
    following = named(again.said)
    assert following == ["run", "--resume", "-o", str(path), "--against", "onnxruntime"]
    assert call(following).code == 0
    whole = tmp_path / "whole"
    assert call([*command[:-4], "-o", str(whole), "--against", "onnxruntime"]).code == 0
    assert contents(path) == contents(whole)


def test_the_old_model_stays_whole_until_the_new_one_is(model_dir):
    stages.export_model(model_dir)
    before = contents(model_dir)
    with pytest.raises(KeyboardInterrupt) as caught:
        stages.quantize(model_dir, weights="int8", listener=Interrupt(2))
    assert caught.value.__notes__ == [f"what is done is kept; go on with: rescomp quantize --resume {model_dir}"]
    after = contents(model_dir)
    assert after.pop(CHECKPOINT)
    assert after == before
    assert stages.verify(model_dir, "onnxruntime").compared > 0
    with pytest.raises(
        InputError, match=rf"with another recipe: go on with `rescomp quantize --resume {model_dir}`, or give it up with --force"
    ):
        stages.quantize(model_dir)
    with counting_epochs() as epochs:
        stages.quantize(model_dir, weights="int8")
    assert epochs == {"quantize": [3]}
    assert b'kind = "quantize"' in (model_dir / RECIPE).read_bytes()
    assert CHECKPOINT not in contents(model_dir)


def test_an_interrupted_fine_tuning_is_given_up_only_with_force(model_dir):
    before = contents(model_dir)
    with pytest.raises(KeyboardInterrupt):
        stages.quantize(model_dir, weights="int8", listener=Interrupt(1))
    with counting_epochs() as epochs:
        stages.quantize(model_dir, force=True)
    assert epochs == {"quantize": [1, 2, 3]}
    assert (model_dir / "weights.npz").read_bytes() == before["weights.npz"]


def test_a_model_that_this_recipe_made_is_not_made_again(model_dir):
    stages.export_model(model_dir)
    before = contents(model_dir)
    with counting_epochs() as epochs:
        accuracy = stages.quantize(model_dir)
    assert epochs == {}
    assert contents(model_dir) == before
    assert accuracy == ModelDirectory.open(model_dir).manifest().accuracy.integer
    (model_dir / "graph.json").write_bytes(b"{}")
    with counting_epochs() as epochs:
        stages.quantize(model_dir)
    assert len(epochs["quantize"]) == 3
    assert (model_dir / "graph.json").read_bytes() == before["graph.json"]


def test_a_fine_tuning_without_epochs_leaves_no_metrics_of_the_one_before(model_dir):
    stages.quantize(model_dir, overrides=["quantize.epochs=0"])
    assert b'"quantize"' not in (model_dir / "metrics.jsonl").read_bytes()


def test_a_run_is_gone_on_with_wherever_it_stopped(folder, tmp_path, capsys):
    path = tmp_path / "model"
    recipe = load_recipe(None, [f"data.source={folder / 'data.npz'}", *SMALL])
    for listener, epochs_left in ((Interrupt(2), ["train", "quantize"]), (None, [])):
        if listener:
            with pytest.raises(KeyboardInterrupt) as caught:
                stages.run(recipe, path, against="onnxruntime", listener=listener)
            assert caught.value.__notes__ == [f"what is done is kept; go on with: rescomp run --resume -o {path} --against onnxruntime"]
        with counting_epochs() as epochs:
            summary = stages.resume_run(path, against="onnxruntime")
        assert list(epochs) == epochs_left
        assert summary.verification.compared > 0
    for option in (["--force"], ["--seeds", "1"], ["--fit", "const=2KB"], ["--set", "train.epochs=1"], ["--density", "0"]):
        outcome = call(["run", "--resume", "-o", str(path), *option])
        assert outcome.code == 2
        assert "give it no option but" in outcome.said


def test_a_training_goes_on_only_with_its_own_data(folder, tmp_path):
    path, data = tmp_path / "model", tmp_path / "data.npz"
    data.write_bytes((folder / "data.npz").read_bytes())
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(load_recipe(None, [f"data.source={data}", *SMALL]), path, listener=Interrupt(1))
    arrays = dict(np.load(data))
    np.savez(data, **{**arrays, "x_train": arrays["x_train"] + 1})
    with pytest.raises(InputError, match="is not the data that the float net was trained on"):
        stages.train_model(None, path)


def test_every_file_is_changed_through_the_disk(folder, tmp_path):
    """What a death cannot be planted at is found by the interpreter's own audit."""
    inside, seen = [False], []

    class Counted(Disk):
        pass

    for name in ("write", "sync", "rename", "unlink", "mkdir", "rmdir"):
        setattr(Counted, name, _flagged(inside, getattr(Disk, name)))

    def audit(event, arguments):
        if inside[0] is None or inside[0] or not arguments or not str(arguments[0]).startswith(str(tmp_path)):
            return
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"):
            seen.append((event, arguments[0]))

    sys.addaudithook(audit)
    sets = [part for key in SMALL for part in ("--set", key)]
    try:
        with injected(Counted()):
            for options in ([], ["--force"]):
                outcome = call(
                    ["run", "--data", str(folder / "data.npz"), *sets, "-o", str(tmp_path / "m"), "--against", "onnxruntime", *options]
                )
                assert outcome.code == 0
            assert call(["quantize", str(tmp_path / "m"), "--weights", "int8"]).code == 0
            assert call(["check", str(tmp_path / "m"), "--markdown", str(tmp_path / "summary.md")]).code == 2
    finally:
        inside[0] = None
    assert seen == []


def _flagged(inside, method):
    def call(self, *arguments, **keywords):
        inside[0] = True
        try:
            return method(self, *arguments, **keywords)
        finally:
            inside[0] = False

    return call


@pytest.mark.parametrize("name", [f".{CHECKPOINT}.partial", CHECKPOINT, ".metrics.jsonl.partial", "metrics.jsonl"])
def test_a_training_writes_through_no_link(folder, tmp_path, name):
    path, outside = tmp_path / "model", tmp_path / "outside"
    outside.write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(load_recipe(None, [f"data.source={folder / 'data.npz'}", *SMALL]), path, listener=Interrupt(1))
    kept = (path / CHECKPOINT).read_bytes()
    (path / name).unlink(missing_ok=True)
    (path / name).symlink_to(outside)
    with contextlib.suppress(InputError):
        stages.train_model(None, path)
    assert outside.read_text() == "mine"
    assert kept


def test_exports_are_not_written_into_a_linked_folder(model_dir, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    directory = ModelDirectory.open(model_dir)
    directory.remove("c")
    (model_dir / "c").symlink_to(outside)
    with pytest.raises(InputError, match="c is a link, and rescomp writes into folders of its own alone: move it away"):
        stages.export_model(model_dir)
    assert list(outside.iterdir()) == []


def test_dying_in_a_dead_process_changes_nothing(tmp_path):
    disk = DyingDisk(tmp_path, 1)
    for _ in range(2):
        with pytest.raises(Dead):
            disk.write(tmp_path / "file", b"data")
    assert list(tmp_path.iterdir()) == []
