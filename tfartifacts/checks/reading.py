"""Read ranges of data files, each once, and compare checksums: by several threads, in parts.

A checksum lets other threads run. All take from the same files in the same order, within one the
largest piece that is left, so that they end together; each keeps one file open, and one buffer that
a processor's cache holds. Ranges of a few bytes are read many at a time, a large tensor in shares,
whose checksums are put together.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import prod
from operator import itemgetter
from typing import NamedTuple

from tfartifacts.dtypes import STRING
from tfartifacts.errors import PathNotFoundError, TfArtifactsError, located
from tfartifacts.formats.bundle_variables import BundleTensor
from tfartifacts.formats.checksums import combine, crc32c, mask
from tfartifacts.formats.tensor_checks import (
    PART,
    ReadPart,
    check_fixed,
    check_strings,
    check_variants,
    crc_of,
    parts_of,
    require_checksum,
)
from tfartifacts.model.jobs import WORTH_THREADS, started, usual_jobs
from tfartifacts.model.values import Progress
from tfartifacts.records import dataclass, field
from tfartifacts.storage.files import opened, read_into

_SMALL = PART // 4  # bytes; what is not larger is read together with what follows
_SHARE = 64 << 20  # bytes; putting two checksums together takes as long as reading 4 MiB
_TELL_EVERY = 0.1  # seconds
_ZEROS = bytes(PART)
_END = itemgetter(1)


class Range(NamedTuple):
    """A range of a data file: a stored tensor, or, with no name, bytes that no tensor has.

    `value` is None where the checksum covers the bytes as they are, and any bytes will do.
    """

    offset: int
    end: int
    name: str
    crc32c: int
    value: BundleTensor | None


@dataclass(slots=True)
class _Shared:
    """A tensor that is read in shares: their checksums as they come, or what went wrong."""

    whole: Range
    left: int
    crcs: dict[int, int] = field(default_factory=dict)
    failures: dict[int, TfArtifactsError] = field(default_factory=dict)

    def crc(self) -> int:
        """The checksum of the whole. Raises what went wrong, where it first did."""
        if self.failures:
            raise self.failures[min(self.failures)]
        crc = 0
        for offset in sorted(self.crcs):
            size = min(_SHARE, self.whole.end - offset)
            crc = combine(crc, self.crcs[offset], size)
        return crc


@dataclass(slots=True)
class DataFile:
    """A data file to read, and what came of it.

    `failures` are the tensors whose bytes do not fit, or cannot be read, `filled` the ranges
    without a tensor that hold other bytes than 0, `wide` the tensors of less than a byte with
    elements above their bits. `unreadable` is why the file could not be opened.
    """

    path: str
    pieces: deque[tuple[Range, ...]] = field(default_factory=deque)
    failures: list[tuple[Range, TfArtifactsError]] = field(default_factory=list)
    filled: list[Range] = field(default_factory=list)
    wide: list[Range] = field(default_factory=list)
    unreadable: PathNotFoundError | None = None
    shared: dict[int, _Shared] = field(default_factory=dict)  # by the id of a share's range

    def add(self, ranges: Iterable[Range]) -> None:
        """Read these, which are sorted and leave nothing out between them, too."""
        pieces: list[tuple[Range, ...]] = []
        group: list[Range] = []
        begin = 0
        for part in ranges:
            offset, end = part[:2]
            is_large = end - offset > _SMALL
            if group and (is_large or end - begin > PART):
                pieces.append(tuple(group))
                group = []
            if is_large:
                pieces.extend(self._shares(part))
                continue
            if not group:
                begin = offset
            group.append(part)
        if group:
            pieces.append(tuple(group))
        pieces.sort(key=_size, reverse=True)
        self.pieces.extend(pieces)

    def _shares(self, part: Range) -> list[tuple[Range, ...]]:
        offset, end, name, crc, value = part
        if end - offset <= _SHARE or value is not None or not name:
            return [(part,)]
        shares: list[tuple[Range, ...]] = [
            (Range(begin, min(begin + _SHARE, end), name, crc, None),)
            for begin in range(offset, end, _SHARE)
        ]
        shared = _Shared(part, len(shares))
        # Tensors that lie over each other may have shares in common, which are told apart.
        self.shared.update((id(share), shared) for (share,) in shares)
        return shares

    @property
    def size(self) -> int:
        """Bytes that are still to be read."""
        return sum(map(_size, self.pieces))


def _size(piece: tuple[Range, ...]) -> int:
    end: int = max(map(_END, piece))
    return end - piece[0].offset


def read_all(files: Sequence[DataFile], jobs: int | None, progress: Progress | None) -> None:
    """Read every piece of the files; `jobs` threads at most, None: as many as there are cores."""
    total = sum(file.size for file in files)
    if jobs is None:
        jobs = usual_jobs()
    jobs = max(1, min(jobs, sum(len(file.pieces) for file in files)))
    lock = threading.Lock()

    def tell() -> None:
        if progress is not None:
            progress("verifying", sum(worker.done for worker in workers), total)

    if jobs == 1 or total < WORTH_THREADS:
        workers = [_Worker(files, lock, tell)]
        workers[0].run()
        return
    workers = [_Worker(files, lock, lambda: None) for _ in range(jobs)]
    threads = [threading.Thread(target=worker.run, daemon=True) for worker in workers]
    try:
        running = started(threads)
        if not running:
            workers[0].run()
        for thread in running:
            while thread.is_alive():
                thread.join(_TELL_EVERY)
                tell()
    finally:
        for worker in workers:
            worker.is_stopped = True
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    for worker in workers:
        if worker.raised is not None:
            raise worker.raised


class _Worker:
    """Takes pieces of the files until there are none."""

    def __init__(
        self, files: Sequence[DataFile], lock: threading.Lock, tell: Callable[[], None]
    ) -> None:
        self.done = 0  # bytes
        self.is_stopped = False
        self.raised: BaseException | None = None
        self._files = files
        self._tell = tell
        self._lock = lock
        self._buffer = memoryview(bytearray(PART))

    def run(self) -> None:
        try:
            for file in self._files:
                if file.pieces and not self.is_stopped:
                    self._read_file(file)
        except BaseException as raised:  # raised again where the thread is waited for
            self.raised = raised
            if threading.current_thread() is threading.main_thread():
                raise

    def _read_file(self, file: DataFile) -> None:
        try:
            with opened(file.path) as descriptor:
                while not self.is_stopped:
                    try:
                        piece = file.pieces.popleft()
                    except IndexError:
                        return
                    self._read_piece(file, descriptor, piece)
        except PathNotFoundError as fault:
            file.unreadable = fault

    def _read_piece(self, file: DataFile, descriptor: int, piece: tuple[Range, ...]) -> None:
        start = piece[0].offset
        size = _size(piece)
        # Of a tensor's shares the last one may be small.
        if size > PART or (len(piece) == 1 and (size > _SMALL or id(piece[0]) in file.shared)):
            self._check_alone(file, descriptor, piece[0])
            return
        view = self._buffer[:size]
        try:
            read_into(descriptor, file.path, view, start)
        except TfArtifactsError:
            # A sector that cannot be read, or the end of the file: it need not concern all.
            for part in piece:
                self._check_alone(file, descriptor, part)
            return
        for part in piece:
            offset, end, name, crc, value = part
            data = view[offset - start : end - start]
            # The rule, at the least cost: there may be a million of them.
            if value is None and mask(crc32c(data)) == crc and name:
                continue
            _check(file, part, parts_of(data))
        self.done += size
        self._tell()

    def _check_alone(self, file: DataFile, descriptor: int, part: Range) -> None:
        def read(position: int, size: int) -> memoryview:
            view = self._buffer[:size]
            read_into(descriptor, file.path, view, part.offset + position)
            self.done += size
            self._tell()
            return view

        shared = file.shared.get(id(part))
        if shared is None:
            _check(file, part, read)
        else:
            self._check_share(file, part, shared, read)

    def _check_share(self, file: DataFile, part: Range, shared: _Shared, read: ReadPart) -> None:
        try:
            shared.crcs[part.offset] = crc_of(read, part.end - part.offset)
        except TfArtifactsError as fault:
            shared.failures[part.offset] = fault
        with self._lock:
            shared.left -= 1
            is_last = not shared.left
        if is_last:
            _check_whole(file, shared)


def _check_whole(file: DataFile, shared: _Shared) -> None:
    try:
        with located(file.path, shared.whole.offset):
            require_checksum(mask(shared.crc()), shared.whole.crc32c)
    except TfArtifactsError as fault:
        file.failures.append((shared.whole, fault))


def _check(file: DataFile, part: Range, read: ReadPart) -> None:
    """Check one range, and note what is wrong with it in its file."""
    size = part.end - part.offset
    try:
        with located(file.path, part.offset):
            if part.value is not None:
                _check_tensor(file, part, part.value, read)
            elif part.name:
                check_fixed(read, size, part.crc32c)
            elif not _is_zero(read, size):
                file.filled.append(part)
    except TfArtifactsError as fault:
        file.failures.append((part, fault))


def _is_zero(read: ReadPart, size: int) -> bool:
    for position in range(0, size, PART):
        part = bytes(read(position, min(PART, size - position)))
        if part != _ZEROS[: len(part)]:
            return False
    return True


def _check_tensor(file: DataFile, part: Range, value: BundleTensor, read: ReadPart) -> None:
    size = part.end - part.offset
    dtype = value.dtype
    if dtype.bits is None:
        check = check_strings if dtype == STRING else check_variants
        check(read, size, prod(value.shape), part.crc32c, value.byte_order)
    elif dtype.bits >= 8:
        check_fixed(read, size, part.crc32c)
    else:
        allowed = bytes(range(1 << dtype.bits))
        crc = 0
        is_wide = False
        for position in range(0, size, PART):
            data = read(position, min(PART, size - position))
            crc = crc32c(data, crc)
            is_wide = is_wide or bool(bytes(data).translate(None, allowed))
        require_checksum(mask(crc), part.crc32c)
        if is_wide:
            file.wide.append(part)
