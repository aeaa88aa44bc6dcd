"""The front of a search as a picture: SVG, the same bytes for the same front."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ..search.front import Scored

ACROSS, UP, EDGE = 640, 400, 60
"""Of the picture, and of its edges, in pixels."""
_STYLE = 'font-family="sans-serif" font-size="12" fill="#333"'


def front_picture(front: Sequence[Scored], cost: str) -> str:
    """The metric over one cost, a point a candidate, with the spread of its seeds. cost: of Scored.costs."""
    points = sorted(front, key=lambda each: (each.costs[cost], -each.metric))
    across = _Scale([each.costs[cost] for each in points], EDGE, ACROSS - EDGE)
    up = _Scale([value for each in points for value in (each.metric, *each.repeated)], UP - EDGE, EDGE)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{ACROSS}" height="{UP}" viewBox="0 0 {ACROSS} {UP}">',
        f'<rect width="{ACROSS}" height="{UP}" fill="white"/>',
        f'<path d="M{EDGE} {EDGE}V{UP - EDGE}H{ACROSS - EDGE}" fill="none" stroke="#333"/>',
        f'<text x="{ACROSS // 2}" y="{UP - 12}" text-anchor="middle" {_STYLE}>{cost}</text>',
    ]
    for one, other in pairwise(points):
        x, y, end, top = across(one.costs[cost]), up(one.metric), across(other.costs[cost]), up(other.metric)
        lines.append(f'<path d="M{x} {y}H{end}V{top}" fill="none" stroke="#999"/>')
    for each in points:
        lines += _point(each, across(each.costs[cost]), up(each.metric), [up(value) for value in each.repeated], cost)
    return "\n".join([*lines, "</svg>", ""])


def _point(each: Scored, x: float, y: float, others: Sequence[float], cost: str) -> list[str]:
    seeds = [f'<circle cx="{x}" cy="{other}" r="3" fill="none" stroke="#21918c"/>' for other in others]
    said = f"trial {each.trial}: {each.metric:.2%}, {cost} {each.costs[cost]}"
    return [
        *seeds,
        f'<circle cx="{x}" cy="{y}" r="4" fill="#21918c"><title>{said}</title></circle>',
        f'<text x="{x}" y="{y - 8}" text-anchor="middle" {_STYLE}>{each.metric:.1%}</text>',
        f'<text x="{x}" y="{UP - EDGE + 16}" text-anchor="middle" {_STYLE}>{each.costs[cost]}</text>',
    ]


class _Scale:
    """From values to pixels, the least at `first`, the largest at `last`; to a tenth."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        self.low, self.range = min(values, default=0.0), (max(values, default=0.0) - min(values, default=0.0)) or 1.0
        self.first, self.last = first, last

    def __call__(self, value: float) -> float:
        return round(self.first + (self.last - self.first) * (value - self.low) / self.range, 1)
