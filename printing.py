"""What the commands show a person: progress on stderr, tables on stdout."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from .errors import counted
from .text_files import escaped

if TYPE_CHECKING:
    from .boards import Board
    from .graph.ir import StreamPolicy
    from .stages.checking import Check
    from .stages.diagnosis import Diagnosis
    from .stages.evaluation import Evaluation, Perturbed
    from .stages.evidence import Evidence
    from .stages.figures import StreamedFigures
    from .stages.flashing import Flashed
    from .stages.inspection import Inspection, LayerReport, Reading
    from .stages.migration import Migration
    from .stages.pipeline import Summary
    from .stages.prediction import Prediction
    from .stages.profiling import CoreProfile, FunctionCost, LayerCost, Profile, StreamCost
    from .stages.seeds import SeedsSummary
    from .stages.stream_walks import Streamed
    from .stages.verification import Verification
    from .train.metrics import EpochReport
    from .validate.witness import Progress

BAR_WIDTH, BAR_COLUMNS = 16, 48
"""Characters of the progress bar itself, and of its line without the text at the end."""
PLAIN_LINES = 10
"""Epoch lines a training prints where there is no terminal."""


class TerminalListener(AbstractContextManager["TerminalListener"]):
    """A live progress bar where stderr is a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._bar: Any = None
        self._open_line = False
        self._tenths = 0

    def stage(self, title: str) -> None:
        """One line a stage."""
        self._close()
        click.echo(f"{escaped(title)} ...", err=True)

    def epoch(self, report: EpochReport) -> None:
        """Move the bar, or print about ten lines a training."""
        text = describe_epoch(report)
        if not self._live:
            every = max(1, report.epochs // PLAIN_LINES)
            if report.epoch % every == 0 or report.epoch == report.epochs:
                click.echo(f"  epoch {report.epoch}/{report.epochs}  {text}", err=True)
            return
        if self._bar is None:
            show = lambda item: item or ""  # noqa: E731
            self._bar = click.progressbar(length=report.epochs, file=sys.stderr, item_show_func=show, width=BAR_WIDTH, label="  epochs")
            self._bar.__enter__()
        self._bar.update(report.epoch - self._bar.pos, _fit(text, shutil.get_terminal_size().columns - BAR_COLUMNS))
        if report.epoch == report.epochs:
            self._close()

    def progress(self, progress: Progress) -> None:
        """Write the line anew, or about ten lines in all."""
        text = f"  {describe_progress(progress)}"
        tenths = 10 * progress.done // max(1, progress.total)
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r{_fit(text, width).ljust(width)}", err=True, nl=progress.done == progress.total)
            self._open_line = progress.done < progress.total
        elif tenths != self._tenths or progress.done == progress.total:
            click.echo(text, err=True)
        self._tenths = tenths

    def warning(self, text: str) -> None:
        """One line that stands out."""
        self._close()
        click.echo(f"warning: {escaped(text)}", err=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
        if self._open_line:
            click.echo(err=True)
            self._open_line = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._close()

    def __enter__(self) -> Self:
        return self


def _fit(text: str, columns: int) -> str:
    """As many fields of `text`, from the left, as `columns` hold."""
    while len(text) > columns:
        text = text.rpartition("  ")[0]
        if not text:
            break
    return text


def describe_epoch(report: EpochReport) -> str:
    """loss, accuracies, learning rate and constraints of one epoch, and the time left."""
    parts = [f"loss {report.loss:.3f}", f"train {report.accuracy:.1%}"]
    if report.validation_accuracy is not None:
        best = f" (best: epoch {report.best_epoch})" if report.best_epoch is not None else ""
        row = "" if report.streamed_accuracy is None else f", in a row {report.streamed_accuracy:.1%}"
        parts.append(f"validation {report.validation_accuracy:.1%}{row}{best}")
    parts.append(f"rate {report.learning_rate:.1e}")
    parts += [report.schedule] if report.schedule else []
    return "  ".join([*parts, f"{_duration(report.seconds_left)} left"])


def describe_progress(progress: Progress) -> str:
    """How far, how fast, what else, and the time left."""
    rate = progress.done / progress.seconds if progress.seconds else 0.0
    left = (progress.total - progress.done) / rate if rate else 0.0
    parts = [f"{progress.done}/{progress.total} {progress.unit}", f"{rate:.1f}/s", progress.note]
    parts.append(f"{_duration(left)} left" if progress.done < progress.total else _duration(progress.seconds))
    return "  ".join(filter(None, parts))


def _duration(seconds: float) -> str:
    """In the two largest units: 45 s, 3 m 05 s, 2 h 10 m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} m {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} m"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns aligned by their widest entry; columns of numbers to the right."""
    text = [list(header), *([str(entry) for entry in row] for row in rows)]
    widths = [max(len(row[i]) for row in text) for i in range(len(header))]
    numeric = [all(_is_number(row[i]) for row in text[1:]) for i in range(len(header))]
    lines = [
        "  ".join(entry.rjust(width) if right else entry.ljust(width) for entry, width, right in zip(row, widths, numeric, strict=True))
        for row in text
    ]
    return "\n".join(line.rstrip() for line in [lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _is_number(text: str) -> bool:
    return text in ("", "-") or text.removeprefix("+").removeprefix("-").replace(",", "").replace(".", "").removesuffix("%").isdigit()


def print_summary(summary: Summary) -> None:
    """The short table at the end of `rescomp run`."""
    size = summary.bytes
    click.echo(f"\naccuracy   float {summary.accuracy_float:.2%}   integer {summary.accuracy_integer:.2%}{_in_a_stream(summary.streamed)}")
    click.echo(
        f"bytes      model {size['model']:,} = weights {size['weights']:,} + scales {size['scales']:,} "
        f"+ biases {size['biases']:,} + tables {size['tables']:,}   ({size['model'] / 1024:.2f} KB)\n"
    )
    print_verification(summary.verification)
    click.echo(f"\n{summary.model_dir}/ holds the model (C in {summary.model_dir}/c/); {summary.seconds:.0f} s")


def _in_a_stream(found: StreamedFigures | None) -> str:
    if found is None:
        return ""
    ends = f", {found.ends:.2%} at the recordings' ends" if found.of == "in a row" else ""
    walked = ", by two staggered states" if found.states == 2 else ""
    return f"   in a stream {found.streamed:.2%} of steps{ends}{walked}"


def print_seeds(summary: SeedsSummary) -> None:
    """Each seed's accuracies and bytes, then mean, spread and median."""
    rows = [(str(seed), *_accuracies_and_counts(run)) for seed, run in zip(summary.seeds, summary.summaries, strict=True)]
    spreads = summary.accuracy_float, summary.accuracy_integer
    for name in ("mean", "std", "median"):
        values = [getattr(spread, name) for spread in spreads]
        rows.append((name, *("-" if value is None else f"{value:.2%}" for value in values), "", "", ""))
    click.echo("\n" + table(("seed", "float", "integer", "bytes", "compared", "differing"), rows))
    click.echo("std: sample standard deviation")


def _accuracies_and_counts(run: Summary) -> tuple[str, ...]:
    found = run.verification
    accuracies = f"{run.accuracy_float:.2%}", f"{run.accuracy_integer:.2%}"
    return *accuracies, f"{run.bytes['model']:,}", f"{found.compared:,}", f"{found.mismatches:,}"


def print_verification(result: Verification) -> None:
    """Witnesses with counts of compared and differing values."""
    rows = [_witness_row(variant) for variant in result.by_variant]
    click.echo(table(("witness", "variant", "version", "test set", "stress set", "layers", "stream", "differing"), rows))
    if result.coverage:
        names = ("test set", "with stress set", "with layers")[: len(result.coverage[0][1])]
        rows = [(name, *(f"{count:,}" for count in counts), f"{reachable:,}") for name, counts, reachable in result.coverage]
        click.echo("\n" + table(("reached", *names, "of reachable"), rows) + "\n")
    _print_stream(result)
    for line in result.not_run:
        click.echo(f"not run: {line}")
    for line in result.not_seen:
        click.echo(f"not seen: {line}")
    if result.sampled:
        click.echo("sampled: not every sequence of the sets was run")
    if result.uses:
        click.echo(f"{result.uses:,} numbers, names and results compared of headers, run, classify, and two states in turns")
    if result.files:
        click.echo(f"{counted(result.files, 'file')} compared with a fresh export")
    for line in result.failures[1:]:
        click.echo(f"differs: {line}")
    if result.witnesses:
        click.echo(f"{counted(result.compared, 'value')} compared, {counted(result.mismatches, 'differs', 'differ')}")


def _print_stream(result: Verification) -> None:
    """How far each witness went without a reset, and what saturated on the way."""
    from .graph.events import KINDS

    if not result.streams:
        return
    went = "; ".join(f"{', '.join(names)}: {counted(steps, 'step')}" for steps, names in result.streams.items())
    click.echo(f"stream, its state never reset: {went}")
    seen = result.now.stream
    if seen is not None and seen.values:
        ends = [f"{KINDS[kind]} {count:,}" for kind, count in seen.at_ends.items()]
        values = f"{seen.values:,} values in {counted(seen.steps, 'step')}"
        click.echo(f"  of {values} lie at an end of their format: {', '.join(ends)}")
        click.echo(f"  of {seen.states:,} entries of states {seen.states_at_ends:,} ({seen.states_at_ends / max(1, seen.states):.2%})")


def _witness_row(entries: Sequence[Evidence]) -> tuple[str, ...]:
    """One variant of a witness on every set."""
    first = entries[0]
    counts = {entry.set.partition(" ")[0]: f"{entry.compared:,}" for entry in entries}
    differing = f"{sum(entry.mismatches for entry in entries):,}"
    return (
        first.witness,
        first.variant,
        first.version,
        *(counts.get(name, "-") for name in ("test", "stress", "layers", "stream")),
        differing,
    )


def print_evaluation(result: Evaluation) -> None:
    """Accuracies alone and in streams side by side, the figures of streams, what perturbations do, and what a user should know."""
    click.echo(f"{result.name} on {result.data}\n")
    rows = [("single, from state zero", _percent(result.accuracy), "")]
    if result.corner is not None:
        rows.append(("single, from any state", _percent(result.corner), ""))
    if result.streamed is not None:
        rows += _stream_rows(result.streamed)
    own = "in the file's order" if result.streamed is not None and result.streamed.own_order is not None else ""
    click.echo(table(("right", "share", own), rows))
    if result.streamed is not None:
        click.echo("\n" + describe_streamed(result.streamed))
    if result.perturbed:
        found = [(each.title, *_perturbed_row(each, result.accuracy)) for each in result.perturbed.values()]
        click.echo("\n" + table(("perturbation", "right", "difference", ""), found))
    for sentence in result.sentences:
        click.echo(f"\n{sentence}")


def print_prediction(result: Prediction) -> None:
    """How many rows of each class."""
    click.echo(table(("class", "rows"), [(name or "(none yet)", f"{count:,}") for name, count in result.counts.items()]))
    click.echo(f"{counted(result.rows, 'row')} in {result.output}")
    if result.limited:
        where = "outside what the model's 16-bit input holds, and"
        click.echo(counted(result.limited, f"reading lies {where} was limited to it", f"readings lie {where} were limited to it"))
    for sentence in result.sentences:
        click.echo(sentence)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _stream_rows(streamed: Streamed) -> list[tuple[str, str, str]]:
    rows = []
    titles = {"streamed": "steps", "settled": "settled steps", "tail": "last tenth's steps", "ends": "ends of recordings"}
    titles["ends"] = "ends of segments" if streamed.of == "continuous" else titles["ends"]
    for name, title in titles.items():
        spread = f" +- {streamed.spread[name]:.2%}" if name in streamed.spread else ""
        own = "" if streamed.own_order is None else _percent(getattr(streamed.own_order, name))
        rows.append((f"in a stream: {title}", _percent(getattr(streamed.metrics, name)) + spread, own))
    return rows


def describe_streamed(streamed: Streamed) -> str:
    """What the streams are, and delays, misses, flips and wake words in them."""
    metrics, clock = streamed.metrics, streamed.clock
    what = {"continuous": "continuous recordings", "in a row": "recordings in a row"}.get(streamed.of, "continuous recordings in a row")
    of = f"{what}, in {streamed.orders} seeded orders" if streamed.orders else what
    size = f"{counted(metrics.streams, 'stream')}, {counted(metrics.steps, 'step')}, {counted(metrics.changes, 'change')}"
    how = "; decided by the graph decide" if streamed.decided_by == "decide" else ""
    how += _describe_policy(streamed.policy)
    lines = [f"{of}: {size}; settled {counted(clock.settle, 'reading')} after a change{how}"]
    if metrics.miss is not None:
        median, p90 = ("never" if delay is None else f"{counted(delay, 'reading')}" for delay in (metrics.delay_median, metrics.delay_p90))
        lines.append(f"delay: median {median}, 90 % {p90}; missed {metrics.missed}")
    if metrics.flips is not None:
        lines.append(f"decision changes in settled time: {metrics.flips}")
    if (words := streamed.wake_words) is not None:
        found = words.latency_median
        latency = "" if found is None else f", latency {counted(found, 'reading')} (90 %: {words.latency_p90:,})"
        lines.append(f"wake words: {words.rejected:,} of {words.words:,} rejected{latency}; false accepts {words.false_accepts}")
    return "\n".join(lines)


def _describe_policy(policy: StreamPolicy | None) -> str:
    """What a stream does beside running on."""
    if policy is None:
        return ""
    two = (
        f"; two staggered states, each begun anew every {2 * policy.half_window:,} steps, the older one answers"
        if policy.half_window
        else ""
    )
    return two + (f"; readings that stand at an end for more than {counted(policy.rail, 'step')} are lost" if policy.rail else "")


def _perturbed_row(each: Perturbed, before: float | None) -> tuple[str, str, str]:
    if each.accuracy is None:
        return "-", "", f"not asked: {each.why_not}"
    difference = "" if before is None else f"{100 * (each.accuracy - before):+.2f}"
    return _percent(each.accuracy), difference, f"worst: {each.worst}" if each.worst else ""


def print_migration(result: Migration) -> None:
    """What was changed, file by file."""
    for each in result.changes:
        place = f" (instead of {each.instead_of})" if each.instead_of else ""
        click.echo(f"{each.file}{place}: {each.what}")
    if not result.changes:
        click.echo(f"{result.path} is as this version writes it: nothing was changed")


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
    frame = several if reading.readings_a_step > 1 or reading.stride > 1 else ""
    names = f", channels {', '.join(reading.channels)}" if reading.channels else ""
    return f"a reading  int16, {counted(reading.fraction_bits, 'fraction bit')}: the integer 1 is {reading.scale:.11g}{unit}{names}{frame}"


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


def print_check(result: Check) -> None:
    """Sizes with limits and differences, then the verdict."""
    rows = []
    for each in result.measures:
        difference = "" if each.difference is None else f"{each.difference:+,}"
        rows.append((each.what, f"{each.value:,}", _optional(each.baseline), difference, _optional(each.limit)))
    click.echo(table(("bytes", "now", "before", "difference", "limit"), rows))
    if result.reached:
        click.echo(
            table(("right", "now", "at least"), [(each.what, _percent(each.value), _percent(each.least)) for each in result.reached])
        )
    found = f"{counted(result.compared, 'value')} compared, {counted(result.mismatches, 'differs', 'differ')}"
    click.echo(f"{found}; {'passed' if result.passed else 'FAILED'}")
    if result.not_compared:
        click.echo(f"not compared: {', '.join(result.not_compared)}")
    for line in result.not_seen:
        click.echo(f"not seen: {line}")
    for failure in (*result.mismatch_failures, *result.size_failures):
        click.echo(f"failed: {failure}")


def _optional(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def print_boards(boards: Sequence[Board]) -> None:
    """A line a board."""
    rows = []
    for board in boards:
        core = board.find_core()
        sizes = f"{core.flash_bytes:,}", f"{core.ram_bytes:,}", f"{board.clock_hz / 1e6:g}"
        rows.append((board.name, board.title, board.core, *sizes, ", ".join(method.method for method in board.flash), board.evidence))
    click.echo(table(("name", "board", "core", "flash", "RAM", "MHz", "flashed by", "firmware"), rows))
    click.echo("flash and RAM: bytes that a program may use; firmware: on none of the real boards was it run yet (docs/boards.md)")


def print_flashed(result: Flashed) -> None:
    """What the firmware takes, what was done, and what to do next."""
    for command in result.commands if result.fit is None else ():
        click.echo(command)
    if result.fit is not None:
        fit = result.fit
        stack = f"{fit.stack:,}" if fit.stack is not None else "not measured"
        rows = [
            ("flash", f"{fit.flash:,}", f"{fit.flash_bytes:,}"),
            ("variables", f"{fit.ram:,}", f"{fit.ram_bytes:,}"),
            ("stack", stack, f"{fit.ram_bytes - fit.ram:,}"),
        ]
        click.echo(table((result.title, "takes", "there is"), rows))
    if result.verification is not None:
        print_verification(result.verification)
    else:
        click.echo(f"{'# ' if result.fit is None else ''}next: {result.next}")


def print_diagnosis(result: Diagnosis) -> None:
    """What there is, then what is missing and how to get it."""
    click.echo(f"rescomp {result.rescomp}, Python {result.python}, {result.system}")
    cpu = result.processor
    flags = "flags unknown" if cpu.flags is None else ", ".join(cpu.flags) or "none of the flags that matter"
    click.echo(f"{cpu.model or cpu.machine}: {flags}" + (f"\n{cpu.advice}" if cpu.advice else ""))
    for title, items in (("package", result.packages), ("tool", result.tools)):
        rows = [(item.name, item.version or "missing", "" if item.version else item.get) for item in items]
        click.echo("\n" + table((title, "version", "get it with"), rows))
    witnesses = [(each.name, "ready" if each.ready else "not ready", each.reason) for each in result.witnesses]
    click.echo("\n" + table(("witness", "", "why"), witnesses))
    _print_boards(result)
    if result.missing:
        click.echo("\nto get all that is missing:\n" + "\n".join(f"  {command}" for command in result.missing))


def _print_boards(result: Diagnosis) -> None:
    if result.ports is None:
        click.echo("\nserial ports are not looked for without pyserial: pip install pyserial")
    elif result.ports:
        rows = [(port.device, port.usb, port.board or port.description, port.problem) for port in result.ports]
        click.echo("\n" + table(("port", "USB", "board", "problem"), rows))
    else:
        click.echo("\nno serial port is there")
    for label, board in result.drives:
        click.echo(f"drive {label}: {board}")
