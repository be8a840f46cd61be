"""Document -> JSON, in ASCII, lossless, laid out so that a line is a thing.

Objects and lists that hold nothing deep, such as a variable, take one line. A name's byte that
is not UTF-8 appears as `\\udc80`-`\\udcff` (Python's surrogateescape). NaN and infinities, which
JSON does not have, appear as "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from tfartifacts.report.view import Document

_STEP = "  "
_LONGEST = 240  # an object that takes more gets a line for each key


def json_lines(
    documents: Sequence[Document], *, many: bool = False, limit: int = 0
) -> Iterator[str]:
    """The lines of one document, or with `many` of a list, however many there are.

    `limit` cuts long lists (variables, nodes, functions, placeholders); 0: none.
    """
    cut = [_cut(document, limit) if limit else document for document in documents]
    yield from _lines(cut if many else cut[0], "", "", "")


_LISTS = frozenset({"variables", "nodes", "functions", "placeholders"})


def _cut(value: Any, limit: int) -> Any:
    if isinstance(value, dict):
        return {
            key: [_cut(item, limit) for item in part[:limit]]
            if key in _LISTS and isinstance(part, list)
            else _cut(part, limit)
            for key, part in value.items()
        }
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_cut(item, limit) for item in value]
    return value


def _lines(value: Any, indent: str, before: str, after: str) -> Iterator[str]:
    """Lines of one value; `before` (a key) and `after` (a comma) join its first and last line."""
    if hasattr(value, "dtype"):  # the elements of a variable
        from tfartifacts.report.values import exact

        value = exact(value)
    if _is_flat(value):
        text = compact(value)
        if len(text) <= _LONGEST or not isinstance(value, dict):
            yield f"{indent}{before}{text}{after}"
            return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield f"{indent}{before}{opening}"
    last = len(value) - 1
    for i, part in enumerate(value):
        key, item = (f"{compact(part)}: ", value[part]) if isinstance(value, dict) else ("", part)
        yield from _lines(item, indent + _STEP, key, "," if i < last else "")
    yield f"{indent}{closing}{after}"


def _is_flat(value: Any, depth: int = 2) -> bool:
    """Whether at most two levels of containers lie in it, counting itself."""
    if hasattr(value, "dtype"):
        return False
    if not isinstance(value, (dict, list)):
        return True
    if depth == 0:
        return not value
    parts = value.values() if isinstance(value, dict) else value
    if depth == 2 and isinstance(value, list) and value and isinstance(value[0], dict):
        return False  # things in a list: one on each line
    return all(_is_flat(part, depth - 1) for part in parts)


def compact(value: Any) -> str:
    """The value on one line."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(value), allow_nan=False)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [_without_nan(part) for part in value]
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    return value
