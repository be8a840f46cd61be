"""The document of an artifact, from artifacts made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import (
    ChecksumError,
    FormatError,
    NameNotFoundError,
    PathNotFoundError,
    TfArtifactsError,
)
from tfartifacts.model import (
    Artifact,
    Asset,
    Checkpoint,
    CheckpointDirectory,
    CheckpointState,
    Collection,
    Extent,
    File,
    Function,
    Graph,
    MetaGraph,
    MetaInfo,
    Node,
    ObjectGraph,
    SavedModel,
    Saver,
    Signature,
    SparseNames,
    StateEntry,
    TensorInfo,
    Variable,
    VariableSlice,
)
from tfartifacts.model.graphs import Constant, TensorShape
from tfartifacts.model.values import Always, Deferred, Location
from tfartifacts.report.describe import Report, describe
from tfartifacts.report.view import View

if TYPE_CHECKING:
    from tfartifacts.model.values import Array, Buffer, PartialShape, Shape

FLOAT = dtype_from_name("float32")
STRING = dtype_from_name("string")
SAVED = 1544018591.0  # 2018-12-05T14:03:11Z


@dataclass(frozen=True)
class Memory:
    """A value that is an array already; `error` is raised in its place."""

    array: Array
    type: DType = FLOAT
    shard: int | None = 0
    offset: int = 0
    error: TfArtifactsError | None = None

    @property
    def dtype(self) -> DType:
        return self.type

    @property
    def shape(self) -> Shape:
        return self.array.shape

    @property
    def nbytes(self) -> int:
        return self.array.size * (self.type.itemsize or 10)

    @property
    def location(self) -> Location | None:
        if self.shard is None:
            return None
        return Location("m.data-00000-of-00001", self.shard, self.offset, self.nbytes, 0)

    def read(self) -> Array:
        if self.error is not None:
            raise self.error
        return self.array

    def stored(self) -> Iterator[Buffer]:
        yield self.array.tobytes()


def variable(name: str, array: Any, dtype: str = "float32", **where: Any) -> Variable:
    values = np.asarray(array, dtype_from_name(dtype).to_numpy())
    value = Memory(values, dtype_from_name(dtype), **where)
    return Variable(name, value.dtype, value.shape, value)


def partitioned(name: str) -> Variable:
    """A (4, 2) matrix in two slices of two rows, in different shards."""
    slices = tuple(
        VariableSlice((Extent(start, 2), Extent()), Memory(np.ones((2, 2), "f4"), shard=shard))
        for shard, start in enumerate((0, 2))
    )
    return Variable(name, FLOAT, (4, 2), None, slices)


def checkpoint(path: str = "runs/model-4", *variables: Variable, **fields: Any) -> Checkpoint:
    all_variables = variables or (
        variable("conv1/kernel", np.zeros((5, 5, 1, 32))),
        variable("conv1/kernel/Adam", np.zeros((5, 5, 1, 32)), offset=3200),
        variable("global_step", 4, "int64", offset=6400),
    )
    fields.setdefault("files", (File(f"{path}.index", 417, SAVED),))
    if "problems" in fields:
        fields["problems_part"] = Deferred(Always(fields.pop("problems")))
    return Checkpoint(path, "V2", 1, {item.name: item for item in all_variables}, **fields)


def graph(*more: Node, functions: Mapping[str, Function] | None = None) -> Graph:
    """x -> MatMul with a variable -> Softmax, as of a training run."""
    shape = {"shape": TensorShape((None, 784)), "dtype": FLOAT}
    nodes = (
        Node("x", "Placeholder", (), "/device:GPU:0", shape),
        Node("w", "VariableV2", (), "", {"shape": TensorShape((784, 10)), "dtype": FLOAT}),
        Node("w/read", "Identity", ("w",), "", {"T": FLOAT}),
        Node("logits", "MatMul", ("x", "w/read"), "", {"T": FLOAT}),
        Node("prediction", "Softmax", ("logits",), "", {"T": FLOAT}),
        *more,
    )
    return Graph(nodes, functions or {})


def info(name: str, shape: PartialShape = (None, 784), **fields: Any) -> TensorInfo:
    return TensorInfo(name, FLOAT, shape, **fields)


SERVING = Signature({"image": info("x:0")}, {"scores": info("prediction:0", None)})


def meta_graph(*tags: str, **fields: Any) -> MetaGraph:
    fields.setdefault("graph", graph())
    fields.setdefault("path", "runs/model-4.meta")
    return MetaGraph(info=MetaInfo(tags, "1.15.5", "v1.15.4-39-g3db52be"), **fields)


def with_graph(meta: MetaGraph) -> Deferred[MetaGraph | None]:
    return Deferred(Always(meta))


def failing(error: TfArtifactsError) -> Deferred[Any]:
    def load() -> Any:
        raise error

    return Deferred(load)


def document(artifact: Artifact, **view: Any) -> dict[str, Any]:
    view.setdefault("complete", True)
    report: Report = describe(artifact, View(**view))
    assert not report.damage
    assert not report.failures
    return report.document


def test_schema_comes_first_then_kind_and_path() -> None:
    artifacts: list[Artifact] = [
        checkpoint(),
        meta_graph(),
        graph(),
        SavedModel("export", (meta_graph("serve"),)),
        CheckpointDirectory("runs", None, (), (), None),
    ]
    for artifact in artifacts:
        assert list(document(artifact))[:3] == ["schema", "kind", "path"]
        assert document(artifact)["schema"] == 1
        assert document(artifact)["kind"] == artifact.kind


def test_checkpoint_has_the_documented_keys_and_exact_sizes() -> None:
    found = document(checkpoint())
    assert found["format"] == "V2"
    assert found["num_shards"] == 1
    assert found["step"] == 4
    assert found["num_variables"] == 3
    assert found["num_parameters"] == 1601
    assert found["nbytes"] == 6408
    assert found["time"] == "2018-12-05T14:03:11Z"
    assert found["meta_graph"] is None
    kernel = found["variables"][1]
    assert kernel["name"] == "conv1/kernel/Adam"
    assert kernel["dtype"] == "float32"
    assert kernel["shape"] == [5, 5, 1, 32]
    assert (kernel["nbytes"], kernel["shard"], kernel["offset"]) == (3200, 0, 3200)


def test_optimizer_slots_are_counted_apart() -> None:
    assert document(checkpoint())["account"] == {
        "model": {"num_variables": 1, "num_parameters": 800, "nbytes": 3200},
        "optimizer": {"num_variables": 1, "num_parameters": 800, "nbytes": 3200},
        "average": {"num_variables": 0, "num_parameters": 0, "nbytes": 0},
        "other": {"num_variables": 1, "num_parameters": 1, "nbytes": 8},
    }


def test_the_graph_of_a_checkpoint_is_described_in_it() -> None:
    found = document(checkpoint(meta_graph_part=with_graph(meta_graph())))["meta_graph"]
    assert found["path"] == "runs/model-4.meta"
    assert found["tensorflow_version"] == "1.15.5"
    assert found["num_nodes"] == 5


def test_a_damaged_meta_graph_is_damage_and_the_variables_are_still_listed() -> None:
    error = FormatError("found garbage", path="runs/model-4.meta", offset=3)
    report = describe(checkpoint(meta_graph_part=failing(error)))
    assert report.damage == (error,)
    assert report.document["meta_graph"] is None
    assert len(report.document["variables"]) == 3


def test_missing_data_is_a_problem_and_no_damage_but_short_data_is() -> None:
    missing = PathNotFoundError("no such file", path="runs/model-4.data-00000-of-00001")
    short = FormatError("88 bytes, expected 6408", path="runs/model-4.data-00000-of-00001")
    report = describe(checkpoint(problems=(missing, short)))
    assert report.damage == (short,)
    assert [problem["error"] for problem in report.document["problems"]] == [
        "PathNotFoundError",
        "FormatError",
    ]


def test_partitioned_variable_counts_its_slices_and_lists_them_on_request() -> None:
    source = checkpoint("m-1", partitioned("embedding"))
    assert document(source)["variables"][0]["num_slices"] == 2
    assert document(source)["variables"][0]["shard"] is None
    assert "slices" not in document(source)["variables"][0]
    shown = document(source, sections=frozenset({"slices"}))["variables"][0]["slices"]
    assert [part["spec"] for part in shown] == ["0,2:-", "2,2:-"]
    assert [part["shard"] for part in shown] == [0, 1]


def test_object_based_checkpoint_gives_readable_names() -> None:
    key = "layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    objects = ObjectGraph(7, {key: "dense/kernel"}, frozenset())
    found = document(
        checkpoint("m-1", variable(key, [1.0]), object_graph_part=Deferred(Always(objects)))
    )
    assert found["variables"][0]["full_name"] == "dense/kernel"
    assert found["object_graph"]["num_objects"] == 7
    named = checkpoint("m-1", variable(key, [1.0]), object_graph_part=Deferred(Always(objects)))
    assert len(document(named, pattern="dense")["variables"]) == 1
    assert document(named, pattern="conv")["variables"] == []


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("kernel", ["a/kernel", "a/kernel[0]", "b/kernel/m"]),
        ("*/kernel", ["a/kernel"]),
        ("?/k*", ["a/kernel", "a/kernel[0]", "b/kernel/m"]),
        ("kernel[0]", ["a/kernel[0]"]),
        ("*[0]", ["a/kernel[0]"]),
        ("KERNEL", []),
    ],
)
def test_filter_is_a_part_of_the_name_or_a_glob(pattern: str, names: list[str]) -> None:
    known = ("a/bias", "a/kernel", "a/kernel[0]", "b/kernel/m")
    source = checkpoint("m", *(variable(name, [1.0]) for name in known))
    found = document(source, pattern=pattern)
    assert [item["name"] for item in found["variables"]] == names
    assert found["num_variables"] == 4


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("file", "b c a"),
        ("name", "a b c"),
        ("size", "c a b"),
        ("shape", "b a c"),
        ("dtype", "b a c"),
        ("shard", "a c b"),
    ],
)
def test_sort(sort: str, names: str) -> None:
    source = checkpoint(
        "m",
        variable("b", 1.0, shard=1),
        variable("c", np.ones((3, 3)), "int64", shard=0, offset=8),
        variable("a", np.ones(3), shard=0, offset=0),
    )
    assert " ".join(item["name"] for item in document(source, sort=sort)["variables"]) == names


def test_meta_graph_has_the_documented_keys() -> None:
    found = document(
        meta_graph(
            "serve",
            "gpu",
            signatures={"serving_default": SERVING},
            saver=Saver("save/Const:0", "save/c:0", "save/restore_all", max_to_keep=5),
            collections={"variables": Collection("bytes_list", (b"\xff",))},
        )
    )
    assert found["tags"] == ["gpu", "serve"]
    assert found["ops"] == {
        "Identity": 1, "MatMul": 1, "Placeholder": 1, "Softmax": 1, "VariableV2": 1
    }  # fmt: skip
    assert found["devices"] == {"": 4, "/device:GPU:0": 1}
    [placeholder] = found["placeholders"]
    assert (placeholder["name"], placeholder["dtype"]) == ("x:0", "float32")
    assert placeholder["shape"] == [-1, 784]
    assert found["signatures"]["serving_default"] == {
        "method_name": "tensorflow/serving/predict",
        "inputs": {"image": {"name": "x:0", "dtype": "float32", "shape": [-1, 784]}},
        "outputs": {"scores": {"name": "prediction:0", "dtype": "float32", "shape": None}},
    }
    assert found["saver"]["max_to_keep"] == 5
    assert found["collections"] == {"variables": {"kind": "bytes_list", "num_values": 1}}


def test_ops_are_sorted_by_count() -> None:
    more = (Node("c1", "Const"), Node("c2", "Const"))
    assert next(iter(document(graph(*more))["ops"].items())) == ("Const", 2)


def test_collections_show_text_as_text_and_other_bytes_as_base64() -> None:
    collections = {"c": Collection("bytes_list", (b"asset", b"\xff\x00"))}
    shown = document(meta_graph(collections=collections), sections=frozenset({"collections"}))
    assert shown["collections"]["c"]["values"] == ["asset", {"base64": "/wA="}]


def test_sparse_and_composite_signature_tensors_name_their_parts() -> None:
    sparse = info("", sparse=SparseNames("v:0", "i:0", "s:0"))
    composite = info("", components=(info("flat:0"), info("splits:0")))
    signature = Signature({"s": sparse, "r": composite}, {})
    parts = (Node(name, "Placeholder") for name in ("v", "i", "s", "flat", "splits"))
    source = meta_graph(graph=graph(*parts), signatures={"k": signature})
    inputs = document(source)["signatures"]["k"]["inputs"]
    assert inputs["s"]["sparse"] == {"values": "v:0", "indices": "i:0", "dense_shape": "s:0"}
    assert [part["name"] for part in inputs["r"]["components"]] == ["flat:0", "splits:0"]
    assert inputs["r"]["encoding"] == "composite"


def test_a_signature_that_does_not_fit_its_graph_is_damage_and_everything_is_shown() -> None:
    signature = Signature({"image": info("x:0")}, {"scores": info("predicton:0")})
    report = describe(SavedModel("e", (meta_graph(path="e/saved_model.pb", signatures={
        "serving_default": signature}),)))  # fmt: skip
    [error] = report.damage
    assert type(error) is FormatError
    assert error.path == "e/saved_model.pb"
    assert str(error) == (
        "e/saved_model.pb: signature 'serving_default', output 'scores': no tensor 'predicton:0'; "
        "did you mean 'prediction:0'?"
    )
    [shown] = report.document["meta_graphs"]
    assert shown["signatures"]["serving_default"]["outputs"]["scores"]["name"] == "predicton:0"
    [problem] = shown["problems"]
    assert problem == {
        "error": "FormatError",
        "path": "e/saved_model.pb",
        "offset": None,
        "message": error.message,
        "signature": "serving_default",
        "side": "outputs",
        "key": "scores",
        "tensor": "predicton:0",
    }


def restorable(*more: Node) -> MetaGraph:
    """The graph with a saver of its variable."""
    nodes = (
        Node("save/Const", "PlaceholderWithDefault", attrs={"dtype": dtype_from_name("string")}),
        Node("save/names", "Const", attrs={"value": Constant(STRING, (1,), (b"w",))}),
        Node("save/slices", "Const", attrs={"value": Constant(STRING, (1,), (b"",))}),
        Node("save/Restore", "RestoreV2", ("save/Const", "save/names", "save/slices")),
        Node("save/Assign", "Assign", ("w", "save/Restore")),
        Node("save/restore_all", "NoOp", ("^save/Assign",)),
    )
    saver = Saver("save/Const:0", "save/Const:0", "save/restore_all")
    return meta_graph(graph=graph(*nodes, *more), saver=saver)


def test_candidates_say_why_a_conversion_would_be_refused() -> None:
    assert document(restorable())["candidates"]["refused"] is None
    assert document(meta_graph())["candidates"]["refused"] == (
        "w (VariableV2) is needed, and the saver does not restore it"
    )
    nameless = replace(restorable(), saver=Saver("", "", "save/gone"))
    assert document(nameless)["candidates"]["refused"].startswith("no restore op 'save/gone'")


def test_state_behind_a_proposed_input_is_no_obstacle() -> None:
    nodes = [
        replace(node, op="IteratorGetNext", inputs=("iterator",)) if node.name == "x" else node
        for node in restorable(Node("iterator", "IteratorV2")).graph
    ]
    found = document(replace(restorable(), graph=Graph(nodes)))["candidates"]
    assert found["flags"][:2] == ["--inputs", "x:0"]
    assert found["refused"] is None


def test_candidates_come_with_flags_for_convert() -> None:
    found = document(meta_graph())["candidates"]
    assert found["inputs"][0]["name"] == "x:0"
    assert found["outputs"][0]["name"] == "prediction:0"
    assert found["flags"] == ["--inputs", "x:0", "--outputs", "prediction:0"]


def test_candidates_are_not_searched_for_where_nobody_needs_them() -> None:
    signed = meta_graph(signatures={"serving_default": SERVING})
    assert document(signed, complete=False)["candidates"] is None
    assert document(signed, complete=True)["candidates"] is not None
    # The init op's signature is no one's to call.
    internal = {"__saved_model_init_op": Signature({}, {})}
    assert document(meta_graph(signatures=internal), complete=False)["candidates"] is not None


def test_functions_count_their_nodes_apart_from_the_graph() -> None:
    body = Function("f", (), (), (Node("n", "Conv2D"), Node("m", "Conv2D")))
    found = document(graph(functions={"f": body}))
    assert found["num_functions"] == 1
    assert found["function_ops"] == {"Conv2D": 2}
    assert "Conv2D" not in found["ops"]
    assert found["functions"][0]["num_nodes"] == 2


def test_nodes_are_listed_on_request_only() -> None:
    assert "nodes" not in document(graph())
    shown = document(graph(), sections=frozenset({"nodes"}), pattern="w")["nodes"]
    assert shown[1] == {"name": "w/read", "op": "Identity", "inputs": ["w"], "device": ""}
    assert len(shown) == 2


def test_saved_model_has_variables_assets_and_meta_graphs() -> None:
    model = SavedModel(
        "export",
        (meta_graph("serve", signatures={"serving_default": SERVING}),),
        checkpoint("export/variables/variables"),
        (Asset("vocab.txt", ("asset:0",), File("export/assets/vocab.txt", 9, SAVED)),
         Asset("gone.txt", ("other:0",), None)),
    )  # fmt: skip
    found = document(model)
    assert len(found["variables"]) == 3
    assert found["checkpoint"]["num_variables"] == 3
    assert found["assets"] == [
        {"filename": "vocab.txt", "tensor_names": ["asset:0"], "nbytes": 9},
        {"filename": "gone.txt", "tensor_names": ["other:0"], "nbytes": None},
    ]
    assert document(SavedModel("export", ()))["variables"] == []


def test_a_folder_without_a_path_is_the_current_one() -> None:
    assert document(replace(directory(), path=""))["path"] == "."
    assert document(directory())["path"] == "runs"


def directory(**fields: Any) -> CheckpointDirectory:
    """Four recorded checkpoints: two found, of which one elsewhere, one outside, one gone."""
    kept = (checkpoint("runs/model-2"), checkpoint("runs/model-4"))
    entries = (
        StateEntry(r"C:\old\model-2", "runs/model-2", relocated=True, timestamp=SAVED - 60),
        StateEntry("model-4", "runs/model-4", timestamp=SAVED),
        StateEntry("/elsewhere/model-1", None, outside=True),
        StateEntry("model-3", None),
    )
    fields.setdefault("state", CheckpointState("model-4", tuple(e.recorded for e in entries)))
    fields.setdefault("latest", kept[1])
    return CheckpointDirectory("runs", entries=entries, checkpoints=kept, **fields)


def test_directory_marks_latest_relocated_outside_and_missing() -> None:
    found = document(directory(unlisted=(checkpoint("runs/other-9"),)))
    assert found["latest"] == "runs/model-4"
    assert [item["prefix"] for item in found["checkpoints"]] == ["runs/model-2", "runs/model-4"]
    assert [item["relocated"] for item in found["checkpoints"]] == [True, False]
    assert found["checkpoints"][0]["recorded"] == r"C:\old\model-2"
    assert found["checkpoints"][0]["time"] == "2018-12-05T14:02:11Z"
    assert found["checkpoints"][0]["time_source"] == "state file"
    assert found["missing"] == [
        {"recorded": "/elsewhere/model-1", "outside": True},
        {"recorded": "model-3", "outside": False},
    ]
    assert [item["prefix"] for item in found["unlisted"]] == ["runs/other-9"]
    assert len(found["latest_checkpoint"]["variables"]) == 3


def test_a_broken_checkpoint_is_damage_and_the_others_are_still_listed() -> None:
    error = FormatError("found 12 bytes, a table has at least 48", path="runs/model-3.index")
    report = describe(directory(broken={"runs/model-3": error}))
    assert report.damage == (error,)
    assert report.document["broken"][0]["prefix"] == "runs/model-3"
    assert len(report.document["checkpoints"]) == 2


def test_problems_of_the_latest_are_told_once() -> None:
    short = FormatError("short", path="runs/model-4.data-00000-of-00001")
    latest = checkpoint("runs/model-4", problems=(short,))
    report = describe(CheckpointDirectory("runs", None, (), (latest,), latest))
    assert report.damage == (short,)


def test_values_are_read_by_name_and_by_glob() -> None:
    source = checkpoint("m", variable("a", [1.5]), variable("b", [2.0]), variable("c", [3.0]))
    found = document(source, values=("c", "?"))["values"]
    assert [item["name"] for item in found] == ["c", "a", "b"]
    assert found[0]["statistics"] == {"min": 3.0, "max": 3.0, "mean": 3.0, "num_not_finite": 0}


def test_an_unreadable_value_and_an_unknown_name_are_failures_of_their_own() -> None:
    bad = ChecksumError("stored 1, computed 2", path="m.data-00000-of-00001", offset=0)
    source = checkpoint("m", variable("kernel", [1.0], error=bad), variable("bias", [2.0]))
    report = describe(source, View(values=("kernel", "kernal", "bias")))
    assert report.failures[1] is bad
    assert isinstance(report.failures[0], NameNotFoundError)
    assert "kernel" in str(report.failures[0])
    kernel, bias = report.document["values"]
    assert kernel["error"]["error"] == "ChecksumError"
    assert bias["values"].tolist() == [2.0]
