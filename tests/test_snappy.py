"""Snappy blocks: known streams, any stream, and indexes other tools packed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests.judges.client import Judge, sha256
from tfartifacts.errors import FormatError
from tfartifacts.formats.checksums import crc32c, mask
from tfartifacts.formats.snappy import MAX_UNCOMPRESSED, decompress
from tfartifacts.formats.table import FOOTER_SIZE, MAGIC, Handle, open_table
from tfartifacts.formats.table_blocks import BlockBuilder
from tfartifacts.formats.wire import varint
from tfartifacts.storage.files import BytesSource


def literal(data: bytes) -> bytes:
    """The shortest form of a literal."""
    length = len(data) - 1
    if length < 60:
        return bytes((length << 2,)) + data
    size = (length.bit_length() + 7) // 8
    return bytes(((59 + size) << 2,)) + length.to_bytes(size, "little") + data


def copy(kind: int, offset: int, length: int) -> bytes:
    """A copy with an offset of 11 bits (kind 1), 16 (2) or 32 (3)."""
    if kind == 1:
        return bytes((1 | (length - 4) << 2 | offset >> 8 << 5, offset & 0xFF))
    return bytes((kind | (length - 1) << 2,)) + offset.to_bytes(2 if kind == 2 else 4, "little")


def pack(data: bytes) -> bytes:
    """A Snappy block of any bytes: copies of what was there a moment ago, else literals."""
    packed = varint(len(data))
    position = start = 0
    seen: dict[bytes, int] = {}
    while position < len(data):
        found = seen.get(data[position : position + 4])
        seen[data[position : position + 4]] = position
        if found is None or position - found > 0xFFFF or position + 4 > len(data):
            position += 1
            continue
        length = 4
        while (
            length < 64
            and data[found + length : found + length + 1]
            == data[position + length : position + length + 1]
            != b""
        ):
            length += 1
        if start < position:
            packed += literal(data[start:position])
        packed += copy(2, position - found, length)
        position += length
        start = position
    return packed + (literal(data[start:]) if start < len(data) else b"")


@pytest.mark.parametrize(
    ("packed", "data"),
    [
        ("00", b""),
        ("05 10 68656c6c6f", b"hello"),  # a literal of 5: (5-1) << 2
        ("0b 04 6162 1502", b"abababababa"),  # 9 bytes from 2 back, offset of 11 bits
        ("08 08 616263 1203 00", b"abcabcab"),  # 5 bytes from 3 back, offset of 16 bits
        ("06 08 616263 0b0300 0000", b"abcabc"),  # 3 bytes from 3 back, offset of 32 bits
    ],
)
def test_each_element_of_a_stream(packed: str, data: bytes) -> None:
    assert decompress(bytes.fromhex(packed)) == data


@pytest.mark.parametrize("length", [1, 60, 61, 256, 257, 65536, 65537])
def test_literals_of_every_form_of_length(length: int) -> None:
    data = bytes(i * 7 % 251 for i in range(length))
    assert decompress(varint(length) + literal(data)) == data


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A stream, and by the slow way what it holds."""
    data = bytearray(draw(st.binary(min_size=1, max_size=70)))
    packed = literal(bytes(data))
    for _ in range(draw(st.integers(0, 8))):
        if draw(st.booleans()):
            more = draw(st.binary(min_size=1, max_size=5))
            packed += literal(more)
            data += more
            continue
        offset = draw(st.integers(1, len(data)))
        kind = draw(st.integers(1 if offset < 2048 else 2, 3))
        length = draw(st.integers(4, 11) if kind == 1 else st.integers(1, 64))
        packed += copy(kind, offset, length)
        for _ in range(length):  # a copy may reach into what it makes
            data.append(data[-offset])
    return varint(len(data)) + packed, bytes(data)


@given(streams())
def test_any_stream_is_unpacked(stream: tuple[bytes, bytes]) -> None:
    packed, data = stream
    assert decompress(packed) == data


@given(st.lists(st.sampled_from([b"net/w", b"net/b", b"\0", b"x"]), max_size=60).map(b"".join))
def test_what_is_packed_here_is_unpacked(data: bytes) -> None:
    assert decompress(pack(data)) == data


@pytest.mark.parametrize(
    ("packed", "said", "offset"),
    [
        ("", "no length", 0),
        ("ffffffffff", "no length", 0),
        ("8080808001 00", "more than Snappy can", 0),
        ("7f 0061", "more than Snappy can", 0),
        ("05 10 68656c6c", "end of a Snappy literal missing", 1),
        ("05 f0", "literal missing", 1),  # the literal's length is in the next byte
        ("05 fc ffffffff 61", "literal missing", 1),
        ("05 0061 0d", "end of a Snappy copy missing", 3),
        ("05 0061 0e01", "end of a Snappy copy missing", 3),
        ("05 0061 0f010000", "end of a Snappy copy missing", 3),
        ("05 0061 0d00", "copy from 0 bytes back", 3),
        ("05 0061 0d02", "copy from 2 bytes back", 3),
        ("05 10 68656c6c6f 0061", "more than the 5 bytes announced", 7),
        ("06 10 68656c6c6f", "found 5 unpacked bytes, expected 6", 0),
    ],
)
def test_each_fault_is_told_with_its_offset(packed: str, said: str, offset: int) -> None:
    with pytest.raises(FormatError, match=said) as caught:
        decompress(bytes.fromhex(packed))
    assert caught.value.offset == offset


