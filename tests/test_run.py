"""`run`: what an artifact computes, in a process that has TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.command_line import CommandLine
from tests.conversion import Source, same_bits
from tests.judges.client import Judge
from tfartifacts.__main__ import run as run_here
from tfartifacts.execution.requests import only_input, request
from tfartifacts.execution.running import prepare
from tfartifacts.execution.tensorflow import quiet


def arrays_of(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive.items())


# --- without TensorFlow: what is missing or mistyped is told in no time --------------------------


@pytest.fixture
def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of it fails, which is another error than those looked for."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)


@pytest.mark.usefixtures("without_tensorflow")
@pytest.mark.parametrize(
    ("path", "options", "code", "says"),
    [
        ("tensorflow-1.15/ref", ["--inputs=x=none.npy", "--outputs=y"], 3, "none.npy: no such"),
        ("tensorflow-1.15/ref", ["--inputs=xx=1", "--outputs=y"], 3, "no tensor 'xx'"),
        ("tensorflow-1.15/ref", ["--inputs=x=1", "--outputs=y"], 2, "found shape () (float64) in"),
        (
            "tensorflow-1.15/ref",
            ["--outputs=y"],
            2,
            "found no value for an input that the outputs need\n"
            "  x:0 float32 (?, 4): --inputs x:0=VALUE",
        ),
        ("tensorflow-1.15/ref", ["--outputs=loss"], 2, "found no value for 2 inputs that the"),
        ("tensorflow-1.15/ref", [], 2, "found no outputs, expected one or more tensors"),
        ("tensorflow-1.15/ref", ["--outputs=yy"], 3, "no tensor 'yy'"),
        ("tensorflow-1.15/ref", ["--inputs=x=[1]", "--inputs=x=[2]"], 2, "found two values for"),
        (
            "tensorflow-1.15/ref",
            ["--inputs=x=[[1,2,3,4]]", "--inputs=x:0=[[1,2,3,4]]", "--outputs=y"],
            2,
            "found 'x' and 'x:0', which are both x:0",
        ),
        (
            "keras/export",
            ["--outputs=outputt_0"],
            3,
            "no key or tensor 'outputt_0'; did you mean 'output_0'?",
        ),
        (
            "keras/export",
            ["--signature=servin"],
            3,
            "no signature 'servin'; did you mean 'serve' or",
        ),
        (
            "keras/export",
            [],
            2,
            "serving_default_features:0 float32 (?, 4): --inputs features=VALUE",
        ),
        ("keras/ckpt-1", ["--outputs=y"], 2, "found no graph, expected one (.meta)"),
        (
            "saved-models/two_meta_graphs",
            [],
            3,
            "no tags were given and the SavedModel does not hold just one meta graph; there is",
        ),
        (
            "saved-models/two_meta_graphs",
            ["--tag=serve", "--signature=sparse", "--inputs=sparse=1"],
            2,
            "found the coo_sparse tensor 'sparse', expected a dense one; name its parts: "
            "sparse/values:0, sparse/indices:0, sparse/shape:0",
        ),
        (
            "saved-models/two_meta_graphs",
            ["--tag=serve", "--signature=ragged", "--inputs=[1]"],
            2,
            "found the composite tensor 'ragged'",
        ),
        ("graphs/frozen.pb", ["--outputs=y", "--inputs=[1", "--out=y.csv"], 2, "found --out y.csv"),
        ("graphs/frozen.pb", ["--outputs=y,square", "--out=y.npy"], 2, "found no value for"),
        (
            "graphs/frozen.pb",
            ["--outputs=y,square", "--inputs=[[1,2,3,4]]", "--out=y.npy"],
            2,
            "found 2 outputs for one .npy (y, square), expected one: --outputs, or --out with .npz",
        ),
        ("graphs/model.meta", ["--outputs=y", "--inputs=x=[[1,2,3,4]]"], 2, "need 2 variables"),
        # TensorFlow itself, at last.
        ("graphs/frozen.pb", ["--outputs=y", "--inputs=[[1,2,3,4]]"], 5, "found no TensorFlow"),
    ],
)
def test_what_cannot_be_run_is_told_before_tensorflow_is_started(
    fixtures: Path,
    capsys: pytest.CaptureFixture[str],
    path: str,
    options: list[str],
    code: int,
    says: str,
) -> None:
    assert run_here(["run", str(fixtures / path), *options]) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""


def test_the_answer_takes_no_time(fixtures: Path) -> None:
    """Of a process that has TensorFlow or not: neither that nor NumPy is imported."""
    code = (
        "import sys, tfartifacts.__main__ as m\n"
        f"assert m.run(['run', {str(fixtures / 'digits/checkpoints')!r}, '--outputs=y']) == 3\n"
        "print([name for name in ('tensorflow', 'numpy', 'rich') if name in sys.modules])"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (None, "found no TensorFlow, which runs models; install it with pip install"),
        (
            "raise TypeError('Descriptors cannot be created directly.\\nIf this call came from')",
            "found a TensorFlow that cannot be imported (TypeError: Descriptors cannot be created "
            "directly.), expected one that can; install it anew: pip install",
        ),
        (
            "raise ImportError('Traceback (most recent call last):\\n  File x\\nImportError: "
            "libfoo.so: no such file\\n\\nFailed to load the native TensorFlow runtime.')",
            "(ImportError: libfoo.so: no such file)",
        ),
        ("import no_such_module", "(ModuleNotFoundError: No module named 'no_such_module')"),
        ("import sys; sys.exit(3)", "(SystemExit: 3)"),
        ("1/0", "(ZeroDivisionError: division by zero)"),
        ("", "found no TensorFlow in what is imported by that name"),
    ],
)
def test_a_tensorflow_that_is_not_there_or_broken_is_one_line(
    fixtures: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: str | None,
    says: str,
) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    if module is None:
        monkeypatch.setitem(sys.modules, "tensorflow", None)
    else:
        (tmp_path / "tensorflow").mkdir()
        noise = "import os; os.write(1, b'noise'), os.write(2, b'noise')"
        (tmp_path / "tensorflow" / "__init__.py").write_text(f"{noise}\n{module}\n")
        monkeypatch.syspath_prepend(tmp_path)
    arguments = ["run", str(fixtures / "graphs/frozen.pb"), "--inputs=[[1,2,3,4]]", "--outputs=y"]
    assert run_here(arguments) == 5
    if module is not None:
        sys.modules.pop("tensorflow", None)
    captured = capfd.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert says in line
    assert "pip install 'tfartifacts[tensorflow]'" in line


def test_the_only_input_needs_no_key(fixtures: Path) -> None:
    frozen = tfa.open(fixtures / "graphs" / "frozen.pb")
    assert only_input(frozen, ["y:0"]) == "x:0"
    two = tfa.open(fixtures / "saved-models" / "two_meta_graphs")
    assert only_input(two, signature="lookup", tags=["serve"]) == "words"
    digits = tfa.open(fixtures / "digits" / "checkpoints")
    with pytest.raises(tfa.ConversionError, match="inputs: myInput:0, myOutput:0"):
        only_input(digits, ["myAccuracy/Mean:0"])


def test_signatures_of_2016_name_nodes(fixtures: Path) -> None:
    """Without `:0`, and without a type: the graph tells."""
    graph = tfa.open(fixtures / "graphs" / "frozen.pb")
    assert isinstance(graph, tfa.Graph)
    info = tfa.TensorInfo("x", None, None)
    out = tfa.TensorInfo("y", None, None)
    old = tfa.MetaGraph(
        graph, signatures={"serving_default": tfa.Signature({"a": info}, {"b": out})}
    )
    asked = request(old, ["a"], [])
    assert str(asked.inputs["a"]) == "x:0 float32 (?, 4)"
    assert asked.outputs["b"].name == "y:0"


def test_the_streams_are_as_they_were(capfd: pytest.CaptureFixture[str]) -> None:
    def places() -> list[tuple[int, int]]:
        found = [os.fstat(number) for number in (1, 2)]
        return [(status.st_dev, status.st_ino) for status in found]

    before = places()
    for error in (None, tfa.ExecutionError("no"), KeyboardInterrupt(), ValueError("no")):
        with suppress(tfa.ExecutionError, KeyboardInterrupt, ValueError), quiet() as shown:
            os.write(1, b"log 1\n")
            os.write(2, b"log 2\n")
            shown.write("bar\n")
            shown.flush()
            if error is not None:
                raise error
        assert places() == before
        captured = capfd.readouterr()
        assert captured.out == ""
        # The log of a failed run alone is shown.
        log = "log 1\nlog 2\n" if isinstance(error, tfa.ExecutionError) else ""
        assert captured.err == f"bar\n{log}"


def test_streams_that_were_closed_do_no_harm() -> None:
    code = (
        "import os\n"
        "from tfartifacts.execution.tensorflow import quiet\n"
        "for closed in ((1,), (2,), (1, 2), (0, 1, 2)):\n"
        "    for number in closed: os.close(number)\n"
        "    with quiet(): os.write(1, b'x'); os.write(2, b'x')\n"
        "    os.fstat(1), os.fstat(2)\n"
        "os._exit(7)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 7


def test_a_run_is_prepared_without_tensorflow(fixtures: Path) -> None:
    source = tfa.open(fixtures / "tensorflow-1.15" / "table")
    prepared = prepare(source, {"s": '["a"]'}, ["idx"])
    assert prepared.feeds["s:0"].tolist() == [b"a"]
    # The vocabulary is not where it was, but beside the checkpoint.
    (path,) = prepared.loading.files.values()
    assert path == str(fixtures / "tensorflow-1.15" / "table" / "vocab.txt")


# --- with TensorFlow -----------------------------------------------------------------------------


def test_checkpoints_are_run(
    command_line: CommandLine, tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path
) -> None:
    """A folder, a prefix, a `.meta`; in each manner of saving that 1.15 has."""
    for kind in ("ref", "res", "part", "sharded", "gpu"):
        folder = fixtures / "tensorflow-1.15" / kind
        feed = folder / "X.npy"
        expected = tensorflow_2_21.run_checkpoint(
            folder / "model.ckpt-5", {"x:0": np.load(feed)}, ["y:0"]
        )
        for path in (folder, folder / "model.ckpt-5", folder / "model.ckpt-5.meta"):
            out = tmp_path / f"{kind}{path.suffix}.npy"
            done = command_line("run", path, f"--inputs=x:0={feed}", "--outputs=y:0", "--out", out)
            assert (done.code, done.err) == (0, "")
            assert done.out == f"wrote {out}\ny:0  float32  (32, 3)\n"
            assert same_bits(np.load(out), expected["y:0"])
            out.unlink()
    # Its vocabulary is not where it was, but beside it.
    table = fixtures / "tensorflow-1.15" / "table"
    done = command_line("run", table, '--inputs=s=["a", "c", "zz"]', "--outputs=idx")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["idx  int64  (3,)", "  [ 0  2 -1]"]
    folder = fixtures / "v1-checkpoint"
    for name, stem in (("model-3", "model"), ("shards-3", "shards")):
        values = arrays_of(folder / f"expected-{stem}.npz")
        given = f"--inputs=x={folder}/expected-{stem}.npz[x]"
        done = command_line("run", folder / name, given, "--outputs=y", "--json")
        assert (done.code, done.err) == (0, "")
        found = np.array(done.document["outputs"]["y"]["values"], np.float32)
        assert same_bits(found, values["y"])


RUN = """
import tfartifacts as tfa
from tfartifacts.execution.running import run
from tfartifacts.execution.tensorflow import quiet
with quiet():
    # As a list, cast like what a file holds.
    found = run(tfa.open(path), {"x": x}, ["y"], batch_size=2)
