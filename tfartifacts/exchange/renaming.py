"""Other names for tensors that are imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from tfartifacts.errors import ConversionError, name_not_found

T = TypeVar("T")


def renamed(values: Mapping[str, T], names: Mapping[str, str]) -> dict[str, T]:
    """The same under other names.

    Raises NameNotFoundError for an old name that is not there, ConversionError for two tensors of
    one name.
    """
    for old in names:
        if old not in values:
            raise name_not_found("tensor", old, values)
    found: dict[str, T] = {}
    olds: dict[str, str] = {}
    for old, value in values.items():
        new = names.get(old, old)
        if new in found:
            raise ConversionError(
                f"found {olds[new]!r} and {old!r} both to become {new!r}, expected two names"
            )
        found[new], olds[new] = value, old
    return found