def test_no_block_unpacks_to_more_than_64_mib() -> None:
    packed = varint(MAX_UNCOMPRESSED + 1) + b"\0" * (MAX_UNCOMPRESSED // 20)
    with pytest.raises(FormatError, match="more than Snappy can"):
        decompress(packed)


@given(st.binary(max_size=30))
def test_any_bytes_are_unpacked_or_refused_inside(packed: bytes) -> None:
    try:
        data = decompress(packed)
    except FormatError as error:
        assert 0 <= (error.offset or 0) <= len(packed)  # noqa: PT017
    else:
        assert len(data) <= 22 * len(packed)


# ---------------------------------------------------------------- tables


def pack_table(data: bytes) -> bytes:
    """The same table with every block packed."""
    table = open_table(BytesSource("t", data))
    output = bytearray()

    def write(contents: bytes) -> Handle:
        packed = pack(contents)
        handle = Handle(len(output), len(packed))
        output.extend(packed + b"\1" + mask(crc32c(packed + b"\1")).to_bytes(4, "little"))
        return handle

    index = BlockBuilder(restart_interval=1)
    for key, handle in table.index:
        index.add(key, write(data[handle.offset : handle.offset + handle.size]).encoded())
    metaindex = write(bytes(4) + b"\1\0\0\0")
    footer = metaindex.encoded() + write(index.contents()).encoded()
    return bytes(output) + footer.ljust(FOOTER_SIZE - 8, b"\0") + MAGIC


def test_packed_index_reads_as_the_plain_one_and_as_tensorflow_reads_it(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    source = fixtures / "digits" / "checkpoints" / "my_model-4"
    plain = source.with_name("my_model-4.index").read_bytes()
    packed = pack_table(plain)
    assert len(packed) < len(plain)
    (tmp_path / "m.index").write_bytes(packed)
    data = source.with_name("my_model-4.data-00000-of-00001").read_bytes()
    (tmp_path / "m.data-00000-of-00001").write_bytes(data)
    checkpoint = tfa.open(tmp_path / "m")
    assert isinstance(checkpoint, tfa.Checkpoint)
    ours = {name: sha256(variable.read()) for name, variable in checkpoint.variables.items()}
    theirs = tensorflow.list_checkpoint(tmp_path / "m")
    assert ours == {name: facts["sha256"] for name, facts in theirs.items()}


def test_a_fault_in_a_packed_block_is_told_with_the_place_of_the_block(tmp_path: Path) -> None:
    block = b"\x05\x10hell"  # a literal that is cut
    stored = block + b"\1" + mask(crc32c(block + b"\1")).to_bytes(4, "little")
    (tmp_path / "m.index").write_bytes(stored + bytes(80))
    index = BlockBuilder(1)
    index.add(b"k", Handle(0, len(block)).encoded())
    data = bytearray(stored)
    handles = []
    for contents in (bytes(4) + b"\1\0\0\0", index.contents()):
        handles.append(Handle(len(data), len(contents)).encoded())
        data += contents + b"\0" + mask(crc32c(contents + b"\0")).to_bytes(4, "little")
    data += b"".join(handles).ljust(FOOTER_SIZE - 8, b"\0") + MAGIC
    with pytest.raises(FormatError, match="literal missing") as caught:
        list(open_table(BytesSource("m.index", bytes(data))).entries())
    assert (caught.value.path, caught.value.offset) == ("m.index", 1)


@pytest.mark.parametrize("folder", ["046_srv_half_plus_two_mlmd", "087_ydf_gbdt"])
def test_indexes_that_other_tools_packed_are_read(
    tensorflow_2_21: Judge, shared_artifacts: Path, folder: str
) -> None:
    prefix = shared_artifacts / "real" / folder / "variables" / "variables"
    data = prefix.with_suffix(".index").read_bytes()
    _, handle = open_table(BytesSource("t", data)).index[0]
    assert data[handle.offset + handle.size] == 1  # Snappy
    checkpoint = tfa.open(prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    theirs = tensorflow_2_21.list_checkpoint(prefix)
    assert {name: sha256(v.read()) for name, v in checkpoint.variables.items()} == {
        name: facts["sha256"] for name, facts in theirs.items()
    }
