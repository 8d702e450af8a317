"""What the command prints, plots and writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Row

HEAD = "| case | threads | peer | bpnet is × better (median) | least to most |\n|---|---|---|---|---|"


def line(row: Row) -> str:
    peer = "of the multiply-add peak" if row.peer == "peak" else row.peer
    if row.form:
        peer += f" ({row.form})"
    return f"| {row.case} | {row.threads} | {peer} | {row.median:.3g} | {row.least:.3g} to {row.most:.3g} |"


def write_markdown(rows: Sequence[Row], path: str) -> None:
    Path(path).write_text("\n".join([HEAD, *map(line, rows), ""]), encoding="utf-8")


def write_json(rows: Sequence[Row], path: str) -> None:
    Path(path).write_text(json.dumps([row._asdict() for row in rows], indent=1), encoding="utf-8")


def read_json(path: str) -> list[Row]:
    return [Row(**item) for item in json.loads(Path(path).read_text(encoding="utf-8"))]


def plot(rows: Sequence[Row], path: str) -> None:
    """Bars of the median ratios with the least and the largest, on a logarithmic scale."""
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.peer != "peak"]
    names = [f"{row.case} × {row.peer}, threads: {row.threads}" for row in rows]
    medians = [row.median for row in rows]
    spread = [[row.median - row.least for row in rows], [row.most - row.median for row in rows]]
    figure = Figure(figsize=(9, 0.3 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, medians, xerr=spread, error_kw={"elinewidth": 1})
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("bpnet is × better")
    figure.savefig(path, dpi=120)
