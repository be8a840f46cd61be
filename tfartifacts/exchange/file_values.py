"""Values whose bytes lie in a file of another format, read when asked for.

Span         bytes as they are, with a checksum in a zip archive
Deflated     bytes of a zip archive that are compressed
HeldValue    elements of a fixed-size type in either
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from math import prod
from typing import TYPE_CHECKING

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import ChecksumError, FormatError, located
from tfartifacts.exchange.holding import from_holder
from tfartifacts.model.arrays import BlockValue
from tfartifacts.model.row_major import BLOCK, cut
from tfartifacts.model.values import Buffer, Shape
from tfartifacts.records import dataclass
from tfartifacts.storage.files import CHUNK, read_range, stream_range

if TYPE_CHECKING:
    from tfartifacts.model.values import Array


@dataclass(frozen=True, slots=True)
class Span:
    """`size` bytes of a file; `crc32` is compared where all were read."""

    path: str
    offset: int
    size: int
    crc32: int | None = None

    def stream(self) -> Iterator[memoryview]:
        """All bytes; a piece is valid until the next one is asked for."""
        crc = 0
        for piece in stream_range(self.path, self.offset, self.size):
            if self.crc32 is not None:
                crc = zlib.crc32(piece, crc)
            yield piece
        _compare(crc, self.crc32, self.path, self.offset)


@dataclass(frozen=True, slots=True)
class Deflated:
    """`size` bytes, as deflate made `stored` of them."""

    path: str
    offset: int
    stored: int
    size: int
    crc32: int

    def stream(self) -> Iterator[memoryview]:
        """All bytes, some at a time.

        Raises FormatError for what cannot be unpacked, or has another size than it says.
        """
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        left, crc = self.size, 0
        for packed in stream_range(self.path, self.offset, self.stored):
            rest: Buffer = packed
            while rest and not inflate.eof:
                with located(self.path):
                    data = self._unpacked(inflate, rest, left)
                rest = inflate.unconsumed_tail
                if data:
                    left -= len(data)
                    crc = zlib.crc32(data, crc)
                    yield memoryview(data)
        if left or not inflate.eof or inflate.unused_data:
            raise FormatError(
                f"found {self.size - left} bytes in {self.stored} compressed ones, expected "
                f"{self.size} and an end",
                path=self.path,
                offset=self.offset,
            )
        _compare(crc, self.crc32, self.path, self.offset)

    def _unpacked(self, inflate: zlib._Decompress, packed: Buffer, left: int) -> bytes:
        try:
            data = inflate.decompress(packed, min(CHUNK, left + 1))
        except zlib.error as error:
            raise FormatError(f"found bytes that deflate did not make: {error}") from None
        if len(data) > left:
            raise FormatError(
                f"found more than {self.size} bytes unpacked, expected no more", offset=self.offset
            )
        return data


def _compare(crc: int, expected: int | None, path: str, offset: int) -> None:
    if expected is not None and crc != expected:
        raise ChecksumError(
            f"found bytes with checksum 0x{crc:08x}, expected 0x{expected:08x}; the file is "
            "damaged",
            path=path,
            offset=offset,
        )


@dataclass(frozen=True, slots=True)
class HeldValue(BlockValue):
    """A tensor of a fixed-size type, of which `skip` bytes come first that are none of it.

    The bytes are those of the type's holder (see holding); `swaps`: in the other byte order.
    """

    dtype: DType
    shape: Shape
    held: Span | Deflated
    skip: int = 0
    swaps: bool = False

    @property
    def is_seekable(self) -> bool:
        """Whether a part can be read without what is before it."""
        return isinstance(self.held, Span)

    def stored(self) -> Iterator[Buffer]:
        with located(self.held.path):
            yield from from_holder(self._pieces(), self.dtype)

    def blocks(self) -> Iterator[Array]:
        return cut(self.stored(), self.dtype, prod(self.shape), BLOCK)

    def read_elements(self, first: int, count: int) -> Array:
        itemsize = self._itemsize()
        if isinstance(self.held, Deflated) or not count:
            # The base's own: through the blocks before. (With slots, super() has no class to ask.)
            return BlockValue.read_elements(self, first, count)
        offset = self.held.offset + self.skip + first * itemsize
        pieces: Iterable[Buffer] = [read_range(self.held.path, offset, count * itemsize)]
        if self.swaps:
            pieces = swapped(pieces, self.dtype, count)
        with located(self.held.path):
            pieces = from_holder(pieces, self.dtype)
            (block,) = cut(pieces, self.dtype, count, count)
        return block

    def _pieces(self) -> Iterator[Buffer]:
        pieces = without_first(self.held.stream(), self.skip)
        return swapped(pieces, self.dtype, prod(self.shape)) if self.swaps else pieces


def without_first(pieces: Iterable[memoryview], skip: int) -> Iterator[memoryview]:
    """The same bytes but the first `skip`."""
    for piece in pieces:
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:] if skip else piece
        skip = 0


def swapped(pieces: Iterable[Buffer], dtype: DType, num_elements: int) -> Iterator[Buffer]:
    """Big-endian elements as little-endian ones."""
    import numpy as np

    itemsize = dtype.itemsize or 1
    # A complex number is two: each is swapped on its own.
    width = itemsize // (2 if dtype.name.startswith("complex") else 1)
    uint8 = dtype_from_name("uint8")
    for block in cut(pieces, uint8, num_elements * itemsize, BLOCK * itemsize):
        yield block.view(f"u{width}").byteswap().view(np.uint8).data
