"""The entries of a tensor bundle's index, all of them checked: variables, and slices of some.

The layout of one is in bundle_entries; a slice's key, and what of it is in its variable's own
entry, in slices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter

from tfartifacts.errors import FormatError
from tfartifacts.formats.bundle_entries import (
    Entry,
    Head,
    are_like_first,
    name_variable,
    parse_entry,
    plain_head,
)
from tfartifacts.formats.bundle_variables import BundleTensor, BundleVariables, DataFiles
from tfartifacts.formats.slices import Extents, check_tiling, encode_slice_key, slice_shape
from tfartifacts.formats.table_blocks import Columns
from tfartifacts.model.variables import Variable, VariableSlice

# Told the name of a variable whose entry is at fault, and the fault.
Tell = Callable[[str, FormatError], None]

_FEW = 4  # entries that are sooner looked at one by one


def parse_entries(
    blocks: Iterable[Columns], files: DataFiles, tell: Tell | None = None
) -> tuple[BundleVariables, list[bytes]]:
    """Variables, and the keys of stored slices that none of them refers to.

    `blocks` are keys and values behind the header; in any order, and of one name several, if `tell`
    is given. Raises FormatError that names the variable; with `tell` every fault is told instead,
    and variables with one are left out.
    """
    read = _Entries(files.num_shards, tell)
    for keys, values in blocks:
        read.add(keys, values)
    partitioned = {}
    lost = []
    used: set[bytes] = set()
    for name, (key, entry) in read.sliced.items():
        keys = [encode_slice_key(key, extents) for extents in entry.slices]
        used.update(keys)
        variable = _partitioned_variable(name, entry, keys, read, files, tell)
        if variable is None:
            lost.append(name)
        else:
            partitioned[name] = variable
    if tell is not None:
        read.settle(lost)
    variables = BundleVariables(files, read.names, read.entries, read.heads, partitioned)
    orphans = [key for key in read.stored_slices if key not in used]
    return variables, orphans


class _Entries:
    """Entries as they are read: names, their bytes and heads, side by side; slices by their keys.

    The head is None for a variable in slices, which are in `sliced` by its name, and for one whose
    entry is at fault.
    """

    def __init__(self, num_shards: int, tell: Tell | None) -> None:
        self.names: list[str] = []
        self.entries: list[bytes] = []
        self.heads: list[Head | None] = []
        self.sliced: dict[str, tuple[bytes, Entry]] = {}
        self.stored_slices: dict[bytes, bytes] = {}
        self._faulty: set[int] = set()
        self._seen: dict[bytes, Head] = {}
        self._num_shards = num_shards
        self._tell = tell

    def add(self, keys: list[bytes], values: list[bytes]) -> None:
        if keys and min(keys)[0] == 0:
            pairs = list(zip(keys, values, strict=True))
            self.stored_slices.update(pair for pair in pairs if pair[0][0] == 0)
            keys = [key for key in keys if key[0] != 0]
            values = [value for key, value in pairs if key[0] != 0]
        first = len(self.entries)
        self.names += _names(keys)
        self.entries += values
        heads: list[Head | None] = [None] * len(values)
        left: list[int] = []
        for alike in _alike(values):
            head = self._head_of_all(alike, values, first)
            if head is None:
                left += alike
                continue
            for number in alike:
                heads[number] = head
        self.heads += heads
        for number in sorted(left):
            self.heads[first + number] = self._head(first + number, keys[number])

    def _head_of_all(self, alike: list[int], values: list[bytes], first: int) -> Head | None:
        """The head of entries of one size that begin alike; None where one may be unlike."""
        if len(alike) < _FEW:
            return None
        entries = itemgetter(*alike)(values)
        name = self.names[first + alike[0]]
        try:
            plain = plain_head(entries[0], name, self._seen, self._num_shards)
        except FormatError:
            return None
        if plain is None or not are_like_first(entries, self._num_shards, *plain):
            return None
        return plain[0]

    def _head(self, number: int, key: bytes) -> Head | None:
        name = self.names[number]
        try:
            found = self.checked(self.entries[number], name)
        except FormatError as error:
            if self._tell is None:
                raise
            self._tell(name, error)
            self._faulty.add(number)
            return None
        if isinstance(found, Head):
            return found
        self.sliced[name] = key, found
        return None

    def checked(self, value: bytes, name: str) -> Head | Entry:
        """The head of an entry without a fault; the entry itself of a partitioned variable."""
        if plain := plain_head(value, name, self._seen, self._num_shards):
            return plain[0]
        entry = parse_entry(value, name, self._num_shards)
        # What an entry begins with is not all it says: a later field of the same number holds.
        return entry if entry.slices else Head(entry.dtype, entry.shape, 0, entry.size)

    def settle(self, lost: Iterable[str]) -> None:
        """Leave faulty and lost entries out; of those of one name the last one holds."""
        numbers: dict[str, int] = {}
        for number, name in enumerate(self.names):
            if number in self._faulty:
                numbers.pop(name, None)
            else:
                numbers[name] = number
        for name in lost:
            numbers.pop(name, None)
        if len(numbers) < len(self.names):
            self.names = list(numbers)
            self.entries = [self.entries[number] for number in numbers.values()]
            self.heads = [self.heads[number] for number in numbers.values()]


def _names(keys: list[bytes]) -> list[str]:
    """The keys as text. Decoded together, which is three times as fast as one by one."""
    together = b"\0".join(keys)
    if together.count(0) == len(keys) - 1:
        return str(together, "utf-8", "surrogateescape").split("\0")
    return [str(key, "utf-8", "surrogateescape") for key in keys]


def _alike(values: list[bytes]) -> Iterable[list[int]]:
    """The numbers of entries of one size that begin alike: most likely with one type and shape.

    Those of a kernel, its bias and their optimizer's slots take turns, so that few of them stand
    behind each other.
    """
    groups: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for number, value in enumerate(values):
        # Type and shape, if they are as every writer puts them; if not, it is looked at alone.
        groups[len(value), value[: 4 + value[3]] if len(value) > 3 else value].append(number)
    return groups.values()


def _partitioned_variable(
    name: str,
    entry: Entry,
    keys: Sequence[bytes],
    read: _Entries,
    files: DataFiles,
    tell: Tell | None,
) -> Variable | None:
    """The variable, `keys` being those of its slices; None where faults were told."""
    parts: list[VariableSlice] = []
    is_whole = True
    for fault in _slice_faults(name, entry, keys, read, files, parts):
        name_variable(fault, name)
        if tell is None:
            raise fault
        tell(name, fault)
        is_whole = False
    return Variable(name, entry.dtype, entry.shape, None, tuple(parts)) if is_whole else None


def _slice_faults(
    name: str,
    entry: Entry,
    keys: Sequence[bytes],
    read: _Entries,
    files: DataFiles,
    parts: list[VariableSlice],
) -> Iterator[FormatError]:
    """What is wrong with the slices of a variable; those that are not go to `parts`."""
    if len(set(entry.slices)) != len(entry.slices):
        yield FormatError("found a slice listed twice")
    try:
        check_tiling(entry.slices, entry.shape)
    except FormatError as error:
        yield error
    for extents, key in zip(entry.slices, keys, strict=True):
        encoded = read.stored_slices.get(key)
        if encoded is None:
            yield FormatError(f"found no entry for slice {_shown(extents)}")
            continue
        try:
            shape = slice_shape(extents, entry.shape)
            stored = read.checked(encoded, name)
        except FormatError as error:
            yield error
            continue
        if isinstance(stored, Entry) or stored.dtype != entry.dtype or stored.shape != shape:
            yield FormatError(
                f"found {stored.dtype} of shape {stored.shape} for slice {_shown(extents)}, "
                f"expected {entry.dtype} of shape {shape}"
            )
            continue
        parts.append(VariableSlice(extents, BundleTensor(stored, encoded, files)))


def _shown(extents: Extents) -> str:
    return ":".join(map(str, extents))
