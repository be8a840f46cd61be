"""Values that are read when asked for: what a format promises the model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

from tfartifacts.dtypes import DType
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from mmap import mmap

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic] | NDArray[np.object_]

Shape = tuple[int, ...]
PartialShape = tuple[int | None, ...] | None  # None inside: unknown size; None: unknown rank
Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap"
DTypeLike = str | DType  # TensorFlow's name of a type, or the type

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a value's stored bytes lie.

    `offset` and `size` are bytes in `file`; `shard` counts from 0; `crc32c` is masked as stored
    (tensorflow/core/lib/hash/crc32c.h) and covers the value as its format says.
    """

    file: str
    shard: int
    offset: int
    size: int
    crc32c: int


class TensorValue(Protocol):
    """The elements of one tensor, somewhere.

    Nothing is opened before `read` or `stored`; each call opens its file anew, so values can be
    pickled and read from several threads. Both check every checksum the format has.
    """

    @property
    def dtype(self) -> DType: ...

    @property
    def shape(self) -> Shape: ...

    @property
    def nbytes(self) -> int:
        """Bytes as stored in a V2 checkpoint (strings: with their lengths)."""
        ...

    @property
    def location(self) -> Location | None:
        """Where the bytes lie in a V2 data file; None for values of any other origin."""
        ...

    def read(self) -> Array:
        """All elements, in native byte order; strings and variants as an object array of bytes."""
        ...

    def stored(self) -> Iterator[Buffer]:
        """The elements as a V2 checkpoint stores them on a little-endian machine, in pieces.

        Strings and variants that are in no file yet come as each element's bytes: lengths and
        checksums are for a format to add.
        A piece is valid until the next one is asked for. Raises ChecksumError at the end where
        the source's checksum does not fit.
        """
        ...


# Told what is being done ("writing", "checking"), bytes done, bytes in all.
Progress = Callable[[str, int, int], None]


@runtime_checkable
class PartialValue(Protocol):
    """A value of a fixed-size type of which a part can be read without the rest."""

    def read_elements(self, first: int, count: int) -> Array:
        """`count` elements in row-major order from the one numbered `first`, as a flat array.

        A checksum covers the whole, so that it is not compared.
        """
        ...


@runtime_checkable
class MappableValue(Protocol):
    """A value whose bytes may lie in a file as NumPy has them in memory."""

    def view(self, *, check: bool = True) -> Array:
        """All elements as a read-only array: where the layout allows it, the file itself.

        See Variable.view.
        """
        ...


class Sink(Protocol):
    """A file being written; every byte is taken, or WriteError raised."""

    def write(self, data: Buffer, /) -> object: ...


class Deferred(Generic[T]):
    """A part that is loaded when first asked for, then kept.

    Pickling keeps the loader, which must itself be picklable, and drops what was loaded.
    """

    __slots__ = ("_load", "_loaded", "_lock", "_value")

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._loaded = False
        self._value: T | None = None

    def get(self) -> T:
        if not self._loaded:
            with self._lock:
                if not self._loaded:
                    self._value = self._load()
                    self._loaded = True
        return self._value  # type: ignore[return-value]  # set together with _loaded

    def __getstate__(self) -> Any:
        return self._load

    def __setstate__(self, state: Any) -> None:
        Deferred.__init__(self, state)


@dataclass(frozen=True, slots=True)
class Always(Generic[T]):
    """A loader for `Deferred` whose value is known already."""

    value: T

    def __call__(self) -> T:
        return self.value
