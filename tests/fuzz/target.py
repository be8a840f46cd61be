"""What a fuzz target is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tfartifacts.errors import TfArtifactsError

# Bytes, and the most bytes that may come of them: some mutation of the bytes.
Mutate = Callable[[bytes, int], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads bytes.

    `examine` gives whether the bytes were accepted, and raises for whatever must not be:
    AssertionError where a promise is broken, anything else where a reader does not refuse bytes as
    it should. `change` gives other bytes like the ones it is given, with a mutation that knows no
    format for its smallest steps. `most_bytes` bounds an input.
    """

    name: str
    examine: Callable[[bytes], bool]
    seeds: Callable[[], list[bytes]]
    change: Callable[[bytes, Mutate, random.Random, int], bytes]
    most_bytes: int = 2048


def check_offset(error: TfArtifactsError, size: int, *, may_lack: bool = False) -> None:
    """An error points into the bytes, of which there are `size`."""
    if error.offset is None:
        assert may_lack, f"no offset: {error}"
    else:
        assert 0 <= error.offset <= size, f"an offset outside of {size} bytes: {error}"


def unchanging(data: bytes, mutate: Mutate, source: random.Random, most: int) -> bytes:
    """The change of a format without checksums and lengths."""
    return mutate(data, most)
