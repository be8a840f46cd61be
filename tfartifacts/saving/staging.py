"""Write a plan's files into a temporary folder, read them again and compare.

What is compared is every byte: a tensor by the checksum of what was written, a copied file by the
checksum of what was read, a message byte for byte and then by its reader.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from tfartifacts.errors import FormatError, located
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.bundle_writing import Written, check_bundle, write_bundle
from tfartifacts.formats.checksums import crc32c
from tfartifacts.model.checkpoints import File
from tfartifacts.model.values import Buffer, Sink
from tfartifacts.records import dataclass
from tfartifacts.saving.metering import Meter
from tfartifacts.saving.plans import Message, Options, Plan
from tfartifacts.saving.sources import refuse_changed
from tfartifacts.storage.files import describe_file, stream_range
from tfartifacts.storage.mapping import let_go, read_or_map
from tfartifacts.storage.syncing import Syncing
from tfartifacts.storage.writing import batched, link_file, make_folder, new_file


@dataclass(frozen=True, slots=True)
class Staged:
    """The sizes of the files that were written, by name; what is worth knowing of them."""

    sizes: Mapping[str, int]
    notes: tuple[str, ...]


def stage(plan: Plan, folder: str, sources: Sequence[File], options: Options) -> Staged:
    """Write a plan's files into a new folder and check them there.

    Raises SourceChangedError where the source is no longer what it was when it was opened.
    """
    with Syncing(options.jobs) as syncing:
        notes = _write_and_check(plan, folder, options, syncing)
    refuse_changed(sources)
    files = {name: describe_file(os.path.join(folder, name)) for name in plan.names()}
    return Staged({name: file.size for name, file in files.items() if file is not None}, notes)


def _write_and_check(
    plan: Plan, folder: str, options: Options, syncing: Syncing
) -> tuple[str, ...]:
    make_folder(folder)
    meter = Meter(options.progress, 0 if options.progress is None else plan.size_without_index())
    prefix = os.path.join(folder, *plan.bundle.split("/"))
    linked: dict[str, str] = {}

    @contextmanager
    def create(path: str) -> Iterator[Sink]:
        with new_file(path, syncing) as sink:
            yield sink if path == index_file(prefix) else _Metered(sink, meter)

    def link(source: str, path: str) -> Sink | None:
        how = link_file(source, path, hard=options.link == "hard")
        if not how:
            return None
        linked[path] = how
        return _Metered(None, meter)

    may_link = link if options.link is not None else None
    meter.start("writing")
    written: Written = {}
    if plan.checkpoint is not None:
        make_folder(os.path.dirname(prefix))
        written = write_bundle(
            plan.checkpoint, prefix, create, may_link, reads_linked=options.reads_linked
        )
    copied: dict[str, int] = {}
    for name, file in plan.copies:
        target = os.path.join(folder, *name.split("/"))
        make_folder(os.path.dirname(target))
        sink = None if may_link is None else may_link(file.path, target)
        with create(target) if sink is None else nullcontext(sink) as taking:
            copied[name] = _copy(file.path, file.size, taking)
    for name, message in plan.messages.items():
        with create(os.path.join(folder, name)) as sink:
            for batch in batched(message.pieces):
                sink.write(batch)
    meter.start("checking")
    if plan.checkpoint is not None:
        own = [
            path for path, how in linked.items() if how == "hard link" or not options.reads_linked
        ]
        check_bundle(prefix, written, meter.add, options.jobs, own)
    for name, file in plan.copies:
        target = os.path.join(folder, *name.split("/"))
        if _copy(target, file.size, _Metered(None, meter)) != copied[name]:
            raise FormatError("found other bytes than were written", path=target)
    for name, message in plan.messages.items():
        check_message(os.path.join(folder, name), message)
        meter.add(message.size)
    return _link_notes(options, linked)


def check_message(path: str, message: Message) -> None:
    """Compare a message's file with what was to be written, and read it as anyone would."""
    data = read_or_map(path)
    end = 0
    for number, batch in enumerate(batched(message.pieces)):
        begin, end = end, end + len(batch)
        if data[begin:end] != batch:
            raise FormatError("found other bytes than were written", path=path, offset=begin)
        if number % 8 == 0:
            let_go(data)
    if end != len(data):
        raise FormatError("found more bytes than were written", path=path, offset=end)
    with located(path):
        message.read(data)


_UNREAD = (
    "the data files that are shared were not read, their checksums not compared; tfartifacts "
    "verify does that"
)


def _link_notes(options: Options, linked: dict[str, str]) -> tuple[str, ...]:
    if options.link is None:
        return ()
    if not linked:
        return ("nothing was linked: the file system cannot, or no file stays as it is",)
    unread = () if options.reads_linked else (_UNREAD,)
    if "hard link" not in linked.values():
        return (f"shares the blocks of {len(linked)} of the source's files (reflink)", *unread)
    return (
        f"shares {len(linked)} of the source's files (hard links): what is written into one of the "
        "two is in both",
        *unread,
    )


def _copy(path: str, size: int, sink: Sink) -> int:
    """Hand on the bytes of a file; their checksum."""
    crc = 0
    for piece in stream_range(path, 0, size):
        crc = crc32c(piece, crc)
        sink.write(piece)
    return crc


class _Metered:
    """A file being written, or None for bytes that are only checked; they are counted."""

    def __init__(self, sink: Sink | None, meter: Meter) -> None:
        self._sink = sink
        self._meter = meter

    def write(self, data: Buffer, /) -> None:
        if self._sink is not None:
            self._sink.write(data)
        self._meter.add(len(data))
