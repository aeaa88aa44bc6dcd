"""The command line: exit codes, one-sentence errors, JSON on stdout, interruption."""

import json
import os
import re
import signal
import subprocess
import sys

import click
import numpy as np
import pytest

from rescomp.cli import command_line, main
from rescomp.cli.options import NonEmptyPath
from rescomp.errors import DeviceError, ParityError
from rescomp.text_files import escaped
from rescomp.train.checkpoint import read_tensors


def rescomp(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "rescomp", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd or "/",
        env={**os.environ, **environment},
        check=False,
        timeout=120,
    )


def recordings(path, **changes):
    rng = np.random.default_rng(3)
    arrays = {}
    for split, count in (("train", 24), ("test", 12)):
        y = np.arange(count) % 2
        arrays[f"x_{split}"] = (rng.normal(size=(count, 6, 2)) * 0.2 + np.eye(2)[y][:, None]).astype(np.float32)
        arrays[f"y_{split}"] = y
    np.savez(path, **{**arrays, **changes})
    return path


@pytest.fixture
def data(tmp_path):
    return recordings(tmp_path / "taps.npz")


QUICK = ("--set", "model.hidden_size=4", "--set", "train.epochs=2", "--set", "quantize.epochs=2", "--set", "train.threads=1")


def test_run_prints_one_json_document(data, tmp_path):
    result = rescomp("run", "--data", data, "--weights", "int8", "--json", "-o", tmp_path / "out", *QUICK)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert set(document) == {
        "schema",
        "accuracy",
        "by_class",
        "worst_confusion",
        "streamed",
        "bytes",
        "warnings",
        "witnesses",
        "seconds",
        "model_dir",
    }
    assert document["schema"] == 1
    assert set(document["bytes"]) == {"weights", "scales", "biases", "tables", "model"}
    assert sum(document["bytes"].values()) == 2 * document["bytes"]["model"]
    assert all(0 <= document["accuracy"][kind] <= 1 for kind in ("float", "integer"))
    assert all(set(document["by_class"][kind]["recall"]) == {"0", "1"} for kind in ("float", "integer"))
    assert {witness["name"] for witness in document["witnesses"]} == {"onnxruntime", "tflite", "c", "torch"}
    for witness in document["witnesses"]:
        assert set(witness) == {"name", "variant", "build", "version", "set", "sampled", "steps", "compared", "mismatches"}
        assert witness["mismatches"] == 0
        assert witness["set"] != "test" or witness["compared"] == 12 * 6 * 4 + 12 * 2
    assert document["model_dir"] == str(tmp_path / "out")
    assert (document["streamed"]["of"], document["streamed"]["steps"]) == ("in a row", 5 * 12 * 6)
    assert "epoch" in result.stderr


def test_the_stages_one_by_one(data, tmp_path):
    out = tmp_path / "out"
    for command in (
        ("train", "--data", data, "-o", out, *QUICK),
        ("quantize", out),
        ("export", out, "--format", "onnx,c"),
        ("verify", out, "--against", "onnxruntime,c"),
        ("inspect", out),
    ):
        result = rescomp(*command)
        assert result.returncode == 0, result.stderr
        assert result.stdout
    assert not (out / "model.tflite").exists()
    assert "recurrent_product" in result.stdout
    document = json.loads(rescomp("inspect", out, "--json").stdout)
    assert document["name"] == "taps"


