"""The elements of variables, as a document: exact, in JSON's types.

numbers        as they are; float16, bfloat16, float8, float32 as the double of equal value
NaN, +-inf     the strings "NaN", "Infinity", "-Infinity"
complex        [real, imaginary]
bool           true, false
string         text if it is UTF-8, else {"base64": "..."}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfartifacts.errors import name_not_found
from tfartifacts.report.findings import Findings, describe_error
from tfartifacts.report.graphs import text_or_base64
from tfartifacts.report.view import Document, is_glob, matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.model.checkpoints import Checkpoint
    from tfartifacts.model.values import Array
    from tfartifacts.model.variables import Variable


def describe_values(
    checkpoint: Checkpoint | None, wanted: Sequence[str], findings: Findings
) -> list[Document]:
    """Values of the variables of those names or globs; reads them now.

    What cannot be read is kept in the findings, and its document has an `error`.
    """
    variables = {} if checkpoint is None else checkpoint.variables
    chosen: dict[str, Variable] = {}
    for name in wanted:
        if name in variables:
            chosen[name] = variables[name]
            continue
        found = [key for key in variables if is_glob(name) and matches(key, name)]
        if not found:
            with findings.failing():
                raise name_not_found("variable", name, variables)
        chosen |= {key: variables[key] for key in found}
    return [_describe_value(variable, findings) for variable in chosen.values()]


def _describe_value(variable: Variable, findings: Findings) -> Document:
    document: Document = {
        "name": variable.name,
        "dtype": variable.dtype.name,
        "shape": list(variable.shape),
    }
    error: TfArtifactsError | None = None
    with findings.failing():
        array = variable.read()
        document["statistics"] = statistics(array)
        # An array, until a program asks for JSON: text shows the ends of it only.
        document["values"] = array
        return document
    error = findings.failures[-1]
    return {**document, "error": describe_error(error)}


def statistics(array: Array) -> Document | None:
    """Least, greatest and mean element and the number that are not finite; None if not numbers.

    `min`, `max` and `mean` are of the finite elements, null where there are none.
    """
    import numpy as np

    if array.dtype == object or array.dtype.kind in "bcSU" or array.size == 0:
        return None
    if array.dtype.kind not in "iuf":
        array = array.astype(np.float64)  # ml_dtypes: all of them fit
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    summary: Document = {
        "min": None,
        "max": None,
        "mean": None,
        "num_not_finite": array.size - finite.size,
    }
    if finite.size:
        with np.errstate(over="ignore"):
            summary["mean"] = finite.mean(dtype=np.float64).item()
        summary["min"], summary["max"] = finite.min().item(), finite.max().item()
    return summary


def exact(array: Array) -> Any:
    """The elements as nested lists of JSON's types, by the rules above; a scalar as itself."""
    if array.dtype == object:
        return _mapped(array.tolist(), text_or_base64)
    if array.dtype.kind == "c":
        return _mapped(array.tolist(), lambda number: [number.real, number.imag])
    if array.dtype.kind not in "biuf":
        import numpy as np

        # ml_dtypes: integers of 2 and 4 bits, floats of at most 16.
        is_integer = array.dtype.name in ("int4", "uint4", "int2", "uint2")
        array = array.astype(np.int64 if is_integer else np.float64)
    return array.tolist()


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, list):
        return [_mapped(part, change) for part in value]
    return change(value)
