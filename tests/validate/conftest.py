"""Models, jobs and firmware for the tests of the serial line; an ONNX file for those of what somebody else wrote."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rescomp.errors import MissingToolError
from rescomp.export.onnx import export_onnx
from rescomp.graph.decide import with_decision
from rescomp.graph.evaluate import evaluate
from rescomp.targets.cores import CORES
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import compare, expected_count
from rescomp.validate.parity_firmware import build_parity_firmware
from rescomp.validate.serial_machines import check_machine
from rescomp.validate.serial_port import SerialPort
from rescomp.validate.witness import Job


@dataclass(frozen=True)
class Board:
    """A model and its parity firmware."""

    model: object
    directory: Path
    elf: Path
    x: np.ndarray
    lengths: np.ndarray

    def job(self, port):
        return Job(self.model, self.directory, self.x, self.lengths, port)

    def verify(self, port, witness=None):
        """The comparison of all that comes from `port`; every value must have come."""
        witness = witness or SerialPort(hello_seconds=3)
        job = self.job(port)
        (answer,) = witness.answers(job)
        comparison = compare(job, evaluate(self.model, self.x.astype(np.int64), self.lengths), answer.trajectory)
        assert comparison.compared == expected_count(job)
        return comparison


@pytest.fixture(scope="session")
def build_board(request, random_sequences, tmp_path_factory):
    """A function (core's name or "host", form of the model, options of the firmware) -> Board. Skips without the core's tools.

    behind: what becomes of the model, of something that stands before it.
    """

    def build(core="host", cell="fastgrnn", count=8, longest=9, plant=None, firmware=None, decision=None, behind=None, **form):
        found = CORES.get(core)
        try:
            check_machine(found)
        except MissingToolError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        rng, path = np.random.default_rng(17), tmp_path_factory.mktemp(core)
        model = with_decision(request.getfixturevalue(f"random_{cell}")(rng, **form), decision)
        model = model if behind is None else behind(model)
        write_export(path / "c", model)
        if plant is not None:
            plant(path / "c")
        if model.is_recurrent:
            x, lengths = random_sequences(rng, model, count=count, longest=longest)
        else:
            t = model.input.type
            x, lengths = rng.integers(t.format.low, t.format.high + 1, (count, *t.shape)), np.ones(count, np.int64)
        elf = build_parity_firmware(found, model, path / "c", path, **(firmware or {}))
        return Board(model, path, elf, x.astype(np.int16), lengths)

    return build


@pytest.fixture
def onnx_job(random_block, export_job):
    """Three samples, and model.onnx of a net without state."""
    rng = np.random.default_rng(1)
    model = random_block(rng)
    t = model.input.type
    return export_job(model, rng.integers(t.format.low, t.format.high + 1, (3, *t.shape)), exports=export_onnx)
