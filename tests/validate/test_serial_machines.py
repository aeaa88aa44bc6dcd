"""The parity firmware on emulated microcontrollers, their UART behind TCP or a pseudo-terminal; and on bad lines."""

import numpy as np
import pytest

from rescomp.graph.evaluate import evaluate_graph
from rescomp.targets.cores import CORES
from rescomp.tests.validate.faulty_line import Faults, faulty_line
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import SerialPort

FAST = {"atmega328p": {"baud": 1000000}, "atmega2560": {"baud": 1000000}}
"""libsimavr takes the time that a byte takes on the line."""
WITH_PTY = ("cortex-m0", "cortex-m33", "riscv32imc", "atmega328p")


@pytest.fixture(scope="module")
def board(build_board):
    """A function (core) -> a board with a model like the default one: 12 channels, 16 states, ternary weights."""
    built = {}

    def build(core):
        if core not in built:
            form = {"inputs": 12, "hidden": 16, "weights": "ternary", "low_rank": True}
            built[core] = build_board(core, count=6, longest=9, firmware=FAST.get(core), **form)
        return built[core]

    return build


@pytest.mark.parametrize("core", CORES)
def test_it_agrees_over_tcp(board, core):
    board, witness = board(core), SerialPort()
    with serial_machine(CORES[core], board.elf) as port:
        assert board.verify(port, witness).mismatches == 0
        (answer,) = witness.answers(board.job(port))
        assert answer.variant == core


@pytest.mark.parametrize("core", WITH_PTY)
def test_it_agrees_over_a_pseudo_terminal(board, core):
    board = board(core)
    with serial_machine(CORES[core], board.elf, "pty") as port:
        assert port.startswith("/dev/")
        assert board.verify(port).mismatches == 0


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "riscv32imc", "atmega328p"])
def test_one_frame_in_twenty_damaged(board, core):
    board = board(core)
    with serial_machine(CORES[core], board.elf) as good, faulty_line(good, Faults(frames=0.05, seed=1)) as (port, counts):
        assert board.verify(port).mismatches == 0
        assert board.verify(port).mismatches == 0
    assert counts.total() > 0


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "riscv32imc", "atmega328p"])
def test_the_core_counts_cycles(board, core):
    board, told = board(core), []
    with serial_machine(CORES[core], board.elf) as port:
        job = board.job(port)
        list(SerialPort().answers(type(job)(job.model, job.directory, job.x, job.lengths, port, told.append)))
    assert "cycles" in told[-1].note


@pytest.mark.parametrize("core", ["cortex-m0", "atmega328p"])
def test_it_gives_every_layer(board, core):
    board, witness = board(core), SerialPort()
    graph = board.model.graphs["step"]
    rng = np.random.default_rng(0)
    inputs = {v.name: rng.integers(v.type.format.low, v.type.format.high + 1, (1, *v.type.shape)) for v in graph.inputs}
    expected = evaluate_graph(graph, inputs)
    with serial_machine(CORES[core], board.elf) as port:
        list(witness.answers(board.job(port)))
        for name, value in witness.run_graph(graph, inputs).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)
