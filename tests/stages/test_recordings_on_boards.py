"""The default model on every emulated board: on one of each family all 370 recordings over the serial line, also damaged. In CI only.

docs/faults.md has all recordings on all boards.
"""

import os

import pytest

from rescomp import stages
from rescomp.boards import board_names, load_board
from rescomp.recipe import load_recipe
from rescomp.targets.cores import CORES
from rescomp.tests.validate.faulty_line import Faults, faulty_line

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true", reason="takes minutes: runs where CI=true")
BOARDS = [name for name in board_names() if load_board(name).is_emulated]
FAMILIES = ["qemu-cortex-m0", "qemu-riscv32imc", "simavr-atmega328p"]
COMPARED = 5687 * 32 + 370 * 9
"""Steps times states, and recordings times scores."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The default recipe, trained shortly, with C for every core's own kernels."""
    path = tmp_path_factory.mktemp("boards") / "model"
    stages.train_model(load_recipe(None, ["train.epochs=2", "quantize.epochs=2"]), path)
    stages.quantize(path)
    stages.export_model(path, ["c"], cores=list(CORES))
    return path


def compared(model, board, samples=None):
    """Sequences and values compared of the test set, all of which agree."""
    result = stages.flash(model, board, run_verify=True, samples=samples).verification
    assert (result.mismatches, result.failures) == (0, ())
    return [(entry.sampled, entry.compared) for entry in result.witnesses if entry.set == "test"]


@pytest.mark.parametrize("board", FAMILIES)
def test_every_recording_agrees(model, board):
    assert compared(model, board) == [(None, COMPARED)]


@pytest.mark.parametrize("board", sorted({*BOARDS} - {*FAMILIES}))
def test_fifty_recordings_agree_on_every_other_board(model, board):
    ((sampled, count),) = compared(model, board, samples=50)
    assert sampled == 50
    assert count > 50 * (7 * 32 + 9)


@pytest.mark.parametrize("board", FAMILIES)
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
