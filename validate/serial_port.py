"""A board, or an emulated one, that runs the parity firmware at the other end of a serial line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np

from ..errors import DeviceError, UnsupportedError, counted
from ..export.c import translate
from ..export.c_declarations import Tap
from ..export.c_source import Source
from ..graph.alignment import align_of
from ..graph.fixed_point import IntArray
from ..graph.ir import Graph, IntegerModel
from ..graph.serialize import digest
from ..model_directory import ModelDirectory
from ..targets.cores import CORES
from ..targets.kernel_choice import Target, graph_on
from .alignment_calls import AlignmentCalls
from .c_kernels import layer_functions, tapped_values
from .c_uses import USED_STEPS, compare_parts
from .c_vectors import nbytes, stepped_values, stored_dtype
from .emulation import source_on
from .parity_device import HELLO_SECONDS, ParityDevice
from .parity_exchange import LineReport
from .parity_protocol import NAME_CHARACTERS, Hello, ModelBuffer
from .serial_alignment import AlignedDevice
from .serial_line import SerialLine, parse_port, port_names
from .serial_sequences import SequenceStream, insist
from .witness import Answer, Forced, Job, LayerAnswer, RunLength, UsesAnswer

SECONDS_A_PRODUCT = 20e-6
"""Of the slowest core that is waited for: an AVR of 16 MHz takes an eighth of it."""
BITS_A_BYTE = 10
"""On the line: eight, a start and a stop."""
FRAME_BYTES = 16
"""About what a frame takes beside its arguments or results."""
LONG_SECONDS = 600
"""From when on a user hears how to take fewer sequences."""


class SerialPort:
    """Streams the test vectors to the firmware at a port, `serial:PORT[@BAUD]`; the port is one that pyserial opens, URLs included.

    The firmware need not be of the exports in the job's directory, but of the same integer model.
    """

    name: ClassVar[str] = "serial"
    default_argument: ClassVar[str] = ""
    is_board: ClassVar[bool] = True
    long_run: ClassVar[RunLength] = "not"

    def __init__(self, hello_seconds: float = HELLO_SECONDS) -> None:
        """hello_seconds: how long a board may take to answer at all."""
        self._hello_seconds = hello_seconds
        self._job: Job | None = None
        self._hello: Hello | None = None
        self.report = LineReport()
        """Of the last run."""

    def reads(self, directory: ModelDirectory, model: IntegerModel, argument: str) -> Sequence[str]:  # noqa: ARG002
        """See Witness. None: what the board was flashed with is not known here."""
        return ()

    def takes_decisions(self, variant: str) -> bool:  # noqa: ARG002
        """See Witness."""
        return True

    def check(self, argument: str) -> None:
        """See Witness. The port itself is opened when it is needed."""
        port_names()
        parse_port(argument)

    def answers(self, job: Job) -> Iterator[Answer]:
        """One answer: every state and score as they come from the device. Raises DeviceError, never hangs."""
        self._job = job
        port, baud = parse_port(job.argument)
        with SerialLine(port, baud) as line:
            device = ParityDevice(line, _computing_seconds(job.model), self._hello_seconds)
            self.report = device.report
            hello = self._greet(device, job.model)
            trajectory = SequenceStream(device, job).run()
        yield Answer(hello.core, _version(hello), trajectory)

    def run_calls(self, job: Job) -> Iterator[UsesAnswer]:
        """See CalledWitness: on one state and one calibration."""
        if align_of(job.model) is None:
            return
        rows = np.argsort(-job.lengths, kind="stable")[:1]
        calls = AlignmentCalls(job.model, job.x[rows[0], : min(USED_STEPS, int(job.lengths[rows[0]]))], small=True)
        port, baud = parse_port(job.argument)
        with SerialLine(port, baud) as line:
            device = ParityDevice(line, _computing_seconds(job.model), self._hello_seconds)
            hello = self._greet(device, job.model)
            output = AlignedDevice(device, job.model).run(calls)
            device.check_digest()
        yield UsesAnswer(hello.core, _version(hello), *compare_parts(calls.expected, output), small=False)

    def run_layers(self, job: Job, forced: Forced) -> Iterator[LayerAnswer]:  # noqa: ARG002
        """Refused."""
        raise UnsupportedError("the parity firmware takes no values for the layers inside its model")

    def run_graph(self, graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """Every value, as the device of the last answers computes it. Raises UnsupportedError for a graph of another model."""
        job = self._job
        role = next((name for name, each in job.model.graphs.items() if each is graph), None) if job else None
        if job is None or role is None:
            raise UnsupportedError("a board computes the layers of its own model only, after it has answered")
        if role == "decide":
            raise UnsupportedError("a board takes no scores, so that a decision's layers cannot be asked for")
        port, baud = parse_port(job.argument)
        with SerialLine(port, baud) as line:
            device = ParityDevice(line, _computing_seconds(job.model), self._hello_seconds)
            hello = self._greet(device, job.model)
            return _read_layers(device, job.model, role, _source_of(hello, job.model), inputs)

    def kernels(self, job: Job, role: str) -> Mapping[str, str]:
        """See Witness: of the C that the model directory holds for the core that answered last, if it has as many layers."""
        assert self._hello is not None
        core = CORES.get(self._hello.core)
        held = source_on(core, job) if core else translate(job.model)
        source = held if len(held.taps) == self._hello.layers else _source_of(self._hello, job.model)
        return layer_functions(source, graph_on(job.model.graphs[role], source.target))

    def _greet(self, device: ParityDevice, model: IntegerModel) -> Hello:
        hello = device.start()
        check_model(hello, model, device.port)
        self._hello = hello
        return hello


def _version(hello: Hello) -> str:
    return f"parity protocol {hello.protocol}, API {hello.api}"


def _source_of(hello: Hello, model: IntegerModel) -> Source:
    """The generated C that a firmware was built of, as far as its layers tell: the plain one, or its core's own."""
    sources = [translate(model), *(translate(model, Target(core)) for core in [CORES.get(hello.core)] if core)]
    found = next((source for source in sources if len(source.taps) == hello.layers), None)
    if found is None:
        raise UnsupportedError(f"the firmware has {counted(hello.layers, 'layer')}, the graph {len(sources[0].taps)}")
    return found


