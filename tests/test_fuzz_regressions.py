"""What fuzzing found, made small: each input a reader once stumbled over.

The test names what is true now; see tests/fuzz for how they were found.
"""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS
from tfartifacts.errors import FormatError
from tfartifacts.formats.meta_graph import encode_meta_graph, read_meta_graph, splice_meta_graph
from tfartifacts.formats.node_def import read_node
from tfartifacts.formats.saved_model import read_saved_model, splice_saved_model
from tfartifacts.formats.saved_object_graph import signature_keys, with_signature_keys
from tfartifacts.formats.slices import read_extents
from tfartifacts.formats.table import open_table, write_table
from tfartifacts.formats.tensor_bundle import read_index
from tfartifacts.formats.tensor_proto import EncodedTensor
from tfartifacts.formats.v1_checkpoint import read_v1_checkpoint
from tfartifacts.formats.versions import read_versions
from tfartifacts.formats.wire import (
    Message,
    put_always,
    put_bytes,
    put_entry,
    put_fixed32,
    put_integer,
    put_text,
)
from tfartifacts.model.graphs import Versions
from tfartifacts.model.saved_models import AssetFile
from tfartifacts.model.variables import Extent
from tfartifacts.storage.files import BytesSource

# Target and input, as the fuzzer left them but for their size.
INPUTS = {
    "a field of signatures that is a number": ("meta_graph", "2801"),
    "a field of meta graphs that is a number": ("saved_model", "1001"),
    "a field of objects that is a number": (
        "object_graph",
        "0801 0a10 0a0e 0801 120a 7369676e617475726573 0a05 0a03 12016b",
    ),
    "an object of number -9": (
        "object_graph",
        "0a19 0a17 08f7ffffffffffffffff01 120a 7369676e617475726573",
    ),
    "an int4 with more bits than 4": ("tensor_proto", "081d 22012e"),
    "a string constant without a value": ("tensor_proto", "0807"),
    "one string with a NUL at its end for two": ("tensor_proto", "0807 1204 1202 0802 4202 6100"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_what_a_reader_stumbled_over_is_read_or_refused(name: str) -> None:
    target, data = INPUTS[name]
    TARGETS[target].examine(bytes.fromhex(data))


# ---------------------------------------------------------------- V1 checkpoints


def v1(path: Path, *slices: bytes, sizes: tuple[int, ...]) -> Path:
    """A V1 checkpoint that lists one variable `w` with these slices, and holds no value."""
    shape = b"".join(put_bytes(2, put_integer(1, size)) for size in sizes)
    listed = b"".join(put_bytes(4, part) for part in slices)
    tensor = put_text(1, "w") + put_bytes(2, shape) + put_integer(3, 1) + listed
    meta = put_bytes(1, tensor) + put_bytes(2, put_integer(1, 1))
    path.write_bytes(write_table([(b"", put_bytes(1, meta))]))
    return path


def test_an_empty_v1_variable_without_a_slice_is_refused(tmp_path: Path) -> None:
    path = v1(tmp_path / "model", sizes=(0, 3))
    with pytest.raises(FormatError, match="found no slice, expected one or more"):
        read_v1_checkpoint(str(path))


def test_slices_in_a_missing_shard_are_not_made_up(fixtures: Path, tmp_path: Path) -> None:
    shard = fixtures / "v1-checkpoint" / "sharded-00000-of-00002"
    (tmp_path / shard.name).write_bytes(shard.read_bytes())
    checkpoint = read_v1_checkpoint(str(tmp_path / "sharded"))
    with pytest.raises(FormatError, match="found 6 of 12 elements of 'matrix'") as caught:
        checkpoint.variables["matrix"].read()
    assert "shard that is missing" in caught.value.message


def test_a_missing_shard_does_not_excuse_what_is_stored_twice(tmp_path: Path) -> None:
    first, second = b"\x0a\x02\x10\x02", b"\x0a\x04\x08\x01\x10\x02"  # 0,2 and 1,2 of 4
    v1(tmp_path / "model-00000-of-00002", first, second, sizes=(4,))
    with pytest.raises(FormatError, match="overlap"):
        read_v1_checkpoint(str(tmp_path / "model"))


# ---------------------------------------------------------------- bundles


def index(entry: bytes) -> BytesSource:
    header = put_integer(1, 1) + put_bytes(3, put_integer(1, 1))
    return BytesSource("m.index", write_table([(b"", header), (b"w", entry)]))


@pytest.mark.parametrize(
    ("shape", "rest", "said"),
    [
        # A range of 4 bytes from 2^63 - 1: the end is beyond what an offset can be.
        ("", "20 ffffffffffffffff7f 28 04", "found 4 bytes at 9223372036854775807"),
        # 2^62 float32 are 2^64 bytes, of which a varint of 64 bits keeps 0.
        ("120a 08 80808080808080 8040", "2800", "found 0 bytes for float32"),
        ("120a 08 80808080808080 8040", "", "found 0 bytes for float32"),
    ],
)
def test_the_fast_way_through_an_index_refuses_what_the_slow_one_does(
    shape: str, rest: str, said: str
) -> None:
    head = put_integer(1, 1) + put_bytes(2, bytes.fromhex(shape))
    entry = head + bytes.fromhex(rest) + put_fixed32(6, 7)
    for encoded in (entry, entry + put_integer(99, 1)):
        with pytest.raises(FormatError, match=said):
            read_index(index(encoded), "m")


# ---------------------------------------------------------------- protobuf messages


def test_a_known_field_of_another_type_is_carried_when_signatures_are_changed() -> None:
    data = put_integer(5, 1) + put_integer(1, 1) + put_integer(7, 1)
    message = Message(data)
    assert b"".join(splice_meta_graph(message, read_meta_graph(message))) == data
    saved = put_integer(2, 7) + put_bytes(2, data) + put_integer(2, 8)
    assert b"".join(splice_saved_model(Message(saved), read_saved_model(Message(saved)))) == saved


def test_a_damaged_collection_of_assets_is_carried_beside_their_own_field() -> None:
    # The loader in C++ does not look at the collection where there is an asset_file_def.
    url = put_text(1, "type.googleapis.com/tensorflow.AssetFileDef")
    damaged = put_bytes(5, put_bytes(1, url + put_bytes(2, b"\x0a\x05")))
    collection = put_entry(4, "saved_model_assets", damaged)
    asset = put_bytes(6, put_bytes(1, put_text(1, "file:0")) + put_text(2, "words.txt"))
    data = put_bytes(1, b"") + put_bytes(2, b"") + collection + asset
    meta_graph = read_meta_graph(Message(data))
    assert meta_graph.asset_files == (AssetFile("file:0", "words.txt"),)
    assert b"".join(encode_meta_graph(meta_graph)) == data
    with pytest.raises(FormatError, match="past the end"):
        read_meta_graph(Message(collection))


def test_objects_are_counted_without_fields_of_another_type() -> None:
    root = put_bytes(1, put_bytes(1, put_integer(1, 1) + put_text(2, "signatures")))
    signatures = put_bytes(1, put_bytes(1, put_integer(1, 2) + put_text(2, "old")))
    function = put_bytes(1, put_bytes(1, put_text(2, "old")))
    data = put_integer(1, 5) + root + signatures + function
    changed = b"".join(with_signature_keys(Message(data), {"old": "new"}))
    assert signature_keys(Message(changed)) == ("new",)
    assert changed.endswith(function)


def test_versions_are_the_low_32_bits_as_protobuf_has_them() -> None:
    encoded = put_integer(1, 2**32 + 7) + put_integer(2, 2**31) + put_integer(3, -1)
    assert read_versions(Message(encoded)) == Versions(7, -(2**31), (-1,))


def test_an_extent_whose_length_is_no_number_is_the_whole_dimension() -> None:
    assert read_extents(Message(put_bytes(1, put_bytes(2, b"")))) == (Extent(0, None),)
    assert read_extents(Message(put_bytes(1, put_always(2, 0)))) == (Extent(0, 0),)


def test_one_string_stands_for_all_with_every_byte_of_it() -> None:
    shape = put_bytes(2, put_bytes(2, put_integer(1, 2)))
    array = EncodedTensor(put_integer(1, 7) + shape + put_bytes(8, b"a\0")).read()
    assert array.dtype == np.dtype(object)
    assert array.tolist() == [b"a\0", b"a\0"]


def test_bits_above_those_of_a_type_are_dropped_from_content_too() -> None:
    for field in (put_bytes(4, b"\x2e"), put_bytes(7, b"\x2e")):
        array = EncodedTensor(put_integer(1, 29) + field).read()  # int4
        assert array.tobytes() == b"\x0e"
        assert array.tolist() == -2


# ---------------------------------------------------------------- work in proportion


def test_long_keys_may_repeat_as_often_as_writers_let_them() -> None:
    keys = [b"k" * 1000 + bytes((high, low)) for high in range(20) for low in range(200)]
    entries = [(key, b"") for key in keys]
    target: Target = TARGETS["table"]
    assert target.examine(write_table(entries))


def test_a_block_is_read_once_for_all_values_that_are_asked_for_in_turn() -> None:
    entries = [(b"%05d" % number, b"v%d" % number) for number in range(10_000)]
    reads: list[int] = []

    class Recording(BytesSource):
        def read(self, offset: int, size: int) -> bytes:
            reads.append(offset)
            return super().read(offset, size)

    table = open_table(Recording("t", write_table(entries)))
    opened = len(reads)
    assert [(key, table.get(key)) for key, _ in entries] == entries
    assert len(reads) - opened == len(table.index) < 5
    assert pickle.loads(pickle.dumps(open_table(BytesSource("t", write_table(entries))))).get(
        b"00007"
    )


def test_unknown_fields_of_a_node_take_time_in_proportion() -> None:
    def seconds(number: int) -> float:
        unknown = put_integer(9, 1) * number
        node = put_text(1, "n") + put_text(2, "NoOp") + unknown
        start = time.process_time()
        assert read_node(node, 0, len(node)).unknown_fields == unknown
        return time.process_time() - start

    # Four times as many: 4 if each is looked at once, 16 if each copied those before.
    assert seconds(800_000) < 9 * max(seconds(200_000), 0.05)
