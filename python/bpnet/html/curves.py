"""Curves of numbers by epoch, with axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bpnet.html.markup import Markup, drawing, element

_WIDTH, _HEIGHT = 330.0, 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 318.0, 46.0, 182.0  # the edges of the area within the axes
_MOST_POINTS = 400  # of a curve; of more the least and the largest of each run are drawn
_TICKS = 4
_LARGEST = 1e300  # of a number that is drawn, so that no difference of two overflows


class Curve(NamedTuple):
    """One curve.

    Attributes:
        label: what it is, with its last value.
        colour: of the line.
        x, y: its points; those that are not finite are left out.
        faint: whether it is in the background.
    """

    label: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    faint: bool = False


def panel(title: str, curves: Sequence[Curve], mark: float | None) -> Markup:
    """Curves over one pair of axes, and a vertical line at the x ``mark``."""
    points = [point for curve in curves for point in zip(curve.x, curve.y) if _is_drawn(*point)]
    parts = [element("text", title, x=_LEFT, y=14, font_weight="bold"), *_legend(curves)]
    if not points:
        parts.append(element("text", "no finite number", x=_LEFT, y=(_TOP + _BOTTOM) / 2))
        return drawing(f"{title}: no finite number", _WIDTH, _HEIGHT, *parts)
    across = _Scale([x for x, _ in points], _LEFT, _RIGHT)
    upward = _Scale([y for _, y in points], _BOTTOM, _TOP)
    parts += _axes(across, upward)
    if mark is not None:
        x = across.at(mark)
        parts.append(
            element("path", d=f"M{x:.1f} {_TOP}V{_BOTTOM}", stroke="currentColor", stroke_dasharray="2 3")
        )
        anchor = "start" if x < (_LEFT + _RIGHT) / 2 else "end"
        parts.append(element("text", f"best {mark:g}", x=x, y=_TOP - 3, text_anchor=anchor, font_size=9))
    for curve in curves:
        parts.append(_drawn(curve, across, upward))
    return drawing(f"{title} by epoch", _WIDTH, _HEIGHT, *parts)


def _is_drawn(x: float, y: float) -> bool:
    return abs(x) <= _LARGEST and abs(y) <= _LARGEST  # not so of NaN


class _Scale:
    """From numbers to pixels.

    Args:
        values: the range is from their least to their largest, and a little where these are alike.
        first, last: the pixels of the two.
    """

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        low, high = min(values), max(values)
        least = max(abs(low), abs(high)) * 1e-9
        if high - low <= max(least, 1e-300):
            around = abs(low) * 0.1 or 0.5
            low, high = low - around, high + around
        self.low, self.high = low, high
        self._first, self._last = first, last

    def at(self, value: float) -> float:
        return self._first + (value - self.low) / (self.high - self.low) * (self._last - self._first)

    def ticks(self) -> Iterator[float]:
        """Multiples of 1, 2 or 5 · 10ⁿ within the range, about four of them."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        first = math.ceil(self.low / step)
        for index in range(math.floor(self.high / step) - first + 1):
            yield (first + index) * step


def _legend(curves: Iterable[Curve]) -> Iterator[Markup]:
    left = _LEFT
    for curve in curves:
        if not curve.faint:
            yield element("text", curve.label, x=left, y=28, fill=curve.colour, font_size=10)
            left += 6.0 * len(curve.label) + 12


def _axes(across: _Scale, upward: _Scale) -> Iterator[Markup]:
    yield element(
        "path", d=f"M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}", fill="none", stroke="currentColor", opacity=0.6
    )
    for value in across.ticks():
        if value == int(value):  # there is no half of an epoch
            x = across.at(value)
            yield element("text", f"{value:g}", x=x, y=_BOTTOM + 12, text_anchor="middle", font_size=9)
    for value in upward.ticks():
        y = upward.at(value)
        yield element("path", d=f"M{_LEFT} {y:.1f}H{_RIGHT}", stroke="currentColor", opacity=0.15)
        yield element("text", f"{value:.4g}", x=_LEFT - 4, y=y + 3, text_anchor="end", font_size=9)
    yield element("text", "epoch", x=(_LEFT + _RIGHT) / 2, y=_BOTTOM + 25, text_anchor="middle", font_size=9)


def _drawn(curve: Curve, across: _Scale, upward: _Scale) -> Markup:
    """The curve's runs of finite numbers as lines; one of a single point as a dot."""
    lines: list[str] = []
    dots: list[str] = []
    for run in _runs(zip(curve.x, curve.y)):
        pixels = [f"{across.at(x):.1f} {upward.at(y):.1f}" for x, y in _thinned(run)]
        (lines if len(pixels) > 1 else dots).append("M" + "L".join(pixels))
    parts = [element("path", d="".join(lines), stroke_width=1.5)] if lines else []
    parts += [element("path", d=dot + "h0", stroke_width=4, stroke_linecap="round") for dot in dots]
    opacity = 0.35 if curve.faint else None
    return element("g", *parts, fill="none", stroke=curve.colour, stroke_linejoin="round", opacity=opacity)


def _runs(points: Iterable[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if _is_drawn(x, y):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most about _MOST_POINTS of them, with every peak and the ends."""
    if len(points) <= _MOST_POINTS:
        return points
    size = math.ceil(2 * len(points) / _MOST_POINTS)
    kept = [points[0]]
    for start in range(0, len(points), size):
        pieces = points[start : start + size]
        kept += sorted({min(pieces, key=lambda point: point[1]), max(pieces, key=lambda point: point[1])})
    return [*kept, points[-1]]
