"""bpnet's docstrings are plain text with literals and roles: shapes such as ``(N, *input_shape)`` and formulas such as
``|x|`` are escaped, which reStructuredText would take for emphasis and substitutions."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

_LITERAL = re.compile(r"(``.+?``)", re.DOTALL)


def escaped(text: str) -> str:
    """The text, with ``*`` and ``|`` outside of literals and examples as they are written."""
    parts = _LITERAL.split(text)
    for index in range(0, len(parts), 2):  # those between literals
        parts[index] = re.sub(r"(?<!\\)([*|])", r"\\\1", parts[index])
        if index and re.match(r"\w", parts[index]):
            parts[index] = "\\ " + parts[index]
    return "".join(parts)


def process(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Before napoleon reads the sections."""
    paragraphs = "\n".join(lines).split("\n\n")
    kept = [each if each.lstrip().startswith(">>>") else escaped(each) for each in paragraphs]
    lines[:] = "\n\n".join(kept).split("\n")
    if what in ("property", "attribute"):
        lines.insert(0, "")  # napoleon takes what comes before a colon in the first line for a type


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
