"""profile: what a step of an integer model costs on emulated cores, layer by layer, and what it takes of flash, RAM and stack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BudgetError, InputError, RescompError
from ..export.c import translate
from ..export.c_declarations import LayerCode
from ..export.c_limits import check_counts
from ..export.c_source import Source
from ..graph.ir import IntegerModel
from ..graph.serialize import digest
from ..graph.sound import Pcm, samples_for
from ..model_directory import ModelDirectory
from ..targets.cores import AVR, CORES, Core
from ..targets.kernel_choice import Target
from ..validate.c_program import Program, workspace, write_export
from ..validate.c_vectors import encode_vectors, stored_dtype
from ..validate.counting import Span, Tally, check_counter, count_spans
from ..validate.emulation import build_firmware
from ..validate.footprint import flash_bytes
from ..validate.witness import Job
from .artefacts import read_model, read_vectors
from .exporting import parse_targets
from .golden_vectors import Vectors
from .listener import Listener, Silent
from .sound_costs import SoundCost, core_and_clock, sound_cost

PROFILED_STEPS = 8
"""Of the first test sequence: as many are run, and the one that costs most is shown."""


@dataclass(frozen=True)
class LayerCost:
    """What a layer's kernels cost, the passing of their arguments included. kernel: joined by " + "; empty for a view, which costs nothing.

    count: instructions or cycles, see CoreProfile; the others: see Tally in validate/counting.py.
    """

    graph: str
    name: str
    kernel: str
    count: int
    loads: int
    stores: int
    branches_taken: int


@dataclass(frozen=True)
class Flash:
    """Bytes. weights: with scales and biases. code: all the rest of the exported C, and the library functions that it calls."""

    code: int
    weights: int
    tables: int

    @property
    def total(self) -> int:
        """Of the model, without anybody's startup code and main function."""
        return self.code + self.weights + self.tables


@dataclass(frozen=True)
class Ram:
    """Bytes. state: what is kept between steps; arena: values of layers; scratch: what kernels need beside them while they run."""

    state: int
    arena: int
    scratch: int


@dataclass(frozen=True)
class FunctionCost:
    """The dearest call of a generated function. count: instructions or cycles, see CoreProfile; the others: see Tally."""

    function: str
    count: int
    loads: int
    stores: int
    branches_taken: int


@dataclass(frozen=True)
class StreamCost:
    """Of a stream with a policy: how many states it steps, in the core's unit the dearest reading and the dearest lost one, bytes of RAM.

    functions: <model>_stream_step, which is a reading, <model>_gap, which is a lost one, and what gives scores and decisions of the stream.
    """

    states: int
    count: int
    lost: int
    bytes: int
    functions: tuple[FunctionCost, ...]


@dataclass(frozen=True)
class CoreProfile:
    """One core. count: of a step (a run for a net without state) the dearest of those run, in `unit`: instructions, or cycles of an AVR.

    layers: of that step, in order, then those of the head, which turns state into scores, and of a decision; neither is part of
    `count`. What the layers of a step leave of `count` copies states and returns. stack: bytes that a call of any function needs below
    its caller's stack pointer. stream: of a model with a policy of streams. sound: of one with a front-end, whose layers are the last.
    """

    core: str
    unit: str
    count: int
    loads: int
    stores: int
    branches_taken: int
    flash: Flash
    ram: Ram
    stack: int
    layers: tuple[LayerCost, ...]
    stream: StreamCost | None = None
    sound: SoundCost | None = None


