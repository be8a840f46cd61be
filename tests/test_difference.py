"""What `diff` finds: variables by name and by guess, their values, in any form and artifact."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tfartifacts as tfa
from tests import strategies
from tests.command_line import CommandLine
from tfartifacts.dtypes import all_dtypes, dtype_from_name
from tfartifacts.formats.graph_def import read_graph
from tfartifacts.formats.tensor_data import ArrayTensor
from tfartifacts.formats.wire import Message, put_bytes, put_integer
from tfartifacts.graphs.renaming import as_regular_expression, explaining_rules, renamed
from tfartifacts.model import Checkpoint, Variable
from tfartifacts.model.row_major import BLOCK
from tfartifacts.model.variables import Extent
from tfartifacts.weights.comparison import Tolerance, ValueComparison, compare_values
from tfartifacts.weights.difference import Difference, VariableDifference

FLOAT32 = dtype_from_name("float32")


def variable(array: Any, name: str = "v") -> Variable:
    dtype = dtype_from_name(array.dtype.name)
    return Variable(name, dtype, array.shape, ArrayTensor(dtype, array.shape, array))


def compared(a: Any, b: Any, tolerance: Tolerance | None = None) -> ValueComparison:
    return compare_values(variable(np.asarray(a)), variable(np.asarray(b)), tolerance)


def save(path: Path, arrays: Mapping[str, Any]) -> Checkpoint:
    tfa.save(Checkpoint.from_arrays(arrays), path)
    return opened(path)


def opened(path: Path) -> Checkpoint:
    artifact = tfa.open(path)
    if isinstance(artifact, tfa.CheckpointDirectory):
        assert artifact.latest is not None
        return artifact.latest
    assert isinstance(artifact, Checkpoint)
    return artifact


def by_name(found: Difference) -> dict[str, VariableDifference]:
    assert found.variables is not None
    return {item.name: item for item in found.variables}


def changes(found: Difference) -> dict[str, tuple[str, ...]]:
    return {name: item.changes for name, item in by_name(found).items() if item.changes}


# ---------------------------------------------------------------- elements


@pytest.mark.parametrize("dtype", [d for d in all_dtypes() if d.itemsize is not None], ids=str)
def test_one_changed_element_of_any_type_is_found(dtype: Any) -> None:
    ours = np.ones(1000, dtype.to_numpy())
    theirs = ours.copy()
    theirs[617] = np.zeros(1, ours.dtype)[0]
    one, other = (
        Variable("v", dtype, (1000,), ArrayTensor(dtype, (1000,), array))
        for array in (ours, theirs)
    )
    found = compare_values(one, other)
    assert (found.num_different, found.first_different, found.equal) == (1, 617, False)
    assert (found.max_absolute, found.max_relative) == (1.0, 1.0)
    assert found.mean_absolute == pytest.approx(1 / 1000)
    assert found.cosine == pytest.approx(np.sqrt(999 / 1000))
    assert compare_values(one, one) == replace(
        found,
        num_different=0,
        num_beyond=0,
        first_different=None,
        max_absolute=0.0,
        mean_absolute=0.0,
        max_relative=0.0,
        mean_relative=0.0,
        cosine=1.0,
    )


@pytest.mark.parametrize("size", [10, 2 * BLOCK + 3])
def test_differences_are_those_of_numpy(size: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal(size).astype(np.float32)
    b = (a + 0.01 * rng.standard_normal(size)).astype(np.float32)
    b[: size // 2] = a[: size // 2]
    found = compared(a, b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    absolute = np.abs(x - y)
    relative = absolute / np.maximum(np.abs(x), np.abs(y))
    assert found.num_different == np.count_nonzero(a != b)
    assert found.max_absolute == absolute.max()
    assert found.mean_absolute == pytest.approx(absolute.mean())
    assert found.max_relative == relative.max()
    assert found.mean_relative == pytest.approx(relative.mean())
    assert found.cosine == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def test_nan_is_equal_where_its_bits_are() -> None:
    assert compared([np.nan, 1.0], [np.nan, 1.0]).equal
    other = np.array([0x7FF8000000000001, 0], np.uint64).view(np.float64)
    found = compared(np.array([np.nan, 0.0]), other)
    assert (found.num_different, found.num_comparable) == (1, 1)


def test_zeros_of_two_signs_differ_in_bits_and_not_by_tolerance() -> None:
    found = compared([0.0], [-0.0])
    assert (found.equal, found.num_different, found.max_absolute) == (False, 1, 0.0)
    assert compared([0.0], [-0.0], Tolerance()).equal


def test_nan_is_close_to_nan_whatever_its_bits() -> None:
    other = np.array([0x7FF8000000000001, 0], np.uint64).view(np.float64)
    found = compared(np.array([np.nan, 0.0]), other, Tolerance())
    assert (found.num_different, found.equal) == (1, True)
    assert not compared(np.array([1.0, 0.0]), other, Tolerance(1.0, 1.0)).equal


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (np.array([2**63 - 1]), np.array([2**63 - 2]), 1),
        (np.array([-(2**63)]), np.array([2**63 - 1]), 2**64 - 1),
        (np.array([-1]), np.array([2**64 - 1], np.uint64), 2**64),
        (np.array([2**53 + 1]), np.array([2**53], np.uint64), 1),
        (np.array([-128], np.int8), np.array([127], np.int8), 255),
        (np.array([0], np.uint8), np.array([255], np.uint8), 255),
        (np.array([-3], np.int8), np.array([2**53], np.int64), 2**53 + 3),
    ],
)
def test_integers_that_float64_does_not_tell_apart_differ(a: Any, b: Any, distance: int) -> None:
    for one, other in ((a, b), (b, a)):
        found = compared(one, other, Tolerance())
        assert (found.num_beyond, found.max_absolute) == (1, float(distance))


@pytest.mark.parametrize(
    ("b", "shown"), [([1, 0], " 1 "), ([-1, 0], " -1 "), ([-1, 1e-4], " -1+5e-09 ")]
)
def test_a_cosine_has_its_sign(
    command_line: CommandLine, tmp_path: Path, b: list[float], shown: str
) -> None:
    save(tmp_path / "a", {"w": np.array([1.0, 0.0])})
    save(tmp_path / "b", {"w": np.array(b, np.float32)})
    run = command_line("diff", tmp_path / "a", tmp_path / "b")
    assert shown in next(line for line in run.out.splitlines() if line.startswith("  w "))


def test_infinities_and_nan_are_left_out_of_the_sums() -> None:
    found = compared([np.inf, np.nan, 1.0, 2.0], [1.0, 1.0, 1.0, 3.0])
    assert (found.num_different, found.num_beyond, found.num_comparable) == (3, 3, 2)
    assert (found.max_absolute, found.mean_absolute) == (1.0, 0.5)


@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(-1e-3, 1e-3)), min_size=1, max_size=20),
    st.floats(0, 1e-3),
    st.floats(0, 1e-3),
)
def test_a_tolerance_is_that_of_numpy(
    pairs: list[tuple[float, float]], rtol: float, atol: float
) -> None:
    b = np.array([base for base, _ in pairs])
    a = b + np.array([step for _, step in pairs])
    found = compared(a, b, Tolerance(rtol, atol))
    assert found.num_beyond == np.count_nonzero(~np.isclose(a, b, rtol, atol))


def test_strings_are_compared_as_bytes(tmp_path: Path) -> None:
    a = save(tmp_path / "a", {"s": np.array([b"x", b"", b"yy"], object)})
    b = save(tmp_path / "b", {"s": np.array([b"x", b"q", b"yy"], object)})
    item = by_name(tfa.diff(a, b))["s"]
    assert item.changes == ("changed",)
    assert item.comparison == ValueComparison(3, 1, 1, first_different=1)


def test_another_type_is_compared_by_value(tmp_path: Path) -> None:
    array = np.array([1.0, 2.5, np.nan, -np.inf], np.float32)
    a = save(tmp_path / "a", {"w": array})
    b = save(tmp_path / "b", {"w": array.astype(np.float16)})
    found = tfa.diff(a, b)
    item = by_name(found)["w"]
    assert item.changes == ("retyped",)
    assert item.comparison is not None
    assert item.comparison.equal
    assert found.same_weights is False


def test_another_shape_is_compared_in_order(tmp_path: Path) -> None:
    array = np.arange(6.0)
    found = tfa.diff(
        save(tmp_path / "a", {"w": array, "x": array}),
        save(tmp_path / "b", {"w": array.reshape(2, 3), "x": array[:5]}),
    )
    assert changes(found) == {"w": ("reshaped",), "x": ("reshaped",)}
    items = by_name(found)
    assert items["w"].has_equal_values
    assert items["x"].comparison is None


# ---------------------------------------------------------------- what is read


def test_equal_checksums_are_trusted_unless_exact(tmp_path: Path) -> None:
    arrays = {"w": np.arange(100.0), "b": np.arange(10.0)}
    a, b = save(tmp_path / "a", arrays), save(tmp_path / "b", arrays)
    data = tmp_path / "b.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[0] ^= 1
    data.write_bytes(content)
    found = tfa.diff(a, b)
    assert found.equal
    assert found.same_weights
    assert all(item.comparison and item.comparison.by_checksum for item in found.variables or ())
    exact = tfa.diff(a, b, values="exact")
    assert [type(error) for error in exact.damage] == [tfa.ChecksumError]
    assert not exact.equal
    assert exact.same_weights is None
    assert {name: item.changes for name, item in by_name(exact).items()} == {
        "b": ("unreadable",),
        "w": (),
    }


def test_without_values_nothing_is_read(tmp_path: Path) -> None:
    a = save(tmp_path / "a", {"w": np.zeros(3), "x": np.zeros(2)})
    b = save(tmp_path / "b", {"w": np.ones(3), "y": np.zeros(2)})
    for name in "ab":
        (tmp_path / f"{name}.data-00000-of-00001").unlink()
    found = tfa.diff(a, b, values="none")
    # The index has checksums, by which a name is still found.
    assert changes(found) == {"x": ("renamed",)}
    assert found.same_weights is None
    assert not found.damage


def test_one_element_in_many_is_found_in_constant_memory(tmp_path: Path) -> None:
    block = np.random.default_rng(0).standard_normal(1 << 20).astype(np.float32)
    changed = block.copy()
    changed[5] += 1
    for name, odd in (("a", -1), ("b", 17)):
        with tfa.CheckpointWriter(tmp_path / name) as writer:
            parts = (changed if number == odd else block for number in range(24))
            writer.add_blocks("w", "float32", (24, 1 << 20), parts)
    a, b = opened(tmp_path / "a"), opened(tmp_path / "b")
    tracemalloc.start()
    found = by_name(tfa.diff(a, b))["w"].comparison
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None
    assert (found.num_different, found.first_different) == (1, (17 << 20) + 5)
    assert peak < 16 << 20


# ---------------------------------------------------------------- how it is stored


def test_a_partitioned_variable_is_equal_to_the_whole(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
    whole = variable(array, "w")
    tiles = [(Extent(0, 6), Extent(0, 2)), (Extent(0, 6), Extent(2, 3))]
    value = ArrayTensor(FLOAT32, array.shape, array)
    parts = strategies.partitioned("w", value, tiles)
    for name, stored in (("a", whole), ("b", parts)):
        tfa.save(Checkpoint("m", "V2", 1, {"w": stored}), tmp_path / name)
    found = tfa.diff(opened(tmp_path / "a"), opened(tmp_path / "b"))
    assert found.equal
    assert found.same_weights
    same = tfa.diff(opened(tmp_path / "b"), opened(tmp_path / "b"))
    assert all(item.comparison and item.comparison.by_checksum for item in same.variables or ())


def test_a_renamed_partitioned_variable_is_found_by_its_values(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
    tiles = [(Extent(0, 2), Extent()), (Extent(2, 4), Extent())]
    parts = strategies.partitioned("p", ArrayTensor(FLOAT32, array.shape, array), tiles)
    tfa.save(Checkpoint("m", "V2", 1, {"p": parts}), tmp_path / "a")
    tfa.save(Checkpoint("m", "V2", 1, {"q": variable(array, "q")}), tmp_path / "b")
    found = tfa.diff(opened(tmp_path / "a"), opened(tmp_path / "b"))
    assert found.renames == {"p": "q"}
    assert found.same_weights


@pytest.mark.parametrize("path", ["v1-checkpoint/model-3", "dtypes/dtypes", "keras/export"])
def test_a_copy_is_equal(fixtures: Path, path: str) -> None:
    for values in ("auto", "exact", "none", "rtol=1e-5"):
        found = tfa.diff(tfa.open(fixtures / path), tfa.open(fixtures / path), values=values)
        assert found.equal, values
        assert found.variables


# ---------------------------------------------------------------- names


def test_a_renamed_scope_is_found_with_its_rule(fixtures: Path, tmp_path: Path) -> None:
    a = opened(fixtures / "bert-style")
    tfa.save(renamed(a, ["bert/=model/encoder/"]), tmp_path / "b")
    found = tfa.diff(a, opened(tmp_path / "b"), parts=["variables"])
    expected = {
        name: name.replace("bert/", "model/encoder/", 1)
        for name in a.variables
        if name.startswith("bert/")
    }
    assert found.renames == expected
    assert found.rules[0] == ("bert/=model/encoder/", len(expected))
    assert found.same_weights
    assert not found.equal


def test_a_renamed_scope_is_found_where_values_changed_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = {f"old/layer_{i}/{n}": s for i in range(4) for n, s in (("w", (3, 4)), ("b", (4,)))}
    a = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    b = {name.replace("old/", "new/"): rng.standard_normal(s) for name, s in shapes.items()}
    found = tfa.diff(save(tmp_path / "a", a), save(tmp_path / "b", b))
    assert found.renames == {name: name.replace("old/", "new/") for name in a}
    assert set(changes(found).values()) == {("renamed", "changed")}


def test_variables_of_equal_values_are_paired_by_their_names(tmp_path: Path) -> None:
    a = {f"encoder/block{i}/bias": np.zeros(5) for i in range(3)}
    b = {f"encoder/stage{i}/bias_term": np.zeros(5) for i in range(3)}
    found = tfa.diff(save(tmp_path / "a", a), save(tmp_path / "b", b))
    assert found.renames == {
        f"encoder/block{i}/bias": f"encoder/stage{i}/bias_term" for i in range(3)
    }


def test_a_slot_is_no_candidate_for_a_variable(tmp_path: Path) -> None:
    a = save(tmp_path / "a", {"w": np.arange(5.0), "w/Adam": np.ones(5)})
    b = save(tmp_path / "b", {"w": np.arange(5.0), "other": np.ones(5)})
    assert changes(tfa.diff(a, b)) == {"w/Adam": ("removed",), "other": ("added",)}


def test_stripped_adam_is_told_apart(fixtures: Path, tmp_path: Path) -> None:
    a = opened(fixtures / "bert-style")
    kept = {k: v for k, v in a.variables.items() if "adam" not in k}
    tfa.save(replace(a, variables=kept), tmp_path / "b")
    found = tfa.diff(a, opened(tmp_path / "b"))
    assert found.same_weights
    assert not found.equal
    assert found.equal_graphs
    gone = {item.role for item in found.variables or () if item.changes == ("removed",)}
    assert gone == {"optimizer"}
    assert tfa.diff(a, opened(tmp_path / "b"), roles=["model"]).equal


def test_the_twin_of_tensorflow_2_has_the_same_weights(
    command_line: CommandLine, tmp_path: Path
) -> None:
    command_line.python(
        """
        import tensorflow as tf
        class Net(tf.Module):
            def __init__(self):
                super().__init__()
                with tf.name_scope("net"):
                    self.kernel = tf.Variable(tf.random.normal([4, 5]), name="kernel")
                    self.bias = tf.Variable(tf.zeros([5]), name="bias")
                    self.scale = tf.Variable(tf.zeros([5]), name="scale")
        net = Net()
        step = tf.Variable(7, dtype=tf.int64, name="global_step")
        tf.train.Checkpoint(net=net, step=step).write(folder + "/objects")
        tf.compat.v1.train.Saver({v.name[:-2]: v for v in (*net.variables, step)}).save(
            None, folder + "/names", write_meta_graph=False, write_state=False)
        answer = True
        """,
        folder=tmp_path,
    )
    found = tfa.diff(opened(tmp_path / "names"), opened(tmp_path / "objects"))
    assert found.same_weights
    renames = {name.rpartition("/")[2]: other for name, other in found.renames.items()}
    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    assert renames == {
        "kernel": f"net/kernel{suffix}",
        "bias": f"net/bias{suffix}",
        "scale": f"net/scale{suffix}",
        "global_step": f"step{suffix}",
    }
    back = tfa.diff(opened(tmp_path / "objects"), opened(tmp_path / "names"))
    assert {new: old for old, new in back.renames.items()} == dict(found.renames)


def test_rules_explain_several_names() -> None:
    pairs = {f"a/{i}/w": f"b/{i}/kernel" for i in range(3)}
    assert explaining_rules(pairs) == ()
    assert explaining_rules({f"a/{i}": f"b/{i}" for i in range(3)}) == (("a/=b/", 3),)
    ((rule, count),) = explaining_rules({f"l/{i}": f"net/l/{i}/.A/V" for i in range(3)})
    assert count == 3
    import re

    pattern, replacement = as_regular_expression(rule)
    assert re.sub(pattern, replacement, "l/1") == "net/l/1/.A/V"


@pytest.mark.parametrize("rule", ["a.b/=c/", "x=y", "re:^q(.*)$=\\1"])
def test_a_rule_as_a_regular_expression_does_the_same(rule: str) -> None:
    import re

    from tfartifacts.graphs.renaming import rename

    pattern, replacement = as_regular_expression(rule)
    for name in ("a.b/w", "axb/w", "x", "xx", "qz", "za.b/w"):
        assert re.sub(pattern, replacement, name) == rename(name, [rule])


# ---------------------------------------------------------------- kinds of artifacts


def test_a_checkpoint_and_the_saved_model_of_it(fixtures: Path, tmp_path: Path) -> None:
    checkpoint = opened(fixtures / "tensorflow-1.15" / "ref")
    tfa.save(tfa.checkpoint_to_saved_model(checkpoint, outputs={"y": "y:0"}), tmp_path / "export")
    found = tfa.diff(checkpoint, tfa.open(tmp_path / "export"))
    assert found.same_weights
    assert found.meta_graphs is not None
    assert not found.equal_graphs
    assert not tfa.diff(checkpoint, tfa.open(tmp_path / "export"), parts=["signatures"]).equal


def test_a_checkpoint_and_the_frozen_graph_of_it(fixtures: Path, tmp_path: Path) -> None:
    from tfartifacts.convert import convert

    checkpoint = opened(fixtures / "tensorflow-1.15" / "ref")
    frozen = convert(checkpoint, to="graph-def", outputs={"y": "y:0"})
    tfa.save(frozen, tmp_path / "frozen.pb")
    found = tfa.diff(checkpoint, tfa.open(tmp_path / "frozen.pb"), parts=["variables"])
    assert found.same_weights
    assert {item.role for item in found.variables or () if item.changes} <= {
        "optimizer",
        "bookkeeping",
    }
    back = tfa.diff(tfa.open(tmp_path / "frozen.pb"), checkpoint, parts=["variables"])
    assert back.same_weights


@pytest.mark.parametrize("dtype", [1, 7])
def test_constants_that_repeat_one_value_are_compared_without_being_expanded(dtype: int) -> None:
    def graph(name: bytes, value: bytes) -> tfa.Graph:
        shape = b"".join(put_bytes(2, put_integer(1, size)) for size in (1 << 20, 1 << 20))
        stored = put_bytes(5, value) if dtype == 1 else put_bytes(8, value)
        tensor = put_integer(1, dtype) + put_bytes(2, shape) + stored
        attr = put_bytes(1, b"value") + put_bytes(2, put_bytes(8, tensor))
        node = put_bytes(1, name) + put_bytes(2, b"Const") + put_bytes(5, attr)
        return read_graph(Message(put_bytes(1, node)))

    one, two = (np.float32(value).tobytes() for value in (1, 2))
    for other in (graph(b"c", two), graph(b"d", two), graph(b"d", one)):
        found = tfa.diff(graph(b"c", one), other)
        assert not found.equal
        if dtype == 7:
            assert all(isinstance(error, tfa.UnsupportedError) for error in found.damage)
        elif "c" in by_name(found) and (item := by_name(found)["c"]).comparison is not None:
            assert item.comparison.num_elements == 1 << 40


def test_a_folder_without_its_latest_checkpoint_is_told(tmp_path: Path) -> None:
    save(tmp_path / "m", {"w": np.zeros(2)})
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "gone-7"\n')
    with pytest.raises(tfa.PathNotFoundError, match="found no latest checkpoint"):
        tfa.diff(tfa.open(tmp_path), tfa.open(tmp_path / "m"))


@pytest.mark.parametrize("values", ["", "rtol", "rtol=-1", "rtol=nan", "rtol=1,rtol=2", "all"])
def test_values_that_mean_nothing_are_refused(fixtures: Path, values: str) -> None:
    artifact = tfa.open(fixtures / "digits" / "checkpoints")
    with pytest.raises(tfa.ConversionError, match="expected auto, exact, none"):
        tfa.diff(artifact, artifact, values=values)


def test_renames_are_json_that_names_survive(tmp_path: Path) -> None:
    a = save(tmp_path / "a", {"x\u00fc/w": np.arange(5.0)})
    b = save(tmp_path / "b", {"y\u00fc/w": np.arange(5.0)})
    renames = tfa.diff(a, b).renames
    assert json.loads(json.dumps(dict(renames))) == {"x\u00fc/w": "y\u00fc/w"}
