"""Transposing in bounded memory: what NumPy's `.T` is, however the value is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests.exchange_files import checkpoint_of, opened
from tfartifacts.exchange.transposed import TransposedValue
from tfartifacts.model.values import TensorValue
from tfartifacts.weights.values import MergedValue


def values(array: Any, folder: Path) -> list[TensorValue]:
    """The array in memory, in a checkpoint, in files of every kind."""
    source = checkpoint_of({"v": array})
    tfa.save(source, folder / "m")
    tfa.export(source, folder / "m.safetensors")
    tfa.export(source, folder / "m.npz", compress=True)
    np.save(folder / "big.npy", array.astype(array.dtype.newbyteorder(">")))
    checkpoints = [
        source,
        opened(folder / "m.index"),
        *(tfa.import_checkpoint(folder / name) for name in ("m.safetensors", "m.npz", "big.npy")),
    ]
    found = [next(iter(checkpoint.variables.values())).value for checkpoint in checkpoints]
    variable = checkpoints[1].variables["v"]
    return [*(value for value in found if value is not None), MergedValue(variable)]


@given(st.lists(st.integers(0, 5), max_size=4), st.sampled_from([1, 8, 40, 1 << 20]))
def test_any_shape_by_panels_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, shape: list[int], panel: int
) -> None:
    array = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    for value in values(array, tmp_path_factory.mktemp("transposed")):
        found = TransposedValue(value, panel)
        assert found.shape == array.T.shape
        assert (found.read() == array.T).all()
        assert b"".join(map(bytes, found.stored())) == array.T.tobytes()


@pytest.mark.parametrize("shape", [(3, 300_000), (300_000, 3), (700, 700)])
def test_large_matrices_by_panels(shape: tuple[int, int], tmp_path: Path) -> None:
    array = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    for value in values(array, tmp_path):
        assert (TransposedValue(value, 1 << 20).read() == array.T).all()


def test_damage_is_seen_before_a_panel_is_made(tmp_path: Path) -> None:
    tfa.save(checkpoint_of({"v": np.ones((100, 100))}), tmp_path / "m")
    data = tmp_path / "m.data-00000-of-00001"
    whole = bytearray(data.read_bytes())
    whole[5000] ^= 1
    data.write_bytes(whole)
    value = opened(tmp_path / "m.index").variables["v"].value
    assert value is not None
    with pytest.raises(tfa.ChecksumError):
        next(TransposedValue(value, 1000).blocks())
