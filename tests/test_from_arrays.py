"""A checkpoint made of plain arrays: TensorFlow reads the bits that NumPy holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.judges.client import Judge, sha256
from tfartifacts.dtypes import DType, all_dtypes, dtype_from_numpy
from tfartifacts.formats.tensor_data import ArrayTensor, encode_fixed, object_array

QUANTIZED = {dtype.name for dtype in all_dtypes() if dtype.name.startswith(("q", "quint"))}


def made(array: Any, **options: Any) -> tfa.Variable:
    return tfa.Checkpoint.from_arrays({"v": array}, **options).variables["v"]


def opened(prefix: Path) -> tfa.Checkpoint:
    found = tfa.open(f"{prefix}.index")
    assert isinstance(found, tfa.Checkpoint)
    return found


# ---------------------------------------------------------------- what TensorFlow reads


def every_array(dtypes: tuple[DType, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    arrays: dict[str, Any] = {}
    for dtype in dtypes:
        data = bytes(range(7, 7 + 12 * (dtype.itemsize or 0)))
        matrix = strategies.array_of(dtype, (3, 4), data)
        arrays |= {
            f"{dtype}/matrix": matrix,
            f"{dtype}/transposed": matrix.T,
            f"{dtype}/every other": matrix[::-1, ::2],
            f"{dtype}/scalar": matrix[1, 2],
            f"{dtype}/empty": matrix[:, :0],
        }
    told = {name: name.split("/")[0] for name in arrays if name.split("/")[0] in QUANTIZED}
    strings = [b"", b"a\0b\0", "größe", b"x" * 127, b"y" * 128, b"z" * 20000]
    arrays |= {
        "string/matrix": object_array(strings, (3, 2)),  # type: ignore[arg-type]  # with a text
        "string/scalar": b"a\0",
        "string/list": ["a", "ü"],
        "string/empty": np.empty((2, 0), object),
        "string/fixed": np.array([[b"abc", b""]]),
        "string/text": np.array(["abc", "ü"]),
        "python/int": 3,
        "python/float": -0.0,
        "python/bool": [True, False],
        "python/complex": 1j,
        "python/nothing": [],
        "names/ü": np.float32(1),
        "names with \x1b and \n": [1.5],
    }
    return arrays, told


def bits(array: Any, dtype: DType) -> str:
    """The digest that judges give, of what NumPy makes of it by itself."""
    if dtype.name == "string":
        flat = np.array(array, object).reshape(-1).tolist()
        encoded = [e.encode() if isinstance(e, str) else bytes(e) for e in flat]
        return sha256(object_array(encoded, np.shape(np.array(array, object))))
    return sha256(np.ascontiguousarray(array))


@pytest.mark.parametrize("version", ["1.15", "2.21"])
def test_tensorflow_reads_arrays_of_every_type_it_knows(
    version: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    judge: Judge = request.getfixturevalue(f"tensorflow_{version.replace('.', '_')}")
    dtypes = tuple(d for d in strategies.FIXED_DTYPES if version != "1.15" or d.number <= 23)
    arrays, told = every_array(dtypes)
    checkpoint = tfa.Checkpoint.from_arrays(arrays, dtypes=told)
    assert {v.dtype for v in checkpoint.variables.values()} >= set(dtypes)
    tfa.save(checkpoint, tmp_path / "m")
    listed = judge.list_checkpoint(tmp_path / "m")
    assert listed.keys() == arrays.keys()
    for name, facts in listed.items():
        variable = checkpoint.variables[name]
        assert facts["dtype"] == str(variable.dtype), name
        assert tuple(facts["shape"]) == variable.shape == np.shape(_plain(arrays[name])), name
        assert facts.get("sha256") == bits(arrays[name], variable.dtype), (name, facts)
    assert judge.latest_checkpoint(tmp_path) == str(tmp_path / "m")


def _plain(array: Any) -> Any:
    return np.array(array, object) if isinstance(array, bytes) else array


@given(st.dictionaries(strategies.names, strategies.tensors(), max_size=4))
def test_any_arrays_come_back(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, ArrayTensor]
) -> None:
    told = {name: t.dtype for name, t in tensors.items() if t.dtype.name in QUANTIZED}
    arrays = {name: tensor.array for name, tensor in tensors.items()}
    checkpoint = tfa.Checkpoint.from_arrays(arrays, dtypes=told)
    assert list(checkpoint.variables) == sorted(arrays, key=str.encode)
    if not arrays:
        return
    folder = tmp_path_factory.mktemp("made")
    tfa.save(checkpoint, folder / "m")
    found = opened(folder / "m")
    assert list(found.variables) == list(checkpoint.variables)
    for name, tensor in tensors.items():
        variable = found.variables[name]
        assert (variable.dtype, variable.shape) == (tensor.dtype, tensor.shape)
        assert sha256(variable.read()) == sha256(tensor.array)
        assert checkpoint.variables[name].nbytes == variable.nbytes


# ---------------------------------------------------------------- what is taken


@given(strategies.tensors(strategies.FIXED_DTYPES))
def test_the_byte_order_of_an_array_does_not_matter(tensor: ArrayTensor) -> None:
    swapped = tensor.array.astype(tensor.array.dtype.newbyteorder(">"))
    value = made(swapped).value
    assert value is not None
    assert b"".join(map(bytes, value.stored())) == encode_fixed(tensor.array, tensor.dtype)
    assert value.read().dtype.isnative


def test_an_array_is_not_copied() -> None:
    array = np.zeros((2, 3), np.float32)
    variable = made(array.T)
    array[:] = 7
    assert variable.read().tolist() == [[7, 7]] * 3
    variable.read()[:] = 0
    assert array.min() == 7


def test_quantized_types_are_told_or_are_those_of_tensorflow() -> None:
    array = np.array([1, -1], np.int8)
    assert str(made(array).dtype) == "int8"
    assert str(made(array, dtypes={"v": "qint8"}).dtype) == "qint8"
    # What TensorFlow's own arrays of them look like.
    found = made(array.view([("qint8", np.int8)]))
    assert (str(found.dtype), found.read().tolist()) == ("qint8", [1, -1])


def test_a_type_that_is_the_arrays_own_may_be_told() -> None:
    assert str(made([1.5], dtypes={"v": "float64"}).dtype) == "float64"
    assert str(made(b"a", dtypes={"v": "string"}).dtype) == "string"


def test_an_empty_list_is_of_the_type_that_is_told() -> None:
    for dtype in ("string", "int4", "qint8", "float32"):
        variable = made([[], []], dtypes={"v": dtype})
        assert (str(variable.dtype), variable.shape) == (dtype, (2, 0))
        assert variable.read().dtype == variable.dtype.to_numpy()


def test_variables_are_taken_as_they_are_stored(
    tensorflow: Judge, fixtures: Path, tmp_path: Path
) -> None:
    source = opened(fixtures / "partitioned" / "partitioned")
    # Strings in slices are more than TensorFlow 1.15 reads.
    fixed = {name: v for name, v in source.variables.items() if v.dtype.itemsize is not None}
    renamed = {f"new/{name}": variable for name, variable in fixed.items()}
    checkpoint = tfa.Checkpoint.from_arrays({**renamed, "step": 3})
    tfa.save(checkpoint, tmp_path / "m")
    found = tensorflow.read_checkpoint(tmp_path / "m")
    assert found.pop("step") == 3
    assert found.keys() == renamed.keys()
    for name, array in found.items():
        assert sha256(array) == sha256(renamed[name].read())
    slices = {name: len(v.slices) for name, v in opened(tmp_path / "m").variables.items()}
    assert slices["step"] == 0
    assert any(slices.values())


def test_the_step_is_in_the_path() -> None:
    checkpoint = tfa.Checkpoint.from_arrays({"w": 1.0}, step=7)
    assert (checkpoint.path, checkpoint.step) == ("model.ckpt-7", 7)
    assert tfa.Checkpoint.from_arrays({"w": 1.0}, path="runs/m", step=0).prefix == "runs/m-0"
    assert tfa.Checkpoint.from_arrays({"w": 1.0}).step is None
    with pytest.raises(tfa.ConversionError, match="found step -1"):
        tfa.Checkpoint.from_arrays({"w": 1.0}, step=-1)


def test_it_may_be_saved_wherever_the_current_folder_is(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A model in the current folder is no source of arrays in memory.
    monkeypatch.chdir(fixtures / "digits" / "saved_model")
    tfa.save(tfa.Checkpoint.from_arrays({"w": 1.0}), tmp_path / "a")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    tfa.save(tfa.Checkpoint.from_arrays({"w": 1.0}), "b")
    assert opened(tmp_path / "b").variables["w"].read() == 1.0


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array(["2020-01-01"], "datetime64[D]"), r"datetime64\[D\], of which TensorFlow has"),
        (np.array([1], "timedelta64[s]"), "timedelta64"),
        (np.zeros(2, np.longdouble), "float128|float96|longdouble"),
        (np.zeros(2, np.clongdouble), "complex256|complex192|clongdouble"),
        (np.zeros(2, [("a", "i4"), ("b", "f4")]), "of which TensorFlow has none"),
        (np.zeros(2, [("a", "i4")]), "of which TensorFlow has none"),
        (np.zeros(2, "V3"), "of which TensorFlow has none"),
        (np.zeros(2, [("qint8", "i4")]), "found int32 as qint8, expected int8"),
        (np.zeros(2, ml_dtypes.float8_e3m4), "float8_e3m4"),
        (np.array([b"a", None], object), "element of type NoneType"),
        (np.array([b"a", 1], object), "element of type int"),
        (np.array([{}], object), "element of type dict"),
        (["a", 1], "element of type int"),
        (2**70, "element of type int"),
        (None, "element of type NoneType"),
        ([[1, 2], [3]], "makes no array of"),
        (np.ma.MaskedArray([1, 2], [True, False]), "masked array"),
        ("\ud800", "UTF-8 cannot hold"),
    ],
    ids=repr,
)
def test_what_tensorflow_has_no_type_of_is_refused_by_name(array: Any, said: str) -> None:
    with pytest.raises(tfa.ConversionError, match=f"(?s)({said}).*in variable 'net/w'"):
        tfa.Checkpoint.from_arrays({"good": 1, "net/w": array})


@pytest.mark.parametrize(
    ("dtype", "said"),
    [
        ("int16", "found an array of int8, expected int16"),
        ("qint16", "found an array of int8, expected int16"),
        ("string", "found an array of int8, expected string"),
        ("variant", "found type variant"),
        ("resource", "found type resource"),
        ("int8_ref", "found type int8_ref"),
        ("nonsense", "found data type 'nonsense'"),
    ],
)
def test_a_type_that_does_not_fit_is_refused(dtype: str, said: str) -> None:
    with pytest.raises(tfa.ConversionError, match=f"{said}.*in variable 'v'"):
        made(np.zeros(2, np.int8), dtypes={"v": dtype})


def test_a_type_of_a_variable_that_is_stored_is_refused(fixtures: Path) -> None:
    variable = opened(fixtures / "digits" / "checkpoints" / "my_model-4").variables["dense/bias"]
    with pytest.raises(tfa.ConversionError, match="found float32, expected float64"):
        made(variable, dtypes={"v": "float64"})


def test_a_type_for_no_array_is_refused() -> None:
    with pytest.raises(tfa.NameNotFoundError, match="no array 'w'; there is 'v'"):
        made(1, dtypes={"w": "qint8"})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "without a name"),
        ("\0w", "NUL byte at the start"),
        (b"w", "expected a str"),
        (1, "expected a str"),
        ("\ud800", "UTF-8 cannot hold"),
    ],
)
def test_names_that_no_checkpoint_can_hold_are_refused(name: Any, said: str) -> None:
    with pytest.raises(tfa.ConversionError, match=said):
        tfa.Checkpoint.from_arrays({name: 1})


def test_names_of_any_bytes_come_back(tmp_path: Path) -> None:
    names = ["w\udcff", "a\0b", "../w", "x" * 300, " ", "\x1b[31m"]
    tfa.save(tfa.Checkpoint.from_arrays(dict.fromkeys(names, 1.0)), tmp_path / "m")
    assert set(opened(tmp_path / "m").variables) == set(names)


def test_another_type_of_the_same_name_is_refused() -> None:
    class Pretender:
        name = "float32"

        def newbyteorder(self, _: str) -> str:
            return "something else"

    with pytest.raises(tfa.ConversionError, match="calls itself"):
        dtype_from_numpy(Pretender())  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("dtype", strategies.FIXED_DTYPES, ids=str)
def test_numpys_type_is_found_again(dtype: DType) -> None:
    found = dtype_from_numpy(dtype.to_numpy())
    assert found.numpy_name == dtype.numpy_name
    assert found == dtype or dtype.name in QUANTIZED
