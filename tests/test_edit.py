"""Edits of checkpoints: what TensorFlow reads afterwards, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tfartifacts as tfa
from tests.judges.client import Judge, sha256
from tests.test_bad_input import Told, command, snapshot  # noqa: F401 - a fixture
from tfartifacts.weights.edits import Edits
from tfartifacts.weights.name_maps import parse_name_map

ARRAYS: dict[str, Any] = {
    "net/w": np.arange(12, dtype=np.float32).reshape(3, 4) / 7,
    "net/w/Adam": np.full((3, 4), 2, np.float32),
    "net/w/Adam_1": np.full((3, 4), 3, np.float32),
    "net/half": np.array([1.5, -2.5], np.float16),
    "net/ids": np.arange(5, dtype=np.int32),
    "net/names": [b"a", b"bc"],
    "net/flag": np.array([True, False]),
    "net/brain": np.array([0.1, 3e38], ml_dtypes.bfloat16),
    "beta1_power": np.float32(0.9),
    "beta2_power": np.float32(0.99),
    "global_step": np.int64(41),
    "training/SGD/iter": np.int64(9),
}


def opened(prefix: Path) -> tfa.Checkpoint:
    found = tfa.open(f"{prefix}.index")
    assert isinstance(found, tfa.Checkpoint)
    return found


@pytest.fixture
def source(tmp_path: Path) -> tfa.Checkpoint:
    tfa.save(tfa.Checkpoint.from_arrays(ARRAYS), tmp_path / "source" / "m-41")
    return opened(tmp_path / "source" / "m-41")


def names(checkpoint: tfa.Checkpoint) -> set[str]:
    return set(checkpoint.variables)


# ---------------------------------------------------------------- what each does


def test_all_edits_in_one_pass_as_tensorflow_reads_them(
    tensorflow: Judge, source: tfa.Checkpoint, tmp_path: Path
) -> None:
    edits = Edits(
        drop=("*flag",),
        strip_optimizer=True,
        names={"net/half": "half"},
        rename=("net/=model/", "re:brain$=cortex"),
        cast="float16",
        only=("model/w",),
        values={"global_step": 0},
        add={"new": np.array([1, 2], np.uint8)},
        shards=3,
    )
    plan = tfa.plan_edits(source, edits)
    tfa.save(plan.checkpoint, tmp_path / "out" / "m-0")
    found = tensorflow.read_checkpoint(tmp_path / "out" / "m-0")
    expected = {
        "model/w": ARRAYS["net/w"].astype(np.float16),
        "half": ARRAYS["net/half"],
        "model/ids": ARRAYS["net/ids"],
        "model/names": np.array(ARRAYS["net/names"], object),
        "model/cortex": ARRAYS["net/brain"],
        "global_step": np.int64(0),
        "new": np.array([1, 2], np.uint8),
    }
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == np.asarray(array).dtype, name
        assert sha256(found[name]) == sha256(array), name
    assert len(list((tmp_path / "out").glob("*.data-*-of-00003"))) == 3
    actions = {row.name: row.actions for row in plan.rows}
    assert actions["net/w"] == ("renamed", "cast")
    assert actions["net/w/Adam"] == ("optimizer",)
    assert actions["global_step"] == ("set",)
    assert actions[None] == ("added",)


def test_values_that_stay_are_carried(source: tfa.Checkpoint, tmp_path: Path) -> None:
    checkpoint = tfa.edit(source, Edits(rename=("net/=model/",), drop=("beta?_power",)))
    for name, variable in checkpoint.variables.items():
        old = name.replace("model/", "net/")
        assert variable.value == source.variables[old].value
    # Stored checksums are compared on the way.
    data = Path(f"{source.path}.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    location = source.variables["net/w"].values[0].location
    assert location is not None
    content[location.offset] ^= 1
    data.write_bytes(content)
    reopened = opened(Path(source.path))
    with pytest.raises(tfa.ChecksumError):
        tfa.save(tfa.edit(reopened, Edits(rename=("net/=model/",))), tmp_path / "out" / "m")
    assert not (tmp_path / "out").exists()
    # What is not needed may be damaged.
    tfa.save(tfa.edit(reopened, Edits(drop=("net/w",))), tmp_path / "out" / "m")


def test_the_optimizer_goes_and_global_step_stays(source: tfa.Checkpoint) -> None:
    left = names(tfa.edit(source, Edits(strip_optimizer=True)))
    gone = {"net/w/Adam", "net/w/Adam_1", "beta1_power", "beta2_power", "training/SGD/iter"}
    assert left == ARRAYS.keys() - gone


def test_keep_comes_before_drop(source: tfa.Checkpoint) -> None:
    edits = Edits(keep=("net/*", "global_step"), drop=("*Adam*",))
    assert names(tfa.edit(source, edits)) == {
        name for name in ARRAYS if name.startswith("net/") and "Adam" not in name
    } | {"global_step"}


def test_brackets_are_no_glob() -> None:
    checkpoint = tfa.Checkpoint.from_arrays({"w[0]": 1.0, "w0": 2.0})
    assert names(tfa.edit(checkpoint, Edits(drop=("w[0]",)))) == {"w0"}
    assert names(tfa.edit(checkpoint, Edits(drop=("w[0]*",)))) == {"w0"}


def test_a_map_renames_all_at_once_and_rules_in_turn() -> None:
    checkpoint = tfa.Checkpoint.from_arrays({"a": 1.0, "b": 2.0})
    swapped = tfa.edit(checkpoint, Edits(names={"a": "b", "b": "a"}))
    assert {name: float(v.read()) for name, v in swapped.variables.items()} == {"a": 2, "b": 1}
    moved = tfa.edit(checkpoint, Edits(names={"a": "c"}, rename=("c=d", "d=e")))
    assert names(moved) == {"b", "e"}


@pytest.mark.parametrize("target", ["float16", "bfloat16", "float32", "float64"])
def test_floats_alone_are_cast_unless_named(source: tfa.Checkpoint, target: str) -> None:
    floats = {"net/w", "net/half", "net/brain", "beta1_power"}
    after = {
        name: str(v.dtype) for name, v in tfa.edit(source, Edits(cast=target)).variables.items()
    }
    assert {after[name] for name in floats} == {target}
    assert (after["net/ids"], after["net/flag"], after["global_step"]) == ("int32", "bool", "int64")
    if target != "float32":
        edits = Edits(cast=target, only=("net/ids", "*w", "net/flag"))
        after = {name: str(v.dtype) for name, v in tfa.edit(source, edits).variables.items()}
        assert {after[name] for name in ("net/ids", "net/flag", "net/w")} == {target}
        assert (after["net/half"], after["global_step"]) == ("float16", "int64")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("net/w", 2, np.full((3, 4), 2, np.float32)),
        ("net/w", 0.1, np.full((3, 4), 0.1, np.float32)),
        ("net/ids", [5, 4, 3, 2, -1], np.array([5, 4, 3, 2, -1], np.int32)),
        ("net/ids", 3.0, np.full(5, 3, np.int32)),
        ("net/flag", [False, True], np.array([False, True])),
        ("net/names", "ü", np.array(["ü".encode()] * 2, object)),
        ("net/half", float("nan"), np.full(2, np.nan, np.float16)),
        ("net/brain", float("inf"), np.full(2, np.inf, ml_dtypes.bfloat16)),
        ("global_step", (1 << 62) + 1, np.int64((1 << 62) + 1)),
    ],
)
def test_values_are_set(source: tfa.Checkpoint, name: str, value: Any, expected: Any) -> None:
    variable = tfa.edit(source, Edits(values={name: value})).variables[name]
    assert (variable.dtype, variable.shape) == (
        source.variables[name].dtype,
        source.variables[name].shape,
    )
    assert sha256(variable.read()) == sha256(expected)


def test_an_average_takes_its_variables_name() -> None:
    shadow = np.array([3.0], np.float32)
    checkpoint = tfa.Checkpoint.from_arrays(
        {
            "net/w": np.array([1.0], np.float32),
            "scope/net/w/ExponentialMovingAverage": shadow,
            "gone/ExponentialMovingAverage": shadow,
        }
    )
    edited = tfa.edit(checkpoint, Edits(use_ema=True))
    assert {name: v.read().tolist() for name, v in edited.variables.items()} == {
        "net/w": [3.0],
        "gone": [3.0],
    }


def test_partitions_are_merged(fixtures: Path, tensorflow: Judge, tmp_path: Path) -> None:
    source = tfa.open(fixtures / "partitioned" / "partitioned")
    assert isinstance(source, tfa.Checkpoint)
    assert any(variable.slices for variable in source.variables.values())
    edited = tfa.edit(source, Edits(merge_partitions=True))
    assert not any(variable.slices for variable in edited.variables.values())
    tfa.save(edited, tmp_path / "m")
    for name, array in tensorflow.read_checkpoint(tmp_path / "m").items():
        assert sha256(array) == sha256(source.variables[name].read())


def test_slices_are_cast_as_slices(fixtures: Path, tensorflow: Judge, tmp_path: Path) -> None:
    source = tfa.open(fixtures / "partitioned" / "partitioned")
    assert isinstance(source, tfa.Checkpoint)
    fixed = [name for name, v in source.variables.items() if v.dtype.itemsize is not None]
    edited = tfa.edit(source, Edits(keep=tuple(fixed), cast="bfloat16"))
    assert {name: len(v.slices) for name, v in edited.variables.items()} == {
        name: len(source.variables[name].slices) for name in fixed
    }
    tfa.save(edited, tmp_path / "m")
    found = tensorflow.read_checkpoint(tmp_path / "m")
    for name, variable in edited.variables.items():
        assert sha256(found[name]) == sha256(variable.read())
        assert variable.dtype.name == "bfloat16" or source.variables[name].dtype == variable.dtype


@pytest.mark.parametrize("prefix", ["model-3", "shards-3-?????-of-00003"])
def test_v1_checkpoints_become_v2(
    fixtures: Path, tensorflow: Judge, tmp_path: Path, prefix: str
) -> None:
    source = tfa.open(fixtures / "v1-checkpoint" / prefix)
    assert isinstance(source, tfa.Checkpoint)
    assert source.format == "V1"
    edited = tfa.edit(source, Edits(rename=("re:^=new/",)))
    tfa.save(edited, tmp_path / "m")
    found = tensorflow.read_checkpoint(tmp_path / "m")
    assert found.keys() == {f"new/{name}" for name in source.variables}
    for name, array in found.items():
        assert sha256(array) == sha256(source.variables[name.removeprefix("new/")].read())


def test_the_variables_of_a_saved_model_become_a_checkpoint(
    fixtures: Path, tensorflow: Judge, tmp_path: Path
) -> None:
    source = tfa.open(fixtures / "digits" / "saved_model")
    assert isinstance(source, tfa.SavedModel)
    assert source.checkpoint is not None
    edited = tfa.edit(source, Edits(rename=("re:^=new/",)))
    assert any("SavedModel's graph is left out" in note for note in edited.notes)
    assert tfa.save(edited, tmp_path / "m").paths
    assert not (tmp_path / "m.meta").exists()
    found = tensorflow.read_checkpoint(tmp_path / "m")
    for name, variable in source.checkpoint.variables.items():
        assert sha256(found[f"new/{name}"]) == sha256(variable.read())


def test_files_that_are_empty_now_are_left_out(fixtures: Path, tmp_path: Path) -> None:
    source = tfa.open(fixtures / "partitioned" / "partitioned")
    assert isinstance(source, tfa.Checkpoint)
    assert source.num_shards == 2
    only = next(name for name, v in source.variables.items() if v.shard == 1)
    edited = tfa.edit(source, Edits(keep=(only,)))
    assert edited.num_shards == 1
    tfa.save(edited, tmp_path / "m")
    assert sha256(opened(tmp_path / "m").variables[only].read()) == sha256(
        source.variables[only].read()
    )


def test_shards_are_of_about_one_size(tmp_path: Path) -> None:
    arrays = {f"w{number}": np.zeros(1000 + number) for number in range(20)}
    edited = tfa.edit(tfa.Checkpoint.from_arrays(arrays), Edits(shards=4))
    tfa.save(edited, tmp_path / "m")
    sizes = [path.stat().st_size for path in tmp_path.glob("m.data*")]
    assert len(sizes) == 4
    assert max(sizes) < 1.1 * min(sizes)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("edits", "error", "message"),
    [
        (
            Edits(rename=("nothing=new",)),
            tfa.ConversionError,
            "found no variable that 'nothing=new'",
        ),
        (Edits(rename=("re:(=x",)), tfa.ConversionError, "found renaming 're:"),
        (Edits(rename=("re:.*=x",)), tfa.ConversionError, "both renamed to 'x"),
        (Edits(rename=("net/w=net/ids",)), tfa.ConversionError, "both renamed to 'net/ids'"),
        (Edits(rename=("net/w=",)), tfa.ConversionError, "renamed to nothing"),
        (Edits(names={"net/v": "x"}), tfa.NameNotFoundError, "no variable 'net/v'; did you mean"),
        (Edits(names={"net/w": "net/ids"}), tfa.ConversionError, "both renamed"),
        (Edits(names={"net/w": "_CHECKPOINTABLE_OBJECT_GRAPH"}), tfa.ConversionError, "object gr"),
        (Edits(drop=("x*",)), tfa.ConversionError, "found no variable that 'x\\*' matches"),
        (Edits(drop=("x",)), tfa.NameNotFoundError, "no variable 'x'"),
        (Edits(keep=("x*",)), tfa.ConversionError, "found no variable that 'x\\*' matches"),
        (Edits(drop=("*",)), tfa.ConversionError, "found nothing that is left"),
        (Edits(use_ema=True), tfa.ConversionError, "found no moving averages"),
        (Edits(merge_partitions=True), tfa.ConversionError, "found no partitioned variable"),
        (Edits(cast="int8"), tfa.ConversionError, "found type 'int8' to cast to"),
        (Edits(cast="nonsense"), tfa.ConversionError, "found type 'nonsense' to cast to"),
        (Edits(only=("*",)), tfa.ConversionError, "expected a type to cast to"),
        (Edits(cast="float16", only=("net/names",)), tfa.ConversionError, "of type string, which"),
        (Edits(cast="float16", only=("*ids",)), tfa.ConversionError, "found nothing to cast"),
        (Edits(cast="float16", only=("zz*",)), tfa.ConversionError, "found no variable that 'zz"),
        (Edits(values={"x": 1}), tfa.NameNotFoundError, "no variable 'x'"),
        (Edits(values={"net/ids": 1.5}), tfa.ConversionError, "found 1.5, which int32 cannot"),
        (Edits(values={"net/ids": 1 << 40}), tfa.ConversionError, "which int32 cannot hold"),
        (Edits(values={"net/ids": 1 << 80}), tfa.ConversionError, "found"),
        (
            Edits(values={"net/ids": [1, 2]}),
            tfa.ConversionError,
            "shape \\(2,\\), expected \\(5,\\)",
        ),
        (Edits(values={"net/half": 1e9}), tfa.ConversionError, "which float16 cannot hold"),
        (Edits(values={"net/w": "text"}), tfa.ConversionError, "found 'text', expected numbers"),
        (Edits(values={"net/w": [[1], [2, 3]]}), tfa.ConversionError, "found no array of numbers"),
        (Edits(values={"net/w": None}), tfa.ConversionError, "expected numbers"),
        (Edits(values={"net/flag": 1}), tfa.ConversionError, "expected true or false"),
        (Edits(values={"net/names": 1}), tfa.ConversionError, "found 1, expected text"),
        (Edits(add={"net/w": 1.0}), tfa.ConversionError, "found 'net/w' to add, which is there"),
        (Edits(add={"": 1.0}), tfa.ConversionError, "without a name"),
        (Edits(add={"x": object()}), tfa.ConversionError, "variable 'x'"),
        (Edits(shards=0), tfa.ConversionError, "found 0 shards"),
        (Edits(shards=13), tfa.ConversionError, "found 13 shards for 12 stored tensors"),
        (Edits(shards=100_000), tfa.ConversionError, "found 100000 shards, expected"),
    ],
)
def test_what_cannot_be_done_is_told(
    source: tfa.Checkpoint, edits: Edits, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tfa.edit(source, edits)


def test_without_an_optimizer_there_is_nothing_to_strip() -> None:
    with pytest.raises(tfa.ConversionError, match="found no variables of an optimizer"):
        tfa.edit(tfa.Checkpoint.from_arrays({"w": 1.0}), Edits(strip_optimizer=True))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"w": [1.0], "w/EMA": [2.0], "w/ExponentialMovingAverage": [3.0]},
            "found two averages of 'w'",
        ),
        ({"w": [1.0], "w/EMA": [[2.0]]}, "found the average 'w/EMA' of float64 and shape"),
    ],
)
def test_averages_that_fit_no_variable_are_refused(arrays: Any, message: str) -> None:
    with pytest.raises(tfa.ConversionError, match=message):
        tfa.edit(tfa.Checkpoint.from_arrays(arrays), Edits(use_ema=True))


# ---------------------------------------------------------------- files of names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": "b", "c": "d"}', ({"a": "b", "c": "d"}, ())),
        ('["a=b", "re:^x=y"]', ({}, ("a=b", "re:^x=y"))),
        ("a\tb\nc d\te\n", ({"a": "b", "c d": "e"}, ())),
        ("a=b\n\nre:x=\n", ({}, ("a=b", "re:x="))),
        ("a\tb=c\r\nd/=e/\r\n", ({"a": "b=c"}, ("d/=e/",))),
        ("\ufeffa\tb", ({"a": "b"}, ())),
        ("# a comment\na\x85\tb\u2028", ({"a\x85": "b\u2028"}, ())),
        ("", ({}, ())),
    ],
)
def test_maps_are_read(text: str, expected: Any) -> None:
    assert parse_name_map(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "found no JSON"),
        ("[" * 100_000, "found no JSON"),
        ('{"a": 1}', "found JSON of another form"),
        ('{"a": "b", "a": "c"}', "found two new names for 'a'"),
        ("a\tb\na\tc", "found two new names for 'a' \\(line 2\\)"),
        ("a\tb\tc", "in line 1, expected OLD, one tab, NEW"),
        ("a\t", "expected OLD, one tab, NEW"),
        ("nonsense", "found 'nonsense' in line 1"),
    ],
)
def test_what_is_no_map_is_told(text: str, message: str) -> None:
    with pytest.raises(tfa.ConversionError, match=message):
        parse_name_map(text, "names")


# ---------------------------------------------------------------- the command


def test_the_command_shows_a_plan_and_writes_nothing(
    command: Callable[..., Told],  # noqa: F811
    source: tfa.Checkpoint,
    tmp_path: Path,
) -> None:
    before = snapshot(tmp_path)
    told = command(
        *("edit", source.path, tmp_path / "out" / "m", "--strip-optimizer", "--rename"),
        *("net/=model/", "--cast", "bfloat16", "--set", "global_step=0", "--dry-run"),
    )
    assert (told.code, told.errors) == (0, "")
    assert snapshot(tmp_path) == before
    lines = [" ".join(line.split()) for line in told.output.splitlines()]
    assert lines[0].startswith(f"would write {tmp_path}/out/m: a checkpoint, from {source.path}")
    assert "net/w model/w float32 -> bfloat16 (3, 4) 24 B renamed, cast" in lines
    assert "net/w/Adam float32 (3, 4) 48 B dropped: optimizer" in lines
    assert "global_step same int64 scalar 8 B set" in lines


def test_the_command_writes_and_tells_what_became_infinite(
    command: Callable[..., Told],  # noqa: F811
    source: tfa.Checkpoint,
    tmp_path: Path,
) -> None:
    (tmp_path / "names.json").write_text(json.dumps({"net/w": "w"}))
    with np.errstate(all="ignore"):
        np.savez(tmp_path / "more.npz", extra=np.arange(3), other=np.float32(1))
    told = command(
        *("edit", source.path, tmp_path / "out" / "m", "--map", tmp_path / "names.json"),
        *("--rename-regex", "^net/(h.*)=\\1", "--cast", "float16", "--add", tmp_path / "more.npz"),
        "--json",
    )
    assert (told.code, told.errors) == (0, "")
    document = json.loads(told.output)
    assert (document["schema"], document["graph"], document["dry_run"]) == (1, "none", False)
    lost = "1 finite element was too large to cast, and became infinite, in net/brain"
    assert lost in document["notes"]
    rows = {row["new_name"]: row for row in document["edits"]}
    assert rows["net/brain"]["num_overflowed"] == 1
    assert (rows["w"]["name"], rows["half"]["name"], rows["extra"]["name"]) == (
        "net/w",
        "net/half",
        None,
    )
    assert opened(tmp_path / "out" / "m").variables["extra"].read().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["SOURCE", "out/m", "--rename", "zz=y"], 2, "found no variable that 'zz=y' renames"),
        (["SOURCE", "out/m", "--rename", "net/w=net/ids"], 2, "both renamed to 'net/ids'"),
        (["SOURCE", "out/m", "--drop", "zz"], 3, "no variable 'zz'"),
        (["SOURCE", "out/m", "--cast", "int8"], 2, "'int8' is not one of"),
        (["SOURCE", "out/m", "--set", "global_step"], 2, "expected NAME=VALUE"),
        (["SOURCE", "out/m", "--set", "w=1e400"], 2, "found 1e400, which float64 cannot hold"),
        (["SOURCE", "out/m", "--set", "global_step=x"], 2, "found 'x', expected numbers"),
        (["SOURCE", "out/m", "--map", "gone.json"], 3, "gone.json"),
        (["SOURCE", "out/m", "--map", "pickled.npz"], 2, "pickled.npz: found"),
        (["SOURCE", "out/m", "--add", "pickled.npz"], 2, "pickled Python objects, which are never"),
        (["SOURCE", "out/m", "--add", "names.tsv"], 2, "found no archive of arrays"),
        (["SOURCE", "SOURCE"], 2, "exists already"),
        (["pickled.npz", "out/m"], 3, "found a NumPy archive"),
        (["gone", "out/m"], 3, "gone"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(
    command: Callable[..., Told],  # noqa: F811
    source: tfa.Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "pickled.npz", a=np.array([{}], object))
    (tmp_path / "names.tsv").write_text("net/w\tw\n")
    before = snapshot(tmp_path)
    told = command("edit", *(source.path if a == "SOURCE" else a for a in arguments))
    assert (told.code, told.output) == (code, "")
    assert message in told.line
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("given_text", "dtype", "expected"),
    [
        ("[18446744073709551615, 1]", np.uint64, [2**64 - 1, 1]),
        ("[9007199254740993, 0.0]", np.int64, [2**53 + 1, 0]),
        ("[1e3, 2.0]", np.int32, [1000, 2]),
        ("[18446744073709551615, -1]", np.uint64, None),
        ("[18446744073709551615, 1]", np.int64, None),
        ("[1.5, 1]", np.int64, None),
        ("[NaN, 1]", np.int64, None),
        ("[Infinity, 1]", np.int64, None),
        ("[300.0, 1]", np.uint8, None),
    ],
)
def test_integers_are_set_exactly(given_text: str, dtype: Any, expected: list[int] | None) -> None:
    source = tfa.Checkpoint.from_arrays({"w": np.zeros(2, dtype)})
    edits = tfa.Edits(values={"w": json.loads(given_text)})
    if expected is None:
        with pytest.raises(tfa.ConversionError, match="cannot hold"):
            tfa.edit(source, edits)
    else:
        assert tfa.edit(source, edits).variables["w"].read().tolist() == expected
