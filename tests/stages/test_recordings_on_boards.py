"""The default model on every emulated board, all 370 recordings over the serial line, also with one frame in twenty damaged. In CI only."""

import os

import pytest

from rescomp import stages
from rescomp.boards import board_names, load_board
from rescomp.export.cores import CORES
from rescomp.recipe import load_recipe
from rescomp.tests.validate.faulty_line import Faults, faulty_line

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true", reason="takes minutes: runs where CI=true")
BOARDS = [name for name in board_names() if load_board(name).is_emulated]
COMPARED = 5687 * 32 + 370 * 9
"""Steps times states, and recordings times scores."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The default recipe, trained shortly, with C for every core's own kernels."""
    path = tmp_path_factory.mktemp("boards") / "model"
    stages.train(load_recipe(None, ["train.epochs=2", "quantize.epochs=2"]), path)
    stages.quantize(path)
    stages.export(path, ["c"], cores=list(CORES))
    return path


@pytest.mark.parametrize("board", BOARDS)
def test_every_recording_agrees(model, board):
    result = stages.flash(model, board, run_verify=True).verification
    assert (result.mismatches, result.failures) == (0, ())
    assert [entry.compared for entry in result.witnesses if entry.set == "test"] == [COMPARED]


@pytest.mark.parametrize("board", ["qemu-cortex-m0", "qemu-riscv32imc", "simavr-atmega328p"])
def test_it_agrees_on_a_damaged_line(model, board):
    seen = []

    def verify(flashed):
        with faulty_line(flashed.port, Faults(frames=0.05, seed=2)) as (port, counts):
            seen.append((stages.verify(model, f"serial:{port}", stress="off", samples=100), counts.total()))

    stages.flash(model, board, ready=verify)
    ((result, struck),) = seen
    assert result.mismatches == 0
    assert result.compared > 100 * 9
    assert struck > 5
