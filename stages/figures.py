"""What report.json keeps of an evaluation: the figures that `check` can limit, bound to the vectors that they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from ..decision_figures import ChangeFigures, WakeWordFigures
from ..errors import counted
from ..strict_documents import Count, Fraction, Part, Sha256, is_share
from .perturbations import Perturbation
from .stream_metrics import StreamMetrics
from .wake_words import WakeWords

STREAMED = ("streamed", "settled", "tail", "ends")
FIGURES = ("corner", *STREAMED)
"""Figures beside those of perturbations."""


def wake_word_figures(found: WakeWords, background: Sequence[str]) -> WakeWordFigures:
    """As documents keep them. background: the classes that are no word, by name."""
    known = {**vars(found), "false_accepts": found.false_accepts.as_json(), "background": tuple(background)}
    return WakeWordFigures(**{name: value for name, value in known.items() if value is not None})


def change_figures(found: StreamMetrics) -> ChangeFigures:
    """As documents keep what a decision misses and how long it takes."""
    known = {name: getattr(found, name) for name in ("judged", "delay_median", "delay_p90", "miss")}
    known["flips"] = None if found.flips is None else found.flips.as_json()
    return ChangeFigures(**{name: value for name, value in known.items() if value is not None})


class StreamedFigures(Part):
    """See stream_metrics.StreamMetrics. of: see stream_walks.StreamKind. sha256: of the streams.

    states: how many of them a stream steps, two by a policy with a window. wake_words: where some classes were named as the background.
    """

    of: Literal["continuous", "in a row", "continuous, in a row"]
    sha256: Sha256
    streams: Count
    steps: Count
    streamed: Fraction
    settled: Fraction | None
    tail: Fraction
    ends: Fraction
    states: Literal[1, 2] = 1
    wake_words: WakeWordFigures | None = None

    @property
    def words(self) -> WakeWords | None:
        """The wake words as measured."""
        if (said := self.wake_words) is None:
            return None
        return WakeWords(said.words, said.rejected, said.false_accepts.exact, said.latency_median, said.latency_p90)

    @model_validator(mode="after")
    def _follow_from_the_steps(self) -> Self:
        if not is_share(self.streamed, self.steps):
            raise ValueError(f"streamed is no share of {counted(self.steps, 'step')}")
        if self.streams > self.steps or (self.wake_words is not None and self.wake_words.words > self.steps):
            raise ValueError(f"{counted(self.steps, 'step')} hold more streams or words than steps")
        return self

    @model_serializer(mode="wrap")
    def _leave_out_words_where_there_are_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: part for name, part in handler(self).items() if name != "wake_words" or part is not None}


class Figures(Part):
    """vectors_sha256: of the golden vectors. corner: None for a net without state. perturbed: accuracy by perturbation."""

    vectors_sha256: Sha256
    corner: Fraction | None = None
    streamed: StreamedFigures | None = None
    perturbed: Mapping[Perturbation, Fraction] = {}

    @model_serializer(mode="wrap")
    def _leave_out_what_was_not_asked(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: part for name, part in handler(self).items() if part not in (None, {})}

    def after(self, earlier: Figures | None) -> Figures:
        """With what `earlier` says of the same vectors that is not here."""
        if earlier is None or earlier.vectors_sha256 != self.vectors_sha256:
            return self
        update = {name: getattr(self, name) or getattr(earlier, name) for name in ("corner", "streamed", "perturbed")}
        return Figures(vectors_sha256=self.vectors_sha256, **update)

    def find(self, name: str) -> float | None:
        """A figure of FIGURES or of a perturbation, None where it was not asked."""
        if name == "corner":
            return self.corner
        if name in FIGURES:
            found: float | None = getattr(self.streamed, name) if self.streamed is not None else None
            return found
        return self.perturbed.get(name)  # type: ignore[call-overload, no-any-return]
