"""What each column of a table is: a number, categories, or left out."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Any

from bpnet.data.preprocessing import holds_numbers
from bpnet.data.table import Table

__all__ = ["ColumnDecision", "describe_columns", "names_from_csv"]


class ColumnDecision:
    """What a column becomes.

    Attributes:
        name: the column's.
        kind: "number", "categories" or "left out".
        reason: why it is left out.
        decimal, thousands: how its numbers are written.
        distinct: how many different values it has.
        rows: how many rows there are.
        missing: in how many of them it has no value.
        warnings: lines for the report.
    """

    def __init__(self, name: str, kind: str, rows: int, distinct: int = 0) -> None:
        self.name = name
        self.kind = kind
        self.reason = ""
        self.decimal = "."
        self.thousands = ""
        self.distinct = distinct
        self.rows = rows
        self.missing = 0
        self.warnings: list[str] = []

    def report(self) -> str:
        """``age: number, 74 distinct values in 48,842 rows``"""
        if self.kind == "left out":
            return f"{self.name}: left out, {self.reason}"
        text = "number" if self.kind == "number" else "categories"
        return f"{self.name}: {text}, {self.distinct:,} distinct values in {self.rows:,} rows"


def describe_columns(table: Table, options: Mapping[str, Any]) -> list[ColumnDecision]:
    """What each column becomes, in the header's order, the target excepted.

    Args:
        table: the table.
        options: target, drop, numeric, categorical (lists of names), missing, missing_values, decimal,
            thousands; each may be absent.
    """
    decisions = []
    for name in table.header:
        if name == options.get("target"):
            continue
        fields = table.column(name)
        found = ColumnDecision(name, "categories", len(fields), len(set(fields)))
        if name in options.get("drop", ()):
            found.kind, found.reason = "left out", "as asked"
        elif name not in options.get("categorical", ()) and holds_numbers(table, name):
            found.kind = "number"
        decisions.append(found)
    return decisions


def names_from_csv(text: str) -> list[str]:
    """The names in an option's value, written as the fields of a CSV line: ``age,"income, yearly"``.

    The empty text is one name, the empty one, of a column that has no name.
    """
    rows = list(csv.reader([text], skipinitialspace=True, strict=True)) or [[""]]
    return [name.strip() for name in rows[0]] or [""]


def check_names(table: Table, names: Sequence[str]) -> None:
    """Every name is a column's."""
    for name in names:
        table.index(name)
