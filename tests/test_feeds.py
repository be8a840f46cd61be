"""Values for inputs: read without trusting a file, cast where they fit. No TensorFlow is needed."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import random
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tfartifacts as tfa
from tests.conversion import same_bits
from tfartifacts.dtypes import all_dtypes, dtype_from_name
from tfartifacts.execution.feeds import read_feed
from tfartifacts.execution.fitting import fitting
from tfartifacts.execution.pictures import Picture
from tfartifacts.model import TensorInfo
from tfartifacts.report.json_text import json_lines


def info(dtype: str, *shape: int | None) -> TensorInfo:
    return TensorInfo("x:0", dtype_from_name(dtype), shape)


def of_any_shape(dtype: str) -> TensorInfo:
    return TensorInfo("x:0", dtype_from_name(dtype), None)


def npy(descr: str, shape: object, elements: bytes = b"", version: int = 1) -> bytes:
    """A .npy file that says what it is told to."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + elements


@pytest.fixture(autouse=True)
def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of it fails: no value needs it."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


# --- numbers as they are typed -------------------------------------------------------------------


def test_numbers_are_read_as_json_in_the_type_of_the_input() -> None:
    assert same_bits(read_feed("0.5", info("float32")), np.float32(0.5).reshape(()))
    assert read_feed("[[1, 2]]", info("float64", None, 2)).tolist() == [[1.0, 2.0]]
    assert read_feed("true", info("bool")).tolist() is True
    assert read_feed("False", info("bool")).tolist() is False
    assert read_feed("[3]", info("int8", 1)).dtype == np.int8
    assert read_feed('["a", "b"]', info("string", None)).tolist() == [b"a", b"b"]
    assert read_feed("plain", info("string")).item() == b"plain"
    assert read_feed('"x.npy"', info("string")).item() == b"x.npy"
    assert read_feed("[]", info("int32", None)).shape == (0,)
    assert read_feed("[[], []]", info("float32", None, None)).shape == (2, 0)


def test_integers_keep_every_bit() -> None:
    top = 2**64 - 1
    assert read_feed(f"[{top}, 1]", info("uint64", 2)).tolist() == [top, 1]
    assert read_feed(str(-(2**63)), info("int64")).item() == -(2**63)
    assert read_feed("[-8, 7]", info("int4", 2)).tolist() == [-8, 7]
    assert read_feed("-128", info("qint8")).item() == -128


def test_what_json_has_no_number_for() -> None:
    values = read_feed('[NaN, Infinity, "-Infinity", "NaN", 1]', info("float32", None))
    assert np.isnan(values[[0, 3]]).all()
    assert values[[1, 2, 4]].tolist() == [math.inf, -math.inf, 1.0]


def test_complex_numbers_are_pairs() -> None:
    assert read_feed("[[1, -2], [Infinity, 0]]", info("complex64", None)).tolist() == [
        1 - 2j,
        complex(math.inf, 0),
    ]
    assert read_feed("[1, 2]", info("complex128", None)).tolist() == [1, 2]
    assert read_feed("[1, 2]", info("complex128")).item() == 1 + 2j


@pytest.mark.parametrize("dtype", [d.name for d in all_dtypes() if d.itemsize is not None])
def test_what_run_writes_as_json_is_read_to_the_same_bits(dtype: str, written: Any) -> None:
    kind = dtype_from_name(dtype).to_numpy()
    values = {
        "i": [1, 0, 1],
        "b": [True, False, True],
        "c": [0.1 + 2j, -3, 1e-30],
    }.get(kind.kind, [0.5, 1.0, 2.0])
    array = np.array([0, 1, 1] if "int" in dtype else values).astype(kind)
    text = "\n".join(json_lines([{"x": array}]))
    inner = json.dumps(json.loads(text)["x"])
    assert same_bits(read_feed(inner, info(dtype, None)), array)
    assert same_bits(read_feed(written("x.json", inner.encode()), info(dtype, 3)), array)


