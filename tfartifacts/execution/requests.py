"""What is fed and fetched, by the keys that a caller used; what is missing. Without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from shlex import quote
from typing import Any

from tfartifacts.convert import tensor_info
from tfartifacts.errors import ConversionError, name_not_found
from tfartifacts.execution.feeds import read_feed
from tfartifacts.execution.fitting import fitting
from tfartifacts.execution.pictures import Picture
from tfartifacts.graphs.saver import unrestored_state
from tfartifacts.graphs.signature_check import unfed_placeholders
from tfartifacts.model import (
    Artifact,
    Checkpoint,
    CheckpointDirectory,
    Graph,
    MetaGraph,
    SavedModel,
    Signature,
    TensorInfo,
)
from tfartifacts.model.saved_models import DEFAULT_SIGNATURE, INIT_OP_SIGNATURE
from tfartifacts.records import dataclass, replace


@dataclass(frozen=True, slots=True)
class Request:
    """What to feed and fetch, by the keys that the caller used."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


def graph_of(artifact: Artifact, tags: Iterable[str] | None = None) -> MetaGraph | Graph:
    """The graph that is run. Raises ConversionError for an artifact without one."""
    found: MetaGraph | Graph | None = None
    match artifact:
        case SavedModel():
            found = artifact.meta_graph(tags)
        case CheckpointDirectory():
            found = None if artifact.latest is None else artifact.latest.meta_graph
        case Checkpoint():
            found = artifact.meta_graph
        case MetaGraph() | Graph():
            found = artifact
    if found is None:
        raise ConversionError(
            "found no graph, expected one (.meta): variables alone compute nothing",
            path=artifact.path,
        )
    return found


def request(
    artifact: Artifact,
    inputs: Iterable[str],
    outputs: Iterable[str],
    *,
    signature: str | None = None,
    tags: Iterable[str] | None = None,
) -> Request:
    """What these keys stand for: of a signature, or else tensors of the graph.

    Without a signature's name `serving_default` is taken if there is one, or the only one. Without
    outputs all of the signature's. Raises NameNotFoundError with close names, ConversionError for
    two keys of one input.
    """
    graph = graph_of(artifact, tags)
    chosen = _signature(graph, signature)
    known_inputs = {} if chosen is None else chosen.inputs
    known_outputs = {} if chosen is None else chosen.outputs
    wanted = list(dict.fromkeys(outputs)) or list(known_outputs)
    if not wanted:
        keys = ", ".join(_callable(graph))
        raise ConversionError(
            f"found no outputs and {len(_callable(graph))} signatures, expected --signature with "
            f"one of them: {keys}"
            if keys
            else "found no outputs, expected one or more tensors: --outputs y:0"
        )
    found: dict[str, TensorInfo] = {}
    taken: dict[str, str] = {}
    for key in inputs:
        found[key] = tensor(graph, key, known_inputs)
        name = found[key].name
        if name in taken:
            raise ConversionError(f"found {taken[name]!r} and {key!r}, which are both {name}")
        taken[name] = key
    return Request(found, {key: tensor(graph, key, known_outputs) for key in wanted})


def only_input(
    artifact: Artifact,
    outputs: Iterable[str] = (),
    *,
    signature: str | None = None,
    tags: Iterable[str] | None = None,
) -> str:
    """The key of the one input that a signature has, or that the outputs need.

    Raises ConversionError where that is not so.
    """
    graph = graph_of(artifact, tags)
    chosen = _signature(graph, signature)
    if chosen is not None:
        keys = list(chosen.inputs)
    else:
        asked = request(artifact, (), outputs, signature=signature, tags=tags)
        keys = [info.name for info in unfed(graph, (), fetched(asked.outputs.values()))]
    if len(keys) != 1:
        there = ", ".join(keys) or "none"
        raise ConversionError(f"found a value without a key, expected KEY=VALUE; inputs: {there}")
    return keys[0]


def _callable(graph: MetaGraph | Graph) -> dict[str, Signature]:
    signatures = graph.signatures if isinstance(graph, MetaGraph) else {}
    return {key: value for key, value in signatures.items() if key != INIT_OP_SIGNATURE}


