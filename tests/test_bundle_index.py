"""All entries of an index at once: what they are taken for is what each is alone."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfartifacts.dtypes import STRING, DType, dtype_from_name
from tfartifacts.errors import FormatError
from tfartifacts.formats.bundle_entries import encode_entry, parse_entry
from tfartifacts.formats.bundle_index import parse_entries
from tfartifacts.formats.bundle_variables import BundleVariables, DataFiles
from tfartifacts.formats.tensor_data import ArrayTensor
from tfartifacts.formats.wire import Message
from tfartifacts.model.collecting import not_collecting
from tfartifacts.model.values import Shape
from tfartifacts.model.variables import Variable

FLOAT32 = dtype_from_name("float32")
FILES = DataFiles("m", 3, "little")

# Type, shape, shard, offset, size, checksum of an entry; None for one with a fault. Of several
# faults not always the same one is told.
Meaning = tuple[DType, Shape, int, int, int, int] | None


def entry_of(
    dtype: DType = FLOAT32,
    shape: Shape = (3, 2),
    *,
    shard: int = 0,
    offset: int = 0,
    size: int | None = None,
    crc: int = 0x12345678,
) -> bytes:
    value = ArrayTensor(dtype, shape, np.zeros(shape, object if dtype == STRING else "float32"))
    stored = 4 * int(np.prod(shape)) if size is None else size
    return encode_entry(value, shard, offset, stored, crc)


def meaning_alone(name: str, entry: bytes) -> Meaning:
    try:
        read = parse_entry(entry, name, FILES.num_shards)
    except FormatError:
        return None
    return (read.dtype, read.shape, read.shard, read.offset, read.size, read.crc32c)


def meaning_of(variable: Variable) -> Meaning:
    assert variable.value is not None
    place = variable.value.location
    assert place is not None
    assert variable.nbytes == place.size
    place_of = place.shard, place.offset, place.size, place.crc32c
    return (variable.dtype, variable.shape, *place_of)


def meanings_together(entries: Sequence[bytes]) -> dict[str, Meaning]:
    """By name, of variables w0, w1, ... with these entries, told and listed."""
    found: dict[str, Meaning] = {}
    keys = [b"w%d" % number for number in range(len(entries))]
    half = len(entries) // 2
    blocks = [(keys[:half], list(entries[:half])), (keys[half:], list(entries[half:]))]
    variables, orphans = parse_entries(blocks, FILES, lambda name, _: found.update({name: None}))
    assert not orphans
    places = {name: place for name, place, _ in variables.stored()}
    for variable in variables.values():
        assert variables[variable.name] == variable
        assert variable.name not in found
        meaning = found[variable.name] = meaning_of(variable)
        assert meaning is not None
        assert meaning[2:] == places[variable.name]
    return found


def assert_together_as_alone(entries: Sequence[bytes]) -> None:
    alone = {f"w{number}": meaning_alone(f"w{number}", e) for number, e in enumerate(entries)}
    assert meanings_together(entries) == alone
    faulty = [name for name, meaning in alone.items() if meaning is None]
    if faulty:
        keys = [name.encode() for name in alone]
        with pytest.raises(FormatError, match=f"variable '{faulty[0]}'"):
            parse_entries([(keys, list(entries))], FILES)


@st.composite
def changed_entries(draw: st.DrawFn) -> list[bytes]:
    """Runs of entries that are alike but for their place, some of them changed."""
    entries: list[bytes] = []
    for _ in range(draw(st.integers(1, 4))):
        shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 200]), max_size=3)))
        dtype = draw(st.sampled_from([FLOAT32, STRING]))
        shards = st.sampled_from([1, 2]) if draw(st.booleans()) else st.integers(0, 3)
        crcs = st.integers(0, 2**32 - 1)
        most = draw(st.sampled_from([1, 100, 1 << 14, 1 << 40, 1 << 63]))
        entries += [
            entry_of(dtype, shape, shard=draw(shards), offset=offset, crc=draw(crcs))
            for offset in draw(st.lists(st.integers(0, most - 1), max_size=12))
        ]
    for number in draw(st.lists(st.integers(0, max(0, len(entries) - 1)), max_size=3)):
        if entries:
            entries[number] = draw(changed(entries[number]))
    return [entry for entry in entries if not _is_more_than_one(entry)]


@st.composite
def changed(draw: st.DrawFn, entry: bytes) -> bytes:
    position = draw(st.integers(0, len(entry)))
    before, behind = entry[:position], entry[position:]
    byte = bytes((draw(st.integers(0, 255)),))
    return draw(
        st.sampled_from(
            [
                before + byte + behind[1:],
                before + byte + behind,
                before + behind[1:],
                before,
                entry + b"\x08\x02",
                entry + b"\x20\x01",
            ]
        )
    )


def _is_more_than_one(entry: bytes) -> bool:
    """Whether it has slices, which are other entries, or several shapes, which are merged."""
    try:
        message = Message(entry)
        return len(message.spans(2)) > 1 or len(message.spans(7)) > 0
    except FormatError:
        return False


@given(changed_entries())
def test_entries_together_mean_what_each_means_alone(entries: list[bytes]) -> None:
    assert_together_as_alone(entries)


@pytest.mark.parametrize("position", range(len(entry_of(shard=2, offset=300))))
def test_each_byte_of_an_entry_among_others_like_it_is_looked_at(position: int) -> None:
    others = [entry_of(shard=2, offset=offset) for offset in range(300, 306)]
    for byte in range(256):
        different = bytearray(others[3])
        different[position] = byte
        if not _is_more_than_one(bytes(different)):
            assert_together_as_alone([*others[:3], bytes(different), *others[4:]])


@pytest.mark.parametrize("num_shards", [100, 128, 129, 300, 20_000])
def test_each_shard_of_many_entries_is_looked_at(num_shards: int) -> None:
    files = DataFiles("m", num_shards, "little")
    shards = [shard for shard in (1, 99, 127, 128, 200, 299, 16_384) if shard < num_shards]
    for faulty in (None, num_shards, num_shards + 1, num_shards + 127, 2 * num_shards):
        in_order = [*shards, *shards, *([] if faulty is None else [faulty]), *shards]
        for several in (in_order, sorted(in_order), sorted(in_order, key=str)):
            keys = [b"w%05d" % number for number in range(len(several))]
            told: dict[str, FormatError] = {}
            entries = [entry_of(shard=shard) for shard in several]
            variables, _ = parse_entries([(keys, entries)], files, told.__setitem__)
            assert list(told) == [f"w{n:05d}" for n, shard in enumerate(several) if shard == faulty]
            found = [variable.shard for variable in variables.values()]
            assert found == [shard for shard in several if shard != faulty]


@given(st.lists(st.binary(min_size=1, max_size=6), unique=True, max_size=20))
def test_names_decoded_together_are_those_decoded_alone(keys: list[bytes]) -> None:
    keys = [key for key in keys if key[0] != 0]
    entries = [entry_of(offset=24 * number) for number in range(len(keys))]
    variables, _ = parse_entries([(keys, entries)], FILES)
    assert list(variables) == [str(key, "utf-8", "surrogateescape") for key in keys]
    assert all(name in variables for name in variables)
    assert "\0" not in variables


def test_of_entries_of_one_name_the_last_one_counts() -> None:
    told: list[str] = []
    keys = [b"a", b"b", b"a", b"c", b"c"]
    bad = entry_of(shard=99)
    entries = [entry_of(shape=(1,)), entry_of(), entry_of(shape=(2,)), bad, entry_of()]
    variables, _ = parse_entries([(keys, entries)], FILES, lambda name, _: told.append(name))
    assert {name: variables[name].shape for name in variables} == {
        "a": (2,),
        "b": (3, 2),
        "c": (3, 2),
    }
    assert told == ["c"]
    entries.reverse()
    variables, _ = parse_entries([(keys, entries)], FILES, lambda name, _: told.append(name))
    assert list(variables) == ["a", "c"]


def test_variables_are_frozen_however_they_are_made() -> None:
    variables, _ = parse_entries([([b"a"], [entry_of()])], FILES)
    for variable in (variables["a"], *variables.values(), *dict(variables.items()).values()):
        assert type(variable) is Variable
        with pytest.raises(AttributeError):
            variable.name = "b"  # type: ignore[misc]
        assert variable == variables["a"]
        assert hash(variable) == hash(variables["a"])
    again = pickle.loads(pickle.dumps(variables))
    assert isinstance(again, BundleVariables)
    assert list(again.values()) == list(variables.values())


def read_damage() -> None:
    with not_collecting():
        assert not gc.isenabled()
        raise FormatError("damaged")


@pytest.mark.parametrize("is_enabled", [True, False])
def test_collector_is_as_it_was_after_reading(is_enabled: bool) -> None:
    was_enabled = gc.isenabled()
    try:
        (gc.enable if is_enabled else gc.disable)()
        with pytest.raises(FormatError):
            read_damage()
        assert gc.isenabled() is is_enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
