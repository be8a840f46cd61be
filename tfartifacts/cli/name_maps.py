"""Files of new names for variables, as commands take them."""

from __future__ import annotations

from tfartifacts.errors import ConversionError
from tfartifacts.storage.files import read_file
from tfartifacts.weights.name_maps import parse_name_map

_MOST = 100_000_000  # bytes


def read_name_map(path: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """New names by the old ones, and rules to be applied in turn.

    Raises PathNotFoundError, ConversionError for a file that is no such map.
    """
    data = read_file(path, _MOST + 1)
    if len(data) > _MOST:
        raise ConversionError(f"found more than {_MOST} bytes, expected fewer", path=path)
    return parse_name_map(data.decode("utf-8", "surrogateescape"), path)


def read_names(path: str) -> dict[str, str]:
    """The new names of a file without rules, which raise ConversionError."""
    names, rules = read_name_map(path)
    if rules:
        raise ConversionError(
            f"found the rule {rules[0]!r}, expected names alone: OLD, a tab, NEW, or a JSON object",
            path=path,
        )
    return names
