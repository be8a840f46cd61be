"""Writing V2 checkpoints: data files and index, as tensor_bundle reads them; what is refused first.

The layout is in tensor_bundle and bundle_entries. Tensors follow each other without gaps, entries
stand in the order of their keys.

Source: tensorflow/core/util/tensor_bundle/tensor_bundle.cc (BundleWriter).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter

from tfartifacts.dtypes import STRING
from tfartifacts.errors import ChecksumError, FormatError
from tfartifacts.formats.bundle_entries import (
    data_file,
    encode_entry,
    encode_partitioned,
    index_file,
)
from tfartifacts.formats.bundle_variables import BundleVariables
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.slices import Extents, encode_slice_key
from tfartifacts.formats.table import write_table
from tfartifacts.formats.tensor_bundle import SPARE_SHARDS, most_shards, read_bundle
from tfartifacts.formats.tensor_data import (
    encode_strings,
    encode_variants,
    strings_crc,
    variants_crc,
)
from tfartifacts.formats.versions import write_versions
from tfartifacts.formats.wire import put_bytes, put_integer
from tfartifacts.model.checkpoints import BUNDLE_VERSIONS, Checkpoint
from tfartifacts.model.graphs import Versions
from tfartifacts.model.jobs import WORTH_THREADS, side_by_side
from tfartifacts.model.placing import PlacedValue
from tfartifacts.model.values import Sink, TensorValue
from tfartifacts.model.variables import Variable
from tfartifacts.storage.files import describe_file

_MOST_SHARED = 100  # values at one place; a model may share one among its variables

# The bytes and masked checksum of each tensor that was written, by its key in the table.
Written = Mapping[bytes, tuple[int, int]]


def refuse_unwritable(checkpoint: Checkpoint) -> None:
    """Raise FormatError for a bundle that would come out far larger than it is stored.

    That is one with many more shards than tensors, or with tensors that share bytes. Variables
    that a caller put together are his own: several may have one value, but not hundreds.
    """
    _refuse_empty_shards(checkpoint)
    variables = checkpoint.variables
    if isinstance(variables, BundleVariables):
        for overlap in variables.overlaps(variables.ranges()):
            raise overlap
    else:
        _refuse_shared(checkpoint)


def _refuse_shared(checkpoint: Checkpoint) -> None:
    places = [
        (location.file, location.offset, location.size)
        for variable in checkpoint.variables.values()
        for value in variable.values
        if (location := value.location) is not None
    ]
    stored, end = 0, ("", 0)
    for file, offset, size in sorted(places):
        begin = max(offset, end[1]) if file == end[0] else offset
        stored += max(0, offset + size - begin)
        end = max(end, (file, offset + size))
    needed = sum(size for *_, size in places)
    if needed > _MOST_SHARED * stored:
        raise FormatError(
            f"found {len(places)} tensors of {needed} bytes in {stored} bytes, expected each in "
            "bytes of its own",
            path=index_file(checkpoint.path),
        )


def _refuse_empty_shards(checkpoint: Checkpoint) -> None:
    num_shards = checkpoint.num_shards
    if checkpoint.format != "V2" or num_shards <= SPARE_SHARDS:
        return
    most = most_shards(checkpoint.variables)
    if num_shards > most:
        raise FormatError(
            f"found {num_shards} shards for {most - SPARE_SHARDS} stored tensors, expected at "
            f"most {most}: each would be a file to write",
            path=index_file(checkpoint.path),
        )


def written_shards(checkpoint: Checkpoint) -> int:
    """How many data files write_bundle makes of a checkpoint: as many as it has, one of V1."""
    return checkpoint.num_shards if checkpoint.format == "V2" else 1


def bundle_files(checkpoint: Checkpoint, prefix: str) -> list[str]:
    """The files write_bundle makes, in the order in which they should appear."""
    shards = written_shards(checkpoint)
    return [*(data_file(prefix, shard, shards) for shard in range(shards)), index_file(prefix)]


def write_bundle(
    checkpoint: Checkpoint,
    prefix: str,
    create: Callable[[str], AbstractContextManager[Sink]],
    link: Callable[[str, str], Sink | None] | None = None,
    *,
    reads_linked: bool = True,
) -> Written:
    """Write data files and index of a checkpoint, whatever its format, as V2 on little-endian.

    `create` opens a new file for writing. Variables stay in their shard and in the order of their
    source's data file, so that a bundle TensorFlow wrote comes out byte for byte. Every value's
    stored checksum is compared on the way. Where a data file would come out as it is, `link` may
    make the second path another name of the first, and then gives what takes the bytes: they are
    read all the same, and checked like what is copied, unless not `reads_linked`: then sizes and
    checksums are taken as they are stored. See refuse_unwritable for what comes first.
    """
    _refuse_empty_shards(checkpoint)
    num_shards = written_shards(checkpoint)
    tensors = _tensors_by_shard(checkpoint)
    entries: list[tuple[bytes, bytes]] = []
    written: dict[bytes, tuple[int, int]] = {}
    for shard in range(num_shards):
        path = data_file(prefix, shard, num_shards)
        in_shard = tensors.get(shard, [])
        source = None if link is None else _carried_whole(checkpoint, in_shard)
        linked = None if link is None or source is None else link(source, path)
        with create(path) if linked is None else nullcontext(linked) as sink:
            write = _write_value if linked is None or reads_linked else _as_stored
            sizes = [write(value, sink) for _, value in in_shard]
        offset = 0
        for (key, value), (size, crc) in zip(in_shard, sizes, strict=True):
            entries.append((key, encode_entry(value, shard, offset, size, crc)))
            written[key] = size, crc
            offset += size
    with create(index_file(prefix)) as sink:
        sink.write(_encode_index(checkpoint, entries))
    return written


class BundleStream:
    """A bundle whose variables are written as they come, each to the smallest of the data files.

    What is kept of one is its entry. `written` is what check_bundle wants.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self.written: dict[bytes, tuple[int, int]] = {}
        self._sinks = sinks
        self._sizes = [0] * len(sinks)
        self._entries: list[tuple[bytes, bytes]] = []

    def add(self, variable: Variable) -> None:
        """Write the elements; every stored checksum is compared. The name must be a new one."""
        for extents, value in _parts(variable):
            shard = min(range(len(self._sinks)), key=self._sizes.__getitem__)
            size, crc = _write_value(value, self._sinks[shard])
            name = _key(variable)
            key = name if extents is None else encode_slice_key(name, extents)
            entry = encode_entry(value, shard, self._sizes[shard], size, crc)
            self._sizes[shard] += size
            self._entries.append((key, entry))
            self.written[key] = size, crc
        if variable.value is None:
            self._entries.append((_key(variable), encode_partitioned(variable)))

    def index(self) -> bytes:
        """The index of what was written so far."""
        return _index(len(self._sinks), BUNDLE_VERSIONS, self._entries)