answer = found["y"].tolist()
"""


def test_frozen_graphs_are_run(command_line: CommandLine, fixtures: Path) -> None:
    values = arrays_of(fixtures / "graphs" / "expected.npz")
    x = values["x:0"].tolist()
    for name in ("frozen.pb", "frozen.pbtxt"):
        done = command_line(
            *("run", fixtures / "graphs" / name, f"--inputs=x={json.dumps(x)}"),
            *("--outputs=y:0,square", "--json"),
        )
        assert (done.code, done.err) == (0, "")
        found = done.document["outputs"]
        for key, tensor in (("y:0", "y:0"), ("square", "square:0")):
            assert same_bits(np.array(found[key]["values"], np.float32), values[tensor])
    found = command_line.python(RUN, path=fixtures / "graphs" / "frozen.pb", x=x)
    np.testing.assert_allclose(found, values["y:0"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["ema", "mutable", "values", "functional", "references"])
def test_what_1_15_saved_is_run_by_2_21(
    sources_1_15: dict[str, Source], command_line: CommandLine, tmp_path: Path, kind: str
) -> None:
    """To the last bits, which another TensorFlow may compute otherwise."""
    source = sources_1_15[kind]
    arguments: list[object] = ["run", source.prefix]
    for name, value in source.feeds.items():
        path = tmp_path / f"{name.partition(':')[0]}.npy"
        np.save(path, value.astype("S") if value.dtype == object else value)
        arguments.append(f"--inputs={name}={path}")
    done = command_line(*arguments, f"--outputs={','.join(source.fetches)}", "--json")
    assert (done.code, done.err) == (0, "")
    for key, value in source.fetches.items():
        found = np.array(done.document["outputs"][key]["values"]).astype(value.dtype)
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)


def test_saved_models_are_run(command_line: CommandLine, fixtures: Path, tmp_path: Path) -> None:
    saved = fixtures / "saved-models"
    done = command_line(
        *("run", saved / "two_meta_graphs", "--tag=serve", "--signature=lookup"),
        '--inputs=words=["a", "c", "zz"]',
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["ids  int64  (3,)", "  [ 0  2 -1]"]
    done = command_line(
        *("run", saved / "two_meta_graphs", "--tag=serve,gpu", "--signature=ragged"),
        *("--inputs=ragged/flat_values:0=[5,6,7]", "--inputs=ragged/row_splits_0:0=[0,1,3]"),
    )
    assert done.out.splitlines() == ["lengths  int64  (2,)", "  [1 2]"]
    done = command_line(
        *("run", saved / "text", "--inputs=sparse/values:0=[5]", "--outputs=Mul_1:0"),
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["Mul_1:0  float32  (1,)", "  [10.]"]
    values = arrays_of(saved / "expected.npz")
    for name in ("simple_resource", "simple_partitioned", "no_variables"):
        key = f"{name}/serve/serving_default"
        done = command_line(
            "run", saved / name, f"--inputs={saved}/expected.npz[{key}/x]", "--json"
        )
        assert (done.code, done.err) == (0, "")
        found = np.array(done.document["outputs"]["y"]["values"], np.float32)
        assert same_bits(found, values[f"{key}/y"])
    keras = arrays_of(fixtures / "keras" / "expected.npz")
    feed = json.dumps(keras["x"].tolist())
    done = command_line("run", fixtures / "keras" / "export", "--inputs", feed, "--json")
    assert (done.code, done.err) == (0, "")
    found = np.array(done.document["outputs"]["output_0"]["values"], np.float32)
    assert same_bits(found, keras["export"])


MODULE = """
import tensorflow as tf

