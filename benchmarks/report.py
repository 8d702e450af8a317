"""What the command prints, plots and writes."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.measure import Row

HEAD = "| case | threads | peer | bpnet is × better (median) | least to most |\n|---|---|---|---|---|"
TABLE = "| case | threads | the strongest peer | the others | of the peak |\n|---|---|---|---|---|"
PEAK, MATRIX_RATE, BANDWIDTH = "peak", "matrix rate", "bandwidth"
OTHER_WORK = "not products"  # the share of a step
PEAKS = {
    PEAK: "of the peak",
    MATRIX_RATE: "of the card's matrix rate",
    BANDWIDTH: "of the card's bandwidth",
    OTHER_WORK: "share that is not products",
}
FILES = {"--markdown", "--json", "--plot", "--forms"}  # with their names no part of what was measured
DISTRIBUTIONS = (
    "numpy",
    "jax",
    "torch",
    "scikit-learn",
    "river",
    "deep-river",
    "tensorflow",
    "tensorflow-cpu",
    "openvino",
    "onnxruntime",
)


def line(row: Row) -> str:
    peer = PEAKS.get(row.peer, row.peer)
    if row.form:
        peer += f" ({row.form})"
    return f"| {row.case} | {row.threads} | {peer} | {row.median:.3g} | {row.least:.3g} to {row.most:.3g} |"


def figure(row: Row) -> str:
    form = f" ({row.form})" if row.form else ""
    return f"{row.peer}{form} **{row.median:.3g}** [{row.least:.3g}, {row.most:.3g}]"


def fraction(row: Row) -> str:
    name = "" if row.peer == PEAK else f"{row.peer} "
    return f"{name}{row.median:.2g} [{row.least:.2g}, {row.most:.2g}]" + (f", {row.form}" if row.form else "")


def table(rows: Sequence[Row]) -> list[str]:
    """A line a case: the ratios with the least and the largest, the strongest peer first."""
    cases: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        cases.setdefault((row.case, row.threads), []).append(row)
    lines = TABLE.splitlines()
    for (case, threads), found in cases.items():
        peers = sorted((row for row in found if row.peer not in PEAKS), key=lambda row: row.median)
        peak = "; ".join(fraction(row) for row in found if row.peer in PEAKS)
        first = figure(peers[0]) if peers else ""
        others = ", ".join(map(figure, peers[1:]))
        lines.append(f"| {case} | {threads} | {first} | {others} | {peak} |")
    return lines


def processor() -> str:
    """As the system names it, with family and model, for virtual machines give no more than a vendor's name."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    fields: dict[str, str] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        name, _, value = text.partition(":")
        fields.setdefault(name.strip(), value.strip())
    names = [f"{name} {fields[name]}" for name in ("cpu family", "model") if name in fields]
    return ", ".join([fields.get("model name", platform.machine()), *names])


def circumstances(command: Sequence[str], card: str = "") -> str:
    """Where, when and by which command, and the peers' versions; ``card`` is the GPU's name."""
    versions = []
    for name in DISTRIBUTIONS:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    words = [word for i, word in enumerate(command) if not {word, *command[i - 1 : i]} & FILES]
    today = datetime.date.today().isoformat()
    shown = " ".join(f"'{word}'" if " " in word else word for word in words)
    where = f"{card + '; ' if card else ''}{processor()}; {os.cpu_count()} processors; {today}"
    return f"`python -m benchmarks {shown}`, {where}. {', '.join(versions)}."


def write_markdown(rows: Sequence[Row], path: str, command: Sequence[str], card: str = "") -> None:
    lines = [circumstances(command, card), "", *table(rows), ""]
    Path(path).write_text("\n".join(lines), encoding="utf-8")


def write_json(rows: Sequence[Row], path: str) -> None:
    Path(path).write_text(json.dumps([row._asdict() for row in rows], indent=1), encoding="utf-8")


def read_json(path: str) -> list[Row]:
    return [Row(**item) for item in json.loads(Path(path).read_text(encoding="utf-8"))]


def plot(rows: Sequence[Row], path: str) -> None:
    """Bars of the median ratios with the least and the largest, on a logarithmic scale."""
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.peer not in PEAKS]
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
