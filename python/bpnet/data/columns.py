"""What each column of a table is: a number, categories, or left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpnet.data.fields import ASKED_FORMATS, FORMATS, Fields, NumberFormat, missing_words
from bpnet.data.kinds import first_code, number_kind, text_kind
from bpnet.data.table import Table
from bpnet.options import option

__all__ = ["ColumnDecision", "describe_columns", "describe_target", "report_lines"]

NUMBER, CATEGORIES, LEFT_OUT = "number", "categories", "left out"

# A column of strings of which more than this part are numbers is one of numbers with strays in it.
_MOSTLY = 0.5
_MOST_STRAYS = 5
_MOST_CATEGORIES = 1000
# Strings are identifiers if more than this part of the rows is distinct, and a warning's worth above the second.
_NEARLY_UNIQUE, _MANY = 0.5, 0.1
_FEW_ROWS = 20  # too few to tell identifiers from categories
_WORDS_OF_A_SENTENCE = 4
_MOST_LINES = 60
_MOST_PARTS = 10  # of a name with commas

# What pandas calls a column without a name.
_UNNAMED = re.compile(r"|Unnamed: \d+")


class ColumnDecision:
    """What a column becomes.

    Attributes:
        name: the column's, "" where it has none.
        index: its index in the table.
        kind: "number", "categories" or "left out".
        reason: why it is left out.
        format: how its numbers are written.
        distinct: how many different values it has.
        rows: how many rows there are.
        is_target: whether it is what the model learns.
        missing: (rows,) bool, where it has no value.
        treatment: what replaces a missing value.
        warnings: what is odd about it.
    """

    def __init__(self, name: str, index: int, rows: int, is_target: bool) -> None:
        self.name = name
        self.index = index
        self.kind = NUMBER
        self.reason = ""
        self.format = FORMATS[0]
        self.distinct = 0
        self.rows = rows
        self.is_target = is_target
        self.missing = np.zeros(rows, bool)
        self.treatment = ""
        self.warnings: list[str] = []

    @property
    def label(self) -> str:
        """The column's name for messages."""
        return self.name or f"column {self.index + 1}, which has no name"

    def ways(self) -> str:
        """What to say to a column that is neither numbers nor categories."""
        if self.is_target:
            return f"{option('task', 'classification')} takes each as a class"
        return f"{option('drop', [self.name])} leaves it out, {option('categorical', [self.name])} takes it as it is"

    def report(self) -> str:
        """``age: number, 74 distinct values in 48,842 rows``"""
        if self.kind == LEFT_OUT:
            return f"{self.label}: left out, {self.reason}"
        values = "value" if self.distinct == 1 else "values"
        text = f"{self.label}: {self.kind}, {self.distinct:,} distinct {values} in {self.rows:,} rows"
        if self.format.decimal != ".":
            text += f", decimal mark {self.format.decimal!r}"
        if self.format.thousands:
            text += f", thousands separator {self.format.thousands!r}"
        count = int(self.missing.sum())
        if count:
            text += f", {count:,} missing"
        return f"{text}: {self.treatment}" if count and self.treatment else text


class _Options:
    """The user's words on columns, checked against the table."""

    def __init__(self, table: Table, config: Mapping[str, Any]) -> None:
        self.target: str | None = config.get("target")
        self.drop = _resolved(table, config.get("drop"))
        self.numeric = _resolved(table, config.get("numeric"))
        self.categorical = _resolved(table, config.get("categorical"))
        self.format = NumberFormat.said(config.get("decimal"), config.get("thousands"))
        self.words = missing_words(config)
        self.own_words = list(config.get("missing_values") or ())
        said: dict[str, str] = {}
        for name, names in (
            ("drop", self.drop),
            ("numeric", self.numeric),
            ("categorical", self.categorical),
        ):
            for column in sorted(names):
                if said.setdefault(column, name) != name:
                    raise ValueError(
                        f"{table}: column {column!r} is named by {option(said[column])} and by {option(name)}"
                    )
        if self.target is not None and self.target in self.drop:
            raise ValueError(
                f"{table}: column {self.target!r} is the target, {option('drop', [self.target])} leaves it out"
            )


def _resolved(table: Table, names: Sequence[str] | None) -> frozenset[str]:
    """The columns that are named; one with commas in its name may have been taken for several."""
    found: set[str] = set()
    given = list(names or ())
    begin = 0
    while begin < len(given):
        ends = range(begin + 1, min(len(given), begin + _MOST_PARTS) + 1)
        joined = ((mark.join(given[begin:end]), end) for end in ends for mark in (", ", ","))
        name, begin = next(((name, end) for name, end in joined if name in table), (given[begin], begin + 1))
        table.index(name)
        found.add(name)
    return frozenset(found)


