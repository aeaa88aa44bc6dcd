"""Nets of layers and cells through the stages: files, witnesses, streams, policies, budgets, and trainings that go on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rescomp import stages
from rescomp.errors import InputError, UnsupportedError
from rescomp.graph.evaluate import evaluate
from rescomp.graph.policy import StreamWalk
from rescomp.model_directory import FLOAT_NET, NET, QUANTIZED_NET, ModelDirectory
from rescomp.recipe import load_recipe
from rescomp.stages.artefacts import read_model
from rescomp.stages.fitting import Budget, describe, fit_recipe, predict_size
from rescomp.tests.stages.listeners import Interrupt
from rescomp.tests.stages.untrained import CSV, parts, write_log

LOG = tuple(key for key in CSV if not key.startswith("model."))
CRNN = (
    'model.stages=[{kind="convolution",width=5,kernel_size=5,stride=2},{kind="gru",hidden_size=6},{kind="convolution",width=4},'
    '{kind="lstm",hidden_size=5},{kind="dense",width=6}]'
)

TRAINED = ("train.epochs=2", "quantize.epochs=1", "decide=true", "stream.gap=2", "stream.window=6")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("log") / "log.csv", "abcd")


def recipe(log, *keys):
    return load_recipe(None, [f"data.source={log}", *LOG, CRNN, "train.threads=1", *keys])


@pytest.fixture(scope="module")
def directory(log, tmp_path_factory):
    """Trained for two epochs with carried states; with a decision and a policy."""
    path = tmp_path_factory.mktemp("crnn") / "model"
    stages.train_model(recipe(log, *TRAINED), path)
    stages.quantize(path)
    return path


def test_every_witness_runs_it_alone_in_streams_and_with_every_score(directory):
    model, vectors, reader = parts(directory)
    assert (model.input.type.shape, reader.readings_a_step, reader.stride, reader.time_steps) == ((2, 3), 2, 2, None)
    assert vectors.agrees(evaluate(model, vectors.x, vectors.lengths))
    stages.export_model(directory)
    found = stages.verify(directory, "onnxruntime,tflite,c,torch", stress="off", stream_steps=60)
    assert (found.mismatches, found.failures) == (0, ())
    assert {entry.witness for entry in found.witnesses} == {"onnxruntime", "tflite", "c", "torch"}
    assert found.now.stream.steps == 60


def test_a_stream_begins_every_state_anew(directory):
    """Rows that convolutions keep among them: after a gap and in staggered states the scores are those of a beginning."""
    model = read_model(ModelDirectory.open(directory))
    x = np.random.default_rng(1).integers(-900, 900, (1, 24, *model.input.type.shape)).astype(np.int16)
    walk, half, begun = StreamWalk(model), model.policy.half_window, [0, 0]
    for t in range(24):
        if t == 11:
            for _ in range(model.policy.gap + 1):
                walk.gap()
            begun = [t, t]
        walk.step(x[0, t])
        since = t - (11 if t >= 11 else 0)
        if since % half == 0:
            begun[since // half % 2] = t
        assert np.array_equal(walk.scores(), evaluate(model, x[:, begun[walk.answering] : t + 1]).scores[0])


def test_a_resumed_training_ends_with_the_same_bytes(log, directory, tmp_path):
    path = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        stages.train_model(recipe(log, *TRAINED), path, listener=Interrupt())
    stages.train_model(None, path)
    assert all((path / name).read_bytes() == (directory / name).read_bytes() for name in (FLOAT_NET, NET))


def test_an_interrupted_fine_tuning_towards_the_float_net_ends_with_the_same_bytes(directory, tmp_path):
    keys = ['compress=[{kind="distill"},{kind="ternary"}]', "quantize.epochs=2"]
    whole, stopped = (Path(shutil.copytree(directory, tmp_path / name)) for name in ("whole", "stopped"))
    stages.quantize(whole, overrides=keys)
    with pytest.raises(KeyboardInterrupt):
        stages.quantize(stopped, overrides=keys, listener=Interrupt())
    stages.quantize(stopped, resume=True)
    files = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert files == {path.relative_to(stopped) for path in stopped.rglob("*") if path.is_file()}
    assert not [name for name in files if (whole / name).read_bytes() != (stopped / name).read_bytes()]
    assert (whole / QUANTIZED_NET).read_bytes() != (directory / QUANTIZED_NET).read_bytes()


def test_a_board_answers_over_the_line_and_its_core_is_counted_layer_by_layer(directory, emulated):
    emulated("cortex-m0")
    stages.export_model(directory, cores=["cortex-m0"])
    found = stages.flash(directory, "qemu-cortex-m0", run_verify=True, samples=2).verification
    assert found.mismatches == 0
    (cost,) = stages.profile(directory, ["cortex-m0"]).cores
    counted = {layer.name for layer in cost.layers if layer.count}
    assert {"convolution1", "state", "h_keep", "convolution3", "dense5", "classifier"} <= counted


def test_net_json_is_that_of_every_net(log, tmp_path, directory):
    kinds = {}
    for name, keys in (("crnn", None), ("cells", ("model.kind=gru", "model.layers=3")), ("layers", ("model.kind=resnet1d",))):
        path = directory if keys is None else tmp_path / name
        if keys is not None:
            stages.train_model(load_recipe(None, [f"data.source={log}", *LOG, "train.epochs=0", *keys]), path)
        kinds[name] = [part["kind"] for part in json.loads((path / NET).read_text())["parts"]]
    assert kinds == {"crnn": ["layers", "gru", "layers", "lstm", "layers"], "cells": ["gru"] * 3, "layers": ["layers"]}


def test_a_training_goes_on_from_it(log, directory, tmp_path):
    stages.train_from(directory, str(log), tmp_path / "on", overrides=["train.epochs=1"])
    assert (tmp_path / "on" / NET).read_bytes() == (directory / NET).read_bytes()
    with pytest.raises(InputError, match="goes on with the net and the input format as they are"):
        stages.train_from(directory, str(log), tmp_path / "other", overrides=["model.stages.0.width=6"])


def test_a_budget_varies_the_cells_without_a_size(log):
    free = CRNN.replace(",hidden_size=6", "")
    chosen, size = fit_recipe(load_recipe(None, [f"data.source={log}", *LOG, free]), Budget(1536, None))
    assert chosen.model.hidden_size > 4
    assert [getattr(stage, "hidden_size", None) for stage in chosen.model.stages if stage.kind in ("gru", "lstm")] == [None, 5]
    assert describe(chosen).startswith(f"stages with 2 cells, 1 of them of hidden size {chosen.model.hidden_size}, ")
    assert describe(load_recipe(None, ["model.stages=[{kind='gru'},{kind='lstm'}]"])).startswith("stages with 2 cells of hidden size 32, ")
    assert size == predict_size(chosen, 3, 3)
    with pytest.raises(InputError, match=r"every cell of model\.stages overrides: leave hidden_size out of one"):
        fit_recipe(recipe(log), Budget(1536, None))
    with pytest.raises(InputError, match=r"for stages set the widths in model\.stages"):
        fit_recipe(load_recipe(None, [f"data.source={log}", *LOG, 'model.stages=[{kind="depthwise"}]']), Budget(1536, None))


@pytest.mark.parametrize(
    ("keys", "error", "reason"),
    [
        (
            ("train.loop=compiled", CRNN, 'compress=[{kind="quantize",bits=6,scale="power_of_two",activations="int8"}]'),
            InputError,
            "16 bits",
        ),
        (
            ('model.stages=[{kind="depthwise",stride=16},{kind="gru"}]',),
            InputError,
            r"takes 16 as one step \(its first layers\): leave it, ",
        ),
        (
            ('model.stages=[{kind="convolution",width=1024},{kind="convolution",width=1024,kernel_size=64},{kind="gru"}]',),
            InputError,
            "the matrix of convolution2 has",
        ),
        (("model.kind=lstm", "model.layers=8", "model.hidden_size=1024"), UnsupportedError, "the matrices of this net have"),
    ],
)
def test_what_cannot_be_is_refused_before_the_training(log, tmp_path, keys, error, reason):
    with pytest.raises(error, match=reason):
        stages.train_model(load_recipe(None, [f"data.source={log}", *LOG, *keys]), tmp_path / "model")
