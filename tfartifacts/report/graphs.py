"""A meta graph, or a bare graph, as a document."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.graphs.signature_check import (
    INTERNAL_SIGNATURES,
    signature_problems,
    unfed_placeholders,
)
from tfartifacts.model.graphs import node_devices, node_ops
from tfartifacts.model.tensors import PLACEHOLDER_OPS, output_dtype, output_shape
from tfartifacts.report.findings import Findings, describe_error
from tfartifacts.report.view import Document, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfartifacts.dtypes import DType
    from tfartifacts.graphs.candidates import Candidate
    from tfartifacts.model.graphs import Argument, Function, Graph, Node, TensorInfo
    from tfartifacts.model.saved_models import Collection, MetaGraph, Saver, Signature
    from tfartifacts.model.values import PartialShape


def describe_meta_graph(meta_graph: MetaGraph, view: View, findings: Findings) -> Document:
    """A graph with all that belongs to it; signatures that do not fit it are damage."""
    document: Document = {
        "tags": sorted(meta_graph.tags),
        "tensorflow_version": meta_graph.tensorflow_version,
        "tensorflow_git_version": meta_graph.info.tensorflow_git_version,
        "stripped_default_attrs": meta_graph.info.stripped_default_attrs,
        "checkpoint_prefix": meta_graph.checkpoint_prefix,
        "init_op": meta_graph.init_op,
        **_describe_graph(meta_graph.graph, view, findings),
        "signatures": {
            key: describe_signature(signature) for key, signature in meta_graph.signatures.items()
        },
        "problems": _problems(meta_graph, findings),
        "unfed": _unfed(meta_graph, findings),
        "candidates": None,
        "saver": None if meta_graph.saver is None else describe_saver(meta_graph.saver),
        "collections": {
            name: describe_collection(collection, view)
            for name, collection in meta_graph.collections.items()
            if view.selects(name)
        },
        "asset_files": [
            {"tensor_name": asset.tensor_name, "filename": asset.filename}
            for asset in meta_graph.asset_files
        ],
        "notes": list(meta_graph.notes),
    }
    callable_signatures = [
        key for key in meta_graph.signatures if not key.startswith(INTERNAL_SIGNATURES)
    ]
    if view.complete or view.shows("candidates") or not callable_signatures:
        document["candidates"] = describe_candidates(meta_graph, findings)
    return document


def _problems(meta_graph: MetaGraph, findings: Findings) -> list[Document]:
    """Tensors of signatures that the graph does not have as the signature says."""
    documents: list[Document] = []
    with findings.damaged():
        for problem in signature_problems(meta_graph):
            error = FormatError(str(problem), path=meta_graph.path)
            findings.damage.append(error)
            documents.append(
                {
                    **describe_error(error),
                    "signature": problem.key,
                    "side": problem.side,
                    "key": problem.name,
                    "tensor": problem.tensor,
                }
            )
    return documents


def _unfed(meta_graph: MetaGraph, findings: Findings) -> list[Document]:
    """Placeholders that outputs of signatures need and their inputs do not feed."""
    with findings.damaged():
        graph = meta_graph.graph
        return [
            {**_describe_output(graph, graph[unfed.node]), "signatures": list(unfed.signatures)}
            for unfed in unfed_placeholders(meta_graph)
        ]
    return []


def describe_graph_def(graph: Graph, view: View, findings: Findings) -> Document:
    return {
        **_describe_graph(graph, view, findings),
        "candidates": describe_candidates(graph, findings),
        "notes": list(graph.notes),
    }


def _describe_graph(graph: Graph, view: View, findings: Findings) -> Document:
    ops: Counter[str] = Counter()
    devices: Counter[str] = Counter()
    placeholders: list[Document] = []
    nodes: list[Document] = []
    with findings.damaged():
        for position, (name, op) in enumerate(graph.names_and_ops()):
            ops[op] += 1
            if (op in PLACEHOLDER_OPS or view.shows("nodes")) and view.selects(name):
                node = graph.nodes[position]
                if op in PLACEHOLDER_OPS:
                    placeholders.append(_describe_output(graph, node))
                if view.shows("nodes"):
                    nodes.append(describe_node(node))
        devices.update(node_devices(graph.nodes))
    function_ops: Counter[str] = Counter()
    functions: list[Document] = []
    with findings.damaged():
        for function in graph.functions.values():
            function_ops.update(node_ops(function.nodes))
            if view.selects(function.name):
                functions.append(describe_function(function, view))
    document: Document = {
        "versions": {
            "producer": graph.versions.producer,
            "min_consumer": graph.versions.min_consumer,
        },
        "num_nodes": len(graph),
        "ops": _by_count(ops),
        "num_functions": len(graph.functions),
        "function_ops": _by_count(function_ops),
        "functions": functions,
        "devices": _by_count(devices),
        "placeholders": placeholders,
    }
    if view.shows("nodes"):
        document["nodes"] = nodes
    return document


def _by_count(counter: Counter[str]) -> dict[str, int]:
    """Most frequent first, then by name."""
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _describe_output(graph: Graph, node: Node) -> Document:
    return {
        "name": f"{node.name}:0",
        "dtype": _dtype(output_dtype(graph, node, 0)),
        "shape": _shape(output_shape(graph, node, 0)),
        "op": node.op,
    }


def describe_node(node: Node) -> Document:
    return {"name": node.name, "op": node.op, "inputs": list(node.inputs), "device": node.device}


def describe_function(function: Function, view: View) -> Document:
    document: Document = {
        "name": function.name,
        "num_nodes": len(function.nodes),
        "inputs": [_describe_argument(argument) for argument in function.inputs],
        "outputs": [_describe_argument(argument) for argument in function.outputs],
    }
    if view.shows("nodes"):
        document["nodes"] = [describe_node(node) for node in function.nodes]
    return document


def _describe_argument(argument: Argument) -> Document:
    return {"name": argument.name, "dtype": _dtype(argument.dtype)}


def describe_signature(signature: Signature) -> Document:
    return {
        "method_name": signature.method_name,
        "inputs": {key: describe_tensor(info) for key, info in signature.inputs.items()},
        "outputs": {key: describe_tensor(info) for key, info in signature.outputs.items()},
    }


def describe_tensor(info: TensorInfo) -> Document:
    """Name, type and shape; a sparse or composite one also has the tensors it consists of."""
    document: Document = {
        "name": info.name,
        "dtype": _dtype(info.dtype),
        "shape": _shape(info.shape),
    }
    if info.encoding != "name":
        document["encoding"] = info.encoding
    if info.sparse is not None:
        document["sparse"] = {
            "values": info.sparse.values,
            "indices": info.sparse.indices,
            "dense_shape": info.sparse.dense_shape,
        }
    if info.components:
        document["components"] = [describe_tensor(part) for part in info.components]
    return document


def describe_candidates(source: MetaGraph | Graph, findings: Findings) -> Document | None:
    """Tensors that look like inputs and outputs, the likeliest first; None if it cannot be told.

    `flags` are the proposal as arguments of `convert`, empty without an output to propose.
    `refused` is why a conversion with them would be, beside a checkpoint; null if it would not.
    """
    from tfartifacts.graphs.candidates import as_flags, candidates, proposed

    with findings.damaged():
        found = candidates(source)
        return {
            "inputs": [_describe_candidate(candidate) for candidate in found.inputs],
            "outputs": [_describe_candidate(candidate) for candidate in found.outputs],
            "flags": as_flags(found),
            "refused": _refused(source, *proposed(found)),
        }
    return None


def _refused(
    source: MetaGraph | Graph, inputs: Sequence[str], outputs: Sequence[str]
) -> str | None:
    """Why those inputs and outputs cannot be a signature of a checkpoint of this graph."""
    if not outputs:
        return None
    from tfartifacts.graphs.saver import unrestored_state

    try:
        state = unrestored_state(source, outputs, fed=inputs)
    except TfArtifactsError as error:
        return error.message
    if not state:
        return None
    more = f" (and {len(state) - 1} more like it)" if len(state) > 1 else ""
    return f"{state[0].node} ({state[0].op}) is needed, and the saver does not restore it{more}"


def _describe_candidate(candidate: Candidate) -> Document:
    return {
        "name": candidate.name,
        "dtype": _dtype(candidate.dtype),
        "shape": _shape(candidate.shape),
        "op": candidate.op,
        "role": candidate.role,
        "connected": candidate.connected,
        "reason": candidate.reason,
    }


def describe_saver(saver: Saver) -> Document:
    return {
        "filename_tensor_name": saver.filename_tensor_name,
        "save_tensor_name": saver.save_tensor_name,
        "restore_op_name": saver.restore_op_name,
        "max_to_keep": saver.max_to_keep,
        "sharded": saver.sharded,
        "keep_checkpoint_every_n_hours": saver.keep_checkpoint_every_n_hours,
        "version": saver.version,
    }


def describe_collection(collection: Collection, view: View) -> Document:
    document: Document = {"kind": collection.kind, "num_values": len(collection.values)}
    if view.shows("collections"):
        document["values"] = [
            text_or_base64(value) if isinstance(value, bytes) else value
            for value in collection.values
        ]
    return document


def text_or_base64(value: bytes) -> str | dict[str, str]:
    """Bytes as JSON can hold them: text if they are UTF-8, else `{"base64": ...}`."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        from base64 import b64encode

        return {"base64": b64encode(value).decode("ascii")}


def _dtype(dtype: DType | None) -> str | None:
    return None if dtype is None else dtype.name


def _shape(shape: PartialShape) -> list[Any] | None:
    """Unknown sizes as -1, an unknown rank as None."""
    return None if shape is None else [-1 if size is None else size for size in shape]