def bundle_sizes(checkpoint: Checkpoint, prefix: str) -> dict[str, int]:
    """The size of each file that write_bundle would make, by path; reads no value."""
    num_shards = written_shards(checkpoint)
    tensors = _tensors_by_shard(checkpoint)
    entries: list[tuple[bytes, bytes]] = []
    sizes = {}
    for shard in range(num_shards):
        offset = 0
        for key, value in tensors.get(shard, ()):
            # A checksum that is not known yet takes as much room as any other.
            crc = 1 if value.location is None else value.location.crc32c
            entries.append((key, encode_entry(value, shard, offset, value.nbytes, crc)))
            offset += value.nbytes
        sizes[data_file(prefix, shard, num_shards)] = offset
    return {**sizes, index_file(prefix): len(_encode_index(checkpoint, entries))}


def check_bundle(
    prefix: str,
    written: Written,
    progress: Callable[[int], None],
    jobs: int | None = None,
    own: Collection[str] = (),
) -> None:
    """Read a bundle that was just written and compare it with what was meant, to the last byte.

    Raises FormatError (ChecksumError) where the files do not hold that; `progress` is given the
    bytes that were read, by `jobs` threads (None: one for each processor). Of the data files `own`,
    which are the source's by another name, all was read and compared before.
    """
    found = {
        key: value
        for tensors in _tensors_by_shard(read_bundle(prefix)).values()
        for key, value in tensors
    }
    if found.keys() != written.keys():
        raise FormatError(
            f"found {len(found)} tensors after writing {len(written)}; the disk or the memory is "
            "faulty",
            path=index_file(prefix),
        )
    for key, value in found.items():
        location = value.location
        if location is None or (location.size, location.crc32c) != written[key]:
            raise ChecksumError(
                f"found another size or checksum of {key!r} than was written",
                path=index_file(prefix),
            )

    def check(value: TensorValue) -> None:
        if own and value.location is not None and value.location.file in own:
            progress(value.nbytes)
            return
        for piece in value.stored():
            progress(len(piece))

    side_by_side(check, list(found.values()), jobs, lambda value: value.nbytes, least=WORTH_THREADS)


