"""The average of checkpoints: NumPy's float64 mean to the bit, as TensorFlow reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests.conversion import Source
from tests.judges.client import Judge, sha256
from tests.test_bad_input import Told, command  # noqa: F401 - a fixture
from tfartifacts.weights.averaging import plan_average

FLOATS = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
    "complex64": np.complex64,
    "complex128": np.complex128,
}


def arrays(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    found: dict[str, Any] = {"global_step": np.int64(seed), "names": [f"w{seed}"]}
    found["flags"] = np.array([seed % 2 == 0, True])
    for name, dtype in FLOATS.items():
        array = random.normal(scale=10.0 ** random.integers(-4, 4), size=(37, 11))
        if name.startswith("complex"):
            array = array + 1j * random.normal(size=(37, 11))
        found[name] = array.astype(dtype)
        found[f"{name}/Adam"] = np.full((37, 11), seed, dtype)
    found["float32"][0, :4] = [np.nan, np.inf, -0.0, 1e37 * seed]
    found["beta1_power"] = np.float32(0.9**seed)
    return found


def made(folder: Path, seed: int, **others: Any) -> tfa.Checkpoint:
    tfa.save(tfa.Checkpoint.from_arrays({**arrays(seed), **others}), folder / f"m-{seed}")
    found = tfa.open(folder / f"m-{seed}.index")
    assert isinstance(found, tfa.Checkpoint)
    return found


def mean(name: str, seeds: list[int], weights: list[float] | None = None) -> Any:
    """What NumPy says."""
    wide = np.complex128 if name.startswith("complex") else np.float64
    stack = np.stack([arrays(seed)[name].astype(wide) for seed in seeds])
    with np.errstate(all="ignore"):
        if weights is None:
            return np.mean(stack, axis=0).astype(FLOATS[name])
        return np.average(stack, axis=0, weights=weights).astype(FLOATS[name])


@pytest.mark.parametrize("weights", [None, [0.5, 0.25, 0.125]])
def test_tensorflow_reads_the_mean_that_numpy_computes(
    tensorflow: Judge, tmp_path: Path, weights: list[float] | None
) -> None:
    sources = [made(tmp_path, seed) for seed in (1, 2, 3)]
    tfa.save(tfa.average(sources, weights=weights), tmp_path / "out" / "m")
    found = tensorflow.read_checkpoint(tmp_path / "out" / "m")
    assert found.keys() == {"global_step", "names", "flags", *FLOATS}
    for name in FLOATS:
        expected = mean(name, [1, 2, 3], weights)
        assert found[name].dtype == expected.dtype
        assert sha256(found[name]) == sha256(expected), name
    assert found["global_step"] == 3
    assert found["names"].tolist() == [b"w3"]
    assert found["flags"].tolist() == [False, True]


def test_slots_are_averaged_on_request_and_powers_are_the_newests(tmp_path: Path) -> None:
    sources = [made(tmp_path, seed) for seed in (1, 2)]
    plan = plan_average(sources, with_optimizer=True)
    assert plan.left_out == ()
    assert set(plan.averaged) == {*FLOATS, *(f"{name}/Adam" for name in FLOATS)}
    variables = plan.checkpoint.variables
    assert float(variables["float32/Adam"].read()[0, 0]) == 1.5
    assert variables["beta1_power"].read() == np.float32(0.9**2)
    without = plan_average(sources)
    assert set(without.left_out) == {"beta1_power", *(f"{name}/Adam" for name in FLOATS)}
    assert not set(without.left_out) & without.checkpoint.variables.keys()


@given(st.integers(1, 9), st.integers(0, 5), st.sampled_from(sorted(FLOATS)))
def test_any_number_of_checkpoints(count: int, size: int, name: str) -> None:
    random = np.random.default_rng(count)
    stack = random.normal(size=(count, size, 3)).astype(FLOATS[name])
    wide = np.complex128 if name.startswith("complex") else np.float64
    found = tfa.average([tfa.Checkpoint.from_arrays({"w": array}) for array in stack])
    expected = np.mean(stack.astype(wide), axis=0).astype(FLOATS[name])
    assert found.variables["w"].read().tobytes() == expected.tobytes()


def test_partitioned_variables_are_averaged_whole(
    sources_1_15: dict[str, Source], tensorflow_1_15: Judge, tmp_path: Path
) -> None:
    source = tfa.open(sources_1_15["part1"].prefix)
    assert isinstance(source, tfa.Checkpoint)
    edits = tfa.Edits(values={"net/b1": 5.0, "global_step": 9})
    other = tfa.edit(source, edits)
    plan = plan_average([source, other])
    assert plan.graph == "rewritten"  # the slots are gone
    tfa.save(plan.checkpoint, tmp_path / "m")
    found = tensorflow_1_15.run_checkpoint(
        tmp_path / "m", {}, ["global_step:0", "net/b1/Read/ReadVariableOp:0"]
    )
    assert found["global_step:0"] == 9
    expected = ((source.variables["net/b1"].read().astype(float) + 5.0) / 2).astype(np.float32)
    assert sha256(found["net/b1/Read/ReadVariableOp:0"]) == sha256(expected)
    values = tensorflow_1_15.read_checkpoint(tmp_path / "m")
    assert sha256(values["net/w1"]) == sha256(source.variables["net/w1"].read())


def test_the_graph_of_the_newest_comes_along_where_all_is_kept(
    sources_2_21: dict[str, Source], tensorflow_2_21: Judge, tmp_path: Path
) -> None:
    source = tfa.open(sources_2_21["ref"].prefix)
    assert isinstance(source, tfa.Checkpoint)
    plan = plan_average([source, source, source], with_optimizer=True)
    assert plan.graph == "carried"
    tfa.save(plan.checkpoint, tmp_path / "m")
    found = tensorflow_2_21.run_checkpoint(tmp_path / "m", {}, ["net/w1:0"])
    three = source.variables["net/w1"].read().astype(float)
    assert sha256(found["net/w1:0"]) == sha256(((three + three + three) / 3).astype(np.float32))


def test_one_checkpoint_is_its_own_average(tmp_path: Path) -> None:
    source = made(tmp_path, 4)
    plan = plan_average([source])
    assert plan.averaged == ()
    for name, variable in plan.checkpoint.variables.items():
        assert variable is source.variables[name] or variable.value == source.variables[name].value


# ---------------------------------------------------------------- what cannot be averaged


def test_all_differences_are_listed_in_one_error(tmp_path: Path) -> None:
    first = made(tmp_path, 1, more=1.0, flags=np.zeros(3, bool))
    second = made(tmp_path, 2, less=1.0, float64=np.zeros((37, 11), np.float32))
    with pytest.raises(tfa.ConversionError, match="found 4 differences") as error:
        tfa.average([first, second, made(tmp_path, 3)])
    assert error.value.details == (
        f"{tmp_path}/m-1: flags is bool [3], in {tmp_path}/m-3 bool [2]",
        f"{tmp_path}/m-1: more, which {tmp_path}/m-3 does not have",
        f"{tmp_path}/m-2: float64 is float32 [37, 11], in {tmp_path}/m-3 float64 [37, 11]",
        f"{tmp_path}/m-2: less, which {tmp_path}/m-3 does not have",
    )


def test_damage_in_any_of_them_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    sources = [made(tmp_path, seed) for seed in (1, 2)]
    data = tmp_path / "m-1.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    reopened = tfa.open(tmp_path / "m-1.index")
    assert isinstance(reopened, tfa.Checkpoint)
    with pytest.raises(tfa.ChecksumError, match=r"m-1\.data"):
        tfa.save(tfa.average([reopened, sources[1]]), tmp_path / "out" / "m")
    assert not (tmp_path / "out").exists()


def test_the_command_averages_a_folder(
    command: Callable[..., Told],  # noqa: F811
    tmp_path: Path,
) -> None:
    for seed in (1, 2, 3):
        tfa.save(
            tfa.Checkpoint.from_arrays(arrays(seed)), tmp_path / f"m-{seed}", update_state=True
        )
    told = command("average", tmp_path, tmp_path / "out" / "m", "--last", 2)
    assert (told.code, told.errors) == (0, "")
    assert f"wrote {tmp_path}/out/m: a checkpoint, the average of 2 checkpoints" in told.output
    found = tfa.open(tmp_path / "out" / "m")
    assert isinstance(found, tfa.Checkpoint)
    assert sha256(found.variables["float32"].read()) == sha256(mean("float32", [2, 3]))
    told = command(
        *("average", tmp_path / "m-1", tmp_path / "m-3", tmp_path / "two", "--weights", "1,3"),
        "--json",
    )
    assert told.code == 0
    assert '"weights": [1.0, 3.0]' in told.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["m-1"], 2, "found one path"),
        (["m-1", "m-9", "out"], 3, "no "),
        ([".", "out", "--last", "3"], 2, "found 2 checkpoints, expected 3 to average"),
        (["m-1", "out", "--last", "1"], 2, "found no folder of checkpoints"),
        (["m-1", "m-2", "out", "--last", "1"], 2, "found 2 paths with --last"),
        (["m-1", "m-2", "out", "--weights", "1"], 2, "found 1 weights for 2 checkpoints"),
        (["m-1", "m-2", "out", "--weights", "a,b"], 2, "found --weights a,b, expected numbers"),
        (["m-1", "m-2", "out", "--weights", "nan,1"], 2, "found weights nan, 1, expected"),
        (["m-1", "m-2", "out", "--weights", "1,-1"], 2, "found weights 1, -1, expected"),
        (["m-1", "m-2", "m-2"], 2, "exists already"),
        (["m-1", "other", "out"], 2, "differences among the checkpoints"),
        (["m-1", "graph.pb", "out"], 2, "found a graph-def, expected a checkpoint"),
    ],
)
def test_what_cannot_be_averaged_is_told(
    command: Callable[..., Told],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fixtures: Path,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        tfa.save(tfa.Checkpoint.from_arrays(arrays(seed)), f"m-{seed}", update_state=True)
    folder = tmp_path / "elsewhere"
    if "other" in arguments:
        tfa.save(tfa.Checkpoint.from_arrays({"w": 1.0}), folder / "other")
        arguments = [str(folder / "other") if a == "other" else a for a in arguments]
    (tmp_path / "graph.pb").write_bytes((fixtures / "graphs" / "frozen.pb").read_bytes())
    told = command("average", *arguments)
    assert (told.code, told.output) == (code, "")
    assert message in told.line
    assert not list(tmp_path.glob("out*"))
