"""What report.json keeps of an evaluation: the figures that `check` can limit, bound to the vectors that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from ..strict_documents import Count, Fraction, Part, Sha256
from .perturbations import Perturbation

STREAMED = ("streamed", "settled", "tail", "ends")
FIGURES = ("corner", *STREAMED)
"""Figures beside those of perturbations."""


class StreamedFigures(Part):
    """See stream_metrics.StreamMetrics. of: see stream_walks.StreamKind. sha256: of the streams.

    states: how many of them a stream steps, two by a policy with a window.
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