def test_bytes_that_are_no_text_come_back_from_json() -> None:
    array = np.array([b"a\xff\0", b"", "\u00e9".encode()], object)
    text = "\n".join(json_lines([{"x": array}]))
    assert read_feed(json.dumps(json.loads(text)["x"]), info("string", None)).tolist() == list(
        array
    )
    # Of the command line, where such a byte is half of a pair.
    assert read_feed("\udcff", info("string")).item() == b"\xff"


@pytest.mark.parametrize(
    ("text", "dtype", "says"),
    [
        ("0.5", "int32", "found float64 in 0.5, expected x:0 int32 of unknown rank"),
        ("300", "int8", "found 300 in 300, expected x:0 int8 .*: -128 to 127"),
        ("-1", "uint64", "found -1 in -1, .*: 0 to 18446744073709551615"),
        (str(2**63), "int64", f"found {2**63} in "),
        (str(2**64), "uint64", "expected integers of 64 bits"),
        ("9" * 5000, "int64", "expected a number"),
        ("16", "uint4", "found 16 in 16, .*: 0 to 15"),
        ("1", "bool", "found int64"),
        ("true", "float32", "found bool"),
        ("[true, 1]", "float32", "lists of one length"),
        ("[1, [2]]", "float32", "lists of one length"),
        ("__import__('os')", "float32", "expected a number"),
        ("null", "float32", "lists of one length"),
        ('{"a": 1}', "float32", "lists of one length"),
        ('["1"]', "float32", "lists of one length"),
        ("NaN", "int32", "found float64"),
        ("[1, 2]", "string", "expected strings"),
        ('{"base64": "?"}', "string", "found no base64"),
        (r'"\ud800"', "string", "found a string that is no text"),
        ("1e39", "float32", r"found 1e\+39 in 1e39, expected x:0 float32 .*, which cannot hold it"),
        ("1e400", "float64", "1e400 is too large"),
        ("1" + "0" * 400, "float64", "expected numbers that 64 bits can hold"),
        ("65520", "float16", "found 65520.0"),
        ("500", "float8_e4m3fn", "found 500.0"),
        ("Infinity", "float8_e4m3fn", "found inf"),
        ("NaN", "float4_e2m1fn", "found nan"),
        ("[[1e39, 0]]", "complex64", "which cannot hold it"),
        ("1", "resource", "takes a resource, which no value is"),
        ("[" * 100_000, "float32", "nested too deep"),
        ("[" * 40 + "]" * 40, "float32", "nested too deep"),
        ("[" * 100_000 + "]" * 100_000, "string", "nested too deep"),
    ],
)
def test_values_of_another_kind_are_refused(text: str, dtype: str, says: str) -> None:
    with pytest.raises(tfa.ConversionError, match=says):
        read_feed(text, of_any_shape(dtype))


def test_a_value_of_another_shape_is_refused() -> None:
    with pytest.raises(
        tfa.ConversionError,
        match=r"found shape \(3,\) \(float64\) in \[1, 2, 3\], expected x:0 float32 \(\?, 2\)",
    ):
        read_feed("[1, 2, 3]", info("float32", None, 2))


def test_floats_are_rounded_and_integers_become_floats() -> None:
    assert read_feed("0.1", info("float32")) == np.float32(0.1)
    assert read_feed("0.1", info("bfloat16")) == ml_dtypes.bfloat16(0.1)
    assert read_feed("1e-50", info("float32")).item() == 0.0
    assert read_feed(str(2**60 + 1), info("float32")).item() == 2.0**60
    assert read_feed("-Infinity", info("float16")).item() == -math.inf


# --- .npy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", ">f4", "i8", ">i2", "u1", "?", "c8", "c16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_read_as_numpy_reads_it(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    np.save(tmp_path / "x.npy", np.asarray(array, order=order))  # type: ignore[call-overload]
    name = {"f": "float64", "i": "int64", "u": "int64", "b": "bool", "c": "complex128"}
    found = read_feed(str(tmp_path / "x.npy"), info(name[array.dtype.kind], None, 3, 4))
    assert found.tolist() == array.tolist()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_header(tmp_path: Path, version: tuple[int, int]) -> None:
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.arange(3.0), version)
    assert read_feed(str(path), info("float32", 3)).tolist() == [0, 1, 2]


