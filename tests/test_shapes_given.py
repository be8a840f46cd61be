"""Other shapes for inputs: TensorFlow loads the result, and no signature says what is not so."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tfartifacts as tfa
from tests.judges.client import Judge, JudgeError
from tfartifacts.__main__ import run
from tfartifacts.graphs.placeholders import parse_shape
from tfartifacts.model.graphs import TensorShape
from tfartifacts.model.saved_models import Signature
from tfartifacts.model.values import PartialShape


def test_shapes_as_they_are_typed() -> None:
    assert parse_shape("[?,28,28,1]") == (None, 28, 28, 1)
    assert parse_shape("-1,3") == (None, 3)
    assert parse_shape("(None, 3)") == (None, 3)
    assert parse_shape("[]") == ()
    assert parse_shape("?") is None


@pytest.mark.parametrize("text", ["[a]", "[1,,2]", "[1", "1.5", "[-2]", "[٣]", "[1,2]]"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(tfa.ConversionError, match="expected such as"):
        parse_shape(text)


@pytest.fixture
def batch_of_32(fixtures: Path, tmp_path: Path) -> Path:
    """A checkpoint whose graph takes 32 rows, and records so at every tensor."""
    folder = tmp_path / "source"
    shutil.copytree(fixtures / "tensorflow-1.15" / "ref", folder)
    (meta_path,) = folder.glob("*.meta")
    meta = tfa.open(meta_path)
    assert isinstance(meta, tfa.MetaGraph)

    def fixed(shape: object) -> object:
        sizes = (32, *shape[1:]) if isinstance(shape, TensorShape) and shape else shape
        return TensorShape(sizes) if isinstance(sizes, tuple) and None not in sizes else shape

    nodes = []
    for node in meta.graph:
        attrs = dict(node.attrs)
        is_batch = any(
            isinstance(shape, TensorShape) and shape[:1] == (None,)
            for shape in attrs.get("_output_shapes", [])
        )
        if is_batch:
            attrs["_output_shapes"] = [fixed(shape) for shape in attrs["_output_shapes"]]
            if node.op == "Placeholder":
                attrs["shape"] = fixed(attrs["shape"])
        nodes.append(replace(node, attrs=attrs))
    meta_path.unlink()
    tfa.save(replace(meta, graph=replace(meta.graph, nodes=nodes)), meta_path)
    return folder


def signature_of(folder: Path) -> Signature:
    model = tfa.open(folder)
    assert isinstance(model, tfa.SavedModel)
    return model.meta_graphs[0].signatures["serving_default"]


def converted(
    folder: Path, destination: Path, *more: str, x: str = "x"
) -> tuple[PartialShape, PartialShape]:
    """Shapes of input and output in the signature."""
    arguments = ["convert", str(folder), str(destination), "--inputs", f"x={x}", "--outputs", "y"]
    assert run([*arguments, *more]) == 0
    signature = signature_of(destination)
    return signature.inputs["x"].shape, signature.outputs["y"].shape


def rows(judge: Judge, folder: Path, count: int, width: int = 4) -> int:
    """Rows of the output for so many rows of input, the same with both loaders."""
    x = np.ones((count, width), np.float32)
    by_v1 = judge.run_saved_model_v1(folder, ["serve"], {"x": x}, signature="serving_default")
    by_v2 = judge.run_saved_model_v2(folder, {"x": x})
    assert by_v1["y"].tobytes() == by_v2["y"].tobytes()
    return len(by_v1["y"])


@pytest.mark.parametrize("mode", [(), ("--keep-training-graph",), ("--freeze",)])
def test_a_fixed_batch_becomes_any(
    tensorflow: Judge, batch_of_32: Path, tmp_path: Path, mode: tuple[str, ...]
) -> None:
    """Sizes that followed from the old one are not claimed any more."""
    as_it_is = converted(batch_of_32, tmp_path / "fixed", *mode)
    assert as_it_is == ((32, 4), (32, 3))
    with pytest.raises(JudgeError, match="5, 4"):
        rows(tensorflow, tmp_path / "fixed", 5)
    shapes = converted(batch_of_32, tmp_path / "any", "--shape", "x:0=[?,4]", *mode)
    assert shapes == ((None, 4), None)
    assert rows(tensorflow, tmp_path / "any", 5) == 5


def test_another_fixed_batch(tensorflow: Judge, batch_of_32: Path, tmp_path: Path) -> None:
    shapes = converted(batch_of_32, tmp_path / "export", "--shape", "x=[7,4]")
    assert shapes == ((7, 4), None)
    assert rows(tensorflow, tmp_path / "export", 7) == 7


def test_a_size_that_was_unknown_is_filled_in(
    tensorflow: Judge, fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is recorded elsewhere stays true."""
    source = fixtures / "tensorflow-1.15" / "ref"
    assert converted(source, tmp_path / "export", "--shape", "x:0=[2,4]") == ((2, 4), (None, 3))
    assert "other shapes" not in capsys.readouterr().out
    shown = tensorflow.saved_model_cli(["show", "--dir", str(tmp_path / "export"), "--all"])
    assert "shape: (2, 4)" in shown.stdout
    assert rows(tensorflow, tmp_path / "export", 2) == 2


@pytest.mark.parametrize("shape", ["[5,7]", "[?,7]"])
def test_an_input_inside_the_graph_takes_a_shape(
    tensorflow: Judge, batch_of_32: Path, tmp_path: Path, shape: str
) -> None:
    made = converted(batch_of_32, tmp_path / "export", "--shape", f"Relu:0={shape}", x="Relu:0")
    assert made == (parse_shape(shape), None)
    model = tfa.open(tmp_path / "export")
    assert isinstance(model, tfa.SavedModel)
    assert model.meta_graphs[0].graph["Relu"].attrs["shape"] == parse_shape(shape)
    assert rows(tensorflow, tmp_path / "export", 5, width=7) == 5


def test_signatures_that_are_kept_say_what_is_still_so(
    tensorflow: Judge, batch_of_32: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    converted(batch_of_32, tmp_path / "first")
    capsys.readouterr()
    arguments = ["convert", str(tmp_path / "first"), str(tmp_path / "second"), "--to"]
    assert run([*arguments, "saved-model", "--shape", "x=[?,4]"]) == 0
    assert "other shapes may follow from those of x:0: they are left to TensorFlow" in " ".join(
        capsys.readouterr().out.split()
    )
    signature = signature_of(tmp_path / "second")
    assert signature.inputs["x"].shape == (None, 4)
    assert signature.outputs["y"].shape is None
    assert rows(tensorflow, tmp_path / "second", 5) == 5


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("y:0=[1,3]", "found a shape for y:0, expected one for a placeholder or an input"),
        ("gone=[1]", "no node 'gone'"),
        ("x", "found --shape 'x', expected NAME=VALUE"),
        ("x=abc", "found shape 'abc', expected such as [?,28,28,1]"),
    ],
)
def test_a_shape_of_nothing_that_is_fed_is_refused(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, message: str
) -> None:
    source = str(fixtures / "tensorflow-1.15" / "ref")
    arguments = ["convert", source, str(tmp_path / "export"), "--inputs", "x", "--outputs", "y"]
    assert run([*arguments, "--shape", option]) in (2, 3)
    assert message in capsys.readouterr().err
