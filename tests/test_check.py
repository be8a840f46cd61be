"""`convert --check`: source and result run on the same values, and compared bit for bit."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.command_line import CommandLine, Done
from tests.conversion import Source, same_bits
from tfartifacts.__main__ import run as run_here
from tfartifacts.convert import SavedModelOptions, convert
from tfartifacts.dtypes import all_dtypes, dtype_from_name
from tfartifacts.execution.differences import OutputComparison, compared
from tfartifacts.execution.examples import Feature, example, features_of, is_single
from tfartifacts.execution.planning import feed_for, plan
from tfartifacts.execution.sources import keys_of
from tfartifacts.model import Constant, Node, SparseNames, TensorInfo
from tfartifacts.model.graphs import TensorShape
from tfartifacts.opening import open_to_convert
from tfartifacts.report.conversions import conversion_lines, describe_conversion
from tfartifacts.report.layout import Layout


def info(dtype: str, *shape: int | None) -> TensorInfo:
    return TensorInfo("x:0", dtype_from_name(dtype), shape)


# --- values made up ------------------------------------------------------------------------------


def test_made_up_values_are_the_same_every_time() -> None:
    signature = tfa.Signature(
        {
            "x": info("float32", None, 3),
            "n": TensorInfo("n:0", dtype_from_name("int64"), ()),
            "s": TensorInfo("s:0", dtype_from_name("string"), (None,)),
            "b": TensorInfo("b:0", dtype_from_name("bfloat16"), None),
        },
        {},
    )
    made_up: list[str] = []
    first, second = feed_for(signature, {}, made_up), feed_for(signature, {})
    assert made_up == ["x", "n", "s", "b"]
    assert first["x:0"].shape == (2, 3)
    assert first["x:0"].dtype == np.float32
    assert (first["x:0"] >= 0).all()
    assert (first["x:0"] < 1).all()
    for name, value in first.items():
        assert same_bits(value, second[name])
    assert first["s:0"].tolist() == [b"", b""]
    assert feed_for(signature, {"n": np.int64(7)})["n:0"] == 7
    assert feed_for(signature, {"n:0": "8"})["n:0"] == 8


@pytest.mark.parametrize("dtype", [d.name for d in all_dtypes() if d.itemsize is not None])
def test_integers_made_up_are_indices(dtype: str) -> None:
    made = feed_for(tfa.Signature({"x": info(dtype, 100)}, {}), {})["x:0"]
    assert made.dtype == dtype_from_name(dtype).to_numpy()
    if "int" in dtype or dtype == "bool":
        assert sorted(set(made.astype(int).tolist())) == [0, 1]


def sparse(shape: tuple[int | None, ...] | None) -> TensorInfo:
    names = SparseNames("s/values:0", "s/indices:0", "s/shape:0")
    return TensorInfo("", dtype_from_name("float32"), shape, names)


def test_a_sparse_input_gets_one_element() -> None:
    made = feed_for(tfa.Signature({"s": sparse((None, 4))}, {}), {})
    assert made["s/values:0"].shape == (1,)
    assert made["s/indices:0"].tolist() == [[0, 0]]
    assert made["s/shape:0"].tolist() == [2, 4]
    made = feed_for(tfa.Signature({"s": sparse((0, 4))}, {}), {})
    assert [made[name].shape for name in made] == [(0,), (0, 2), (2,)]
    given = {"s/values:0": "[5]", "s/indices:0": "[[1, 1]]", "s/shape:0": "[3, 4]"}
    made = feed_for(tfa.Signature({"s": sparse((None, 4))}, {}), given)
    assert [made[name].tolist() for name in made] == [[5.0], [[1, 1]], [3, 4]]


@pytest.mark.parametrize(
    ("unknown", "says"),
    [
        (TensorInfo("x:0", None, ()), "no value can be made up"),
        (TensorInfo("x:0", dtype_from_name("resource"), ()), "no value can be made up"),
        (info("float32", 1 << 40, None), "too large to be made up"),
        (
            TensorInfo("", None, (), components=(info("int64"),), type_spec=b"?"),
            "composite input 'k', .* --feed TENSOR=VALUE for x:0 int64",
        ),
    ],
)
def test_what_cannot_be_made_up_is_named(unknown: TensorInfo, says: str) -> None:
    with pytest.raises(tfa.ConversionError, match=says):
        feed_for(tfa.Signature({"k": unknown}, {}), {})


def test_examples_of_an_op_of_2016_are_made_up() -> None:
    """One operand for each key; keys of sparse features come before those with a shape."""
    string, int64 = dtype_from_name("string"), dtype_from_name("int64")

    def constant(name: str, text: bytes) -> Node:
        return Node(name, "Const", attrs={"dtype": string, "value": Constant(string, (), (text,))})

    parse = Node(
        "parse",
        "ParseExample",
        ("text", "names", "sparse", "a", "b", "none", "none"),
        attrs={
            "Nsparse": 1,
            "Ndense": 2,
            "Tdense": [int64, string],
            "dense_shapes": [TensorShape((2,)), TensorShape(())],
        },
    )
    keys = [constant("sparse", b"s"), constant("a", b"first"), constant("b", b"second")]
    graph = tfa.Graph((Node("text", "Placeholder"), *keys, parse))
    features = features_of(graph, "text:0")
    assert features == (Feature("first", "int64", 2), Feature("second", "string", 1))
    assert features_of(graph, "names:0") is None
    assert not is_single(graph, "text:0")
    expected = bytes.fromhex(
        "0a21"  # features
        "0a0f"  # feature
        "0a05" + b"first".hex() + "1206"  # key, value
        "1a04"  # int64_list
        "0a020101"  # value, packed: 1, 1
        "0a0e"
        "0a06" + b"second".hex() + "1204"
        "0a02"  # bytes_list
        "0a00"
    )
    assert example(features, 1) == expected


# --- differences ---------------------------------------------------------------------------------


def difference(one: Any, other: Any) -> OutputComparison:
    return compared("serving_default", "y", "y:0", one, other)


def test_equal_bits_are_equal() -> None:
    for array in (
        np.array([1.5, math.nan, -0.0], np.float32),
        np.array(3),
        np.zeros((0, 3)),
        np.array([b"a", b"\0"], object),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.array([1.5, 2], dtype_from_name("bfloat16").to_numpy()),
        np.array([-8, 7], dtype_from_name("int4").to_numpy()),
    ):
        row = difference(array, array.copy())
        assert row.equal
        assert row.num_different == 0
        assert row.num_elements == array.size
        # In another order of memory.
        assert difference(np.array(array, order="F"), array).equal


def nan(payload: int) -> Any:
    return np.array([0x7FC00000 | payload, 0x3F800000], np.uint32).view(np.float32)


@pytest.mark.parametrize(
    ("one", "other", "different", "largest", "num_nan"),
    [
        (np.array([1, 2, 3], np.float32), np.array([1, 2.5, 3.25], np.float32), 2, 0.5, 0),
        (np.array([0.0], np.float64), np.array([-0.0], np.float64), 1, 0.0, 0),
        (nan(0), nan(1), 1, None, 1),
        (np.array([math.nan], np.float32), np.array([1], np.float32), 1, None, 0),
        (np.array([math.inf], np.float32), np.array([1], np.float32), 1, math.inf, 0),
        (np.array([math.inf, 1], np.float32), np.array([math.inf, 2], np.float32), 1, 1.0, 0),
        (np.array([5], np.int64), np.array([-5], np.int64), 1, 10.0, 0),
        (np.array([True]), np.array([False]), 1, 1.0, 0),
        (np.array([1 + 1j]), np.array([1 - 2j]), 1, 3.0, 0),
        (np.array([b"a", b"b"], object), np.array([b"a", b"c"], object), 1, None, 0),
        (np.zeros((2, 3)), np.zeros((3, 2)), 6, None, 0),
        (np.zeros((0,)), np.zeros((0, 1)), 1, None, 0),
        (np.zeros(3, np.float32), np.zeros(3, np.float64), 3, None, 0),
    ],
)
def test_what_differs_is_counted(
    one: Any, other: Any, different: int, largest: float | None, num_nan: int
) -> None:
    row = difference(one, other)
    assert not row.equal
    assert (row.num_different, row.largest_difference, row.num_nan) == (
        different,
        largest,
        num_nan,
    )


def shown(*rows: OutputComparison, width: int | None = None) -> list[str]:
    """The lines of a check, as `convert` prints them."""
    graph = tfa.Graph(())
    document = describe_conversion("source", graph, "result", [])
    document["check"] = [{**asdict(row), "equal": row.equal} for row in rows]
    lines = list(conversion_lines(document, Layout(width=width)))
    return lines[lines.index("") + 1 :]


def test_what_is_equal_takes_a_line() -> None:
    row = difference(np.zeros((2, 10), np.float32), np.zeros((2, 10), np.float32))
    assert shown(row, replace(row, key="z")) == [
        "check: 2 outputs equal to the source's, bit for bit",
        "  signature        output  dtype    shape    elements  different",
        "  ---------------  ------  -------  -------  --------  ---------",
        "  serving_default  y       float32  (2, 10)        20      equal",
        "  serving_default  z       float32  (2, 10)        20      equal",
    ]


def test_what_differs_says_how() -> None:
    rows = [
        difference(np.array([1, 2, 3], np.float32), np.array([1, 2.5, 3.25], np.float32)),
        difference(np.array([1], np.float32), np.array([1], np.float32)),
        difference(np.array([0], np.float32), np.array([-0.0], np.float32)),
        difference(nan(0), nan(1)),
        difference(np.zeros(3, np.float32), np.zeros((3, 1))),
        replace(difference(np.array([1], np.int8), np.array([2], np.int8)), repeatable=False),
    ]
    assert shown(*rows) == [
        "check: 5 of 6 outputs not equal to the source's",
        "  signature        output  dtype               shape           elements  different  "
        "largest difference",
        "  ---------------  ------  ------------------  --------------  --------  ---------  "
        "----------------------------",
        "  serving_default  y       float32             (3,)                   3          2  0.5",
        "  serving_default  y       float32             (1,)                   1      equal",
        "  serving_default  y       float32             (1,)                   1          1  "
        "0 (signs of zeros)",
        "  serving_default  y       float32             (2,)                   2          1  "
        "1 NaN in both, of other bits",
        "  serving_default  y       float32 -> float64  (3,) -> (3, 1)         3          3",
        "  serving_default  y       int8                (1,)                   1          1  "
        "1, not repeatable",
        "  note: run again, the source itself gives other values there: a graph that draws random "
        "numbers, or looks at the time, cannot be compared",
    ]
    assert all(len(line) <= 80 for line in shown(*rows, width=80))


# --- plans: refused before anything is written or TensorFlow started -----------------------------


@pytest.fixture
def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of it fails, which is another error than those looked for."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)


def refused(
    capsys: pytest.CaptureFixture[str], source: Path, destination: Path, *options: str
) -> tuple[int, str]:
    code = run_here(["convert", str(source), str(destination), "--check", *options])
    assert not destination.parent.exists() or not list(destination.parent.glob("*"))
    return code, capsys.readouterr().err


@pytest.mark.usefixtures("without_tensorflow")
@pytest.mark.parametrize(
    ("source", "options", "code", "says"),
    [
        # TensorFlow itself, at last.
        ("tensorflow-1.15/ref", ["--inputs=x", "--outputs=y"], 5, "found no TensorFlow"),
        ("keras/export", [], 2, "found a result without a graph (.meta)"),
        ("keras/export", ["--names=variable"], 2, "found a result without a graph"),
        (
            "tensorflow-1.15/ref",
            ["--inputs=x", "--outputs=y", "--feed=xx=1"],
            3,
            "no input 'xx'; did you mean 'x'?",
        ),
        (
            "tensorflow-1.15/ref",
            ["--inputs=x", "--outputs=y", "--feed=x=[1]"],
            2,
            "found shape (1,) (float64) in [1], expected x:0 float32 (?, 4)",
        ),
        (
            "tensorflow-1.15/ref",
            ["--inputs=x", "--outputs=y", "--feed=x=none.npy"],
            3,
            "none.npy: no such file",
        ),
        (
            "tensorflow-1.15/ref",
            ["--inputs=x", "--outputs=y", "--feed=x=[[1,2,3,4]]", "--feed=x=[[1,2,3,4]]"],
            2,
            "found --feed x twice",
        ),
        ("tensorflow-1.15/ref", ["--inputs=x", "--outputs=y", "--feed=x"], 2, "KEY=VALUE"),
        (
            "tensorflow-1.15/ref",
            ["--outputs=y"],
            2,
            "found signature 'serving_default', which also needs what is not among its inputs, "
            "expected a value\n  x:0 float32 (?, 4): --feed x:0=VALUE, or fix it: --set x=VALUE",
        ),
        (
            "tensorflow-1.15/ref",
            ["--inputs=x", "--outputs=y", "--shape=x=[5,5]"],
            2,
            "found x:0 float32 (5, 5), expected the shape that the source takes, to compare the "
            "two: x:0 float32 (?, 4); leave --check out",
        ),
        (
            "saved-models/two_meta_graphs",
            ["--tag=serve", "--to=saved-model"],
            2,
            "found the composite input 'ragged', for which no value can be made up, expected one "
            "for each part: --feed TENSOR=VALUE for ragged/flat_values:0 int64 of unknown rank, "
            "ragged/row_splits_0:0 int64 (?,)",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(
    fixtures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    options: list[str],
    code: int,
    says: str,
) -> None:
    found, error = refused(capsys, fixtures / source, tmp_path / "out" / "result", *options)
    assert (found, says in error) == (code, True), error


@pytest.mark.usefixtures("without_tensorflow")
def test_a_frozen_graph_alone_has_no_variables_to_compare(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A .meta that lost its checkpoint: the conversion itself refuses it."""
    shutil.copy(fixtures / "tensorflow-1.15/ref/model.ckpt-5.meta", tmp_path / "lonely.meta")
    code, error = refused(
        capsys, tmp_path / "lonely.meta", tmp_path / "out" / "r", "--inputs=x", "--outputs=y"
    )
    assert code == 2
    assert "variables" in error