def test_an_array_without_elements(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", np.empty((0, 3)))
    np.save(tmp_path / "x.npy", np.empty((0, 3)))
    for name in ("x.npy", "x.npz"):
        assert read_feed(str(tmp_path / name), info("float32", None, 3)).shape == (0, 3)


def test_types_that_numpy_has_no_name_for(tmp_path: Path) -> None:
    """np.save writes bfloat16 as two bytes without a name: the input says what they are."""
    array = np.array([0.5, -3.0], ml_dtypes.bfloat16)
    np.save(tmp_path / "x.npy", array)
    assert same_bits(read_feed(str(tmp_path / "x.npy"), info("bfloat16", 2)), array)
    for dtype in ("float32", "float16", "float8_e5m2"):
        with pytest.raises(tfa.ConversionError, match=r"found \|V2"):
            read_feed(str(tmp_path / "x.npy"), info(dtype, 2))


def test_arrays_of_text(tmp_path: Path) -> None:
    for array in (np.array(["a", "\u00e9"]), np.array([b"a", "\u00e9".encode()])):
        np.save(tmp_path / "x.npy", array)
        assert read_feed(str(tmp_path / "x.npy"), info("string", 2)).tolist() == [
            b"a",
            "\u00e9".encode(),
        ]


def test_a_bool_is_0_or_1(written: Any) -> None:
    path = written("x.npy", npy("'|b1'", "(3,)", b"\x00\x01\x02"))
    assert read_feed(path, info("bool", 3)).view(np.uint8).tolist() == [0, 1, 1]


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("exit 1",)


def test_arrays_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = np.array([Evil()], object)
    np.save(tmp_path / "evil.npy", evil, allow_pickle=True)
    np.savez(tmp_path / "evil.npz", x=evil)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Evil()))
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("it was unpickled"))
    for name in ("evil.npy", "evil.npz", "bare.npy"):
        with pytest.raises(tfa.ConversionError, match="no array that can be read"):
            read_feed(str(tmp_path / name), info("float32", None))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npy("'<f4'", "(1000000000000,)", bytes(8)), "takes 4000000000000 bytes, expected the 8"),
        (npy("'<f4'", f"({2**62}, {2**62})", bytes(8)), "expected the 8 that follow"),
        (npy("'<f4'", "(3,)", bytes(8)), "takes 12 bytes, expected the 8"),
        (npy("'<f4'", "(-1,)", bytes(8)), "expected sizes"),
        (npy("'<f4'", "(True,)", bytes(8)), "expected sizes"),
        (npy("'<f4'", f"(0, {10**30})"), "no room"),
        (npy("'<f4'", f"({'1, ' * 100})", bytes(4)), "no room"),
        (npy("'|O'", "(1,)", bytes(8)), "pickled Python objects"),
        (npy("[('a', '<f4')]", "(1,)", bytes(4)), "expected numbers"),
        (npy("'(2,2)<f4'", "(1,)", bytes(16)), "expected numbers"),
        (npy("'<M8[s]'", "(1,)", bytes(8)), "expected numbers"),
        (npy("'|S0'", f"({10**15},)"), "elements of no bytes"),
        (npy("'|S999999999'", "(1,)", b"a"), "expected the 1 that"),
        (npy("'nonsense'", "(1,)"), "no array that can be read"),
        (npy("'<f4'", "[1]"), "no array that can be read"),
        (npy("__import__('os')", "(1,)"), "no array that can be read"),
        (npy("'<f4'", "(" * 3000), "no array that can be read"),
        (npy("'<f4'", "(" * 3000 + ")" * 3000), "no array that can be read"),
        (npy("'<f4'", "(1," + " " * 20_000 + ")"), "found a header of 2.... bytes, expected"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "found a header of 4294967295 bytes"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "found version 9 of .npy, expected 1 to 3"),
        (b"\x93NUMPY", "it begins with"),
        (b"", "it begins with"),
        (b"\x89HDF\r\n\x1a\n", "it begins with"),
    ],
)
def test_a_header_is_not_believed(content: bytes, says: str, written: Any) -> None:
    with pytest.raises(tfa.ConversionError, match=says) as caught:
        read_feed(written("x.npy", content), of_any_shape("float32"))
    assert caught.value.path is not None