def describe_columns(table: Table, config: Mapping[str, Any]) -> list[ColumnDecision]:
    """What each column becomes, in the header's order, the target excepted.

    Args:
        table: the table.
        config: target, drop, numeric, categorical (lists of names), missing_values, decimal, thousands; each
            may be absent.

    Raises:
        ValueError: there is no such column; a column is neither numbers nor categories. The message names the
            line and the options that help.
    """
    options = _Options(table, config)
    target = None if options.target is None else table.index(options.target)
    decisions: list[ColumnDecision] = []
    fields: dict[int, Fields] = {}
    for index in range(len(table.header)):
        if index != target:
            found, held = _decide(table, index, options)
            decisions.append(found)
            if held is not None:
                fields[index] = held
    if options.format is None:
        beside = None if target is None else _decimal_mark(table, [target], options)
        _agree_on_decimals(table, decisions, fields, beside)
    names = Counter(found.name for found in decisions if found.kind != LEFT_OUT)
    if names[""] > 1:
        raise ValueError(f"{table}: {names['']} columns have no name; name them in the header")
    return decisions


def describe_target(
    table: Table, name: str, config: Mapping[str, Any], classes: bool = False
) -> ColumnDecision:
    """What the target's column holds: numbers, or categories.

    Args:
        table: the table.
        name: the column's.
        config: as for describe_columns.
        classes: whether its fields name classes, whatever they look like.
    """
    said = {key: config.get(key) for key in ("missing_values", "decimal", "thousands")}
    for key in ("numeric", "categorical"):
        said[key] = [name] if name in (config.get(key) or ()) else []
    said["target"] = name
    options, target = _Options(table, said), table.index(name)
    found, held = _decide(table, target, options, classes)
    if found.kind == NUMBER and held is not None and held.is_text and options.format is None:
        others = [index for index in range(len(table.header)) if index != target]
        _agree_on_decimals(table, [found], {target: held}, _decimal_mark(table, others, options))
    return found


def report_lines(decisions: Sequence[ColumnDecision]) -> list[str]:
    """A line for each column, of many columns for the first ones; and the warnings."""
    lines = [found.report() for found in decisions]
    if len(lines) > _MOST_LINES:
        kinds = Counter(found.kind for found in decisions[_MOST_LINES:])
        counts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items()))
        lines = [*lines[:_MOST_LINES], f"and {len(decisions) - _MOST_LINES:,} more columns: {counts}"]
    return lines + [f"warning: {found.label} {text}" for found in decisions for text in found.warnings]


def _decide(
    table: Table, index: int, options: _Options, classes: bool = False
) -> tuple[ColumnDecision, Fields | None]:
    name = table.header[index]
    found = ColumnDecision(name, index, len(table), name == options.target)
    if name in options.drop:
        return _leave_out(found, "as asked"), None
    fields = Fields(table, index, options.own_words if name in options.categorical else options.words)
    found.missing = fields.missing
    found.distinct = len(fields.counts)
    asked = name in options.numeric or name in options.categorical
    if found.missing.all():
        return _leave_out(found, "it has no value in any row"), fields
    if classes or name in options.categorical or (name in table.categorical and name not in options.numeric):
        _check_categories(table, found, fields, asked=True)
        return found, fields
    number_format = _number_format(fields, found, options)
    if number_format is None:
        _check_categories(table, found, fields, asked=False)
    else:
        found.format = number_format
        if index == 0 and fields.counts_rows and _UNNAMED.fullmatch(name) and not asked:
            return _leave_out(found, f"it counts the rows; {option('numeric', [name])} keeps it"), fields
        _check_number(found, fields)
    if not name and not asked:
        line = f"{table.path}, line 1: " if table.path else ""
        raise ValueError(
            f"{line}column {index + 1} has no name; name it in the header, or leave it out with {option('drop', [''])}"
        )
    return found, fields


def _leave_out(found: ColumnDecision, reason: str) -> ColumnDecision:
    found.kind, found.reason = LEFT_OUT, reason
    return found


def _number_format(fields: Fields, found: ColumnDecision, options: _Options) -> NumberFormat | None:
    """How the numbers are written, None for a column that holds none; an error where it cannot be recognised."""
    if not fields.is_text:
        return FORMATS[0]
    formats = FORMATS if options.format is None else (options.format,)
    if fields.is_numbers(formats[0]):
        return formats[0]
    complete = [each for each in formats[1:] if fields.is_numbers(each)]
    for other in complete[1:]:
        if not fields.same_numbers(complete[0], other):
            raise _ambiguous(fields, complete[0], other)
    if complete:
        return complete[0]
    for other in FORMATS if options.format else ASKED_FORMATS:
        if fields.is_numbers(other):
            raise _written_otherwise(fields, other, options.format)
    best = max(formats, key=fields.count_of_numbers)  # the first of equals
    if fields.count_in_any(formats) > _MOSTLY * fields.count or found.name in options.numeric:
        raise _strays(found, fields, best)
    return None


def _written_otherwise(fields: Fields, other: NumberFormat, said: NumberFormat | None) -> ValueError:
    ways = (
        f"not as {option('decimal')} and {option('thousands')} say" if said else f"give {other.arguments()}"
    )
    return ValueError(
        f"{fields.where()}: column {fields.name!r} is {fields.first!r}, its numbers are written with "
        f"{other.words()}, {ways}"
    )


