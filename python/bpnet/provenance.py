"""What a network was trained on, in words, from the preprocessing that its file keeps."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

# So many names are listed before the others are counted.
_MOST_NAMES = 8

#: The key of what bpnet.sklearn keeps in a network's preprocessing, beside its weights.
ESTIMATOR = "estimator"

_warned = False


def is_of_raw_data(preprocessing: Any) -> bool:
    """Whether this is a preprocessing of bpnet.data, so that the network's rows are not those of the raw data."""
    if not isinstance(preprocessing, Mapping) or not isinstance(preprocessing.get("output"), str):
        return False
    columns = preprocessing.get("columns")
    return isinstance(columns, list) and all(
        isinstance(column, Mapping) and isinstance(column.get("name"), str) for column in columns
    )


def estimator_class(preprocessing: Any) -> str:
    """``bpnet.sklearn.MLPClassifier``, whose ``load`` reads the network's file; nothing where it is of no estimator."""
    kept = preprocessing.get(ESTIMATOR) if isinstance(preprocessing, Mapping) else None
    return f"bpnet.sklearn.{kept.get('class')}" if isinstance(kept, Mapping) else ""


def listed(names: Sequence[Any], most: int = _MOST_NAMES) -> str:
    """``red, green, blue``, the first ones and a count where there are more."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def trained_on(preprocessing: Any) -> str:
    """``weight, height, colour for kind``; nothing where there is no preprocessing of bpnet's."""
    if not is_of_raw_data(preprocessing):
        return ""
    if preprocessing.get("image"):
        inputs = "photographs"
    else:
        names = [column["name"] for column in preprocessing["columns"]]
        inputs = listed(names) if names else "arrays"
    classes = preprocessing.get("classes") or []
    target = preprocessing.get("target") or (f"{len(classes)} classes" if classes else "numbers")
    return f"{inputs} for {target}"


def warn_of_encoded_rows(path: str, preprocessing: Any) -> None:
    """Once per process: a network takes encoded rows, and load_model, or the estimator's load, gives what takes raw
    ones."""
    global _warned
    message = _about_rows(path, preprocessing)
    if _warned or not message:
        return
    _warned = True
    # At the caller of load, whose arguments are checked by a function around it.
    warnings.warn(message, stacklevel=4)


def _about_rows(path: str, preprocessing: Any) -> str:
    if is_of_raw_data(preprocessing):
        return (
            f"load: the network in {path} was trained on {trained_on(preprocessing)}; it takes encoded rows and gives "
            "raw outputs. bpnet.load_model takes the rows as they are and gives answers; its .network is this network"
        )
    estimator = estimator_class(preprocessing)
    if not estimator or preprocessing[ESTIMATOR].get("standardisation") is None:
        return ""
    return (
        f"load: the network in {path} was trained on standardised columns, which it takes; {estimator}.load gives the "
        "estimator, which takes the columns as they are"
    )
