"""Elements of HTML and SVG, whose text is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

# What an XML document cannot hold: control characters and halves of surrogate pairs.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Markup(str):
    """Markup, which :func:`element` writes as it is; any other string is text."""


def escaped(text: object) -> Markup:
    """The text as markup; a character that markup cannot hold is shown as U+FFFD."""
    return Markup(html.escape(_UNWRITABLE.sub("\ufffd", str(text))))


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """``element("g", "a < b", stroke_width=2)`` is ``<g stroke-width="2">a &lt; b</g>``.

    Args:
        children: markup, and text, which is escaped.
        attributes: values that are None are left out; of floats six digits are kept.
    """
    written = "".join(
        f' {name.replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{written}>{joined(*children)}</{tag}>" if children else f"<{tag}{written}/>")


def joined(*children: object) -> Markup:
    """The children one after another; those that are no markup are escaped."""
    return Markup("".join(child if isinstance(child, Markup) else escaped(child) for child in children))


def _attribute(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else escaped(value)


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> Markup:
    """A table whose first column is aligned left, and the others right."""
    lines = [_row("th", head), *(_row("td", row) for row in rows)]
    return element("table", *lines, style="border-collapse:collapse;margin:0")


def _row(tag: str, cells: Iterable[object]) -> Markup:
    written = [
        cell
        if isinstance(cell, Cell)
        else element(tag, cell, style=f"text-align:{'right' if at else 'left'}")
        for at, cell in enumerate(cells)
    ]
    return element("tr", *written)


class Cell(Markup):
    """A whole cell of a table, ``<td>…</td>``."""


def drawing(label: str, width: float, height: float, *children: object) -> Markup:
    """An SVG of so many pixels; ``label`` is what a screen reader says."""
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_label=label,
        width=float(width),
        height=float(height),
        viewBox=f"0 0 {width:.6g} {height:.6g}",
        font_family="monospace",
        font_size=11,
        fill="currentColor",
        stroke="none",
    )


def folded(title: str, *children: object, is_open: bool) -> Markup:
    """Children that a click on the title shows and hides."""
    return element("details", element("summary", title), *children, open="" if is_open else None)


def shown(title: str, facts: Iterable[str], *children: object) -> Markup:
    """What a notebook shows of one object: its kind and facts in a line, and the children below."""
    line = element("div", element("b", title), " ", ", ".join(facts), style="margin-bottom:6px")
    return element("div", line, *children)