def test_open_sizes_are_those_of_the_source(fixtures: Path) -> None:
    """The source's placeholder would refuse what fits the result's alone."""
    source = open_to_convert(fixtures / "graphs" / "frozen.pb")
    options = SavedModelOptions(shapes={"x": (None, None)})
    result = convert(source, inputs={"x": "x"}, outputs={"y": "y"}, options=options)
    (call,) = plan(source, result, options=options).calls.values()
    there = source.graph.tensor("x:0").shape  # type: ignore[union-attr]
    assert call.feeds["x:0"].shape == tuple(2 if size is None else size for size in there or ())


def test_a_key_is_no_name_of_another_tensor(fixtures: Path) -> None:
    """A signature may call one tensor as the graph calls another."""
    source = open_to_convert(fixtures / "digits" / "checkpoints")
    result = convert(
        source, inputs={"myOutput": "myInput", "b": "myOutput"}, outputs={"a": "myAccuracy/Mean"}
    )
    image = np.ones((1, 28, 28, 1), np.float32)
    (call,) = plan(source, result, {"myOutput": image}).calls.values()
    assert same_bits(call.feeds["myInput:0"], image)
    assert call.feeds["myOutput:0"].shape == (2, 10)


def test_what_was_fixed_is_fed_to_the_source(fixtures: Path) -> None:
    source = open_to_convert(fixtures / "tensorflow-1.15" / "ref")
    options = SavedModelOptions(placeholders={"x": "[[1, 2, 3, 4]]"})
    result = convert(source, outputs={"y": "y"}, options=options)
    (call,) = plan(source, result, options=options).calls.values()
    assert call.feeds == {}
    assert same_bits(call.fixed["x:0"], np.array([[1, 2, 3, 4]], np.float32))


