"""A bad line between host and device: what comes out is right, or an error with a sentence. Never a false pass, never a hang."""

import time
from collections import Counter

import pytest

from rescomp.errors import DeviceError
from rescomp.tests.validate.faulty_line import KINDS, Direction, Faults, faulty_line
from rescomp.tests.validate.lying_line import ANSWER, lying_line
from rescomp.validate.parity_device import ParityDevice
from rescomp.validate.parity_exchange import SMALLEST_BODY, LostError
from rescomp.validate.parity_protocol import Command
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import SerialPort

REPEATED_A_FAULT, SLACK = 2, 10
"""Requests that a fault may cost, and those that a machine busy with other things may add."""


@pytest.fixture(scope="module")
def board(build_board):
    return build_board(weights="ternary", count=60, longest=20)


@pytest.fixture(scope="module")
def small_board(build_board):
    """Frames as small as on a microcontroller with 2 KB of RAM."""
    return build_board(weights="int8", count=25, longest=20, firmware={"frame_bytes": 128})


def survive(board, faults):
    """Mismatches, how often each fault struck, and what happened on the line: no fault costs more than a few repetitions."""
    witness = SerialPort()
    with serial_machine(None, board.elf) as good, faulty_line(good, faults) as (port, counts):
        comparison = board.verify(port, witness)
    assert witness.report.repeated <= REPEATED_A_FAULT * counts.total() + SLACK
    return comparison.mismatches, counts, witness.report


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_one_frame_in_ten(small_board, kind, seed):
    mismatches, counts, report = survive(small_board, Faults(frames=0.1, kinds=(kind,), seed=seed))
    assert mismatches == 0
    assert counts[f"frame {kind}"] > 5
    assert report.repeated > 0 or kind == "duplicate"


@pytest.mark.parametrize("kind", KINDS)
def test_one_byte_in_five_hundred(small_board, kind):
    mismatches, counts, _ = survive(small_board, Faults(bytes=0.002, kinds=(kind,)))
    assert mismatches == 0
    assert counts[f"byte {kind}"] > 5


@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.2])
def test_every_fault_of_frames(board, fraction):
    mismatches, counts, _ = survive(board, Faults(frames=fraction, seed=2))
    assert mismatches == 0
    assert counts.total() > 0


@pytest.mark.parametrize("fraction", [0.0001, 0.001, 0.005])
def test_every_fault_of_bytes(board, fraction):
    mismatches, counts, _ = survive(board, Faults(bytes=fraction, seed=3))
    assert mismatches == 0
    assert counts.total() > 0


def test_a_sequence_that_no_longer_fits_one_frame_is_walked(board, monkeypatch):
    """A line that gets worse between two attempts at one sequence: shorter frames, not a refusal."""
    lost, run = [], ParityDevice.run

    def lose(device, inputs, count):
        if lost or count < 15:
            return run(device, inputs, count)
        lost.append(count)
        device._exchange.body_bytes = SMALLEST_BODY
        raise LostError("damaged")

    monkeypatch.setattr(ParityDevice, "run", lose)
    with serial_machine(None, board.elf) as good:
        assert board.verify(good).mismatches == 0
    assert lost


def test_a_line_that_damages_everything_is_an_error(board):
    with serial_machine(None, board.elf) as good, faulty_line(good, Faults(bytes=0.3)) as (port, _):
        job = board.job(port)
        with pytest.raises(DeviceError, match=r"damage|silent|no parity firmware"):
            list(SerialPort(hello_seconds=2).answers(job))


def lie(good, wrongs):
    """A line that changes results `wrongs` times."""
    left = [wrongs]

    def lies(command):
        left[0] -= (now := left[0] > 0 and command in {each | ANSWER for each in (Command.RUN, Command.STEP, Command.DIGEST)})
        return now

    return lying_line(good, lies)


def test_the_digest_sees_what_the_crc_of_a_frame_overlooks(board):
    with serial_machine(None, board.elf) as good, lie(good, 1) as port:
        witness = SerialPort()
        assert board.verify(port, witness).mismatches == 0
        assert witness.report.restarts == 1


def test_a_line_that_always_lies_is_an_error(board):
    with serial_machine(None, board.elf) as good, lie(good, 10**9) as port:
        job = board.job(port)
        with pytest.raises(DeviceError, match="not those that the device computed"):
            list(SerialPort().answers(job))


def test_equal_seeds_do_equal_damage():
    def damage(seed):
        direction = Direction(Faults(bytes=0.01, frames=0.1, kinds=("drop", "corrupt", "duplicate"), seed=seed), seed, Counter())
        direction.feed(bytes(range(256)) * 50)
        return direction.due(time.monotonic() + 10)

    assert damage(1) == damage(1)
    assert damage(1) != damage(2)