class Model(tf.Module):
    def __init__(self):
        self.w = tf.Variable([[2.0], [3.0]])

    @tf.function(input_signature=[
        tf.TensorSpec([None, 2], tf.float32, "x"), tf.TensorSpec([], tf.float32, "k")])
    def scale(self, x, k):
        return {"y": tf.matmul(x, self.w) * k, "text": tf.strings.as_string(k)}

model = Model()
tf.saved_model.save(model, folder, signatures={"scale": model.scale})
answer = True
"""


def test_a_module_of_tensorflow_2_is_run(command_line: CommandLine, tmp_path: Path) -> None:
    assert command_line.python(MODULE, folder=tmp_path / "module")
    np.save(tmp_path / "x.npy", np.arange(10.0).reshape(5, 2))
    inputs = (f"--inputs=x={tmp_path / 'x.npy'}", "--inputs=k=0.5")
    done = command_line("run", tmp_path / "module", *inputs)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[lines.index("text  string  scalar") + 1] == '  "0.500000"'
    assert lines[lines.index("y  float32  (5, 1)") + 1] == "  [[ 1.5]"
    done = command_line("run", tmp_path / "module", *inputs, "--outputs=y", "--batch=2", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.document == {
        "schema": 1,
        "kind": "outputs",
        "path": str(tmp_path / "module"),
        "out": None,
        "outputs": {
            "y": {
                "dtype": "float32",
                "shape": [5, 1],
                "values": [[1.5], [6.5], [11.5], [16.5], [21.5]],
            }
        },
    }
    for options, says in (
        (["--outputs=y,text", "--batch=2"], "found shape () for "),
        (["--outputs=y", "--batch=2", "--inputs=x=[[1,2]]"], "found two values for 'x'"),
    ):
        done = command_line("run", tmp_path / "module", *inputs, *options)
        assert done.code == 2
        assert says in done.err


def test_the_seed_is_run_in_batches_and_into_files(
    command_line: CommandLine, tensorflow_2_21: Judge, fixtures: Path, tmp_path: Path
) -> None:
    digits = fixtures / "digits"
    images = f"{digits / 'test_digits.npz'}[images]"
    arguments = ("run", digits / "checkpoints", f"--inputs=myInput:0={images}")
    outputs = "--outputs=myPrediction:0,dense_1/BiasAdd"
    expected = tensorflow_2_21.run_checkpoint(
        digits / "checkpoints" / "my_model-4",
        {"myInput:0": arrays_of(digits / "test_digits.npz")["images"]},
        ["myPrediction:0", "dense_1/BiasAdd:0"],
    )
    for name in ("y.npz", "y.json", "again.npz"):
        done = command_line(*arguments, outputs, "--out", tmp_path / name)
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines() == [
            f"wrote {tmp_path / name}",
            "myPrediction:0  float32  (297, 10)",
            "dense_1/BiasAdd  float32  (297, 10)",
        ]
    assert (tmp_path / "y.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    archive, text = arrays_of(tmp_path / "y.npz"), json.loads((tmp_path / "y.json").read_text())
    for key, tensor in (
        ("myPrediction:0", "myPrediction:0"),
        ("dense_1/BiasAdd", "dense_1/BiasAdd:0"),
    ):
        assert same_bits(archive[key], expected[tensor])
        assert same_bits(np.array(text[key], np.float32), expected[tensor])
    done = command_line(*arguments, outputs, "--out", tmp_path / "y.npz")
    assert done.code == 2
    assert "exists" in done.err
    done = command_line(*arguments, "--outputs=myPrediction", "--batch=100")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "myPrediction  float32  (297, 10)"
    assert done.out.splitlines()[-1] == "  ... of 2,970 elements; --out FILE or --json gives all"
    done = command_line(*arguments, "--outputs=myPrediction", "--batch=100", "--json")
    found = np.array(done.document["outputs"]["myPrediction"]["values"], np.float32)
    # Rows of other batches are multiplied in another order.
    np.testing.assert_allclose(found, expected["myPrediction:0"], rtol=1e-5, atol=1e-7)


TYPES = """
import os, tensorflow as tf
v1 = tf.compat.v1
with tf.Graph().as_default() as graph:
    for name in dtypes:
        tf.identity(v1.placeholder(tf.as_dtype(name), [None], name=f"in_{name}"), f"out_{name}")
    tf.identity(v1.placeholder(tf.string, [], name="scalar"), "file")
    n = v1.placeholder(tf.int64, [], name="n")
    tf.identity(v1.while_loop(lambda i: i < n, lambda i: i + 1, [tf.constant(0, tf.int64)]), "loop")
    picture = v1.placeholder(tf.float32, [None, None, None, 3], name="picture")
    tf.identity(picture, name="pixels")
    deep = v1.placeholder(tf.uint16, [None, None, 1], name="deep")
    tf.identity(deep, name="depth")
    with open(os.path.join(folder, "types.pb"), "wb") as file:
        file.write(graph.as_graph_def().SerializeToString())
    with v1.Session() as session:
        for name, pixels in (
            ("colour.png", tf.io.encode_png(tf.reshape(tf.range(24), [2, 4, 3]) * 10 % 256
                                            if False else
                                            tf.cast(tf.reshape(tf.range(24) * 10, [2, 4, 3]),
                                                    tf.uint8))),
            ("deep.png", tf.io.encode_png(
                tf.cast(tf.reshape(tf.range(8) * 9000, [2, 4, 1]), tf.uint16))),
            ("colour.jpg", tf.io.encode_jpeg(tf.fill([2, 4, 3], tf.constant(90, tf.uint8)))),
        ):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(session.run(pixels))
