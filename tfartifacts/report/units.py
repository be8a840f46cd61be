"""Numbers, sizes, shapes and times as people read them."""

from __future__ import annotations

import time
from collections.abc import Sequence

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def count(number: int) -> str:
    """`1,234,567`"""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """`1 node`, `2,310 nodes`"""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(num_bytes: int) -> str:
    """`417 B`, `12.0 KiB`, `4.71 MiB`: three digits at least, powers of 1024."""
    if num_bytes < 1024:
        return f"{num_bytes} B"
    amount = num_bytes / 1024
    for unit in _UNITS:
        # 1023.95 would be rounded to 1024.0.
        if amount < 1023.95 or unit == _UNITS[-1]:
            return f"{amount:.2f} {unit}" if amount < 9.995 else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("the last unit takes every size")


def shape(dimensions: Sequence[int | None] | None) -> str:
    """`(?, 28, 28, 1)`; `scalar`; `unknown rank`. An unknown size is None or -1."""
    if dimensions is None:
        return "unknown rank"
    if not dimensions:
        return "scalar"
    parts = ["?" if part is None or part == -1 else str(part) for part in dimensions]
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def utc(seconds: float) -> str:
    """`2018-12-05T14:03:11Z`; empty for a time no calendar has."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return ""


def readable_time(iso: str) -> str:
    """`2018-12-05 14:03:11` of `2018-12-05T14:03:11Z`, for places that say UTC."""
    return iso.replace("T", " ").removesuffix("Z")
