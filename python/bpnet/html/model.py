"""A model: its network, what it takes and gives, and its run."""

from __future__ import annotations

from collections.abc import Sequence

from bpnet.html.markup import Markup, element, folded, shown

# A longer list of columns is folded at first.
_MOST_LINES = 12


def model_html(
    fact: str, network: Markup, data_lines: Sequence[str], run_lines: Sequence[str], history: Markup | None
) -> Markup:
    """A model.

    Args:
        fact: what it was trained on and gives, in a line.
        network: its network, as :func:`bpnet.html.network.network_html` shows it.
        data_lines: its columns, target and classes.
        run_lines: what its run did; none where there is no run.
        history: the run's, as :func:`bpnet.html.history.history_html` shows it.
    """
    parts: list[object] = []
    if data_lines:
        parts.append(
            folded("what it takes and gives", _listed(data_lines), is_open=len(data_lines) <= _MOST_LINES)
        )
    if run_lines:
        parts.append(folded("its run", _listed(run_lines), *([history] if history else []), is_open=True))
    return shown("Model", [fact], *parts, network)


def _listed(lines: Sequence[str]) -> Markup:
    return element("ul", *(element("li", line) for line in lines), style="margin:2px 0 6px 0")
