"""The tables and charts of a model, each with a title: HTML and Markdown show the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import counted
from .charts import histogram, lines, points
from .facts import Facts, ShownRecording


@dataclass(frozen=True)
class Grid:
    """A table. caption: what it is; numbers from the second column on stand to the right. shades: of each cell, from 0 to 1, or nothing."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shades: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class PageSection:
    """title; sentences; tables; charts, SVG."""

    title: str
    sentences: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    charts: tuple[str, ...] = field(default=(), repr=False)


def sections_of(facts: Facts) -> list[PageSection]:
    """All that is told of one model, in order; what is not known is left out."""
    made = (_summary, _classes, _sureness, _recordings, _training, _layers, _cost, _streamed, _witnesses)
    return [section for part in made for section in part(facts)]


def comparison(every: Sequence[Facts]) -> PageSection:
    """Several models side by side, and accuracy over bytes."""
    rows = tuple(
        (
            f"{each.name} ({each.path})",
            _percent(each.accuracy),
            f"{each.inspection.bytes['model']:,}",
            f"{each.inspection.ram:,}",
            *_counts(each),
        )
        for each in every
    )
    cores = tuple(f"{core.unit} on {core.core}" for core in every[0].profile.cores) if every[0].profile else ()
    named = [(str(each.path), float(each.inspection.bytes["model"]), 100 * each.accuracy) for each in every]
    chart = points("accuracy over bytes of constants", named, "bytes of constants", "accuracy in %")
    return PageSection("Comparison", (), (Grid("Models", ("model", "accuracy", "const bytes", "RAM bytes", *cores), rows),), (chart,))


def _counts(facts: Facts) -> tuple[str, ...]:
    return () if facts.profile is None else tuple(f"{core.count:,}" for core in facts.profile.cores)


def _summary(facts: Facts) -> Iterator[PageSection]:
    said, size, reading = facts.manifest, facts.inspection.bytes, facts.inspection.reading
    float_ = said.accuracy.float_
    rows = [
        ("accuracy, float net", _percent(float_)),
        ("accuracy, integer model", _percent(facts.accuracy)),
        ("balanced accuracy", _percent(facts.confusion.balanced_accuracy)),
        ("macro F1", _percent(facts.confusion.macro_f1)),
        ("constants", f"{size['model']:,} bytes"),
        ("RAM", f"{facts.inspection.ram:,} bytes"),
        ("test recordings", f"{int(facts.confusion.recordings.sum()):,}"),
    ]
    if reading is not None and said.samples is None:
        unit = f" {reading.unit}" if reading.unit else ""
        bits = reading.fraction_bits if isinstance(reading.fraction_bits, tuple) else (reading.fraction_bits,)
        rows.append(("a reading", f"int16, the integer 1 is {', '.join(f'2^-{each}' for each in bits)}{unit}"))
        rows += [("channels", ", ".join(reading.channels))] if reading.channels else []
        rows += [("readings a second", f"{reading.sample_rate:g}")] if reading.sample_rate else []
    if said.samples is not None:
        rows.append(
            ("samples", f"{counted(said.samples.channels, 'channel')}, {said.samples.sample_rate:,} a second {said.samples.unit}".rstrip())
        )
    rows += [("data", said.data.name)] if said.data.name else []
    rows.append(("graph", (said.graph_sha256 or "")[:16]))
    warnings = tuple(f"Warning: {each}" for each in (*said.warnings.train, *said.warnings.quantize))
    yield PageSection("Summary", warnings, (Grid("What it is", ("", ""), tuple(rows)),))


def _classes(facts: Facts) -> Iterator[PageSection]:
    counts, recall = facts.confusion.counts, facts.confusion.recall
    of_float = facts.manifest.by_class.float_
    answered = counts.sum(axis=0).tolist()
    rows = []
    for number, name in enumerate(facts.classes):
        right = int(counts[number, number])
        before = None if of_float is None else of_float.recall.get(name)
        precision = right / answered[number] if answered[number] else None
        rows.append(
            (
                name,
                f"{int(facts.confusion.recordings[number]):,}",
                f"{right:,}",
                _percent(before),
                _percent(recall[number]),
                _percent(precision),
            )
        )
    header = ("class", "recordings", "right", "recall float", "recall integer", "precision integer")
    worst = facts.worst_confusion
    sentences = (f"The worst confusion: {counted(worst[2], 'recording')} of {worst[0]} taken for {worst[1]}.",) if worst else ()
    cells = tuple((name, *(f"{int(count):,}" for count in row)) for name, row in zip(facts.classes, counts, strict=True))
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    shades = tuple((0.0, *(float(share) for share in row)) for row in shares)
    matrix = Grid("Recordings of a class (row) by what the integer model answers (column)", ("", *facts.classes), cells, shades)
    yield PageSection("Classes", sentences, (Grid("By class", header, tuple(rows)), matrix))


def _sureness(facts: Facts) -> Iterator[PageSection]:
    right = facts.margins > 0
    chart = histogram(
        "margin of the right class over the best other one", facts.margins[right], facts.margins[~right], "margin, in units of a score"
    )
    yield PageSection(
        "Margins", ("How far the right class's score lies above the best other one's; left of 0 the answer is wrong.",), (), (chart,)
    )


