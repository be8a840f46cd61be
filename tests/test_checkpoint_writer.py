"""Variables written one at a time are a checkpoint in the end, or nothing at all."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.conftest import PROJECT
from tests.judges.client import Judge, sha256
from tests.test_from_arrays import QUANTIZED, bits, every_array, opened
from tfartifacts.formats.tensor_data import ArrayTensor
from tfartifacts.storage.temporary import MARK

MIB = 1 << 20


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# ---------------------------------------------------------------- what TensorFlow reads


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("version", ["1.15", "2.21"])
def test_tensorflow_reads_what_was_added(
    version: str, shards: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    judge: Judge = request.getfixturevalue(f"tensorflow_{version.replace('.', '_')}")
    dtypes = tuple(d for d in strategies.FIXED_DTYPES if version != "1.15" or d.number <= 23)
    arrays, told = every_array(dtypes)
    prefix = tmp_path / "runs" / "model.ckpt-7"
    with tfa.CheckpointWriter(prefix, shards=shards) as writer:
        for name, array in reversed(arrays.items()):
            writer.add(name, array, dtype=told.get(name))
        writer.add_blocks("blocks", "float64", (2, 3), iter([[1.0], [[2.0, 3.0]], [4.0, 5.0, 6.0]]))
        writer.add_blocks("strings", "string", (3,), [["a"], [b"b\0", "ü"], []])
    listed = judge.list_checkpoint(prefix)
    assert listed.keys() == {*arrays, "blocks", "strings"}
    written = opened(prefix)
    assert written.num_shards == shards
    for name, array in arrays.items():
        expected = bits(array, written.variables[name].dtype)
        assert listed[name].get("sha256") == expected, (name, listed[name])
    found = judge.read_checkpoint(prefix)
    assert found["blocks"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found["strings"].tolist() == [b"a", b"b\0", "ü".encode()]
    assert judge.latest_checkpoint(tmp_path / "runs") == str(prefix)


@given(st.dictionaries(strategies.names, strategies.tensors(), min_size=1, max_size=5), st.data())
def test_the_files_are_those_of_save(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[str, ArrayTensor],
    data: st.DataObject,
) -> None:
    told = {name: t.dtype for name, t in tensors.items() if t.dtype.name in QUANTIZED}
    arrays = {name: tensor.array for name, tensor in tensors.items()}
    folder = tmp_path_factory.mktemp("written")
    tfa.save(tfa.Checkpoint.from_arrays(arrays, dtypes=told), folder / "saved" / "m")
    with tfa.CheckpointWriter(folder / "sorted" / "m") as writer:
        for name in sorted(arrays, key=str.encode):
            writer.add(name, arrays[name], dtype=told.get(name))
    for path in (folder / "saved").iterdir():
        assert (folder / "sorted" / path.name).read_bytes() == path.read_bytes(), path.name
    with tfa.CheckpointWriter(folder / "any" / "m", shards=2) as writer:
        for name in data.draw(st.permutations(list(arrays))):
            writer.add(name, arrays[name], dtype=told.get(name))
    found = opened(folder / "any" / "m")
    assert list(found.variables) == sorted(arrays, key=str.encode)
    assert not found.problems
    for name, tensor in tensors.items():
        assert sha256(found.variables[name].read()) == sha256(tensor.array)


def test_variables_of_another_checkpoint_are_streamed_in_their_slices(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    source = opened(fixtures / "partitioned" / "partitioned")
    with tfa.CheckpointWriter(tmp_path / "m", shards=2) as writer:
        for name, variable in source.variables.items():
            writer.add(f"new/{name}", variable)
    written = opened(tmp_path / "m")
    for name, variable in source.variables.items():
        found = written.variables[f"new/{name}"]
        assert [part.extents for part in found.slices] == [p.extents for p in variable.slices]
        assert sha256(found.read()) == sha256(variable.read())
    for name, array in tensorflow.read_checkpoint(tmp_path / "m").items():
        assert sha256(array) == sha256(written.variables[name].read())


def test_shards_fill_evenly(tmp_path: Path) -> None:
    with tfa.CheckpointWriter(tmp_path / "m", shards=3) as writer:
        for number in range(9):
            writer.add(f"v{number}", np.zeros(1000, np.uint8))
    assert [file.size for file in opened(tmp_path / "m").files[1:]] == [3000] * 3


def test_what_was_written_is_said(tmp_path: Path) -> None:
    writer = tfa.CheckpointWriter(tmp_path / "m")
    assert writer.saved is None
    with writer:
        writer.add("w", 1.0)
    assert writer.saved is not None
    assert list(writer.saved.paths) == [str(path) for path in sorted(tmp_path.iterdir())]
    assert all(file.size == os.path.getsize(file.path) for file in writer.saved.files)


def test_a_state_file_is_changed_only_when_asked_for(tmp_path: Path) -> None:
    for number in range(4):
        with tfa.CheckpointWriter(tmp_path / f"m-{number}", update_state=number > 1) as writer:
            writer.add("w", number)
        directory = tfa.open(tmp_path)
        assert isinstance(directory, tfa.CheckpointDirectory)
        assert directory.latest is not None
        assert directory.latest.step == (number if number > 1 else 0)
        assert writer.saved is not None
        assert any("--update-state" in note for note in writer.saved.notes) == (number == 1)
    with tfa.CheckpointWriter(tmp_path / "m-4", update_state=True, max_to_keep=2) as writer:
        writer.add("w", 4)
    directory = tfa.open(tmp_path)
    assert isinstance(directory, tfa.CheckpointDirectory)
    assert [checkpoint.step for checkpoint in directory.checkpoints] == [3, 4]


# ---------------------------------------------------------------- nothing is left


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("parent", [".", "new/newer"])
def test_a_block_that_raises_leaves_nothing(
    error: type[BaseException], parent: str, tmp_path: Path
) -> None:
    writer = tfa.CheckpointWriter(tmp_path / parent / "m", shards=2)

    def write() -> None:
        with writer:
            writer.add("w", np.zeros(MIB))
            assert not [path for path in tmp_path.glob(f"{parent}/*") if MARK not in path.name]
            raise error

    with pytest.raises(error):
        write()
    assert not names(tmp_path)
    assert writer.saved is None


def test_blocks_that_raise_leave_nothing(tmp_path: Path) -> None:
    def blocks() -> Iterator[Any]:
        yield np.zeros(10)
        raise RuntimeError("mine")

    with (
        pytest.raises(RuntimeError, match="mine"),
        tfa.CheckpointWriter(tmp_path / "m") as writer,
    ):
        writer.add_blocks("w", "float64", (20,), blocks())
    assert not names(tmp_path)


def test_half_a_variable_is_never_published_though_its_error_is_caught(tmp_path: Path) -> None:
    def write() -> None:
        with tfa.CheckpointWriter(tmp_path / "m") as writer:
            writer.add("good", 1)
            with pytest.raises(tfa.ConversionError, match=r"fewer elements .*in variable 'w'"):
                writer.add_blocks("w", "float64", (20,), [np.zeros(10)])
            with pytest.raises(tfa.ConversionError, match="not written to its end"):
                writer.add("another", 1)

    with pytest.raises(tfa.ConversionError, match="not written to its end"):
        write()
    assert not names(tmp_path)


def test_a_refusal_before_the_first_byte_does_no_harm(tmp_path: Path) -> None:
    with tfa.CheckpointWriter(tmp_path / "m") as writer:
        writer.add("w", 1)
        for name, array in [("w", 2), ("", 1), ("\0", 1), ("d", np.datetime64("2020-01-01"))]:
            with pytest.raises(tfa.ConversionError):
                writer.add(name, array)
        with pytest.raises(tfa.ConversionError, match="second variable 'w'"):
            writer.add_blocks("w", "int32", (), [])
        for dtype, shape in [("nonsense", (1,)), ("variant", (1,)), ("int8", (-1,))]:
            with pytest.raises(tfa.ConversionError, match="in variable 'x'"):
                writer.add_blocks("x", dtype, shape, [])
        writer.add("x", 3)
    assert {name: v.read() for name, v in opened(tmp_path / "m").variables.items()} == {
        "w": 1,
        "x": 3,
    }


@pytest.mark.parametrize(
    ("dtype", "shape", "blocks", "said"),
    [
        ("float32", (3,), [np.zeros(4, np.float32)], "more elements"),
        ("float32", (3,), [np.zeros(2, np.float32), np.zeros(2, np.float32)], "more elements"),
        ("float32", (3,), [np.zeros(3)], "found an array of float64, expected float32"),
        ("float32", (), [], "fewer elements"),
        ("string", (3,), [["a", "b"]], "fewer elements"),
        ("string", (1,), [["a", "b"]], "more elements"),
        ("string", (1,), [[1]], "found an array of int64, expected string"),
        ("int4", (1,), [np.zeros(1, np.int8)], "found an array of int8, expected int4"),
    ],
)
def test_blocks_that_do_not_fit_are_refused_by_name(
    dtype: str, shape: tuple[int, ...], blocks: list[Any], said: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(tfa.ConversionError, match=f"{said}.*in variable 'net/w'"),
        tfa.CheckpointWriter(tmp_path / "m") as writer,
    ):
        writer.add_blocks("net/w", dtype, shape, blocks)
    assert not names(tmp_path)


def test_a_damaged_source_is_not_copied(tmp_path: Path) -> None:
    tfa.save(tfa.Checkpoint.from_arrays({"w": np.zeros(9)}), tmp_path / "a" / "source")
    with open(tmp_path / "a" / "source.data-00000-of-00001", "r+b") as file:
        file.write(b"\1")
    variable = opened(tmp_path / "a" / "source").variables["w"]
    with (
        pytest.raises(tfa.ChecksumError) as caught,
        tfa.CheckpointWriter(tmp_path / "b" / "m") as writer,
    ):
        writer.add("w", variable)
    assert caught.value.path == str(tmp_path / "a" / "source.data-00000-of-00001")
    assert not (tmp_path / "b").exists()


def test_a_writer_without_variables_writes_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(tfa.ConversionError, match="no variables"),
        tfa.CheckpointWriter(tmp_path / "m"),
    ):
        pass
    assert not names(tmp_path)


def test_a_writer_is_for_one_block(tmp_path: Path) -> None:
    writer = tfa.CheckpointWriter(tmp_path / "m")
    with pytest.raises(tfa.ConversionError, match="not open"):
        writer.add("w", 1)
    with writer:
        writer.add("w", 1)
        with pytest.raises(tfa.ConversionError, match="used before"):
            writer.__enter__()
    with pytest.raises(tfa.ConversionError, match="not open"):
        writer.add("x", 1)
    with pytest.raises(tfa.ConversionError, match="used before"):
        writer.__enter__()
    assert list(opened(tmp_path / "m").variables) == ["w"]


# ---------------------------------------------------------------- destinations


@pytest.mark.parametrize("taken", ["m.index", "m.data-00000-of-00001", "m"])
def test_a_taken_prefix_is_refused_before_anything_is_written(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).write_text("mine")
    with (
        pytest.raises(tfa.DestinationExistsError),
        tfa.CheckpointWriter(tmp_path / "m"),
    ):
        pytest.fail("entered")
    assert names(tmp_path) == [taken]


@pytest.mark.parametrize("taken", ["m.index", "m.data-00000-of-00001"])
def test_a_prefix_taken_meanwhile_is_not_replaced(taken: str, tmp_path: Path) -> None:
    def write() -> None:
        with tfa.CheckpointWriter(tmp_path / "m") as writer:
            writer.add("w", 1)
            (tmp_path / taken).write_text("theirs")

    with pytest.raises(tfa.DestinationExistsError):
        write()
    assert names(tmp_path) == [taken]
    assert (tmp_path / taken).read_text() == "theirs"


@pytest.mark.parametrize(
    ("prefix", "options", "error", "said"),
    [
        ("m", {"shards": 0}, tfa.ConversionError, "found 0 shards"),
        ("m", {"shards": 100_000}, tfa.ConversionError, "found 100000 shards"),
        ("m", {"max_to_keep": 0, "update_state": True}, tfa.ConversionError, "0 checkpoints"),
        ("runs/", {}, tfa.ConversionError, "is a folder, expected a checkpoint prefix"),
        ("a\0b", {}, tfa.WriteError, "NUL byte"),
        ("m\udcff", {}, tfa.ConversionError, "not UTF-8"),
        ("x" * 300, {}, tfa.WriteError, "cannot write"),
    ],
)
def test_what_cannot_be_written_is_refused(
    prefix: str, options: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(error, match=said),
        tfa.CheckpointWriter(f"{tmp_path}/{prefix}", **options) as writer,
    ):
        writer.add("w", 1)
    assert not names(tmp_path)


def test_more_shards_than_files_can_be_open_are_an_error_of_ours(tmp_path: Path) -> None:
    code = (
        "import resource, sys, tfartifacts as tfa\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "try:\n"
        "    with tfa.CheckpointWriter(sys.argv[1], shards=100): pass\n"
        "except tfa.WriteError as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m")],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    assert "too many open files" in run.stdout
    assert not names(tmp_path)


def test_a_damaged_state_file_is_told_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(b"\xff{")
    with (
        pytest.raises(tfa.FormatError),
        tfa.CheckpointWriter(tmp_path / "m", update_state=True),
    ):
        pytest.fail("entered")
    assert names(tmp_path) == ["checkpoint"]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys, tfartifacts as tfa\n"
        "with tfa.CheckpointWriter(sys.argv[1]) as writer:\n"
        "    writer.add('w', [1.0] * 1000)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "m")]
    assert subprocess.run(command, check=False, cwd=PROJECT).returncode == -9
    left = names(tmp_path)
    assert left
    assert all(name.startswith(".m" + MARK) for name in left)
    with tfa.CheckpointWriter(tmp_path / "m") as writer:
        writer.add("w", 1)
    assert names(tmp_path) == ["checkpoint", "m.data-00000-of-00001", "m.index"]


# ---------------------------------------------------------------- memory


def test_memory_does_not_grow_with_what_is_written(tmp_path: Path) -> None:
    block = np.zeros(1 << 17, np.float32)
    with tfa.CheckpointWriter(tmp_path / "m") as writer:
        writer.add("first", block)  # loads what is imported
        tracemalloc.start()
        for number in range(4):
            writer.add_blocks(f"w{number}", "float32", (64, 1 << 17), (block for _ in range(64)))
        _, peak = tracemalloc.get_traced_memory()
    _, peak_of_end = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MIB  # of 128 MiB
    assert peak_of_end < 8 * MIB
    assert opened(tmp_path / "m").nbytes > 128 * MIB
