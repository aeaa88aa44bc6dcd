"""docs/har2.md from the records of har2.py. The same records give the same text; of two of one job and phase the later one counts."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from har2_jobs import FINAL, SEEDS, VALIDATIONS, all_jobs

Record = dict[str, Any]
Jobs = Mapping[tuple[str, str], Record]
"""By name and phase."""
TITLES = {"har2": "HAR-2: sitting, laying, walking upstairs against the rest", "har6": "Six classes"}
SECTIONS = {
    "ablation": "The paper's ablation: FastGRNN, H = 80, r_w = 5, r_u = 40, s_w = 0.2, s_u = 0.3",
    "cells-3k": "Cells at equal bytes, int8, 3 KB",
    "cells-1k": "Cells at equal bytes, int4, 1 KB",
    "storage-1024": "Storages at equal bytes, FastGRNN, four readings a step, 1 KB",
    "storage-512": "Storages at equal bytes, FastGRNN, four readings a step, 512 B",
}
BUDGETS = {3072: "3 KB", 1536: "1.5 KB", 1024: "1 KB", 512: "512 B"}
GOAL = ("har2", 1024, 0.96)
PAPER = {"none": ("95.38 %", "29 KB"), "l": ("96.81 %", "28 KB"), "ls": ("96.37 %", "17 KB"), "lsq": ("95.59 %", "3 KB")}
PAPER_SOURCE = (
    'Kusupati et al., "FastGRNN: A Fast, Accurate, Stable and Tiny Kilobyte Sized Gated Recurrent Neural Network", NeurIPS 2018 '
    "(arXiv 1901.02358), tables 3 and 8: HAR-2; there GRU 93.62 % at 71 KB, LSTM 93.65 % at 74 KB"
)
BYTE_KINDS = ("weights", "scales", "biases", "tables", "model")


@dataclass
class Variant:
    """All records of one configuration: phase -> seed -> record."""

    phases: dict[str, dict[int, Record]] = field(default_factory=dict)

    def accuracies(self, phase: str, kind: str) -> list[float]:
        """By seed."""
        return [record["accuracy"][kind] for _, record in sorted(self.phases.get(phase, {}).items())]

    @property
    def validation(self) -> float:
        """Mean over the folds, 0 where one is missing."""
        found = self.accuracies("validation", "integer")
        return statistics.mean(found) if len(found) == SEEDS else 0.0

    @property
    def is_tested(self) -> bool:
        """With every seed."""
        return len(self.accuracies("final", "integer")) == SEEDS

    @property
    def shown(self) -> Record:
        """The record whose sizes are shown."""
        return max((record for phase in self.phases.values() for record in phase.values()), key=lambda record: record["bytes"]["model"])

    @property
    def minutes(self) -> float:
        """Of all trainings and verifications."""
        return sum(record["seconds"] for phase in self.phases.values() for record in phase.values()) / 60


def render(records: list[Record]) -> str:
    """The page."""
    jobs = {(record["job"], record["phase"]): record for record in records if record["kind"] == "job" and not record["settings"]}
    lines = ["# UCI HAR", "", "Written by `python benchmarks/har2.py --table`; do not edit by hand.", "", *_preamble(list(jobs.values()))]
    for task, title in TITLES.items():
        lines += ["", f"## {title}", *_linear(records, task), *_frontier(jobs, task)]
        for group, heading in SECTIONS.items():
            lines += _single(jobs, task, group, heading)
    return "\n".join([*lines, "", *_commands(list(jobs.values())), ""])


def _preamble(records: Sequence[Record]) -> list[str]:
    every = sorted({", ".join(f"{name} {number}" for name, number in record["versions"].items()) for record in records})
    threads = sorted({str(record["threads"]) for record in records})
    compared, differ, seconds = (sum(record[key] for record in records) for key in ("compared", "mismatches", "seconds"))
    witnesses = sorted({witness for record in records for witness in record["witnesses"]})
    return [
        "128 readings of 9 channels a window; the official split, by subject: 7,352 training and 2,947 test windows (one is 0.034 %). "
        "UCI HAR, Anguita et al. 2012, rebuilt from the raw recordings: about 50 static windows may sit one step off the original.",
        "",
        "`validation`: cross-validation on the training subjects, a third of them held out for each seed, and a net trained on the other "
        "two; by its mean the hyper-parameters and the frontier's configurations were chosen. `test`: a net trained on all training "
        "subjects, looked at once a configuration and seed. `float` is the net before quantization; every other accuracy is the integer "
        "model's, the same in every witness. Bytes are exact, of the const data in the generated C; KB = 1024 bytes.",
        "",
        f"{compared:,} values were compared between numpy and the witnesses ({', '.join(witnesses)}) for this page; {differ:,} differ. "
        f"All trainings and verifications took {seconds / 3600:.1f} hours, one thread each and several at a time on two cores.",
        "",
        f"Versions: {'; '.join(every)}. Threads: {', '.join(threads)}.",
    ]


def _linear(records: Iterable[Record], task: str) -> list[str]:
    """The baseline's line."""
    found = {record["split"]: record for record in records if record["kind"] == "linear" and record["task"] == task}
    splits = {"validation, mean": VALIDATIONS, "test": (FINAL,)}
    groups = {name: [split for split in each if split in found] for name, each in splits.items()}
    figures = [f"{statistics.mean(found[split]['accuracy'] for split in group):.2%} ({name})" for name, group in groups.items() if group]
    size = max((record["bytes"] for record in found.values()), default=0)
    text = "Linear baseline, logistic regression on the mean and the standard deviation of each channel, int8 weights with a scale a row"
    return ["", f"{text}: {', '.join(figures)} at {size} bytes."] if figures else []