def test_keys_are_renamed_then_averaged(fixtures: Path) -> None:
    checkpoint = tfa.open(fixtures / "tensorflow-1.15" / "ref")
    assert isinstance(checkpoint, tfa.CheckpointDirectory)
    assert keys_of(checkpoint) == {}
    options = SavedModelOptions(rename=("net/=model/", "re:Adam$=ExponentialMovingAverage"))
    keys = keys_of(checkpoint, options)
    assert keys["model/w1"] == "net/w1"
    assert keys["model/w1/ExponentialMovingAverage"] == "net/w1/Adam"
    assert keys_of(checkpoint, replace(options, use_ema=True))["model/w1"] == "net/w1/Adam"
    objects = tfa.open(fixtures / "keras" / "ckpt-1")
    assert isinstance(objects, tfa.Checkpoint)
    names = objects.object_graph.full_names if objects.object_graph else {}
    assert names
    assert set(keys_of(objects)) <= set(names.values())


# --- with TensorFlow -----------------------------------------------------------------------------

MODELS = """
import numpy as np, os, tensorflow as tf
v1 = tf.compat.v1

def network(scope, partitioner=None, use_resource=False):
    x = v1.placeholder(tf.float32, [None, 4], name="x")
    with v1.variable_scope(scope, partitioner=partitioner, use_resource=use_resource):
        w = v1.get_variable("w", [4, 3], initializer=v1.random_normal_initializer(seed=3))
        b = v1.get_variable("b", [3], initializer=v1.random_normal_initializer(seed=5))
    return tf.identity(tf.matmul(x, w) + b, name="y")

def write(name, content):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)

def save(name, averages=False, prepare=lambda: None, **arguments):
    with tf.Graph().as_default() as graph, v1.Session() as session:
        network(**arguments)
        prepare()
        write(name + ".pb", graph.as_graph_def().SerializeToString())
        update = tf.no_op()
        if averages:
            average = tf.train.ExponentialMovingAverage(0.5)
            change = [v1.assign_add(v, tf.ones_like(v)) for v in v1.trainable_variables()]
            with tf.control_dependencies(change):
                update = average.apply(v1.trainable_variables())
        saver = v1.train.Saver()
        # Averages begin with what they are of, which has to be there.
        first = v1.trainable_variables()
        session.run(v1.variables_initializer(first))
        rest = [v for v in v1.global_variables() if all(v is not other for other in first)]
        session.run(v1.variables_initializer(rest))
        session.run(update)
        saver.save(session, os.path.join(folder, name, "model"), write_state=False)

def random():
    tf.identity(v1.random_uniform([3]), name="r")
    tf.add(v1.placeholder(tf.float32, [], name="k"), 1.0, name="k1")
    n = v1.placeholder(tf.int64, [], name="n")
    tf.identity(v1.while_loop(lambda i: i < n, lambda i: i + 1, [tf.constant(0, tf.int64)]), "loop")

save("averages", averages=True, scope="net")
save("other", scope="model/net", use_resource=True)
save("parts", scope="net", partitioner=v1.fixed_size_partitioner(2))
save("random", scope="net", prepare=random)
objects = tf.train.Checkpoint(
    first=tf.Variable(np.arange(12, dtype=np.float32).reshape(4, 3), name="net/w"),
    second=tf.Variable([0.5, 1.5, 2.5], name="net/b"),
)
objects.save(os.path.join(folder, "objects", "model"))
answer = True
"""


