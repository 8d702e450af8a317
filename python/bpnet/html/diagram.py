"""Boxes in a diagram: one after another, beside each other, within a frame. A line enters each at the middle of its
top and leaves at the middle of its bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bpnet.html.markup import Markup, element, joined

_LETTER = 6.6  # width of a letter of the drawing's font, 11 pixels high
_LINE = 14.0
_MARGIN = 8.0  # beside the text of a box, and around what is in a frame
_GAP = 14.0  # from box to box
_MERGE = 8.0  # the radius of the circle where ways come together

_WITH_PARAMETERS = "#4c78a8"

_SIGNS = {"sum": "+", "concat": "‖"}


class Piece(NamedTuple):
    """A part of a diagram: its size in pixels, and its markup, whose upper left corner is (0, 0)."""

    width: float
    height: float
    markup: Markup


def box(lines: Sequence[str], full_name: str, has_parameters: bool, dashed: bool) -> Piece:
    """Lines of text in a box; ``full_name`` is shown where the pointer rests on it."""
    width = max(len(line) for line in lines) * _LETTER + 2 * _MARGIN
    height = len(lines) * _LINE + _MARGIN
    texts = [
        element(
            "text",
            line,
            x=width / 2,
            y=(index + 1) * _LINE,
            text_anchor="middle",
            font_weight=None if index else "bold",
        )
        for index, line in enumerate(lines)
    ]
    outline = _rectangle(
        width, height, fill=_WITH_PARAMETERS if has_parameters else "currentColor", dashed=dashed
    )
    return Piece(width, height, element("g", element("title", full_name), outline, *texts))


def chain(pieces: Sequence[Piece]) -> Piece:
    """Pieces from the top to the bottom; none are a line, which is the identity."""
    if not pieces:
        return Piece(2 * _MARGIN, _GAP, _line(_MARGIN, 0, _MARGIN, _GAP))
    width = max(piece.width for piece in pieces)
    parts: list[Markup] = []
    top = 0.0
    for piece in pieces:
        if parts:
            parts.append(_line(width / 2, top, width / 2, top + _GAP))
            top += _GAP
        parts.append(_moved(piece, (width - piece.width) / 2, top))
        top += piece.height
    return Piece(width, top, joined(*parts))


def beside(pieces: Sequence[Piece], merge: str) -> Piece:
    """Ways from one point at the top to the circle at the bottom where they come together, by "sum" or "concat"."""
    width = sum(piece.width for piece in pieces) + (len(pieces) - 1) * _GAP
    tall = max(piece.height for piece in pieces)
    bottom = tall + 2 * _GAP
    parts: list[Markup] = []
    left = 0.0
    for piece in pieces:
        middle = left + piece.width / 2
        parts += [
            _line(width / 2, 0, middle, _GAP),
            _moved(piece, left, _GAP),
            _line(middle, _GAP + piece.height, middle, _GAP + tall),
            _line(middle, _GAP + tall, width / 2, bottom),
        ]
        left += piece.width + _GAP
    circle = element("circle", cx=width / 2, cy=bottom + _MERGE, r=_MERGE, fill="none", stroke="currentColor")
    text = element("text", _SIGNS[merge], x=width / 2, y=bottom + _MERGE + 4, text_anchor="middle")
    return Piece(
        width, bottom + 2 * _MERGE, joined(*parts, element("g", element("title", merge), circle, text))
    )


def framed(piece: Piece, title: str, full_name: str, dashed: bool) -> Piece:
    """The piece in a frame with a title at its upper left."""
    width = max(piece.width, len(title) * _LETTER) + 2 * _MARGIN
    above = _LINE + _MARGIN
    height = piece.height + above + _MARGIN
    text = element("text", title, x=_MARGIN / 2, y=_LINE - 2, font_size=10, opacity=0.7)
    middle = width / 2
    return Piece(
        width,
        height,
        element(
            "g",
            element("title", full_name),
            _rectangle(width, height, fill="none", dashed=dashed),
            text,
            _line(middle, _LINE, middle, above),
            _moved(piece, (width - piece.width) / 2, above),
            _line(middle, above + piece.height, middle, height),
        ),
    )


def _moved(piece: Piece, right: float, down: float) -> Markup:
    return element("g", piece.markup, transform=f"translate({right:.6g} {down:.6g})")


def _line(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return element("path", d=f"M{x1:.6g} {y1:.6g}L{x2:.6g} {y2:.6g}", stroke="currentColor", opacity=0.6)


def _rectangle(width: float, height: float, fill: str, dashed: bool) -> Markup:
    return element(
        "rect",
        x=0.5,
        y=0.5,
        width=width - 1,
        height=height - 1,
        rx=3,
        fill=fill,
        fill_opacity=None if fill == "none" else 0.25 if fill == _WITH_PARAMETERS else 0.06,
        stroke="currentColor",
        stroke_opacity=0.5,
        stroke_dasharray="4 3" if dashed else None,
    )
