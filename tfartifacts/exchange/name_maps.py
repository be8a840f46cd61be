"""A file of names and what they become: a JSON object, or lines of OLD, a tab, NEW.

{"old": "new", ...}      old<TAB>new    # a comment; empty lines count for nothing
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from tfartifacts.errors import ConversionError, FormatError, located, name_not_found
from tfartifacts.exchange.json_objects import parse_object
from tfartifacts.storage.files import read_file

_MOST = 100_000_000  # bytes

T = TypeVar("T")


def read_name_map(path: str) -> dict[str, str]:
    """The new names by the old ones.

    Raises PathNotFoundError, ConversionError for a file that is no such map.
    """
    data = read_file(path, _MOST + 1)
    try:
        with located(path):
            if len(data) > _MOST:
                raise FormatError(f"found more than {_MOST} bytes, expected fewer")
            if data.lstrip()[:1] == b"{":
                return _texts(parse_object(data))
            return _lines(data)
    except FormatError as error:
        raise ConversionError(error.message, path=path) from None


def _texts(found: Mapping[str, object]) -> dict[str, str]:
    texts = {old: new for old, new in found.items() if isinstance(new, str)}
    if len(texts) != len(found):
        odd = next(old for old in found if old not in texts)
        raise FormatError(f"found {odd!r} to become what is no text, expected a name")
    return texts


def _lines(data: bytes) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        old, tab, new = line.partition("\t")
        if not tab or not old or not new or "\t" in new:
            raise FormatError(f"found {line!r} in line {number}, expected OLD, a tab and NEW")
        if old in names:
            raise FormatError(f"found {old!r} again in line {number}, expected each once")
        names[old] = new
    return names


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
