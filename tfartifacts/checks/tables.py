"""Read a table (see formats/table) block by block, whatever of it is damaged, and say what is.

footer or index block damaged   data blocks are looked for from the first byte on: an entry
                                says where the next begins, restarts and checksum end a block
data block damaged              told; its entries are read all the same, but not trusted
"""

from __future__ import annotations

from collections.abc import Iterator

from tfartifacts.checks.findings import Finding, error
from tfartifacts.errors import ChecksumError, FormatError
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.table import (
    EMPTY_BLOCK,
    FOOTER_SIZE,
    RESTART_INTERVAL,
    TRAILER_SIZE,
    Handle,
    Source,
    Table,
    check_metaindex,
    layout_faults,
    order_faults,
    parse_handle,
    read_block,
    read_footer,
)
from tfartifacts.formats.table_blocks import most_shared, parse_block
from tfartifacts.formats.wire import read_varint
from tfartifacts.records import dataclass, field

Entries = list[tuple[bytes, bytes]]

_WINDOW = 1 << 20  # bytes read at a time when looking for blocks
_MOST_TRIES = 10  # ends of one block that are tried: each takes the block's checksum
_MOST_HEAD = 30  # bytes of the three numbers before an entry's key


@dataclass(frozen=True, slots=True)
class DataBlock:
    """A data block that was read. `is_sound`: its checksum fits, and its entries parse.

    Entries of a block that is not sound are those that could be made out.
    """

    handle: Handle
    entries: Entries
    is_sound: bool


@dataclass(slots=True)
class WalkedTable:
    """A table that is walked through once; what is found wrong on the way is in `findings`.

    `is_complete` turns False where a data block is lost. `nbytes` are those whose checksum was
    computed.
    """

    source: Source
    findings: list[Finding] = field(default_factory=list)
    num_blocks: int = 0
    nbytes: int = 0
    is_complete: bool = True
    _end: int | None = None  # of the blocks, where there is no footer
    _index: list[tuple[bytes, Handle]] = field(default_factory=list)

    def blocks(self) -> Iterator[DataBlock]:
        """The data blocks, in file order; each byte of the file is read once."""
        handles = self._find_blocks()
        previous: bytes | None = None
        reached = 0
        for last_key, handle in handles:
            if handle.offset < reached:
                # Told as a fault of the layout; a block named again and again is read once.
                self.is_complete = False
                continue
            reached = handle.end
            block = self._read(handle)
            yield block
            if not block.is_sound:
                self.is_complete = False
                continue
            bound = block.entries[-1][0] if last_key is None and block.entries else last_key
            if bound is None:
                continue
            for disorder in order_faults((key for key, _ in block.entries), previous, bound):
                self._tell("key-order", disorder, handle.offset)
            if not block.entries and len(handles) > 1:
                self._tell("block-format", FormatError("found no entries"), handle.offset)
            previous = bound
            self._index.append((bound, handle))

    def table(self) -> Table:
        """The sound blocks as a table, for whoever looks for values by key; after the walk."""
        return Table(self.source, tuple(self._index))

    def _tell(self, code: str, fault: FormatError, base: int = 0) -> None:
        offset = base if fault.offset is None else base + fault.offset
        self.findings.append(error(code, fault.message, self.source.path, offset))

    def _find_blocks(self) -> list[tuple[bytes | None, Handle]]:
        """Key of the index (None where that is damaged) and place of each data block."""
        try:
            metaindex, index = read_footer(self.source)
        except FormatError as fault:
            self._tell("table-footer", fault)
            self._end = self.source.size
            return self._scanned(self.source.size, metaindex=None)
        try:
            self._count(metaindex)
            check_metaindex(self.source, metaindex)
        except FormatError as fault:
            self._tell(_code_of(fault), _naming("the metaindex block", fault), metaindex.offset)
        try:
            self._count(index)
            entries = parse_block(read_block(self.source, index))
            handles = [(key, parse_handle(value)) for key, value in entries]
        except FormatError as fault:
            self._tell(_code_of(fault), _naming("the index block", fault), index.offset)
            return self._scanned(min(index.offset, self.source.size), metaindex)
        for gap in layout_faults(handles, metaindex, index, self.source.size - FOOTER_SIZE):
            self._tell("block-layout", gap)
        return list(handles)

    def _scanned(self, end: int, metaindex: Handle | None) -> list[tuple[bytes | None, Handle]]:
        handles, stopped = scan_blocks(self.source, end)
        if metaindex is not None:
            handles = [handle for handle in handles if handle.offset < metaindex.offset]
        has_come_to_it = metaindex is not None and stopped >= metaindex.offset
        is_whole = has_come_to_it or (stopped > 0 and _is_metaindex(self.source, stopped))
        if not is_whole:
            self.is_complete = False
            self._tell(
                "blocks-lost",
                FormatError(
                    "found no further block: those that follow cannot be found without the index "
                    "block"
                ),
                handles[-1].end if handles else 0,
            )
        return [(None, handle) for handle in handles]

    def _count(self, handle: Handle) -> None:
        self.num_blocks += 1
        if handle.end <= self.source.size:
            self.nbytes += handle.size + 1

    def _read(self, handle: Handle) -> DataBlock:
        self._count(handle)
        try:
            return DataBlock(
                handle,
                parse_block(read_block(self.source, handle, self._end), in_order=False),
                is_sound=True,
            )
        except FormatError as fault:
            self._tell(_code_of(fault), _naming("a data block", fault), handle.offset)
        if handle.end > self.source.size:
            return DataBlock(handle, [], is_sound=False)
        stored = self.source.read(handle.offset, handle.size + 1)
        # What is packed is past help: everything behind a wrong byte depends on it.
        entries = [] if stored[-1] else entries_despite(stored[:-1])
        return DataBlock(handle, entries, is_sound=False)