def test_what_a_file_may_be(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(2))
    os.symlink("x.npy", tmp_path / "link.npy")
    assert read_feed(str(tmp_path / "link.npy"), info("float32", 2)).tolist() == [1, 1]
    os.symlink("gone", tmp_path / "dangling.npy")
    os.mkdir(tmp_path / "folder.npy")
    for suffix in ("npy", "npz", "json", "png"):
        os.mkfifo(tmp_path / f"pipe.{suffix}")
        with pytest.raises(tfa.PathNotFoundError, match="no regular file"):
            read_feed(str(tmp_path / f"pipe.{suffix}"), info("float32", None, None, None))
    os.symlink("/dev/zero", tmp_path / "zero.json")
    for name, says in (
        ("dangling.npy", "no such file"),
        ("none.npy", "no such file"),
        ("none.npz", "no such file"),
        ("none.json", "no such file"),
        ("none.jpg", "no such file"),
        ("folder.npy", "no regular file"),
        ("zero.json", "no regular file"),
        ("nul\0.npy", "NUL"),
    ):
        with pytest.raises(tfa.PathNotFoundError, match=says):
            read_feed(str(tmp_path / name), info("float32", None, None, None))


# --- .npz ----------------------------------------------------------------------------------------


def test_an_archive_of_several_arrays_needs_a_name(tmp_path: Path) -> None:
    path = tmp_path / "two.npz"
    arrays: dict[str, Any] = {"a": np.ones(2), "b[0]/c": np.zeros(2)}
    np.savez_compressed(path, **arrays)
    assert read_feed(f"{path}[b[0]/c]", info("float32", None)).tolist() == [0.0, 0.0]
    with pytest.raises(tfa.ConversionError, match="found 2 arrays, expected one; pick it"):
        read_feed(str(path), info("float32", None))
    with pytest.raises(tfa.ConversionError, match=r"no array 'c'; there is a, b\[0\]/c"):
        read_feed(f"{path}[c]", info("float32", None))
    np.savez(tmp_path / "one.npz", np.arange(3))
    assert read_feed(str(tmp_path / "one.npz"), info("int64", 3)).tolist() == [0, 1, 2]


