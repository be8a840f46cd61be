"""Slices of partitioned variables: keys as TensorFlow writes them, strings, tilings."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.judges.client import Judge
from tfartifacts.errors import FormatError
from tfartifacts.formats import schema
from tfartifacts.formats.slices import (
    Extents,
    check_tiling,
    encode_slice_key,
    name_in_slice_key,
    read_extents,
    slice_shape,
    write_extents,
)
from tfartifacts.formats.table import open_table
from tfartifacts.formats.wire import Message
from tfartifacts.model.variables import Extent, parse_shape_and_slice
from tfartifacts.storage.files import BytesSource

WHOLE = Extent()


@pytest.mark.parametrize(
    ("name", "extents", "key"),
    [
        (
            b"net/b1",
            (Extent(0, 3),),
            "00"  # the number 0
            "6e65742f6231 0001"  # "net/b1", then the end of a text
            "0101"  # rank, in one byte: 1
            "80 83",  # start 0, length 3
        ),
        (b"w", (WHOLE,), "00 77 0001 0101 80 7f"),  # start 0, length -1
        (b"w", (), "00 77 0001 00"),  # a scalar has no extents: the number 0 takes no bytes
        (b"", (Extent(64, 1),), "00 0001 0101 c040 81"),
        (b"\0\xff", (), "00 00ff ff00 0001 00"),
        (b"\xff\0\0", (), "00 ff00 00ff 00ff 0001 00"),
        (b"w", (WHOLE,) * 256, "00 77 0001 020100" + "807f" * 256),
    ],
)
def test_each_part_of_a_key(name: bytes, extents: Extents, key: str) -> None:
    assert encode_slice_key(name, extents) == bytes.fromhex(key)


@pytest.mark.parametrize(
    ("start", "encoded"),
    [
        (0, "80"),
        (63, "bf"),
        (64, "c040"),
        (8191, "dfff"),
        (8192, "e02000"),
        (2**20 - 1, "efffff"),
        (2**20, "f0100000"),
        (2**27, "f808000000"),
        (2**34, "fc0400000000"),
        (2**41, "fe020000000000"),
        (2**48, "ff01000000000000"),
        (2**55, "ff8080000000000000"),
        (2**62, "ffc04000000000000000"),
        (2**63 - 1, "ffc07fffffffffffffff"),
    ],
)
def test_signed_numbers_grow_by_seven_bits_a_byte(start: int, encoded: str) -> None:
    key = encode_slice_key(b"w", (Extent(start, 1),))
    assert key == bytes.fromhex("00 77 0001 0101" + encoded + "81")


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=2))
def test_keys_sort_as_the_numbers_in_them(starts: list[int]) -> None:
    first, second = (encode_slice_key(b"w", (Extent(start, 1),)) for start in starts)
    assert (first < second) == (starts[0] < starts[1])


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_keys_sort_as_the_names_in_them(first: bytes, second: bytes) -> None:
    keys = [encode_slice_key(name, (WHOLE,)) for name in (first, second)]
    assert (keys[0] < keys[1]) == (first < second)


def test_keys_are_those_that_tensorflow_writes(tensorflow: Judge, tmp_path: Path) -> None:
    # Starts around every width up to what a tensor of one byte an element can have in memory.
    starts = [0, 1, 63, 64, 8191, 8192, 2**20 - 1, 2**20, 2**27 - 1, 2**27, 2**34, 2**41]
    shape = (2**42, 3)
    specs = {f"{start}": (Extent(start, 1), WHOLE) for start in starts}
    names = dict.fromkeys(specs, "scope/\u00e9")
    tensorflow.write_bundle(
        tmp_path / "m",
        {key: np.zeros((1, 3), np.int8) for key in specs},
        names=names,
        shape_and_slices={
            key: f"{shape[0]} {shape[1]} " + ":".join(map(str, extents))
            for key, extents in specs.items()
        },
    )
    entries = open_table(BytesSource("m", (tmp_path / "m.index").read_bytes())).entries()
    written = {key for key, _ in entries if key[:1] == b"\0"}
    assert written == {encode_slice_key("scope/\u00e9".encode(), e) for e in specs.values()}


def test_fixture_has_the_keys_of_its_slices(fixtures: Path) -> None:
    index = (fixtures / "partitioned" / "partitioned.index").read_bytes()
    entries = dict(open_table(BytesSource("m", index)).entries())
    sliced = {
        name: [read_extents(part) for part in Message(entry).messages(7)]
        for name, entry in entries.items()
        if name and name[0]
    }
    keys = {encode_slice_key(name, extents) for name, parts in sliced.items() for extents in parts}
    assert keys == {key for key in entries if key[:1] == b"\0"}
    # Written in the order the slices were added, not by place.
    assert sliced[b"vector"] == [(Extent(7, 3),), (Extent(0, 3),), (Extent(3, 4),)]
    assert sliced[b"cube"][0] == (WHOLE, Extent(0, 1), WHOLE)


# ---------------------------------------------------------------- TensorSliceProto

ROWS = bytes.fromhex(
    "0a 04"  # extent, 4 bytes
    "0802 1001"  # start 2, length 1
    "0a 00"  # extent, empty: the whole dimension
    "0a 02"  # extent, 2 bytes
    "1000"  # start 0 is left out, length 0 is not: it is a member of a oneof
)


def test_missing_length_is_the_whole_dimension_zero_is_none_of_it() -> None:
    extents = (Extent(2, 1), WHOLE, Extent(0, 0))
    assert write_extents(extents) == ROWS
    assert read_extents(Message(ROWS)) == extents


@given(
    st.lists(
        st.just(WHOLE) | st.builds(Extent, st.integers(0, 2**62), st.integers(0, 2**62)), max_size=4
    ).map(tuple)
)
def test_extents_are_what_protobuf_writes(extents: Extents) -> None:
    proto = schema.message_class("TensorSliceProto")()
    for extent in extents:
        added = proto.extent.add(start=extent.start)  # type: ignore[attr-defined] # made at run time
        if extent.length is not None:
            added.length = extent.length
    assert write_extents(extents) == proto.SerializeToString()
    assert read_extents(Message(write_extents(extents))) == extents


@pytest.mark.parametrize("extent", ["08ffffffffffffffffff01", "10ffffffffffffffffff01"])
def test_negative_starts_and_lengths_are_refused(extent: str) -> None:
    with pytest.raises(FormatError, match="neither below 0") as caught:
        read_extents(Message(bytes.fromhex("0a00 0a0b" + extent)))
    assert caught.value.offset == 4


# ---------------------------------------------------------------- shape_and_slice


@pytest.mark.parametrize(
    ("text", "shape", "extents"),
    [
        ("", None, None),
        ("4 3 0,2:-", (4, 3), (Extent(0, 2), WHOLE)),
        ("10 7,3", (10,), (Extent(7, 3),)),
        ("2 3 4 -:0,1:-", (2, 3, 4), (WHOLE, Extent(0, 1), WHOLE)),
        ("0 -", (0,), (WHOLE,)),
    ],
)
def test_shape_and_slice_strings(
    text: str, shape: tuple[int, ...] | None, extents: Extents | None
) -> None:
    assert parse_shape_and_slice(text) == (shape, extents)


@pytest.mark.parametrize("text", [" ", "4", "4 3", "4 3 0,2", "a 0,1", "4 0;1", "4 0,1,2", "4 "])
def test_other_strings_are_refused(text: str) -> None:
    with pytest.raises(FormatError, match="found '"):
        parse_shape_and_slice(text)


@given(strategies.shapes.flatmap(lambda shape: st.tuples(st.just(shape), strategies.grids(shape))))
def test_strings_of_extents_are_parsed_back(made: tuple[tuple[int, ...], list[Extents]]) -> None:
    shape, tiles = made
    for extents in tiles:
        if shape:
            text = " ".join(map(str, shape)) + " " + ":".join(map(str, extents))
            assert parse_shape_and_slice(text) == (shape, extents)


# ---------------------------------------------------------------- tilings


def test_shape_of_a_slice() -> None:
    assert slice_shape((Extent(2, 2), WHOLE), (4, 6)) == (2, 6)
    assert slice_shape((), ()) == ()


@pytest.mark.parametrize(
    ("extents", "said"),
    [
        ((Extent(3, 2),), "a slice up to 5, expected at most 4"),
        ((Extent(0, 1), WHOLE), "rank 2, expected rank 1"),
    ],
)
def test_slice_beyond_its_tensor_is_refused(extents: Extents, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        slice_shape(extents, (4,))


@given(
    st.lists(st.integers(1, 5), max_size=3)
    .map(tuple)
    .flatmap(lambda shape: st.tuples(st.just(shape), strategies.grids(shape))),
    st.data(),
)
def test_each_element_once_is_a_tiling_and_nothing_else(
    made: tuple[tuple[int, ...], list[Extents]], data: st.DataObject
) -> None:
    shape, tiles = made
    check_tiling(tiles, shape)
    # One slice more, or one less, or one in another's place.
    changed = list(tiles)
    if data.draw(st.booleans()):
        changed.append(data.draw(st.sampled_from(tiles)))
    if data.draw(st.booleans()):
        changed.pop(data.draw(st.integers(0, len(changed) - 1)))
    count = np.zeros(shape, int)
    for extents in changed:
        count[strategies.place_of(extents, shape)] += 1
    if (count == 1).all():
        check_tiling(changed, shape)
    else:
        with pytest.raises(FormatError, match="slices"):
            check_tiling(changed, shape)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)).map(
            lambda n: (Extent(min(n[:2]), abs(n[0] - n[1])), Extent(min(n[2:]), abs(n[2] - n[3])))
        ),
        max_size=6,
    )
)
def test_any_boxes_are_counted_right(tiles: list[Extents]) -> None:
    count = np.zeros((3, 3), int)
    for extents in tiles:
        count[strategies.place_of(extents, (3, 3))] += 1
    if (count == 1).all():
        check_tiling(tiles, (3, 3))
    else:
        with pytest.raises(FormatError, match="slices"):
            check_tiling(tiles, (3, 3))


def test_boxes_that_no_cut_separates_still_tile() -> None:
    # A pinwheel: four bars around a middle.
    pinwheel: list[Extents] = [
        (Extent(0, 1), Extent(0, 2)),
        (Extent(0, 2), Extent(2, 1)),
        (Extent(2, 1), Extent(1, 2)),
        (Extent(1, 2), Extent(0, 1)),
        (Extent(1, 1), Extent(1, 1)),
    ]
    check_tiling(pinwheel, (3, 3))
    assert sum(prod(slice_shape(extents, (3, 3))) for extents in pinwheel) == 9


def test_missing_and_overlapping_slices_are_told_apart() -> None:
    with pytest.raises(FormatError, match="slices of 2 elements together, expected 3"):
        check_tiling([(Extent(0, 2),)], (3,))
    with pytest.raises(FormatError, match="slices that overlap"):
        check_tiling([(Extent(0, 2),), (Extent(1, 1),)], (3,))


def test_a_hundred_thousand_slices_are_checked_in_no_time() -> None:
    tiles: list[Extents] = [(Extent(i, 1), Extent(j, 1)) for i in range(300) for j in range(300)]
    check_tiling(tiles, (300, 300))
    # As many elements as the whole, one of them twice.
    tiles[0] = tiles[1]
    with pytest.raises(FormatError, match="slices that overlap"):
        check_tiling(tiles, (300, 300))


@pytest.mark.parametrize(
    "name", [b"w", b"", b"a\0b", b"\xff", b"\xff\x01", b"\0\x01\xff\0", b"\xe9"]
)
def test_a_slice_key_tells_the_name(name: bytes) -> None:
    key = encode_slice_key(name, (Extent(1, 2), Extent()))
    assert name_in_slice_key(key).encode("utf-8", "surrogateescape") == name


@pytest.mark.parametrize("key", [b"", b"\0", b"w", b"\0w", b"\0\xff\x01", b"\0w\0\0"])
def test_what_is_no_slice_key_tells_none(key: bytes) -> None:
    assert name_in_slice_key(key) == ""