def _ambiguous(fields: Fields, one: NumberFormat, other: NumberFormat) -> ValueError:
    field = fields.first_read_differently(one, other)
    readings = " or ".join(f"{fields.number(field, each):g} ({each.arguments()})" for each in (one, other))
    return ValueError(
        f"{fields.where(field)}: column {fields.name!r} is {field!r}, which may be {readings}; give one of them"
    )


def _strays(found: ColumnDecision, fields: Fields, read_as: NumberFormat) -> ValueError:
    strays = fields.strays(read_as)
    named = ", ".join(f"{field!r} ({fields.line(field)})" for field in strays[:_MOST_STRAYS])
    more = f" and {len(strays) - _MOST_STRAYS} others" if len(strays) > _MOST_STRAYS else ""
    return ValueError(
        f"{fields.where(strays[0])}: column {fields.name!r} is {strays[0]!r}, where numbers are written as a rule: "
        f"{named}{more}; mend them, or name them in {option('missing_values')}; {found.ways()}"
    )


def _check_number(found: ColumnDecision, fields: Fields) -> None:
    values = fields.values(found.format)
    found.distinct = len(np.unique(values))
    if found.distinct == 1:
        found.warnings.append("is the same number in every row")
    warning = number_kind(found.name, values, every_row=len(values) == found.rows)
    code = first_code(fields.counts) if fields.is_text else None
    if code is not None and not found.is_target:
        found.warnings.append(
            f"has {code!r}, which is a code rather than a number; {option('categorical', [found.name])} takes it as it is"
        )
    if warning and not found.is_target:
        found.warnings.append(f"{warning}; {option('drop', [found.name])} leaves it out")


def _check_categories(table: Table, found: ColumnDecision, fields: Fields, asked: bool) -> None:
    found.kind = CATEGORIES
    counts, rows = fields.counts, fields.count
    if not asked:
        kind = text_kind(counts, fields.count_in_any(FORMATS))
        if kind is not None:
            raise ValueError(
                f"{fields.where(kind[1])}: column {found.name!r} is {kind[1]!r}, it holds {kind[0]}; write them as "
                f"plain numbers; {found.ways()}"
            )
        if len(counts) > _NEARLY_UNIQUE * rows and rows >= _FEW_ROWS:
            words = sum(len(field.split()) * count for field, count in counts.items()) / rows
            what = "free text" if words >= _WORDS_OF_A_SENTENCE else "identifiers or free text"
            raise ValueError(
                f"{fields.where()}: column {found.name!r} is {fields.first!r}, it has {len(counts):,} distinct "
                f"strings in {rows:,} rows: {what} rather than categories; {found.ways()}"
            )
    if len(counts) > _MOST_CATEGORIES and not found.is_target:
        raise ValueError(
            f"{table}: column {found.name!r} has {len(counts):,} distinct values, at most {_MOST_CATEGORIES:,} "
            f"categories are possible; {option('drop', [found.name])} leaves it out"
        )
    if len(counts) == 1:
        found.warnings.append("is the same in every row")
    elif len(counts) > _MANY * rows and rows >= _FEW_ROWS or len(counts) > _NEARLY_UNIQUE * rows:
        found.warnings.append(f"has {len(counts):,} categories in {rows:,} rows, few rows for each")


def _decimal_mark(table: Table, indices: Sequence[int], options: _Options) -> str | None:
    """The mark that numbers of these columns have for certain, a comma before a point; None where that is not known,
    or does not matter."""
    for mark in ",." if table.delimiter == ";" else ",":
        for index in indices:
            column = table.columns[index]
            telling = isinstance(column, list) and any(mark in field for field in column)
            if telling and _certain_mark(Fields(table, index, options.words)) == mark:
                return mark
    return None


def _certain_mark(fields: Fields) -> str | None:
    marks = {each.decimal for each in FORMATS if fields.count and fields.is_numbers(each)}
    return marks.pop() if len(marks) == 1 else None


def _agree_on_decimals(
    table: Table, decisions: Sequence[ColumnDecision], fields: Mapping[int, Fields], beside: str | None
) -> None:
    """Where a column has decimal commas, the others' integers may have them in rows to come, and a point may
    be theirs between thousands; so it may in a file of semicolons, which decimal commas are the reason for, unless
    a column has decimal points.

    Args:
        table: the table.
        decisions: of the columns.
        fields: theirs, by index.
        beside: the decimal mark of columns that are none of these.
    """
    numbers = [found for found in decisions if found.kind == NUMBER and fields[found.index].is_text]
    commas = beside == "," or any(found.format.decimal == "," for found in numbers)
    if not commas and table.delimiter != ";":
        return
    if not commas and (beside == "." or any(_certain_mark(fields[each.index]) == "." for each in numbers)):
        return
    point, comma, both = FORMATS[0], FORMATS[1], FORMATS[3]
    for found in numbers:
        held = fields[found.index]
        if found.format != point:
            continue
        if commas and held.is_numbers(comma):
            found.format = comma
        elif held.is_numbers(both) and not held.same_numbers(point, both):
            raise _ambiguous(held, point, both)
