"""JSON of which nothing is believed: each name once, whole numbers, no end of nesting."""

from __future__ import annotations

import json
from typing import Any

from tfartifacts.errors import FormatError

# Empty lists take 26 times their bytes in memory. A tensor is described by three lists and objects
# in 50 bytes or more.
_LARGE = 1 << 20
_FEWEST_BYTES = 12
MAX_DIGITS = 20  # of a whole number: more take time that grows with their square


def parse_object(text: bytes) -> dict[str, Any]:
    """The object that UTF-8 text is.

    Raises FormatError for anything else, for a name that comes twice, and for numbers with a
    fraction: none of our formats has one.
    """
    containers = text.count(b"[") + text.count(b"{")
    if len(text) > _LARGE and containers * _FEWEST_BYTES > len(text):
        raise FormatError(
            f"found {containers} lists and objects in {len(text)} bytes, expected tensors, which "
            "take more room"
        )
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise FormatError(
            f"found bytes that are not UTF-8: {error.reason}", offset=error.start
        ) from None
    try:
        found = json.loads(
            decoded,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except json.JSONDecodeError as error:
        raise FormatError(f"found no JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise FormatError("found JSON that is nested without end, expected an object") from None
    if not isinstance(found, dict):
        raise FormatError(f"found a JSON {type(found).__name__}, expected an object")
    return found


def check_name_text(name: str) -> None:
    """Raise FormatError for a tensor's name that is empty or no Unicode text."""
    if not name:
        raise FormatError("found a tensor without a name, expected one")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise FormatError(f"found the name {name!r} with half a character, expected text") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise FormatError(f"found the name {twice!r} twice, expected each once")
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise FormatError(f"found a number of {len(digits)} digits, expected at most {MAX_DIGITS}")
    return int(digits)


def _refuse_number(text: str) -> float:
    raise FormatError(f"found the number {text[:20]}, expected a whole one")
