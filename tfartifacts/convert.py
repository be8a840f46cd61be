"""Checkpoint -> SavedModel and back: from one model to another, no tensor read, no disk touched.

To a SavedModel: the checkpoint's meta graph gets tags and a signature, device placements are
cleared, restore ops of 2016 become RestoreV2. To a checkpoint: one meta graph of a SavedModel
becomes the checkpoint's. Everything else is carried as it is: nodes, functions, collections, saver.
What the result would not load with is refused here, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from keyword import iskeyword
from typing import TYPE_CHECKING

from tfartifacts.errors import (
    ConversionError,
    FormatError,
    NameNotFoundError,
    UnsupportedError,
    close_names,
    name_not_found,
)
from tfartifacts.graphs.candidates import candidates, proposed
from tfartifacts.graphs.rewrite import OLD_RESTORE_OPS, clear_devices, upgrade_restore_ops
from tfartifacts.graphs.saver import RestoredVariable, restored_variables, unrestored_state
from tfartifacts.graphs.signature_check import signature_problems, unfed_placeholders
from tfartifacts.model.checkpoints import Checkpoint, CheckpointDirectory
from tfartifacts.model.graphs import Graph, TensorInfo, TensorShape
from tfartifacts.model.saved_models import (
    DEFAULT_SIGNATURE,
    INIT_OP_SIGNATURE,
    PREDICT_METHOD,
    SERVING_TAG,
    MetaGraph,
    SavedModel,
    Signature,
)
from tfartifacts.model.tensors import parse_tensor_name
from tfartifacts.model.values import Always, Deferred, Shape
from tfartifacts.model.variables import parse_shape_and_slice

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


def checkpoint_to_saved_model(
    checkpoint: Checkpoint | CheckpointDirectory,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    signature: str | None = None,
    tags: Iterable[str] = (SERVING_TAG,),
    *,
    method_name: str = PREDICT_METHOD,
    meta_graph: MetaGraph | None = None,
) -> SavedModel:
    """A SavedModel of a checkpoint and the graph saved beside it, with one signature.

    `inputs` and `outputs` map the keys callers use to tensors of the graph (`myInput:0`, or
    `myInput`), under the key `signature` (None: "serving_default"). Without them the signatures
    the graph has are kept, or the best candidates are taken if there is no doubt; `notes` says
    which. Of a folder of checkpoints the latest is taken. `meta_graph` takes the place of the
    checkpoint's own.

    Raises NameNotFoundError (with close names) for a tensor that is not in the graph, and
    ConversionError where the graph or the checkpoint lacks what the result would need.
    """
    checkpoint, chosen = _one_checkpoint(checkpoint)
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
        notes=(
            *chosen,
            *checkpoint.notes,
            *notes,
            *_unfed_notes(graph_part),
            *_keyword_notes(graph_part),
        ),
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
        notes=saved_model.notes,
    )


def _one_checkpoint(
    source: Checkpoint | CheckpointDirectory,
) -> tuple[Checkpoint, tuple[str, ...]]:
    """The checkpoint to convert, and what is to be said of the choice."""
    if isinstance(source, Checkpoint):
        return source, ()
    known = [*source.checkpoints, *source.unlisted]
    there = ", ".join(checkpoint.path for checkpoint in known)
    if source.latest is None:
        other = f"pass one of {there}" if there else "there is no other"
        raise ConversionError(f"{_why_no_latest(source)}; {other}", path=source.path)
    if source.state is None and not _steps_decide(known):
        raise ConversionError(
            "found no state file to say which checkpoint is the latest, and no steps in their "
            f"names that would; pass one of {there}",
            path=source.path,
        )
    entry = next((e for e in source.entries if e.prefix == source.latest.path), None)
    notes: tuple[str, ...] = ()
    if entry is not None and entry.relocated:
        there_too = ", which is there too" if entry.outside else ""
        notes = (
            f"the state file says {entry.recorded}{there_too}; took {source.latest.path} beside it",
        )
    return source.latest, notes


def _why_no_latest(source: CheckpointDirectory) -> str:
    if source.state is None:
        for prefix, error in source.broken.items():
            return f"found no checkpoint that can be opened ({prefix}: {error.message})"
        return "found no checkpoint"
    latest = source.state.latest_path
    for entry in source.entries:
        if entry.recorded == latest and entry.prefix is not None and entry.prefix in source.broken:
            error = source.broken[entry.prefix]
            return f"the latest checkpoint, {latest}, cannot be opened ({error.message})"
    return f"the latest checkpoint, {latest}, is not there"


def _steps_decide(checkpoints: Sequence[Checkpoint]) -> bool:
    """Whether names alone tell which is the latest: a step each behind the same beginning."""
    if len(checkpoints) < 2:
        return True
    stems = set()
    for checkpoint in checkpoints:
        if checkpoint.step is None:
            return False
        # Steps may be padded: cp-0009.ckpt, cp-0010.ckpt.
        stems.add(checkpoint.path.rpartition(str(checkpoint.step))[0].rstrip("0"))
    return len(stems) == 1


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
    wanted_key: str | None,
    method_name: str,
) -> tuple[Mapping[str, Signature], tuple[str, ...]]:
    graph = meta_graph.graph
    key = DEFAULT_SIGNATURE if wanted_key is None else wanted_key
    if not key:
        raise ConversionError(
            'found an empty signature key, expected one such as "serving_default"'
        )
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
        if wanted_key is not None and wanted_key not in kept:
            error = name_not_found("signature", wanted_key, kept)
            error.message += "; pass --inputs and --outputs to make it"
            raise error
        for problem in signature_problems(meta_graph):
            raise ConversionError(f"signature {problem.key!r}: {problem.message}")
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
        key, equals, tensor = (part.strip() for part in mapping.partition("="))
        if not equals:
            key, tensor = key.partition(":")[0].rpartition("/")[2], key
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


def _check_state(meta_graph: MetaGraph) -> None:
    """Refuse a signature that needs state the saver does not restore."""
    if meta_graph.init_op is not None:
        return
    for key, signature in meta_graph.signatures.items():
        if key == INIT_OP_SIGNATURE:
            continue
        outputs = _tensors(signature.outputs)
        missing = unrestored_state(meta_graph, outputs, _tensors(signature.inputs))
        if not missing:
            continue
        first = missing[0]
        needed_by = f"{first.node} ({first.op}) is needed by {', '.join(outputs[:3])}"
        more = f" ({len(missing)} such in all)" if len(missing) > 1 else ""
        if first.kind != "variable":
            raise ConversionError(
                f"{needed_by}, and the saver does not restore it{more}; tables and other state "
                "that must be initialised after loading are not converted yet"
            )
        if meta_graph.saver is None:
            raise ConversionError(
                f"{needed_by}, and the meta graph has no saver to restore it{more}; it was "
                "exported without one"
            )
        raise ConversionError(
            f"{needed_by}, and the saver does not restore it{more}: it saves only some of the "
            "variables, and the others would have to be initialised, which is not converted yet"
        )


def _tensors(infos: Mapping[str, TensorInfo]) -> list[str]:
    return [tensor for info in infos.values() for tensor in info.tensor_names]


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
        expected = _expected_shape(meta_graph.graph, restored)
        if expected is not None and expected != variable.shape:
            raise ConversionError(
                f"the graph restores {restored.key!r} with shape {expected}, the checkpoint has it "
                f"with shape {variable.shape}",
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
        if iskeyword(name) or name == "self"
    ]
    return tuple(
        f"the input key {name!r} means something to Python: tf.saved_model.load cannot call it"
        for name in dict.fromkeys(keys)
    )


def _expected_shape(graph: Graph, restored: RestoredVariable) -> Shape | None:
    """The shape a variable must have in the checkpoint; None where the graph does not tell."""
    if restored.shape_and_slice:
        try:
            return parse_shape_and_slice(restored.shape_and_slice)[0]
        except FormatError:
            return None
    if restored.function or restored.variable not in graph:
        return None
    # A saver may reshape what it restores (Saver(reshape=True)): then the shapes may differ.
    assigned = graph[restored.assign].inputs[1:2]
    if [name.partition(":")[0] for name in assigned] != [restored.restore]:
        return None
    shape = graph[restored.variable].attrs.get("shape")
    if not isinstance(shape, TensorShape) or None in shape:
        return None
    return tuple(size for size in shape if size is not None)


def _unfed_notes(meta_graph: MetaGraph) -> tuple[str, ...]:
    """Placeholders that callers of a signature would have to feed besides its inputs."""
    missing: dict[str, list[str]] = {}
    for placeholder in unfed_placeholders(meta_graph):
        for key in placeholder.signatures:
            missing.setdefault(key, []).append(f"{placeholder.node}:0")
    return tuple(
        f"signature {key!r} also needs {', '.join(names)}, which is not among its inputs: calls "
        "will fail until it is"
        for key, names in missing.items()
    )


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
            signature,
            (SERVING_TAG,) if tags is None else tags,
        )
    raise ConversionError(
        f"found a {source.kind} without a checkpoint of its name beside it, expected a checkpoint "
        "or a SavedModel: the graph alone has no variables to convert"
    )


def source_path(source: Artifact) -> str | None:
    """The path of what `convert` takes from an artifact: of a folder its latest checkpoint."""
    if isinstance(source, CheckpointDirectory):
        return source.path if source.latest is None else source.latest.path
    return source.path
