"""A file that says how variables are to be called, as `diff` writes one.

    {"old": "new", ...}        JSON: all at once
    ["OLD=NEW", "re:P=R"]      JSON: rules, in turn
    OLD<TAB>NEW                lines of text: all at once
    OLD=NEW                    lines of text: rules, in turn

Lines of both kinds may be mixed: names first, then rules. Empty lines, and those that begin with
`#`, count for nothing.
"""

from __future__ import annotations

import json
from typing import Any

from tfartifacts.errors import ConversionError


def parse_name_map(text: str, path: str | None = None) -> tuple[dict[str, str], tuple[str, ...]]:
    """Names by the old ones, and rules, of the text of a map.

    Raises ConversionError for what is no map, and for two new names for an old one.
    """
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return _read_json(text.lstrip("\ufeff"), path)
    names: dict[str, str] = {}
    rules: list[str] = []
    # Ends of lines that Unicode has besides may be part of a name.
    for number, ended in enumerate(text.lstrip("\ufeff").split("\n"), 1):
        line = ended.removesuffix("\r")
        if line.startswith("#"):
            continue
        old, tab, new = line.partition("\t")
        if tab:
            if not old or not new or "\t" in new:
                raise ConversionError(
                    f"found {line!r} in line {number}, expected OLD, one tab, NEW", path=path
                )
            if names.get(old, new) != new:
                raise ConversionError(
                    f"found two new names for {old!r} (line {number}), expected one", path=path
                )
            names[old] = new
        elif "=" in line:
            rules.append(line)
        elif line.strip():
            raise ConversionError(
                f"found {line!r} in line {number}, expected OLD<TAB>NEW or OLD=NEW", path=path
            )
    return names, tuple(rules)


def _read_json(text: str, path: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        names = dict(found)
        twice = next((old for old, new in found if names[old] != new), None)
        if twice is not None:
            raise ConversionError(f"found two new names for {twice!r}, expected one", path=path)
        return names

    try:
        found = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"found no JSON: {error}", path=path) from None
    if isinstance(found, list) and all(isinstance(rule, str) for rule in found):
        return {}, tuple(found)
    if isinstance(found, dict) and all(isinstance(new, str) for new in found.values()):
        return found, ()
    raise ConversionError(
        "found JSON of another form, expected an object of old names with new ones, or a list of "
        "rules",
        path=path,
    )