FAILURES = [
    (("run", "--data", "{tmp}/missing.npz"), 2, "missing.npz"),
    (("run", "--data", "japanese_vowel"), 2, "japanese_vowels"),
    (("run", "--set", "train.epohs=3"), 2, "'epochs'"),
    (("run", "--set", "train.epochs=-1"), 2, "train.epochs"),
    (("run", "--recipe", "{tmp}/missing.toml"), 2, "missing.toml"),
    (("run", "--model", "gruu"), 2, "fastgrnn"),
    (("run", "--density", "3"), 2, "compress.0.density"),
    (("run", "--seeds", "0,x"), 2, "numbers separated by commas"),
    (("run", "--seeds", "0,\uff11"), 2, "numbers separated by commas"),
    (("run", "--seeds", "1_0"), 2, "numbers separated by commas"),
    (("run", "--seeds", "9" * 5000), 2, "numbers separated by commas"),
    (("run", "--fit", "const=\uff12KB"), 2, "--fit takes const=2KB"),
    (("run", "--fit", f"const={'9' * 400}KB"), 2, "--fit takes const=2KB"),
    (("train", "--rank-w", "1_0"), 2, "whole number"),
    (("train", "--rank-u", "\uff11"), 2, "whole number"),
    (("train", "--density", "0.\uff13"), 2, "number"),
    (("train", "--density", "nan"), 2, "number"),
    (("train", "--data", "caf\udce9.npz"), 2, "not UTF-8 text"),
    (("train", "--data", "none\U0001f600.npz"), 2, "cannot read none\U0001f600.npz"),
    (("run", "--weights", "int5"), 2, "ternary"),
    (("run", "-o", "/proc/rescomp"), 2, "/proc/rescomp"),
    (("run", "-o", "{tmp}"), 2, "--force"),
    (("run", "--data", "{data}", "-o", "{tmp}/x", "--set", "model.rank_w=9"), 2, "rank"),
    (("train", "--resume", "-o", "{tmp}/none"), 2, "rescomp train"),
    (("quantize", "{tmp}/none"), 2, "rescomp train"),
    (("export", "{tmp}", "--format", "onnx"), 2, "manifest.json"),
    (("verify", "{tmp}/none"), 2, "rescomp train"),
    (("inspect",), 2, "rescomp-out"),
    (("profile", "{tmp}/none", "--core", "cortex-m1"), 2, "cortex-m0"),
    (("profile", "{tmp}/none"), 2, "--core"),
    (("export", "{tmp}", "--package-version", "1"), 2, "semver.org"),
    (("check", "{tmp}/none"), 2, "rescomp train"),
    (("check", "{tmp}", "--limits", "{tmp}/missing.toml"), 2, "missing.toml"),
    (("frobnicate",), 2, "frobnicate"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), FAILURES, ids=[ascii(" ".join(failure[0]))[:60] for failure in FAILURES])
def test_mistakes_get_one_sentence_and_their_exit_code(arguments, code, text, data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([part.format(tmp=tmp_path, data=data) for part in arguments]) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(("arguments", "code", "text"), FAILURES, ids=[ascii(" ".join(failure[0]))[:60] for failure in FAILURES])
def test_with_json_a_failure_is_a_document_on_stdout(arguments, code, text, data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*(part.format(tmp=tmp_path, data=data) for part in arguments), "--json"]) == code
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert set(document) == {"schema", "error"}
    assert set(document["error"]) == {"code", "message", "hint"}
    assert (document["schema"], document["error"]["code"]) == (1, code)
    unknown = arguments[0] in ("train", "quantize", "export")  # which print no document otherwise
    assert (text if not unknown else "--json") in document["error"]["message"]
    assert escaped(document["error"]["message"]) in captured.err


ENDS = {
    KeyboardInterrupt(): (130, "interrupted", None),
    DeviceError("the board is gone: plug it in"): (6, "the board is gone: plug it in", "`rescomp doctor` lists the boards and ports"),
    MemoryError(): (2, "there is not enough memory", None),
    OSError(28, "No space left on device"): (2, "standard output: No space left on device", None),
    ZeroDivisionError("division by zero"): (1, "unexpected ZeroDivisionError: division by zero", None),
}


@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
def test_every_end_has_its_document(error, monkeypatch, capsys):
    monkeypatch.delenv("RESCOMP_DEBUG", raising=False)
    monkeypatch.setattr("rescomp.cli.process._hush_stdout", lambda code: code)
    code, message, hint = ENDS[error]

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("rescomp.stages.doctor", fail, raising=False)
    assert main(["doctor", "--json"]) == code
    found = json.loads(capsys.readouterr().out)["error"]
    assert (found["code"], found["message"][: len(message)]) == (code, message)
    assert (found["hint"] or "").startswith(hint or "")
    assert (found["hint"] is None) == (hint is None)


