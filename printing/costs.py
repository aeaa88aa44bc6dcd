"""What inspect and profile found: layers, bytes, and what a step costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import counted
from .output import show
from .tables import table

if TYPE_CHECKING:
    from ..graph.formats import FractionBits
    from ..stages.inspection import Inspection, LayerReport, Reading, SampleReading
    from ..stages.profiling import CoreProfile, FunctionCost, LayerCost, Profile, StreamCost
    from ..stages.sound_costs import SoundCost
    from ..stages.spectrogram import Picture


def print_inspection(result: Inspection) -> None:
    """Layers, then totals."""
    show(f"{result.name}: reads {result.input}, gives {result.output}")
    if result.samples is not None:
        show(_describe_samples(result.samples))
    if result.reading is not None:
        show(_describe_reading(result.reading))
    show()
    header = ("graph", "layer", "op", "output", "matrix", "weights", "bits", "bytes", "mult-acc")
    show(table(header, [_inspection_row(layer) for layer in result.layers]))
    size, total = result.bytes, sum(layer.multiply_accumulates for layer in result.layers if layer.graph != "head")
    show(
        f"\nconst data {size['model']:,} bytes ({size['model'] / 1024:.2f} KB) = weights {size['weights']:,} "
        f"+ scales {size['scales']:,} + biases {size['biases']:,} + tables {size['tables']:,} (shared by layers)"
    )
    what = "a stream, as its policy says" if result.samples is None else "a listener, with the samples and features at hand"
    stream = "" if result.ram == result.state + result.scratch else f"; {what}, {counted(result.ram, 'byte')}"
    show(f"RAM        state {result.state:,} + scratch {result.scratch:,} bytes{stream}")
    show(f"a step     {total:,} multiply-accumulates")


def _describe_samples(samples: SampleReading) -> str:
    unit = f" {samples.unit}" if samples.unit else ""
    one = f": {_integer_one(samples.fraction_bits, unit, samples.names)}" if samples.fraction_bits or unit else ""
    several = f", {counted(samples.channels, 'channel')}" if samples.channels > 1 else ""
    named = f" ({', '.join(samples.names)})" if samples.names else ""
    return (
        f"a sample   int16{several}{named}, {samples.sample_rate:,} a second{one}\n"
        f"a frame    {counted(samples.span, 'sample')}, the next one begins {samples.hop:,} later; "
        f"its {counted(samples.features, 'feature')} are a reading of the net"
    )


def _describe_reading(reading: Reading) -> str:
    unit = f" {reading.unit}" if reading.unit else ""
    step, later = (counted(count, "reading") for count in (reading.readings_a_step, reading.stride))
    several = f"\na step     {step} side by side, the next step begins {later} later"
    beside = several if reading.readings_a_step > 1 or reading.stride > 1 else ""
    names = f", channels {', '.join(reading.channels)}" if reading.channels else ""
    bits = reading.fraction_bits
    own = f", {counted(bits, 'fraction bit')}" if isinstance(bits, int) else ""
    rate = "" if reading.sample_rate is None else f", {reading.sample_rate:g} a second"
    full = reading.full_scale if isinstance(reading.full_scale, tuple) else filter(None, [reading.full_scale])
    most = ", ".join(f"{each:g}" for each in full)
    told = f"{rate}{f', up to {most}{unit}' if most else ''}"
    return f"a reading  int16{own}: {_integer_one(bits, unit, reading.channels)}{names if own else ''}{told}{beside}"


def _integer_one(bits: FractionBits, unit: str, channels: Sequence[str]) -> str:
    """What the integer 1 is, of each channel where they differ; channels: their names, where they are known."""
    if isinstance(bits, int):
        return f"the integer 1 is {2.0**-bits:.11g}{unit}"
    names = channels or [f"channel {number}" for number in range(len(bits))]
    own = (f"{2.0**-each:.11g} of {name} ({counted(each, 'fraction bit')})" for name, each in zip(names, bits, strict=True))
    return f"the integer 1 is{unit} {', '.join(own)}"


def _inspection_row(layer: LayerReport) -> tuple[str, ...]:
    bits = "" if layer.bits is None else f"{layer.bits:.2f}"
    counts = f"{layer.bytes:,}", f"{layer.multiply_accumulates:,}"
    return layer.graph, layer.layer, layer.op, layer.output, layer.matrix, layer.weights, bits, *counts


def print_picture(picture: Picture) -> None:
    """What is drawn where."""
    rows = ", ".join(f"{name} (recording {number})" for name, number in picture.rows)
    show(f"\n{picture.output}: from above {rows}; features from {picture.low:g} (dark) to {picture.high:g} (bright)")


def print_profile(result: Profile) -> None:
    """Each core's layers, then a line a core."""
    for core in result.cores:
        _print_costs(core)
    header = ("core", "unit", "a step", "code", "weights", "tables", "flash", "state", "arena", "scratch", "stack")
    show(table(header, [_footprint_row(core) for core in result.cores]))
    show("weights with scales and biases, code with the library functions that it calls; bytes but for a step")
    for core in result.cores:
        if core.stream is not None:
            _print_stream_cost(core, core.stream)
        if core.sound is not None:
            _print_sound_cost(core, core.sound)


def _print_stream_cost(core: CoreProfile, stream: StreamCost) -> None:
    """What a reading takes beside a step, the functions of the stream, and its RAM."""
    states = "two states, each begun anew at its own half window" if stream.states == 2 else "one state"
    took = f"{stream.count:,} {core.unit} a reading, {stream.lost:,} a lost one, where a step takes {core.count:,}"
    show(f"\na stream on {core.core} steps {states}: {took}; {stream.bytes:,} bytes of RAM")
    header = ("function", core.unit, "loads", "stores", "branches taken")
    show(table(header, [(each.function, *_counts(each)) for each in stream.functions]))


def _print_sound_cost(core: CoreProfile, sound: SoundCost) -> None:
    """A frame, an answer, a second, and the share of the core."""
    answered = "an answer a frame" if sound.frames_a_step == 1 else f"an answer every {counted(sound.frames_a_step, 'frame')}"
    show(
        f"\nsound on {core.core}: {sound.frame:,} {core.unit} a frame, {sound.answer:,} {answered}; a second of "
        f"{sound.sample_rate:,} samples, of which a frame begins every {sound.hop:,}, takes {sound.second:,}; "
        f"{sound.bytes:,} bytes of RAM with the samples at hand"
    )
    if sound.share is not None:
        show(sound.share.sentence)


def _print_costs(core: CoreProfile) -> None:
    header = ("graph", "layer", "kernel", core.unit, "loads", "stores", "branches taken")
    rows = [(layer.graph, layer.name, layer.kernel, *_counts(layer)) for layer in core.layers]
    of_step = [layer for layer in core.layers if layer.graph not in ("head", "decide", "frontend")]
    rows.insert(len(of_step), ("", "a step", "", *_counts(core)))
    show(f"{core.core}\n{table(header, rows)}\n")


def _counts(cost: LayerCost | CoreProfile | FunctionCost) -> tuple[str, ...]:
    return f"{cost.count:,}", f"{cost.loads:,}", f"{cost.stores:,}", f"{cost.branches_taken:,}"


def _footprint_row(core: CoreProfile) -> tuple[str, ...]:
    flash, ram = core.flash, core.ram
    numbers = core.count, flash.code, flash.weights, flash.tables, flash.total, ram.state, ram.arena, ram.scratch, core.stack
    return core.core, core.unit, *(f"{number:,}" for number in numbers)
