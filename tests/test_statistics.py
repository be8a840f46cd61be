"""Statistics are NumPy's, for every type, at every size, and however elements are stored."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import tfartifacts as tfa
from tests import strategies
from tfartifacts.dtypes import DType, all_dtypes, dtype_from_name
from tfartifacts.formats.graph_def import read_graph
from tfartifacts.formats.tensor_data import ArrayTensor
from tfartifacts.formats.wire import Message, put_bytes, put_integer
from tfartifacts.model import Checkpoint, Variable
from tfartifacts.model.arrays import ArrayValue
from tfartifacts.model.row_major import BLOCK
from tfartifacts.model.variables import Extent
from tfartifacts.weights.moments import Moments
from tfartifacts.weights.quantiles import ESTIMATE_ERROR, MOST_SORTED, QUANTILES
from tfartifacts.weights.statistics import VariableStatistics, variable_statistics

NUMBERS = [dtype for dtype in all_dtypes() if dtype.itemsize is not None]


def of(array: Any, dtype: DType | None = None) -> VariableStatistics:
    dtype = dtype or dtype_from_name(array.dtype.name)
    return variable_statistics(
        Variable("v", dtype, array.shape, ArrayValue(dtype, array.shape, array))
    )


def checkpoint(arrays: dict[str, Any]) -> Checkpoint:
    return tfa.Checkpoint.from_arrays(arrays)


def as_numbers(array: Any) -> Any:
    """What NumPy's statistics are taken of."""
    with np.errstate(invalid="ignore"):
        if array.dtype.kind == "c":
            return np.abs(array.astype(np.complex128))
        return array.astype(np.float64)


def check(found: VariableStatistics, array: Any) -> None:
    """Hold statistics against NumPy's."""
    numbers = as_numbers(array).reshape(-1)
    finite = numbers[np.isfinite(numbers)]
    moments = found.moments
    assert moments is not None
    assert moments.num_finite == finite.size
    assert moments.num_nan == np.isnan(numbers).sum()
    assert moments.num_infinite == np.isinf(numbers).sum()
    assert moments.num_zeros == (finite == 0).sum()
    if not finite.size:
        assert (moments.min, moments.max, moments.mean, moments.std) == (None,) * 4
        assert found.distribution is None
        return
    assert moments.mean is not None
    assert moments.std is not None
    assert moments.min == finite.min()
    assert moments.max == finite.max()
    scale = np.abs(finite).max()
    np.testing.assert_allclose(moments.mean, finite.mean(), rtol=1e-12, atol=1e-14 * scale)
    np.testing.assert_allclose(moments.std, finite.std(), rtol=1e-9, atol=1e-14 * scale)
    np.testing.assert_allclose(moments.l2, np.sqrt(np.square(finite).sum()), rtol=1e-12)
    distribution = found.distribution
    assert distribution is not None
    assert sum(distribution.histogram) == finite.size
    if distribution.quantile_error == 0:
        expected = np.quantile(finite, QUANTILES)
        np.testing.assert_allclose(distribution.quantiles, expected, rtol=1e-12, atol=1e-300)
        return
    assert distribution.quantile_error == ESTIMATE_ERROR
    ordered = np.sort(finite)
    for quantile, estimate in zip(QUANTILES, distribution.quantiles, strict=True):
        place = quantile * (finite.size - 1)
        around = ordered[[int(np.floor(place)), int(np.ceil(place))]]
        error = np.abs(around).max() * (ESTIMATE_ERROR + 1e-6) + 1e-40
        assert around.min() - error <= estimate <= around.max() + error


# ---------------------------------------------------------------- every type, every size