answer = True
"""

VALUES = {
    "float16": [0.5, -2],
    "bfloat16": [0.5, -3],
    "float8_e5m2": [0.5],
    "float8_e4m3fn": [448],
    "complex64": [1 + 2j],
    "int4": [-8, 7],
    "uint4": [15],
    "qint8": [-3],
    "quint8": [200],
    "qint32": [5],
    "bool": [True, False],
    "string": [b"a\0", b"\xff"],
    "uint64": [2**64 - 1],
    "int64": [-(2**63)],
}


@pytest.fixture(scope="module")
def types(command_line: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph that gives what it is given, in many types; pictures."""
    folder = tmp_path_factory.mktemp("types")
    assert command_line.python(TYPES, folder=folder, dtypes=list(VALUES))
    return folder


def test_every_type_goes_in_and_comes_out(
    command_line: CommandLine, types: Path, tmp_path: Path
) -> None:
    from tfartifacts.dtypes import dtype_from_name
    from tfartifacts.report.json_text import json_lines

    inputs, outputs, expected = [], [], {}
    for name, values in VALUES.items():
        array = np.array(values, dtype_from_name(name).to_numpy())
        path = tmp_path / f"{name}.json"
        (text,) = json_lines([array.astype(object)] if name == "string" else [array])  # type: ignore[list-item]
        path.write_text(text)
        inputs.append(f"--inputs=in_{name}={path}")
        outputs.append(f"out_{name}")
        expected[f"out_{name}"] = array
    arguments = ("run", types / "types.pb", *inputs, f"--outputs={','.join(outputs)}")
    done = command_line(*arguments, "--json")
    assert (done.code, done.err) == (0, "")
    found = done.document["outputs"]
    for key, array in expected.items():
        written = "\n".join(json_lines([{"values": array}]))
        assert found[key]["values"] == json.loads(written)["values"]
        dtype = "string" if array.dtype == object else str(array.dtype)
        assert (found[key]["dtype"], found[key]["shape"]) == (dtype, list(array.shape))
    assert command_line(*arguments).code == 0
    done = command_line(*arguments, "--out", tmp_path / "all.npz")
    # NumPy's strings end where the zeros begin.
    assert done.code == 2
    assert "'out_string' has strings that end in NUL, which .npy loses; use .json" in done.err
    arguments = (*arguments[:-1], f"--outputs={','.join(o for o in outputs if 'string' not in o)}")
    done = command_line(*arguments, "--out", tmp_path / "all.npz")
    assert (done.code, done.err) == (0, "")
    archive = arrays_of(tmp_path / "all.npz")
    assert archive["out_bfloat16"].dtype == np.float32
    assert archive["out_int4"].dtype == np.int8
    for key in archive:
        assert archive[key].tolist() == expected[key].astype(archive[key].dtype).tolist()


