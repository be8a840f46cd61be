"""Sorted tables: their bytes, their edges, and TensorFlow reading what we write."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import strategies
from tests.conftest import PROJECT
from tests.judges.client import Judge, sha256
from tfartifacts.errors import ChecksumError, FormatError, NotThisFormatError
from tfartifacts.formats.bundle_entries import encode_entry
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.table import (
    BLOCK_SIZE,
    EMPTY_BLOCK,
    FOOTER_SIZE,
    MAGIC,
    Handle,
    Table,
    open_table,
    separator,
    successor,
    write_table,
)
from tfartifacts.formats.table_blocks import BlockBuilder, parse_block
from tfartifacts.formats.tensor_data import ArrayTensor
from tfartifacts.formats.wire import varint
from tfartifacts.storage.files import BytesSource

# The index of an empty bundle as TensorFlow 1.15 writes it: a header, nothing else.
EMPTY_BUNDLE = bytes.fromhex(
    # data block at byte 0
    "00 00 02"  # entry: 0 shared, 0 own key bytes, 2 value bytes
    "1a00"  # value: BundleHeaderProto {version {}}
    "00000000 01000000"  # restart at 0; 1 restart
    "00 49d75a06"  # not compressed; masked CRC-32C
    # metaindex block at byte 18
    "00000000 01000000"  # restart at 0; 1 restart
    "00 c0f2a1b0"
    # index block at byte 31
    "00 00 02"  # entry: 0 shared, 0 own key bytes, 2 value bytes
    "000d"  # value: block at 0, 13 bytes
    "00000000 01000000"  # restart at 0; 1 restart
    "00 c8efa5cc"
    # footer
    "1208"  # metaindex block: at 18, 8 bytes
    "1f0d"  # index block: at 31, 13 bytes
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "57fb808b247547db"  # magic number
)
TWO_ENTRIES = bytes.fromhex(
    # data block at byte 0
    "00 01 02"  # entry: 0 shared, 1 own key byte, 2 value bytes
    "61 7678"  # key "a", value "vx"
    "01 01 00"  # entry: 1 shared, 1 own key byte, no value
    "62"  # key "ab"
    "00000000 01000000"  # restart at 0; 1 restart
    "00 bed4c5ed"
    # metaindex block at byte 23
    "00000000 01000000"
    "00 c0f2a1b0"
    # index block at byte 36
    "00 01 02"  # entry: 0 shared, 1 own key byte, 2 value bytes
    "62 0012"  # key "b", the successor of "ab"; block at 0, 18 bytes
    "00000000 01000000"
    "00 95d3bd05"
    # footer
    "1708"  # metaindex block: at 23, 8 bytes
    "240e"  # index block: at 36, 14 bytes
    "000000000000000000000000000000000000000000000000000000000000000000000000"
    "57fb808b247547db"
)


def table_of(data: bytes) -> Table:
    return open_table(BytesSource("t.index", data))


def entries_of(data: bytes) -> list[tuple[bytes, bytes]]:
    return list(table_of(data).entries())


def stored(contents: bytes, compression: int = 0) -> bytes:
    """A block as it stands in the file, its trailer right."""
    covered = contents + bytes((compression,))
    return covered + mask(crc32c(covered)).to_bytes(4, "little")


def block_of(*entries: tuple[bytes, bytes]) -> bytes:
    builder = BlockBuilder(restart_interval=16)
    for key, value in entries:
        builder.add(key, value)
    return builder.contents()


def assemble(
    blocks: Sequence[bytes],
    index: Sequence[tuple[bytes, bytes]] | None = None,
    metaindex: bytes = EMPTY_BLOCK,
    padding: bytes = b"",
    gap: bytes = b"",
) -> bytes:
    """A table of these data blocks' contents, each checksum right whatever is in them."""
    data = b""
    handles = []
    for contents in blocks:
        handles.append(Handle(len(data), len(contents)).encoded())
        data += stored(contents)
    metaindex_handle = Handle(len(data), len(metaindex)).encoded()
    data += stored(metaindex)
    if index is None:
        index = [
            (parse_block(block)[-1][0], handle)
            for block, handle in zip(blocks, handles, strict=True)
        ]
    index_block = block_of(*index)
    index_handle = Handle(len(data), len(index_block)).encoded()
    data += stored(index_block) + gap
    footer = metaindex_handle + index_handle + padding
    return data + footer.ljust(FOOTER_SIZE - len(MAGIC), b"\0") + MAGIC


