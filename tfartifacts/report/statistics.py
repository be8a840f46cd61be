"""Statistics as a document: for each variable the fields of the model, in JSON's types.

    schema, kind, path, variables: [{name, dtype, shape, num_elements, nbytes, role, num_slices,
    num_finite, num_nan, num_infinite, num_zeros, min, max, mean, std, l2, quantiles,
    quantile_error, histogram | num_empty, min_length, max_length, mean_length | error}],
    roles: [{role, num_variables, num_elements, nbytes, ...}], total, not_finite

`quantiles` is an object, "0.5": the median. null: there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tfartifacts.report.findings import describe_error
from tfartifacts.report.view import Document
from tfartifacts.weights.moments import Moments
from tfartifacts.weights.quantiles import QUANTILES
from tfartifacts.weights.statistics import RoleStatistics, Statistics, VariableStatistics

if TYPE_CHECKING:
    from tfartifacts.report.csv_text import Rows

SCHEMA = 1

SORT_KEYS = ("file", "name", "size", "min", "max", "mean", "std", "l2", "zeros", "nan")

_MOMENTS = ("num_finite", "num_nan", "num_infinite", "num_zeros", "min", "max", "mean", "std", "l2")
_LENGTHS = ("num_empty", "min_length", "max_length", "mean_length")


def describe_statistics(found: Statistics, sort: str = "file") -> Document:
    """The document; `sort` is of SORT_KEYS: by name ascending, by a number the largest first."""
    return {
        "schema": SCHEMA,
        "kind": found.kind,
        "path": found.path,
        "variables": [_variable(item) for item in _sorted(found.variables, sort)],
        "roles": [_role(item) for item in found.roles],
        "total": _role(found.total),
        "not_finite": list(found.not_finite),
    }


def _sorted(variables: Iterable[VariableStatistics], sort: str) -> list[VariableStatistics]:
    if sort == "file":
        return list(variables)
    if sort == "name":
        return sorted(variables, key=lambda item: item.name)
    if sort == "size":
        return sorted(variables, key=lambda item: -item.nbytes)

    def key(item: VariableStatistics) -> tuple[bool, float]:
        if item.moments is None:
            return True, 0.0
        names = {"zeros": "num_zeros", "nan": "num_nan"}
        value = getattr(item.moments, names.get(sort, sort))
        if sort == "nan":
            value += item.moments.num_infinite
        return value is None, -float(value or 0)

    return sorted(variables, key=key)


def _variable(item: VariableStatistics) -> Document:
    document: Document = {
        "name": item.name,
        "dtype": item.dtype.name,
        "shape": list(item.shape),
        "num_elements": item.num_elements,
        "nbytes": item.nbytes,
        "role": item.role,
        "num_slices": item.num_slices,
    }
    if item.error is not None:
        return {**document, "error": describe_error(item.error)}
    if item.moments is not None:
        document |= _moments(item.moments)
    if item.distribution is not None:
        document["quantiles"] = {
            str(quantile): value
            for quantile, value in zip(QUANTILES, item.distribution.quantiles, strict=True)
        }
        document["quantile_error"] = item.distribution.quantile_error
        document["histogram"] = list(item.distribution.histogram)
    if item.lengths is not None:
        document |= {name: getattr(item.lengths, name) for name in _LENGTHS}
    return document


def _moments(moments: Moments) -> Document:
    return {name: getattr(moments, name) for name in _MOMENTS}


def _role(item: RoleStatistics) -> Document:
    return {
        "role": item.role,
        "num_variables": item.num_variables,
        "num_elements": item.num_elements,
        "nbytes": item.nbytes,
        **_moments(item.moments),
    }


# --- CSV ------------------------------------------------------------------------------------------

CSV_COLUMNS = (
    *("name", "dtype", "shape", "num_elements", "nbytes", "role", "num_slices"),
    *_MOMENTS,
    *(f"quantile_{quantile}" for quantile in QUANTILES),
    "quantile_error",
    *_LENGTHS,
    "error",
)


def statistics_rows(document: Document) -> Rows:
    """The variables of a document as rows of CSV_COLUMNS."""
    from tfartifacts.report.csv_text import Rows

    return Rows(CSV_COLUMNS, map(_flat, document["variables"]))


def _flat(item: Document) -> Document:
    flat = {**item, "shape": "x".join(map(str, item["shape"]))}
    for quantile, value in item.get("quantiles", {}).items():
        flat[f"quantile_{quantile}"] = value
    if "error" in item:
        flat["error"] = item["error"]["message"]
    return flat