def _variants(jobs: Jobs, prefix: str) -> dict[str, Variant]:
    """The configurations whose names begin so, in the order of har2_jobs."""
    result: dict[str, Variant] = {}
    for job in all_jobs():
        for phase in ("validation", "final"):
            if job.name.startswith(prefix) and (job.name, phase) in jobs:
                variant = result.setdefault(job.configuration.removeprefix(prefix), Variant())
                variant.phases.setdefault(phase, {})[job.seed] = jobs[job.name, phase]
    return result


def _frontier(jobs: Jobs, task: str) -> list[str]:
    lines: list[str] = []
    for budget, title in BUDGETS.items():
        variants = _variants(jobs, f"{task}/frontier-{budget}/")
        if variants:
            lines += ["", f"### Frontier, at most {title}", "", *_frontier_table(variants), *_chosen(task, budget, variants)]
    return lines


def _frontier_table(variants: Mapping[str, Variant]) -> list[str]:
    head = ["net", "validation, by seed", "mean", "test, by seed", "median", *BYTE_KINDS, "state + scratch", "minutes"]
    rows = []
    for name, variant in sorted(variants.items(), key=lambda item: -item[1].validation):
        test = variant.accuracies("final", "integer")
        cells = [name, _percents(variant.accuracies("validation", "integer"))]
        cells += [f"{variant.validation:.2%}" if variant.validation else "", _percents(test)]
        cells += [f"**{statistics.median(test):.2%}**" if test else "", *_sizes(variant), f"{variant.minutes:.1f}"]
        rows.append(cells)
    return _table(head, rows)


def _chosen(task: str, budget: int, variants: Mapping[str, Variant]) -> list[str]:
    """The goal, where this is its budget and the configuration that validation chose has been tested."""
    best = max(variants.values(), key=lambda variant: variant.validation)
    test = best.accuracies("final", "integer")
    if (task, budget) != GOAL[:2] or not test:
        return []
    median = statistics.median(test)
    lines = ["", f"Goal: {GOAL[2]:.1%} at {BUDGETS[budget]}; {'reached' if median >= GOAL[2] else 'missed'} with {median:.2%}."]
    medians = {name: statistics.median(variant.accuracies("final", "integer")) for name, variant in variants.items() if variant.is_tested}
    highest = max(medians, key=lambda name: medians[name])
    if medians[highest] > median:
        less = best.validation - variants[highest].validation
        lines[-1] += (
            f" Highest on the test set, which was not what chose: {highest}, {medians[highest]:.2%}, {less:.2%} lower on validation."
        )
    return lines


def _single(jobs: Jobs, task: str, group: str, heading: str) -> list[str]:
    """A section of one seed each, looked at once."""
    tested = {name: variant for name, variant in _variants(jobs, f"{task}/{group}/").items() if "final" in variant.phases}
    if not tested:
        return []
    paper = group == "ablation" and task == "har2"
    head = ["net", "test, float", "test", *BYTE_KINDS, "float net", "state + scratch", "minutes"]
    rows = []
    for name, variant in tested.items():
        cells = [name, *(_percents(variant.accuracies("final", kind)) for kind in ("float", "integer")), *_sizes(variant)]
        cells.insert(-1, str(variant.shown["float_bytes"]))
        rows.append([*cells, f"{variant.minutes:.1f}", *(PAPER.get(name, ("", "")) if paper else ())])
    return ["", f"### {heading}", "", *_table([*head, *(("paper", "size") if paper else ())], rows), *(_note() if paper else ())]


def _note() -> list[str]:
    return [
        "",
        f"The paper's figures: {PAPER_SOURCE}. none, l and ls are float nets there, so theirs stands beside `float` here; its size counts "
        "4 bytes a parameter and 4 more for a sparse entry's index, as `float net` does. lsq is to be compared with `test`: there `float` "
        "is the net before sparsity. Normalisation, augmentation and schedule are ours, not the paper's.",
    ]


def _sizes(variant: Variant) -> list[str]:
    """Bytes by kind, and of RAM."""
    shown = variant.shown
    return [*(str(shown["bytes"][kind]) for kind in BYTE_KINDS), str(sum(shown["ram"].values()))]


def _percents(values: Iterable[float]) -> str:
    return " ".join(f"{value:.2%}" for value in values)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---", *["---:"] * (len(head) - 1)], *rows)]


def _commands(records: Sequence[Record]) -> list[str]:
    """How to make each row; --data-folder or RESCOMP_BENCHMARK_DATA says where uci_har.npz is."""
    base = sorted({" ".join(record["base"]) for record in records})
    commands = sorted({re.sub(r"--jobs (\S+)/s\d+", r"--jobs '\1/*'", record["command"]) for record in records})
    return [
        "## Commands",
        "",
        f"Settings of every job: `{'; '.join(base)}`; what differs is in benchmarks/har2_jobs.py.",
        "",
        "```",
        *commands,
        "```",
    ]
