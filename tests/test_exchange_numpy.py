"""NumPy's files that lie: archives, arrays, folders of them."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests.exchange_files import checkpoint_of, facts, left_in
from tfartifacts.exchange.npy import encode_start
from tfartifacts.exchange.npy_folder import file_names


class Trap:
    """What writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode()
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def described(descr: str = "'<f4'", order: str = "False", shape: str = "(1,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


ARRAYS: dict[str, tuple[bytes, str]] = {
    "objects": (npy(described("'|O'"), pickle.dumps([1])), "pickled Python objects"),
    "objects inside": (npy(described("[('a', '|O')]"), b"\0" * 8), "pickled Python objects"),
    "structure": (npy(described("[('a', '<f4')]"), b"\0" * 4), "expected numbers"),
    "times": (npy(described("'<M8[s]'"), b"\0" * 8), "expected numbers"),
    "long double": (npy(described("'<f16'"), b"\0" * 16), "TensorFlow has no type"),
    "void": (npy(described("'|V3'"), b"\0" * 3), "TensorFlow has no type"),
    "no bytes": (npy(described("'|S0'", shape="(9999999999,)")), "no bytes"),
    "negative": (npy(described(shape="(-1,)")), "a dimension of -1"),
    "negative twice": (npy(described(shape="(-1, -1)"), b"\0" * 4), "a dimension of -1"),
    "huge": (npy(described(shape="(1 << 60,)")), "cannot be read"),
    "larger than the file": (npy(described(shape="(1099511627776,)"), b"\0" * 4), "takes 4398046"),
    "product that wraps": (npy(described(shape="(4294967296, 4294967296)")), "2\\^63"),
    "of a bool": (npy(described(shape="(True,)"), b"\0" * 4), "expected sizes"),
    "text for a shape": (npy(described(shape="'x'")), "cannot be read"),
    "code": (npy("__import__('os').system('true')"), "cannot be read"),
    "nested": (npy("(" * 3000), "cannot be read"),
    "not a dictionary": (npy("[]"), "cannot be read"),
    "truncated": (npy(described(), b"\0\0"), "expected the 2 that follow"),
    "bytes behind": (npy(described(), b"\0" * 5), "expected the 5 that follow"),
    "version": (npy(described(), b"\0" * 4, version=1).replace(b"Y\x01", b"Y\x07"), "version 7"),
    "header too long": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31), "at most 10000"),
    "header cut": (npy(described())[:30], "expected a header of"),
    "many dimensions": (npy(described(shape=f"({'1,' * 300})"), b"\0" * 4), "300 dimensions"),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("place", ["file", "folder", "archive"])
def test_an_array_that_lies_is_refused(place: str, name: str, tmp_path: Path) -> None:
    data, message = ARRAYS[name]
    path = tmp_path / "a.npy"
    if place == "archive":
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", data)
    else:
        path.write_bytes(data)
    with pytest.raises(tfa.FormatError, match=message) as caught:
        tfa.import_checkpoint(tmp_path if place == "folder" else path)
    assert caught.value.path == str(path)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    trap: Any = np.array([Trap(tmp_path / "sprung")], object)
    np.savez(tmp_path / "m.npz", a=trap)
    np.save(tmp_path / "a.npy", trap)
    for path in (tmp_path / "m.npz", tmp_path / "a.npy", tmp_path):
        with pytest.raises(tfa.UnsupportedError, match="pickled Python objects"):
            tfa.import_checkpoint(path)
    assert not (tmp_path / "sprung").exists()


def test_text_beyond_unicode_is_refused_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy(described("'<U1'"), b"\xff" * 4))
    checkpoint = tfa.import_checkpoint(tmp_path / "a.npy")
    with pytest.raises(tfa.FormatError, match="text beyond Unicode"):
        checkpoint.variables["a"].read()


# ---------------------------------------------------------------- archives


def array_bytes(array: Any) -> bytes:
    written = io.BytesIO()
    np.save(written, array)
    return written.getvalue()


ONE = array_bytes(np.ones(3))


def archive_of(path: Path, members: list[tuple[str, bytes]], method: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name", ["../a.npy", "/a.npy", "a/../../b.npy", "../../etc/passwd.npy", "..npy/../x.npy"]
)
def test_a_member_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "m.npz", [(name, ONE)])
    with pytest.raises(tfa.FormatError, match="lead out of the folder"):
        tfa.import_checkpoint(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "m.npz", [("a.npy", ONE), ("a.npy", ONE)])
    with pytest.raises(tfa.FormatError, match="twice, expected each once"):
        tfa.import_checkpoint(path)


