"""The .safetensors format: its bytes, shards and their index, files that lie."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.exchange_files import REFUSED, checkpoint_of, every_array, facts
from tfartifacts.exchange.safetensors import DTYPES, held_by, laid_out, read_header
from tfartifacts.exchange.safetensors_shards import parse_size, shard_names, split
from tfartifacts.model.arrays import ArrayValue


def library(module: str = "safetensors") -> Any:
    """The safetensors library, or a skip."""
    return pytest.importorskip(module, reason="pip install safetensors")


def value(array: Any) -> ArrayValue:
    found = checkpoint_of({"v": array}).variables["v"].value
    assert isinstance(found, ArrayValue)
    return found


def test_the_bytes_before_the_data() -> None:
    start, order = laid_out({"b": value(np.uint8(7)), "a": value(np.zeros(2, np.float32))}, {})
    assert order == ("a", "b")
    header = (
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
        b'"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}'
    )
    padded = header + b" " * (-len(header) % 8)
    assert start == len(padded).to_bytes(8, "little") + padded


# ---------------------------------------------------------------- the library as the judge


def library_types() -> dict[str, Any]:
    arrays, told = every_array(
        tuple(d for d in strategies.FIXED_DTYPES if d.name not in REFUSED["safetensors"])
    )
    # Those that it writes as they are.
    return {
        name: array
        for name, array in arrays.items()
        if name not in told and not name.startswith(("int4", "int2", "uint4", "uint2"))
    }


def test_a_file_is_what_the_library_writes(tmp_path: Path) -> None:
    save = library("safetensors.numpy").save
    arrays = {**library_types(), 'ü\x1b\x7f"/\\': np.ones(3, np.int32)}
    source = checkpoint_of(arrays)
    tfa.export(source, tmp_path / "m.safetensors")
    metadata = dict(read_header(str(tmp_path / "m.safetensors")).metadata)
    found = (tmp_path / "m.safetensors").read_bytes()
    expected = save({n: np.array(a, order="C") for n, a in arrays.items()}, metadata={"k": "v"})
    size, expected_size = (int.from_bytes(data[:8], "little") for data in (found, expected))
    # The library writes metadata in the order of a hash.
    entries, expected_entries = (
        [(k, v) for k, v in json.loads(data[8 : 8 + n]).items() if k != "__metadata__"]
        for data, n in ((found, size), (expected, expected_size))
    )
    assert entries == expected_entries
    assert found[8 + size :] == expected[8 + expected_size :]
    assert metadata["format"] == "tf"


def test_the_library_reads_a_file(tmp_path: Path) -> None:
    safetensors = library()
    arrays, told = every_array(
        tuple(d for d in strategies.FIXED_DTYPES if d.name not in REFUSED["safetensors"])
    )
    source = checkpoint_of(arrays, dtypes=told)
    tfa.export(source, tmp_path / "m.safetensors")
    # safe_open checks the header; deserialize gives bytes of every type, those NumPy lacks too.
    with safetensors.safe_open(tmp_path / "m.safetensors", "np") as file:
        assert set(file.keys()) == source.variables.keys()
        metadata = file.metadata()
    assert json.loads(metadata["tfartifacts_dtypes"]) == {
        name: str(v.dtype)
        for name, v in source.variables.items()
        if str(v.dtype) in ("int2", "int4", "uint2", "uint4") or str(v.dtype).startswith("q")
    }
    found = dict(safetensors.deserialize((tmp_path / "m.safetensors").read_bytes()))
    for name, variable in source.variables.items():
        array: Any = variable.read()
        assert found[name]["dtype"] == held_by(variable.dtype)
        assert tuple(found[name]["shape"]) == variable.shape
        if variable.dtype.name in ("int2", "int4"):
            array = array.astype(np.int8)
        elif variable.dtype.name in ("uint2", "uint4"):
            array = array.astype(np.uint8)
        assert bytes(found[name]["data"]) == array.tobytes(), name


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    save_file = library("safetensors.numpy").save_file
    arrays = {n: np.array(a, order="C") for n, a in library_types().items()}
    save_file(arrays, tmp_path / "m.safetensors", metadata={"format": "pt"})
    found = tfa.import_checkpoint(tmp_path / "m.safetensors")
    assert facts(found) == facts(checkpoint_of(arrays))


def test_the_library_has_the_same_types() -> None:
    safetensors = library()
    header = {"a": {"dtype": "?", "shape": [], "data_offsets": [0, 1]}}
    text = json.dumps(header).encode()
    with pytest.raises(safetensors.SafetensorError) as caught:
        safetensors.deserialize(len(text).to_bytes(8, "little") + text + b"x")
    told = str(caught.value)
    if "expected one of" in told:
        known = [
            part.strip("` ")
            for part in told.split("expected one of")[1].split(" at ", maxsplit=1)[0].split(",")
        ]
        assert set(DTYPES) >= set(known) - {"C128"}


def test_shards_load_as_the_transformers_library_loads_them(tmp_path: Path) -> None:
    safetensors = library()
    arrays: dict[str, Any] = {f"layer/{i}": np.full((4, 5), i, np.float32) for i in range(7)}
    arrays["large"] = np.arange(100, dtype=np.float32)
    source = checkpoint_of(arrays)
    tfa.export(source, tmp_path / "model.safetensors", max_shard_size=200)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    # modeling_utils.py: the files of the weight map, each loaded whole.
    files = sorted(set(index["weight_map"].values()))
    assert files == [f"model-{n:05d}-of-00005.safetensors" for n in range(1, 6)]
    found: dict[str, Any] = {}
    for file in files:
        with safetensors.safe_open(tmp_path / file, framework="np") as shard:
            assert shard.metadata()["format"] == "tf"
            assert {n for n, f in index["weight_map"].items() if f == file} == set(shard.keys())
            for name in shard.keys():  # noqa: SIM118 - it is no mapping
                found[name] = shard.get_tensor(name)
    assert index["metadata"] == {"total_size": sum(a.nbytes for a in arrays.values())}
    assert {n: a.tolist() for n, a in found.items()} == {n: a.tolist() for n, a in arrays.items()}
    for place in (tmp_path / "model.safetensors.index.json", tmp_path):
        assert facts(tfa.import_checkpoint(place)) == facts(source)


# ---------------------------------------------------------------- shards


@given(st.lists(st.integers(0, 20)), st.integers(1, 25))
def test_shards_hold_every_tensor_once_and_are_as_large_as_allowed(
    sizes: list[int], most: int
) -> None:
    named = {f"{i}": size for i, size in enumerate(sizes)}
    shards = split(named, most)
    assert sorted(name for shard in shards for name in shard) == sorted(named)
    for shard in shards:
        assert sum(named[name] for name in shard) <= most or len(shard) == 1


def test_names_of_shards() -> None:
    assert shard_names("model", 1) == ["model.safetensors"]
    assert shard_names("m", 2) == ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GB", 5 * 10**9), ("1.5MiB", 3 << 19), ("10", 10), ("1 kb", 1000), ("2TB", 2 * 10**12)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5XB", "-1", "0", "1e9", "GB", "9" * 30])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(tfa.ConversionError, match="found the size"):
        parse_size(text)


# ---------------------------------------------------------------- files that lie


def entry(dtype: Any = "U8", shape: Any = (1,), offsets: Any = (0, 1)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def file_of(path: Path, header: Any, data: bytes = b"\0") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


HOSTILE: dict[str, tuple[Any, bytes, str]] = {
    "hole at the start": ({"a": entry(offsets=(1, 2))}, b"\0\0", "a hole before it"),
    "hole between": ({"a": entry(), "b": entry(offsets=(2, 3))}, b"\0" * 3, "a hole before it"),
    "overlap": ({"a": entry(shape=(2,), offsets=(0, 2)), "b": entry()}, b"\0\0", "another tensor"),
    "the same bytes twice": ({"a": entry(), "b": entry()}, b"\0", "another tensor"),
    "bytes behind": ({"a": entry()}, b"\0\0", "something follows"),
    "too few bytes": ({"a": entry()}, b"", "truncated"),
    "name twice": (
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
        b'"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b"\0",
        "the name 'a' twice",
    ),
    "key twice": (
        b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}',
        b"\0",
        "the name 'dtype' twice",
    ),
    "size does not fit": ({"a": entry("F32")}, b"\0", "expected 4"),
    "huge shape": ({"a": entry(shape=(1 << 40, 1 << 40))}, b"\0", "2\\^63"),
    "product that wraps": ({"a": entry(shape=(1 << 33, 1 << 33))}, b"\0", "2\\^63"),
    "large shape": ({"a": entry(shape=(1 << 40,))}, b"\0", "expected 1099511627776"),
    "many dimensions": ({"a": entry(shape=(1,) * 255)}, b"\0", "255 dimensions"),
    "negative size": ({"a": entry(shape=(-1,))}, b"\0", "no sizes"),
    "negative offset": ({"a": entry(offsets=(-1, 0))}, b"\0", "no sizes"),
    "offsets the wrong way": ({"a": entry(shape=(0,), offsets=(1, 0))}, b"\0", "in -1 bytes"),
    "three offsets": ({"a": entry(offsets=(0, 1, 1))}, b"\0", "no sizes"),
    "shape of a bool": ({"a": entry(shape=(True,))}, b"\0", "no sizes"),
    "fraction": ({"a": entry(shape=(1.0,))}, b"\0", "the number 1.0"),
    "not a number": (b'{"a":NaN}', b"\0", "the number NaN"),
    "endless number": (b'{"a":' + b"9" * 10000 + b"}", b"\0", "10000 digits"),
    "unknown type": ({"a": entry("F128")}, b"\0", "dtype 'F128'"),
    "type TensorFlow has not": ({"a": entry("F8_E8M0")}, b"\0", "no TensorFlow checkpoint"),
    "type that is no text": ({"a": entry(8)}, b"\0", "no text"),
    "key too many": ({"a": {**entry(), "x": 1}}, b"\0", "alone"),
    "entry that is a list": ({"a": [1]}, b"\0", "alone"),
    "no name": ({"": entry()}, b"\0", "without a name"),
    "half a character": (json.dumps({"\udc80": entry()}).encode(), b"\0", "half a character"),
    "metadata of numbers": ({"__metadata__": {"a": 1}, "a": entry()}, b"\0", "object of texts"),
    "metadata of a list": ({"__metadata__": [], "a": entry()}, b"\0", "object of texts"),
    "types of what is not there": (
        {"__metadata__": {"tfartifacts_dtypes": '{"b": "qint8"}'}, "a": entry()},
        b"\0",
        "not there",
    ),
    "another type's holder": (
        {"__metadata__": {"tfartifacts_dtypes": '{"a": "qint8"}'}, "a": entry()},
        b"\0",
        "said to be qint8",
    ),
    "a type that is none": (
        {"__metadata__": {"tfartifacts_dtypes": '{"a": "int5"}'}, "a": entry()},
        b"\0",
        "'int5'",
    ),
    "nested without end": (b'{"a":' + b"[" * 100_000, b"\0", "nested without end|no JSON"),
    "not JSON": (b"{,}", b"\0", "no JSON"),
    "not UTF-8": (b'{"\xff":1}', b"\0", "not UTF-8"),
    "text behind": (b"{} {}", b"", "no JSON"),
    "a list": (b"[]", b"", "expected {"),
    "space before": (b" {}", b"", "expected {"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    header, data, message = HOSTILE[name]
    path = file_of(tmp_path / "m.safetensors", header, data)
    with pytest.raises(tfa.FormatError, match=message) as caught:
        tfa.import_checkpoint(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_library_refuses_them_too(name: str, tmp_path: Path) -> None:
    ours = {
        "type TensorFlow has not",
        "metadata of a list",
        "types of what is not there",
        "another type's holder",
        "a type that is none",
        "no name",
        "many dimensions",
        "name twice",
        "key too many",
        "space before",
    }
    if name in ours:
        return
    safetensors = library()
    header, data, _ = HOSTILE[name]
    path = file_of(tmp_path / "m.safetensors", header, data)
    with pytest.raises((safetensors.SafetensorError, ValueError)):
        safetensors.deserialize(path.read_bytes())


@pytest.mark.parametrize("size", [100_000_001, 1 << 63, (1 << 64) - 1])
def test_a_header_larger_than_the_library_reads_is_refused(size: int, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.write(size.to_bytes(8, "little") + b"{")
        file.truncate(200_000_000)  # a file with holes: it takes no room
    with pytest.raises(tfa.NotThisFormatError, match=f"a header of {size} bytes"):
        tfa.import_checkpoint(path)


def test_a_header_of_nothing_but_lists_is_refused_unread(tmp_path: Path) -> None:
    path = file_of(tmp_path / "m.safetensors", b'{"a":[' + b"[]," * 700_000 + b"[]]}")
    with pytest.raises(tfa.FormatError, match="found 700003 lists and objects"):
        tfa.import_checkpoint(path)


def test_a_header_of_many_small_tensors_is_read(tmp_path: Path) -> None:
    empty = {f"{number}": entry(shape=(0,), offsets=(0, 0)) for number in range(30_000)}
    text = json.dumps(empty, separators=(",", ":")).encode()
    assert len(text) > 1 << 20
    path = file_of(tmp_path / "m.safetensors", text, b"")
    assert len(tfa.import_checkpoint(path).variables) == 30_000


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes((1000).to_bytes(8, "little") + b"{}")
    with pytest.raises(tfa.FormatError, match="found 10 bytes, expected a header of 1000"):
        tfa.import_checkpoint(path)


@given(st.integers(0, 300), st.data())
def test_a_cut_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, end: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    tfa.export(checkpoint_of({"a": np.ones(3), "b": np.zeros(2, bool)}), folder / "m.safetensors")
    whole = (folder / "m.safetensors").read_bytes()
    (folder / "c.safetensors").write_bytes(whole[: min(end, len(whole) - 1)])
    with pytest.raises(tfa.FormatError):
        tfa.import_checkpoint(folder / "c.safetensors")


@pytest.mark.parametrize(
    ("dtype", "told", "byte"),
    [("BOOL", "bool", 2), ("I8", "int4", 8), ("I8", "int2", 2), ("U8", "uint4", 16)],
)
def test_an_element_that_its_type_cannot_have_is_refused(
    dtype: str, told: str, byte: int, tmp_path: Path
) -> None:
    header = {"__metadata__": {"tfartifacts_dtypes": json.dumps({"a": told})}, "a": entry(dtype)}
    path = file_of(tmp_path / "m.safetensors", header, bytes([byte]))
    checkpoint = tfa.import_checkpoint(path)
    with pytest.raises(tfa.FormatError, match=f"found the byte {byte} as an element"):
        checkpoint.variables["a"].read()
    with pytest.raises(tfa.FormatError, match=f"found the byte {byte} as an element"):
        tfa.save(checkpoint, tmp_path / "out" / "m")
    assert os.listdir(tmp_path) == ["m.safetensors"]


# ---------------------------------------------------------------- indexes that lie


def shards(folder: Path) -> dict[str, Any]:
    arrays = {"a": np.ones(4), "b": np.zeros(4), "c": np.array([1], ml_dtypes.bfloat16)}
    tfa.export(checkpoint_of(arrays), folder / "m.safetensors", max_shard_size=32)
    index: dict[str, Any] = json.loads((folder / "m.safetensors.index.json").read_text())
    return index


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("../m-00001-of-00003.safetensors", "beside the index"),
        ("/etc/passwd", "beside the index"),
        ("..", "beside the index"),
        ("", "beside the index"),
        ("a\0.safetensors", "beside the index"),
        ("m.txt", "beside the index"),
        (7, "beside the index"),
        ("none.safetensors", "no such file"),
        ("m-00002-of-00003.safetensors", "found no tensor 'a' in"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(file: Any, message: str, tmp_path: Path) -> None:
    index = shards(tmp_path)
    index["weight_map"]["a"] = file
    path = tmp_path / "m.safetensors.index.json"
    path.write_text(json.dumps(index))
    with pytest.raises(tfa.TfArtifactsError, match=message):
        tfa.import_checkpoint(path)


def test_an_index_must_name_every_tensor_and_no_other(tmp_path: Path) -> None:
    index = shards(tmp_path)
    path = tmp_path / "m.safetensors.index.json"
    path.write_text(
        json.dumps({"weight_map": {**index["weight_map"], "d": "m-00001-of-00003.safetensors"}})
    )
    with pytest.raises(tfa.FormatError, match="no tensor 'd'"):
        tfa.import_checkpoint(path)
    file_of(
        tmp_path / index["weight_map"]["a"], {"a": entry(), "x": entry(offsets=(1, 2))}, b"\0\0"
    )
    path.write_text(json.dumps(index))
    with pytest.raises(tfa.FormatError, match="found tensor 'x', which the index has not"):
        tfa.import_checkpoint(path)
    path.write_text(json.dumps({"metadata": {}}))
    with pytest.raises(tfa.FormatError, match="no weight_map"):
        tfa.import_checkpoint(path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    index = shards(tmp_path / "in")
    first = index["weight_map"]["a"]
    (tmp_path / "in" / first).rename(tmp_path / first)
    (tmp_path / "in" / first).symlink_to(tmp_path / first)
    with pytest.raises(tfa.FormatError, match="a link to a file elsewhere"):
        tfa.import_checkpoint(tmp_path / "in")


def test_a_cache_of_links_to_one_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    shards(tmp_path / "blobs")
    for path in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(f"../blobs/{path.name}")
    assert list(tfa.import_checkpoint(tmp_path / "snapshot").variables) == ["a", "b", "c"]


def test_a_total_size_with_a_fraction_is_read(tmp_path: Path) -> None:
    index = shards(tmp_path)
    index["metadata"]["total_size"] = 66.0
    (tmp_path / "m.safetensors.index.json").write_text(json.dumps(index))
    assert list(tfa.import_checkpoint(tmp_path).variables) == ["a", "b", "c"]
