"""Check a bundle's data files: every tensor's bytes, and the bytes that no tensor has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from operator import itemgetter

from tfartifacts.checks.findings import Finding, error, note, of_error, warning
from tfartifacts.checks.reading import DataFile, Range, read_all
from tfartifacts.errors import ChecksumError, FormatError, PathNotFoundError, TfArtifactsError
from tfartifacts.formats.bundle_entries import data_file
from tfartifacts.formats.bundle_variables import BundleVariables, overlap_fault
from tfartifacts.formats.tensor_bundle import SPARE_SHARDS, Header
from tfartifacts.model.checkpoints import File
from tfartifacts.model.values import Progress
from tfartifacts.records import dataclass, field
from tfartifacts.storage.files import describe_file, opened

# Zeros up to this many bytes fill up to where the next tensor may begin.
_ALIGNMENT = 4096
_PLACE = itemgetter(0, 1)
_LEAST_MIXED = 3  # tensors that fail together before they are another save's


@dataclass(slots=True)
class CheckedData:
    """What the data files hold. `reasons`: names of damaged variables, and the first thing wrong.

    `nbytes` are those of the tensors that were read, `num_tensors` the tensors there should be.
    """

    findings: list[Finding] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    num_tensors: int = 0
    nbytes: int = 0


@dataclass(slots=True)
class _Shard:
    """A data file with its tensors, sorted by where they begin."""

    path: str
    tensors: list[Range]
    file: File | None
    data: DataFile
    beyond: list[Range] = field(default_factory=list)
    too_many: list[Range] = field(default_factory=list)
    has_overlaps: bool = False
    has_holes: bool = False


def check_data(
    prefix: str,
    header: Header,
    variables: BundleVariables,
    *,
    is_complete: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> CheckedData:
    """Check the tensors of these variables; `is_complete`: there are no others."""
    checked = CheckedData()
    shards = []
    by_shard = _by_shard(variables)
    checked.num_tensors = sum(map(len, by_shard.values()))
    # A hostile header may claim 2^31 shards: no more are looked for than can hold something.
    most = min(header.num_shards, checked.num_tensors + SPARE_SHARDS)
    for shard in sorted(by_shard.keys() | set(range(most))):
        path = data_file(prefix, shard, header.num_shards)
        tensors = sorted(by_shard.get(shard, ()), key=_PLACE)
        file = describe_file(path)
        if file is not None:
            checked.files.append(file)
            shards.append(_plan(path, tensors, file))
        else:
            checked.findings.append(_missing(checked, path, tensors, shard))
    read_all([shard.data for shard in shards], jobs, progress)
    for each in shards:
        checked.findings += _judge(checked, each, is_complete=is_complete)
    return checked


def _by_shard(variables: BundleVariables) -> dict[int, list[Range]]:
    by_shard: dict[int, list[Range]] = {}
    for name, (shard, offset, size, crc), value in variables.stored():
        by_shard.setdefault(shard, []).append(Range(offset, offset + size, name, crc, value))
    return by_shard


def _missing(checked: CheckedData, path: str, tensors: Sequence[Range], shard: int) -> Finding:
    reason = "found no regular file, expected one"
    try:
        with opened(path):
            pass  # it came to be just now
    except PathNotFoundError as fault:
        reason = fault.message
    if not tensors:
        return note("missing-shard", f"{reason}; no tensor is in shard {shard}", path)
    for part in tensors:
        checked.reasons.setdefault(part.name, f"its data file {os.path.basename(path)} is missing")
    return error(
        "missing-shard",
        f"{reason}; it holds {_some(tensors)}: copy it from where the checkpoint was written",
        path,
    )


def _some(tensors: Sequence[Range]) -> str:
    names = list(dict.fromkeys(part.name for part in tensors))
    return repr(names[0]) if len(names) == 1 else f"{len(names)} variables, {names[0]!r} first"


def _plan(path: str, tensors: list[Range], file: File) -> _Shard:
    """What is to be read of a file: its tensors, and the bytes between and behind them."""
    shard = _Shard(path, tensors, file, DataFile(path))
    # Tensors may lie over each other; thousands over the same bytes would take forever to read.
    most_twice = max(file.size, 1 << 20)
    ranges: list[Range] = []
    reached = 0
    for part in tensors:
        offset, end = part[:2]
        begin = min(offset, file.size)
        if begin > reached:
            ranges.append(Range(reached, begin, "", 0, None))
            shard.has_holes = True
            reached = begin
        if end > file.size:
            shard.beyond.append(part)
            reached = file.size
            continue
        if offset < reached and end > offset:
            shard.has_overlaps = True
            most_twice -= end - offset
            if most_twice < 0:
                shard.too_many.append(part)
                continue
        ranges.append(part)
        reached = max(reached, end)
    if reached < file.size:
        ranges.append(Range(reached, file.size, "", 0, None))
        shard.has_holes = True
    shard.data.add(ranges)
    return shard


def _judge(checked: CheckedData, shard: _Shard, *, is_complete: bool) -> Iterator[Finding]:
    """What came of reading a file."""
    failures = _failures(shard)
    for part, fault in failures:
        if part.name:
            checked.reasons.setdefault(part.name, fault.message)
    failed = {id(part) for part, _ in failures}
    unread = {id(part) for part in (*shard.beyond, *shard.too_many)}
    read = [part for part in shard.tensors if id(part) not in unread]
    checked.nbytes += sum(end - offset for offset, end, *_ in read)
    if shard.data.unreadable is not None:
        yield of_error("unreadable", shard.data.unreadable, path=shard.path)
    if shard.beyond:
        yield _truncated(shard)
    if shard.has_overlaps:
        parts = [part[:3] for part in shard.tensors]
        if overlap := overlap_fault(shard.path, parts):
            yield of_error("overlap", overlap)
    if mixed := _mixed(shard, read, failed):
        yield mixed
    else:
        for part, fault in failures:
            if id(part) not in unread and fault is not shard.data.unreadable:
                yield of_error(_code_of(fault), _named(part, fault), name=part.name)
    for part in sorted(shard.data.wide, key=_PLACE):
        bits = None if part.value is None else part.value.dtype.bits
        yield warning(
            "element-range",
            f"found an element above the {bits} bits of its type",
            shard.path,
            part.offset,
            part.name,
        )
    if is_complete and shard.has_holes:
        yield from _holes(shard)


def _failures(shard: _Shard) -> list[tuple[Range, TfArtifactsError]]:
    """The ranges that are damaged, by where they begin."""
    failures = list(shard.data.failures)
    beyond = FormatError("its bytes lie beyond the end of the data file", path=shard.path)
    failures += [(part, beyond) for part in shard.beyond]
    too_many = FormatError("it lies over other tensors, and was not read", path=shard.path)
    failures += [(part, too_many) for part in shard.too_many]
    if shard.data.unreadable is not None:
        left = (part for piece in shard.data.pieces for part in piece if part.name)
        failures += [(part, shard.data.unreadable) for part in left]
    return sorted(failures, key=lambda failure: _PLACE(failure[0]))


def _code_of(fault: TfArtifactsError) -> str:
    if isinstance(fault, ChecksumError):
        return "tensor-checksum"
    return "unreadable" if isinstance(fault, PathNotFoundError) else "tensor-format"


def _named(part: Range, fault: TfArtifactsError) -> TfArtifactsError:
    if part.name:
        fault.message += f" (in variable {part.name!r})"
    return fault


def _truncated(shard: _Shard) -> Finding:
    assert shard.file is not None
    size = shard.file.size
    last = max(shard.beyond, key=lambda part: part.end)
    return error(
        "truncated",
        f"found the end of the file, expected {last.end - size} more bytes, up to the end of "
        f"{last.name!r}: {_some(shard.beyond)} cannot be read; the file is truncated, or belongs "
        "to another save than its index",
        shard.path,
        size,
    )


def _mixed(shard: _Shard, read: Sequence[Range], failed: set[int]) -> Finding | None:
    """A finding for a file in which nearly nothing fits: it is not damaged, but another save's.

    A variable that training does not change fits in both.
    """
    if len(failed) < _LEAST_MIXED:
        return None
    filled = [part for part in read if part.end > part.offset]
    num_failed = sum(id(part) in failed for part in filled)
    few = len(filled) // 10
    if num_failed < _LEAST_MIXED or num_failed < len(filled) - few:
        return None
    if shard.data.unreadable is not None:
        return None
    assert shard.file is not None
    end = max(part.end for part in shard.tensors)
    sizes = "" if end == shard.file.size else f"; the index knows {end} of {shard.file.size} bytes"
    return error(
        "mixed-saves",
        f"found {num_failed} of {len(filled)} tensors that do not fit their checksums{sizes}; "
        "index and data belong to different saves, or the whole file is damaged",
        shard.path,
    )


def _holes(shard: _Shard) -> Iterator[Finding]:
    """Bytes that no tensor has."""
    assert shard.file is not None
    size = shard.file.size
    end = max((part.end for part in shard.tensors), default=0)
    filled = {part.offset for part in shard.data.filled}
    zeros: list[Range] = []
    others: list[Range] = []
    reached = 0
    for offset, stop, *_ in (*shard.tensors, Range(size, size, "", 0, None)):
        begin = min(offset, size)
        if begin > reached:
            hole = Range(reached, begin, "", 0, None)
            is_padding = reached not in filled and begin - reached < _ALIGNMENT
            (zeros if is_padding else others).append(hole)
        reached = max(reached, min(stop, size))
    if behind := [hole for hole in others if hole.offset >= end]:
        others.remove(behind[0])
        yield warning(
            "trailing-bytes",
            f"found {size - end} bytes behind the last tensor, expected none; the file belongs to "
            "another save than its index, or something was appended",
            shard.path,
            end,
        )
    if others:
        places = "one place" if len(others) == 1 else f"{len(others)} places"
        yield warning(
            "unreferenced-bytes",
            f"found {_sum(others)} bytes in {places} that no tensor has, the first "
            f"{others[0].end - others[0].offset} from here",
            shard.path,
            others[0].offset,
        )
    if zeros:
        yield note(
            "padding",
            f"found {_sum(zeros)} zeros that no tensor has, as alignment leaves them",
            shard.path,
            zeros[0].offset,
        )


def _sum(holes: Sequence[Range]) -> int:
    return sum(hole.end - hole.offset for hole in holes)
