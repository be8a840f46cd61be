"""Hostile bundles: the header, entries, strings, variants, slices and names of an `.index`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.bundles import (
    FLOAT32,
    HEADER,
    INT32,
    STRING,
    Entry,
    block,
    crc_of,
    entry,
    number_of,
    raw_table,
    shape_of,
    slice_key,
    slice_of,
    sliced,
    strings,
    write_bundle,
    write_index,
)
from tests.hostile.case import Case, Read, Refused, refused
from tfartifacts.formats.tensor_data import encode_variants, variants_crc
from tfartifacts.formats.wire import put_always, put_bytes, put_fixed32, put_integer, varint
from tfartifacts.model.variables import Extent

READ_W = Read({"w": [0.0]})
DATA = bytes(64)


@dataclass(frozen=True)
class Row:
    """Entries of a bundle, and what has to come of them."""

    name: str
    what: str
    entries: Sequence[Entry] | Callable[[], Sequence[Entry]]
    expected: Refused | Read
    header: bytes = HEADER[1]
    data: bytes = DATA
    seconds: float = 1.0

    def case(self, group: str) -> Case:
        def write(folder: Path) -> None:
            entries = self.entries() if callable(self.entries) else self.entries
            write_bundle(folder, entries, self.data, header=(b"", self.header))

        return Case(group, self.name, self.what, write, self.expected, seconds=self.seconds)


# --- the header ----------------------------------------------------------------------------------

ONE_SHARD = put_integer(1, 1)
VERSION = put_bytes(3, put_integer(1, 1))
ENTRY_W = [(b"w", entry())]


def _header(name: str, what: str, header: bytes, expected: Refused | Read) -> Row:
    return Row(name, what, ENTRY_W, expected, header)


HEADERS = (
    _header("empty", "a header of no fields: no shards", b"", refused("found shard 0, expected")),
    _header("garbage", "a header of garbage", b"\x07garbage", refused("in the bundle header")),
    _header("cut", "a header cut short", HEADER[1][:-1], refused("in the bundle header")),
    _header("0-shards", "0 shards", put_always(1, 0) + VERSION, refused("expected 0 to -1")),
    _header("minus-1-shards", "-1 shards", put_integer(1, -1) + VERSION, refused("-1 shards")),
    _header(
        "2^31-shards", "2^31 shards", put_integer(1, 2**31) + VERSION, refused("2147483648 shards")
    ),
    _header(
        "2^32+1-shards",
        "2^32+1 shards, which are 1 in 32 bits",
        put_integer(1, 2**32 + 1) + VERSION,
        refused("4294967297 shards"),
    ),
    _header(
        "2^31-1-shards",
        "2^31-1 shards, and an entry in the first",
        put_integer(1, 2**31 - 1) + VERSION,
        refused("no such file", "PathNotFoundError"),
    ),
    Row(
        "entry-in-the-last-of-2^31-1",
        "2^31-1 shards, and an entry in the last",
        [(b"w", entry(shard=2**31 - 2))],
        refused("no such file", "PathNotFoundError"),
        put_integer(1, 2**31 - 1) + VERSION,
    ),
    _header(
        "endianness-1",
        "numbers that are said to be big-endian",
        ONE_SHARD + put_integer(2, 1) + VERSION,
        READ_W,
    ),
    _header(
        "endianness-2",
        "endianness 2",
        ONE_SHARD + put_integer(2, 2) + VERSION,
        refused("endianness 2"),
    ),
    _header(
        "endianness-99",
        "endianness 99",
        ONE_SHARD + put_integer(2, 99) + VERSION,
        refused("endianness 99"),
    ),
    _header(
        "endianness-minus-1",
        "endianness -1",
        ONE_SHARD + put_integer(2, -1) + VERSION,
        refused("endianness -1"),
    ),
    _header("no-version", "no version", ONE_SHARD, READ_W),
    _header(
        "producer-1000",
        "a producer from the future",
        ONE_SHARD + put_bytes(3, put_integer(1, 1000)),
        READ_W,
    ),
    _header(
        "producer-minus-1",
        "producer -1",
        ONE_SHARD + put_bytes(3, put_integer(1, -1)),
        refused("version -1", "UnsupportedError"),
    ),
    _header(
        "min-consumer-2",
        "readers of version 2 asked for",
        ONE_SHARD + put_bytes(3, put_integer(1, 1) + put_integer(2, 2)),
        refused("version 2 or later", "UnsupportedError"),
    ),
    _header(
        "bad-consumer-1",
        "readers of this version forbidden",
        ONE_SHARD + put_bytes(3, put_integer(1, 1) + put_integer(3, 1)),
        refused("forbids readers", "UnsupportedError"),
    ),
    _header(
        "wrong-wire-type",
        "a number of shards that is text",
        put_bytes(1, b"1") + VERSION,
        refused("found shard 0, expected"),
    ),
    _header("shards-twice", "two numbers of shards", put_integer(1, 7) + HEADER[1], READ_W),
    _header(
        "unknown-fields",
        "fields no TensorFlow knows",
        HEADER[1] + put_bytes(1000, b"?" * 1000),
        READ_W,
    ),
    _header(
        "nested-groups",
        "200 groups within each other",
        HEADER[1] + b"\x4b" * 200 + b"\x4c" * 200,
        refused("nested more than 100 deep"),
    ),
)


def _tables_without_header() -> Iterator[Case]:
    rows: tuple[tuple[str, str, Sequence[Entry], str], ...] = (
        ("missing", "no header at all", [(b"w", entry())], "no bundle header"),
        ("twice", "two headers", [HEADER, HEADER, (b"w", entry())], "expected ascending keys"),
        (
            "last",
            "a header behind the entries",
            [(b"w", entry()), HEADER],
            "expected ascending keys",
        ),
        ("not-empty-key", "a header under the key NUL", [(b"\0", HEADER[1])], "no bundle header"),
    )
    for name, what, entries, says in rows:

        def write(folder: Path, entries: Sequence[Entry] = entries) -> None:
            write_index(folder, raw_table([block(*entries)]), DATA)

        yield Case("header", name, what, write, refused(says))


# --- entries -------------------------------------------------------------------------------------


def _one(name: str, what: str, value: bytes, expected: Refused | Read, data: bytes = DATA) -> Row:
    return Row(name, what, [(b"w", value)], expected, data=data)


def _typed(dtype: str | int) -> bytes:
    return entry(dtype=number_of(dtype) if isinstance(dtype, str) else dtype)


TAIL = put_integer(5, 4) + put_fixed32(6, crc_of(bytes(4)))
TYPE, SHAPE = put_integer(1, FLOAT32), put_bytes(2, shape_of(1))
TEBI = 1 << 40

ENTRIES = (
    _one("dtype-0", "data type 0", _typed(0), refused("data type number 0")),
    _one("dtype-77", "a data type there is not", _typed(77), refused("data type number 77")),
    _one("dtype-2^31", "data type 2^31", _typed(2**31), refused("data type number")),
    _one("dtype-minus-1", "data type -1", _typed(-1), refused("data type number -1")),
    _one(
        "dtype-2^32+1",
        "data type 2^32+1, which is float32 in 32 bits",
        _typed(2**32 + 1),
        refused("data type number 4294967297"),
    ),
    _one(
        "dtype-ref-101",
        "a reference to float32",
        _typed(101),
        refused("float32_ref", "UnsupportedError"),
    ),
    _one(
        "dtype-ref-120",
        "a reference to a resource",
        _typed(120),
        refused("resource_ref", "UnsupportedError"),
    ),
    _one(
        "dtype-ref-107",
        "a reference to a string",
        _typed(107),
        refused("string_ref", "UnsupportedError"),
    ),
    _one(
        "dtype-resource", "a resource", _typed(20), refused("resource, which", "UnsupportedError")
    ),
    _one(
        "dtype-text",
        "a data type that is text",
        put_bytes(1, b"\1") + SHAPE + TAIL,
        refused("data type number 0"),
    ),
    _one(
        "dtype-twice",
        "two data types: the last counts",
        put_integer(1, 99) + entry(),
        READ_W,
    ),
    _one(
        "dtype-other-of-equal-size",
        "another data type of the same size: nothing tells",
        entry(dtype=INT32),
        Read({"w": [0]}),
    ),
    _one("dimension-minus-1", "a dimension of -1", entry((-1,)), refused("unknown sizes")),
    _one("dimension-minus-5", "a dimension of -5", entry((-5,)), refused("dimension of -5")),
    _one(
        "dimension-minus-2^63",
        "a dimension of -2^63",
        entry((-(2**63),)),
        refused("dimension of -9223372036854775808"),
    ),
    _one(
        "two-negative-dimensions",
        "two dimensions of -1, whose product is 1",
        entry((-1, -1)),
        refused("unknown sizes"),
    ),
    _one(
        "product-2^64",
        "2^32 times 2^32 elements, 0 in 64 bits",
        entry((2**32, 2**32), size=0, crc=crc_of(b"")),
        refused("fewer than 2^63"),
    ),
    _one(
        "product-wraps",
        "2^31 x 2^31 x 4 elements, 0 in 64 bits",
        entry((2**31, 2**31, 4)),
        refused("fewer than 2^63"),
    ),
    _one(
        "product-wraps-to-1",
        "sizes whose product is 1 in 64 bits",
        entry((3, 0xAAAAAAAAAAAAAAAB - 2**64)),
        refused("dimension of -"),
    ),
    _one(
        "overflow-before-0",
        "2^40 x 2^40 x 0 elements",
        entry((2**40, 2**40, 0), size=0, crc=crc_of(b"")),
        refused("fewer than 2^63"),
    ),
    _one(
        "0-before-overflow",
        "0 x 2^40 x 2^40 elements",
        entry((0, 2**40, 2**40), size=0, crc=crc_of(b"")),
        refused("NumPy", "UnsupportedError"),
    ),
    _one(
        "bytes-overflow",
        "2^62 elements of 4 bytes, 0 bytes in 64 bits",
        entry((2**62,), size=0, crc=crc_of(b"")),
        refused("expected 18446744073709551616"),
    ),
    _one("rank-65", "65 dimensions", entry((1,) * 65), refused("NumPy", "UnsupportedError")),
    _one("rank-254", "254 dimensions", entry((1,) * 254), refused("NumPy", "UnsupportedError")),
    _one("rank-255", "255 dimensions", entry((1,) * 255), refused("at most 254")),
    _one("rank-300", "300 dimensions", entry((1,) * 300), refused("at most 254")),
    _one(
        "rank-1,000,000",
        "a million dimensions",
        entry((1,) * 1_000_000),
        refused("fields in a message"),
    ),
    _one(
        "unknown-rank",
        "an unknown rank",
        TYPE + put_bytes(2, put_integer(3, 1)) + TAIL,
        refused("unknown sizes"),
    ),
    _one(
        "unknown-rank-with-sizes",
        "an unknown rank that has sizes",
        TYPE + put_bytes(2, shape_of(1) + put_integer(3, 1)) + TAIL,
        refused("unknown sizes"),
    ),
    _one("no-shape", "no shape: a scalar", TYPE + TAIL, Read({"w": [0.0]})),
    _one(
        "two-shapes",
        "two shapes, which become one of two dimensions",
        TYPE + SHAPE + SHAPE + TAIL,
        READ_W,
    ),
    _one(
        "named-dimension",
        "a dimension whose name is ESC",
        TYPE + put_bytes(2, put_bytes(2, put_integer(1, 1) + put_bytes(2, b"\x1b[2J"))) + TAIL,
        READ_W,
    ),
    _one(
        "named-dimension-not-utf-8",
        "a dimension whose name is not UTF-8",
        TYPE + put_bytes(2, put_bytes(2, put_integer(1, 1) + put_bytes(2, b"\xff"))) + TAIL,
        Read(None),
    ),
    _one(
        "size-8",
        "8 bytes for a float32",
        entry(size=8, crc=crc_of(bytes(8))),
        refused("8 bytes for float32"),
    ),
    _one("size-0", "no bytes for a float32", entry(size=0), refused("0 bytes for float32")),
    _one("size-minus-4", "-4 bytes", entry(size=-4), refused("-4 bytes for float32")),
    _one(
        "string-size-minus-1",
        "a string tensor of -1 bytes",
        entry((), STRING, size=-1),
        refused("expected a range"),
    ),
    _one("offset-minus-4", "an offset of -4", entry(offset=-4), refused("expected a range")),
    _one(
        "offset-minus-2^63",
        "an offset of -2^63",
        entry(offset=-(2**63)),
        refused("expected a range"),
    ),
    _one("offset-2^62", "an offset of 2^62", entry(offset=2**62), refused("more bytes")),
    _one(
        "offset-2^63-1",
        "an offset of 2^63-1",
        entry(offset=2**63 - 1),
        refused("expected a range"),
    ),
    _one(
        "offset-at-the-end",
        "an offset at the end of the file",
        entry(offset=64),
        refused("4 more bytes"),
    ),
    _one(
        "offset-before-the-end",
        "a tensor half in the file",
        entry(offset=62),
        refused("2 more bytes"),
    ),
    _one(
        "range-overflows",
        "2^62 bytes at 2^62",
        entry((), STRING, offset=2**62, size=2**62),
        refused("expected a range"),
    ),
    _one(
        "tebibyte",
        "a tensor of 1 TiB in a file of 64 bytes",
        entry((TEBI // 4,), size=TEBI),
        refused(f"expected {TEBI - 64} more bytes"),
    ),
    _one(
        "tebibyte-of-string",
        "a string tensor of 1 TiB in a file of 64 bytes",
        entry((), STRING, size=TEBI),
        refused(f"expected {TEBI - 64} more bytes"),
    ),
    _one("shard-1", "shard 1 of 1", entry(shard=1), refused("shard 1, expected 0 to 0")),
    _one("shard-minus-1", "shard -1", entry(shard=-1), refused("shard -1")),
    _one("shard-2^31", "shard 2^31", entry(shard=2**31), refused("shard 2147483648")),
    _one(
        "shard-2^32",
        "shard 2^32, which is 0 in 32 bits",
        entry(shard=2**32),
        refused("shard 4294967296"),
    ),
    _one("garbage", "an entry of garbage", b"\xff\xff\xff garbage", refused("in variable 'w'")),
    _one("cut", "an entry cut short", entry()[:-2], refused("in variable 'w'")),
    _one("no-fields", "an entry of no fields", b"", refused("data type number 0")),
    _one(
        "length-2^63",
        "a shape of 2^63 bytes",
        TYPE + b"\x12" + varint(2**63) + TAIL,
        refused("in variable 'w'"),
    ),
    _one("field-0", "a field of number 0", entry() + b"\0\0", refused("field number 0")),
    _one("wire-type-7", "a field of wire type 7", entry() + b"\x4f", refused("wire type 7")),
    _one(
        "end-of-no-group",
        "the end of a group that never began",
        entry() + b"\x4c",
        refused("wire type 4"),
    ),
    _one(
        "groups-200-deep",
        "200 groups within each other",
        entry() + b"\x4b" * 200 + b"\x4c" * 200,
        refused("nested more than 100 deep"),
    ),
    _one(
        "groups-unending",
        "200 groups that do not end",
        entry() + b"\x4b" * 200,
        refused("in variable 'w'"),
    ),
    _one(
        "group-90-deep",
        "90 groups within each other",
        entry() + b"\x4b" * 90 + b"\x4c" * 90,
        READ_W,
    ),
    _one(
        "overlong-numbers",
        "numbers of more bytes than they need",
        b"\x08\x81\x80\x80\x00" + entry()[2:],
        READ_W,
    ),
    _one(
        "checksum-missing",
        "no checksum, which counts as 0",
        TYPE + SHAPE + put_integer(5, 4),
        refused("checksum", "ChecksumError"),
    ),
    _one(
        "checksum-varint",
        "a checksum of another wire type",
        TYPE + SHAPE + put_integer(5, 4) + put_integer(6, crc_of(bytes(4))),
        refused("checksum", "ChecksumError"),
    ),
    _one("fields-of-reversed-order", "fields in reverse order", TAIL + SHAPE + TYPE, READ_W),
    _one(
        "1-MiB-of-unknown-field",
        "an unknown field of 1 MiB",
        entry() + put_bytes(99, bytes(1 << 20)),
        READ_W,
    ),
    _one(
        "bool-of-2",
        "a bool that is 2",
        entry(dtype=number_of("bool"), size=1, crc=crc_of(b"\2")),
        Read(None),
        data=b"\2" * 64,
    ),
    _one(
        "int4-of-255",
        "an int4 that is 255",
        entry(dtype=number_of("int4"), size=1, crc=crc_of(b"\xff")),
        refused("above the 4 bits"),
        data=b"\xff" * 64,
    ),
    Row(
        "overlap",
        "two tensors on the same bytes",
        [(b"v", entry()), (b"w", entry())],
        Read({"v": [0.0], "w": [0.0]}),
    ),
    Row(
        "overlap-of-10,000",
        "10,000 tensors on the same 48 bytes",
        lambda: [
            (b"w%05d" % place, entry((12,), size=48, crc=crc_of(bytes(48))))
            for place in range(10_000)
        ],
        Read(None),
        seconds=6.0,
    ),
    Row(
        "overlap-of-64-MiB",
        "1,000 tensors on the same 1 MiB",
        lambda: [
            (b"w%05d" % place, entry((1 << 18,), size=1 << 20, crc=crc_of(bytes(1 << 20))))
            for place in range(1000)
        ],
        Read(None),
        data=bytes(1 << 20),
        seconds=6.0,
    ),
)

# --- strings and variants ------------------------------------------------------------------------


def _strings(
    name: str,
    what: str,
    stored: tuple[bytes, int],
    expected: Refused | Read,
    shape: Sequence[int] = (),
    size: int | None = None,
) -> Row:
    data, crc = stored
    value = entry(shape, STRING, size=len(data) if size is None else size, crc=crc)
    return Row(name, what, [(b"w", value)], expected, data=data + bytes(64))


def _lengths(*lengths: int, elements: bytes) -> tuple[bytes, int]:
    return strings([varint(length) for length in lengths], lengths, elements)


ONE_STRING = _lengths(3, elements=b"abc")

STRINGS = (
    *(
        _strings(
            f"length-{name}",
            f"a string of {name} bytes",
            _lengths(length, elements=b"abc"),
            refused("found strings of"),
        )
        for name, length in (
            ("65", 65),
            ("2^31", 2**31),
            ("2^32-1", 2**32 - 1),
            ("2^40", 2**40),
            ("2^63", 2**63),
            ("2^64-1", 2**64 - 1),
        )
    ),
    _strings(
        "sum-wraps",
        "two strings whose lengths together are 3 in 64 bits",
        _lengths(2**64 - 1, 4, elements=b"abc"),
        refused("found strings of"),
        (2,),
    ),
    _strings(
        "sum-wraps-half",
        "two strings of 2^63 bytes each",
        _lengths(2**63, 2**63, elements=b"abc"),
        refused("found strings of"),
        (2,),
    ),
    _strings("size-8", "8 bytes said of 8", ONE_STRING, Read({"w": ["abc"]}), size=8),
    _strings("size-7", "7 bytes said of 8", ONE_STRING, refused("found strings of"), size=7),
    _strings("size-10", "10 bytes said of 8", ONE_STRING, refused("found strings of"), size=10),
    _strings("size-3", "3 bytes said of 8", ONE_STRING, refused("3 bytes for 1 strings"), size=3),
    _strings("size-2^40", "2^40 bytes said of 8", ONE_STRING, refused("more bytes"), size=2**40),
    _strings(
        "more-than-bytes",
        "2^40 strings in 64 bytes",
        (bytes(64), 0),
        refused("64 bytes for 1099511627776 strings"),
        (2**40,),
        64,
    ),
    _strings(
        "length-overlong",
        "a length of five bytes that needs one",
        strings([b"\x83\x80\x80\x80\x00"], [3], b"abc"),
        Read({"w": ["abc"]}),
    ),
    _strings(
        "length-of-11-bytes",
        "a length that never ends",
        strings([b"\xff" * 11], [3], b"abc"),
        refused("more than 10 bytes"),
    ),
    _strings(
        "no-element",
        "a string tensor of no elements that has bytes",
        ONE_STRING,
        refused("lengths that do not fit", "ChecksumError"),
        (0,),
    ),
    _strings(
        "lengths-checksum",
        "lengths that do not fit their checksum",
        (b"\3\0\0\0\0abc", 0),
        refused("lengths that do not fit", "ChecksumError"),
    ),
    _strings(
        "strings-checksum",
        "strings that do not fit their checksum",
        (ONE_STRING[0], ONE_STRING[1] ^ 1),
        refused("strings that do not fit", "ChecksumError"),
    ),
    _strings(
        "not-utf-8", "a string that is not UTF-8", _lengths(2, elements=b"\xff\0"), Read(None)
    ),
)

VARIANT = number_of("variant")


def _variant(
    name: str, what: str, data: bytes, crc: int, says: Refused | Read, shape: Sequence[int] = ()
) -> Row:
    value = entry(shape, VARIANT, size=len(data), crc=crc)
    return Row(name, what, [(b"w", value)], says, data=data + bytes(64))


def _variants(*elements: bytes) -> tuple[bytes, int]:
    return encode_variants(elements), variants_crc(elements)


VARIANTS = (
    _variant(
        "more-than-bytes",
        "2^40 variants in 64 bytes",
        bytes(64),
        0,
        refused("", "ChecksumError"),
        (2**40,),
    ),
    _variant(
        "length-2^63",
        "a variant of 2^63 bytes",
        varint(2**63) + bytes(20),
        0,
        refused("reaches past its tensor"),
    ),
    _variant(
        "length-2^40",
        "a variant of 2^40 bytes",
        varint(2**40) + bytes(20),
        0,
        refused("reaches past its tensor"),
    ),
    _variant("cut", "a variant cut short", b"\x05abc", 0, refused("reaches past its tensor")),
    _variant("garbage", "a variant of garbage", *_variants(b"\xff\xff\xff"), Read(None)),
    _variant(
        "unknown-type",
        "a variant of a type there is not",
        *_variants(put_bytes(1, b"evil::Type")),
        Read(None),
    ),
    _variant(
        "tail",
        "bytes behind the last variant",
        _variants(b"")[0] + b"tail",
        _variants(b"")[1],
        refused("after the last variant"),
    ),
    _variant("empty", "a variant of no bytes", *_variants(b""), Read(None)),
)

# --- slices --------------------------------------------------------------------------------------

HALVES = (slice_of((0, 1)), slice_of((1, 1)))
FIRST, SECOND = slice_key((0, 1)), slice_key((1, 1))
WHOLE = (Extent(), Extent())


def _slices(
    name: str,
    what: str,
    entries: Sequence[Entry] | Callable[[], Sequence[Entry]],
    expected: Refused | Read,
    seconds: float = 1.0,
) -> Row:
    return Row(name, what, entries, expected, seconds=seconds)


def _many_slices(number: int) -> list[Entry]:
    slices = [slice_of((start, 1)) for start in range(number)]
    entries = [(slice_key((start, 1)), entry()) for start in range(number)]
    return [(b"w", sliced((number,), slices)), *entries]


def _peeling_slices(number: int) -> list[Entry]:
    """Each cut parts one slice from all others: a cost that grows with the square."""
    slices = []
    for layer in range(number // 2):
        slices.append(slice_of((layer, 1), (layer, number - layer)))
        slices.append(slice_of((layer + 1, number - layer - 1), (layer, 1)))
    last = number // 2
    slices.append(slice_of((last, number - last), (last, number - last)))
    return [(b"w", sliced((number, number), slices))]


SPIRAL = (((0, 2), (0, 1)), ((2, 1), (0, 2)), ((1, 2), (2, 1)), ((0, 1), (1, 2)), ((1, 1), (1, 1)))


def _spiral() -> list[Entry]:
    entries = [
        (
            slice_key(*extents),
            entry(
                [length for _, length in extents],
                size=4 * extents[0][1] * extents[1][1],
                crc=crc_of(bytes(4 * extents[0][1] * extents[1][1])),
            ),
        )
        for extents in SPIRAL
    ]
    return [(b"w", sliced((3, 3), [slice_of(*extents) for extents in SPIRAL])), *entries]


QUARTER = 1 << 38

SLICES = (
    _slices(
        "listed-twice",
        "a slice listed twice",
        [(b"w", sliced((2,), [HALVES[0], HALVES[0]])), (FIRST, entry())],
        refused("listed twice"),
    ),
    _slices(
        "missing",
        "a slice that is not there",
        [(b"w", sliced((2,), HALVES)), (FIRST, entry())],
        refused("no entry for slice 1,1"),
    ),
    _slices(
        "all-missing",
        "no slice that is there",
        [(b"w", sliced((2,), HALVES))],
        refused("no entry for slice 0,1"),
    ),
    _slices(
        "another-dtype",
        "a slice of another data type",
        [(b"w", sliced((2,), HALVES)), (FIRST, entry()), (SECOND, entry(dtype=INT32))],
        refused("found int32 of shape"),
    ),
    _slices(
        "string-for-float",
        "a slice of strings",
        [(b"w", sliced((2,), HALVES)), (FIRST, entry()), (SECOND, entry(dtype=STRING))],
        refused("found string of shape"),
    ),
    _slices(
        "another-shape",
        "a slice of another shape of equal size",
        [(b"w", sliced((2,), HALVES)), (FIRST, entry()), (SECOND, entry((1, 1)))],
        refused("found float32 of shape (1, 1)"),
    ),
    _slices(
        "larger-than-said",
        "a slice that is larger than it is said to be",
        [
            (b"w", sliced((2,), HALVES)),
            (FIRST, entry()),
            (SECOND, entry((8,), size=32, crc=crc_of(bytes(32)))),
        ],
        refused("found float32 of shape (8,)"),
    ),
    _slices(
        "slice-has-slices",
        "a slice that has slices",
        [(b"w", sliced((2,), HALVES)), (FIRST, entry()), (SECOND, sliced((1,), [(Extent(),)]))],
        refused("for slice 1,1"),
    ),
    _slices(
        "do-not-fill",
        "slices that leave a gap",
        [(b"w", sliced((3,), HALVES)), (FIRST, entry()), (SECOND, entry())],
        refused("expected 3"),
    ),
    _slices(
        "(4,4)-of-3-columns",
        "a (4, 4) of slices of 3 columns",
        [
            (b"w", sliced((4, 4), [slice_of((0, 2), (0, 3)), slice_of((2, 2), (0, 3))])),
            (slice_key((0, 2), (0, 3)), entry((2, 3), size=24, crc=crc_of(bytes(24)))),
            (slice_key((2, 2), (0, 3)), entry((2, 3), size=24, crc=crc_of(bytes(24)))),
        ],
        refused("slices of 12 elements together, expected 16"),
    ),
    _slices(
        "overlap",
        "slices that overlap, and leave as much out",
        [
            (b"w", sliced((2, 2), [(Extent(0, 1), Extent()), (Extent(), Extent(0, 1))])),
            (slice_key((0, 1), (0, 2)), entry((1, 2), size=8, crc=crc_of(bytes(8)))),
            (slice_key((0, 2), (0, 1)), entry((2, 1), size=8, crc=crc_of(bytes(8)))),
        ],
        refused("overlap"),
    ),
    _slices(
        "wrong-rank",
        "slices of two dimensions for one",
        [(b"w", sliced((2,), [WHOLE]))],
        refused("slice of rank 2"),
    ),
    _slices(
        "beyond",
        "a slice beyond the tensor",
        [(b"w", sliced((2,), [slice_of((1, 2))]))],
        refused("slice up to 3"),
    ),
    _slices(
        "start-minus-1",
        "a slice from -1",
        [(b"w", sliced((2,), [slice_of((-1, 2))]))],
        refused("below 0"),
    ),
    _slices(
        "length-minus-1",
        "a slice of length -1",
        [(b"w", sliced((2,), [slice_of((0, -1))]))],
        refused("below 0"),
    ),
    _slices(
        "length-minus-2^63",
        "a slice of length -2^63",
        [(b"w", sliced((2,), [slice_of((0, -(2**63)))]))],
        refused("below 0"),
    ),
    _slices(
        "extent-overflows",
        "a slice from 2^62 of length 2^62",
        [(b"w", sliced((2,), [slice_of((2**62, 2**62))]))],
        refused("at most 2"),
    ),
    _slices(
        "extent-wraps",
        "a slice from 2^63-1 of length 2^63-1",
        [(b"w", sliced((2,), [slice_of((2**63 - 1, 2**63 - 1))]))],
        refused("at most 2"),
    ),
    _slices(
        "empty-slice",
        "a slice of no elements beside the whole",
        [
            (b"w", sliced((1,), [slice_of((0, 1)), slice_of((0, 0))])),
            (FIRST, entry()),
            (slice_key((0, 0)), entry((0,), size=0, crc=crc_of(b""))),
        ],
        Read({"w": [0.0]}),
    ),
    _slices(
        "shape-2^80",
        "slices of a 2^40 x 2^40",
        [(b"w", sliced((2**40, 2**40), [WHOLE]))],
        refused("fewer than 2^63"),
    ),
    _slices(
        "tebibyte",
        "two slices of 1 TiB together",
        [
            (b"w", sliced((QUARTER,), [slice_of((0, 1)), slice_of((1, QUARTER - 1))])),
            (FIRST, entry()),
            (slice_key((1, QUARTER - 1)), entry((QUARTER - 1,), size=4 * QUARTER - 4)),
        ],
        refused("more bytes"),
    ),
    _slices(
        "tebibyte-of-small-slices",
        "1,000 slices of 1 GiB each on the same 64 bytes",
        lambda: [
            (b"w", sliced((1000 << 28,), [slice_of((n << 28, 1 << 28)) for n in range(1000)])),
            *(
                (slice_key((n << 28, 1 << 28)), entry((1 << 28,), size=1 << 30))
                for n in range(1000)
            ),
        ],
        refused("more bytes"),
    ),
    _slices(
        "orphan",
        "a slice that belongs to no variable",
        [(b"w", entry()), (slice_key((0, 1), name=b"gone"), entry())],
        READ_W,
    ),
    _slices(
        "orphan-of-garbage",
        "a slice of garbage that belongs to no variable",
        [(b"w", entry()), (slice_key((0, 1), name=b"gone"), b"\xff\xff\xff")],
        READ_W,
    ),
    _slices(
        "key-of-garbage",
        "a slice key of garbage",
        [(b"w", entry()), (b"\0\xff\xff\xff", entry())],
        READ_W,
    ),
    _slices(
        "slices-and-a-place",
        "an entry that has slices, and a place of its own",
        [
            (b"w", entry((2,), size=8, offset=60) + sliced((), HALVES, 0)),
            (FIRST, entry()),
            (SECOND, entry()),
        ],
        Read({"w": [0.0, 0.0]}),
    ),
    _slices("spiral", "five slices that no cut parts", _spiral, Read({"w": [0.0] * 9})),
    _slices(
        "100,000",
        "100,000 slices",
        lambda: _many_slices(100_000),
        Read(None),
        seconds=25.0,
    ),
    _slices(
        "peeling",
        "20,001 slices, of which each cut parts one from all others",
        lambda: _peeling_slices(20_000),
        refused("slices"),
        seconds=5.0,
    ),
    _slices(
        "scalar",
        "slices of a scalar",
        [(b"w", sliced((), [()])), (slice_key(), entry(()))],
        Read({"w": [0.0]}),
    ),
)

# --- names ---------------------------------------------------------------------------------------


def _name(name: str, what: str, key: bytes, expected: Refused | Read | None = None) -> Row:
    shown = key.decode("utf-8", "surrogateescape")
    return Row(name, what, [(key, entry())], expected or Read({shown: [0.0]}))


NAMES = (
    _name("escape", "a name that clears the screen and retitles it", b"\x1b[2J\x1b]0;owned\x07"),
    _name("c1", "a name of C1 controls", "\x9b2J".encode()),
    _name("bidi", "a name that reverses the reading direction", "a\u202egnp.exe".encode()),
    _name("zero-width", "a name of nothing visible", "\u200b\ufeff".encode()),
    _name("nul", "a name with NUL", b"a\0b"),
    _name("line-feed", "a name of line feeds", b"a\r\nb\n"),
    _name("dots", "a name that leads out", b"../../etc/passwd"),
    _name("absolute", "an absolute path as a name", b"/etc/passwd"),
    _name("blank", "a name of one blank", b" "),
    _name("not-utf-8", "a name that is not UTF-8", b"\xff\xfe"),
    _name("surrogate", "a name of an encoded surrogate", b"\xed\xa0\x80"),
    _name("markup", "a name of markup", b"<script>alert(1)</script>|`x`"),
    _name("formula", "a name that a spreadsheet runs", b"=cmd|'/c calc'!A1"),
    _name("1-MiB", "a name of 1 MiB", b"n" * (1 << 20)),
    _name(
        "object-graph",
        "the key of the object graph for a float",
        b"_CHECKPOINTABLE_OBJECT_GRAPH",
        Read({"_CHECKPOINTABLE_OBJECT_GRAPH": [0.0]}),
    ),
    Row(
        "object-graph-of-garbage",
        "an object graph of garbage",
        lambda: [
            (
                b"_CHECKPOINTABLE_OBJECT_GRAPH",
                entry((), STRING, size=8, crc=_lengths(3, elements=b"\xff\xff\xff")[1]),
            )
        ],
        refused("expected more of a number"),
        data=_lengths(3, elements=b"\xff\xff\xff")[0],
    ),
)


def cases() -> Iterator[Case]:
    yield from _tables_without_header()
    for group, rows in (
        ("header", HEADERS),
        ("entry", ENTRIES),
        ("string", STRINGS),
        ("variant", VARIANTS),
        ("slice", SLICES),
        ("name", NAMES),
    ):
        yield from (row.case(group) for row in rows)
