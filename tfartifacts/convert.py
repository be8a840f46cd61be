"""Checkpoint -> SavedModel and back: from one model to another, no tensor read, no disk touched.

To a SavedModel: the checkpoint's meta graph gets tags and a signature, device placements are
cleared, restore ops of 2016 become RestoreV2. To a checkpoint: one meta graph of a SavedModel
becomes the checkpoint's. Everything else is carried as it is: nodes, functions, collections, saver.
What the result would not load with is refused here, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from keyword import iskeyword
from typing import TYPE_CHECKING

from tfartifacts.errors import ConversionError, NameNotFoundError, UnsupportedError, close_names
from tfartifacts.graphs.candidates import candidates, proposed
from tfartifacts.graphs.edges import edges_of
from tfartifacts.graphs.rewrite import OLD_RESTORE_OPS, clear_devices, upgrade_restore_ops
from tfartifacts.graphs.saver import restored_variables, unrestored_state
from tfartifacts.model.checkpoints import Checkpoint, CheckpointDirectory
from tfartifacts.model.graphs import Graph, TensorInfo
from tfartifacts.model.saved_models import (
    DEFAULT_SIGNATURE,
    INIT_OP_SIGNATURE,
    PREDICT_METHOD,
    SERVING_TAG,
    MetaGraph,
    SavedModel,
    Signature,
)
from tfartifacts.model.tensors import PLACEHOLDER_OPS, parse_tensor_name
from tfartifacts.model.values import Always, Deferred

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


def checkpoint_to_saved_model(
    checkpoint: Checkpoint | CheckpointDirectory,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    signature: str = DEFAULT_SIGNATURE,
    tags: Iterable[str] = (SERVING_TAG,),
    *,
    method_name: str = PREDICT_METHOD,
    meta_graph: MetaGraph | None = None,
) -> SavedModel:
    """A SavedModel of a checkpoint and the graph saved beside it, with one signature.

    `inputs` and `outputs` map the keys callers use to tensors of the graph (`myInput:0`, or
    `myInput`). Without them a signature the graph has is kept, or the best candidates are taken
    if there is no doubt; `notes` says which. Of a folder of checkpoints the latest is taken.
    `meta_graph` takes the place of the checkpoint's own.

    Raises NameNotFoundError (with close names) for a tensor that is not in the graph, and
    ConversionError where the graph or the checkpoint lacks what the result would need.
    """
    checkpoint = _one_checkpoint(checkpoint)
    graph_part = meta_graph or checkpoint.meta_graph
    if graph_part is None:
        raise ConversionError(
            f"found no {checkpoint.path}.meta, expected the graph: a SavedModel needs one; copy it "
            "from where the checkpoint was written (without it, variables can still be listed and "
            "read)"
        )
    _refuse_object_based(graph_part)
    graph_part = replace(graph_part, graph=clear_devices(_with_restore_v2(graph_part)))
    signatures, notes = _signatures(graph_part, inputs, outputs, signature, method_name)
    graph_part = replace(
        graph_part,
        info=replace(graph_part.info, tags=tuple(dict.fromkeys(tags))),
        signatures=signatures,
        checkpoint_prefix=None,
        path=None,
        notes=(),
    )
    if not graph_part.tags:
        raise ConversionError("found no tags, expected one or more, such as 'serve'")
    _check_state(graph_part)
    _check_keys(graph_part, checkpoint)
    return SavedModel(
        path=None,
        meta_graphs=(graph_part,),
        checkpoint=checkpoint if checkpoint.variables else None,
        notes=(*notes, *_unfed_notes(graph_part), *_keyword_notes(graph_part)),
    )


def saved_model_to_checkpoint(
    saved_model: SavedModel, tags: Iterable[str] | None = None
) -> Checkpoint:
    """The checkpoint in a SavedModel, with one of its meta graphs.

    `tags` choose the meta graph; they may be left out where there is just one. Tags and
    signatures stay in it, which TensorFlow ignores in a `.meta` file.

    Raises NameNotFoundError that lists the tag sets there are, and ConversionError for a
    SavedModel without variables or without a saver to restore them.
    """
    meta_graph = saved_model.meta_graph(tags)
    _refuse_object_based(meta_graph)
    if saved_model.checkpoint is None:
        raise ConversionError(
            "found no variables, expected some: a checkpoint of this SavedModel would be empty"
        )
    if meta_graph.saver is None:
        raise ConversionError(
            "found no saver in the meta graph, expected one: TensorFlow could not restore the "
            "checkpoint"
        )
    if meta_graph.asset_files:
        names = ", ".join(asset.filename for asset in meta_graph.asset_files)
        raise ConversionError(
            f"found assets ({names}), which are not converted to a checkpoint yet: its graph "
            "would look for them at paths that are gone"
        )
    meta_graph = replace(meta_graph, graph=_with_restore_v2(meta_graph), path=None, notes=())
    _check_keys(meta_graph, saved_model.checkpoint)
    return replace(
        saved_model.checkpoint,
        meta_graph_part=Deferred(Always(meta_graph)),
        notes=(),
    )


def _one_checkpoint(source: Checkpoint | CheckpointDirectory) -> Checkpoint:
    if isinstance(source, Checkpoint):
        return source
    if source.latest is not None:
        return source.latest
    there = ", ".join(checkpoint.path for checkpoint in (*source.checkpoints, *source.unlisted))
    latest = source.state.latest_path if source.state is not None else "one"
    raise ConversionError(
        f"the latest checkpoint, {latest}, is not there; "
        + (f"pass one of {there}" if there else "there is no other"),
        path=source.path,
    )


def _refuse_object_based(meta_graph: MetaGraph) -> None:
    if meta_graph.object_graph is not None:
        raise UnsupportedError(
            "found an object-based SavedModel of TensorFlow 2, which is not converted yet: its "
            "graph restores through functions, not through a session's ops"
        )


def _with_restore_v2(meta_graph: MetaGraph) -> Graph:
    """The graph, able to restore the V2 checkpoint that is written for it."""
    graph = upgrade_restore_ops(meta_graph.graph)
    left = [node.name for node in graph.nodes if node.op in OLD_RESTORE_OPS]
    if left:
        raise UnsupportedError(
            f"found {len(left)} restore ops of 2016 whose names are not constants, such as "
            f"{left[0]!r}"
        )
    return graph


def _signatures(
    meta_graph: MetaGraph,
    inputs: Mapping[str, str] | None,
    outputs: Mapping[str, str] | None,
    key: str,
    method_name: str,
) -> tuple[Mapping[str, Signature], tuple[str, ...]]:
    graph = meta_graph.graph
    if inputs or outputs:
        if not outputs:
            raise ConversionError("found inputs alone, expected outputs too")
        made = Signature(
            {name: tensor_info(graph, tensor) for name, tensor in (inputs or {}).items()},
            {name: tensor_info(graph, tensor) for name, tensor in outputs.items()},
            method_name,
        )
        return {**meta_graph.signatures, key: made}, ()
    kept = [name for name in meta_graph.signatures if name != INIT_OP_SIGNATURE]
    if kept:
        shown = ", ".join(repr(name) for name in kept)
        return meta_graph.signatures, (f"kept the graph's own signatures: {shown}",)
    made = _proposed(meta_graph, method_name)
    inside = [f"{name}={info.name}" for name, info in made.inputs.items()]
    outside = [f"{name}={info.name}" for name, info in made.outputs.items()]
    note = (
        f"no inputs and outputs were given; took --inputs {','.join(inside)} --outputs "
        f"{','.join(outside)}"
    )
    return {key: made}, (note,)


def _proposed(meta_graph: MetaGraph, method_name: str) -> Signature:
    """The best candidates as a signature, where there is no doubt about them."""
    found = candidates(meta_graph)
    inputs, outputs = proposed(found)
    if not inputs or len(outputs) != 1:
        likely_inputs = ", ".join(item.name for item in found.inputs[:5]) or "none found"
        likely_outputs = ", ".join(item.name for item in found.outputs[:5]) or "none found"
        raise ConversionError(
            "found no inputs and outputs given, and no single choice; pass --inputs and --outputs "
            f"(likely inputs: {likely_inputs}; likely outputs: {likely_outputs})"
        )
    graph = meta_graph.graph
    return Signature(
        {name: tensor_info(graph, tensor) for name, tensor in with_keys(inputs).items()},
        {name: tensor_info(graph, tensor) for name, tensor in with_keys(outputs).items()},
        method_name,
    )


def with_keys(mappings: Iterable[str]) -> dict[str, str]:
    """`["image=myInput:0", "b/scores:0"]` as {"image": "myInput:0", "scores": "b/scores:0"}.

    Without a key the last component of the node's name is taken. Raises ConversionError where two
    tensors would have the same key.
    """
    keyed: dict[str, str] = {}
    for mapping in mappings:
        key, equals, tensor = mapping.partition("=")
        if not equals:
            key, tensor = mapping.partition(":")[0].rpartition("/")[2], mapping
        if not key or not tensor:
            raise ConversionError(f"found {mapping!r}, expected KEY=TENSOR or TENSOR")
        if key in keyed and keyed[key] != tensor:
            raise ConversionError(
                f"found the key {key!r} for {keyed[key]} and for {tensor}; give one another: "
                f"other_key={tensor}"
            )
        keyed[key] = tensor
    return keyed


def tensor_info(graph: Graph, name: str) -> TensorInfo:
    """Type and shape of a tensor for a signature.

    Raises NameNotFoundError with close names, ConversionError where its type cannot be known.
    """
    try:
        info = graph.tensor(name)
    except NameNotFoundError as error:
        node = name.partition(":")[0]
        # The tensor a caller may have meant, ready to be copied.
        close = [f"{found}:0" for found in close_names(node, (n.name for n in graph.nodes))]
        if close and node not in graph:
            shown = " or ".join(repr(tensor) for tensor in close)
            error.message = f"no tensor {name!r}; did you mean {shown}?"
        raise
    if info.dtype is None:
        node = parse_tensor_name(name)[0]
        raise ConversionError(
            f"cannot tell the type of {info.name}: the graph carries no signature of op "
            f"{graph[node].op}"
        )
    if info.dtype.name in ("resource", "variant"):
        raise ConversionError(f"{info.name} is a {info.dtype}, which no signature can hold")
    return replace(info, dtype=info.dtype.base)


def _signature_tensors(meta_graph: MetaGraph, side: str) -> list[str]:
    """The tensors of all signatures' inputs or outputs, without repetition."""
    return list(
        dict.fromkeys(
            tensor
            for signature in meta_graph.signatures.values()
            for info in getattr(signature, side).values()
            for tensor in info.tensor_names
        )
    )


