"""A checkpoint without a `.meta`: its graph comes from elsewhere, in whatever form."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfartifacts as tfa
from tests.conversion import Source, same_bits
from tests.judges.client import Judge
from tfartifacts.__main__ import run
from tfartifacts.convert import SavedModelOptions, convert
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.graphs.saver import restored_variables
from tfartifacts.graphs.saver_by_name import with_saver_by_name
from tfartifacts.model.graphs import Graph, Node, TensorShape
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.model.variables import Variable

FLOAT = dtype_from_name("float32")

Write = Callable[[Judge, tfa.Checkpoint, MetaGraph, Path], Path]


def meta(judge: Judge, checkpoint: tfa.Checkpoint, graph: MetaGraph, folder: Path) -> Path:
    tfa.save(graph, folder / "other.meta")
    return folder / "other.meta"


def pb(judge: Judge, checkpoint: tfa.Checkpoint, graph: MetaGraph, folder: Path) -> Path:
    tfa.save(graph.graph, folder / "graph.pb")
    return folder / "graph.pb"


def pbtxt(judge: Judge, checkpoint: tfa.Checkpoint, graph: MetaGraph, folder: Path) -> Path:
    path = pb(judge, checkpoint, graph, folder)
    text = folder / "graph.pbtxt"
    judge.ask("convert_proto", kind="GraphDef", path=path, destination=text, text=True)
    return text


def saved_model(judge: Judge, checkpoint: tfa.Checkpoint, graph: MetaGraph, folder: Path) -> Path:
    made = tfa.checkpoint_to_saved_model(
        checkpoint, {"x": "x:0"}, {"y": "y:0"}, keep_training_graph=True
    )
    tfa.save(made, folder / "model")
    return folder / "model"


def text(judge: Judge, checkpoint: tfa.Checkpoint, graph: MetaGraph, folder: Path) -> Path:
    path = saved_model(judge, checkpoint, graph, folder)
    judge.ask(
        "convert_proto",
        kind="SavedModel",
        path=path / "saved_model.pb",
        destination=path / "saved_model.pbtxt",
        text=True,
    )
    (path / "saved_model.pb").unlink()
    return path


FORMS: dict[str, Write] = {
    "meta": meta,
    "pb": pb,
    "pbtxt": pbtxt,
    "SavedModel": saved_model,
    "SavedModel as text": text,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["ref", "res", "part", "sharded3", "v1_format", "v1_part"])
def test_the_graph_may_come_in_any_form(
    sources_1_15: dict[str, Source], tensorflow_1_15: Judge, tmp_path: Path, kind: str, form: str
) -> None:
    """Names are the saver's where the graph has one; a bare graph's variables go by theirs."""
    source = sources_1_15[kind]
    checkpoint = tfa.open(source.prefix)
    assert isinstance(checkpoint, tfa.Checkpoint)
    assert checkpoint.meta_graph is not None
    graph = FORMS[form](tensorflow_1_15, checkpoint, checkpoint.meta_graph, tmp_path)
    bare = tmp_path / "bare"
    shutil.copytree(source.folder, bare)
    (bare / "model.meta").unlink()
    arguments = ["convert", str(bare / "model"), str(tmp_path / "export")]
    arguments += ["--inputs", "x", "--outputs", "y", "--graph", str(graph)]
    assert run(arguments) == 0
    found = tensorflow_1_15.run_saved_model_v2(tmp_path / "export", source.by_key())
    expected = tensorflow_1_15.run_checkpoint(source.prefix, source.feeds, ["y:0"])["y:0"]
    assert same_bits(found["y"], expected)


def test_without_any_graph_what_to_do_is_told(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(fixtures / "tensorflow-1.15" / "ref", tmp_path / "ref")
    (tmp_path / "ref" / "model.ckpt-5.meta").unlink()
    assert run(["convert", str(tmp_path / "ref"), str(tmp_path / "export")]) == 2
    assert "expected the graph: a SavedModel needs one; copy it from where" in (
        capsys.readouterr().err
    )
    assert run(["convert", str(fixtures / "keras"), str(tmp_path / "export")]) == 2
    message = capsys.readouterr().err
    assert "found an object-based checkpoint of TensorFlow 2, which never has a graph" in message
    assert "tf.saved_model.save" in message


def test_of_several_meta_graphs_the_tags_choose(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fixtures / "saved-models" / "two_meta_graphs"
    source = str(folder / "variables" / "variables")
    arguments = ["convert", source, str(tmp_path / "export"), "--graph", str(folder)]
    assert run(arguments) == 3
    assert "there is {serve}, {gpu, serve}" in capsys.readouterr().err
    assert run([*arguments, "--tag", "gpu,serve"]) == 0
    model = tfa.open(tmp_path / "export")
    assert isinstance(model, tfa.SavedModel)
    assert model.meta_graphs[0].tags == {"gpu", "serve"}


def test_what_is_no_graph_is_refused(fixtures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["convert", str(fixtures / "keras"), "export", "--graph"]
    assert run([*arguments, str(fixtures / "keras" / "ckpt-1.index")]) == 2
    assert "found a checkpoint, expected a graph" in capsys.readouterr().err
    assert run([*arguments, str(fixtures / "keras" / "export")]) == 3
    assert "found an object-based SavedModel of TensorFlow 2" in capsys.readouterr().err


# --- object-based checkpoints, which know the names of their variables ---------------------------


def by_names(*names: str) -> Graph:
    """y = x * the first kernel, written as TensorFlow 1 writes it."""
    nodes = [Node("x", "Placeholder", (), "", {"dtype": FLOAT, "shape": TensorShape((None, 4))})]
    for name in names:
        attrs: dict[str, Any] = {"dtype": FLOAT, "shape": TensorShape((4, 5))}
        attrs |= {"shared_name": name.encode(), "container": b""}
        nodes.append(Node(name, "VarHandleOp", (), "", attrs))
        nodes.append(Node(f"{name}/Read", "ReadVariableOp", (name,), "", {"dtype": FLOAT}))
    attrs = {"T": FLOAT, "transpose_a": False, "transpose_b": False}
    nodes.append(Node("y", "MatMul", ("x", f"{names[0]}/Read"), "", attrs))
    return Graph(nodes)


@pytest.mark.parametrize("source", ["checkpoint", "SavedModel"])
def test_an_object_based_checkpoint_is_restored_by_names(
    fixtures: Path, tensorflow: Judge, tmp_path: Path, source: str
) -> None:
    artifact = tfa.open(fixtures / "keras" / "export")
    assert isinstance(artifact, tfa.SavedModel)
    assert artifact.checkpoint is not None
    options = SavedModelOptions(meta_graph=by_names("sequential/hidden/kernel"))
    made = convert(
        artifact if source == "SavedModel" else artifact.checkpoint,
        to="saved-model",
        inputs={"x": "x:0"},
        outputs={"y": "y:0"},
        options=options,
    )
    assert isinstance(made, tfa.SavedModel)
    assert "the checkpoint is object-based: variables are found by their names in it" in made.notes
    assert made.checkpoint is not None
    assert list(made.checkpoint.variables) == ["sequential/hidden/kernel"]
    tfa.save(made, tmp_path / "export")
    x = np.eye(4, dtype=np.float32)
    found = tensorflow.run_saved_model_v1(
        tmp_path / "export", ["serve"], {"x": x}, signature="serving_default"
    )
    (kernel,) = (v for k, v in artifact.checkpoint.variables.items() if k.startswith("variables/0"))
    assert same_bits(found["y"], kernel.read())


def test_names_that_do_not_fit_are_those_of_variables(fixtures: Path) -> None:
    artifact = tfa.open(fixtures / "keras" / "export")
    assert isinstance(artifact, tfa.SavedModel)
    options = SavedModelOptions(meta_graph=by_names("model/hidden/kernel"))
    with pytest.raises(tfa.ConversionError, match="--rename sequential/=model/  which finds 1"):
        convert(artifact, to="saved-model", outputs={"y": "y:0"}, options=options)


# --- a saver made by names -----------------------------------------------------------------------


def part(name: str, *shape: int) -> Node:
    return Node(name, "VariableV2", (), "", {"dtype": FLOAT, "shape": TensorShape(shape)})


def sources_of(nodes: list[Node], variables: dict[str, tuple[int, ...]]) -> dict[str, str]:
    """Variable -> `key slice`."""
    there = {name: Variable(name, FLOAT, shape, None) for name, shape in variables.items()}
    needed = [node.name for node in nodes]
    meta_graph = with_saver_by_name(MetaGraph(Graph(nodes)), there, needed)
    return {
        found.variable: f"{found.key} {found.shape_and_slice}".strip()
        for found in restored_variables(meta_graph)
    }


def test_parts_of_a_partitioned_variable_are_slices_of_it() -> None:
    nodes = [part("w/part_1", 2, 3), part("w/part_0", 2, 3), part("w/part_10", 1, 3), part("b", 3)]
    assert sources_of(nodes, {"w": (5, 3), "b": (3,)}) == {
        "w/part_0": "w 5 3 0,2:0,3",
        "w/part_1": "w 5 3 2,2:0,3",
        "w/part_10": "w 5 3 4,1:0,3",
        "b": "b",
    }
    columns = [part("w/part_0", 5, 1), part("w/part_1", 5, 2)]
    assert sources_of(columns, {"w": (5, 3)}) == {
        "w/part_0": "w 5 3 0,5:0,1",
        "w/part_1": "w 5 3 0,5:1,2",
    }


@pytest.mark.parametrize(
    "variables",
    [
        {"w": (6, 3)},
        {"w": (4, 4)},
        {"w": (4, 3, 1)},
        # It is there as it is called.
        {"w": (4, 3), "w/part_0": (2, 3), "w/part_1": (2, 3)},
        {},
    ],
)
def test_parts_that_are_not_slices_go_by_their_names(variables: dict[str, tuple[int, ...]]) -> None:
    nodes = [part("w/part_0", 2, 3), part("w/part_1", 2, 3)]
    assert sources_of(nodes, variables) == {"w/part_0": "w/part_0", "w/part_1": "w/part_1"}


def test_what_is_neither_there_nor_needed_is_not_restored() -> None:
    variables = {"w": Variable("w", FLOAT, (1,), None)}
    graph = MetaGraph(Graph([part("w", 1), part("slot", 1), part("needed", 1)]))
    made = with_saver_by_name(graph, variables, ["needed"])
    assert [found.key for found in restored_variables(made)] == ["w", "needed"]
    nothing = replace(graph, graph=Graph([part("slot", 1)]))
    assert with_saver_by_name(nothing, variables, []) is nothing
