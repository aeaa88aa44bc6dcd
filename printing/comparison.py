"""What verify compared, and what check found of it and of the sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import counted
from .output import show
from .tables import count_or_nothing, percent, table

if TYPE_CHECKING:
    from ..stages.check_findings import Check
    from ..stages.evidence import Evidence
    from ..stages.verification import Verification


def print_verification(result: Verification) -> None:
    """Witnesses with counts of compared and differing values."""
    rows = [_witness_row(variant) for variant in result.by_variant]
    show(table(("witness", "variant", "version", "test set", "stress set", "layers", "stream", "differing"), rows))
    if result.coverage:
        names = ("test set", "with stress set", "with layers")[: len(result.coverage[0][1])]
        rows = [(name, *(f"{count:,}" for count in counts), f"{reachable:,}") for name, counts, reachable in result.coverage]
        show("\n" + table(("reached", *names, "of reachable"), rows) + "\n")
    _print_stream(result)
    for line in result.not_run:
        show(f"not run: {line}")
    for line in result.not_seen:
        show(f"not seen: {line}")
    if result.sampled:
        show("sampled: not every sequence of the sets was run")
    if result.uses:
        show(f"{result.uses:,} numbers, names and results compared of headers, run, classify, and two states in turns")
    if result.files:
        show(f"{counted(result.files, 'file')} compared with a fresh export")
    for line in result.failures[1:]:
        show(f"differs: {line}")
    if result.witnesses:
        show(f"{counted(result.compared, 'value')} compared, {counted(result.mismatches, 'differs', 'differ')}")


def _print_stream(result: Verification) -> None:
    """How far each witness went without a reset, and what saturated on the way."""
    from ..graph.events import KINDS

    if not result.streams:
        return
    went = "; ".join(f"{', '.join(names)}: {counted(steps, 'step')}" for steps, names in result.streams.items())
    show(f"stream, its state never reset: {went}")
    seen = result.now.stream
    if seen is not None and seen.values:
        ends = [f"{KINDS[kind]} {count:,}" for kind, count in seen.at_ends.items()]
        values = f"{seen.values:,} values in {counted(seen.steps, 'step')}"
        show(f"  of {values} lie at an end of their format: {', '.join(ends)}")
        show(f"  of {seen.states:,} entries of states {seen.states_at_ends:,} ({seen.states_at_ends / max(1, seen.states):.2%})")


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


def print_check(result: Check) -> None:
    """Sizes with limits and differences, then the verdict."""
    rows = []
    for each in result.measures:
        difference = "" if each.difference is None else f"{each.difference:+,}"
        rows.append((each.what, f"{each.value:,}", count_or_nothing(each.baseline), difference, count_or_nothing(each.limit)))
    show(table(("size", "now", "before", "difference", "limit"), rows))
    if result.reached:
        show(table(("right", "now", "at least"), [(each.what, percent(each.value), percent(each.least)) for each in result.reached]))
    found = f"{counted(result.compared, 'value')} compared, {counted(result.mismatches, 'differs', 'differ')}"
    show(f"{found}; {'passed' if result.passed else 'FAILED'}")
    if result.not_compared:
        show(f"not compared: {', '.join(result.not_compared)}")
    for line in result.not_seen:
        show(f"not seen: {line}")
    for failure in (*result.mismatch_failures, *result.size_failures):
        show(f"failed: {failure}")