@dataclass(frozen=True)
class Profile:
    """The cores in the order in which they were asked for."""

    cores: tuple[CoreProfile, ...]
    graph_sha256: str

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp profile --json`."""
        cores = [{key: value for key, value in asdict(core).items() if key not in ("stream", "sound") or value} for core in self.cores]
        return {"schema": 1, "graph_sha256": self.graph_sha256, "cores": cores}


def profile(
    path: Path,
    cores: Sequence[str],
    *,
    prefer: str = "speed",
    clock: float | None = None,
    board: str | None = None,
    board_file: Path | None = None,
    listener: Listener | None = None,
) -> Profile:
    """Run the model in directory `path` on each of `cores`, with the kernels chosen for `prefer` (speed or size), and count.

    clock: megahertz, of which a model with a front-end takes a share. board, board_file: in place of a core and its clock; see flash.
    Nothing in the directory changes. Raises InputError for an unknown core or preference or a damaged directory, BudgetError for a
    model that a core has no room for, MissingToolError when an emulator or a compiler is not installed.
    """
    listener = listener or Silent()
    cores, hertz = core_and_clock(board, board_file, clock, list(cores))
    if not cores:
        raise InputError(f"no core is named: give --core or --board, of {', '.join(CORES)}")
    targets = parse_targets(cores, prefer)
    for target in targets:
        check_counter(target.core)
    directory = ModelDirectory.open(path)
    model = read_model(directory)
    for target in targets:
        check_counts(model, target.core)
    samples = directory.manifest().samples
    if hertz is not None and samples is None:
        raise InputError(f"a share of a core is taken of samples, and {model.name} has no front-end: leave out --clock and --board")
    job = _first_steps(model, path, read_vectors(directory, model))
    profiles = []
    for target in targets:
        listener.stage(f"profile on {target.core.name}")
        profiles.append(profile_core(target, job, None if samples is None else samples.sample_rate, hertz))
    return Profile(tuple(profiles), digest(model))


def _first_steps(model: IntegerModel, path: Path, vectors: Vectors) -> Job:
    """The first steps of the first golden vector; of a model with a front-end as samples."""
    steps = np.minimum(vectors.lengths[:1], PROFILED_STEPS)
    job = Job(model, path, vectors.x[:1, :PROFILED_STEPS] if model.is_recurrent else vectors.x[:1], steps)
    if vectors.sound is None:
        return job
    count = samples_for(model, int(steps[0]) if model.is_recurrent else 1)
    return replace(job, sound=Pcm(vectors.sound.samples[:1, :count], np.array([count], np.int64)))


def profile_core(target: Target, job: Job, sample_rate: int | None = None, clock: float | None = None) -> CoreProfile:
    """What the first sequences of a job cost on one core; of the job nothing but the model and its inputs is read.

    sample_rate: of a model with a front-end. clock: hertz, where that is known.
    """
    core, source = target.core, translate(job.model, target)
    spans, kernels = _functions(source), [f"rescomp_{kernel}" for kernel in source.kernels]
    with workspace() as folder:
        write_export(folder / "c", job.model, target)
        found = count_spans(core, _build(core, job.model, folder, "main"), encode_vectors(job), list(spans), kernels)
        streamed = count_stream(core, job, folder) if job.model.policy else []
        flash = flash_bytes(core, job.model, folder / "c")
    dearest = _dearest(found, spans)
    layers = [layer for span in dearest for layer in _layer_costs(source.functions[spans[span.function]].layers, span)]
    total, heard = dearest[0].tally, {spans[span.function]: span.tally.count for span in dearest}
    sound = None
    if sample_rate is not None:
        frame, answer = heard.pop("frontend"), sum(heard.values()) + (source.streamed_states - 1) * heard.get("step", 0)
        sound = sound_cost(core, job.model, sample_rate, frame, answer, source.ram_bytes, clock)
    return CoreProfile(
        core.name,
        "cycles" if core.family is AVR else "instructions",
        *(total.count, total.loads, total.stores, total.branches_taken),
        _flash(source, flash),
        Ram(source.state_bytes, source.values_bytes, source.scratch_bytes - source.values_bytes),
        max(span.stack for span in (*found, *streamed)),
        tuple(layers),
        _stream_cost(source, streamed) if streamed else None,
        sound,
    )


def count_stream(core: Core, job: Job, folder: Path) -> list[Span]:
    """Every call of the functions of a stream, which platforms/stream.c.j2 takes through all that the policy does.

    folder: with the export in its folder c.
    """
    readings = job.x[0, : int(job.lengths[0])]
    data = np.array([len(readings)], "<u4").tobytes() + readings.astype(stored_dtype(job.model.input.type)).tobytes()
    return count_spans(core, _build(core, job.model, folder, "stream"), data, _stream_functions(job.model))


def _build(core: Core, model: IntegerModel, folder: Path, program: Program) -> Path:
    """The firmware around the export in folder/c. Raises BudgetError with the core's name."""
    place = folder / program
    place.mkdir()
    try:
        return build_firmware(core, model, folder / "c", (), place, program)
    except BudgetError as error:
        raise BudgetError(f"{core.name}: {error}") from error


def _stream_functions(model: IntegerModel) -> list[str]:
    names = ("stream_step", "gap", "stream_scores", *(("stream_decide",) if model.decides else ()))
    return [f"{model.name}_{name}" for name in names]


def _dearest(spans: Sequence[Span], names: Iterable[str]) -> list[Span]:
    """Of each function the call that counts most."""
    return [max((span for span in spans if span.function == name), key=lambda span: span.tally.count) for name in names]


def _stream_cost(source: Source, spans: Sequence[Span]) -> StreamCost:
    costs = [FunctionCost(span.function, **asdict(span.tally)) for span in _dearest(spans, _stream_functions(source.model))]
    return StreamCost(source.streamed_states, costs[0].count, costs[1].count, source.stream_bytes, tuple(costs))


def _functions(source: Source) -> dict[str, str]:
    """The generated functions that run the graphs, with the graphs' names: first the one that is counted as a step."""
    names = {
        "step": f"{source.name}_step",
        "head": f"{source.name}_scores",
        "decide": f"{source.name}_decide",
        "whole": f"{source.name}_run",
        "frontend": f"{source.name}_frontend",
    }
    return {name: graph for graph, name in names.items() if graph in source.functions}


def _layer_costs(layers: Sequence[LayerCode], span: Span) -> list[LayerCost]:
    """Each layer with the pieces of the span that are its kernels'."""
    costs = []
    pieces = list(span.pieces)
    for layer in layers:
        kernels = [call.kernel for call in layer.calls]
        own, pieces = pieces[: len(kernels)], pieces[len(kernels) :]
        if [piece.function for piece in own] != [f"rescomp_{kernel}" for kernel in kernels]:
            raise RescompError(f"{span.function} does not call the kernels of layer {layer.name} in order: a fault of rescomp, report it")
        total = _sum([piece.tally for piece in own])
        costs.append(LayerCost(layer.graph, layer.name, " + ".join(kernels), **asdict(total)))
    if pieces:
        raise RescompError(f"{span.function} calls {pieces[0].function} once more than its layers do: a fault of rescomp, report it")
    return costs


def _sum(tallies: Sequence[Tally]) -> Tally:
    return Tally(*(sum(getattr(tally, name) for tally in tallies) for name in ("count", "loads", "stores", "branches_taken")))


def _flash(source: Source, total: int) -> Flash:
    tables = sum(constant.array.nbytes for constant in source.constants if constant.kind == "tables")
    return Flash(total - source.constant_bytes, source.constant_bytes - tables, tables)
