"""Hostile tables: the footer, block handles, blocks, restarts and keys of an `.index`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.hostile.bundles import (
    HEADER,
    Assembly,
    Entry,
    block,
    crc_of,
    entry,
    handle,
    longer,
    raw_entry,
    raw_table,
    with_restarts,
    write_index,
)
from tests.hostile.case import Case, Read, Refused, refused
from tfartifacts.formats.table import EMPTY_BLOCK, MAGIC
from tfartifacts.formats.wire import varint

W: Entry = (b"w", entry())
OTHER: Entry = (b"w", entry(offset=4, crc=crc_of(b"\0\0\x80?")))
GOOD = block(HEADER, W)
SIZE = len(GOOD)
ZERO_AND_ONE = bytes(4) + b"\0\0\x80?" + bytes(56)

READ_W = Read({"w": [0.0]})

Row = tuple[str, str, Callable[[], bytes], Refused | Read]


def _footer(metaindex: bytes, beginning: bytes) -> bytes:
    """A table of GOOD whose footer begins with this number instead of its own first one."""
    made = Assembly()
    first = made.add(EMPTY_BLOCK)  # at 0, which a number of any length can say
    data = made.add(GOOD)
    index = made.add_index([(b"x", data.encoded())])
    return made.table(beginning + varint(first.size), index.encoded())


def _damaged_metaindex() -> bytes:
    made = Assembly()
    data = made.add(GOOD)
    metaindex = made.add(EMPTY_BLOCK, is_damaged=True)
    index = made.add_index([(b"x", data.encoded())])
    return made.table(metaindex.encoded(), index.encoded())


def _overlapping() -> bytes:
    inner = Assembly()
    inner.add(block(W))
    outer = block(HEADER, (b"a", bytes(inner.output)))
    start = outer.index(bytes(inner.output))
    return raw_table([outer], [(b"b", handle(0, len(outer))), (b"x", handle(start, len(block(W))))])


def _out_of_order() -> bytes:
    first, second = block(HEADER), block(W)
    handles = [
        (b"a", handle(len(second) + 5, len(first))),
        (b"x", handle(0, len(second))),
    ]
    return raw_table([second, first], handles)


def _two_blocks(first: bytes, first_key: bytes, second: bytes, second_key: bytes) -> bytes:
    handles = (
        (first_key, handle(0, len(first))),
        (second_key, handle(len(first) + 5, len(second))),
    )
    made = Assembly()
    made.add(first)
    made.add(second)
    metaindex = made.add(EMPTY_BLOCK)
    index = made.add(block(*handles))
    return made.table(metaindex.encoded(), index.encoded())


def _hidden_entry() -> bytes:
    """Listed, `w` is 0.0; looked up by way of the restart, it is 1.0."""
    hidden = raw_entry(b"v", W[1]) + raw_entry(*OTHER)
    # An unknown field of the header carries them.
    header = HEADER[1] + b"\xa2\x06" + varint(len(hidden)) + hidden
    carrier = raw_entry(b"", header)
    start = carrier.index(hidden)
    restarts = bytes(4) + start.to_bytes(4, "little")
    return raw_table([with_restarts(carrier + raw_entry(*W), restarts)])


def _restart_that_shares() -> bytes:
    first = raw_entry(*HEADER) + raw_entry(b"v", W[1])
    second = raw_entry(b"w", W[1], shared=1)
    restarts = bytes(4) + len(first).to_bytes(4, "little")
    return raw_table([with_restarts(first + second, restarts)])


def _key_bomb(number: int) -> bytes:
    long = b"k" * (64 << 10)
    entries = raw_entry(*HEADER) + raw_entry(long, b"")
    # Ascending: each shares all but the end, and adds to it.
    entries += b"".join(
        raw_entry(place.to_bytes(4, "big"), b"", shared=len(long)) for place in range(1, number)
    )
    return raw_table([with_restarts(entries)])


def _index_key_bomb(number: int) -> bytes:
    made = Assembly()
    data = made.add(GOOD)
    metaindex = made.add(EMPTY_BLOCK)
    long = b"z" * (64 << 10)
    entries = raw_entry(long, data.encoded()) + b"".join(
        raw_entry(place.to_bytes(4, "big"), data.encoded(), shared=len(long))
        for place in range(1, number)
    )
    index = made.add(with_restarts(entries))
    return made.table(metaindex.encoded(), index.encoded())


def _many_blocks(number: int) -> bytes:
    made = Assembly()
    handles = [(b"\0\0", made.add(block(HEADER)).encoded())]
    for place in range(number):
        name = b"w%06d" % place
        handles.append((name, made.add(block((name, entry()))).encoded()))
    metaindex = made.add(EMPTY_BLOCK)
    index = made.add_index(handles)
    return made.table(metaindex.encoded(), index.encoded())


FOOTER: tuple[Row, ...] = (
    (
        "no-bytes",
        "an index of no bytes",
        lambda: b"",
        refused("an empty file", "NotThisFormatError"),
    ),
    ("only-magic", "the magic number alone", lambda: MAGIC, refused("a table has at least 48")),
    (
        "no-handles",
        "a footer of zeros",
        lambda: raw_table([GOOD], metaindex=bytes(2), index=bytes(2)),
        refused("block checksum", "ChecksumError"),
    ),
    (
        "magic-reversed",
        "the magic number in the other byte order",
        lambda: raw_table([GOOD])[:-8] + MAGIC[::-1],
        refused("at the end, expected 0x57fb808b"),
    ),
    (
        "padding-not-zero",
        "a footer padded with other bytes than 0",
        lambda: raw_table([GOOD])[:-9] + b"\1" + MAGIC,
        refused("other than 0 in the footer's padding"),
    ),
    (
        "overlong-handle",
        "a number of ten bytes in the footer that needs one",
        lambda: _footer(b"", longer(0, 10)),
        refused("longer than it need be"),
    ),
    (
        "unending-handle",
        "a footer whose numbers never end",
        lambda: raw_table([GOOD], metaindex=b"\xff" * 20, index=b"\xff" * 20),
        refused("more than 10 bytes"),
    ),
    *(
        (
            f"index-{name}",
            f"an index block {what}",
            lambda offset=offset, size=size: raw_table([GOOD], index=handle(offset, size)),
            refused("reaches past the end"),
        )
        for name, what, offset, size in (
            ("of-2^63-bytes", "of 2^63 bytes", 0, 2**63),
            ("of-2^62-bytes", "of 2^62 bytes", 0, 2**62),
            ("of-100-GiB", "of 100 GiB", 0, 100 << 30),
            ("at-2^63", "at byte 2^63", 2**63, 30),
            ("wraps", "whose offset and size together are 2^64 + 3", 2**64 - 5, 8),
        )
    ),
    (
        "index-is-data",
        "an index block that is the data block",
        lambda: raw_table([GOOD], index=handle(0, SIZE)),
        refused(""),
    ),
    (
        "index-is-metaindex",
        "an index block that is the empty metaindex block",
        lambda: raw_table([GOOD], index=handle(SIZE + 5, 8)),
        refused("expected the next one here"),
    ),
    (
        "metaindex-garbage",
        "a metaindex handle of garbage",
        lambda: raw_table([GOOD], metaindex=b"\xff" * 5 + b"\x0f\x7f"),
        refused("reaches past the end"),
    ),
    (
        "metaindex-beyond",
        "a metaindex block of 2^62 bytes",
        lambda: raw_table([GOOD], metaindex=handle(0, 2**62)),
        refused("reaches past the end"),
    ),
    (
        "metaindex-is-data",
        "a metaindex block that is the data block",
        lambda: raw_table([GOOD], metaindex=handle(0, SIZE)),
        refused("entries in the metaindex block"),
    ),
    (
        "metaindex-entries",
        "a metaindex block with a filter",
        lambda: raw_table([GOOD], metaindex_block=block((b"filter.x", handle(0, SIZE)))),
        refused("entries in the metaindex block"),
    ),
    (
        "metaindex-checksum",
        "a metaindex block whose checksum is wrong",
        _damaged_metaindex,
        refused("block checksum", "ChecksumError"),
    ),
)

BLOCKS: tuple[Row, ...] = (
    *(
        (
            f"block-{name}",
            f"a data block {what}",
            lambda offset=offset, size=size: raw_table([GOOD], [(b"x", handle(offset, size))]),
            refused(says),
        )
        for name, what, offset, size, says in (
            ("of-2^62-bytes", "of 2^62 bytes", 0, 2**62, "reaches past the end"),
            ("of-100-GiB", "of 100 GiB", 0, 100 << 30, "reaches past the end"),
            ("of-2^64-1-bytes", "of 2^64-1 bytes", 0, 2**64 - 1, "reaches past the end"),
            ("at-2^63", "at byte 2^63", 2**63, SIZE, "expected the next one here"),
            ("at-2^64-1", "at byte 2^64-1", 2**64 - 1, 1, "expected the next one here"),
        )
    ),
    (
        "block-twice",
        "an index that names one block twice",
        lambda: raw_table([GOOD], [(b"x", handle(0, SIZE)), (b"y", handle(0, SIZE))]),
        refused("expected the next one here"),
    ),
    (
        "blocks-overlap",
        "a block inside another",
        _overlapping,
        refused("expected the next one here"),
    ),
    (
        "block-unnamed",
        "a block that the index does not name",
        lambda: raw_table([GOOD, GOOD], [(b"x", handle(0, SIZE))]),
        refused("expected the next one here"),
    ),
    (
        "blocks-out-of-order",
        "blocks in another order than the index's",
        _out_of_order,
        refused("expected the next one here"),
    ),
    (
        "junk-before",
        "three bytes before the first block",
        lambda: raw_table([GOOD], before=b"\0\0\0"),
        refused("expected the next one here"),
    ),
    (
        "junk-before-moved",
        "a shell script before the first block, offsets not moved",
        lambda: b"#!/bin/sh\nid\n" + raw_table([GOOD]),
        refused("block checksum", "ChecksumError"),
    ),
    (
        "junk-behind",
        "bytes between the index block and the footer",
        lambda: raw_table([GOOD], behind=b"junk"),
        refused("between the last block and the footer"),
    ),
    (
        "two-tables",
        "two tables, one behind the other",
        lambda: raw_table([GOOD]) + raw_table([GOOD]),
        refused("between the last block and the footer"),
    ),
    ("no-block", "a table without a block", lambda: raw_table([], []), refused("no bundle header")),
    (
        "block-without-entries",
        "an empty block between two",
        lambda: raw_table(
            [GOOD, EMPTY_BLOCK],
            [(b"x", handle(0, SIZE)), (b"y", handle(SIZE + 5, 8))],
        ),
        refused("no entries in data block 1"),
    ),
    ("block-of-3-bytes", "a block of 3 bytes", lambda: raw_table([b"abc"]), refused("of 3 bytes")),
    ("block-of-0-bytes", "a block of 0 bytes", lambda: raw_table([b""]), refused("of 0 bytes")),
    (
        "handle-of-ones",
        "a block handle that never ends",
        lambda: raw_table([GOOD], [(b"x", b"\xff" * 11)]),
        refused("more than 10 bytes"),
    ),
    (
        "handle-cut",
        "a block handle without a size",
        lambda: raw_table([GOOD], [(b"x", b"\0")]),
        refused("expected more of a number"),
    ),
    (
        "handle-tail",
        "a block handle with a byte behind it",
        lambda: raw_table([GOOD], [(b"x", handle(0, SIZE) + b"\0")]),
        refused("bytes after a block handle"),
    ),
    (
        "handle-overlong",
        "a block handle of more bytes than it needs",
        lambda: raw_table([GOOD], [(b"x", longer(0, 3) + longer(SIZE, 4))]),
        READ_W,
    ),
    (
        "compression-2",
        "a block of compression type 2",
        lambda: raw_table([GOOD], compression=2),
        refused("compression type 2"),
    ),
    (
        "compression-255",
        "a block of compression type 255",
        lambda: raw_table([GOOD], compression=255),
        refused("compression type 255"),
    ),
)

RESTARTS: tuple[Row, ...] = (
    (
        "restarts-2^32-1",
        "2^32-1 restarts",
        lambda: raw_table([GOOD[:-4] + b"\xff\xff\xff\xff"]),
        refused("more than the block has room for"),
    ),
    (
        "restarts-0",
        "a block without a restart",
        lambda: raw_table([block(HEADER, W, restarts=b"")]),
        refused("no restart"),
    ),
    (
        "restart-beyond",
        "a restart beyond the block",
        lambda: raw_table([block(HEADER, W, restarts=bytes(4) + b"\xff\xff\xff\x7f")]),
        refused("a restart at"),
    ),
    (
        "restart-not-0",
        "a first restart that is not at 0",
        lambda: raw_table([block(HEADER, W, restarts=b"\x09\0\0\0")]),
        refused("a restart at"),
    ),
    (
        "restarts-descend",
        "restarts that descend",
        lambda: raw_table([block(HEADER, W, restarts=b"\x09\0\0\0" + bytes(4))]),
        refused("a restart at"),
    ),
    (
        "restart-in-value",
        "a restart at an entry hidden in another's value: look-ups find what lists do not show",
        _hidden_entry,
        refused("a restart at"),
    ),
    (
        "restart-shares",
        "a restart at an entry that shares its key's beginning",
        _restart_that_shares,
        refused("a restart at"),
    ),
    (
        "first-shares",
        "a first entry that shares with nothing",
        lambda: raw_table([with_restarts(raw_entry(b"", HEADER[1], shared=1))]),
        refused("reaches past its block"),
    ),
    (
        "shares-too-much",
        "an entry that shares more than the key before has",
        lambda: raw_table(
            [with_restarts(raw_entry(*HEADER) + raw_entry(b"w", W[1], shared=2**32 - 1))]
        ),
        refused("reaches past its block"),
    ),
)

LENGTHS: tuple[Row, ...] = (
    (
        "key-wraps-32-bits",
        "a key of 2^32-1 bytes and a value of 1, together 0 in 32 bits",
        lambda: raw_table([with_restarts(raw_entry(b"w", unshared=2**32 - 1, size=1))]),
        refused("reaches past its block"),
    ),
    (
        "value-wraps-32-bits",
        "a key of 1 byte and a value of 2^32-1, together 0 in 32 bits",
        lambda: raw_table([with_restarts(raw_entry(b"w", unshared=1, size=2**32 - 1))]),
        refused("reaches past its block"),
    ),
    (
        "later-key-wraps",
        "the same in a later entry",
        lambda: raw_table(
            [with_restarts(raw_entry(*HEADER) + raw_entry(b"w", unshared=2**32 - 1, size=2))]
        ),
        refused("reaches past its block"),
    ),
    (
        "lengths-wrap-64-bits",
        "lengths of 2^64-1 each",
        lambda: raw_table([with_restarts(raw_entry(b"w", unshared=2**64 - 1, size=2**64 - 1))]),
        refused("reaches past its block"),
    ),
    (
        "length-of-11-bytes",
        "a length that never ends",
        lambda: raw_table([with_restarts(b"\0" + b"\xff" * 11 + b"\0w")]),
        refused("more than 10 bytes"),
    ),
    (
        "length-overlong",
        "a length of five bytes that needs one",
        lambda: raw_table(
            [
                with_restarts(
                    raw_entry(*HEADER)
                    + longer(0, 5)
                    + longer(1, 4)
                    + longer(len(W[1]), 3)
                    + b"w"
                    + W[1]
                )
            ]
        ),
        READ_W,
    ),
    (
        "value-past-block",
        "a value that reaches into the restarts",
        lambda: raw_table([with_restarts(raw_entry(*HEADER) + raw_entry(*W, size=len(W[1]) + 4))]),
        refused("reaches past its block"),
    ),
)

KEYS: tuple[Row, ...] = (
    (
        "keys-descend",
        "keys that descend",
        lambda: raw_table([block(HEADER, W, (b"a", entry()))]),
        refused("expected ascending keys"),
    ),
    (
        "key-twice",
        "a key twice, with two places",
        lambda: raw_table([block(HEADER, W, OTHER)]),
        refused("expected ascending keys"),
    ),
    (
        "key-twice-in-two-blocks",
        "a key in each of two blocks",
        lambda: _two_blocks(block(HEADER, W), b"w", block(OTHER), b"x"),
        refused("expected ascending keys"),
    ),
    (
        "key-in-a-later-block",
        "a key in a block behind where the index looks for it",
        lambda: _two_blocks(block(HEADER, (b"a", entry())), b"x", block(W), b"y"),
        refused("expected ascending keys"),
    ),
    (
        "index-key-too-small",
        "an index key below the last key of its block",
        lambda: raw_table([GOOD], [(b"a", handle(0, SIZE))]),
        refused("above the index block's"),
    ),
    (
        "index-keys-equal",
        "two index keys that are equal",
        lambda: _two_blocks(block(HEADER, (b"a", entry())), b"y", block(W), b"y"),
        refused("expected ascending keys"),
    ),
    (
        "index-keys-descend",
        "index keys that descend",
        lambda: _two_blocks(block(HEADER, (b"a", entry())), b"z", block(W), b"y"),
        refused("expected ascending keys"),
    ),
    (
        "empty-index-key",
        "an index key of no bytes",
        lambda: raw_table([GOOD], [(b"", handle(0, SIZE))]),
        refused("above the index block's"),
    ),
    (
        "key-bomb",
        "200,000 keys of 64 KiB each from a file of 3 MB: each shares all of the one before",
        lambda: _key_bomb(200_000),
        refused("far more bytes of keys"),
    ),
    (
        "index-key-bomb",
        "the same in the index block",
        lambda: _index_key_bomb(50_000),
        refused("far more bytes of keys"),
    ),
    (
        "20,000-blocks",
        "20,000 blocks of a key each",
        lambda: _many_blocks(20_000),
        Read(None),
    ),
)


# --- Snappy --------------------------------------------------------------------------------------


def packed(stream: bytes) -> Callable[[], bytes]:
    return lambda: raw_table([stream], compression=1)


def literal(data: bytes) -> bytes:
    return b"\xfc" + (len(data) - 1).to_bytes(4, "little") + data  # a length of four bytes


def copy(length: int, offset: int) -> bytes:
    return bytes((length - 1 << 2 | 2,)) + offset.to_bytes(2, "little")


WHOLE = varint(SIZE) + literal(GOOD)


def _run(number: int) -> bytes:
    """A byte, then copies of 64 that repeat it: as dense as Snappy can be."""
    return varint(1 + 64 * number) + literal(b"\0") + copy(64, 1) * number


def _key_of_repeats() -> bytes:
    """A good block in which a long name is packed as a copy that overlaps itself."""
    name = b"w" * 40
    plain = block(HEADER, (name, entry()))
    start = plain.index(name)
    return (
        varint(len(plain))
        + literal(plain[: start + 1])
        + copy(39, 1)
        + literal(plain[start + 40 :])
    )


def _packed_index() -> bytes:
    made = Assembly()
    data = made.add(GOOD)
    metaindex = made.add(EMPTY_BLOCK)
    index = block((b"x", data.encoded()))
    stored = made.add(varint(len(index)) + literal(index), 1)
    return made.table(metaindex.encoded(), stored.encoded())


SNAPPY: tuple[Row, ...] = (
    ("snappy-literal", "a block packed as one literal", packed(WHOLE), READ_W),
    ("snappy-overlap", "a copy that overlaps itself", packed(_key_of_repeats()), Read(None)),
    ("snappy-index", "a packed index block", _packed_index, READ_W),
    (
        "snappy-4-GiB",
        "4 GiB announced by a few bytes",
        packed(varint(2**32 - 1) + b"\0" * 9),
        refused("more than Snappy can"),
    ),
    (
        "snappy-bomb",
        "a block of 3 MB that unpacks to 64 MiB and more",
        packed(_run(1 << 20)),
        refused("more than Snappy can"),
    ),
    (
        "snappy-bomb-below-the-cap",
        "a block of 1.5 MB that unpacks to 32 MiB of zeros",
        packed(_run((1 << 19) - 1)),
        refused("no restart"),
    ),
    (
        "snappy-30-times",
        "30 times its size announced",
        packed(varint(30 * 104) + bytes(100)),
        refused("more than Snappy can"),
    ),
    (
        "snappy-more-announced",
        "more announced than there is",
        packed(varint(SIZE + 1) + literal(GOOD)),
        refused("unpacked bytes, expected"),
    ),
    (
        "snappy-less-announced",
        "less announced than there is",
        packed(varint(SIZE - 1) + literal(GOOD)),
        refused("bytes announced"),
    ),
    ("snappy-nothing", "no stream at all", packed(b""), refused("no length at the head")),
    ("snappy-0-bytes", "a stream of no bytes", packed(b"\0"), refused("of 0 bytes")),
    (
        "snappy-length-unending",
        "a length that never ends",
        packed(b"\xff" * 12),
        refused("no length at the head"),
    ),
    (
        "snappy-copy-offset-0",
        "a copy from 0 bytes back",
        packed(varint(SIZE) + literal(GOOD[:-4]) + copy(4, 0)),
        refused("copy from 0 bytes back"),
    ),
    (
        "snappy-copy-beyond",
        "a copy from before the beginning",
        packed(varint(8) + b"\x1d\x01"),
        refused("copy from 1 bytes back"),
    ),
    (
        "snappy-copy-4-GiB-back",
        "a copy from 4 GiB back",
        packed(varint(SIZE) + literal(GOOD[:-4]) + b"\x0f\xff\xff\xff\xff"),
        refused("copy from 4294967295 bytes back"),
    ),
    (
        "snappy-copy-cut",
        "a copy without its offset",
        packed(varint(SIZE) + literal(GOOD[:-4]) + b"\x0e\x01"),
        refused("end of a Snappy copy missing"),
    ),
    (
        "snappy-copy-4-cut",
        "a copy of four offset bytes without the last",
        packed(varint(SIZE) + literal(GOOD[:-4]) + b"\x0f\x01\x00\x00"),
        refused("end of a Snappy copy missing"),
    ),
    (
        "snappy-literal-cut",
        "a literal of 2^32 bytes",
        packed(varint(60) + b"\xfc\xff\xff\xff\xff"),
        refused("end of a Snappy literal missing"),
    ),
    (
        "snappy-literal-length-cut",
        "a literal whose length is cut",
        packed(varint(60) + b"\xfc\x01"),
        refused("end of a Snappy literal missing"),
    ),
    (
        "snappy-tail",
        "bytes behind what was announced",
        packed(WHOLE + b"\0x"),
        refused("bytes announced"),
    ),
)


def cases() -> Iterator[Case]:
    for name, what, content, expected in (
        *FOOTER,
        *BLOCKS,
        *RESTARTS,
        *LENGTHS,
        *KEYS,
        *SNAPPY,
    ):

        def write(folder: Path, content: Callable[[], bytes] = content) -> None:
            write_index(folder, content(), ZERO_AND_ONE)

        heavy = 4.0 if "20,000" in name else 1.0
        yield Case("table", name, what, write, expected, seconds=heavy)