def _check_state(meta_graph: MetaGraph) -> None:
    """Refuse a signature that needs state the saver does not restore."""
    outputs = _signature_tensors(meta_graph, "outputs")
    if meta_graph.init_op is not None:
        return
    missing = unrestored_state(meta_graph, outputs)
    if missing:
        first = missing[0]
        raise ConversionError(
            f"{first.node} ({first.op}) is needed by {', '.join(outputs[:3])}, and the saver does "
            f"not restore it ({len(missing)} such in all); tables and other state that must be "
            "initialised after loading are not converted yet"
        )


def _check_keys(meta_graph: MetaGraph, checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint without a key that the restore op reads: every loader would fail."""
    variables = checkpoint.variables
    for restored in restored_variables(meta_graph):
        variable = variables.get(restored.key)
        if variable is None:
            close = close_names(restored.key, variables)
            hint = f"; close to it: {', '.join(close)}" if close else ""
            raise ConversionError(
                f"the graph restores {restored.key!r}, which the checkpoint does not have{hint}",
                path=checkpoint.path,
            )
        if restored.dtype is not None and restored.dtype.base != variable.dtype:
            raise ConversionError(
                f"the graph restores {restored.key!r} as {restored.dtype.base}, the checkpoint "
                f"has it as {variable.dtype}",
                path=checkpoint.path,
            )


def _keyword_notes(meta_graph: MetaGraph) -> tuple[str, ...]:
    """Keys that tf.saved_model.load refuses: it makes each a parameter of a Python function."""
    keys = [
        name
        for signature in meta_graph.signatures.values()
        for name in signature.inputs
        if iskeyword(name)
    ]
    return tuple(
        f"the input key {name!r} is a word of Python's: tf.saved_model.load refuses it"
        for name in dict.fromkeys(keys)
    )


def _unfed_notes(meta_graph: MetaGraph) -> tuple[str, ...]:
    """Placeholders that callers of a signature would have to feed besides its inputs."""
    edges = edges_of(meta_graph.graph)
    notes = []
    for key, signature in meta_graph.signatures.items():
        fed = edges.indices(
            tensor for info in signature.inputs.values() for tensor in info.tensor_names
        )
        ends = edges.indices(
            tensor for info in signature.outputs.values() for tensor in info.tensor_names
        )
        needed = edges.ancestors(ends, stop=frozenset(fed))
        unfed = [
            edges.nodes[index].name
            for index in sorted(needed - set(fed))
            if edges.nodes[index].op in PLACEHOLDER_OPS - {"PlaceholderWithDefault"}
        ]
        if unfed:
            names = ", ".join(f"{name}:0" for name in unfed)
            notes.append(
                f"signature {key!r} also needs {names}, which is not among its inputs: calls will "
                "fail until it is"
            )
    return tuple(notes)


def convert(
    source: Artifact,
    *,
    to: str | None = None,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    signature: str | None = None,
    tags: Iterable[str] | None = None,
) -> SavedModel | Checkpoint:
    """The other form of an artifact: a SavedModel of a checkpoint, a checkpoint of a SavedModel.

    `to` ("saved-model" or "checkpoint") has to agree with the source where it is given. Raises
    ConversionError where it does not, or where the source has nothing to convert, and what the two
    converters raise.
    """
    target = {"saved-model": "checkpoint"}.get(source.kind, "saved-model")
    if to not in (None, target):
        raise ConversionError(f"the source is a {source.kind} already, expected one to make a {to}")
    if isinstance(source, SavedModel):
        if inputs or outputs or signature is not None:
            raise ConversionError(
                "found inputs, outputs or a signature for a checkpoint, which has none; they go "
                "with the conversion of a checkpoint to a SavedModel"
            )
        return saved_model_to_checkpoint(source, tags)
    if isinstance(source, Checkpoint | CheckpointDirectory):
        return checkpoint_to_saved_model(
            source,
            inputs,
            outputs,
            DEFAULT_SIGNATURE if signature is None else signature,
            (SERVING_TAG,) if tags is None else tags,
        )
    raise ConversionError(
        f"found a {source.kind} without a checkpoint of its name beside it, expected a checkpoint "
        "or a SavedModel: the graph alone has no variables to convert"
    )