def test_table_is_written_byte_by_byte(fixtures: Path) -> None:
    assert write_table([(b"a", b"vx"), (b"ab", b"")]) == TWO_ENTRIES
    assert entries_of(TWO_ENTRIES) == [(b"a", b"vx"), (b"ab", b"")]
    header = bytes.fromhex("1a00")
    assert write_table([(b"", header)]) == EMPTY_BUNDLE
    assert (fixtures / "empty-bundle" / "empty.index").read_bytes() == EMPTY_BUNDLE


def test_table_without_entries_has_no_data_block() -> None:
    written = write_table([])
    assert entries_of(written) == []
    assert table_of(written).index == ()
    assert table_of(written).first_entry() is None
    assert len(written) == 2 * 13 + FOOTER_SIZE


@given(strategies.table_entries)
def test_entries_come_back(entries: list[tuple[bytes, bytes]]) -> None:
    table = table_of(write_table(entries))
    assert list(table.entries()) == entries
    for key, value in entries:
        assert table.get(key) == value
    assert table.get(b"\xff" * 9) is None
    assert table.first_entry() == (entries[0] if entries else None)


@settings(max_examples=25)
@given(
    st.lists(strategies.keys, min_size=2, max_size=12, unique=True).map(sorted),
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
)
def test_entries_come_back_from_many_blocks(keys: list[bytes], sizes: list[int]) -> None:
    # 0: small; 1: fills a block with what is there; 2: stands alone.
    lengths = (10, BLOCK_SIZE, 2 * BLOCK_SIZE)
    entries = [(key, b"v" * lengths[size]) for key, size in zip(keys, sizes, strict=False)]
    table = table_of(write_table(entries))
    assert list(table.entries()) == entries
    for key, value in entries:
        assert table.get(key) == value
        # A neighbour of a key, on either side of a separator.
        assert table.get(key + b"\0") == dict(entries).get(key + b"\0")


@pytest.mark.parametrize("count", [1, 15, 16, 17, 31, 32, 33, 49])
def test_restart_every_16_entries(count: int) -> None:
    entries = [(b"variable/%05d" % i, b"") for i in range(count)]
    data = write_table(entries)
    contents = data[: table_of(data).index[0][1].size]
    num_restarts = int.from_bytes(contents[-4:], "little")
    assert num_restarts == (count + 15) // 16
    restarts = struct.unpack_from(
        f"<{num_restarts}I", contents, len(contents) - 4 - 4 * num_restarts
    )
    # At a restart nothing is shared with the key before.
    assert [contents[start] for start in restarts] == [0] * num_restarts
    assert entries_of(data) == entries


@pytest.mark.parametrize(
    ("last", "following", "expected"),
    [
        (b"abc", b"abf", b"abd"),  # first differing byte, one up
        (b"abc1", b"abd", b"abc1"),  # one up would be the next key's own
        (b"ab", b"abc", b"ab"),  # a prefix of the next
        (b"a\xff", b"b", b"a\xff"),
        (b"a\xfe\x01", b"b\x00", b"a\xfe\x01"),
        (b"a", b"c\x00", b"b"),
        (b"a\xff\x01", b"a\xff\x09", b"a\xff\x02"),
        (b"", b"a", b""),
    ],
)
def test_separator_is_short_and_between(last: bytes, following: bytes, expected: bytes) -> None:
    assert separator(last, following) == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (b"net/w2/Adam_1", b"o"),
        (b"\xff\xffa\xff", b"\xff\xffb"),
        (b"\xff\xff", b"\xff\xff"),
        (b"", b""),
    ],
)
def test_successor_is_short_and_not_below(last: bytes, expected: bytes) -> None:
    assert successor(last) == expected


@given(strategies.keys, strategies.keys)
def test_any_separator_keeps_blocks_apart(first: bytes, second: bytes) -> None:
    assert successor(first) >= first
    if first != second:
        last, following = sorted((first, second))
        assert last <= separator(last, following) < following
        assert len(separator(last, following)) <= len(last)


