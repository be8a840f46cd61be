"""Write the files of an export beside their destination, read them again, publish them whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from tfartifacts.errors import ConversionError, DestinationExistsError, FormatError
from tfartifacts.exchange import npy_folder, safetensors, safetensors_shards
from tfartifacts.exchange.npy import SUFFIX
from tfartifacts.exchange.output_files import OutputFile
from tfartifacts.formats.checksums import crc32c
from tfartifacts.model.checkpoints import File
from tfartifacts.model.values import Buffer, Progress, Sink
from tfartifacts.saving.metering import Meter
from tfartifacts.saving.plans import Saved, saved
from tfartifacts.saving.sources import refuse_changed
from tfartifacts.storage.files import describe_file, identity, stream_range
from tfartifacts.storage.publishing import (
    Steps,
    publish_files,
    publish_folder,
    refuse_existing,
)
from tfartifacts.storage.syncing import Syncing
from tfartifacts.storage.temporary import staging_folder
from tfartifacts.storage.writing import copy_mode, make_folder, new_file


class _Metered:
    """A file being written; bytes are counted and their checksum is kept."""

    def __init__(self, sink: Sink, done: Callable[[int], None]) -> None:
        self.crc = 0
        self._sink = sink
        self._done = done

    def write(self, data: Buffer, /) -> None:
        self.crc = crc32c(data, self.crc)
        self._sink.write(data)
        self._done(len(data))


def refuse_taken(
    files: Sequence[OutputFile], destination: str, *, is_folder: bool, overwrite: bool
) -> None:
    """Raise DestinationExistsError where something stands that is not replaced.

    With `overwrite` a file replaces a file, a folder of arrays one that holds nothing else; a set
    of shards never replaces anything.
    """
    if is_folder:
        if overwrite and os.path.lexists(destination):
            _refuse_other_folder(destination)
        else:
            refuse_existing(destination)
        return
    paths = [os.path.join(os.path.dirname(destination), file.name) for file in files]
    if len(files) == 1 and destination.endswith(safetensors.SUFFIX):
        _refuse_old_index(destination)
    if len(files) == 1 and overwrite and os.path.lexists(destination):
        if os.path.islink(destination) or not os.path.isfile(destination):
            raise DestinationExistsError("is no file, and is not replaced", path=destination)
        return
    # Of a set of shards and one file of the whole, loaders take the file.
    for path in (*paths, destination):
        if overwrite and os.path.lexists(path):
            raise DestinationExistsError(
                "exists already, and several files are never written over; remove it first",
                path=path,
            )
        refuse_existing(path)


def _refuse_old_index(destination: str) -> None:
    """Of an older export in several files: readers of the folder could take that for this one."""
    index = destination.removesuffix(safetensors.SUFFIX) + safetensors_shards.INDEX_SUFFIX
    if os.path.lexists(index):
        raise DestinationExistsError(
            "exists already, of an export in several files; remove these first", path=index
        )


def _refuse_other_folder(folder: str) -> None:
    if os.path.islink(folder) or not os.path.isdir(folder):
        raise DestinationExistsError("is no folder, and is not replaced", path=folder)
    others = [n for n in os.listdir(folder) if n != npy_folder.INDEX and not n.endswith(SUFFIX)]
    if others or not npy_folder.has_index(folder):
        raise DestinationExistsError(
            "is a folder with other files than an export's, and is not replaced", path=folder
        )


def refuse_sources(files: Sequence[OutputFile], destination: str, sources: Sequence[File]) -> None:
    """Raise ConversionError for a destination that is one of the files that are read."""
    folder = os.path.dirname(destination)
    own = {identity(file.path) for file in sources} - {None}
    for path in (destination, *(os.path.join(folder, file.name) for file in files)):
        if identity(path) in own:
            raise ConversionError("is the source itself; choose another destination", path=path)


def publish(
    files: Sequence[OutputFile],
    destination: str,
    check: Callable[[str], None],
    sources: Sequence[File],
    *,
    is_folder: bool,
    overwrite: bool,
    progress: Progress | None,
    total: int,
    jobs: int | None = None,
) -> Saved:
    """Write, check and publish; gives what was written.

    `check` is given the path of what was written, while it is still beside the destination.
    """
    folder, name = os.path.split(os.path.abspath(destination))
    meter = Meter(progress, total)
    with staging_folder(destination) as staging:
        place = os.path.join(staging, "export")
        make_folder(place)
        with Syncing(jobs) as syncing:
            sizes = _write(files, place, meter, syncing)
        check(place if is_folder else os.path.join(place, files[-1].name))
        refuse_changed(sources)
        if is_folder:
            publish_folder(place, destination, overwrite=overwrite)
        elif overwrite and os.path.lexists(destination):
            copy_mode(destination, os.path.join(place, name))

            def finish(steps: Steps) -> None:
                steps.replace(os.path.join(place, name), destination)

            publish_files(place, folder, [], finish)
        else:
            publish_files(place, folder, [file.name for file in files])
    return saved(destination if is_folder else os.path.dirname(destination), sizes)


def _write(
    files: Sequence[OutputFile], place: str, meter: Meter, syncing: Syncing
) -> dict[str, int]:
    meter.start("writing")
    written: dict[str, int] = {}
    for file in files:
        with new_file(os.path.join(place, file.name), syncing) as sink:
            metered = _Metered(sink, meter.add)
            file.write(metered)
        written[file.name] = metered.crc
    meter.start("checking")
    sizes = {}
    for file in files:
        path = os.path.join(place, file.name)
        described = describe_file(path)
        size = sizes[file.name] = 0 if described is None else described.size
        crc = 0
        for piece in stream_range(path, 0, size):
            crc = crc32c(piece, crc)
            meter.add(len(piece))
        if crc != written[file.name] or file.size not in (None, size):
            raise FormatError("found other bytes than were written", path=path)
    return sizes