def _signature(graph: MetaGraph | Graph, key: str | None) -> Signature | None:
    signatures = _callable(graph)
    if key is not None:
        if key not in signatures:
            raise name_not_found("signature", key, signatures)
        return signatures[key]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    return signatures.get(DEFAULT_SIGNATURE)


def tensor(graph: MetaGraph | Graph, key: str, known: Mapping[str, TensorInfo]) -> TensorInfo:
    """The tensor behind a key of a signature, or of that name.

    Raises NameNotFoundError with close names, ConversionError for one of several parts.
    """
    if key in known:
        info = known[key]
        if info.encoding != "name":
            raise ConversionError(
                f"found the {info.encoding} tensor {key!r}, expected a dense one; name its parts: "
                + ", ".join(info.tensor_names)
            )
        return complete(graph, info)
    node = key.partition(":")[0]
    if node not in graph.graph and known:
        raise name_not_found("key or tensor", key, known)
    return tensor_info(graph.graph, key)


def complete(graph: MetaGraph | Graph, info: TensorInfo) -> TensorInfo:
    """The tensor with what a signature leaves out: those of 2016 have names without `:0` alone."""
    if ":" in info.name and info.dtype is not None:
        return replace(info, dtype=info.dtype.base)
    there = tensor_info(graph.graph, info.name)
    return replace(
        info, name=there.name, dtype=info.dtype or there.dtype, shape=info.shape or there.shape
    )


def fetched(infos: Iterable[TensorInfo]) -> list[str]:
    """The names of all tensors of some infos."""
    return [name for info in infos for name in info.tensor_names]


def value_of(value: Any, info: TensorInfo) -> Any:
    """A text as read_feed takes it, or an array, as the input takes it."""
    if isinstance(value, str):
        return read_feed(value, info)
    return value if isinstance(value, Picture) else fitting(value, info, "what was given")


def read_feeds(
    graph: MetaGraph | Graph, asked: Request, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Values by tensor name, those that are texts read (see feeds).

    Raises ConversionError for a value that does not fit, and for outputs that need more than that.
    """
    feeds = {info.name: value_of(values[key], info) for key, info in asked.inputs.items()}
    missing = unfed(graph, list(feeds), fetched(asked.outputs.values()))
    if missing:
        keys = {
            info.name: key
            for signature in _callable(graph).values()
            for key, info in signature.inputs.items()
        }
        raise ConversionError(
            f"found no value for {len(missing)} inputs that the outputs need"
            if len(missing) > 1
            else "found no value for an input that the outputs need",
            details=tuple(
                f"{info}: --inputs {quote(keys.get(info.name, info.name))}=VALUE"
                for info in missing
            ),
        )
    return feeds


def unfed(graph: MetaGraph | Graph, fed: Iterable[str], outputs: Iterable[str]) -> list[TensorInfo]:
    """The placeholders that some tensors need while others are fed, in file order."""
    meta_graph = graph if isinstance(graph, MetaGraph) else MetaGraph(graph)
    call = Signature(
        {name: TensorInfo(name, None, None) for name in fed},
        {name: TensorInfo(name, None, None) for name in outputs},
    )
    found = unfed_placeholders(replace(meta_graph, signatures={"run": call}))
    return [
        tensor_info(graph.graph, item.node)
        for item in found
        # In a branch, where it waits for the decision, it may never be run.
        if not graph.graph[item.node].inputs
    ]


def refuse_uninitialized(artifact: Artifact, outputs: Iterable[str], fed: Iterable[str]) -> None:
    """Refuse a graph alone, whose outputs need variables that nobody fills."""
    if not isinstance(artifact, Graph | MetaGraph):
        return
    if isinstance(artifact, MetaGraph) and artifact.checkpoint_prefix is not None:
        return
    local = set(_local_variables(artifact))
    names = [
        state.node
        for state in unrestored_state(artifact.graph, outputs, fed)
        if state.kind == "variable" and state.node not in local
    ]
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise ConversionError(
            f"found a graph alone whose outputs need {len(names)} variables ({shown}), expected a "
            "checkpoint beside it, or constants in their place",
            path=artifact.path,
        )


def _local_variables(graph: MetaGraph | Graph) -> Iterator[str]:
    if isinstance(graph, MetaGraph):
        for variable in graph.variable_defs.get("local_variables", ()):
            yield variable.name.partition(":")[0]
