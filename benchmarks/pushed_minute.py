"""A recording of a minute, pushed to a net behind a front-end in parts of many sizes, beside what numpy makes of it offline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from rescomp.graph.evaluate import evaluate
from rescomp.graph.fixed_point import IntArray
from rescomp.graph.ir import IntegerModel
from rescomp.graph.sound import Pcm, evaluate_frontend
from rescomp.validate.c_program import workspace, write_export
from rescomp.validate.c_vectors import PUSHED
from rescomp.validate.compare import compare
from rescomp.validate.parity_firmware import build_parity_firmware
from rescomp.validate.registry import load_witness
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.witness import Job

WHERE = ("c", "qemu:cortex-m4", "serial")
"""This machine, an emulated core, and the parity firmware at the other end of a serial line."""


def pushed(model: IntegerModel, recording: IntArray, where: str) -> tuple[int, int]:
    """(values compared, values that differ) of features, states and scores, the recording [samples, channels] once in parts of each size
    of PUSHED; over a serial line once, in parts of several sizes.
    """
    rows = 1 if where == "serial" else len(PUSHED)
    x = np.repeat(evaluate_frontend(model, recording)[None].astype(np.int16), rows, axis=0)
    sound = Pcm(np.repeat(recording[None].astype(np.int16), rows, axis=0), np.full(rows, len(recording), np.int64))
    with workspace() as folder:
        write_export(folder / "c", model)
        name, _, argument = where.partition(":")
        job = Job(model, folder, x, np.full(rows, x.shape[1], np.int64), argument, sound=sound)
        reference = evaluate(model, job.x, job.lengths)
        compared = differing = 0
        with _on_the_line(job, folder, where) as asked:
            for answer in load_witness(name).answers(asked):
                found = compare(asked, reference, answer.trajectory)
                compared, differing = compared + found.compared, differing + found.mismatches
    return compared, differing


@contextmanager
def _on_the_line(job: Job, folder: Path, where: str) -> Iterator[Job]:
    """The job, of a serial line with its port."""
    if where != "serial":
        yield job
        return
    with serial_machine(None, build_parity_firmware(None, job.model, folder / "c", folder)) as port:
        yield replace(job, argument=port)
