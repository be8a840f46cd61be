"""The variables of a tensor bundle: each is made of its entry when it is asked for."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING

from tfartifacts.dtypes import DType
from tfartifacts.errors import FormatError
from tfartifacts.formats.bundle_entries import Head, Place, data_file, place_of
from tfartifacts.formats.tensor_data import StoredTensor
from tfartifacts.model.values import Buffer, Location, Shape
from tfartifacts.model.variables import Variable, VariableDraft
from tfartifacts.records import dataclass

if TYPE_CHECKING:
    from tfartifacts.formats.tensor_data import ByteOrder
    from tfartifacts.model.values import Array


@dataclass(frozen=True, slots=True)
class DataFiles:
    """What the tensors of a bundle have in common."""

    prefix: str
    num_shards: int
    byte_order: ByteOrder

    def value(self, head: Head, entry: bytes) -> BundleTensor:
        """The tensor of an entry that was checked before, with what it begins with."""
        return BundleTensor(head, entry, self)


class BundleTensor:
    """A tensor of a bundle by its index entry; where it lies is decoded when it is asked for.

    Opening and listing 100,000 variables should not cost more than reading their names. See
    TensorValue for what the methods promise.
    """

    __slots__ = ("_entry", "_files", "_head")

    def __init__(self, head: Head, entry: bytes, files: DataFiles) -> None:
        self._head = head
        self._entry = entry
        self._files = files

    def _stored(self) -> StoredTensor:
        shard, offset, size, crc = place_of(self._entry, self._head)
        files = self._files
        file = data_file(files.prefix, shard, files.num_shards)
        return StoredTensor(
            self.dtype, self.shape, file, shard, offset, size, crc, files.byte_order
        )

    def __repr__(self) -> str:
        return f"BundleTensor({self._stored()!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BundleTensor) and self._stored() == other._stored()

    def __hash__(self) -> int:
        return hash((self.dtype, self.shape, self.place))

    @property
    def dtype(self) -> DType:
        return self._head.dtype

    @property
    def shape(self) -> Shape:
        return self._head.shape

    @property
    def nbytes(self) -> int:
        size = self._head.nbytes
        return self.place[2] if size is None else size

    @property
    def place(self) -> Place:
        """What is in `location`, sooner."""
        return place_of(self._entry, self._head)

    @property
    def byte_order(self) -> ByteOrder:
        return self._files.byte_order

    @property
    def location(self) -> Location:
        shard, offset, size, crc = place_of(self._entry, self._head)
        file = data_file(self._files.prefix, shard, self._files.num_shards)
        return Location(file, shard, offset, size, crc)

    def read(self) -> Array:
        return self._stored().read()

    def view(self, *, check: bool = True) -> Array:
        return self._stored().view(check=check)

    def read_elements(self, first: int, count: int) -> Array:
        return self._stored().read_elements(first, count)

    def strings(self) -> list[bytes]:
        """The elements of a string tensor in row-major order, without NumPy."""
        return self._stored().strings()

    def stored(self) -> Iterator[Buffer]:
        return self._stored().stored()


# Where a tensor begins and ends in its data file, and whose it is.
Range = tuple[int, int, str]


class BundleVariables(Mapping[str, Variable]):
    """A bundle's variables in file order; a Variable is made when it is asked for."""

    def __init__(
        self,
        files: DataFiles,
        names: list[str],
        entries: list[bytes],
        heads: list[Head | None],
        partitioned: dict[str, Variable],
    ) -> None:
        self._files = files
        # Every name, in file order, with its entry as it is stored, and what that begins with;
        # None for a variable that is partitioned.
        self._names = names
        self._entries = entries
        self._heads = heads
        self._partitioned = partitioned
        self._numbers: dict[str, int] | None = None

    def _by_name(self) -> dict[str, int]:
        # Who lists variables needs no look-up by name.
        if self._numbers is None:
            self._numbers = dict(zip(self._names, range(len(self._names)), strict=True))
        return self._numbers

    def __getitem__(self, name: str) -> Variable:
        number = self._by_name()[name]
        head = self._heads[number]
        if head is None:
            return self._partitioned[name]
        tensor = BundleTensor(head, self._entries[number], self._files)
        return Variable(name, head.dtype, head.shape, tensor)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name()

    def items(self) -> ItemsView[str, Variable]:
        return _Items(self)

    def values(self) -> ValuesView[Variable]:
        return _Values(self)

    def _repr_html_(self) -> str:
        from tfartifacts.model.notebooks import variable_table

        return variable_table(self.made(), len(self))

    def made(self) -> Iterator[Variable]:
        """Each variable in turn, without a look-up for each."""
        files, partitioned = self._files, self._partitioned
        for name, head, entry in zip(self._names, self._heads, self._entries, strict=True):
            if head is None:
                yield partitioned[name]
                continue
            draft = VariableDraft(name, head.dtype, head.shape, files, head, entry)
            draft.__class__ = Variable  # type: ignore[assignment]  # see VariableDraft
            yield draft  # type: ignore[misc]

    def stored(self) -> Iterator[tuple[str, Place, BundleTensor | None]]:
        """Name and place of each stored tensor.

        And the tensor itself, but where its checksum covers the bytes as they are and any bytes
        will do: at the cost of a name.
        """
        plain: dict[Head, bool] = {}
        for name, head, entry in zip(self._names, self._heads, self._entries, strict=True):
            if head is None:
                continue
            if (is_plain := plain.get(head)) is None:
                is_plain = plain[head] = head.is_plain
            tensor = None if is_plain else BundleTensor(head, entry, self._files)
            yield name, place_of(entry, head), tensor
        for name, variable in self._partitioned.items():
            for value in variable.values:
                assert isinstance(value, BundleTensor)  # what a bundle's variables have
                yield name, value.place, value

    def ranges(self) -> dict[int, list[Range]]:
        """For each shard that is used, in order: the range of each tensor in its data file."""
        ranges: dict[int, list[Range]] = {}
        for name, (shard, offset, size, _), _ in self.stored():
            part = (offset, offset + size, name)
            if (parts := ranges.get(shard)) is not None:
                parts.append(part)
            else:
                ranges[shard] = [part]
        return dict(sorted(ranges.items()))

    def overlaps(self, ranges: dict[int, list[Range]]) -> Iterator[FormatError]:
        """An error for each data file in which tensors lie over each other.

        No writer makes such a file, but a small one could hold thousands of large tensors.
        """
        for shard, parts in ranges.items():
            path = data_file(self._files.prefix, shard, self._files.num_shards)
            if (fault := overlap_fault(path, parts)) is not None:
                yield fault


def overlap_fault(path: str, parts: Iterable[Range]) -> FormatError | None:
    """An error for tensors of a data file that lie over each other; None where none do."""
    found = 0
    message = ""
    first = 0
    reached, holder = 0, ""
    for start, end, name in sorted(parts):
        if start < reached and start < end:
            found += 1
            if found == 1:
                first = start
                message = (
                    f"found {name!r} at bytes {start} to {end}, of which {holder!r} holds "
                    f"those up to {reached}, expected each tensor in bytes of its own"
                )
        if end > reached:
            reached, holder = end, name
    if found > 1:
        message += f"; {found - 1} more overlap in this file"
    return FormatError(message, path=path, offset=first) if found else None


class _Values(ValuesView[Variable]):
    _mapping: BundleVariables

    def __iter__(self) -> Iterator[Variable]:
        return self._mapping.made()


class _Items(ItemsView[str, Variable]):
    _mapping: BundleVariables

    def __iter__(self) -> Iterator[tuple[str, Variable]]:
        return zip(self._mapping, self._mapping.made(), strict=True)