def _tensors_by_shard(checkpoint: Checkpoint) -> dict[int, list[tuple[bytes, TensorValue]]]:
    """Key and value of each stored tensor, in the order in which they lie in their shard."""
    num_shards = written_shards(checkpoint)
    placed: dict[int, list[tuple[int, int, int, bytes, TensorValue]]] = {}
    position = 0
    for variable in checkpoint.variables.values():
        name = _key(variable)
        for extents, value in _parts(variable):
            location = value.location
            shard, offset, size = 0, 1 << 63, 0
            if location is not None:
                shard, offset, size = location.shard, location.offset, location.size
            if isinstance(value, PlacedValue):
                shard = value.shard
            key = name if extents is None else encode_slice_key(name, extents)
            # A variable of another checkpoint may lie in a shard that this one does not have.
            shard = min(shard, max(num_shards - 1, 0))
            # An empty tensor lies where the next one begins, and before it.
            placed.setdefault(shard, []).append((offset, size, position, key, value))
            position += 1
    return {
        shard: [(key, value) for *_, key, value in sorted(tensors, key=itemgetter(0, 1, 2))]
        for shard, tensors in placed.items()
    }


def _carried_whole(
    checkpoint: Checkpoint, tensors: Sequence[tuple[bytes, TensorValue]]
) -> str | None:
    """The data file that holds exactly these tensors, in this order and form; None without one."""
    if checkpoint.format != "V2" or checkpoint.byte_order != "little":
        return None
    end = 0
    files = set()
    for _, value in tensors:
        location = value.location
        if location is None or location.offset != end:
            return None
        end += location.size
        files.add(location.file)
    file = describe_file(next(iter(files))) if len(files) == 1 else None
    return file.path if file is not None and file.size == end else None


def _encode_index(checkpoint: Checkpoint, entries: list[tuple[bytes, bytes]]) -> bytes:
    partitioned = [
        (_key(variable), encode_partitioned(variable))
        for variable in checkpoint.variables.values()
        if variable.value is None
    ]
    versions = checkpoint.versions if checkpoint.format == "V2" else BUNDLE_VERSIONS
    return _index(written_shards(checkpoint), versions, [*entries, *partitioned])


def _index(num_shards: int, versions: Versions, entries: list[tuple[bytes, bytes]]) -> bytes:
    header = put_integer(1, num_shards) + put_bytes(3, write_versions(versions))
    return bytes(write_table(sorted([(b"", header), *entries])))


def _key(variable: Variable) -> bytes:
    return variable.name.encode("utf-8", "surrogateescape")


def _parts(variable: Variable) -> list[tuple[Extents | None, TensorValue]]:
    if variable.value is not None:
        return [(None, variable.value)]
    return [(part.extents, part.value) for part in variable.slices]


def _as_stored(value: TensorValue, _: Sink) -> tuple[int, int]:
    location = value.location
    assert location is not None  # what is linked lies in a data file
    return location.size, location.crc32c


def _write_value(value: TensorValue, sink: Sink) -> tuple[int, int]:
    """Write the elements; their size and masked checksum."""
    if value.dtype.itemsize is None:
        elements = value.read().ravel().tolist()
        is_string = value.dtype == STRING
        data = encode_strings(elements) if is_string else encode_variants(elements)
        sink.write(data)
        return len(data), strings_crc(elements) if is_string else variants_crc(elements)
    size = crc = 0
    for piece in value.stored():
        crc = crc32c(piece, crc)
        size += len(piece)
        sink.write(piece)
    return size, mask(crc)
