"""inspect: layers, shapes, formats, bits, bytes and multiply-accumulates of an integer model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..data.input_format import scales
from ..export.c import constant_bytes, translate
from ..graph.formats import FractionBits
from ..graph.ir import Graph, IntegerModel, Node
from ..manifest import SampleFormat
from ..model_directory import ModelDirectory
from .artefacts import read_model


@dataclass(frozen=True)
class LayerReport:
    """One layer. matrix: rows x columns, `weights` its storage, bits: stored bits a weight, padding included.

    bytes: const data of this layer alone (weights, scales, biases). multiply_accumulates: a step (a run for a net without state).
    """

    graph: str
    layer: str
    op: str
    output: str
    matrix: str
    weights: str
    bits: float | None
    bytes: int
    multiply_accumulates: int


@dataclass(frozen=True)
class Reading:
    """What the device reads each step: integer * scale, scale 2^-fraction_bits, in `unit`; each channel's where they differ. channels:
    their names, where known.

    readings_a_step: that many side by side, begun every `stride` readings. sample_rate, full_scale: as of manifest.InputFormat.
    """

    fraction_bits: FractionBits
    scale: float | tuple[float, ...]
    unit: str
    channels: tuple[str, ...]
    readings_a_step: int = 1
    stride: int = 1
    sample_rate: float | None = None
    full_scale: float | tuple[float, ...] | None = None


@dataclass(frozen=True)
class SampleReading:
    """What the device reads before a front-end: integer * 2^-fraction_bits, in `unit`; these as of Reading.

    span, hop: samples of a frame, and to the next.
    """

    sample_rate: int
    channels: int
    fraction_bits: FractionBits
    unit: str
    names: tuple[str, ...]
    span: int
    hop: int
    features: int


@dataclass(frozen=True)
class Inspection:
    """bytes: by kind, `model` their sum, as in the generated C; state and scratch: bytes of RAM of one state.

    ram: bytes of RAM that a device keeps of one stream, which is more than a state where the model has a policy.
    reading, samples: from the manifest, None for a model in memory; samples: of a model with a front-end.
    """

    name: str
    input: str
    output: str
    layers: tuple[LayerReport, ...]
    bytes: dict[str, int]
    state: int
    scratch: int
    ram: int
    reading: Reading | None = None
    samples: SampleReading | None = None

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp inspect --json`."""
        document = {"schema": 1, **asdict(self), "layers": [asdict(layer) for layer in self.layers]}
        return document if self.samples is not None else {key: value for key, value in document.items() if key != "samples"}


def inspect(path: Path) -> Inspection:
    """Describe the integer model in directory `path`. Raises InputError when it is missing or damaged."""
    directory = ModelDirectory.open(path)
    manifest, model = directory.manifest(), read_model(directory)
    entry = manifest.input
    bits, step = entry.fraction_bits, (entry.readings_a_step or 1, entry.stride or 1)
    reading = Reading(bits, scales(bits), entry.unit or "", entry.channels, *step, entry.sample_rate, entry.full_scale)
    return replace(inspect_model(model), reading=reading, samples=_samples(manifest.samples, model))


def _samples(said: SampleFormat | None, model: IntegerModel) -> SampleReading | None:
    if said is None:
        return None
    known = (said.sample_rate, said.channels, said.fraction_bits, said.unit, said.names)
    return SampleReading(*known, int(model.samples.type.shape[0]), model.hop, model.features.type.size)


def inspect_model(model: IntegerModel) -> Inspection:
    """The same for a model in memory."""
    source = translate(model)
    # The C names its layers in the order of the graphs' nodes, and accounts for every constant by layer.
    nodes = [(graph, node) for graph in (model.graphs[name] for name in source.functions) for node in graph.nodes]
    layers = [_report(graph, node, layer.constant_bytes) for (graph, node), layer in zip(nodes, source.layers, strict=True)]
    return Inspection(
        model.name,
        model.type_text(model.input.type),
        str(model.output.type),
        tuple(layers),
        constant_bytes(model),
        source.state_bytes,
        source.scratch_bytes,
        source.ram_bytes,
    )


def _report(graph: Graph, node: Node, nbytes: int) -> LayerReport:
    types = graph.types()
    inputs = [types[name] for name in node.inputs]
    weight = next(iter(node.op.matrices), None)
    stored = 8 * weight.pack().nbytes / weight.matrix.size if weight is not None else None
    return LayerReport(
        graph.name,
        node.name,
        node.op.name,
        ", ".join(str(types[name]) for name in node.outputs),
        "x".join(map(str, weight.matrix.shape)) if weight is not None else "",
        weight.storage if weight is not None else "",
        round(stored, 2) if stored is not None else None,
        nbytes,
        node.op.multiply_accumulates(*inputs),
    )
