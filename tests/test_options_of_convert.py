"""Options of a conversion that cannot be meant, or not as they would be taken, are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tfartifacts as tfa
from tfartifacts.__main__ import run
from tfartifacts.convert import SavedModelOptions, SignatureNames, convert
from tfartifacts.convert.asset_files import where_given
from tfartifacts.convert.restoring import restoring
from tfartifacts.dtypes import STRING, dtype_from_name
from tfartifacts.graphs.placeholders import parse_shape, set_placeholders, with_shapes
from tfartifacts.graphs.saver_by_name import with_saver_by_name
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.graphs import Constant, Graph, Node, TensorInfo, TensorShape
from tfartifacts.model.saved_models import PREDICT_METHOD, MetaGraph, Signature
from tfartifacts.model.variables import Variable
from tfartifacts.storage.recorded_files import FindFileFrom

FLOAT32 = dtype_from_name("float32")


def placeholder(dtype: str, shape: tuple[int | None, ...] | None = None) -> Graph:
    attrs: dict[str, Any] = {"dtype": dtype_from_name(dtype)}
    if shape is not None:
        attrs["shape"] = TensorShape(shape)
    return Graph((Node("p", "Placeholder", (), "", attrs),))


def saved(source: Any, **options: Any) -> tfa.SavedModel:
    made = convert(source, to="saved-model", **options)
    assert isinstance(made, tfa.SavedModel)
    return made


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        ("float16", "70000"),
        ("float16", "65520"),
        ("float16", "1e-9"),
        ("float32", "1e39"),
        ("float32", "-1e39"),
        ("float32", "1e-60"),
        ("float32", "[1, 1e39]"),
        ("float64", "1e400"),
        ("float64", "1" * 400),
        ("float64", "1" * 5000),
        ("bfloat16", "3.4e38"),
        ("bfloat16", "1" * 400),
        ("complex64", "1e39"),
        ("int32", "NaN"),
        ("int32", "Infinity"),
        ("int32", "1e400"),
        ("int32", "1" * 400),
        ("int32", "[" * 100_000),
        ("int32", "[" * 700 + "1" + "]" * 700),
        ("int32", "\udcff"),
        ("string", "[1,2]"),
        ("string", "[null]"),
        ("string", '["a", {"b": 1}]'),
        ("string", "\udcff"),
        ("string", '"\\ud800"'),
    ],
)
def test_a_value_that_would_be_stored_as_another_is_refused(dtype: str, text: str) -> None:
    with pytest.raises(tfa.ConversionError, match=f"for 'p', expected {dtype}") as caught:
        set_placeholders(placeholder(dtype), {"p": text})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("dtype", "text", "expected"),
    [
        ("float16", "65519", (65519,)),
        ("float32", "3.4e38", (3.4e38,)),
        ("float32", "-Infinity", (float("-inf"),)),
        ("bfloat16", "3.38e38", (3.38e38,)),
        ("float64", "1e308", (1e308,)),
        ("int32", "2.0", (2,)),
        ("string", '["a", "b"]', (b"a", b"b")),
        ("string", '"[1,2]"', (b"[1,2]",)),
        ("string", "[a", (b"[a",)),
        ("string", "7", (b"7",)),
        ("string", "null", (b"null",)),
        ("string", "True", (b"True",)),
    ],
)
def test_a_value_is_stored_as_it_is_typed(dtype: str, text: str, expected: tuple[Any, ...]) -> None:
    node = set_placeholders(placeholder(dtype), {"p": text})["p"]
    assert node.attrs["value"].elements == expected


def test_a_name_is_given_once(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(tfa.ConversionError, match="found placeholder 'p' twice, expected one"):
        set_placeholders(placeholder("int32"), {"p": "1", "p:0": "2"})
    with pytest.raises(tfa.ConversionError, match="found 'p:0' twice, expected one shape"):
        with_shapes(placeholder("int32"), {"p": (1,), "p:0": (2,)})
    with pytest.raises(tfa.NameNotFoundError, match="no tensor 'p:1'"):
        set_placeholders(placeholder("int32"), {"p:1": "1"})
    source = str(fixtures / "digits" / "checkpoints")
    for flag in ("--set", "--shape", "--asset"):
        arguments = ["convert", source, str(tmp_path / "out"), flag, "a=[1]", flag, "a=[2]"]
        assert run(arguments) == 2
        assert capsys.readouterr().err == (
            f"tfartifacts: error: found {flag} 'a' twice, expected it once\n"
        )


# --- placeholders that signatures have -----------------------------------------------------------


def two_inputs() -> MetaGraph:
    """y = x * k with the signature of both."""
    nodes = [
        Node(name, "Placeholder", (), "", {"dtype": FLOAT32, "shape": TensorShape(())})
        for name in ("x", "k")
    ]
    nodes.append(Node("y", "Mul", ("x", "k"), "", {"T": FLOAT32}))
    infos = {name: TensorInfo(f"{name}:0", FLOAT32, ()) for name in ("x", "k", "y")}
    signature = Signature({"x": infos["x"], "k": infos["k"]}, {"y": infos["y"]}, PREDICT_METHOD)
    return MetaGraph(Graph(nodes), signatures={"serving_default": signature})


def test_what_is_fixed_is_no_input_any_more() -> None:
    fixed = SavedModelOptions(placeholders={"k:0": "1.5"})
    made = saved(two_inputs(), options=fixed)
    (signature,) = made.meta_graphs[0].signatures.values()
    assert list(signature.inputs) == ["x"]
    assert made.meta_graphs[0].graph["k"].op == "Const"
    assert "signature 'serving_default' has no input 'k' any more: it is fixed" in made.notes, (
        made.notes
    )
    message = "found k fixed, and as input 'b' of signature 'serving_default'"
    with pytest.raises(tfa.ConversionError, match=message):
        saved(two_inputs(), inputs={"a": "x", "b": "k"}, outputs={"y": "y"}, options=fixed)
    given = replace(fixed, signatures={"s": SignatureNames({"k": "k:0"}, {"y": "y"})})
    with pytest.raises(tfa.ConversionError, match="found k:0 fixed, and as input 'k' of"):
        saved(two_inputs(), options=given)
    # Another signature leaves the kept one its note.
    other = saved(two_inputs(), inputs={"x": "x"}, outputs={"y": "y"}, signature="s", options=fixed)
    assert {k: list(v.inputs) for k, v in other.meta_graphs[0].signatures.items()} == {
        "serving_default": ["x"],
        "s": ["x"],
    }


# --- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[99999999999999999999999999]",
        "[9223372036854775808]",
        "1" * 5000,
        "[4611686018427387904,2]",
    ],
)
def test_a_size_that_nothing_has_is_refused(text: str) -> None:
    with pytest.raises(tfa.ConversionError, match="expected at most 9223372036854775807"):
        parse_shape(text)
    assert parse_shape("[9223372036854775807]") == ((1 << 63) - 1,)


def test_a_default_keeps_its_shape() -> None:
    value = {"dtype": FLOAT32, "value": Constant(FLOAT32, (2,), (1.0, 2.0))}
    attrs = {"dtype": FLOAT32, "shape": TensorShape((2,))}
    nodes = (
        Node("c", "Const", (), "", value),
        Node("d", "PlaceholderWithDefault", ("c",), "", attrs),
    )
    for wrong, shown in (((3,), "[3]"), ((), "[]"), ((None, 2), "[?,2]")):
        with pytest.raises(tfa.ConversionError) as caught:
            with_shapes(Graph(nodes), {"d:0": wrong})
        assert caught.value.message == (
            f"found shape {shown} for d:0, whose default is of shape [2], expected one that fits it"
        )
    for fitting in ((2,), (None,), None):
        with_shapes(Graph(nodes), {"d": fitting})


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("--inputs", "\udcff=x:0", "--outputs", "y"),
        ("--inputs", "x:0", "--outputs", "\udcff=y:0"),
        ("--inputs", "x:0", "--outputs", "\udcff"),
        ("--inputs", "x:0", "--outputs", "y", "--tag", "\udcff"),
        ("--inputs", "x:0", "--outputs", "y", "--method-name", "\udcff"),
        ("--inputs", "x:0", "--outputs", "y", "--signature", "\udcff"),
        ("--signature", "\udcff: x -> y"),
        ("--spec", '{"a\\ud800": {"inputs": ["x"], "outputs": ["y"]}}'),
        ("--spec", '{"s": {"inputs": {"a\\ud800": "x"}, "outputs": ["y"]}}'),
        ("--spec", '{"s": {"inputs": ["x"], "outputs": ["y"], "method_name": "\\ud800"}}'),
    ],
)
def test_names_are_utf8(
    arguments: tuple[str, ...],
    fixtures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if arguments[0] == "--spec":
        (tmp_path / "spec.json").write_text(arguments[1])
        arguments = ("--spec", str(tmp_path / "spec.json"))
    source = str(fixtures / "tensorflow-1.15" / "ref")
    assert run(["convert", source, str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tfartifacts: error: found '")
    assert error.endswith(" expected text in UTF-8, which is all a SavedModel can hold\n")


@pytest.mark.parametrize("key", ["__saved_model_init_op", "__saved_model_train_op"])
def test_keys_that_loaders_use_are_refused(
    key: str, fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({key: {"inputs": ["x"], "outputs": ["y"]}}))
    source = str(fixtures / "tensorflow-1.15" / "ref")
    for arguments in (
        ["--spec", str(spec)],
        ["--signature", f"{key}: x -> y"],
        ["--signature", key, "--inputs", "x", "--outputs", "y"],
        ["--signature", key],
    ):
        assert run(["convert", source, str(tmp_path / "out"), *arguments]) == 2
        assert capsys.readouterr().err == (
            f"tfartifacts: error: found the signature key '{key}', expected one of a caller's: "
            "loaders use __saved_model_... themselves\n"
        )


# --- files that are read -------------------------------------------------------------------------


def reading(folder: Path, *paths: str) -> tfa.SavedModel:
    """A SavedModel of a graph that reads a table from each of these paths."""
    nodes, reads = [], []
    for number, path in enumerate(paths):
        attrs = {"dtype": STRING, "value": Constant(STRING, (), (path.encode(),))}
        nodes += [
            Node(f"path_{number}", "Const", (), "", attrs),
            Node(f"table_{number}", "HashTableV2", (), "", {}),
        ]
        inputs = (f"table_{number}", f"path_{number}")
        reads.append(Node(f"read_{number}", "InitializeTableFromTextFileV2", inputs, "", {}))
    controls = tuple(f"^{node.name}" for node in reads)
    empty = {"dtype": STRING, "value": Constant(STRING, (), (b"",))}
    graph = Graph([*nodes, *reads, Node("y", "Const", controls, "", empty)])
    options = SavedModelOptions(finders=(FindFileFrom(str(folder)),))
    return saved(graph, outputs={"y": "y:0"}, options=options)


def test_one_file_is_not_taken_for_two(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a\n")
    (asset,) = reading(tmp_path, "/gone/a/vocab.txt").assets
    assert asset.file is not None
    for two in (("/gone/a/vocab.txt", "/gone/b/vocab.txt"), ("vocab.txt", "/gone/b/vocab.txt")):
        message = f"found {tmp_path}/vocab.txt alone for '{two[0]}' and for '{two[1]}'"
        with pytest.raises(tfa.ConversionError, match=f"{message}.* --asset {two[1]}=PATH"):
            reading(tmp_path, *two)
    # Both say where it is.
    assert len(reading(tmp_path, "vocab.txt", f"{tmp_path}/vocab.txt").assets) == 2


def test_a_recorded_path_counts_before_the_last_part_of_another() -> None:
    known = ["vocab.txt", "/gone/vocab.txt", "/gone/words"]
    assert where_given({"vocab.txt": "one", "words": "two"}, known) == {
        "vocab.txt": "one",
        "/gone/words": "two",
    }
    with pytest.raises(tfa.ConversionError, match="found asset '/gone/words' twice"):
        where_given({"words": "one", "/gone/words": "two"}, known)
    with pytest.raises(tfa.ConversionError, match="which 2 files are called"):
        where_given({"words": "one"}, ["/a/words", "/b/words"])


def test_a_path_that_is_computed_is_told() -> None:
    part = {"dtype": STRING, "value": Constant(STRING, (), (b"/x/",))}
    nodes = [
        Node("part", "Const", (), "", part),
        Node("path", "StringJoin", ("part", "part"), "", {"N": 2}),
        Node("table", "HashTableV2", (), "", {}),
        Node("read", "InitializeTableFromTextFileV2", ("table", "path"), "", {}),
        Node("y", "Const", ("^read",), "", part),
    ]
    made = saved(Graph(nodes), outputs={"y": "y:0"})
    assert made.assets == ()
    assert (
        "read (InitializeTableFromTextFileV2) reads a file whose path path (StringJoin) computes: "
        "it is no asset, and has to be there on every machine that loads the result"
    ) in made.notes


def test_extra_assets_are_carried(fixtures: Path, tmp_path: Path) -> None:
    model = tfa.open(fixtures / "saved-models" / "two_meta_graphs")
    tfa.save(model, tmp_path / "source")
    (tmp_path / "source" / "assets.extra" / "inner").mkdir(parents=True)
    (tmp_path / "source" / "assets.extra" / "tf_serving_warmup_requests").write_text("requests")
    (tmp_path / "source" / "assets.extra" / "inner" / "file").write_text("inner")
    for name in ("fingerprint.pb", "keras_metadata.pb"):
        (tmp_path / "source" / name).write_text("of the source")
    source = tfa.open(tmp_path / "source")
    assert isinstance(source, tfa.SavedModel)
    made = saved(source, tags=source.meta_graphs[0].tags)
    assert (
        "assets.extra/ is carried as it is (tf_serving_warmup_requests, inner/file): warm-up "
        "requests name signatures and inputs, which the result is to have"
    ) in made.notes
    tfa.save(made, tmp_path / "made")
    names = {path.name for path in (tmp_path / "made").iterdir()}
    assert names == {"saved_model.pb", "variables", "assets", "assets.extra"}
    extra = tmp_path / "made" / "assets.extra"
    assert (extra / "tf_serving_warmup_requests").read_text() == "requests"
    assert (extra / "inner" / "file").read_text() == "inner"


# --- what is said --------------------------------------------------------------------------------


def test_nodes_before_are_those_of_the_chosen_meta_graph(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tfa.open(fixtures / "saved-models" / "two_meta_graphs")
    assert isinstance(model, tfa.SavedModel)
    first, second = model.meta_graphs
    larger = replace(second.graph, nodes=(*second.graph.nodes, Node("more", "NoOp", (), "", {})))
    model = replace(model, meta_graphs=(first, replace(second, graph=larger)))
    source = tmp_path / "source"
    tfa.save(model, source)
    counts = set()
    for number, meta_graph in enumerate(model.meta_graphs):
        arguments = ["convert", str(source), str(tmp_path / str(number)), "--to", "saved-model"]
        assert run([*arguments, "--tag", ",".join(meta_graph.tags), "--json"]) == 0
        before = json.loads(capsys.readouterr().out)["before"]
        assert before["num_nodes"] == len(meta_graph.graph)
        counts.add(before["num_nodes"])
    assert counts == {65, 66}


def test_variables_without_an_average_are_named() -> None:
    """Of those that are served: not the optimizer's, nor the averages themselves."""
    names = ["a", "b", "c", "d", "e", "slot"]
    variable = {"dtype": FLOAT32, "shape": TensorShape(())}
    nodes = [Node(name, "VariableV2", (), "", variable) for name in names]
    nodes.append(Node("y", "AddN", tuple(names[:-1]), "", {"T": FLOAT32, "N": 5}))
    keys = [*names, "a/ExponentialMovingAverage"]
    checkpoint = Checkpoint(
        "m", "V2", 1, {key: Variable(key, FLOAT32, (), None, ()) for key in keys}
    )
    meta_graph = with_saver_by_name(MetaGraph(Graph(nodes)), checkpoint.variables, ())
    _, _, notes = restoring(meta_graph, checkpoint, [(["y:0"], [])], (), use_ema=True)
    assert notes == (
        "moving averages take the place of 1 variables; others that are served have none and keep "
        "their values: b, c, d and 1 more",
    )
