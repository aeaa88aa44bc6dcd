"""What report.json tells of streams, held to what it follows from: the recipe, the golden vectors and its own steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from ..data.rows import ORDERS
from ..errors import counted
from ..graph.ir import IntegerModel
from ..manifest import Manifest
from ..rates import Clock
from ..recipe import Recipe
from ..strict_documents import is_share
from .figures import Figures, StreamedFigures
from .hearing import Hearing
from .readings import Reader
from .subjects import copies_of


def false_of_streams(told: Figures, recordings: int, recipe: Recipe, manifest: Manifest, model: IntegerModel) -> Iterator[str]:
    """Each figure that cannot be, as the end of a sentence. recordings: of the golden vectors."""
    shares: dict[str, float | None] = {"corner": told.corner, **{str(name): share for name, share in told.perturbed.items()}}
    counts = dict.fromkeys(shares, recordings)
    if (streamed := told.streamed) is not None:
        shares["ends"], counts["ends"] = streamed.ends, ORDERS * recordings if streamed.of == "in a row" else 0
        yield from _false_of_words(streamed, recipe, manifest, model)
    for name, share in shares.items():
        if share is not None and counts[name] and not is_share(share, counts[name]):
            yield f"{name}, {share:.4%}, that is no share of {counted(counts[name], 'recording')}"


def _false_of_words(streamed: StreamedFigures, recipe: Recipe, manifest: Manifest, model: IntegerModel) -> Iterator[str]:
    if (said := streamed.wake_words) is None:
        return
    if unknown := [name for name in said.background if name not in model.classes]:
        yield f"a background of no class of the model, {unknown[0]!r}"
    own = None if recipe.decide is None else recipe.decide.background
    if own is not None and set(own) != set(said.background):
        yield f"words against {', '.join(said.background)}, and the decision was chosen with {', '.join(own)} as the background"
    seen, heard = said.false_accepts, Hearing.of(recipe, manifest, model)
    rate = recipe.decide.rate if heard is None and recipe.decide is not None else None if heard is None else heard.rate
    if seen.unit == "hour" and rate is None:
        return  # `evaluate --rate` said it, and nothing keeps it
    least, most = _exposures(streamed, Reader.of(manifest, model), rate, copies_of(recipe.data))
    close = math.isclose(seen.exposure, least) or math.isclose(seen.exposure, most)
    if (seen.unit == "hour") != (rate is not None) or not (close or least < seen.exposure < most):
        yield f"{seen.exposure:.4g} {seen.exact.exposed} of {counted(streamed.steps, 'step')}, which take {most:.4g} at most"


def _exposures(streamed: StreamedFigures, reader: Reader, rate: float | None, copies: Fraction) -> tuple[float, float]:
    """The least and the most that its steps may take: of the first ones of recordings, which may read more, the number is not told."""
    in_a_row = {"continuous": Fraction(1), "in a row": copies * ORDERS, "continuous, in a row": Fraction(ORDERS)}
    clock = Clock(rate=rate, copies=in_a_row[streamed.of])
    ends = [clock.count(0, streamed.steps * each, "hour").exposure for each in (reader.stride, reader.readings_a_step)]
    return min(ends), max(ends)
