"""The parity firmware on every emulated core and on bad lines: what was compared, what differed, how long it took. Writes docs/faults.md.

    rescomp run -o DIRECTORY
    python benchmarks/serial_faults.py --model DIRECTORY

The lines are TCP connections; a bad one is tests/validate/faulty_line.py between host and device. Needs pyserial and the emulators.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rescomp.errors import DeviceError
from rescomp.graph.evaluate import Trajectory, evaluate
from rescomp.graph.ir import IntegerModel
from rescomp.model_directory import ModelDirectory, write_atomically
from rescomp.stages.artefacts import read_model, read_vectors
from rescomp.stages.golden_vectors import Vectors
from rescomp.targets.cores import CORES
from rescomp.tests.validate.faulty_line import KINDS, Faults, faulty_line
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import compare
from rescomp.validate.parity_firmware import HOST, build_parity_firmware
from rescomp.validate.serial_machines import serial_machine
from rescomp.validate.serial_port import SerialPort
from rescomp.validate.witness import Job

OUTPUT = Path(__file__).parent.parent / "docs" / "faults.md"
BAUD: Mapping[str, int] = {"atmega328p": 1_000_000, "atmega2560": 1_000_000}
"""libsimavr takes the time that a byte takes on the line."""
FAULTS: Sequence[tuple[str, Faults]] = (
    ("none", Faults()),
    *((f"5 % of frames: {kind}", Faults(frames=0.05, kinds=(kind,))) for kind in KINDS),
    *((f"{fraction * 100:g} % of frames", Faults(frames=fraction)) for fraction in (0.01, 0.05, 0.1, 0.2)),
    *((f"0.1 % of bytes: {kind}", Faults(bytes=0.001, kinds=(kind,))) for kind in KINDS),
    *((f"{fraction * 100:g} % of bytes", Faults(bytes=fraction)) for fraction in (0.0001, 0.0005, 0.001, 0.002, 0.005)),
    ("0.1 % of bytes and 5 % of frames", Faults(bytes=0.001, frames=0.05)),
    ("5 % of bytes", Faults(bytes=0.05)),
)
HEADER = (
    "| {} | sequences | struck | repeated | begun again | KB | seconds | values compared | differ |\n|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--cores", default=",".join(CORES))
    parser.add_argument("--sequences", type=int, default=370)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    directory = ModelDirectory.open(options.model)
    model = read_model(directory)
    vectors = read_vectors(directory, model)
    count = min(options.sequences, len(vectors.x))
    with tempfile.TemporaryDirectory() as folder:
        write_export(Path(folder) / "c", model)
        run = Bench(model, vectors, count, Path(folder))
        cores = [name for name in options.cores.split(",") if name]
        lines = [TITLE.format(name=directory.manifest().data.name, model=model.input.type.size), HEADER.format("fault on the line")]
        lines += [run.row(name, HOST, faults) for name, faults in FAULTS]
        lines += [MACHINES, HEADER.format("machine")]
        for core in cores:
            lines += [run.row(core, core, Faults()), run.row(f"{core}, 5 % of frames", core, Faults(frames=0.05))]
        lines += [END.format(machine=platform.machine(), python=platform.python_version())]
    write_atomically(options.output, "\n".join(lines).encode())
    print(f"wrote {options.output}")


class Bench:
    """Firmware and test vectors of one model."""

    def __init__(self, model: IntegerModel, vectors: Vectors, count: int, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.x, self.lengths = vectors.x[:count], vectors.lengths[:count]
        self.reference: Trajectory = evaluate(model, self.x.astype(np.int64), self.lengths)

    def row(self, title: str, core: str, faults: Faults) -> str:
        """A line of the table."""
        witness, start = SerialPort(), time.monotonic()
        with self.line(core, faults) as (port, counts):
            job = Job(self.model, self.folder, self.x, self.lengths, port)
            begin = time.monotonic()
            try:
                (answer,) = witness.answers(job)
            except DeviceError as error:
                said = str(error).replace(port, "PORT")
                print(title, said, flush=True)
                return f"| {title} | | {counts.total()} | | | | {time.monotonic() - start:.0f} | error: {said} | |"
            seconds = time.monotonic() - begin
        found, report = compare(job, self.reference, answer.trajectory), witness.report
        size = report.bytes / 1000
        numbers = (len(self.x), counts.total(), report.repeated, report.restarts, f"{size:,.0f}", f"{seconds:.1f}")
        line = f"| {title} | {' | '.join(map(str, numbers))} | {found.compared:,} | {found.mismatches} |"
        print(line, flush=True)
        return line

    @contextmanager
    def line(self, core: str, faults: Faults) -> Iterator[tuple[str, object]]:
        """The port of the machine behind a line with these faults, and their count."""
        folder = self.folder / core
        folder.mkdir(exist_ok=True)
        baud = {"baud": BAUD[core]} if core in BAUD else {}
        elf = build_parity_firmware(CORES.get(core), self.model, self.folder / "c", folder, **baud)
        with serial_machine(CORES.get(core), elf) as good, faulty_line(good, faults) as bad:
            yield bad


TITLE = """# A bad line

The parity protocol ([protocol.md](protocol.md)) over a line that drops, corrupts, duplicates and delays bytes and whole frames, in both
directions. The model is FastGRNN with ternary weights on {name}'s test set; every state after every step and every score is compared
with numpy. A result is right or there is an error: no row shows a difference.

*struck*: bytes and frames to which something happened; *repeated*: requests that were sent again; *begun again*: sequences that
were replayed in a new session; *KB*: bytes both ways.

The device is a program of this machine:
"""
MACHINES = """
The same firmware on emulated cores, their UART behind a TCP port, on a good line and on one that damages a frame in twenty. QEMU
hands a UART byte after byte; libsimavr computes every cycle, at 1,000,000 baud.
"""
END = """
5 % of bytes is beyond what the protocol is for: nearly every frame is damaged, whatever its length.

A good line in these tables has the program for faults in between, too. The seconds are of a machine with other work to do ({machine},
Python {python}).

Made by `python benchmarks/serial_faults.py --model DIRECTORY`.
"""


if __name__ == "__main__":
    main()
