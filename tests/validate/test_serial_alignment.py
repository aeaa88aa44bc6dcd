"""What a header offers to a device that is worn, called over the serial line on a board: every state, sum, return and score is numpy's."""

from dataclasses import replace

import numpy as np
import pytest

from rescomp.errors import UnsupportedError
from rescomp.graph.alignment import direction, with_alignment
from rescomp.graph.decide import Decision
from rescomp.targets.cores import CORES
from rescomp.tests.frontend.test_worn import MODEL as OF_SAMPLES
from rescomp.tests.validate.faulty_line import Faults, faulty_line
from rescomp.validate import parity_device
from rescomp.validate.parity_exchange import ParityExchange
from rescomp.validate.parity_protocol import Command, Status
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import SerialPort

CHANNELS, AXES, UP = 7, (0, 1, 2, 6, 4, 3), direction(np.array([0.2, -0.95, 0.25]))
WORN = {"inputs": 2 * CHANNELS, "readings": 2, "behind": lambda model: with_alignment(model, CHANNELS, AXES, UP)}
SMALL = {"firmware": {"frame_bytes": 128}}


@pytest.fixture(scope="module")
def board(build_board):
    return build_board(count=4, longest=9, **WORN)


def asked(board, port):
    (answer,) = SerialPort(hello_seconds=3).run_calls(board.job(port))
    return answer


def asked_over_the_line(board, core=None):
    with serial_machine(core, board.elf) as port:
        return asked(board, port)


def test_a_board_sets_adds_up_and_calibrates_as_numpy_does(board):
    answer = asked_over_the_line(board)
    assert (answer.variant, answer.mismatches, answer.first) == ("host", 0, "")
    assert answer.compared > 1000


ONE = {"inputs": CHANNELS, "readings": 1}


@pytest.mark.parametrize(
    "form", [SMALL, {**SMALL, "hidden": 40}, {"decision": Decision(2, 0, 3)}, ONE], ids=["small", "untold", "deciding", "one"]
)
def test_frames_may_be_short_and_states_long(build_board, form):
    """Behind short frames inputs are written first, or results read behind the call; behind a step stands its decision. An input may be
    shorter than a rotation.
    """
    answer = asked_over_the_line(build_board(count=4, longest=9, **{**WORN, **form}))
    assert (answer.mismatches, answer.first) == (0, "")


@pytest.mark.parametrize("form", [{}, SMALL], ids=["long frames", "short frames"])
def test_samples_are_added_before_a_front_end(build_board, form):
    answer = asked_over_the_line(build_board(count=4, longest=4, behind=lambda _: OF_SAMPLES, **form))
    assert (answer.mismatches, answer.first) == (0, "")
    assert answer.compared > 1000


@pytest.mark.parametrize("core", ["cortex-m0", "riscv32imc", "atmega2560"])
def test_so_does_a_core(build_board, core):
    answer = asked_over_the_line(build_board(core, count=4, longest=9, **WORN), CORES[core])
    assert (answer.variant, answer.mismatches, answer.first) == (core, 0, "")


@pytest.mark.parametrize("faults", [Faults(frames=0.05, seed=2), Faults(bytes=0.002, seed=3)], ids=["frames", "bytes"])
def test_a_bad_line_changes_nothing(board, faults):
    with serial_machine(None, board.elf) as good, faulty_line(good, faults) as (port, counts):
        answer = asked(board, port)
    assert (answer.mismatches, answer.first) == (0, "")
    assert counts.total() > 5


def test_a_lost_session_goes_on_from_what_arrived(board, monkeypatch):
    """Every 40th call is lost behind the device's back, and sessions are short besides."""
    count, align = [0], parity_device.ParityDevice.align

    def lose(device, *arguments, **more):
        found = align(device, *arguments, **more)
        count[0] += 1
        if count[0] % 40 == 0:
            raise parity_device.LostError("lost")
        return found

    monkeypatch.setattr(parity_device.ParityDevice, "align", lose)
    monkeypatch.setattr(parity_device, "REQUESTS_A_SESSION", 50)
    answer = asked_over_the_line(board)
    assert (answer.mismatches, answer.first) == (0, "")
    assert count[0] > 250


FAULTS = {
    "a refused calibration returns 1": ("tiny.c", "        return 0;\n", "        return 1;\n", "what calibrate returns"),
    "the identity is not taken away": ("tiny.c", " - rescomp_identity_entry(i));", ");", "state 0 of an alignment after calibrate"),
    "sums are added twice": (
        "tiny.c",
        "        ++calibration->readings;\n",
        "        calibration->readings += 2;\n",
        "after add_calibration",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(build_board, name):
    file, right, wrong, said = FAULTS[name]

    def plant(folder):
        text = (folder / file).read_text()
        assert text.count(right) == 1
        (folder / file).write_text(text.replace(right, wrong))

    answer = asked_over_the_line(build_board(count=4, longest=9, plant=plant, **WORN))
    assert answer.mismatches > 0
    assert said in answer.first


def test_a_firmware_without_the_command_is_told(board, monkeypatch):
    """As one of an earlier version answers."""
    exchange = ParityExchange.exchange

    def answer(line, request, *rest):
        found = exchange(line, request, *rest)
        return replace(found, status=Status.UNKNOWN_COMMAND) if request.command is Command.ALIGN else found

    monkeypatch.setattr(ParityExchange, "exchange", answer)
    with serial_machine(None, board.elf) as port, pytest.raises(UnsupportedError, match="the firmware does not know align for this model"):
        asked(board, port)


def test_a_model_without_an_alignment_is_asked_nothing(build_board):
    assert not list(SerialPort().run_calls(build_board().job("/dev/none")))