@pytest.mark.parametrize("name", ["a.txt", "a", "evil.pkl", ".npy"])
def test_a_member_that_is_no_array_is_refused(name: str, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "m.npz", [("b.npy", ONE), (name, ONE)])
    with pytest.raises(tfa.FormatError, match=r"expected arrays|without a name"):
        tfa.import_checkpoint(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(method: int, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "m.npz", [("a.npy", ONE)], method)
    with pytest.raises(tfa.UnsupportedError, match="expected none or deflate"):
        tfa.import_checkpoint(path)


def changed(path: Path, field: int, value: int, width: str = "<I") -> None:
    """Set a field of the directory's first entry, by its offset there."""
    data = bytearray(path.read_bytes())
    struct.pack_into(width, data, data.index(b"PK\x01\x02") + field, value)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("field", "value", "width", "message"),
    [
        (8, 1, "<H", "encrypted"),
        (20, 1 << 30, "<I", "can hold"),
        (24, 1 << 30, "<I", "can hold"),
        (42, 1 << 30, "<I", "no zip archive|can hold|end of the file"),
        (42, 3, "<I", "expected b'PK"),
        (16, 7, "<I", "checksum"),
    ],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_directory_that_lies_is_refused(
    method: int, field: int, value: int, width: str, message: str, tmp_path: Path
) -> None:
    path = archive_of(tmp_path / "m.npz", [("a.npy", ONE)], method)
    changed(path, field, value, width)
    with pytest.raises(tfa.FormatError, match=message):
        tfa.import_checkpoint(path).variables["a"].read()


def bomb(path: Path, size: int, copies: int = 1) -> Path:
    """An archive whose arrays of zeros are as large as deflate can make them."""
    start = encode_start("|u1", (size,))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(copies):
            with archive.open(f"{number}.npy", "w", force_zip64=True) as member:
                member.write(start)
                zeros = bytes(1 << 20)
                for _ in range(size >> 20):
                    member.write(zeros)
    return path


def test_an_archive_that_grows_out_of_proportion_is_refused(tmp_path: Path) -> None:
    path = bomb(tmp_path / "m.npz", 200 << 20, copies=6)
    assert path.stat().st_size < 2 << 20
    with pytest.raises(tfa.FormatError, match="less than 100 times as many"):
        tfa.import_checkpoint(path)


def test_zeros_that_are_not_many_may_be_compressed_well(tmp_path: Path) -> None:
    found = tfa.import_checkpoint(bomb(tmp_path / "m.npz", 2 << 20))
    assert not found.variables["0"].read().any()


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    inner = archive_of(tmp_path / "inner", [("b.npy", ONE)]).read_bytes()
    inner = inner[: inner.index(b"PK\x01\x02")]
    outer = array_bytes(np.frombuffer(inner, np.uint8))
    path = archive_of(tmp_path / "m.npz", [("a.npy", outer), ("b.npy", ONE)])
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", data, second + 42, data.index(inner))
    path.write_bytes(data)
    with pytest.raises(tfa.FormatError, match="in the bytes of another"):
        tfa.import_checkpoint(path)


def test_a_member_that_is_hidden_is_missed(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "m.npz", [("a.npy", ONE), ("b.npy", ONE)])
    # The second entry of the directory as a comment of the first.
    changed(path, 32, 46 + len("b.npy"), "<H")
    with pytest.raises(tfa.FormatError, match="found 1 members, expected 2"):
        tfa.import_checkpoint(path)


@given(st.integers(0, 1000), st.booleans())
def test_a_cut_archive_is_refused(
    tmp_path_factory: pytest.TempPathFactory, end: int, compress: bool
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    tfa.export(checkpoint_of({"a": np.ones(3)}), folder / "m.npz", compress=compress)
    whole = (folder / "m.npz").read_bytes()
    (folder / "c.npz").write_bytes(whole[: min(end, len(whole) - 1)])
    with pytest.raises((tfa.FormatError, tfa.NotThisFormatError)):
        tfa.import_checkpoint(folder / "c.npz")


@given(st.data())
def test_a_changed_byte_is_seen_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    source = checkpoint_of({"a": np.arange(20.0), "s": [b"x\0", b"yz"]})
    compress = data.draw(st.booleans())
    tfa.export(source, folder / "m.npz", compress=compress)
    whole = bytearray((folder / "m.npz").read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "c.npz").write_bytes(whole)
    try:
        found = facts(tfa.import_checkpoint(folder / "c.npz"))
    except tfa.TfArtifactsError:
        return
    # It was in what nobody reads, such as times and permissions.
    assert found == facts(source)


OWN: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "no JSON"),
    "list": ("[]", "expected an object"),
    "texts": ({"metadata": {"a": 1}}, "no texts"),
    "lists": ({"dtypes": []}, "another form"),
    "types of nothing": ({"dtypes": {"z": "int4"}}, "no array 'z'"),
    "unknown type": ({"dtypes": {"a": "int5"}}, "'int5'"),
    "another holder": ({"dtypes": {"a": "int4"}}, "said to be int4"),
    "string": ({"dtypes": {"a": "string"}}, "said to be string"),
    "strings without places": ({"strings": {"a": {"shape": [1], "offsets": "z"}}}, "no array 'z'"),
    "strings are their places": (
        {"strings": {"a": {"shape": [1], "offsets": "a"}}},
        "no array 'a'",
    ),
    "places of floats": ({"strings": {"a": {"shape": [1], "offsets": "b"}}}, "places|bytes"),
    "no shape": ({"strings": {"a": {"offsets": "b"}}}, "no shape and offsets"),
    "negative": ({"strings": {"a": {"shape": [-1], "offsets": "b"}}}, "no shape and offsets"),
}