def test_a_result_that_was_printed_stays_the_only_document(monkeypatch, capsys):
    class Result:
        def as_json(self):
            return {"schema": 1, "passed": False}

        def raise_failures(self):
            raise ParityError("c differs")

    monkeypatch.setattr("rescomp.stages.verify", lambda *_, **__: Result(), raising=False)
    assert main(["verify", "--json"]) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"schema": 1, "passed": False}
    assert captured.err == "rescomp: c differs\n"


@pytest.mark.parametrize("where", [["{}"], ["inspect", "a", "{}"], ["run", "--{}"], ["run", "--weights", "{}"], ["run", "--seeds", "{}"]])
def test_nothing_of_the_command_line_steers_the_terminal(where, capsys):
    assert main([part.format("\x1b[2J") for part in where]) == 2
    said = capsys.readouterr().err
    assert r"\x1b[2J" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("columns", ["80", "200"])
def test_what_each_command_does_is_never_cut(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "..." not in shown.replace("[ARGS]...", "")
    for name, command in command_line.commands.items():
        assert re.search(rf"^  {name} +{re.escape(command.short_help)}$", shown, re.MULTILINE)


def test_a_directory_whose_name_is_no_text_is_printed_all_the_same(tmp_path):
    command = [sys.executable, "-m", "rescomp", "inspect", "caf\udce9"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"}, timeout=60)
    assert result.returncode == 2
    assert result.stderr.startswith(b"rescomp: caf\\udce9 is not a directory")


PATHS = [
    (command, parameter.opts[0] if parameter.opts[0].startswith("-") else "")
    for command in command_line.commands.values()
    for parameter in command.params
    if isinstance(parameter.type, click.Path) or parameter.name in ("source", "board", "port")
]


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize(("command", "option"), PATHS, ids=[f"{command.name}-{option}" for command, option in PATHS])
def test_an_empty_path_names_nothing(command, option, empty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([command.name, *filter(None, [option]), empty]) == 2
    assert "an empty path names nothing: give one, or leave it out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_option_that_takes_a_path_is_known_to_refuse_an_empty_one():
    assert {name for _, name in PATHS} == {
        *(
            "",
            "--calibrate",
            "--data",
            "--plot",
            "--recipe",
            "-o",
            "--from",
            "--limits",
            "--baseline",
            "--profile",
            "--markdown",
            "--board",
            "--board-file",
            "--port",
        )
    }
    assert {
        type(parameter.type)
        for command in command_line.commands.values()
        for parameter in command.params
        if hasattr(parameter.type, "exists")
    } == {NonEmptyPath}


def test_options_and_the_recipe_know_the_same_kinds_and_formats():
    from rescomp.cli import command_line
    from rescomp.recipe import MODEL_KINDS, WEIGHT_CONSTRAINTS

    for command in ("run", "train"):
        options = {option.name: option for option in command_line.commands[command].params}
        assert all(kind in options["kind"].help for kind in (*MODEL_KINDS, "package.module:function"))
        assert set(options["weights"].type.choices) == set(WEIGHT_CONSTRAINTS)


@pytest.mark.parametrize("command", ["run", "train"])
def test_options_stand_for_keys_of_the_recipe(command, monkeypatch, capsys):
    from rescomp import stages
    from rescomp.recipe import Quantize, Sparse

    def capture(recipe, *arguments, **keywords):
        assert (recipe.model.kind, recipe.model.rank_w, recipe.model.rank_u, recipe.model.readings) == ("lstm", 4, 5, 2)
        assert recipe.compress == (Sparse(density=0.3), Quantize(bits=4))
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, {"train": "train_model"}.get(command, command), capture, raising=False)
    options = ["--model", "lstm", "--weights", "int4", "--density", "0.3", "--rank-w", "4", "--rank-u", "5"]
    assert main([command, *options, "--set", "model.window=2"]) == 130
    assert "rescomp: model.window is called model.readings now: use that name\n" in capsys.readouterr().err


BAD_DATA = {
    "nan": ({"x_train": np.full((24, 6, 2), np.nan, np.float32)}, "not a finite number"),
    "infinite": ({"x_test": np.full((12, 6, 2), np.inf, np.float32)}, "not a finite number"),
    "dimensions": ({"x_train": np.zeros((24, 6, 2, 2), np.float32)}, "shape"),
    "channels": ({"x_test": np.zeros((12, 6, 3), np.float32)}, "channels"),
    "labels": ({"y_train": np.arange(24) - 5}, "label"),
    "empty class": ({"y_train": np.zeros(24, int), "y_test": np.zeros(12, int)}, "one class"),
    "lengths": ({"lengths_train": np.zeros(24, int), "lengths_test": np.ones(12, int)}, "length 0"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_is_refused_before_anything_is_written(case, tmp_path, capsys):
    changes, text = BAD_DATA[case]
    path = recordings(tmp_path / "bad.npz", **changes)
    assert main(["train", "--data", str(path), "-o", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.err.splitlines()[:-1] == [f"read {path} ..."]
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_truncated_file(data, tmp_path, capsys):
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    assert main(["train", "--data", str(data), "-o", str(tmp_path / "out")]) == 2
    assert "truncated" in capsys.readouterr().err


def test_one_step_sequences_and_a_constant_channel_pass(tmp_path):
    ones = {f"lengths_{split}": np.ones(count, int) for split, count in (("train", 24), ("test", 12))}
    rng = np.random.default_rng(0)
    x = {f"x_{split}": rng.integers(-900, 900, (count, 3, 2)) for split, count in (("train", 24), ("test", 12))}
    for array in x.values():
        array[..., 1] = 7
    path = recordings(tmp_path / "counts.npz", **ones, **x)
    assert main(["run", "--data", str(path), "-o", str(tmp_path / "out"), "--against", "onnxruntime,c,torch", *QUICK]) == 0


def test_missing_compiler_is_exit_7(data, tmp_path):
    out = tmp_path / "out"
    assert main(["run", "--data", str(data), "-o", str(out), "--against", "onnxruntime", *QUICK]) == 0
    result = rescomp("verify", out, "--against", "c", PATH="")
    assert result.returncode == 7
    assert "gcc" in result.stderr


def test_a_mismatch_is_exit_3(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["run", "--data", str(data), "-o", str(out), "--against", "onnxruntime", *QUICK]) == 0
    model = (out / "graph.json").read_text()
    from rescomp.model_directory import ModelDirectory

    ModelDirectory(out).write({"graph.json": model.replace('"zeta": ', '"zeta": 1').encode()})
    code = main(["verify", str(out), "--against", "onnxruntime"])
    assert code in (2, 3)
    assert "Traceback" not in capsys.readouterr().err


LONGEST = 300
"""Seconds, for a machine that does other things too."""


def ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@pytest.mark.parametrize("left", [None, ignored, blocked])
def test_ctrl_c_keeps_the_last_checkpoint(data, tmp_path, left):
    """Also when a shell's `&`, nohup or a runner has left the signal ignored or blocked. It comes as the second epoch is kept."""
    out = tmp_path / "out"
    program = """
import os, signal, sys
from rescomp.cli import main
from rescomp.store import Disk, injected
class Pressing(Disk):
    kept = 0
    def rename(self, source, target):
        super().rename(source, target)
        self.kept += target.name == "checkpoint.safetensors"
        if self.kept == 3:  # the first is of the start
            os.kill(os.getpid(), signal.SIGINT)
with injected(Pressing()):
    sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", program, "train", "--data", str(data), "-o", str(out), "--set", "train.epochs=3"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd="/", preexec_fn=left, timeout=LONGEST, check=False)
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert f"what is done is kept; go on with: rescomp train --resume -o {out}" in ended.stderr
    assert read_tensors(out / "checkpoint.safetensors")[1]["epoch"] == 2
    assert not (out / "float.safetensors").exists()


def test_how_a_child_ended_is_seen_where_the_caller_ignores_its_children():
    code = (
        "import subprocess, sys; from rescomp.cli import main; main(['--version'])\n"
        "sys.exit(0 if subprocess.run([sys.executable, '-c', 'import sys; sys.exit(3)'], timeout=60).returncode == 3 else 1)"
    )
    ignore = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # noqa: E731
    assert subprocess.Popen([sys.executable, "-c", code], preexec_fn=ignore, stdout=subprocess.DEVNULL, cwd="/").wait(60) == 0
