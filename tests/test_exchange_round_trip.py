"""What is exported and imported again has the same bits, and TensorFlow and NumPy see them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.exchange_files import FORMATS, PATHS, REFUSED, checkpoint_of, every_array, facts, opened
from tests.judges.client import Judge
from tfartifacts.dtypes import DType, all_dtypes
from tfartifacts.formats.tensor_data import ArrayTensor

QUANTIZED = {dtype.name for dtype in all_dtypes() if dtype.name.startswith(("q", "quint"))}


def held(format: str, first_version: bool = False) -> tuple[DType, ...]:
    return tuple(
        dtype
        for dtype in strategies.STORABLE_DTYPES
        if dtype.name not in REFUSED[format] and (dtype.number <= 23 or not first_version)
    )


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_every_type_comes_back(format: str, compress: bool, tmp_path: Path) -> None:
    arrays, told = every_array(held(format))
    source = checkpoint_of(arrays, dtypes=told)
    path = tmp_path / "folder" / PATHS[format]
    exported = tfa.export(source, f"{path}/" if format == "npy" else path, compress=compress)
    assert {tensor.name for tensor in exported.tensors} == arrays.keys()
    found = tfa.import_checkpoint(path)
    assert facts(found) == facts(source)
    tfa.save(found, tmp_path / "back" / "m")
    assert facts(opened(tmp_path / "back" / "m")) == facts(source)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("version", ["1.15", "2.21"])
def test_tensorflow_reads_what_is_imported(
    format: str, version: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    judge: Judge = request.getfixturevalue(f"tensorflow_{version.replace('.', '_')}")
    arrays, told = every_array(held(format, first_version=version == "1.15"))
    source = checkpoint_of(arrays, dtypes=told)
    path = tmp_path / PATHS[format]
    tfa.export(source, f"{path}/" if format == "npy" else path)
    tfa.save(tfa.import_checkpoint(path, step=7), tmp_path / "back" / "m-7")
    listed = judge.list_checkpoint(tmp_path / "back" / "m-7")
    step = listed.pop("global_step")
    assert (step["dtype"], step["shape"]) == ("int64", [])
    assert {
        name: (fact["dtype"], tuple(fact["shape"]), fact["sha256"]) for name, fact in listed.items()
    } == facts(source)


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
@settings(max_examples=40)
def test_any_tensors_come_back(
    format: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("exchange")
    names = strategies.names.filter(
        lambda name: name[0] != "/" and not name.endswith(("/", ".npy")) and ".." not in name
    )
    tensors: dict[str, ArrayTensor] = data.draw(
        st.dictionaries(names, strategies.tensors(held(format)), min_size=1, max_size=4)
    )
    told = {name: t.dtype for name, t in tensors.items() if t.dtype.name in QUANTIZED}
    source = checkpoint_of({n: t.array for n, t in tensors.items()}, dtypes=told)
    path = folder / PATHS[format]
    tfa.export(source, f"{path}/" if format == "npy" else path)
    assert facts(tfa.import_checkpoint(path)) == facts(source)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("fixture", ["partitioned/partitioned", "v1-checkpoint/model-3"])
def test_slices_become_one_tensor(
    format: str, fixture: str, fixtures: Path, tmp_path: Path
) -> None:
    source = opened(fixtures / fixture)
    path = tmp_path / PATHS[format]
    exported = tfa.export(source, f"{path}/" if format == "npy" else path, skip_unsupported=True)
    found = facts(tfa.import_checkpoint(path))
    expected = {n: f for n, f in facts(source).items() if n not in exported.left_out}
    assert found == expected
    merged = {tensor.source for tensor in exported.tensors if tensor.is_merged}
    assert merged == {n for n, v in source.variables.items() if v.value is None and n in expected}


@pytest.mark.parametrize("format", FORMATS)
def test_a_part_of_an_imported_tensor_is_read_alone(format: str, tmp_path: Path) -> None:
    array = np.arange(60000, dtype=np.float32).reshape(300, 200)
    path = tmp_path / PATHS[format]
    tfa.export(checkpoint_of({"v": array}), f"{path}/" if format == "npy" else path)
    variable = tfa.import_checkpoint(path).variables["v"]
    assert (variable[10:12] == array[10:12]).all()
    assert (np.asarray(variable) == array).all()


# ---------------------------------------------------------------- NumPy as the judge


def loaded(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize("compress", [False, True])
def test_numpy_reads_an_archive(compress: bool, tmp_path: Path) -> None:
    arrays, told = every_array(held("npz"))
    source = checkpoint_of(arrays, dtypes=told)
    tfa.export(source, tmp_path / "m.npz", compress=compress)
    found = loaded(tmp_path / "m.npz")
    assert found.pop("__metadata__").dtype.kind == "S"
    for name, variable in source.variables.items():
        expected: Any = variable.read()
        if variable.dtype.name == "string":
            continue
        array = found.pop(name)
        assert array.shape == expected.shape
        if array.dtype.kind == "V":
            array = array.view(expected.dtype)
        # Of a type that another holds the values, not the bits, are the same.
        same = array.astype(np.float64) if variable.dtype.name in ("int2", "int4") else array
        assert same.astype(expected.dtype).tobytes() == expected.tobytes(), name
    assert found["string/padded"].tolist() == [b"abc", b"", b"de"]
    ends = found["string/matrix.offsets"].tolist()
    data = found["string/matrix"].tobytes()
    assert [data[a:b] for a, b in pairwise(ends)] == (arrays["string/matrix"].ravel().tolist())


@pytest.mark.parametrize("name", ["<f4", "<c16", "|b1", "<u8", "|i1"])
def test_a_file_of_an_array_is_what_numpy_writes(name: str, tmp_path: Path) -> None:
    array: Any = np.zeros((3, 4), np.dtype(name))
    tfa.export(checkpoint_of({"a/b": array}), f"{tmp_path / 'out'}/")
    np.save(tmp_path / "numpy.npy", array)
    assert (tmp_path / "out" / "a.b.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_that_numpy_wrote_are_read(save: Any, tmp_path: Path) -> None:
    arrays = {
        "little": np.arange(6, dtype="<f4").reshape(2, 3),
        "big": np.arange(6, dtype=">i4").reshape(2, 3),
        "big complex": np.array([1 + 2j], ">c8"),
        "columns": np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)),
        "text": np.array([["größe", ""]]),
        "big text": np.array(["größe", ""], ">U5"),
        "bytes by columns": np.asfortranarray(np.array([[b"a", b"bc"], [b"", b"d"]])),
        "scalar": np.float64(1.5),
    }
    save(tmp_path / "m.npz", **arrays)
    found = tfa.import_checkpoint(tmp_path / "m.npz").variables
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        expected = [["größe".encode(), b""]] if name == "text" else array.tolist()
        if name == "big text":
            expected = ["größe".encode(), b""]
        assert found[name].read().tolist() == expected, name


def test_types_that_numpy_does_not_tell_are_told(tmp_path: Path) -> None:
    array = np.array([1, 1.5], ml_dtypes.bfloat16)
    np.savez(tmp_path / "m.npz", w=array)
    with pytest.raises(tfa.UnsupportedError, match="--dtype NAME=bfloat16"):
        tfa.import_checkpoint(tmp_path / "m.npz")
    found = tfa.import_checkpoint(tmp_path / "m.npz", dtypes={"w": "bfloat16"})
    assert found.variables["w"].read().tolist() == [1, 1.5]
    with pytest.raises(tfa.FormatError, match="expected '<f4'"):
        tfa.import_checkpoint(tmp_path / "m.npz", dtypes={"w": "float32"})
    with pytest.raises(tfa.NameNotFoundError, match="no tensor 'v'"):
        tfa.import_checkpoint(tmp_path / "m.npz", dtypes={"w": "bfloat16", "v": "int8"})


def test_a_single_array_is_named_for_its_file(tmp_path: Path) -> None:
    np.save(tmp_path / "kernel.npy", np.ones(3))
    np.save(tmp_path / "bias.npy", np.zeros(3))
    assert list(tfa.import_checkpoint(tmp_path / "kernel.npy").variables) == ["kernel"]
    assert list(tfa.import_checkpoint(tmp_path).variables) == ["bias", "kernel"]