def check_model(hello: Hello, model: IntegerModel, port: str) -> None:
    """Raise DeviceError unless a firmware runs this model."""
    ours = bytes.fromhex(digest(model))
    if hello.graph != ours:
        same = "another version of it" if hello.name == model.name[:NAME_CHARACTERS] else f"{hello.name!r}"
        raise DeviceError(
            f"the board at {port} runs {same} (graph {hello.graph.hex()[:12]}), not {model.name!r} (graph {ours.hex()[:12]}): "
            "flash the parity firmware of this model"
        )
    sizes = hello.input_bytes, hello.state_bytes, hello.score_bytes
    expected = nbytes([model.input]), nbytes(stepped_values(model)), model.output.type.nbytes
    if sizes != expected:
        raise DeviceError(f"the board at {port} has buffers of {sizes} bytes where the model has {expected}: flash its firmware again")


def describe_estimate(jobs: Iterable[Job]) -> str:
    """How long some jobs take at least, by the baud rate and the bytes that go to and fro; nothing for a port of a network."""
    jobs = list(jobs)
    port, baud = parse_port(jobs[0].argument)
    if "://" in port:
        return ""
    count = sum(_bytes_over_the_line(job) for job in jobs)
    seconds = count * BITS_A_BYTE / baud
    shown = f"{seconds / 60:,.0f} minutes" if seconds > 90 else f"{seconds:,.0f} seconds"
    return f": {counted(count, 'byte')} at {baud} baud take about {shown}" + ("; --samples N takes fewer" if seconds > LONG_SECONDS else "")


def _bytes_over_the_line(job: Job) -> int:
    model, sequences = job.model, len(job.x)
    heard = 0 if job.sound is None else int(job.sound.lengths.sum()) * 2 * job.sound.samples.shape[2]
    if not model.is_recurrent:
        return heard + sequences * (model.input.type.nbytes + model.output.type.nbytes + 2 * FRAME_BYTES)
    state = nbytes(stepped_values(model))
    begun = 0 if job.initial is None else int(job.initial.any(axis=1).sum())
    steps = int(job.lengths.sum())
    a_sequence = model.output.type.nbytes + 2 * FRAME_BYTES
    if job.every_score:
        return steps * (model.input.type.nbytes + state + 2 * FRAME_BYTES + a_sequence)
    return heard + steps * (model.input.type.nbytes + state) + sequences * a_sequence + begun * (state + FRAME_BYTES)


def _read_layers(
    device: ParityDevice, model: IntegerModel, role: str, source: Source, inputs: Mapping[str, IntArray]
) -> dict[str, IntArray]:
    """Every value that a node of the graph `role` defines, sample by sample."""
    taps = [tap for layer in source.functions[role].layers for tap in layer.taps]
    names = [value.name for value in tapped_values(graph_on(model.graphs[role], source.target))]
    found: dict[str, list[IntArray]] = {name: [] for name in names}
    for i in range(len(next(iter(inputs.values())))):
        state, reading = _encode_inputs(model, role, inputs, i)
        for name, tap in zip(names, taps, strict=True):
            place = ModelBuffer.FRAME if role == "frontend" else ModelBuffer.INPUT
            data = insist(device, f"layer {name}", partial(_read_layer, device, tap, state, reading, place))
            found[name].append(np.frombuffer(data, stored_dtype(tap.type)).reshape(tap.type.shape).astype(np.int64))
    return {name: np.stack(values) for name, values in found.items()}


def _read_layer(device: ParityDevice, tap: Tap, state: bytes, reading: bytes, place: ModelBuffer) -> bytes:
    """A layer's output, piece by piece, each computed anew: the device has no memory for what lies between."""
    data = b""
    while len(data) < tap.type.nbytes:
        device.write(place, reading)
        device.write(ModelBuffer.STATE, state)
        data += device.layer(tap.index, len(data), min(device.piece_bytes, tap.type.nbytes - len(data)))
    return data


def _encode_inputs(model: IntegerModel, role: str, inputs: Mapping[str, IntArray], i: int) -> tuple[bytes, bytes]:
    """State and input of sample i as they lie on the device; a state that the graph does not read is zero."""
    values = stepped_values(model)
    state = b"".join(
        inputs[value.name][i].astype(stored_dtype(value.type)).tobytes() if value.name in inputs else bytes(value.type.nbytes)
        for value in values
    )
    read = model.samples if role == "frontend" else model.input
    reading = inputs[read.name][i].astype(stored_dtype(read.type)).tobytes() if read.name in inputs else b""
    return state, reading


def _computing_seconds(model: IntegerModel) -> float:
    """What the slowest core may take for one step, or one run of a model without state."""
    products = 0
    for graph in model.graphs.values():
        types = graph.types()
        products += sum(node.op.multiply_accumulates(*(types[name] for name in node.inputs)) for node in graph.nodes)
    return products * SECONDS_A_PRODUCT
