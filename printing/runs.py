"""What run, over one seed or several, init and migrate made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import counted
from .classes import describe_nets
from .comparison import print_verification
from .output import show
from .tables import table

if TYPE_CHECKING:
    from ..pages import Written
    from ..stages.figures import StreamedFigures
    from ..stages.initial import Initial
    from ..stages.migration import Migration
    from ..stages.pipeline import Summary
    from ..stages.seeds import SeedsSummary


def print_summary(summary: Summary) -> None:
    """The short table at the end of `rescomp run`."""
    size = summary.bytes
    show(f"\naccuracy   float {summary.accuracy_float:.2%}   integer {summary.accuracy_integer:.2%}{_in_a_stream(summary.streamed)}")
    if classes := describe_nets(summary.by_class):
        show(classes + "\n")
    if (worst := summary.worst_confusion) is not None:
        show(f"confused   {counted(worst[2], 'recording')} of {worst[0]} taken for {worst[1]}\n")
    if (found := summary.calibrated) is not None:
        show(
            f"calibrated {found.accuracy:.2%} of {counted(found.recordings, 'recording')}, {found.as_they_are:.2%} of them without "
            f"({counted(found.groups, 'group')}, each by its first readings)"
        )
    if summary.streamed is not None and (words := summary.streamed.words) is not None:
        show(f"words      {words}")
    show(
        f"bytes      model {size['model']:,} = weights {size['weights']:,} + scales {size['scales']:,} "
        f"+ biases {size['biases']:,} + tables {size['tables']:,}   ({size['model'] / 1024:.2f} KB)\n"
    )
    print_verification(summary.verification)
    show(f"\n{summary.model_dir}/ holds the model (C in {summary.model_dir}/c/); {summary.seconds:.0f} s")


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
    show("\n" + table(("seed", "float", "integer", "bytes", "compared", "differing"), rows))
    show("std: sample standard deviation")


def _accuracies_and_counts(run: Summary) -> tuple[str, ...]:
    found = run.verification
    accuracies = f"{run.accuracy_float:.2%}", f"{run.accuracy_integer:.2%}"
    return *accuracies, f"{run.bytes['model']:,}", f"{found.compared:,}", f"{found.mismatches:,}"


def print_written(result: Written) -> None:
    """Where the page is."""
    show(f"{result.output} holds {counted(len(result.models), 'model')} in {counted(result.bytes, 'byte')}")


def print_initial(result: Initial) -> None:
    """What the data hold, and what to do next."""
    for sentence in result.found:
        show(sentence)
    show(f"{result.path} is written; look through it, then: rescomp run --recipe {result.path} -o my_model")


def print_migration(result: Migration) -> None:
    """What was changed, file by file."""
    for each in result.changes:
        place = f" (instead of {each.instead_of})" if each.instead_of else ""
        show(f"{each.file}{place}: {each.what}")
    if not result.changes:
        show(f"{result.path} is as this version writes it: nothing was changed")
