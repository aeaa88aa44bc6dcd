"""Charts as a caption and inline SVG, in the colours of the page; every text in them is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_ACROSS, _UP, _LEFT, _RIGHT, _TOP, _BOTTOM = 440, 200, 56, 12, 14, 34
COLOURS = 6
"""Of series, in turn: the page's --c0 to --c5."""
MOST_POINTS = 320
"""Of a line: more are not seen."""
Series = tuple[str, Sequence[tuple[float, float]]]
"""A name, and points."""


def lines(title: str, series: Sequence[Series], x: str, y: str, *, legend: bool = True) -> str:
    """Each series as a line over a common x."""
    points = [point for _, each in series for point in each]
    if not points:
        return ""
    frame = _Frame([p[0] for p in points], [p[1] for p in points])
    body = [frame.axes(x, y)]
    for number, (name, each) in enumerate(series):
        path = " ".join(f"{'M' if i == 0 else 'L'}{frame.x(px):.1f} {frame.y(py):.1f}" for i, (px, py) in enumerate(_thinned(each)))
        body.append(
            f'<path d="{path}" fill="none" stroke="var(--c{number % COLOURS})" stroke-width="1.6"><title>{_text(name)}</title></path>'
        )
    return _svg(title, body) + (_legend([name for name, _ in series]) if legend and len(series) > 1 else "")


def points(title: str, named: Sequence[tuple[str, float, float]], x: str, y: str) -> str:
    """A labelled point each."""
    if not named:
        return ""
    frame = _Frame(_with_room([each[1] for each in named]), _with_room([each[2] for each in named]))
    body = [frame.axes(x, y)]
    for number, (name, px, py) in enumerate(named):
        at = frame.x(px), frame.y(py)
        end = "end" if at[0] > _ACROSS / 2 else "start"
        shift = -9 if end == "end" else 9
        body.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="5" fill="var(--c{number % COLOURS})"/>')
        body.append(f'<text x="{at[0] + shift:.1f}" y="{at[1] + 4:.1f}" text-anchor="{end}">{_text(name)}</text>')
    return _svg(title, body)


def histogram(title: str, right: npt.NDArray[np.float64], wrong: npt.NDArray[np.float64], x: str) -> str:
    """Counts of both, side by side at each place."""
    every = np.concatenate([right, wrong])
    edges = np.histogram_bin_edges(every, bins=24)
    counts = [np.histogram(part, edges)[0] for part in (right, wrong)]
    frame = _Frame([float(edges[0]), float(edges[-1])], [0.0, float(np.sum(counts, axis=0).max())])
    body = [frame.axes(x, "recordings")]
    for low, high, hits, misses in zip(edges[:-1], edges[1:], *counts, strict=True):
        bottom = 0
        for number, count in ((0, hits), (1, misses)):
            if count:
                top, base = frame.y(float(bottom + count)), frame.y(float(bottom))
                left, wide = frame.x(float(low)), max(1.0, frame.x(float(high)) - frame.x(float(low)) - 1)
                body.append(f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{base - top:.1f}" fill="var(--c{number})"/>')
            bottom += int(count)
    return _svg(title, body) + _legend(["right", "wrong"])


class _Frame:
    """From values to pixels."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self.low_x, self.wide = min(xs), (max(xs) - min(xs)) or 1.0
        self.low_y, self.high = min(ys), (max(ys) - min(ys)) or 1.0

    def x(self, value: float) -> float:
        return _LEFT + (_ACROSS - _LEFT - _RIGHT) * (value - self.low_x) / self.wide

    def y(self, value: float) -> float:
        return _UP - _BOTTOM - (_UP - _TOP - _BOTTOM) * (value - self.low_y) / self.high

    def axes(self, x: str, y: str) -> str:
        """The frame with the ends of both axes, and what they are."""
        ends = [
            f'<path d="M{_LEFT} {_TOP}V{_UP - _BOTTOM}H{_ACROSS - _RIGHT}" class="axis"/>',
            f'<text x="{_LEFT}" y="{_UP - 16}" text-anchor="start">{self.low_x:.4g}</text>',
            f'<text x="{_ACROSS - _RIGHT}" y="{_UP - 16}" text-anchor="end">{self.low_x + self.wide:.4g}</text>',
            f'<text x="{_LEFT - 6}" y="{_UP - _BOTTOM}" text-anchor="end">{self.low_y:.3g}</text>',
            f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{self.low_y + self.high:.3g}</text>',
            f'<text x="{(_LEFT + _ACROSS) / 2}" y="{_UP - 4}" text-anchor="middle">{_text(x)}</text>',
            f'<text transform="translate(12 {_UP / 2}) rotate(-90)" text-anchor="middle">{_text(y)}</text>',
        ]
        return "".join(ends)


def _with_room(values: Sequence[float]) -> list[float]:
    """The ends of an axis on which no value lies at an end."""
    room = (max(values) - min(values)) / 12 or 1.0
    return [min(values) - room, max(values) + room]


def _thinned(each: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return each if len(each) <= MOST_POINTS else each[:: -(-len(each) // MOST_POINTS)]


def _svg(title: str, body: Sequence[str]) -> str:
    said = _text(title)
    picture = f'<svg viewBox="0 0 {_ACROSS} {_UP}" role="img" aria-label="{said}"><title>{said}</title>{"".join(body)}</svg>'
    return f"<figcaption>{said}</figcaption>{picture}"


def _legend(names: Sequence[str]) -> str:
    entries = (f'<span><i style="background:var(--c{number % COLOURS})"></i>{_text(name)}</span>' for number, name in enumerate(names))
    return f'<p class="legend">{"".join(entries)}</p>'


def _text(text: str) -> str:
    return html.escape("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text), quote=True)
