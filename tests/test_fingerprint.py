"""fingerprint.pb, the hash it is made with, and the form of a message that is hashed."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from tests.judges.client import Judge
from tests.test_check_graphs import node
from tfartifacts.checks.findings import Finding, Severity
from tfartifacts.checks.fingerprints import check_fingerprint
from tfartifacts.errors import FormatError
from tfartifacts.formats.farmhash import concatenated, fingerprint64
from tfartifacts.formats.fingerprint import (
    Fingerprint,
    object_graph_hash,
    read_fingerprint,
    saved_model_hash,
    signatures_hash,
)
from tfartifacts.formats.schema import message_class, text_to_binary
from tfartifacts.formats.sorted_maps import sorted_maps
from tfartifacts.formats.wire import Message, put_always, put_bytes, put_entry

KNOWN = bytes.fromhex(
    "08"
    "01"  # saved_model_checksum
    "10"
    "ffffffffffffffffff01"  # graph_def_program_hash, 2^64 - 1
    "18"
    "03"  # signature_def_hash
    "20"
    "04"  # saved_object_graph_hash
    "28"
    "05"  # checkpoint_hash
    "3202"
    "0804"  # version { producer: 4 }
    "3a02"
    "3132"  # uuid
)


def test_fingerprint_byte_by_byte() -> None:
    expected = Fingerprint(1, (1 << 64) - 1, 3, 4, 5, producer=4, uuid="12")
    assert read_fingerprint(KNOWN) == expected
    assert read_fingerprint(b"") == Fingerprint(0, 0, 0, 0, 0, 0, "")
    with pytest.raises(FormatError):
        read_fingerprint(KNOWN[:3])


# --- the hash ------------------------------------------------------------------------------------

SIZES = (*range(300), 511, 512, 513, 4095, 4096, 4097, 65_535, 100_000, (1 << 20) + 17)


def test_the_hash_is_tensorflows(tensorflow: Judge, tmp_path: Path) -> None:
    method = 'attr { key: "dtype" value { type: DT_STRING } } attr { key: "value" value { tensor '
    method += '{ dtype: DT_STRING tensor_shape {} string_val: "farmhash64" } } }'
    text = node("x", "Placeholder", more='attr { key: "dtype" value { type: DT_STRING } }')
    text += node("m", "Const", more=method)
    hashed = 'attr { key: "T" value { type: DT_STRING } }'
    text += node("h", "Fingerprint", "x", "m", more=hashed)
    path = tmp_path / "graph.pb"
    path.write_bytes(text_to_binary("GraphDef", text.encode()))
    generator = random.Random(4)
    data = [generator.randbytes(size) for size in SIZES]
    data += [b"\0" * size for size in SIZES[:300]] + [b"\xff" * size for size in SIZES[:300]]
    values = np.array(data, dtype=object)
    expected = tensorflow.run_graph_def(path, {"x:0": values}, ["h:0"])["h:0"]
    assert [int.from_bytes(row.tobytes(), "little") for row in expected] == [
        fingerprint64(item) for item in data
    ]


def test_ten_megabytes_are_hashed_in_a_second_or_so() -> None:
    data = bytes(10_000_000)
    start = time.process_time()
    fingerprint64(data)
    assert time.process_time() - start < 10  # measured: 0.24 s


# --- the form that is hashed ---------------------------------------------------------------------


def test_maps_are_sorted_by_key_and_a_key_goes_before_those_it_begins() -> None:
    def entry(key: str) -> bytes:
        return put_entry(5, key, put_always(3, 7))

    name = put_bytes(1, b"n")
    data = put_bytes(1, entry("Tin") + name + entry("T") + entry("b") + entry("Tab"))
    expected = put_bytes(1, entry("T") + entry("Tab") + entry("Tin") + entry("b") + name)
    assert sorted_maps("GraphDef", data) == (expected, True)


def test_the_last_of_two_entries_of_a_key_counts_and_numbers_are_sorted_as_numbers() -> None:
    first, last = (
        put_bytes(5, put_bytes(1, b"k") + put_bytes(2, put_always(3, i))) for i in (1, 2)
    )
    assert sorted_maps("NodeDef", first + last) == (last, True)
    by_number = {n: put_bytes(7, put_always(1, n) + put_bytes(2, b"")) for n in (10, 9)}
    assert sorted_maps("FunctionDef", by_number[10] + by_number[9])[0] == (
        by_number[9] + by_number[10]
    )


def test_a_field_that_is_not_known_is_told() -> None:
    assert sorted_maps("NodeDef", put_bytes(1, b"n") + put_bytes(900, b"x"))[1] is False


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(FormatError):
        sorted_maps("GraphDef", b"\x0a\x05ab")
    nested = b""
    for _ in range(300):
        nested = put_bytes(10, put_bytes(2, put_bytes(1, b"a") + put_bytes(2, nested)))
    with pytest.raises(FormatError, match="nested more than 100"):
        sorted_maps("AttrValue", nested)


def models(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.rglob("fingerprint.pb"))


def assert_hashes_fit(folder: Path) -> None:
    stored = read_fingerprint((folder / "fingerprint.pb").read_bytes())
    data = (folder / "saved_model.pb").read_bytes()
    [meta_graph] = Message(data).messages(2)
    found = (saved_model_hash(data), signatures_hash(meta_graph), object_graph_hash(meta_graph))
    assert all(each.certain for each in found)
    assert [each.value for each in found] == [
        stored.saved_model,
        stored.signatures,
        stored.object_graph,
    ]


def test_hashes_that_tensorflow_2_21_wrote_are_found_again(fixtures: Path) -> None:
    folders = models(fixtures)
    assert len(folders) == 2
    for folder in folders:
        assert_hashes_fit(folder)


def test_hashes_of_older_tensorflow_are_found_again(shared_artifacts: Path) -> None:
    folders = models(shared_artifacts)
    assert len(folders) == 2
    for folder in folders:
        assert_hashes_fit(folder)


# --- findings ------------------------------------------------------------------------------------


@pytest.fixture
def model(fixtures: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fixtures / "keras" / "export", tmp_path / "model"))


def check(model: Path) -> list[Finding]:
    return list(check_fingerprint(str(model)))


def test_a_fingerprint_that_fits_is_no_finding(model: Path) -> None:
    assert check(model) == []
    (model / "fingerprint.pb").unlink()
    assert check(model) == []


def test_every_damage_to_the_index_is_found(model: Path) -> None:
    index = model / "variables" / "variables.index"
    data = index.read_bytes()
    for offset in range(0, len(data), 7):
        index.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])
        [finding] = check(model)
        assert (finding.severity, finding.code) == (Severity.ERROR, "fingerprint-checkpoint")
    assert "variables.index is not the one the fingerprint was made for" in finding.message


def test_every_damage_to_the_saved_model_is_found(model: Path) -> None:
    """TensorFlow reads such a file, or not, and never looks at its fingerprint."""
    path = model / "saved_model.pb"
    data = path.read_bytes()
    readable = 0
    generator = random.Random(5)
    for offset in sorted(generator.sample(range(len(data)), 300)):
        changed = data[:offset] + bytes([data[offset] ^ 1 << generator.randrange(8)])
        path.write_bytes(changed + data[offset + 1 :])
        findings = check(model)
        try:
            Message(path.read_bytes())
            message_class("SavedModel").FromString(path.read_bytes())
        except Exception:  # noqa: BLE001 - protobuf's own, of several kinds
            continue  # told where it is opened
        readable += 1
        assert [finding.code for finding in findings] == ["fingerprint-saved-model"], offset
    assert readable > 50


def test_what_changed_is_said(model: Path) -> None:
    path = model / "saved_model.pb"
    saved_model = message_class("SavedModel").FromString(path.read_bytes())
    meta_graph = saved_model.meta_graphs[0]  # type: ignore[attr-defined]
    meta_graph.signature_def["serving_default"].method_name = "other"
    path.write_bytes(saved_model.SerializeToString(deterministic=True))
    [finding] = check(model)
    assert finding.severity == Severity.ERROR
    assert "(the signatures changed)" in finding.message


def test_a_saved_model_of_a_newer_tensorflow_is_not_judged(model: Path) -> None:
    path = model / "saved_model.pb"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"2.21.0", b"2.99.0") + put_bytes(900, b"new"))
    [finding] = check(model)
    assert (finding.severity, finding.code) == (Severity.NOTE, "fingerprint-saved-model")
    # TensorFlow 2.21 has no such field.
    path.write_bytes(data + put_bytes(900, b"new"))
    [finding] = check(model)
    assert (finding.severity, finding.code) == (Severity.ERROR, "fingerprint-saved-model")


def test_a_saved_model_that_cannot_be_read_whole_is_an_error(model: Path) -> None:
    path = model / "saved_model.pb"
    path.write_bytes(path.read_bytes() + put_bytes(2, put_bytes(2, put_bytes(1, b"\x0a\x05"))))
    [finding] = check(model)
    assert (finding.severity, finding.code) == (Severity.ERROR, "fingerprint-saved-model")
    assert finding.offset is not None


@pytest.mark.parametrize("data", [b"\x08", bytes(100_000)], ids=["cut", "too large"])
def test_a_fingerprint_that_cannot_be_read_is_a_warning(model: Path, data: bytes) -> None:
    (model / "fingerprint.pb").write_bytes(data)
    [finding] = check(model)
    assert (finding.severity, finding.code) == (Severity.WARNING, "fingerprint")


def test_a_folder_in_place_of_a_fingerprint_is_a_warning(model: Path) -> None:
    (model / "fingerprint.pb").unlink()
    (model / "fingerprint.pb").mkdir()
    [finding] = check(model)
    assert finding.severity == Severity.WARNING


def test_hashes_are_joined_in_order() -> None:
    assert concatenated(1, 2) != concatenated(2, 1)
