"""What inspect and profile found: layers, bytes, and what a step costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import counted
from .tables import table

if TYPE_CHECKING:
    from ..stages.inspection import Inspection, LayerReport, Reading
    from ..stages.profiling import CoreProfile, FunctionCost, LayerCost, Profile, StreamCost


def print_inspection(result: Inspection) -> None:
    """Layers, then totals."""
    click.echo(f"{result.name}: reads {result.input}, gives {result.output}")
    if result.reading is not None:
        click.echo(_describe_reading(result.reading))
    click.echo()
    header = ("graph", "layer", "op", "output", "matrix", "weights", "bits", "bytes", "mult-acc")
    click.echo(table(header, [_inspection_row(layer) for layer in result.layers]))
    size, total = result.bytes, sum(layer.multiply_accumulates for layer in result.layers if layer.graph != "head")
    click.echo(
        f"\nconst data {size['model']:,} bytes ({size['model'] / 1024:.2f} KB) = weights {size['weights']:,} "
        f"+ scales {size['scales']:,} + biases {size['biases']:,} + tables {size['tables']:,} (shared by layers)"
    )
    stream = "" if result.ram == result.state + result.scratch else f"; a stream, as its policy says, {counted(result.ram, 'byte')}"
    click.echo(f"RAM        state {result.state:,} + scratch {result.scratch:,} bytes{stream}")
    click.echo(f"a step     {total:,} multiply-accumulates")


def _describe_reading(reading: Reading) -> str:
    unit = f" {reading.unit}" if reading.unit else ""
    step, later = (counted(count, "reading") for count in (reading.readings_a_step, reading.stride))
    several = f"\na step     {step} side by side, the next step begins {later} later"
    beside = several if reading.readings_a_step > 1 or reading.stride > 1 else ""
    names = f", channels {', '.join(reading.channels)}" if reading.channels else ""
    return f"a reading  int16, {counted(reading.fraction_bits, 'fraction bit')}: the integer 1 is {reading.scale:.11g}{unit}{names}{beside}"


def _inspection_row(layer: LayerReport) -> tuple[str, ...]:
    bits = "" if layer.bits is None else f"{layer.bits:.2f}"
    counts = f"{layer.bytes:,}", f"{layer.multiply_accumulates:,}"
    return layer.graph, layer.layer, layer.op, layer.output, layer.matrix, layer.weights, bits, *counts


def print_profile(result: Profile) -> None:
    """Each core's layers, then a line a core."""
    for core in result.cores:
        _print_costs(core)
    header = ("core", "unit", "a step", "code", "weights", "tables", "flash", "state", "arena", "scratch", "stack")
    click.echo(table(header, [_footprint_row(core) for core in result.cores]))
    click.echo("weights with scales and biases, code with the library functions that it calls; bytes but for a step")
    for core in result.cores:
        if core.stream is not None:
            _print_stream_cost(core, core.stream)


def _print_stream_cost(core: CoreProfile, stream: StreamCost) -> None:
    """What a reading takes beside a step, the functions of the stream, and its RAM."""
    states = "two states, each begun anew at its own half window" if stream.states == 2 else "one state"
    took = f"{stream.count:,} {core.unit} a reading, {stream.lost:,} a lost one, where a step takes {core.count:,}"
    click.echo(f"\na stream on {core.core} steps {states}: {took}; {stream.bytes:,} bytes of RAM")
    header = ("function", core.unit, "loads", "stores", "branches taken")
    click.echo(table(header, [(each.function, *_counts(each)) for each in stream.functions]))


def _print_costs(core: CoreProfile) -> None:
    header = ("graph", "layer", "kernel", core.unit, "loads", "stores", "branches taken")
    rows = [(layer.graph, layer.name, layer.kernel, *_counts(layer)) for layer in core.layers]
    counted = [layer for layer in core.layers if layer.graph not in ("head", "decide")]
    rows.insert(len(counted), ("", "a step", "", *_counts(core)))
    click.echo(f"{core.core}\n{table(header, rows)}\n")


def _counts(cost: LayerCost | CoreProfile | FunctionCost) -> tuple[str, ...]:
    return f"{cost.count:,}", f"{cost.loads:,}", f"{cost.stores:,}", f"{cost.branches_taken:,}"


def _footprint_row(core: CoreProfile) -> tuple[str, ...]:
    flash, ram = core.flash, core.ram
    numbers = core.count, flash.code, flash.weights, flash.tables, flash.total, ram.state, ram.arena, ram.scratch, core.stack
    return core.core, core.unit, *(f"{number:,}" for number in numbers)