def archive(member: bytes, **facts: int) -> bytes:
    """A zip of one member `x.npy`, deflated, whose directory says what it is told to."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", member)
    data = bytearray(content.getvalue())
    entry = data.rindex(b"PK\x01\x02")
    places = {"flags": (8, "<H"), "method": (10, "<H"), "stored": (20, "<I"), "size": (24, "<I")}
    for name, value in facts.items():
        offset, form = places[name]
        struct.pack_into(form, data, entry + offset, value)
        if name in ("flags", "method"):
            struct.pack_into(form, data, offset - 2, value)
    return bytes(data)


ONE = npy("'<f4'", "(1000,)", bytes(4000))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (archive(ONE, size=0x7FFFFFFF), "expected at most the"),
        (archive(ONE, size=100), "takes 4000 bytes, expected the|Bad CRC"),
        (archive(ONE, size=len(ONE) + 1), "takes 4000 bytes, expected the 4001"),
        (archive(ONE, stored=0x7FFFFFFF), "expected at most the"),
        (archive(ONE, flags=1), "encrypted"),
        (archive(ONE, method=12), "compressed by method 12"),
        (archive(npy("'<f4'", "(1001,)", bytes(4000))), "takes 4004 bytes, expected the 4000"),
        (archive(b"text"), "it begins with"),
        (b"PK\x05\x06" + bytes(18), "found no arrays"),
        (b"no zip", "not a zip file"),
        (b"", "not a zip file"),
        (archive(ONE)[:-30], "not a zip file"),
    ],
)
def test_a_directory_is_not_believed(content: bytes, says: str, written: Any) -> None:
    with pytest.raises(tfa.ConversionError, match=says):
        read_feed(written("x.npz", content), of_any_shape("float32"))


def test_a_member_that_is_damaged_is_refused(written: Any) -> None:
    random_ = np.random.default_rng(0).bytes(4000)
    good = archive(npy("'<f4'", "(1000,)", random_))
    refused = 0
    for position in range(40, len(good) - 80, 400):
        bad = bytearray(good)
        bad[position] ^= 0x10
        with pytest.raises(tfa.ConversionError):
            read_feed(written("x.npz", bytes(bad)), of_any_shape("float32"))
        refused += 1
    assert refused > 8


def test_a_compression_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    """2 GiB of zeros in 2 MB: refused by the directory alone, so that little is written here."""
    size = 2 << 30
    header = npy("'<f4'", f"({(size - 128) // 4},)")
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    stored = squeezed.compress(header) + squeezed.compress(bytes(1 << 20)) + squeezed.flush()
    stored += bytes(size // 1000 - len(stored))
    name = b"x.npy"
    facts = struct.pack("<HHHHIIIHH", 20, 0, 8, 0, 0, 0, len(stored), 0, 0)
    local = b"PK\x03\x04" + facts[:14] + struct.pack("<IIHH", len(stored), size, 5, 0) + name
    entry = (
        b"PK\x01\x02"
        + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 8, 0, 33, 0, len(stored), size, 5, *[0] * 6)
        + name
    )
    begin = len(local) + len(stored)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), begin, 0)
    path = tmp_path / "bomb.npz"
    path.write_bytes(local + stored + entry + end)
    with pytest.raises(tfa.ConversionError, match=r"expected less than 100 times .*np\.savez"):
        read_feed(str(path), of_any_shape("float32"))


# --- .json files ---------------------------------------------------------------------------------


def test_a_json_file_may_be_anything(written: Any) -> None:
    path = written("x.json", b"\xef\xbb\xbf[1, 2]")
    assert read_feed(path, info("int32", 2)).tolist() == [1, 2]
    for content, says in (
        (b"\xff", "found no UTF-8"),
        (b"", "found no JSON"),
        (b"[" * 1_000_000, "nested too deep"),
        (b"[1, 2", "found no JSON"),
        (b'{"instances": [1]}', "found others, expected numbers"),
    ):
        with pytest.raises(tfa.ConversionError, match=says) as caught:
            read_feed(written("x.json", content), info("float32", None))
        assert caught.value.path is not None


def test_a_json_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as file:
        file.truncate(300 << 20)  # sparse
    with pytest.raises(tfa.ConversionError, match=r"expected at most 268435456; save the array"):
        read_feed(str(tmp_path / "x.json"), info("float32", None))


# --- pictures ------------------------------------------------------------------------------------


def png(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    """The head of a PNG, and no more."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def jpeg(width: int, height: int) -> bytes:
    frame = struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + bytes(14) + b"\xff\xff\xc2" + frame


