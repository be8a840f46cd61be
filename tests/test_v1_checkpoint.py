"""V1 checkpoints: known bytes, every form TensorFlow writes, faults of what ours reads."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.judges.client import Judge, sha256
from tests.test_tensor_bundle import create, digests, open_bundle
from tfartifacts.errors import FormatError, PathNotFoundError, UnsupportedError
from tfartifacts.formats.bundle_writing import write_bundle
from tfartifacts.formats.slices import encode_slice_key, write_extents
from tfartifacts.formats.table import open_table, write_table
from tfartifacts.formats.tensor_data import object_array
from tfartifacts.formats.v1_checkpoint import prefix_of_shard, read_v1_checkpoint, shard_files
from tfartifacts.formats.versions import write_versions
from tfartifacts.formats.wire import put_bytes, put_integer
from tfartifacts.model.graphs import Versions
from tfartifacts.model.variables import Extent
from tfartifacts.storage import files as storage
from tfartifacts.storage.files import FileSource

WHOLE = Extent()


def meta(
    name: bytes,
    dtype: int,
    sizes: list[int],
    slices: list[tuple[Extent, ...]],
) -> bytes:
    """A SavedSliceMeta."""
    shape = b"".join(put_bytes(2, put_integer(1, size)) for size in sizes)
    listed = b"".join(put_bytes(4, write_extents(extents)) for extents in slices)
    return put_bytes(1, name) + put_bytes(2, shape) + put_integer(3, dtype) + listed


def header(*tensors: bytes, versions: Versions = Versions(1)) -> bytes:  # noqa: B008 - frozen
    listed = b"".join(put_bytes(1, tensor) for tensor in tensors)
    return put_bytes(1, listed + put_bytes(2, write_versions(versions)))


def value(name: bytes, extents: tuple[Extent, ...], proto: bytes) -> bytes:
    return put_bytes(
        2, put_bytes(1, name) + put_bytes(2, write_extents(extents)) + put_bytes(3, proto)
    )


def write_raw(path: Path, entries: Mapping[bytes, bytes]) -> Path:
    path.write_bytes(write_table(sorted(entries.items())))
    return path


def simple(tensor: bytes | None = None, proto: bytes = b"\x2a\x08\0\0\x80\x3f\0\0\0\xc0") -> Any:
    """The entries of a checkpoint with "b" alone, something in it changed."""
    tensor = meta(b"b", 1, [2], [(WHOLE,)]) if tensor is None else tensor
    return {
        b"": header(tensor),
        encode_slice_key(b"b", (WHOLE,)): value(b"b", (WHOLE,), proto),
    }


def test_v1_checkpoint_byte_by_byte(tensorflow_2_21: Judge, tmp_path: Path) -> None:
    tensorflow_2_21.write_v1(tmp_path / "m", {"b": np.array([1, -2], np.float32)})
    path = tmp_path / "m"
    theirs = dict(open_table(FileSource(str(path), path.stat().st_size)).entries())
    assert theirs == {
        b"": bytes.fromhex(
            "0a 15"  # meta, 21 bytes
            "0a 0f"  # tensor, 15 bytes
            "0a01 62"  # name: "b"
            "12 04 1202 0802"  # shape: dim {size: 2}
            "1801"  # type: DT_FLOAT
            "2202 0a00"  # slice: the whole dimension
            "12 02 0801"  # versions {producer: 1}
        ),
        bytes.fromhex("00 62 0001 0101 80 7f"): bytes.fromhex(
            "12 13"  # data, 19 bytes
            "0a01 62"  # name: "b"
            "1202 0a00"  # slice: the whole dimension
            "1a 0a"  # TensorProto, 10 bytes: neither dtype nor shape
            "2a08 0000803f 000000c0"  # float_val: 1.0, -2.0
        ),
    }
    assert theirs == simple()
    (variable,) = read_v1_checkpoint(str(path)).variables.values()
    assert variable.read().tolist() == [1.0, -2.0]


def test_every_form_reads_as_tensorflow_restores_it(tensorflow_2_21: Judge, fixtures: Path) -> None:
    prefix = fixtures / "v1-checkpoint" / "all_forms"
    checkpoint = read_v1_checkpoint(str(prefix))
    theirs = tensorflow_2_21.list_checkpoint(prefix)
    assert checkpoint.variables.keys() == theirs.keys()
    refused = set()
    for name, facts in theirs.items():
        variable = checkpoint.variables[name]
        assert (str(variable.dtype), list(variable.shape)) == (facts["dtype"], facts["shape"])
        assert sha256(variable.read()) == facts["sha256"], name
        if "reader_error" in facts:
            refused.add(name)
    # TensorFlow's own CheckpointReader refuses some of what its RestoreV2 reads.
    assert {"float16/vector", "complex64/scalar", "rows", "qint8/vector"} <= refused
    assert [str(part) for part in checkpoint.variables["blocks"].slices] == [
        "0,2:0,2",
        "2,2:0,2",
        "-:2,1",
    ]


def test_files_of_both_versions_are_the_same(
    tensorflow_1_15: Judge, tensorflow_2_21: Judge, tmp_path: Path
) -> None:
    arrays = {
        "a": np.arange(6, dtype=np.int32).reshape(2, 3) - 3,
        "b": np.array([True, False]),
        "c": object_array([b"x", b""], (2,)),
        "d": np.float64(0.5),
        "e": np.zeros((0, 2), np.float32),
    }
    files = []
    for judge in (tensorflow_1_15, tensorflow_2_21):
        path = tmp_path / judge.version()["tensorflow"]
        judge.write_v1(path, arrays)
        files.append(path.read_bytes())
        checkpoint = read_v1_checkpoint(str(path))
        assert digests(checkpoint) == {name: sha256(array) for name, array in arrays.items()}
        assert checkpoint.versions == Versions(1)
        assert checkpoint.format == "V1"
    assert files[0] == files[1]


def test_many_values_take_several_blocks(tensorflow_2_21: Judge, tmp_path: Path) -> None:
    arrays = {f"v{i:03}": np.full(3000, i, np.float32) for i in range(60)}
    tensorflow_2_21.write_v1(tmp_path / "m", arrays)
    size = (tmp_path / "m").stat().st_size
    assert len(open_table(FileSource(str(tmp_path / "m"), size)).index) > 1
    checkpoint = read_v1_checkpoint(str(tmp_path / "m"))
    assert digests(checkpoint) == {name: sha256(array) for name, array in arrays.items()}


def test_shards_are_found_by_prefix_and_make_one_checkpoint(fixtures: Path) -> None:
    prefix = str(fixtures / "v1-checkpoint" / "sharded")
    assert [os.path.basename(path) for path in shard_files(prefix)] == [
        "sharded-00000-of-00002",
        "sharded-00001-of-00002",
    ]
    assert prefix_of_shard("runs/m-00001-of-00002") == "runs/m"
    assert prefix_of_shard("runs/m-?????-of-00002") == "runs/m"
    assert prefix_of_shard("runs/m-1-of-2") is None
    checkpoint = read_v1_checkpoint(prefix)
    assert checkpoint.num_shards == 2
    matrix = checkpoint.variables["matrix"]
    assert [str(part) for part in matrix.slices] == ["0,1:-", "3,1:-", "1,2:-"]
    np.testing.assert_array_equal(matrix.read(), np.arange(12, dtype=np.float32).reshape(4, 3))
    assert checkpoint.variables["step"].read() == 7
    assert checkpoint.problems == ()


def test_missing_shard_is_a_problem_what_is_there_is_read(fixtures: Path, tmp_path: Path) -> None:
    shutil.copy(fixtures / "v1-checkpoint" / "sharded-00000-of-00002", tmp_path)
    checkpoint = read_v1_checkpoint(str(tmp_path / "sharded"))
    (problem,) = checkpoint.problems
    assert isinstance(problem, PathNotFoundError)
    assert "found 1 of 2 shards" in problem.message
    assert checkpoint.variables["bias"].read().tolist() == [0.1, 0.2]
    assert len(checkpoint.variables["matrix"].slices) == 2


def test_complete_set_of_shards_wins(tmp_path: Path) -> None:
    for name in ("m-00000-of-00003", "m-00000-of-00002", "m-00001-of-00002", "m2-00000-of-00001"):
        (tmp_path / name).write_bytes(b"")
    found = [os.path.basename(path) for path in shard_files(str(tmp_path / "m"))]
    assert found == ["m-00000-of-00002", "m-00001-of-00002"]
    assert shard_files(str(tmp_path / "n")) == ()
    with pytest.raises(PathNotFoundError, match="no such checkpoint"):
        read_v1_checkpoint(str(tmp_path / "n"))


def test_written_as_v2_tensorflow_reads_the_same_values(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    for name in ("all_forms", "sharded"):
        source = read_v1_checkpoint(str(fixtures / "v1-checkpoint" / name))
        write_bundle(source, str(tmp_path / name), create)
        assert digests(open_bundle(tmp_path / name)) == digests(source)
        theirs = tensorflow.list_checkpoint(tmp_path / name)
        for key, digest in digests(source).items():
            if key == "half_slices":
                # TensorFlow copies no part of a half tensor in V2; the stored slices it reads.
                assert "sha256" not in theirs[key]
                part = tensorflow.restore_slice(tmp_path / name, key, "float16", "4 1,3")
                assert part.tolist() == [1.5, 2.5, 3.5]
            else:
                assert theirs[key]["sha256"] == digest


def test_nothing_but_headers_is_read_before_values_are(
    fixtures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    real = storage.FileSource.read

    def recording(self: FileSource, offset: int, size: int) -> bytes:
        reads.append(size)
        return real(self, offset, size)

    monkeypatch.setattr(storage.FileSource, "read", recording)
    checkpoint = read_v1_checkpoint(str(fixtures / "v1-checkpoint" / "all_forms"))
    opened = len(reads)
    for variable in checkpoint.variables.values():
        if variable.dtype.itemsize is not None:
            assert variable.nbytes == variable.num_elements * variable.dtype.itemsize
        assert all(part.location is None for part in variable.values)
    assert len(reads) == opened
    checkpoint.variables["rows"].read()
    assert len(reads) - opened == 1  # the block that both slices are in
    # How long strings are stands with them.
    assert checkpoint.variables["string/scalar"].nbytes == 1 + 4 + len("hello")
    assert len(reads) - opened == 1


def test_values_can_be_pickled_and_read_from_threads(fixtures: Path) -> None:
    checkpoint = read_v1_checkpoint(str(fixtures / "v1-checkpoint" / "all_forms"))
    expected = digests(checkpoint)
    again = pickle.loads(pickle.dumps(checkpoint))
    assert digests(again) == expected
    with ThreadPoolExecutor(8) as pool:
        names = list(expected) * 5
        read = list(pool.map(lambda name: sha256(again.variables[name].read()), names))
    assert read == [expected[name] for name in names]


def test_values_read_are_writable_and_ones_own(fixtures: Path) -> None:
    checkpoint = read_v1_checkpoint(str(fixtures / "v1-checkpoint" / "all_forms"))
    for variable in checkpoint.variables.values():
        array = variable.read()
        assert array.flags.writeable
        assert array.dtype == variable.dtype.to_numpy()
        before = sha256(array)
        array.fill(0)
        assert sha256(variable.read()) == before


# ---------------------------------------------------------------- faults


def test_what_the_faulty_ones_differ_from_is_read(tmp_path: Path) -> None:
    checkpoint = read_v1_checkpoint(str(write_raw(tmp_path / "m", simple())))
    assert checkpoint.variables["b"].read().tolist() == [1.0, -2.0]


@pytest.mark.parametrize(
    ("entries", "kind", "said"),
    [
        ({b"x": b""}, FormatError, "no header"),
        ({}, FormatError, "no header"),
        ({b"": b""}, FormatError, "no list of tensors"),
        ({b"": b"\x0a\x05"}, FormatError, "past the end"),
        ({b"": header(versions=Versions(1, 2))}, UnsupportedError, "version 2 or later"),
        ({b"": header(versions=Versions(1, 0, (1,)))}, UnsupportedError, "forbids readers"),
        (simple(meta(b"b", 1, [-1], [(WHOLE,)])), FormatError, "unknown sizes"),
        (simple(meta(b"b", 99, [2], [(WHOLE,)])), FormatError, "data type number 99"),
        (simple(meta(b"b", 101, [2], [(WHOLE,)])), UnsupportedError, "float32_ref"),
        (simple(meta(b"b", 1, [2], [])), FormatError, "slices of 0 elements together"),
        (simple(meta(b"b", 1, [2], [(WHOLE, WHOLE)])), FormatError, "rank 2, expected rank 1"),
        (simple(meta(b"b", 1, [2], [(WHOLE,), (WHOLE,)])), FormatError, "stored twice"),
        (simple(meta(b"b", 1, [2], [(Extent(1, 2),)])), FormatError, "up to 3, expected at most 2"),
    ],
)
def test_faulty_header_is_refused(
    tmp_path: Path, entries: dict[bytes, bytes], kind: type[FormatError], said: str
) -> None:
    path = write_raw(tmp_path / "m", entries)
    with pytest.raises(kind, match=said) as caught:
        read_v1_checkpoint(str(path))
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (simple(proto=b"\x2a\x04\0\0\x80\x3f"), "found 1 values, expected 2"),
        (simple(proto=b""), "found 0 values, expected 2"),
        (simple(proto=b"\x32\x08" + bytes(8)), "found 0 values, expected 2"),
        (simple(proto=b"\x2a\x05" + bytes(5)), "found 5 bytes, expected numbers of 4"),
        ({b"": simple()[b""]}, "no value for the stored slice"),
    ],
)
def test_faulty_value_is_told_when_it_is_read(
    tmp_path: Path, entries: dict[bytes, bytes], said: str
) -> None:
    path = write_raw(tmp_path / "m", entries)
    variable = read_v1_checkpoint(str(path)).variables["b"]
    with pytest.raises(FormatError, match=said) as caught:
        variable.read()
    assert caught.value.path == str(path)
    assert "\\x00b\\x00\\x01" in caught.value.message


def test_shards_that_disagree_are_refused(tmp_path: Path) -> None:
    write_raw(tmp_path / "m-00000-of-00002", simple())
    other = simple(meta(b"b", 2, [2], [(WHOLE,)]))
    write_raw(tmp_path / "m-00001-of-00002", other)
    with pytest.raises(FormatError, match="as float64 of shape \\(2,\\) and as float32") as caught:
        read_v1_checkpoint(str(tmp_path / "m"))
    assert caught.value.path == str(tmp_path / "m-00001-of-00002")


def test_names_need_not_be_utf8(tmp_path: Path) -> None:
    entries = {
        b"": header(meta(b"\xff", 9, [], [()])),
        encode_slice_key(b"\xff", ()): value(b"\xff", (), put_bytes(10, b"\x07")),
    }
    checkpoint = read_v1_checkpoint(str(write_raw(tmp_path / "m", entries)))
    assert checkpoint.variables["\udcff"].read() == 7
