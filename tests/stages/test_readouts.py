"""model.readout through the stages: what recipe, net.json and golden vectors keep of it, and what every witness makes of it."""

import json
import sys

import numpy as np
import pytest

from rescomp import stages
from rescomp.errors import InputError
from rescomp.graph.decide import NO_DECISION
from rescomp.graph.evaluate import evaluate, scores_of_every_step
from rescomp.graph.policy import StreamWalk
from rescomp.model_directory import NET, RECIPE, ModelDirectory
from rescomp.models import Blueprint, Readout
from rescomp.recipe import load_recipe, parse_recipe
from rescomp.stages.artefacts import read_model
from rescomp.stages.budget import Budget
from rescomp.stages.fitting import fit_recipe
from rescomp.tests.stages.untrained import BARE, CSV, made, parts, write_log
from rescomp.validate.torch_net import load_quantized

OWN = """
import torch
from rescomp.models import CellShape, GruCell, Readout, RecurrentNet

def net(input_shape, classes):
    channels = 2 * input_shape[-1]
    cells = [GruCell(CellShape(channels, 5))]
    return RecurrentNet(cells, classes, torch.zeros(channels), torch.ones(channels), readout=Readout("max", 6))
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("log") / "log.csv", "abcd")


@pytest.fixture(scope="module")
def directory(log, tmp_path_factory):
    """Of `last_mean`, steps of two readings, four of them in the longest recording; with a decision and a policy."""
    keys = ("model.readout=last_mean", "decide=true", "stream.gap=2", "stream.window=6", "model.kind=lstm")
    return made(tmp_path_factory.mktemp("blocks") / "model", log, *CSV, *keys)


def kept(path):
    return parse_recipe((path / RECIPE).read_bytes(), RECIPE)


def test_golden_vectors_and_a_long_run_hold_states_of_int32(directory):
    model, vectors, _ = parts(directory)
    assert kept(directory).model.readout_steps == 4
    assert vectors.states.dtype == model.state_dtype == np.int32
    assert vectors.agrees(evaluate(model, vectors.x, vectors.lengths))
    stages.export_model(directory, ["c"])
    found = stages.verify(directory, "torch,c", stress="off", stream_steps=150)
    assert found.mismatches == 0
    assert {entry.witness for entry in found.witnesses} == {"torch", "c"}
    entries = sum(value.type.size for value in model.graphs["step"].state_inputs)
    assert (found.now.stream.steps, found.now.stream.states) == (150, 150 * entries)
    assert found.now.stream.states_at_ends < 30, "that a block has come to its last step is no saturation"


def test_a_stream_begins_a_block_with_every_state_that_begins_anew(directory):
    """After a gap, and in each of two staggered states, the scores are those of recordings from zeros."""
    model = read_model(ModelDirectory.open(directory))
    x = np.random.default_rng(1).integers(-900, 900, (1, 40, *model.input.type.shape)).astype(np.int16)
    walk, half = StreamWalk(model), model.policy.half_window
    begun = [0, 0]
    for t in range(40):
        if t == 17:
            for _ in range(model.policy.gap + 1):
                walk.gap()
            assert walk.nothing_read
            assert walk.decide(walk.scores()) == NO_DECISION
            begun = [t, t]
        walk.step(x[0, t])
        since = t - (17 if t >= 17 else 0)
        if since % half == 0:
            begun[since // half % 2] = t
        alone = evaluate(model, x[:, begun[walk.answering] : t + 1])
        assert np.array_equal(walk.scores(), alone.scores[0])


def test_every_step_carries_the_loss_and_the_last_one_answers(log, tmp_path):
    path = made(tmp_path / "model", log, *CSV, "model.readout=every")
    assert kept(path).train.loss_share == 1
    assert [value.name for value in read_model(ModelDirectory.open(path)).graphs["step"].state_inputs] == ["h"]
    with pytest.raises(InputError, match=r"puts the loss on every step, so that train\.loss_share is 1: leave it out"):
        stages.train_from(path, str(log), tmp_path / "other", overrides=["train.loss_share=0.5"])


def test_longer_recordings_are_read_block_by_block(log, tmp_path):
    model, vectors, _ = parts(made(tmp_path / "model", log, *CSV, "model.readout=mean", "model.readout_steps=3", "model.kind=fastrnn"))
    states = evaluate(model, vectors.x, vectors.lengths).states
    assert states.shape[1] == 4
    h = states[:, 3, :6]
    scores = scores_of_every_step(model, states)[:, 3]
    alone = states[:, 3:].copy()
    alone[:, 0, 6], alone[:, 0, 7:] = 1, h
    assert np.array_equal(scores, scores_of_every_step(model, alone)[:, 0])


def test_an_own_net_s_readout_is_kept_and_older_files_mean_the_last_state(log, tmp_path, monkeypatch):
    (tmp_path / "mine_blocks.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    path = made(tmp_path / "model", log, *CSV, "model.kind=mine_blocks:net", small=BARE)
    sys.modules.pop("mine_blocks", None)
    (tmp_path / "mine_blocks.py").unlink()
    assert load_quantized(ModelDirectory.open(path)).readout == Readout("max", 6)
    data = (path / NET).read_bytes()
    document = json.loads(data)
    del document["readout"]
    assert Blueprint.from_json(json.dumps(document).encode(), NET).readout == Readout()
    for wrong in ({"kind": "max", "steps": 0}, {"kind": "median", "steps": 4}, {"kind": "max", "steps": 1 << 15}, {"kind": "max"}, 3):
        with pytest.raises(InputError):
            Blueprint.from_json(json.dumps({**document, "readout": wrong}).encode(), NET)
    ModelDirectory(path).write({NET: json.dumps(document).encode()})
    reason = r"keeps h \[5\], and its graph\.json h \[5\], readout_count \[1\], readout_maximum \[5\]: quantize the model again$"
    with pytest.raises(InputError, match=reason):
        stages.verify(path, "torch", stress="off")


def test_a_budget_counts_what_a_readout_keeps(log):
    def size(readout):
        keys = [f"data.source={log}", *CSV, "compress.0.scale=power_of_two", f"model.readout={readout}", "model.nonlinearity=table"]
        return fit_recipe(load_recipe(None, keys), Budget(1 << 16, 1 << 13))

    (recipe, last), (_, mean) = size("last"), size("mean")
    hidden = recipe.model.hidden_size
    assert mean.state - last.state >= 4 * hidden + 2
