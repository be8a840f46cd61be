"""TensorProto: constants of graphs, with TensorFlow itself running them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from tests.judges.client import Judge, sha256
from tfartifacts.dtypes import STRING, DType, dtype_from_name, dtype_from_number
from tfartifacts.errors import FormatError, UnsupportedError
from tfartifacts.formats import schema
from tfartifacts.formats.graph_def import encode_graph
from tfartifacts.formats.tensor_data import ArrayTensor
from tfartifacts.formats.tensor_proto import (
    MAX_EXPANDED,
    EncodedTensor,
    decode_tensor,
    encode_constant,
)
from tfartifacts.formats.wire import Message, put_bytes
from tfartifacts.model.graphs import Constant, Graph, Node, Versions

FLOAT = dtype_from_name("float32")

ONE_AND_TWO = bytes.fromhex(
    "0801"  # dtype: DT_FLOAT
    "1204 1202 0802"  # shape: dim {size: 2}
    "2a08 0000803f 00000040"  # float_val: 1.0, 2.0
)


def proto(dtype: DType, shape: tuple[int, ...], **values: Any) -> bytes:
    """An encoded TensorProto, by protobuf."""
    dims = [strategies.new_message("TensorShapeProto.Dim", size=size) for size in shape]
    message = strategies.new_message(
        "TensorProto",
        dtype=dtype.number,
        tensor_shape=strategies.new_message("TensorShapeProto", dim=dims),
        **values,
    )
    return bytes(message.SerializeToString())


# Each dtype by its own field: (field, what stands in it, the elements it means).
FIELDS: dict[str, tuple[str, Any, list[Any]]] = {
    "float32": ("float_val", [1.5, -2.0, 0.0], [1.5, -2.0, 0.0]),
    "float64": ("double_val", [1e300, -0.0], [1e300, -0.0]),
    "int32": ("int_val", [1, -1, 2**31 - 1], [1, -1, 2**31 - 1]),
    "int16": ("int_val", [-1, 32767], [-1, 32767]),
    "int8": ("int_val", [-128, 127], [-128, 127]),
    "uint8": ("int_val", [0, 255], [0, 255]),
    "uint16": ("int_val", [0, 65535], [0, 65535]),
    "int4": ("int_val", [-8, 7], [-8, 7]),
    "uint4": ("int_val", [0, 15], [0, 15]),
    "qint8": ("int_val", [-3, 3], [-3, 3]),
    "quint8": ("int_val", [200], [200]),
    "qint32": ("int_val", [-70000], [-70000]),
    "qint16": ("int_val", [-700], [-700]),
    "quint16": ("int_val", [700], [700]),
    "string": ("string_val", [b"", b"a\0", b"\xff"], [b"", b"a\0", b"\xff"]),
    "complex64": ("scomplex_val", [1.0, 2.0, 3.0, -4.0], [1 + 2j, 3 - 4j]),
    "complex128": ("dcomplex_val", [1.0, 2.0], [1 + 2j]),
    "int64": ("int64_val", [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
    "bool": ("bool_val", [True, False], [True, False]),
    "float16": ("half_val", [0x3C00, 0xC000], [1.0, -2.0]),  # bit patterns
    "bfloat16": ("half_val", [0x3F80, 0xC000], [1.0, -2.0]),
    "uint32": ("uint32_val", [2**32 - 1], [2**32 - 1]),
    "uint64": ("uint64_val", [2**64 - 1], [2**64 - 1]),
    "float8_e5m2": ("float8_val", b"\x3c\xc0", [1.0, -2.0]),
    "float8_e4m3fn": ("float8_val", b"\x38\xc0", [1.0, -2.0]),
}


def test_constant_byte_by_byte() -> None:
    tensor = EncodedTensor(ONE_AND_TWO)
    assert (tensor.dtype, tensor.shape) == (FLOAT, (2,))
    assert tensor.read().tolist() == [1.0, 2.0]
    assert encode_constant(tensor) == ONE_AND_TWO


@pytest.mark.parametrize("name", FIELDS)
def test_elements_of_each_type_stand_in_its_field(name: str) -> None:
    field, stored, elements = FIELDS[name]
    dtype = dtype_from_name(name)
    read = EncodedTensor(proto(dtype, (len(elements),), **{field: stored})).read()
    assert read.dtype == dtype.to_numpy()
    assert read.tolist() == elements or [float(x) for x in read] == elements


def test_numbers_that_are_not_packed_are_read_too() -> None:
    head = proto(dtype_from_name("int32"), (3,))
    assert EncodedTensor(head + bytes.fromhex("3805 3a020607")).read().tolist() == [5, 6, 7]


def test_content_is_elements_as_bytes() -> None:
    encoded = proto(dtype_from_name("int16"), (2, 1), tensor_content=bytes.fromhex("0100 feff"))
    assert EncodedTensor(encoded).read().tolist() == [[1], [-2]]


def test_fewer_values_than_elements_repeat_the_last_none_is_zero() -> None:
    int32 = dtype_from_name("int32")
    assert EncodedTensor(proto(int32, (4,), int_val=[1, 7])).read().tolist() == [1, 7, 7, 7]
    assert EncodedTensor(proto(int32, (2, 2), int_val=[7])).read().tolist() == [[7, 7], [7, 7]]
    assert EncodedTensor(proto(int32, (2,))).read().tolist() == [0, 0]
    assert EncodedTensor(proto(STRING, (3,), string_val=[b"a", b"b"])).strings() == (
        b"a",
        b"b",
        b"b",
    )
    assert EncodedTensor(proto(STRING, (2,))).read().tolist() == [b"", b""]
    assert EncodedTensor(proto(STRING, (2,))).strings() == (b"", b"")


def test_one_value_for_a_tebibyte_is_a_view() -> None:
    read = EncodedTensor(proto(FLOAT, (2**20, 2**20), float_val=[2.5])).read()
    assert read.shape == (2**20, 2**20)
    assert read[17, 3] == 2.5
    assert not read.flags.writeable


@pytest.mark.parametrize(
    ("encoded", "kind", "said"),
    [
        (proto(FLOAT, (3,), tensor_content=b"\0" * 8), FormatError, "8 bytes of tensor content"),
        (proto(FLOAT, (1,), float_val=[1, 2]), FormatError, "found 2 values, expected 1"),
        (proto(FLOAT, (MAX_EXPANDED,), float_val=[1, 2]), UnsupportedError, "2 stored values"),
        (proto(FLOAT, (2**62, 4), float_val=[1]), FormatError, "fewer than 2\\^63"),
        (proto(FLOAT, (-1,)), FormatError, "unknown sizes"),
        (proto(dtype_from_number(20), ()), UnsupportedError, "constant of type resource"),
        (proto(dtype_from_number(21), ()), UnsupportedError, "constant of type variant"),
        (bytes.fromhex("0800"), FormatError, "data type number 0"),
        (ONE_AND_TWO[:-1], FormatError, "past the end"),
    ],
)
def test_what_cannot_be_read_says_why(encoded: bytes, kind: type[FormatError], said: str) -> None:
    with pytest.raises(kind, match=said):
        EncodedTensor(encoded).read()


def test_strings_are_asked_of_strings_only() -> None:
    with pytest.raises(FormatError, match="type float32, expected strings"):
        EncodedTensor(ONE_AND_TWO).strings()
    with pytest.raises(UnsupportedError, match="strings from 1 stored"):
        EncodedTensor(proto(STRING, (2**30,), string_val=[b"a"])).strings()


def test_v1_checkpoints_hold_every_value() -> None:
    message = Message(proto(FLOAT, (2,), float_val=[1]))
    with pytest.raises(FormatError, match="found 1 values, expected 2"):
        decode_tensor(message, FLOAT, (2,), complete=True)


@given(strategies.tensors())
def test_any_constant_made_here_comes_back(tensor: ArrayTensor) -> None:
    if tensor.dtype == STRING:
        constant = Constant(STRING, tensor.shape, tuple(tensor.array.ravel().tolist()))
        encoded = EncodedTensor(encode_constant(constant))
        assert encoded.strings() == constant.elements
        assert sha256(encoded.read()) == sha256(constant.read() if tensor.shape else tensor.array)
    else:
        content = put_bytes(4, b"".join(bytes(piece) for piece in tensor.stored()))
        encoded = EncodedTensor(proto(tensor.dtype, tensor.shape) + content)
        read = encoded.read()
        assert sha256(read) == sha256(tensor.array)
        assert read.dtype == tensor.dtype.to_numpy()
    assert (encoded.dtype, encoded.shape) == (tensor.dtype, tensor.shape)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4))
def test_a_constant_of_integers_is_what_protobuf_reads(elements: list[int]) -> None:
    int32 = dtype_from_name("int32")
    constant = Constant(int32, (len(elements),), tuple(elements))
    message: Any = schema.message_class("TensorProto").FromString(bytes(encode_constant(constant)))
    assert message.dtype == 3
    assert np.frombuffer(message.tensor_content, "<i4").tolist() == elements
    assert EncodedTensor(encode_constant(constant)).read().tolist() == elements


def test_wrong_number_of_strings_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="1 strings for shape"):
        encode_constant(Constant(STRING, (2,), (b"a",)))


# ---------------------------------------------------------------- TensorFlow


def constants() -> dict[str, bytes]:
    """Encoded constants of every form, by name."""
    made = {}
    for name, (field, stored, elements) in FIELDS.items():
        dtype = dtype_from_name(name)
        count = len(elements)
        made[f"{name}_all"] = proto(dtype, (count,), **{field: stored})
        made[f"{name}_more"] = proto(dtype, (count + 2,), **{field: stored})
        made[f"{name}_none"] = proto(dtype, (3,))
        made[f"{name}_scalar"] = proto(dtype, (), **{field: stored[: len(stored) // count]})
        made[f"{name}_empty"] = proto(dtype, (0, 2))
        if dtype.itemsize is not None:
            data = bytes(range(65, 65 + 4 * dtype.itemsize))
            array = strategies.array_of(dtype, (2, 2), data)
            content = b"".join(bytes(p) for p in ArrayTensor(dtype, (2, 2), array).stored())
            made[f"{name}_content"] = proto(dtype, (2, 2), tensor_content=content)
    return made


def test_tensorflow_runs_constants_to_what_is_read(tensorflow: Judge, tmp_path: Path) -> None:
    is_old = tensorflow.version()["tensorflow"].startswith("1.")
    encoded = {
        name: value
        for name, value in constants().items()
        # 1.15 knows 32 and 64 bits unsigned, but has no constants of them.
        if not is_old or EncodedTensor(value).dtype.number <= 19
    }
    tensors = {name: EncodedTensor(value) for name, value in encoded.items()}
    nodes = [
        Node(name, "Const", attrs={"dtype": tensor.dtype, "value": tensor})
        for name, tensor in tensors.items()
    ]
    path = tmp_path / "constants.pb"
    path.write_bytes(b"".join(bytes(p) for p in encode_graph(Graph(nodes, versions=Versions(27)))))
    results = tensorflow.run_graph_def(path, {}, [f"{name}:0" for name in encoded])
    for name, tensor in tensors.items():
        ours = tensor.read()
        theirs = results[f"{name}:0"]
        assert theirs.shape == ours.shape, name
        if (tensor.dtype.bits or 8) < 8:
            # The bits above those of the type say nothing.
            assert theirs.tolist() == ours.tolist(), name
        else:
            assert sha256(theirs) == sha256(ours), (name, theirs, ours)
