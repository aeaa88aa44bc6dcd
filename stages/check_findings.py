"""What check finds: sizes and shares beside their limits, as JSON, as a summary for people, and as an error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BudgetError, ParityError, counted
from ..manifest import ClassFigures
from ..text_files import markdown
from .class_figures import CLASS_FIGURES
from .evidence import Evidence
from .limits import CORE_FIGURES, INSTRUCTIONS, MODEL_SIZES
from .perturbations import PERTURBATIONS, TITLES
from .wake_words import WORD_FIGURES

_WHAT: Mapping[str, str] = {"const_bytes": "constants", "ram_bytes": "RAM", "flash_bytes": "flash", INSTRUCTIONS: "instructions a step"}


@dataclass(frozen=True)
class Measure:
    """One size in bytes, or a count of instructions. core: its name, or nothing.

    limit: at most; baseline: before; growth: at most past that. None: not given.
    """

    core: str
    name: str
    value: int
    limit: int | None = None
    baseline: int | None = None
    growth: int | None = None

    @property
    def what(self) -> str:
        """As a person would call it."""
        return f"{_WHAT[self.name]} on {self.core}" if self.core else _WHAT[self.name]

    @property
    def said(self) -> str:
        """The value with its unit, where that is not in what it is called."""
        return f"{self.value:,}" if self.name == INSTRUCTIONS else counted(self.value, "byte")

    @property
    def difference(self) -> int | None:
        """To the baseline."""
        return None if self.baseline is None else self.value - self.baseline

    @property
    def failures(self) -> list[str]:
        """A sentence for each limit that it is past, and by how much."""
        found = []
        if self.limit is not None and self.value > self.limit:
            found.append(f"{self.what}: {self.said}, {self.value - self.limit:,} past the limit of {self.limit:,}")
        if self.growth is not None and self.difference is not None and self.difference > self.growth:
            past = self.difference - self.growth
            found.append(f"{self.what}: {self.said}, {self.difference:,} more than before, {past:,} past the growth of {self.growth:,}")
        return found


@dataclass(frozen=True)
class Reached:
    """A share of right answers that has a limit. least: at least."""

    name: str
    value: float
    least: float

    @property
    def what(self) -> str:
        """As a person would call it."""
        if self.name in PERTURBATIONS:
            return f"accuracy under {TITLES[self.name]}"
        if self.name in CLASS_FIGURES:
            return CLASS_FIGURES[self.name]
        return "accuracy" if self.name == "accuracy" else f"accuracy ({self.name})"

    @property
    def failures(self) -> list[str]:
        """A sentence if it is below its limit, and by how much."""
        short = f"{self.what}: {self.value:.2%}, {100 * (self.least - self.value):.2f} points short of the limit of {self.least:.2%}"
        return [short] if self.value < self.least else []


@dataclass(frozen=True)
class OfWords:
    """A figure of wake words that has a limit. value: infinite where no word is heard, which has no latency. most: at most."""

    name: str
    value: float
    most: float

    @property
    def what(self) -> str:
        """As a person would call it."""
        return WORD_FIGURES[self.name]

    @property
    def found(self) -> float | None:
        """The value as JSON has it."""
        return None if self.value == math.inf else self.value

    def said(self, value: float) -> str:
        """A value as it is written."""
        return f"{value:.2%}" if self.name == "rejected" else "none" if value == math.inf else f"{value:.4g}"

    @property
    def failures(self) -> list[str]:
        """A sentence if it is past its limit."""
        if self.value <= self.most:
            return []
        if self.value == math.inf:
            return [f"{self.what}: no word is heard, and the limit is {self.said(self.most)}"]
        return [f"{self.what}: {self.said(self.value)}, past the limit of {self.said(self.most)}"]


@dataclass(frozen=True)
class Check:
    """What check found. witnesses: evidence on the files at hand. mismatch_failures, size_failures: a sentence each.

    not_compared: exports at hand of which there is no evidence. not_seen: what the witnesses could not be asked, a line each.
    reached, of_words: the figures that the limits name.
    """

    name: str
    graph_sha256: str
    accuracy: float
    witnesses: tuple[Evidence, ...]
    measures: tuple[Measure, ...]
    mismatch_failures: tuple[str, ...]
    not_compared: tuple[str, ...] = ()
    not_seen: tuple[str, ...] = ()
    reached: tuple[Reached, ...] = ()
    of_words: tuple[OfWords, ...] = ()
    by_class: ClassFigures | None = None

    @property
    def size_failures(self) -> tuple[str, ...]:
        """Limits that were passed, and those that were not reached."""
        held: Sequence[Measure | Reached | OfWords] = (*self.measures, *self.reached, *self.of_words)
        return tuple(failure for each in held for failure in each.failures)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.mismatch_failures and not self.size_failures

    @property
    def compared(self) -> int:
        """Values compared by all witnesses together."""
        return sum(witness.compared for witness in self.witnesses if witness.on_vectors)

    @property
    def mismatches(self) -> int:
        """Values that differ, of all witnesses together."""
        return sum(witness.mismatches for witness in self.witnesses if witness.on_vectors)

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp check --json`, which --baseline reads."""
        sizes = {(measure.core, measure.name): measure.value for measure in self.measures}
        cores = list(dict.fromkeys(measure.core for measure in self.measures if measure.core))
        return {
            "schema": 1,
            "model": self.name,
            "graph_sha256": self.graph_sha256,
            "accuracy": {"integer": self.accuracy},
            "by_class": None if self.by_class is None else self.by_class.model_dump(mode="json"),
            "reached": {each.name: {"value": each.value, "least": each.least} for each in self.reached},
            "wake_words": {each.name: {"value": each.found, "most": each.most} for each in self.of_words},
            **{name: sizes["", name] for name in MODEL_SIZES},
            "cores": {core: {name: sizes[core, name] for name in CORE_FIGURES} for core in cores},
            "compared": self.compared,
            "mismatches": self.mismatches,
            "witnesses": [witness.as_row() for witness in self.witnesses],
            "not_compared": list(self.not_compared),
            "not_seen": list(self.not_seen),
            "failures": [*self.mismatch_failures, *self.size_failures],
            "passed": self.passed,
        }

    def as_markdown(self) -> str:
        """A summary for people: the verdict, sizes with their differences, and the witnesses."""
        verdict = "passed" if self.passed else "FAILED"
        lines = [f"## {self.name}: {verdict}", ""]
        lines += [f"- {markdown(failure)}" for failure in (*self.mismatch_failures, *self.size_failures)]
        lines += [""] if not self.passed else []
        lines += ["| size | now | before | difference | limit |", "|---|---:|---:|---:|---:|"]
        for each in self.measures:
            difference = "" if each.difference is None else f"{each.difference:+,}"
            lines.append(f"| {each.what} | {each.value:,} | {_count(each.baseline)} | {difference} | {_count(each.limit)} |")
        if self.reached:
            lines += ["", "| right | now | at least |", "|---|---:|---:|"]
            lines += [f"| {each.what} | {each.value:.2%} | {each.least:.2%} |" for each in self.reached]
        if self.of_words:
            lines += ["", "| words | now | at most |", "|---|---:|---:|"]
            lines += [f"| {each.what} | {each.said(each.value)} | {each.said(each.most)} |" for each in self.of_words]
        lines += ["", "| witness | set | version | values compared | differing |", "|---|---|---|---:|---:|"]
        for witness in self.witnesses:
            of = f"{witness.set}, {counted(witness.steps, 'step')}" if witness.steps else witness.set
            cells = (*map(markdown, (witness.who, of, witness.version)), f"{witness.compared:,}", f"{witness.mismatches:,}")
            lines.append(f"| {' | '.join(cells)} |")
        lines += [f"\nNot compared: {markdown(', '.join(self.not_compared))}."] if self.not_compared else []
        lines += ["", *(f"- not seen: {markdown(line)}" for line in self.not_seen)] if self.not_seen else []
        lines += ["", f"Accuracy on the test set: {self.accuracy:.2%}{self._balanced}. Graph: `{self.graph_sha256[:16]}`.", ""]
        return "\n".join(lines)

    @property
    def _balanced(self) -> str:
        found = self.by_class
        return "" if found is None else f" (balanced {found.balanced_accuracy:.2%}, macro F1 {found.macro_f1:.2%})"

    def raise_failures(self) -> None:
        """Raise ParityError for a mismatch, BudgetError for a limit that was passed, with the first of them."""
        for failures, kind in ((self.mismatch_failures, ParityError), (self.size_failures, BudgetError)):
            if failures:
                others = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
                raise kind(failures[0] + others)


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