@pytest.mark.parametrize("make", [png, jpeg])
def test_a_picture_fits_by_its_head_alone(make: Any, written: Any) -> None:
    path = written("x.png", make(32, 28))
    for fitting_ in (info("float32", None, 28, 32, 3), info("uint8", None, None, 3)):
        picture = read_feed(path, fitting_)
        assert isinstance(picture, Picture)
        assert (picture.height, picture.width) == (28, 32)
    assert isinstance(read_feed(path, of_any_shape("uint8")), Picture)
    for other in (info("float32", None, 32, 28, 3), info("float32", None, 896), info("uint8")):
        with pytest.raises(tfa.ConversionError, match=r"a picture of 28 x 32 \(height, width\)"):
            read_feed(path, other)
    assert read_feed(path, info("string", None)).tolist() == [make(32, 28)]
    assert read_feed(path, info("string")).item() == make(32, 28)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (png(100_000, 100_000), "found a picture of 100000 x 100000 pixels, expected at most"),
        (png(2**32 - 1, 2**32 - 1), "expected at most"),
        (png(0, 5), "expected at most"),
        (jpeg(65_535, 65_535), "expected at most"),
        (png(28, 28, bits=16), "a picture of 16 bits a channel, expected 8"),
        (png(28, 28)[:20], "a PNG without its head"),
        (jpeg(28, 28)[:25], "a JPEG without a frame"),
        (b"\xff\xd8\xff" + bytes(1000), "a JPEG without a frame"),
        (b"\xff\xd8\xff" + b"\xff" * 1000, "a JPEG without a frame"),
        (b"\xff\xd8" + b"\xff\xe0\x00\x00" * 1000, "a JPEG without a frame"),
        (b"GIF89a", "expected a PNG or JPEG"),
        (b"", "expected a PNG or JPEG"),
    ],
)
def test_a_picture_that_cannot_be_is_refused_undecoded(
    content: bytes, says: str, written: Any
) -> None:
    with pytest.raises(tfa.ConversionError, match=says):
        read_feed(written("x.jpg", content), info("float32", None, None, None, None))


def test_sixteen_bits_are_for_inputs_of_sixteen(written: Any) -> None:
    path = written("x.png", png(28, 28, bits=16))
    picture = read_feed(path, info("uint16", None, 28, 28, 3))
    assert isinstance(picture, Picture)
    assert picture.bits == 16


# --- anything ------------------------------------------------------------------------------------


def hostile() -> Iterator[tuple[str, bytes]]:
    """Files with bytes changed, cut and doubled."""
    content = io.BytesIO()
    np.savez_compressed(content, x=np.arange(50.0), y=np.ones((2, 3), np.int8))
    plain = io.BytesIO()
    np.save(plain, np.arange(12, dtype=">f4").reshape(3, 4))
    seeds = {
        "x.npz": content.getvalue(),
        "x.npy": plain.getvalue(),
        "x.json": b'[[1, 2.5, "NaN"], [3, -4e3, true]]',
        "x.png": png(4, 4),
        "x.jpg": jpeg(4, 4),
    }
    chance = random.Random(1)
    for name, seed in seeds.items():
        for _ in range(120):
            data = bytearray(seed)
            for _ in range(chance.randint(1, 3)):
                at = chance.randrange(len(data) + 1)
                match chance.randrange(4):
                    case 0:
                        data[at : at + 1] = bytes([chance.randrange(256)])
                    case 1:
                        del data[at:]
                    case 2:
                        data[at:at] = data[: chance.randrange(1 + len(data))]
                    case _:
                        data[at : at + 4] = b"\xff\xff\xff\x7f"
            yield name, bytes(data)


def test_no_file_breaks_the_reader(written: Any) -> None:
    """Refused in our words, or read: nothing else, and nothing large."""
    read = refused = 0
    for name, content in hostile():
        path = written(name, content)
        try:
            value = read_feed(path + ("[x]" if name == "x.npz" else ""), of_any_shape("float32"))
        except tfa.TfArtifactsError:
            refused += 1
        else:
            read += 1
            assert isinstance(value, Picture) or value.nbytes < 100_000
    assert read > 40
    assert refused > 300


def test_arrays_of_a_caller_are_cast_as_files_are() -> None:
    assert same_bits(fitting([1, 2], info("float32", 2), "given"), np.array([1, 2], np.float32))
    with pytest.raises(tfa.ConversionError, match="found float64 in given, expected x:0 int32"):
        fitting(np.ones(2), info("int32", 2), "given")
