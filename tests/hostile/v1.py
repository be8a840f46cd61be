"""Hostile V1 checkpoints: tables that hold the tensors themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.hostile.bundles import (
    HEADER,
    INT32,
    STRING,
    Entry,
    entry,
    number_of,
    slice_of,
    v1_tensor,
    v1_value,
    write_v1,
)
from tests.hostile.case import Case, Read, Refused, refused
from tfartifacts.formats.table import write_table
from tfartifacts.formats.wire import put_bytes, put_integer
from tfartifacts.model.variables import Extent

WHOLE = (Extent(), Extent())
HALVES = (slice_of((0, 1)), slice_of((1, 1)))
HALF_VALUES = [v1_value(extents=extents) for extents in HALVES]
TWO = put_bytes(5, bytes(8))

Row = tuple[str, str, Sequence[bytes], Sequence[Entry], Refused | Read]

TENSORS: tuple[Row, ...] = (
    (
        "dimension-minus-1",
        "a dimension of -1",
        [v1_tensor((-1,))],
        [v1_value()],
        refused("unknown sizes"),
    ),
    (
        "dimension-minus-2^63",
        "a dimension of -2^63",
        [v1_tensor((-(2**63),))],
        [v1_value()],
        refused("dimension of -9223372036854775808"),
    ),
    (
        "product-2^64",
        "2^32 x 2^32 elements",
        [v1_tensor((2**32, 2**32), slices=[WHOLE])],
        [v1_value(extents=WHOLE)],
        refused("fewer than 2^63"),
    ),
    (
        "2^40-elements",
        "2^40 elements of one value",
        [v1_tensor((2**40,))],
        [v1_value()],
        refused("found"),
    ),
    (
        "2^40-strings",
        "2^40 strings of one value",
        [v1_tensor((2**40,), STRING)],
        [v1_value(put_bytes(8, b"s"))],
        refused("found"),
    ),
    (
        "300-dimensions",
        "300 dimensions",
        [v1_tensor((1,) * 300, slices=[(Extent(),) * 300])],
        [v1_value(extents=(Extent(),) * 300)],
        refused("at most 254"),
    ),
    (
        "dtype-77",
        "a data type there is not",
        [v1_tensor(dtype=77)],
        [v1_value()],
        refused("data type number 77"),
    ),
    (
        "dtype-0",
        "data type 0",
        [v1_tensor(dtype=0)],
        [v1_value()],
        refused("data type number 0"),
    ),
    (
        "dtype-ref-101",
        "a reference to float32",
        [v1_tensor(dtype=101)],
        [v1_value()],
        refused("float32_ref", "UnsupportedError"),
    ),
    (
        "dtype-resource",
        "a resource",
        [v1_tensor(dtype=20)],
        [v1_value(put_bytes(14, b""))],
        refused("resource, which", "UnsupportedError"),
    ),
    (
        "dtype-variant",
        "a variant",
        [v1_tensor(dtype=number_of("variant"))],
        [v1_value(put_bytes(15, b""))],
        refused("no elements to read", "UnsupportedError"),
    ),
    (
        "values-of-another-type",
        "integers for a float32",
        [v1_tensor()],
        [v1_value(put_bytes(7, b"\1"))],
        refused("found"),
    ),
    (
        "tensor-content",
        "raw bytes for values",
        [v1_tensor()],
        [v1_value(put_bytes(4, bytes(4)))],
        Read(None),
    ),
    (
        "value-says-another-type",
        "a value that says it is of int32",
        [v1_tensor()],
        [v1_value(put_integer(1, INT32) + put_bytes(5, bytes(4)))],
        Read({"w": [0.0]}),
    ),
    (
        "no-slice",
        "a tensor without a slice",
        [v1_tensor(slices=[])],
        [],
        refused("found slices of 0"),
    ),
    (
        "no-value",
        "a slice without a value",
        [v1_tensor()],
        [],
        refused("no value for the stored slice"),
    ),
    (
        "slice-twice",
        "a slice listed twice",
        [v1_tensor((2,), slices=[HALVES[0], HALVES[0]])],
        HALF_VALUES,
        refused("stored twice"),
    ),
    (
        "do-not-fill",
        "slices that leave a gap",
        [v1_tensor((3,), slices=HALVES)],
        HALF_VALUES,
        refused("expected 3"),
    ),
    (
        "beyond",
        "a slice beyond the tensor",
        [v1_tensor((2,), slices=[slice_of((1, 2))])],
        [v1_value(TWO, slice_of((1, 2)))],
        refused("slice up to 3"),
    ),
    (
        "start-minus-1",
        "a slice from -1",
        [v1_tensor((2,), slices=[slice_of((-1, 2))])],
        [v1_value(TWO, slice_of((-1, 2)))],
        refused("below 0"),
    ),
    (
        "wrong-rank",
        "a slice of two dimensions for one",
        [v1_tensor(slices=[WHOLE])],
        [v1_value(extents=WHOLE)],
        refused("slice of rank 2"),
    ),
    (
        "two-types",
        "a name with two types",
        [v1_tensor(), v1_tensor(dtype=INT32)],
        [v1_value()],
        refused("as int32"),
    ),
    (
        "two-shapes",
        "a name with two shapes",
        [v1_tensor((2,), slices=[HALVES[0]]), v1_tensor((3,), slices=[HALVES[1]])],
        HALF_VALUES,
        refused("of shape (3,)"),
    ),
    ("tensor-of-garbage", "a tensor of garbage", [b"\xff\xff\xff"], [], refused("in the header")),
    (
        "value-empty",
        "a value of no elements",
        [v1_tensor()],
        [v1_value(b"")],
        refused("found"),
    ),
    (
        "value-of-3-bytes",
        "three quarters of a float32",
        [v1_tensor()],
        [v1_value(put_bytes(5, bytes(3)))],
        refused("numbers of 4"),
    ),
    (
        "value-too-long",
        "a thousand values for one",
        [v1_tensor()],
        [v1_value(put_bytes(5, bytes(4000)))],
        refused("found"),
    ),
    (
        "value-of-garbage",
        "a value of garbage",
        [v1_tensor()],
        [v1_value(b"\xff\xff\xff")],
        refused("found"),
    ),
    (
        "value-under-another-name",
        "a value that says it is another's",
        [v1_tensor()],
        [(v1_value()[0], v1_value(name=b"other")[1])],
        Read(None),
    ),
    (
        "orphan",
        "a value that belongs to no tensor",
        [v1_tensor()],
        [v1_value(), v1_value(name=b"gone")],
        Read({"w": [0.0]}),
    ),
    (
        "escape",
        "a name that clears the screen",
        [v1_tensor(name=b"\x1b[2J")],
        [v1_value(name=b"\x1b[2J")],
        Read({"\x1b[2J": [0.0]}),
    ),
    (
        "not-utf-8",
        "a name that is not UTF-8",
        [v1_tensor(name=b"\xff")],
        [v1_value(name=b"\xff")],
        Read(None),
    ),
    ("no-name", "a name of no bytes", [v1_tensor(name=b"")], [v1_value(name=b"")], Read(None)),
)


def _whole(
    tensors: Sequence[bytes] = (v1_tensor(),), versions: bytes = b"\x08\x01"
) -> Callable[[Path], None]:
    return lambda folder: write_v1(folder, tensors, [v1_value()], versions)


def _table(*entries: Entry) -> Callable[[Path], object]:
    return lambda folder: (folder / "m").write_bytes(write_table(sorted(entries)))


def _shards(*names: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name in names:
            write_v1(folder, [v1_tensor()], [v1_value()])
            (folder / "m").rename(folder / name)

    return write


FILES: tuple[tuple[str, str, Callable[[Path], object], Refused | Read], ...] = (
    ("header-empty", "a header of no fields", _table((b"", b""), v1_value()), Read({})),
    ("header-missing", "no header", _table(v1_value()), refused("no bundle header")),
    ("header-of-garbage", "a header of garbage", _table((b"", b"\xff\xff")), refused("found")),
    (
        "header-of-a-bundle",
        "the header of a bundle, whose file is named as V1's is",
        _table(HEADER, (b"w", entry())),
        refused("", "PathNotFoundError"),
    ),
    (
        "min-consumer-2",
        "readers of version 2 asked for",
        _whole(versions=b"\x08\x01\x10\x02"),
        refused("version 2 or later", "UnsupportedError"),
    ),
    (
        "shards-incomplete",
        "one of three shards",
        _shards("m-00000-of-00003"),
        Read({"w": [0.0]}),
    ),
    (
        "shard-beyond",
        "shard 7 of 2",
        _shards("m-00000-of-00002", "m-00007-of-00002"),
        refused(""),
    ),
    (
        "two-shards-of-one-tensor",
        "one tensor whole in each of two shards",
        _shards("m-00000-of-00002", "m-00001-of-00002"),
        refused("stored twice"),
    ),
    (
        "shards-of-2-billion",
        "one of 2,147,483,647 shards",
        _shards("m-00000-of-2147483647"),
        Read({"w": [0.0]}),
    ),
)


def cases() -> Iterator[Case]:
    for name, what, tensors, values, expected in TENSORS:

        def write(
            folder: Path, tensors: Sequence[bytes] = tensors, values: Sequence[Entry] = values
        ) -> None:
            write_v1(folder, tensors, values)

        yield Case("V1", name, what, write, expected)
    for name, what, write_files, expected in FILES:
        yield Case("V1", name, what, write_files, expected)