def test_block_is_closed_when_it_is_full() -> None:
    half = b"x" * (BLOCK_SIZE // 2)
    entries = [(b"%d" % i, half) for i in range(5)]
    table = table_of(write_table(entries))
    assert [key for key, _ in table.index] == [b"1", b"3", b"5"]
    assert list(table.entries()) == entries


def test_large_value_starts_a_block_of_its_own() -> None:
    entries = [(b"a", b""), (b"b", b"x" * (2 * BLOCK_SIZE)), (b"c", b"")]
    table = table_of(write_table(entries))
    assert [handle.size > BLOCK_SIZE for _, handle in table.index] == [False, True, False]
    assert list(table.entries()) == entries


def test_keys_must_be_given_in_order() -> None:
    with pytest.raises(ValueError, match="not ascending"):
        write_table([(b"b", b""), (b"a", b"")])
    with pytest.raises(ValueError, match="not ascending"):
        write_table([(b"a", b""), (b"a", b"")])


def test_only_the_block_of_a_key_is_read() -> None:
    entries = [(b"%d" % i, b"x" * BLOCK_SIZE) for i in range(4)]
    data = write_table(entries)
    read: list[tuple[int, int]] = []

    class Counting(BytesSource):
        def read(self, offset: int, size: int) -> bytes:
            read.append((offset, size))
            return super().read(offset, size)

    table = open_table(Counting("t", data))
    assert sum(size for _, size in read) < 300
    read.clear()
    assert table.get(b"2") == entries[2][1]
    assert [offset for offset, _ in read] == [table.index[2][1].offset]


def test_table_can_be_pickled() -> None:
    table = table_of(write_table([(b"a", b"1")]))
    assert list(pickle.loads(pickle.dumps(table)).entries()) == [(b"a", b"1")]


# ---------------------------------------------------------------- faults

ENTRY = (b"k", b"v")
BLOCK = block_of(ENTRY)


def test_a_table_put_together_by_hand_is_one() -> None:
    # What the faulty ones below differ from.
    assert assemble([BLOCK], [(b"l", varint(0) + varint(len(BLOCK)))]) == write_table([ENTRY])


def shown(value: object) -> str:
    return value if isinstance(value, str) else ""


def raised(data: bytes, kind: type[FormatError], said: str) -> FormatError:
    with pytest.raises(kind, match=said) as caught:
        entries_of(data)
    assert caught.value.path == "t.index"
    return caught.value


@pytest.mark.parametrize(
    ("data", "said", "offset"),
    [
        (b"", "found 0 bytes", 0),
        (MAGIC, "found 8 bytes", 0),
        (b"\0" * 48, "expected 0x57fb808b247547db", 40),
        (write_table([ENTRY])[:-1], "truncated", 89),
    ],
    ids=shown,
)
def test_what_does_not_end_in_the_magic_number_is_no_table(
    data: bytes, said: str, offset: int
) -> None:
    assert raised(data, NotThisFormatError, said).offset == offset


@pytest.mark.parametrize("block", [0, 1, 2])
def test_flipped_bit_is_told_with_the_block_it_is_in(block: int) -> None:
    data = bytearray(write_table([ENTRY]))
    start = (0, 18, 31)[block]
    data[start + 3] ^= 0x10
    error = raised(bytes(data), ChecksumError, "block checksum 0x.*, computed 0x")
    assert error.offset == start


HANDLE = varint(0) + varint(len(BLOCK))


@pytest.mark.parametrize(
    ("data", "said", "offset"),
    [
        (assemble([BLOCK], padding=b"\1"), "footer's padding", 54),
        (assemble([BLOCK], metaindex=BLOCK), "in the metaindex block", 18),
        (assemble([BLOCK], gap=b"\0"), "between the last block and the footer", 50),
        (assemble([BLOCK], [(b"k", HANDLE + b"\0")]), "after a block handle", 31),
        (assemble([BLOCK], [(b"k", b"\x80")]), "found the end", 32),
        (assemble([BLOCK], [(b"k", varint(1 << 62) + varint(9))]), "expected the next one", 0),
        (assemble([BLOCK], [(b"k", varint(0) + varint(9))]), "expected the next one", 14),
        (assemble([BLOCK], [(b"k", HANDLE), (b"l", HANDLE)]), "expected the next one", 18),
        (assemble([BLOCK], []), "expected the next one", 0),
        (assemble([BLOCK], [(b"a", HANDLE)]), "above the index block's b'a'", 0),
        (
            assemble([block_of((b"b", b""), (b"a", b""))], [(b"c", b"\0\x10")]),
            "found key b'a' after b'b'",
            4,
        ),
        (
            assemble([block_of((b"b", b""), (b"b", b""))], [(b"c", b"\0\x0f")]),
            "expected ascending keys",
            4,
        ),
    ],
    ids=shown,
)
def test_each_fault_of_the_layout_is_told_with_its_offset(
    data: bytes, said: str, offset: int
) -> None:
    assert raised(data, FormatError, said).offset == offset


def restarts(*offsets: int) -> bytes:
    return struct.pack(f"<{len(offsets) + 1}I", *offsets, len(offsets))


@pytest.mark.parametrize(
    ("contents", "said", "offset"),
    [
        (b"", "found a block of 0 bytes", 0),
        (b"\0\0\0", "found a block of 3 bytes", 0),
        (struct.pack("<I", 1), "found 1 restarts", 0),
        (struct.pack("<I", 0xFFFFFFFF), "found 4294967295 restarts", 0),
        (b"\1\1\0a" + restarts(0), "reaches past its block", 0),  # shares with no key before
        (b"\0\1\0" + restarts(0), "reaches past its block", 0),
        (b"\0\1\0a\0\1\4b" + restarts(0), "reaches past its block", 4),
        # Own bytes and value together wrap around in 32 bits.
        (b"\0" + varint(0xFFFFFFFF) + varint(2) + b"a" + restarts(0), "reaches past", 0),
        (b"\0" + varint(2**63) + varint(2**63) + b"a" + restarts(0), "reaches past", 0),
        (b"\x80\x80" + restarts(0), "found the end", 2),
    ],
    ids=shown,
)
def test_each_fault_of_a_block_is_told_with_its_offset(
    contents: bytes, said: str, offset: int
) -> None:
    with pytest.raises(FormatError, match=said) as caught:
        parse_block(contents)
    assert caught.value.offset == offset
    # In a table the offset counts from the start of the file.
    first = block_of((b"A", b""))
    index = [
        (b"B", Handle(0, len(first)).encoded()),
        (b"c", Handle(len(first) + 5, len(contents)).encoded()),
    ]
    error = raised(assemble([first, contents], index), FormatError, said)
    assert error.offset == len(first) + 5 + offset


def test_of_two_faults_of_a_block_the_first_is_told() -> None:
    contents = b"\0\1\0b" + b"\0\1\0a" + b"\7\1\0c" + bytes(4) + b"\1\0\0\0"
    with pytest.raises(FormatError, match="found key b'a' after b'b'") as caught:
        parse_block(contents)
    assert caught.value.offset == 4
    with pytest.raises(FormatError, match="reaches past its block") as caught:
        parse_block(contents, in_order=False)
    assert caught.value.offset == 8


def test_block_without_entries_is_refused_beside_others() -> None:
    index = [(b"a", Handle(0, 8).encoded()), (b"k", Handle(13, len(BLOCK)).encoded())]
    data = assemble([EMPTY_BLOCK, BLOCK], index)
    assert raised(data, FormatError, "no entries in data block 0").offset == 0


def test_separator_above_the_next_key_is_refused() -> None:
    # Whoever looks for "b" would look into the first block.
    first, second = block_of((b"a", b"")), block_of((b"b", b""))
    index = [
        (b"bb", Handle(0, len(first)).encoded()),
        (b"c", Handle(len(first) + 5, len(second)).encoded()),
    ]
    error = raised(assemble([first, second], index), FormatError, "found key b'b' after b'bb'")
    assert error.offset == len(first) + 5


def test_index_keys_must_ascend() -> None:
    first, second = block_of((b"a", b"")), block_of((b"b", b""))
    index = [
        (b"b", Handle(0, len(first)).encoded()),
        (b"b", Handle(len(first) + 5, len(second)).encoded()),
    ]
    raised(assemble([first, second], index), FormatError, "after b'b', expected ascending keys")


def test_unknown_compression_is_refused() -> None:
    data = bytearray(write_table([ENTRY]))
    covered = bytes(data[:13]) + b"\2"
    data[13:18] = b"\2" + mask(crc32c(covered)).to_bytes(4, "little")
    error = raised(bytes(data), FormatError, "found compression type 2")
    assert error.offset == 13


def test_two_tables_one_after_the_other_are_no_table() -> None:
    # TensorFlow reads the second, which it takes for the first: the offsets fit.
    data = write_table([ENTRY])
    raised(data + data, FormatError, "between the last block and the footer")


@given(st.binary(max_size=40))
def test_any_block_is_parsed_or_refused(contents: bytes) -> None:
    try:
        entries = parse_block(contents)
    except FormatError as error:
        assert 0 <= (error.offset or 0) <= len(contents)  # noqa: PT017
    else:
        assert sum(len(value) for _, value in entries) <= len(contents)


@given(st.integers(0, 79), st.integers(0, 255))
def test_no_changed_byte_goes_unseen(position: int, byte: int) -> None:
    data = bytearray(write_table([ENTRY]))
    before = data[position]
    data[position] = byte
    if byte != before:
        with pytest.raises(FormatError):
            entries_of(bytes(data))


# ---------------------------------------------------------------- TensorFlow

TABLES = sorted(
    path
    for path in (PROJECT / "fixtures").rglob("*")
    if path.suffix == ".index" or (path.parent.name == "v1-checkpoint" and not path.suffix)
)


def is_table(path: Path) -> bool:
    return path.read_bytes()[-8:] == MAGIC


@pytest.mark.parametrize(
    "path", [pytest.param(path, id="/".join(path.parts[-3:])) for path in TABLES if is_table(path)]
)
def test_tables_of_tensorflow_come_back_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    assert write_table(entries_of(data)) == data


def many_variables() -> dict[str, int]:
    """Enough for several blocks: long names that share little."""
    return {f"{i * 2654435761 % 2**32:08x}/{'layer/' * (i % 40)}variable": i for i in range(4000)}


def write_scalars(prefix: Path, table: Callable[[list[tuple[bytes, bytes]]], bytes]) -> int:
    """A bundle of int32 scalars, its index by `table`; the number of the index's blocks."""
    import numpy as np

    from tfartifacts.dtypes import dtype_from_name

    data = b""
    entries = [(b"", bytes.fromhex("0801 1a020801"))]
    values = many_variables()
    for name, number in values.items():
        element = number.to_bytes(4, "little")
        value = ArrayTensor(dtype_from_name("int32"), (), np.int32(number))
        entry = encode_entry(value, 0, len(data), 4, mask(crc32c(element)))
        entries.append((name.encode(), entry))
        data += element
    prefix.with_suffix(".data-00000-of-00001").write_bytes(data)
    index = table(sorted(entries))
    prefix.with_suffix(".index").write_bytes(index)
    return len(table_of(index).index)


def test_tensorflow_reads_our_tables_of_several_blocks(tensorflow: Judge, tmp_path: Path) -> None:
    import numpy as np

    assert write_scalars(tmp_path / "many", write_table) > 1
    listed = tensorflow.list_checkpoint(tmp_path / "many")
    assert {name: facts["sha256"] for name, facts in listed.items()} == {
        name: sha256(np.int32(number)) for name, number in many_variables().items()
    }


# Names of which four fill a block, so that most of them stand at the end of one or behind it:
# first bytes one apart, further apart, the same; last bytes with and without more behind them.
LONG_NAMES = [
    first + second + "y" * 60_000 + end
    for first in "abdgz~"
    for second in "012\u00e9"
    for end in ("", "y", "~~")
]


@pytest.mark.parametrize("names", [list(many_variables()), LONG_NAMES], ids=["many", "long"])
def test_tensorflow_writes_the_same_blocks(
    tensorflow_2_21: Judge, tmp_path: Path, names: list[str]
) -> None:
    import numpy as np

    arrays = {name: np.int32(number) for number, name in enumerate(names)}
    tensorflow_2_21.write_bundle(tmp_path / "theirs", arrays)
    theirs = (tmp_path / "theirs.index").read_bytes()
    assert len(table_of(theirs).index) > 1
    assert write_table(entries_of(theirs)) == theirs
    assert sum(len(key) for key, _ in table_of(theirs).index) < len(theirs) / 3


def test_long_names_that_differ_in_a_letter_are_read() -> None:
    names = sorted(b"scope/" * 80 + b"%05d" % number for number in range(5_000))
    table = write_table([(name, b"value") for name in names])
    assert [key for key, _ in open_table(BytesSource("t", table)).entries()] == names


# --- restarts, and keys that a small block claims -----------------------------------------------


def with_restarts(*restarts: int) -> bytes:
    """Entries a, b at bytes 0 and 4, then ab at 8, which shares with none; with these restarts."""
    entries = b"\0\1\0a" + b"\0\1\0b" + b"\1\1\0c"
    return entries + b"".join(n.to_bytes(4, "little") for n in (*restarts, len(restarts)))


@pytest.mark.parametrize("restarts", [(0,), (0, 4)])
def test_a_restart_is_the_beginning_of_an_entry_with_its_whole_key(
    restarts: tuple[int, ...],
) -> None:
    assert [key for key, _ in parse_block(with_restarts(*restarts))] == [b"a", b"b", b"bc"]


@pytest.mark.parametrize("restarts", [(), (4,), (0, 0), (4, 0), (0, 1), (0, 8), (0, 12), (0, 99)])
def test_a_restart_elsewhere_is_refused(restarts: tuple[int, ...]) -> None:
    # TensorFlow looks names up by way of them, and would find what is not listed.
    with pytest.raises(FormatError, match="restart"):
        parse_block(with_restarts(*restarts))


def test_a_small_block_cannot_claim_many_bytes_of_keys() -> None:
    long = b"k" * 65536
    entries = varint(0) + varint(len(long)) + b"\0" + long
    for number in range(5000):
        entries += varint(len(long)) + b"\2\0" + number.to_bytes(2, "big")
    with pytest.raises(FormatError, match="far more bytes of keys"):
        parse_block(entries + bytes(4) + b"\1\0\0\0")
