"""What evaluate and predict found: right answers, alone and in streams, and answers a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import counted
from .classes import recall_table
from .output import show
from .tables import percent, table

if TYPE_CHECKING:
    from ..graph.ir import StreamPolicy
    from ..manifest import Calibrated
    from ..stages.evaluation import Evaluation, Perturbed
    from ..stages.prediction import Prediction
    from ..stages.stream_walks import Streamed


def print_evaluation(result: Evaluation) -> None:
    """Accuracies alone and in streams side by side, the figures of streams, what perturbations do, and what a user should know."""
    show(f"{result.name} on {result.data}\n")
    rows = [("single, from state zero", percent(result.accuracy), "")]
    if (classes := result.by_class) is not None:
        rows.append(("the same, balanced over classes", percent(classes.balanced_accuracy), ""))
        rows.append(("the same, macro F1", percent(classes.macro_f1), ""))
    if result.corner is not None:
        rows.append(("single, from any state", percent(result.corner), ""))
    if result.streamed is not None:
        rows += _stream_rows(result.streamed)
    if (worn := result.calibrated) is not None:
        rows.append((f"calibrated: {_of_groups(worn)}", percent(worn.accuracy), ""))
        rows.append(("the same, not calibrated", percent(worn.as_they_are), ""))
    own = "in the file's order" if result.streamed is not None and result.streamed.own_order is not None else ""
    show(table(("right", "share", own), rows))
    if classes is not None:
        show("\n" + recall_table({"single": classes}))
    if result.streamed is not None:
        show("\n" + describe_streamed(result.streamed))
    if result.perturbed:
        found = [(each.title, *_perturbed_row(each, result.accuracy)) for each in result.perturbed.values()]
        show("\n" + table(("perturbation", "right", "difference", ""), found))
    for sentence in result.sentences:
        show(f"\n{sentence}")


def _of_groups(found: Calibrated) -> str:
    return f"{counted(found.recordings, 'recording')} of {counted(found.groups, 'group')}"


def _stream_rows(streamed: Streamed) -> list[tuple[str, str, str]]:
    rows = []
    titles = {"streamed": "steps", "settled": "settled steps", "tail": "last tenth's steps", "ends": "ends of recordings"}
    titles["ends"] = "ends of segments" if streamed.of == "continuous" else titles["ends"]
    for name, title in titles.items():
        spread = f" +- {streamed.spread[name]:.2%}" if name in streamed.spread else ""
        own = "" if streamed.own_order is None else percent(getattr(streamed.own_order, name))
        rows.append((f"in a stream: {title}", percent(getattr(streamed.metrics, name)) + spread, own))
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
    if streamed.wake_words is not None:
        lines.append(f"wake words: {streamed.wake_words}")
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
    return percent(each.accuracy), difference, f"worst: {each.worst}" if each.worst else ""


def print_prediction(result: Prediction) -> None:
    """How many rows of each class."""
    show(table(("class", "rows"), [(name or "(none yet)", f"{count:,}") for name, count in result.counts.items()]))
    show(f"{counted(result.rows, 'row')} in {result.output}")
    if result.limited:
        where = "outside what the model's 16-bit input holds, and"
        show(counted(result.limited, f"reading lies {where} was limited to it", f"readings lie {where} were limited to it"))
    for sentence in result.sentences:
        show(sentence)