def _code_of(fault: FormatError) -> str:
    return "block-checksum" if isinstance(fault, ChecksumError) else "block-format"


def _naming(what: str, fault: FormatError) -> FormatError:
    return FormatError(f"{fault.message} (in {what})", offset=fault.offset)


def entries_despite(contents: bytes) -> Entries:
    """What can be made out of a damaged block: from each restart as far as its entries parse.

    Keys and values may be damaged themselves.
    """
    num_restarts = int.from_bytes(contents[-4:], "little")
    end = len(contents) - 4 - 4 * num_restarts
    bounds = [0]
    if len(contents) >= 8 and end >= 0:
        array = contents[end : len(contents) - 4]
        restarts = (int.from_bytes(array[at : at + 4], "little") for at in range(0, len(array), 4))
        for restart in restarts:
            if bounds[-1] < restart < end:
                bounds.append(restart)
    else:
        end = len(contents)
    entries: Entries = []
    for start, stop in zip(bounds, [*bounds[1:], end], strict=True):
        entries += _as_far_as_it_parses(contents[start:stop])
    return entries


def _as_far_as_it_parses(piece: bytes) -> Entries:
    entries: Entries = []
    key = b""
    position = 0
    room = most_shared(len(piece))
    while position < len(piece) and room > 0:
        try:
            shared, at = read_varint(piece, position, len(piece))
            unshared, at = read_varint(piece, at, len(piece))
            value_size, at = read_varint(piece, at, len(piece))
        except FormatError:
            break
        tail = at + unshared
        position = tail + value_size
        if shared > len(key) or position > len(piece):
            break
        room -= shared
        key = key[:shared] + piece[at:tail]
        entries.append((key, piece[tail:position]))
    return entries


class _Window:
    """A source that is read from front to back, some bytes at a time."""

    def __init__(self, source: Source, end: int) -> None:
        self._source = source
        self._end = end
        self._start = 0
        self._data = b""

    def at(self, position: int, size: int) -> bytes:
        """The bytes from a position; fewer at the end."""
        size = min(size, self._end - position)
        if size <= 0:
            return b""
        begin = position - self._start
        if begin < 0 or begin + size > len(self._data):
            self._start, begin = position, 0
            most = min(max(size, _WINDOW), self._end - position)
            self._data = self._source.read(position, most)
        return self._data[begin : begin + size]


def scan_blocks(source: Source, end: int) -> tuple[list[Handle], int]:
    """Blocks that are not packed, from the first byte on, and where what follows is none.

    A block whose entries lead to its restarts is found even if its checksum does not fit. The
    metaindex block, which is empty, ends the data blocks.
    """
    handles: list[Handle] = []
    window = _Window(source, end)
    start = 0
    while start < end and not _is_metaindex(source, start):
        handle = _scan_block(window, start, end)
        if handle is None:
            break
        handles.append(handle)
        start = handle.end
    return handles, start


def _is_metaindex(source: Source, offset: int) -> bool:
    size = len(EMPTY_BLOCK)
    return offset + size + TRAILER_SIZE <= source.size and source.read(offset, size) == EMPTY_BLOCK


def _scan_block(window: _Window, start: int, end: int) -> Handle | None:
    position = start
    num_entries = tries = 0
    while position < end and tries < _MOST_TRIES:
        head = window.at(position, _MOST_HEAD)
        # Restarts begin with a 0; no entry but the first has an empty key, nor that no value.
        if head[:4] == bytes(4) and position > start:
            tries += 1
            size = _contents_size(window, start, position, num_entries)
            if size is not None:
                return Handle(start, size)
        at = 0
        try:
            _, at = read_varint(head, at, len(head))
            unshared, at = read_varint(head, at, len(head))
            value_size, at = read_varint(head, at, len(head))
        except FormatError:
            return None
        position += at + unshared + value_size
        num_entries += 1
    return None


def _contents_size(window: _Window, start: int, position: int, num_entries: int) -> int | None:
    """Size of the contents of a block whose restarts begin at a position; None if none do."""
    usual = max(1, (num_entries + RESTART_INTERVAL - 1) // RESTART_INTERVAL)
    found: int | None = None
    previous = -1
    tries = 0
    for count in range(num_entries + 1):
        number = int.from_bytes(window.at(position + 4 * count, 4), "little")
        size = position + 4 * count + 4 - start
        trailer = window.at(start + size, TRAILER_SIZE)
        if count and number == count and len(trailer) == TRAILER_SIZE and tries < _MOST_TRIES:
            tries += 1
            contents = window.at(start, size)
            if mask(crc32c(contents + trailer[:1])) == int.from_bytes(trailer[1:], "little"):
                return size
            if count == usual and trailer[0] == 0:
                found = size
        if not previous < number < position - start:
            break
        previous = number
    return found