@pytest.mark.parametrize("name", OWN)
def test_an_own_entry_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    document, message = OWN[name]
    text = document if isinstance(document, str) else json.dumps(document)
    np.savez(tmp_path / "m.npz", a=np.ones(2), b=np.ones(2), __metadata__=np.bytes_(text))
    with pytest.raises(tfa.FormatError, match=message):
        tfa.import_checkpoint(tmp_path / "m.npz")


@pytest.mark.parametrize("ends", [[0, 5], [1, 4], [0, 3], [4, 0], [0, 1 << 63]])
def test_places_of_strings_that_lie_are_refused(ends: list[int], tmp_path: Path) -> None:
    own = {"strings": {"a": {"shape": [1], "offsets": "b"}}}
    text = np.bytes_(json.dumps(own))
    data, places = np.zeros(4, np.uint8), np.array(ends, np.uint64)
    np.savez(tmp_path / "m.npz", a=data, b=places, __metadata__=text)
    checkpoint = tfa.import_checkpoint(tmp_path / "m.npz")
    with pytest.raises(tfa.FormatError, match="do not go from 0 to 4"):
        checkpoint.variables["a"].read()


# ---------------------------------------------------------------- folders


def folder_of(path: Path) -> dict[str, Any]:
    tfa.export(checkpoint_of({"a/b": np.ones(3), "s": [b"x\0"]}), f"{path}/")
    index: dict[str, Any] = json.loads((path / "index.json").read_text())
    return index


@pytest.mark.parametrize(
    "file",
    ["../a.npy", "/etc/a.npy", "..", "", "x\0.npy", "sub/a.npy", "a\\b.npy", "index.json", 7, None],
)
@pytest.mark.parametrize("key", ["file", "offsets"])
def test_an_index_that_leads_out_is_refused(key: str, file: Any, tmp_path: Path) -> None:
    index = folder_of(tmp_path / "m")
    index["tensors"]["s"][key] = file
    (tmp_path / "m" / "index.json").write_text(json.dumps(index))
    with pytest.raises(tfa.FormatError, match=r"expected the name of a \.npy file in the folder"):
        tfa.import_checkpoint(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "float32"}, "said to be float32"),
        ({"dtype": "float99"}, "'float99'"),
        ({"dtype": 3}, "file, dtype and shape"),
        ({"shape": [4]}, "found shape \\(3,\\), expected \\(4,\\)"),
        ({"shape": [-3]}, "a shape that is none"),
        ({"file": "none.npy"}, "no such file"),
        ({"offsets": "s.npy"}, "found offsets of float64"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    index = folder_of(tmp_path / "m")
    index["tensors"]["a/b"] |= change
    (tmp_path / "m" / "index.json").write_text(json.dumps(index))
    with pytest.raises(tfa.TfArtifactsError, match=message):
        tfa.import_checkpoint(tmp_path / "m")


def test_a_link_out_of_a_folder_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path / "m")
    (tmp_path / "m" / "a.b.npy").rename(tmp_path / "a.b.npy")
    (tmp_path / "m" / "a.b.npy").symlink_to(tmp_path / "a.b.npy")
    with pytest.raises(tfa.FormatError, match="a link to a file elsewhere"):
        tfa.import_checkpoint(tmp_path / "m")


@given(st.sets(st.text(max_size=8), max_size=20))
def test_files_of_a_folder_have_safe_names_and_differ(names: set[str]) -> None:
    files = file_names(sorted(names))
    assert len({file.lower() for file in files.values()}) == len(names)
    for file in files.values():
        assert file.isascii()
        assert not set(file) & set("/\\\0 ")
        assert not file.startswith((".", "-"))
        assert len(file) < 200


def test_names_that_are_no_file_names_come_back(tmp_path: Path) -> None:
    names = ["a/b", "a.b", "A.B", "../x", "index.json", "CON", "x" * 300, "ü\n", " ", "-f", "index"]
    source = checkpoint_of({name: [float(i)] for i, name in enumerate(names)})
    tfa.export(source, f"{tmp_path / 'm'}/")
    assert left_in(tmp_path) == ["m"]
    assert facts(tfa.import_checkpoint(tmp_path / "m")) == facts(source)
