"""Casts against tf.cast of TensorFlow 2.21, bit for bit: all 16-bit numbers, edges of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tfartifacts as tfa
from tests.judges.client import Array, Judge
from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.model.graphs import Graph, Node, UnknownShape
from tfartifacts.weights.casts import SOURCES, TARGETS, CastValue, cast
from tfartifacts.weights.values import ArrayValue

PAIRS = [(s, t) for s in sorted(SOURCES) for t in TARGETS if s != t]
# TensorFlow handles the last elements, which fill no vector, otherwise: see casts.
VECTOR = 64


def unsigned(array: Any) -> Array:
    bits: Array = array.view(f"u{array.dtype.itemsize}")
    return bits


def float32_edges() -> Array:
    """Every sign, exponent and first seven bits of a fraction, with ends that decide a rounding."""
    high = np.arange(1 << 16, dtype=np.uint32) << 16
    ends = (0, 1, 0xFFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
    return np.concatenate([high | np.uint32(end) for end in ends]).view(np.float32)


def float64_edges() -> Array:
    with np.errstate(invalid="ignore"):  # NaN that signal
        single = float32_edges().astype(np.float64).view(np.uint64)
    steps = (0, 1, -1, 1 << 28, (1 << 28) + 1, (1 << 28) - 1)
    near = [single + np.uint64(step % (1 << 64)) for step in steps]
    high = np.arange(1 << 16, dtype=np.uint64) << np.uint64(48)
    near += [high, high | np.uint64(1), high | np.uint64((1 << 48) - 1)]
    least = 2.0**-126
    limits = [least, least - 2.0**-149, least - 2.0**-150, least - 2.0**-151, least - 2.0**-152]
    limits += [np.nextafter(least - 2.0**-151, side) for side in (0, 1)]
    both = np.array(limits + [-limit for limit in limits])
    return np.concatenate([*near, both.view(np.uint64)]).view(np.float64)


def integer_edges(dtype: np.dtype[Any]) -> Array:
    """Powers of two, sums of two of them, and their neighbours; small ones."""
    bits = 8 * dtype.itemsize
    found = set(range(5000)) | {(1 << bits) - number for number in range(1, 5000)}
    for high in range(bits):
        for low in range(high + 1):
            found |= {(1 << high) + (1 << low) + step for step in (-1, 0, 1)}
    return np.array(sorted(n % (1 << bits) for n in found), f"u{dtype.itemsize}").view(dtype)


def inputs(name: str) -> Array:
    dtype = dtype_from_name(name).to_numpy()
    if name == "bool":
        found: Array = np.array([False, True])
    elif dtype.itemsize <= 2:
        found = np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)
    elif name == "float32":
        found = float32_edges()
    elif name == "float64":
        found = float64_edges()
    else:
        found = integer_edges(dtype)
    return np.concatenate([found, np.zeros(-len(found) % VECTOR, dtype)])


@pytest.fixture(scope="module")
def all_casts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph of a placeholder for each type, and its cast to each other."""
    nodes: list[Node] = []
    for source in sorted(SOURCES):
        attrs: dict[str, Any] = {"dtype": dtype_from_name(source), "shape": UnknownShape()}
        nodes.append(Node(source, "Placeholder", (), "", attrs))
        for target in TARGETS:
            if source != target:
                types = {"SrcT": dtype_from_name(source), "DstT": dtype_from_name(target)}
                nodes.append(Node(f"{source}_{target}", "Cast", (source,), "", dict(types)))
    path = tmp_path_factory.mktemp("casts") / "casts.pb"
    tfa.save(Graph(tuple(nodes)), path)
    return path


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_pair_is_cast_as_tensorflow_casts(
    tensorflow_2_21: Judge, all_casts: Path, source: str
) -> None:
    array = inputs(source)
    targets = [target for target in TARGETS if target != source]
    fetches = [f"{source}_{target}:0" for target in targets]
    expected = tensorflow_2_21.run_graph_def(all_casts, {f"{source}:0": array}, fetches)
    for target, fetch in zip(targets, fetches, strict=True):
        found, _ = cast(array, dtype_from_name(source), dtype_from_name(target))
        assert found.dtype == expected[fetch].dtype
        different = np.flatnonzero(unsigned(found) != unsigned(expected[fetch]))
        shown = [(array[i], found[i], expected[fetch][i]) for i in different[:5]]
        assert not different.size, (source, target, different.size, shown)


@pytest.mark.parametrize("number", [1, 7, 8, 9, 65])
def test_the_sign_of_a_nan_is_all_that_depends_on_where_it_stands(
    tensorflow_2_21: Judge, all_casts: Path, number: int
) -> None:
    array = np.full(number, 0xFFC00001, np.uint32).view(np.float32)
    fetch = "float32_bfloat16:0"
    theirs = tensorflow_2_21.run_graph_def(all_casts, {"float32:0": array}, [fetch])[fetch]
    ours, _ = cast(array, dtype_from_name("float32"), dtype_from_name("bfloat16"))
    assert set(unsigned(ours).tolist()) == {0x7FC0}
    assert set(unsigned(theirs).tolist()) <= {0x7FC0, 0xFFC0}


def test_numpy_and_tensorflow_do_differ() -> None:
    # Were it not so, there would be no need for any of this.
    single = float32_edges()
    with np.errstate(all="ignore"):
        for target in ("bfloat16", "float64"):
            dtype = dtype_from_name(target)
            ours, _ = cast(single, dtype_from_name("float32"), dtype)
            assert (unsigned(ours) != unsigned(single.astype(dtype.to_numpy()))).any()


def value_of(array: Any, name: str) -> ArrayValue:
    return ArrayValue(dtype_from_name(name), array.shape, array)


def test_what_becomes_infinite_is_counted() -> None:
    array = np.array([1e30, -1e30, 65519.0, 65520.0, np.inf, -np.inf, np.nan], np.float32)
    value = CastValue(value_of(array, "float32"), dtype_from_name("float16"))
    assert value.num_overflowed is None
    assert value.read().tolist()[:6] == [np.inf, -np.inf, 65504.0, np.inf, np.inf, -np.inf]
    assert value.num_overflowed == 3
    value.read()
    assert value.num_overflowed == 3  # of the last time, not of all
    numbers = CastValue(value_of(np.array([70000, -1]), "int64"), dtype_from_name("float16"))
    numbers.read()
    assert numbers.num_overflowed == 1


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_value_is_cast_block_by_block(source: str, target: str) -> None:
    dtype: DType = dtype_from_name(source)
    array = np.resize(inputs(source), (3, 70_001))
    value = CastValue(value_of(array, source), dtype_from_name(target))
    whole, _ = cast(array.reshape(-1), dtype, value.dtype)
    assert (value.shape, value.nbytes) == (array.shape, whole.nbytes)
    assert b"".join(map(bytes, value.stored())) == whole.tobytes()
    assert value.read_elements(140_000, 5).tobytes() == whole[140_000:140_005].tobytes()


def test_an_empty_value_is_cast() -> None:
    value = CastValue(
        value_of(np.zeros((0, 3), ml_dtypes.bfloat16), "bfloat16"), dtype_from_name("float32")
    )
    assert value.read().shape == (0, 3)
    assert value.num_overflowed == 0
