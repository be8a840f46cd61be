"""Conversion from model to model: what comes out, what is refused, what is noted.

That TensorFlow loads the result and computes the same is test_conversion_tensorflow's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import tfartifacts as tfa
from tfartifacts.convert import SavedModelOptions, convert, tensor_info, with_keys
from tfartifacts.dtypes import dtype_from_name
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.graphs import Constant, Graph, Node, TensorShape
from tfartifacts.model.saved_models import (
    INIT_OP_SIGNATURE,
    AssetFile,
    MetaGraph,
    MetaInfo,
    SavedModel,
    Saver,
    Signature,
)
from tfartifacts.model.values import Always, Deferred
from tfartifacts.model.variables import Variable

FLOAT32, STRING, INT32 = (dtype_from_name(name) for name in ("float32", "string", "int32"))

# --- a small graph: y = x * w, with a saver that restores w from the key "w" ---------------------


def strings(name: str, *elements: bytes) -> Node:
    value = Constant(STRING, (len(elements),), elements)
    return Node(name, "Const", attrs={"dtype": STRING, "value": value})


def restored(variable: str = "w", key: bytes = b"w", op: str = "RestoreV2") -> list[Node]:
    """The nodes that assign a variable what the checkpoint has."""
    return [
        strings(f"{variable}/keys", key),
        strings(f"{variable}/slices", b""),
        Node(
            f"{variable}/restore",
            op,
            ("save/Const", f"{variable}/keys", f"{variable}/slices"),
            attrs={"dtypes": [FLOAT32]},
        ),
        Node(
            f"{variable}/assign", "Assign", (variable, f"{variable}/restore"), attrs={"T": FLOAT32}
        ),
    ]


SHAPE = {"dtype": FLOAT32, "shape": TensorShape((None, 3))}
NODES = [
    Node("x", "Placeholder", attrs=SHAPE, device="/device:GPU:0"),
    Node("w", "VariableV2", attrs={"dtype": FLOAT32, "shape": TensorShape((3,))}),
    Node("y", "Mul", ("x", "w"), attrs={"T": FLOAT32}),
    Node(
        "save/Const", "Const", attrs={"dtype": STRING, "value": Constant(STRING, (), (b"model",))}
    ),
    *restored(),
    Node("save/restore_all", "NoOp", ("^w/assign",)),
    Node("save/control", "Identity", ("save/Const",), attrs={"T": STRING}),
]
SAVER = Saver("save/Const:0", "save/control:0", "save/restore_all")


def meta_graph(
    *more: Node, nodes: list[Node] | None = None, saver: Saver | None = SAVER
) -> MetaGraph:
    return MetaGraph(Graph((*(NODES if nodes is None else nodes), *more)), saver=saver)


def without(name: str) -> list[Node]:
    return [node for node in NODES if node.name != name]


def checkpoint(
    graph: MetaGraph | None, variables: Mapping[str, tuple[str, tuple[int, ...]]] | None = None
) -> Checkpoint:
    named = {"w": ("float32", (3,))} if variables is None else variables
    return Checkpoint(
        path="runs/model-7",
        format="V2",
        num_shards=1,
        variables={
            name: Variable(name, dtype_from_name(dtype), shape, None)
            for name, (dtype, shape) in named.items()
        },
        meta_graph_part=Deferred(Always(graph)),
    )


IN, OUT = {"image": "x:0"}, {"scores": "y"}


# --- to a SavedModel -----------------------------------------------------------------------------


def test_the_signature_is_the_one_asked_for() -> None:
    model = tfa.checkpoint_to_saved_model(
        checkpoint(meta_graph()), IN, OUT, "classify", ("serve", "gpu", "serve")
    )
    (made,) = model.meta_graphs
    assert made.info.tags == ("serve", "gpu")
    assert list(made.signatures) == ["classify"]
    signature = made.signatures["classify"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert signature.inputs["image"].name == "x:0"
    assert signature.inputs["image"].dtype == FLOAT32
    assert signature.inputs["image"].shape == (None, 3)
    assert signature.outputs["scores"].name == "y:0"
    assert model.notes == ()


def test_devices_are_cleared_and_all_else_is_carried() -> None:
    graph = replace(
        meta_graph(), unknown_fields=b"\xa2\x06\x00", info=MetaInfo(tensorflow_version="1")
    )
    (made,) = tfa.checkpoint_to_saved_model(
        checkpoint(graph), IN, OUT, keep_training_graph=True
    ).meta_graphs
    assert {node.device for node in made.graph} == {""}
    assert [node.name for node in made.graph] == [node.name for node in NODES]
    assert made.saver == SAVER
    assert made.unknown_fields == graph.unknown_fields
    assert made.tensorflow_version == "1"
    assert graph.graph["x"].device == "/device:GPU:0"  # the source is as it was


def test_by_default_only_what_the_signature_needs_is_left() -> None:
    """The saver is made anew; what assigns the variable stays."""
    graph = replace(
        meta_graph(Node("loss", "Sum", ("y", "x"))),
        unknown_fields=b"\xa2\x06\x00",
        info=MetaInfo(tensorflow_version="1"),
    )
    (made,) = tfa.checkpoint_to_saved_model(checkpoint(graph), IN, OUT).meta_graphs
    assert {node.device for node in made.graph} == {""}
    assert [(node.name, node.inputs) for node in made.graph] == [
        ("x", ()),
        ("w", ()),
        ("y", ("x", "w")),
        ("w/assign", ("w", "save/RestoreV2")),
        ("save/filename/input", ()),
        ("save/Const", ("save/filename/input",)),
        ("save/SaveV2/tensor_names", ()),
        ("save/SaveV2/shape_and_slices", ()),
        ("save/SaveV2", ("save/Const", *constants("save/SaveV2"), "w")),
        ("save/control_dependency", ("save/Const", "^save/SaveV2")),
        ("save/RestoreV2/tensor_names", ()),
        ("save/RestoreV2/shape_and_slices", ()),
        ("save/RestoreV2", ("save/Const", *constants("save/RestoreV2"))),
        ("save/restore_all", ("^w/assign",)),
    ]
    assert made.saver == Saver(
        "save/Const:0", "save/control_dependency:0", "save/restore_all", max_to_keep=0, version=2
    )
    assert made.unknown_fields == graph.unknown_fields
    assert made.tensorflow_version == "1"


def constants(name: str) -> tuple[str, str]:
    return f"{name}/tensor_names", f"{name}/shape_and_slices"


def test_the_checkpoint_is_the_one_given_and_is_not_read() -> None:
    # Its variables have no value that could be read.
    source = checkpoint(meta_graph())
    assert tfa.checkpoint_to_saved_model(source, IN, OUT).checkpoint is source


def test_without_a_signature_the_best_candidates_are_taken_and_noted() -> None:
    model = tfa.checkpoint_to_saved_model(checkpoint(meta_graph()))
    signature = model.meta_graphs[0].signatures["serving_default"]
    assert signature.inputs["x"].name == "x:0"
    assert signature.outputs["y"].name == "y:0"
    assert model.notes == ("no inputs and outputs were given; took --inputs x=x:0 --outputs y=y:0",)


def test_a_signature_the_graph_has_is_kept_and_noted() -> None:
    graph = meta_graph()
    own = Signature({"a": tensor_info(graph.graph, "x")}, {"b": tensor_info(graph.graph, "y")})
    graph = replace(graph, signatures={"own": own})
    model = tfa.checkpoint_to_saved_model(checkpoint(graph))
    assert model.meta_graphs[0].signatures == {"own": own}
    assert model.notes == ("kept the graph's own signatures: 'own'",)
    # Another one is added to it.
    added = tfa.checkpoint_to_saved_model(checkpoint(graph), IN, OUT)
    assert list(added.meta_graphs[0].signatures) == ["own", "serving_default"]


def test_an_init_op_alone_is_no_signature_to_keep() -> None:
    graph = meta_graph()
    init = Signature({}, {INIT_OP_SIGNATURE: tensor_info(graph.graph, "y")})
    model = tfa.checkpoint_to_saved_model(
        checkpoint(replace(graph, signatures={INIT_OP_SIGNATURE: init}))
    )
    assert "took --inputs" in model.notes[0]


def test_two_likely_outputs_are_no_choice_of_ours() -> None:
    graph = meta_graph(
        Node("z", "Softmax", ("y",), attrs={"T": FLOAT32}),
        Node("t", "Softmax", ("y",), attrs={"T": FLOAT32}),
    )
    with pytest.raises(tfa.ConversionError, match=r"pass --inputs and --outputs .*x:0.*z:0"):
        tfa.checkpoint_to_saved_model(checkpoint(graph))


def test_a_placeholder_that_is_no_input_is_noted() -> None:
    nodes = [
        *without("y"),
        Node("keep_prob", "Placeholder", attrs={"dtype": FLOAT32}),
        Node("rate", "PlaceholderWithDefault", ("w",), attrs={"dtype": FLOAT32}),
        Node("mask", "Mul", ("keep_prob", "rate"), attrs={"T": FLOAT32}),
        Node("y", "Mul", ("mask", "x"), attrs={"T": FLOAT32}),
    ]
    model = tfa.checkpoint_to_saved_model(checkpoint(meta_graph(nodes=nodes)), IN, OUT)
    assert model.notes == (
        "signature 'serving_default' also needs keep_prob:0, which is not among its inputs (taken "
        "by mask (Mul)): calls will fail until it is, or is fixed: --set keep_prob=VALUE",
    )
    fed = {**IN, "keep": "keep_prob:0"}
    assert tfa.checkpoint_to_saved_model(checkpoint(meta_graph(nodes=nodes)), fed, OUT).notes == ()


def test_a_key_that_is_a_word_of_pythons_is_noted() -> None:
    model = tfa.checkpoint_to_saved_model(checkpoint(meta_graph()), {"lambda": "x"}, {"in": "y"})
    assert [note.split(" means")[0] for note in model.notes] == ["the input key 'lambda'"]


def test_of_a_folder_the_latest_checkpoint_is_taken(fixtures: Path) -> None:
    folder = tfa.open(fixtures / "digits" / "checkpoints")
    assert isinstance(folder, tfa.CheckpointDirectory)
    assert folder.latest is not None
    taken = tfa.checkpoint_to_saved_model(folder).checkpoint
    assert taken is not None
    assert taken.path == folder.latest.path
    assert len(taken.variables) == 10
    whole = tfa.checkpoint_to_saved_model(folder, keep_training_graph=True)
    assert whole.checkpoint is folder.latest
    gone = replace(folder, latest=None)
    with pytest.raises(tfa.ConversionError, match=r"my_model-4, is not there; pass one of .*-2, "):
        tfa.checkpoint_to_saved_model(gone)
    nothing = replace(gone, checkpoints=(), state=None)
    with pytest.raises(tfa.ConversionError, match="found no checkpoint; there is no other"):
        tfa.checkpoint_to_saved_model(nothing)


def test_another_meta_graph_can_take_the_place_of_its_own() -> None:
    given = meta_graph()
    model = tfa.checkpoint_to_saved_model(
        checkpoint(None), IN, OUT, meta_graph=given, keep_training_graph=True
    )
    assert len(model.meta_graphs[0].graph) == len(NODES)
    assert model.meta_graphs[0].saver == SAVER


def test_a_bare_graph_gets_a_saver_behind_what_it_has() -> None:
    model = tfa.checkpoint_to_saved_model(
        checkpoint(None), IN, OUT, meta_graph=meta_graph().graph, keep_training_graph=True
    )
    (made,) = model.meta_graphs
    names = [node.name for node in made.graph]
    assert names[: len(NODES)] == [node.name for node in NODES]
    assert made.saver is not None
    assert made.saver.restore_op_name == "save_1/restore_all"
    assert made.graph["save_1/restore_all"].inputs == ("^save_1/Assign_0",)
    assert made.graph["save_1/Assign_0"].inputs == ("w", "save_1/RestoreV2")
    assert "the graph has no saver: variables are found by their names" in model.notes


def test_a_checkpoint_without_variables_gives_a_model_without() -> None:
    nodes = [node for node in NODES if node.name in ("x", "save/Const", "save/control")]
    nodes += [Node("y", "Relu", ("x",), attrs={"T": FLOAT32}), Node("save/restore_all", "NoOp")]
    model = tfa.checkpoint_to_saved_model(checkpoint(meta_graph(nodes=nodes), {}), IN, OUT)
    assert model.checkpoint is None


Refusal = tuple[MetaGraph | None, dict[str, tuple[str, tuple[int, ...]]] | None, str]
REFUSED: dict[str, Refusal] = {
    "no graph": (None, None, r"found no runs/model-7\.meta, expected the graph"),
    "a key that is missing": (
        meta_graph(),
        {"w2": ("float32", (3,))},
        r"it restores 1 names the checkpoint does not have\n  missing  w  \(close: w2\)\n"
        r"  extra    w2\n  try      --rename w2=w  which finds 1 of them$",
    ),
    "no key at all": (
        meta_graph(),
        {},
        r"it restores 1 names the checkpoint does not have\n  missing  w$",
    ),
    "a key of another type": (
        meta_graph(),
        {"w": ("float64", (3,))},
        r"it has another shape or type for 1\n"
        r"  changed  w: float32 in the graph, float64 in the checkpoint$",
    ),
    "a variable the saver leaves out": (
        meta_graph(Node("save/restore_all", "NoOp"), nodes=without("save/restore_all")),
        None,
        r"found w \(VariableV2\), which the outputs need and the saver does not restore, expected "
        "something that gives it a value; 'w/assign' reads a checkpoint, which no init op is told "
        "of",
    ),
    "no saver and no variable of that name": (
        meta_graph(saver=None),
        {"v": ("float32", (4,))},
        r"it restores 1 names the checkpoint does not have\n  missing  w\n  extra    v$",
    ),
    "a table": (
        meta_graph(
            Node("table", "HashTableV2", attrs={"key_dtype": STRING, "value_dtype": FLOAT32}),
            Node("found", "LookupTableFindV2", ("table", "x", "w"), attrs={"Tout": FLOAT32}),
            Node("y", "Mul", ("found", "w"), attrs={"T": FLOAT32}),
            nodes=without("y"),
        ),
        None,
        r"found table \(HashTableV2\), which the outputs need and the saver does not restore, "
        "expected something that gives it a value; nothing in the graph does",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_load_is_refused(case: str) -> None:
    graph, variables, message = REFUSED[case]
    with pytest.raises(tfa.ConversionError, match=message):
        tfa.checkpoint_to_saved_model(checkpoint(graph, variables), IN, OUT)


def test_an_object_based_graph_is_refused_with_what_can_be_done(fixtures: Path) -> None:
    message = r"object-based SavedModel of TensorFlow 2, .*serve it as it is, .*--to checkpoint"
    graph = replace(meta_graph(), object_graph=b"")
    with pytest.raises(tfa.UnsupportedError, match=message):
        tfa.checkpoint_to_saved_model(checkpoint(graph), IN, OUT)
    model = tfa.open(fixtures / "keras" / "export")
    assert isinstance(model, tfa.SavedModel)
    for to in ("saved-model", "graph-def"):
        with pytest.raises(tfa.UnsupportedError, match=message):
            convert(model, to=to)


def test_no_tags_are_refused() -> None:
    with pytest.raises(tfa.ConversionError, match="found no tags"):
        tfa.checkpoint_to_saved_model(checkpoint(meta_graph()), IN, OUT, tags=())


def test_inputs_alone_are_refused() -> None:
    with pytest.raises(tfa.ConversionError, match="expected outputs too"):
        tfa.checkpoint_to_saved_model(checkpoint(meta_graph()), IN)


# --- names ---------------------------------------------------------------------------------------

WRONG: dict[str, tuple[type[tfa.TfArtifactsError], str]] = {
    "xx:0": (tfa.NameNotFoundError, "no tensor 'xx:0'; did you mean 'x:0'"),
    "Y": (tfa.NameNotFoundError, "did you mean 'y:0'"),
    "^y": (tfa.NameNotFoundError, r"'\^y'"),
    "": (tfa.NameNotFoundError, "''"),
    ":0": (tfa.NameNotFoundError, "':0'"),
    "y:one": (tfa.NameNotFoundError, "'y:one'"),
    "y:-1": (tfa.NameNotFoundError, "'y:-1'"),
    "v": (tfa.ConversionError, "v:0 is a resource, which no signature can hold"),
    "odd": (tfa.ConversionError, "cannot tell the type of odd:0: .* no signature of op Unknown"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_tensor_name_is_answered(name: str) -> None:
    error, message = WRONG[name]
    graph = meta_graph(Node("v", "VarHandleOp"), Node("odd", "Unknown"))
    with pytest.raises(error, match=message):
        tfa.checkpoint_to_saved_model(checkpoint(graph), {"i": name}, OUT)


def test_a_reference_is_its_value_in_a_signature() -> None:
    graph = Graph((Node("r", "RefIdentity", attrs={"T": dtype_from_name("float32_ref")}),))
    assert tensor_info(graph, "r").dtype == FLOAT32


def test_keys_are_the_last_component_where_none_is_given() -> None:
    assert with_keys(["image=myInput:0", "b/scores:0", "b/scores:0", "c"]) == {
        "image": "myInput:0",
        "scores": "b/scores:0",
        "c": "c",
    }


@pytest.mark.parametrize("wrong", ["=", "=x", "x=", "", "/", "a/", ":0"])
def test_a_mapping_without_key_or_tensor_is_refused(wrong: str) -> None:
    with pytest.raises(tfa.ConversionError, match="expected KEY=TENSOR or TENSOR"):
        with_keys([wrong])


def test_one_key_for_two_tensors_is_refused() -> None:
    with pytest.raises(tfa.ConversionError, match="other_key=b/y:0"):
        with_keys(["a/y:0", "b/y:0"])


# --- to a checkpoint -----------------------------------------------------------------------------


def saved_model(*graphs: MetaGraph, of: Checkpoint | None = None) -> SavedModel:
    return SavedModel("export", graphs, checkpoint(None) if of is None else of)


def tagged(*tags: str) -> MetaGraph:
    return replace(meta_graph(), info=MetaInfo(tags=tags), path="export/saved_model.pb")


def test_the_way_back_has_the_graph_and_the_variables() -> None:
    model = saved_model(tagged("serve"))
    made = tfa.saved_model_to_checkpoint(model)
    assert model.checkpoint is not None
    assert made.variables is model.checkpoint.variables
    assert made.meta_graph is not None
    assert made.meta_graph.saver == SAVER
    assert [node.name for node in made.meta_graph.graph] == [node.name for node in NODES]
    assert made.meta_graph.path is None


def test_tags_choose_the_meta_graph() -> None:
    model = saved_model(tagged("serve"), tagged("serve", "gpu"))
    made = tfa.saved_model_to_checkpoint(model, ["gpu", "serve"])
    assert made.meta_graph is not None
    assert made.meta_graph.tags == {"serve", "gpu"}
    for tags in (None, ["train"], []):
        with pytest.raises(tfa.NameNotFoundError, match=r"there is \{serve\}, \{gpu, serve\}"):
            tfa.saved_model_to_checkpoint(model, tags)


def test_a_saved_model_that_would_give_no_checkpoint_is_refused() -> None:
    without_variables = SavedModel("export", (tagged("serve"),))
    with pytest.raises(tfa.ConversionError, match="found no variables"):
        tfa.saved_model_to_checkpoint(without_variables)
    with pytest.raises(tfa.ConversionError, match="found no saver"):
        tfa.saved_model_to_checkpoint(saved_model(replace(tagged("serve"), saver=None)))
    asset = AssetFile("path:0", "words.txt")
    with pytest.raises(tfa.ConversionError, match=r"found no assets/words\.txt"):
        tfa.saved_model_to_checkpoint(saved_model(replace(tagged("serve"), asset_files=(asset,))))
    with pytest.raises(tfa.ConversionError, match="restores 1 names the checkpoint does not have"):
        tfa.saved_model_to_checkpoint(saved_model(tagged("serve"), of=checkpoint(None, {})))
    with pytest.raises(tfa.NameNotFoundError, match="there is none"):
        tfa.saved_model_to_checkpoint(SavedModel("export", ()))


@pytest.mark.parametrize("source", ["digits/saved_model", "saved-models/simple_resource"])
def test_there_and_back_is_the_same_graph(fixtures: Path, source: str) -> None:
    model = tfa.open(fixtures / source)
    assert isinstance(model, tfa.SavedModel)
    back = tfa.checkpoint_to_saved_model(
        tfa.saved_model_to_checkpoint(model), keep_training_graph=True
    )
    (first,), (second,) = model.meta_graphs, back.meta_graphs
    assert second.signatures == first.signatures
    assert second.tags == first.tags
    assert [(n.name, n.op, n.inputs) for n in second.graph] == [
        (n.name, n.op, n.inputs) for n in first.graph
    ]


# --- which way -----------------------------------------------------------------------------------


def test_the_direction_follows_from_the_source(fixtures: Path) -> None:
    assert convert(tfa.open(fixtures / "digits" / "checkpoints")).kind == "saved-model"
    assert convert(tfa.open(fixtures / "digits" / "saved_model")).kind == "checkpoint"


def test_a_checkpoint_of_a_checkpoint_is_refused(fixtures: Path) -> None:
    with pytest.raises(tfa.ConversionError, match="already, expected a SavedModel to make a check"):
        convert(tfa.open(fixtures / "digits" / "checkpoints"), to="checkpoint")


def test_a_saved_model_of_a_saved_model_is_pruned(fixtures: Path) -> None:
    model = tfa.open(fixtures / "digits" / "saved_model")
    assert isinstance(model, tfa.SavedModel)
    pruned = convert(model, to="saved-model")
    assert isinstance(pruned, tfa.SavedModel)
    (first,), (second,) = model.meta_graphs, pruned.meta_graphs
    assert (len(first.graph), len(second.graph)) == (475, 76)
    assert (second.signatures, second.tags) == (first.signatures, first.tags)
    assert pruned.checkpoint is not None
    assert len(pruned.checkpoint.variables) == 10


def test_a_graph_alone_is_converted_where_it_is_frozen(fixtures: Path) -> None:
    with pytest.raises(tfa.ConversionError, match=r"need 2 variables \(hidden, logits\).*--graph"):
        convert(tfa.open(fixtures / "graphs" / "model.meta"))
    model = convert(tfa.open(fixtures / "graphs" / "frozen.pb"))
    assert isinstance(model, tfa.SavedModel)
    assert model.checkpoint is None
    assert model.meta_graphs[0].saver is None


@pytest.mark.parametrize("option", ["rename", "use_ema"])
def test_a_graph_alone_has_no_variables_to_change(fixtures: Path, option: str) -> None:
    options = SavedModelOptions(**{option: ("a=b",) if option == "rename" else True})  # type: ignore[arg-type]
    with pytest.raises(tfa.ConversionError, match="expected a checkpoint: the source is a graph"):
        convert(tfa.open(fixtures / "graphs" / "frozen.pb"), options=options)


def test_a_checkpoint_has_no_signature(fixtures: Path) -> None:
    model = tfa.open(fixtures / "digits" / "saved_model")
    with pytest.raises(tfa.ConversionError, match="for a checkpoint, which has none"):
        convert(model, inputs=IN)
    with pytest.raises(tfa.ConversionError, match="for a checkpoint, which has none"):
        convert(model, outputs=OUT)
    with pytest.raises(tfa.ConversionError, match="for a checkpoint, which has none"):
        convert(model, signature="s")


def test_a_shape_the_checkpoint_has_otherwise_is_refused() -> None:
    wrong = checkpoint(meta_graph(), {"w": ("float32", (3, 3))})
    with pytest.raises(tfa.ConversionError, match=r"w: \[3\] in the graph, \[3, 3\] in the"):
        tfa.checkpoint_to_saved_model(wrong, IN, OUT)


def test_a_signature_key_the_graph_does_not_have_is_refused(fixtures: Path) -> None:
    model = tfa.open(fixtures / "digits" / "saved_model")
    assert isinstance(model, tfa.SavedModel)
    restored = tfa.saved_model_to_checkpoint(model)
    kept = tfa.checkpoint_to_saved_model(restored, signature="serving_default")
    assert set(kept.meta_graphs[0].signatures) == {"serving_default"}
    with pytest.raises(tfa.NameNotFoundError, match="no signature 'predict'"):
        tfa.checkpoint_to_saved_model(restored, signature="predict")


def test_a_kept_signature_must_fit_the_graph(fixtures: Path) -> None:
    model = tfa.open(fixtures / "digits" / "saved_model")
    assert isinstance(model, tfa.SavedModel)
    meta_graph = model.meta_graphs[0]
    signature = meta_graph.signatures["serving_default"]
    info = next(iter(signature.outputs.values()))
    wrong = replace(signature, outputs={"y": replace(info, name="myPrediction:7")})
    broken = replace(meta_graph, signatures={"serving_default": wrong})
    restored = tfa.saved_model_to_checkpoint(replace(model, meta_graphs=(broken,)))
    with pytest.raises(tfa.ConversionError, match=r"serving_default.*myPrediction:7"):
        tfa.checkpoint_to_saved_model(restored)


def test_what_lies_behind_a_fed_input_needs_no_state(fixtures: Path) -> None:
    """A training graph that reads its batches from an iterator: feeding the batch is enough."""
    iterator = Node("iterator", "IteratorV2")
    batch = Node("batch", "IteratorGetNext", ("iterator",), attrs={"output_types": [FLOAT32]})
    nodes = [replace(n, inputs=("batch", *n.inputs[1:])) if n.name == "y" else n for n in NODES]
    source = checkpoint(meta_graph(iterator, batch, nodes=nodes))
    model = tfa.checkpoint_to_saved_model(source, {"batch": "batch:0"}, OUT)
    assert model.meta_graphs[0].signatures["serving_default"].inputs["batch"].name == "batch:0"
    with pytest.raises(tfa.ConversionError, match=r"found iterator \(IteratorV2\).* is cut there"):
        tfa.checkpoint_to_saved_model(source, None, OUT)


def named(*paths: str) -> tfa.CheckpointDirectory:
    """A folder of checkpoints without a state file."""
    checkpoints = tuple(replace(checkpoint(meta_graph()), path=path) for path in paths)
    return tfa.CheckpointDirectory("runs", None, (), checkpoints, checkpoints[-1])


@pytest.mark.parametrize("paths", [("m-9", "m-10"), ("cp-0009.ckpt", "cp-0010.ckpt"), ("only",)])
def test_steps_tell_which_is_the_latest(paths: tuple[str, ...]) -> None:
    folder = named(*paths)
    assert tfa.checkpoint_to_saved_model(folder, IN, OUT).checkpoint is folder.latest


@pytest.mark.parametrize("paths", [("best", "last"), ("a-9", "b-10"), ("m-1", "m")])
def test_without_steps_the_latest_is_not_guessed(paths: tuple[str, ...]) -> None:
    with pytest.raises(tfa.ConversionError, match="no steps in their names"):
        tfa.checkpoint_to_saved_model(named(*paths), IN, OUT)


def test_a_latest_that_is_broken_is_said_to_be(fixtures: Path) -> None:
    folder = tfa.open(fixtures / "digits" / "checkpoints")
    assert isinstance(folder, tfa.CheckpointDirectory)
    assert folder.latest is not None
    error = tfa.FormatError("found damage")
    broken = replace(folder, latest=None, broken={folder.latest.path: error})
    with pytest.raises(tfa.ConversionError, match=r"cannot be opened \(found damage\)"):
        tfa.checkpoint_to_saved_model(broken)


def test_a_saver_that_reshapes_may_restore_another_shape() -> None:
    """Saver(reshape=True) puts a Reshape between RestoreV2 and Assign."""
    reshape = Node("w/reshape", "Reshape", ("w/restore", "w/sizes"), attrs={"T": FLOAT32})
    sizes = Node("w/sizes", "Const", attrs={"dtype": INT32, "value": Constant(INT32, (1,), (3,))})
    nodes = [replace(n, inputs=("w", "w/reshape")) if n.name == "w/assign" else n for n in NODES]
    source = checkpoint(meta_graph(sizes, reshape, nodes=nodes), {"w": ("float32", (3, 1))})
    assert tfa.checkpoint_to_saved_model(source, IN, OUT).checkpoint is source