def test_odd_names_and_shapes(command_line: CommandLine, types: Path, tmp_path: Path) -> None:
    """`file` is a keyword argument of np.savez."""
    done = command_line(
        *("run", types / "types.pb", "--inputs=scalar=a=b", "--outputs=file"),
        *("--out", tmp_path / "y.npz"),
    )
    assert (done.code, done.err) == (0, "")
    assert arrays_of(tmp_path / "y.npz")["file"].item() == b"a=b"
    done = command_line("run", types / "types.pb", "--inputs=scalar=a\\tb", "--outputs=file")
    assert done.out == 'file  string  scalar\n  "a\\tb"\n'


def test_pictures_are_decoded_by_tensorflow(
    command_line: CommandLine, types: Path, tmp_path: Path
) -> None:
    """Pixels are 0 to 255, in a batch of one; nothing is scaled."""
    colour = (np.arange(24, dtype=np.int64) * 10 % 256).reshape(1, 2, 4, 3).astype(np.float32)
    for name, output, feed, expected in (
        ("colour.png", "pixels", "picture", colour),
        ("colour.jpg", "pixels", "picture", np.full((1, 2, 4, 3), 90, np.float32)),
        ("deep.png", "depth", "deep", (np.arange(8) * 9000).astype(np.uint16).reshape(2, 4, 1)),
    ):
        done = command_line(
            *("run", types / "types.pb", f"--inputs={feed}={types / name}"),
            *("--outputs", output, "--out", tmp_path / f"{name}.npy"),
        )
        assert (done.code, done.err) == (0, "")
        assert same_bits(np.load(tmp_path / f"{name}.npy"), expected)
    png = (types / "colour.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(png[:50])
    done = command_line(
        *("run", types / "types.pb", f"--inputs=picture={tmp_path / 'cut.png'}"),
        "--outputs=pixels",
    )
    assert done.code == 2
    assert "cut.png: found no picture that can be read: " in done.err
    done = command_line(
        *("run", types / "types.pb", f"--inputs=scalar={types / 'colour.png'}", "--outputs=file"),
        *("--out", tmp_path / "same.json"),
    )
    assert done.code == 0


def test_what_tensorflow_says_is_shown_when_it_fails(
    command_line: CommandLine, types: Path
) -> None:
    # A scalar's placeholder states no shape that could be held against a value.
    done = command_line("run", types / "types.pb", "--inputs=n=[1]", "--outputs=n")
    assert done.code == 4
    assert done.out == ""
    assert done.err.splitlines()[-1] == (
        "tfartifacts: error: TensorFlow says: Cannot feed value of shape (1,) for Tensor n:0, "
        "which has shape ()"
    )
    code = """
    import tfartifacts as tfa
    from tfartifacts.cli.errors import guarded
    from tfartifacts.execution.loading import loaded
    from tfartifacts.execution.tensorflow import quiet
    import contextlib, io, os

    def run():
        with quiet(), loaded(tfa.open(path)) as session:
            os.write(2, b"a line of its log\\n")
            session.run(["out_int64:0"], {})

    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        code = guarded(run)
    answer = [code, error.getvalue()]
    """
    found, error = command_line.python(code, path=types / "types.pb")
    assert found == 4
    assert "a line of its log" in error
    last = error.splitlines()[-1]
    assert last.startswith("tfartifacts: error: TensorFlow says: You must feed a value for")


def test_ctrl_c_ends_a_run(command_line: CommandLine, types: Path) -> None:
    """Within a loop of TensorFlow's, where Python would not notice; streams are restored."""
    code = """
    import os, signal, threading
    from tfartifacts.__main__ import run

    before = [os.fstat(number).st_ino for number in (1, 2)]
    threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    code = run(["run", path, "--inputs=n=1000000000000000", "--outputs=loop"])
    answer = [code, before == [os.fstat(number).st_ino for number in (1, 2)]]
    """
    assert command_line.python(code, path=types / "types.pb") == [130, True]


def test_progress_is_for_a_terminal(command_line: CommandLine, types: Path) -> None:
    """The bar goes where standard error was, TensorFlow's log does not."""
    code = """
    import os, pty, sys
    from tfartifacts.cli.progress import TerminalProgress
    from tfartifacts.__main__ import run

    TerminalProgress.AFTER = 0.0
    main, terminal = pty.openpty()
    kept = os.dup(2), os.dup(1)
    os.dup2(terminal, 2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        codes = [
            run(["run", path, "--inputs=in_int64=[1,2,3,4,5]", "--outputs=out_int64", "--batch=1",
                 *more]) for more in ([], ["--json"])
        ]
    finally:
        os.dup2(kept[0], 2)
        os.dup2(kept[1], 1)
        os.set_blocking(main, False)
        text = os.read(main, 1 << 16).decode()
    answer = [codes, text]
    """
    codes, text = command_line.python(code, path=types / "types.pb")
    assert codes == [0, 0]
    assert "running" in text
    assert "5/5" in text
    assert "cpu_feature" not in text
    assert text.count("running") < 20