@pytest.mark.parametrize("size", [1, 2, 1000, MOST_SORTED, MOST_SORTED + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_statistics_are_those_of_numpy(dtype: DType, size: int) -> None:
    rng = np.random.default_rng(size)
    numpy_dtype = dtype.to_numpy()
    if numpy_dtype.kind == "c":
        array = (rng.standard_normal(size) + 1j * rng.standard_normal(size)).astype(numpy_dtype)
    elif numpy_dtype.kind in "iu" and dtype.bits is not None and dtype.bits >= 8:
        limits = np.iinfo(numpy_dtype)
        array = rng.integers(limits.min, limits.max, size, numpy_dtype, endpoint=True)
    elif numpy_dtype.kind == "b" or "int" in dtype.name:
        array = rng.integers(0, 2, size).astype(numpy_dtype)
    else:
        array = rng.standard_normal(size).astype(numpy_dtype)
        # Where the type has none they are something else, for NumPy as well.
        array[: size // 10 : 3] = np.array([np.nan]).astype(numpy_dtype)[0]
        array[1 : size // 10 : 7] = np.array([0.0]).astype(numpy_dtype)[0]
    check(of(array, dtype), array)


@pytest.mark.parametrize("dtype", [dtype for dtype in NUMBERS if dtype.itemsize == 1], ids=str)
def test_every_pattern_of_a_byte_counts_once(dtype: DType) -> None:
    patterns = 2 if dtype.name == "bool" else 1 << (dtype.bits or 8)
    array = np.arange(patterns, dtype=np.uint8).view(dtype.to_numpy())
    check(of(array, dtype), array)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_every_pattern_of_two_bytes_counts_once(name: str) -> None:
    dtype = dtype_from_name(name)
    array = np.arange(1 << 16, dtype=np.uint16).view(dtype.to_numpy())
    check(of(array, dtype), array)


def test_integers_keep_all_digits_of_the_least_and_the_greatest() -> None:
    found = of(np.array([(1 << 63) - 1, -(1 << 63), 0]))
    assert found.moments is not None
    assert (found.moments.min, found.moments.max) == (-(1 << 63), (1 << 63) - 1)


@given(npst.arrays(np.float32, st.integers(1, 60)))
def test_any_few_floats(array: Any) -> None:
    check(of(array), array)


# ---------------------------------------------------------------- hard cases


@pytest.mark.parametrize("size", [1000, 2 * BLOCK + 1])
@pytest.mark.parametrize("offset", [1e8, -1e8, 1e12])
def test_a_large_offset_keeps_the_spread(offset: float, size: int) -> None:
    array = offset + np.random.default_rng(1).standard_normal(size)
    found = of(array)
    assert found.moments is not None
    assert found.moments.std == pytest.approx(np.std(array - offset), rel=1e-6)
    assert found.moments.mean == pytest.approx(np.mean(array), rel=1e-13)


def test_blocks_that_lie_far_apart_are_put_together() -> None:
    array = np.concatenate([np.full(BLOCK, 1e8), np.zeros(BLOCK), np.full(BLOCK, -1.0)])
    check(of(array), array)


def test_infinities_and_nan_in_a_large_variable_are_left_out_of_the_quantiles() -> None:
    array = np.random.default_rng(2).standard_normal(2 * BLOCK).astype(np.float32)
    array[:1000] = np.inf
    array[1000:3000] = -np.inf
    array[3000:3100].view(np.uint32)[:] = 0x7F800001  # a NaN with the upper half of infinity
    check(of(array), array)


def test_a_large_variable_without_any_number() -> None:
    check(of(np.full(2 * BLOCK, np.nan)), np.full(2 * BLOCK, np.nan))


def test_subnormal_numbers_are_no_zeros() -> None:
    array = np.full(2 * BLOCK, 1e-45, np.float32)
    array[:5] = 0
    check(of(array), array)


def test_beyond_the_range_of_float32_no_bound_is_claimed() -> None:
    array = np.linspace(1.0, 1e300, 2 * BLOCK)
    found = of(array)
    assert found.distribution is not None
    assert found.distribution.quantile_error is None
    assert found.distribution.quantiles[2] <= 1e300


def test_the_histogram_takes_any_range_without_overflow() -> None:
    found = of(np.array([-1.7e308, 0.0, 1.7e308]))
    assert found.distribution is not None
    assert sum(found.distribution.histogram) == 3
    assert found.distribution.histogram[0] == found.distribution.histogram[-1] == 1


@given(st.lists(npst.arrays(np.float64, st.integers(0, 5), elements=st.floats(-1e3, 1e3))))
def test_moments_of_parts_add_up(parts: list[Any]) -> None:
    total = Moments()
    for part in parts:
        if part.size:
            moments = of(part).moments
            assert moments is not None
            total += moments
    together = np.concatenate([np.empty(0), *parts])
    if together.size:
        assert total.mean is not None
        assert total.std is not None
        assert total.mean == pytest.approx(together.mean(), abs=1e-9)
        assert total.std == pytest.approx(together.std(), abs=1e-6)


# ---------------------------------------------------------------- what is no number


def test_strings_have_lengths() -> None:
    found = tfa.statistics(checkpoint({"s": np.array([b"", b"abc", b"\x00" * 10, b""], object)}))
    (item,) = found.variables
    assert item.moments is None
    assert item.lengths is not None
    lengths = item.lengths
    assert (lengths.num_empty, lengths.min_length, lengths.max_length) == (2, 0, 10)
    assert lengths.mean_length == 13 / 4


def test_what_has_no_elements_has_no_statistics() -> None:
    found = tfa.statistics(checkpoint({"a": np.empty((0, 3))}))
    assert found.variables[0].moments is None
    assert found.variables[0].error is None


def test_every_type_that_tensorflow_writes(fixtures: Path) -> None:
    artifact = tfa.open(fixtures / "dtypes" / "dtypes")
    assert isinstance(artifact, Checkpoint)
    found = tfa.statistics(artifact)
    assert not found.damage
    assert len(found.variables) == len(artifact.variables) > 30
    for item in found.variables:
        variable = artifact.variables[item.name]
        if item.dtype.itemsize is not None and item.num_elements:
            check(item, variable.read())
        else:
            assert item.moments is None


# ---------------------------------------------------------------- artifacts


def test_roles_are_summed_apart_and_together(fixtures: Path) -> None:
    found = tfa.statistics(tfa.open(fixtures / "digits" / "checkpoints"))
    counts = {role.role: role.num_variables for role in found.roles}
    assert counts == {"model": 10, "optimizer": 22}
    assert found.total.num_variables == 32
    assert found.total.num_elements == sum(role.num_elements for role in found.roles)
    model = [item for item in found.variables if item.role == "model"]
    assert found.roles[0].moments.min == min(item.moments.min for item in model if item.moments)  # type: ignore[type-var]  # all have one


def test_slices_are_one_variable() -> None:
    array = np.arange(24, dtype=np.float32).reshape(6, 4)
    dtype = dtype_from_name("float32")
    tiles = [(Extent(0, 2), Extent()), (Extent(2, 4), Extent())]
    whole = ArrayTensor(dtype, array.shape, array)
    variable = strategies.partitioned("w", whole, tiles)
    found = variable_statistics(variable)
    assert found.num_slices == 2
    check(found, array)


@pytest.mark.parametrize(
    "path", ["v1-checkpoint/model-3", "partitioned/partitioned", "keras/export"]
)
def test_any_checkpoint(fixtures: Path, path: str) -> None:
    found = tfa.statistics(tfa.open(fixtures / path))
    assert found.variables
    assert not found.damage


def test_a_frozen_graph_has_its_constants(fixtures: Path) -> None:
    artifact = tfa.open(fixtures / "graphs" / "frozen.pb")
    found = tfa.statistics(artifact)
    assert isinstance(artifact, tfa.Graph)
    constants = [node for node in artifact if node.op == "Const"]
    assert [item.name for item in found.variables] == [node.name for node in constants]
    for item, node in zip(found.variables, constants, strict=True):
        check(item, np.asarray(node.attrs["value"].read()))


def test_a_constant_that_repeats_one_value_is_not_expanded() -> None:
    shape = b"".join(put_bytes(2, put_integer(1, size)) for size in (1 << 20, 1 << 20))
    tensor = put_integer(1, 1) + put_bytes(2, shape) + put_bytes(5, np.float32(2).tobytes())
    attr = put_bytes(1, b"value") + put_bytes(2, put_bytes(8, tensor))
    node = put_bytes(1, b"c") + put_bytes(2, b"Const") + put_bytes(5, attr)
    found = tfa.statistics(read_graph(Message(put_bytes(1, node))))
    moments = found.variables[0].moments
    assert moments is not None
    assert (moments.num_finite, moments.mean, moments.std) == (1 << 40, 2.0, 0.0)
    assert moments.l2 == 2.0 * (1 << 20)


def test_a_meta_graph_has_no_variables(fixtures: Path) -> None:
    assert tfa.statistics(tfa.open(fixtures / "graphs" / "model.meta")).variables == ()


def test_what_is_selected_is_read_alone(fixtures: Path) -> None:
    artifact = tfa.open(fixtures / "digits" / "checkpoints")
    found = tfa.statistics(artifact, select=lambda name: name.startswith("dense/"), roles=["model"])
    assert [item.name for item in found.variables] == ["dense/bias", "dense/kernel"]
    with pytest.raises(tfa.NameNotFoundError, match="found no variable that is selected"):
        tfa.statistics(artifact, select=lambda name: False)


def test_without_quantiles_the_rest_is_the_same() -> None:
    artifact = checkpoint({"w": np.random.default_rng(0).standard_normal(2 * BLOCK)})
    (whole,), (part,) = (
        tfa.statistics(artifact, quantiles=quantiles).variables for quantiles in (True, False)
    )
    assert part == replace(whole, distribution=None)


def test_threads_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    arrays = {f"v{i}": rng.standard_normal((20 + i, 1 << 16)) for i in range(5)}
    tfa.save(checkpoint(arrays), tmp_path / "m")
    artifact = tfa.open(tmp_path / "m")
    one, many = tfa.statistics(artifact, jobs=1), tfa.statistics(artifact, jobs=3)
    assert replace(one) == replace(many)


def test_damage_is_told_and_the_rest_counted(fixtures: Path, tmp_path: Path) -> None:
    tfa.save(checkpoint({"a": np.arange(8.0), "b": np.arange(8.0)}), tmp_path / "m")
    data = tmp_path / "m.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[3] ^= 1
    data.write_bytes(content)
    found = tfa.statistics(tfa.open(tmp_path / "m"))
    assert [type(error) for error in found.damage] == [tfa.ChecksumError]
    assert [item.error is None for item in found.variables] == [False, True]
    assert found.total.moments.num_finite == 8


def test_memory_does_not_grow_with_the_variable(tmp_path: Path) -> None:
    with tfa.CheckpointWriter(tmp_path / "m") as writer:
        block = np.random.default_rng(4).standard_normal(1 << 20).astype(np.float32)
        writer.add_blocks("v", "float32", (32, 1 << 20), (block for _ in range(32)))
    artifact = tfa.open(tmp_path / "m")
    tracemalloc.start()
    tfa.statistics(artifact)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20