def _recordings(facts: Facts) -> Iterator[PageSection]:
    channels = facts.manifest.input.channels if facts.manifest.samples is None else facts.manifest.samples.names
    unit = facts.manifest.input.unit if facts.manifest.samples is None else facts.manifest.samples.unit
    shown = [each for each in facts.shown if each.readings is not None]
    if not shown:
        return
    charts = [_recording(each, tuple(channels), unit or "value") for each in shown]
    yield PageSection("Recordings answered wrongly or most narrowly", (), (), tuple(charts))


def _recording(shown: ShownRecording, channels: tuple[str, ...], unit: str) -> str:
    readings = shown.readings
    assert readings is not None
    series = [
        (
            channels[channel] if channels else f"channel {channel}",
            [(float(time), float(value)) for time, value in enumerate(readings[:, channel])],
        )
        for channel in range(readings.shape[1])
    ]
    answer = "answered so" if shown.label == shown.answer else f"answered {shown.answer}"
    return lines(
        f"test recording {shown.number}: {shown.label}, {answer}, margin {shown.margin:.3g}",
        series,
        "reading",
        unit,
        legend=len(series) <= 6,
    )


def _training(facts: Facts) -> Iterator[PageSection]:
    charts, rows = [], []
    for stage in dict.fromkeys(each["stage"] for each in facts.epochs):
        of_stage = [each for each in facts.epochs if each["stage"] == stage]
        charts.append(lines(f"{stage}: loss", [("loss", [(each["epoch"], each["loss"]) for each in of_stage])], "epoch", "loss"))
        series = []
        for key, name in (("accuracy", "training"), ("validation_accuracy", "validation"), ("streamed_accuracy", "validation, in a row")):
            found = [(float(each["epoch"]), 100 * float(each[key])) for each in of_stage if each.get(key) is not None]
            series += [(name, found)] if found else []
        charts.append(lines(f"{stage}: accuracy", series, "epoch", "accuracy in %"))
        rows += [(stage, f"{each['epoch']:g}", str(each["schedule"])) for each in _changes(of_stage)]
    grids = (Grid("Where the constraints were, when that changed", ("stage", "epoch", "schedule"), tuple(rows)),) if rows else ()
    if charts:
        yield PageSection("Training", (), grids, tuple(charts))


def _changes(epochs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    told = [each for each in epochs if each.get("schedule")]
    return told[:1] + told[-1:] if len(told) > 1 else told


def _layers(facts: Facts) -> Iterator[PageSection]:
    rows = tuple(
        (
            each.graph,
            each.layer,
            each.op,
            each.weights,
            "" if each.bits is None else f"{each.bits:g}",
            f"{each.bytes:,}",
            f"{each.multiply_accumulates:,}",
        )
        for each in facts.inspection.layers
    )
    yield PageSection("Layers", (), (Grid("Layers", ("graph", "layer", "op", "weights", "bits", "bytes", "mult-acc"), rows),))


def _cost(facts: Facts) -> Iterator[PageSection]:
    if facts.profile is None:
        return
    for core in facts.profile.cores:
        rows = tuple((each.graph, each.name, each.kernel, f"{each.count:,}") for each in core.layers)
        ram = core.ram.state + core.ram.arena + core.ram.scratch
        told = f"A step takes {core.count:,} {core.unit}; flash {core.flash.total:,} bytes, RAM {ram:,}, stack {core.stack:,}."
        yield PageSection(f"Cost on {core.core}", (told,), (Grid(f"Layers on {core.core}", ("graph", "layer", "kernel", core.unit), rows),))


def _streamed(facts: Facts) -> Iterator[PageSection]:
    found = facts.report.evaluation.streamed if facts.report is not None and facts.report.evaluation is not None else None
    if found is None:
        return
    names = {"streamed": "steps", "settled": "settled steps", "tail": "last tenth's steps", "ends": "ends of recordings"}
    rows = tuple((name, _percent(getattr(found, key))) for key, name in names.items())
    of = f"{found.of}: {counted(found.streams, 'stream')}, {counted(found.steps, 'step')}"
    yield PageSection("In a stream", (of,), (Grid("Right answers without a reset", ("right", "share"), rows),))


def _witnesses(facts: Facts) -> Iterator[PageSection]:
    if facts.report is None:
        yield PageSection("Witnesses", (f"It was not verified: run rescomp verify {facts.path}.",))
        return
    rows = tuple(
        (each.witness, each.variant, each.version, each.set, f"{each.compared:,}", f"{each.mismatches:,}") for each in facts.report.evidence
    )
    evidence = Grid("Values compared with numpy", ("witness", "variant", "version", "set", "compared", "differing"), rows)
    sentences = (*facts.report.not_run, *facts.report.not_seen({each.witness for each in facts.report.evidence}))
    yield PageSection("Witnesses", tuple(f"Not asked: {line}" for line in sentences), (evidence,))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