@pytest.fixture(scope="module")
def models(command_line: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints and graphs of one small network."""
    folder = tmp_path_factory.mktemp("models")
    assert command_line.python(MODELS, folder=folder)
    return folder


def check(command_line: CommandLine, source: Path, destination: Path, *options: object) -> Done:
    return command_line("convert", source, destination, "--check", "--json", *options)


def equal_outputs(done: Done) -> list[str]:
    assert (done.code, done.err) == (0, "")
    rows = done.document["check"]
    assert all(row["equal"] and row["num_different"] == 0 for row in rows)
    # Signatures are a map, in no order of their own.
    return sorted(f"{row['signature']} {row['key']}" for row in rows)


IO = ("--inputs=x", "--outputs=y")


def test_each_output_is_shown(command_line: CommandLine, fixtures: Path, tmp_path: Path) -> None:
    digits = fixtures / "digits"
    images = f"image={digits / 'test_digits.npz'}[images]"
    done = command_line(
        *("convert", digits / "checkpoints", tmp_path / "export", "--check"),
        *("--inputs=image=myInput", "--outputs=prediction=myPrediction", "--feed", images),
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-4:] == [
        "check: 1 output equal to the source's, bit for bit",
        "  signature        output      dtype    shape      elements  different",
        "  ---------------  ----------  -------  ---------  --------  ---------",
        "  serving_default  prediction  float32  (297, 10)     2,970      equal",
    ]
    done = check(command_line, tmp_path / "export", tmp_path / "back" / "model-4")
    assert done.document["check"] == [
        {
            "signature": "serving_default",
            "key": "prediction",
            "tensor": "myPrediction:0",
            "dtype": "float32",
            "shape": [2, 10],
            "num_elements": 20,
            "num_different": 0,
            "largest_difference": 0.0,
            "result_dtype": "float32",
            "result_shape": [2, 10],
            "num_nan": 0,
            "repeatable": True,
            "equal": True,
        }
    ]


def test_options_change_the_source_as_the_result(
    command_line: CommandLine, models: Path, fixtures: Path, tmp_path: Path
) -> None:
    """Each as TensorFlow computes it, the source restored with what the option says."""
    words = tmp_path / "words.txt"
    words.write_text("c\nb\n")
    cases: dict[str, tuple[Path, tuple[object, ...]]] = {
        "averages": (models / "averages/model", (*IO, "--use-ema")),
        "averages frozen": (models / "averages/model", (*IO, "--use-ema", "--freeze")),
        "no saver": (models / "averages/model", (*IO, f"--graph={models}/averages.pb")),
        "no saver, averages": (
            models / "averages/model",
            (*IO, f"--graph={models}/averages.pb", "--use-ema"),
        ),
        "parts without a saver": (models / "parts/model", (*IO, f"--graph={models}/parts.pb")),
        "renamed": (
            models / "averages/model",
            (*IO, f"--graph={models}/other/model.meta", "--rename=net/=model/net/"),
        ),
        "renamed, averages, no saver": (
            models / "averages/model",
            (*IO, f"--graph={models}/other.pb", "--rename=re:^=model/", "--use-ema"),
        ),
        "objects": (models / "objects/model-1", (*IO, f"--graph={models}/averages/model.meta")),
        "objects, no saver": (
            models / "objects/model-1",
            (*IO, f"--graph={models}/other.pb", "--rename=net/=model/net/"),
        ),
        "fixed": (models / "random/model", ("--outputs=k1", "--set=k=2.5")),
        "fed besides": (models / "random/model", ("--outputs=k1", "--feed=k=2.5")),
        "shape": (models / "averages/model", (*IO, "--shape=x=[3,4]")),
        "frozen graph": (models / "averages/model", (*IO, "--to=graph-def")),
        "cut": (models / "averages/model", ("--inputs=MatMul", "--outputs=y")),
        "table, moved": (
            fixtures / "tensorflow-1.15/table",
            ("--inputs=s", "--outputs=idx", f"--asset=vocab.txt={words}", '--feed=s=["b"]'),
        ),
        "several": (
            models / "averages/model",
            ("--signature=a: x -> y", "--signature=b: x -> y=MatMul,y0=y", "--feed=x=[[1,2,3,4]]"),
        ),
        "from a .meta": (models / "averages/model.meta", IO),
        "graph alone": (fixtures / "graphs/frozen.pb", ("--inputs=x", "--outputs=y")),
    }
    for name, (source, options) in cases.items():
        done = check(command_line, source, tmp_path / name, *options)
        assert equal_outputs(done), name
    assert equal_outputs(done) == ["serving_default y"]


def test_saved_models_are_compared(
    command_line: CommandLine, models: Path, fixtures: Path, tmp_path: Path
) -> None:
    saved = fixtures / "saved-models"
    ragged = ("--feed=ragged/flat_values:0=[1,2,3]", "--feed=ragged/row_splits_0:0=[0,2,3]")
    words = '--feed=words=["a", "zz"]'
    done = check(
        *(command_line, saved / "two_meta_graphs", tmp_path / "again", "--to=saved-model"),
        *("--tag=serve,gpu", *ragged, words),
    )
    assert equal_outputs(done) == [
        "lookup ids",
        "ragged lengths",
        "serving_default y",
        "sparse doubled.0",
        "sparse doubled.1",
        "sparse doubled.2",
    ]
    done = check(
        *(command_line, saved / "two_meta_graphs", tmp_path / "ckpt" / "m-1", "--tag=serve"),
        *ragged,
    )
    assert len(equal_outputs(done)) == 6
    done = check(command_line, saved / "no_variables", tmp_path / "none" / "m-1")
    assert equal_outputs(done) == ["serving_default y"]
    done = check(command_line, fixtures / "keras/export", tmp_path / "k" / "m-1", "--with-meta")
    assert len(equal_outputs(done)) >= 1
    # Averages of what a SavedModel holds, its graph taken from elsewhere.
    made = check(
        *(command_line, models / "averages/model", tmp_path / "full", *IO),
        "--keep-training-graph",
    )
    assert equal_outputs(made)
    for options in (["--use-ema"], ["--rename=net/=model/net/", f"--graph={models}/other.pb"]):
        name = tmp_path / options[0].strip("-").replace("/", "")
        done = check(command_line, tmp_path / "full", name, "--to=saved-model", *IO, *options)
        assert equal_outputs(done) == ["serving_default y"]


EXPORT = """
import tensorflow as tf
v1 = tf.compat.v1
with tf.Graph().as_default(), v1.Session() as session:
    examples = v1.placeholder(tf.string, shape, name="examples")
    found = getattr(tf.io, name)(examples, {
        "x": tf.io.FixedLenFeature([2, 2], tf.float32),
        "n": tf.io.FixedLenFeature([], tf.int64),
        "s": tf.io.FixedLenFeature([1], tf.string),
        "d": tf.io.FixedLenFeature([1], tf.float32, [0.5]),
        "many": tf.io.VarLenFeature(tf.int64),
    })
    w = v1.get_variable("w", [2], initializer=v1.random_normal_initializer(seed=1))
    y = tf.reduce_sum(found["x"] * w, [-1, -2]) + tf.cast(found["n"], tf.float32)
    session.run(v1.global_variables_initializer())
    v1.saved_model.simple_save(
        session, folder, {"examples": examples}, {"y": y, "s": tf.strings.length(found["s"])})
answer = True
"""


def test_examples_are_made_up_for_what_takes_them_apart(
    command_line: CommandLine, tmp_path: Path
) -> None:
    """As Estimators export: strings that are protocol buffers, with features that must be there."""
    for name, shape, count in (("parse_example", [None], 2), ("parse_single_example", [], 1)):
        folder = tmp_path / name
        assert command_line.python(EXPORT, folder=folder, name=name, shape=shape)
        done = check(command_line, folder, tmp_path / f"{name}-back" / "m-1")
        assert equal_outputs(done) == ["serving_default s", "serving_default y"]
        assert {row["num_elements"] for row in done.document["check"]} == {count}


def test_what_a_signature_leaves_out_is_made_up_for_a_checkpoint(
    command_line: CommandLine, fixtures: Path, tmp_path: Path
) -> None:
    """The tutorial's, whose labels are among its outputs: nobody can give it other signatures."""
    done = check(command_line, fixtures / "digits" / "saved_model", tmp_path / "back" / "m-4")
    assert len(equal_outputs(done)) == 3


def test_variables_in_another_place_are_run_from_there(
    command_line: CommandLine, fixtures: Path, tmp_path: Path
) -> None:
    """As in 2016: TensorFlow's loader looks at variables/variables only."""
    saved = fixtures / "saved-models"
    source = tmp_path / "flat"
    shutil.copytree(saved / "two_meta_graphs", source)
    (source / "variables").rename(tmp_path / "variables")
    for file in (tmp_path / "variables").iterdir():
        file.rename(source / file.name)
    words = ("--tag=serve", "--signature=lookup", '--inputs=words=["c"]')
    done = command_line("run", source, *words)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["ids  int64  (1,)", "  [2]"]
    ragged = ("--feed=ragged/flat_values:0=[1,2,3]", "--feed=ragged/row_splits_0:0=[0,2,3]")
    done = check(command_line, source, tmp_path / "back" / "m-1", "--tag=serve", *ragged)
    assert len(equal_outputs(done)) == 6


COMPARE = """
from dataclasses import asdict
import tfartifacts as tfa
from tfartifacts.convert import SavedModelOptions
from tfartifacts.execution.comparing import compare
from tfartifacts.execution.tensorflow import quiet
with quiet():
    rows = compare(tfa.open(first), tfa.open(second), options=SavedModelOptions(**options))
answer = [{**asdict(row), "equal": row.equal} for row in rows]
"""


def test_a_difference_is_counted_for_each_output(
    command_line: CommandLine, fixtures: Path, tmp_path: Path
) -> None:
    """Of another step: the same graph, other values."""
    other = tfa.open(fixtures / "digits" / "checkpoints" / "my_model-2")
    assert isinstance(other, tfa.Checkpoint)
    model = tfa.checkpoint_to_saved_model(
        other, {"image": "myInput"}, {"p": "myPrediction", "image": "myInput"}
    )
    tfa.save(model, tmp_path / "export")
    source = fixtures / "digits" / "checkpoints"
    rows = command_line.python(COMPARE, first=source, second=tmp_path / "export", options={})
    found = {row["key"]: row for row in rows}
    assert found["image"]["equal"]
    assert not found["p"]["equal"]
    assert found["p"]["num_different"] > 0
    assert 0 < found["p"]["largest_difference"] < 1
    assert found["p"]["repeatable"]


def test_an_option_that_was_not_heeded_is_seen(
    command_line: CommandLine, models: Path, tmp_path: Path
) -> None:
    """What the source is loaded with matters: a result made without it differs."""
    checkpoint = tfa.open(models / "averages" / "model")
    assert isinstance(checkpoint, tfa.Checkpoint)
    tfa.save(tfa.checkpoint_to_saved_model(checkpoint, {"x": "x"}, {"y": "y"}), tmp_path / "plain")
    names = {"first": models / "averages" / "model", "second": tmp_path / "plain"}
    (row,) = command_line.python(COMPARE, **names, options={})
    assert row["equal"]
    (row,) = command_line.python(COMPARE, **names, options={"use_ema": True})
    assert row["num_different"] == 6
    swapped = ["net/w=w", "net/w/ExponentialMovingAverage=net/w"]
    (row,) = command_line.python(COMPARE, **names, options={"rename": swapped})
    assert row["num_different"] == 6


def test_what_is_random_is_not_blamed_on_the_result(
    command_line: CommandLine, models: Path, tmp_path: Path
) -> None:
    done = command_line(
        *("convert", models / "random/model", tmp_path / "out", "--check"),
        *("--outputs=r", "--outputs=y", "--inputs=x"),
    )
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    assert "check: 1 of 2 outputs not equal to the source's" in lines
    assert any("not repeatable" in line for line in lines)
    assert lines[-1].startswith("  note: run again, the source itself gives other values there")


def test_a_source_that_does_not_run_is_told_before_writing(
    command_line: CommandLine, fixtures: Path, tmp_path: Path
) -> None:
    """The vocabulary is there to be copied, but not to be read as one."""
    empty = tmp_path / "empty.txt"
    empty.write_text("a\na\n")
    done = check(
        *(command_line, fixtures / "tensorflow-1.15/table", tmp_path / "out"),
        *("--inputs=s", "--outputs=idx", f"--asset=vocab.txt={empty}"),
    )
    assert done.code == 4
    assert not (tmp_path / "out").exists()
    last = done.err.splitlines()[-1]
    assert "error: running the source on values made up for s (others: --feed KEY=VALUE): " in last
    assert "TensorFlow says: " in last


def test_a_result_that_does_not_run_was_written(
    command_line: CommandLine, models: Path, tmp_path: Path
) -> None:
    """Its reader is taken away between the two."""
    source = models / "averages" / "model"
    code = """
    from unittest import mock
    import tfartifacts.cli.checking
    from tfartifacts.__main__ import run
    from tfartifacts.execution import loading
    import io, contextlib, sys
    real, calls = loading.Loaded.run, []

    def fails(self, fetches, feeds):
        calls.append(1)
        return real(self, ["none:0"] if len(calls) > 1 else fetches, feeds)

    error = io.StringIO()
    with mock.patch.object(loading.Loaded, "run", fails), contextlib.redirect_stderr(error):
        code = run(["convert", source, out, "--inputs=x", "--outputs=y", "--check"])
    answer = [code, error.getvalue()]
    """
    found, error = command_line.python(code, source=source, out=tmp_path / "out")
    assert found == 4
    assert (tmp_path / "out" / "saved_model.pb").exists()
    assert "error: running the result: TensorFlow says: " in error
    assert error.splitlines()[-1] == f"  the result was written: {tmp_path / 'out'}"


def test_the_optimizer_of_tensorflow_is_not_compared(
    command_line: CommandLine, tmp_path: Path
) -> None:
    """It takes conv(x, w) * c for conv(x, w * c) where w is a constant: other last bits."""
    code = """
    import numpy as np, os, tensorflow as tf
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 9, 9, 3], name="x")
        w = v1.get_variable("w", [3, 3, 3, 8], initializer=v1.random_normal_initializer(seed=1))
        tf.multiply(tf.nn.conv2d(x, w, 1, "SAME"), 0.3, name="y")
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, os.path.join(folder, "model"))
    answer = True
    """
    assert command_line.python(code, folder=tmp_path)
    done = check(command_line, tmp_path / "model", tmp_path / "frozen", *IO, "--freeze")
    assert equal_outputs(done) == ["serving_default y"]
    outputs = []
    for path in (tmp_path / "model", tmp_path / "frozen"):
        x = json.dumps(np.random.default_rng(0).random((2, 9, 9, 3)).tolist())
        (tmp_path / "x.json").write_text(x)
        done = command_line(
            *("run", path, "--inputs", f"x={tmp_path / 'x.json'}", "--outputs=y", "--json")
        )
        outputs.append(np.array(done.document["outputs"]["y"]["values"], np.float32))
    assert not same_bits(outputs[0], outputs[1])
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["part1", "sharded3", "v1_part", "ema", "estimator", "dtypes"])
def test_sources_of_1_15_are_checked(
    sources_1_15: dict[str, Source], command_line: CommandLine, tmp_path: Path, kind: str
) -> None:
    source = sources_1_15[kind]
    options = [f"--inputs={key}={name}" for key, name in source.keys.items()]
    options += [f"--outputs={key}={key}:0" for key in source.fetches]
    for mode in ("--freeze", "--keep-training-graph"):
        done = check(command_line, source.prefix, tmp_path / mode.strip("-"), *options, mode)
        assert len(equal_outputs(done)) == len(source.fetches)
