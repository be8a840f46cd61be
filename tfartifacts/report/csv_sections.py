"""A section of a document as rows: the same columns whatever the artifact holds.

Columns are the keys of the document. Of several meta graphs `tags` says which one a row is of; a
signature's tensors, and what JSON has as keys (ops, devices, collections), get a row each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tfartifacts.report.csv_text import Rows
from tfartifacts.report.view import Document

Row = Mapping[str, Any]

_TENSOR = ("name", "dtype", "shape")


def section_rows(document: Document, section: str) -> Rows:
    """The section of that name; no rows where the artifact has none."""
    columns, rows = _SECTIONS[section]
    return Rows(columns, rows(document))


def usual_section(kind: str) -> str:
    """The section of an artifact of that kind that is shown where none is asked for."""
    return {
        "checkpoint": "variables",
        "checkpoint-directory": "variables",
        "graph-def": "candidates",
    }.get(kind, "signatures")


def value_rows(document: Document) -> Rows:
    """The elements of the variables whose values the document has, those that could be read."""
    return Rows(("name", "index", "value"), _values(document))


def _values(document: Document) -> Iterator[Row]:
    import numpy as np

    from tfartifacts.report.values import exact

    for variable in document["values"]:
        if "values" not in variable:
            continue
        array = variable["values"]
        for index in np.ndindex(array.shape):
            element = exact(np.asarray(array[index], dtype=array.dtype))
            yield {"name": variable["name"], "index": list(index), "value": element}


def _checkpoint(document: Document) -> Document:
    """The checkpoint of a document; of a folder the latest; empty where there is none."""
    if document["kind"] == "checkpoint":
        return document
    return document.get("latest_checkpoint") or document.get("checkpoint") or {}


def _meta_graphs(document: Document) -> Iterator[tuple[Row, Document]]:
    """The graphs of a document, each after what a row says of it."""
    graphs: Sequence[Document | None]
    if document["kind"] in ("meta-graph", "graph-def"):
        graphs = [document]
    elif "meta_graphs" in document:
        graphs = document["meta_graphs"]
    else:
        graphs = [_checkpoint(document).get("meta_graph")]
    for graph in graphs:
        if graph is not None:
            yield {"tags": graph.get("tags", [])}, graph


def _files(document: Document) -> Iterator[Row]:
    yield from _checkpoint(document).get("files", ())
    yield from document.get("other_files", ())


def _variables(document: Document) -> Iterator[Row]:
    # Those of a SavedModel lie beside its checkpoint.
    holder = document if "variables" in document else _checkpoint(document)
    yield from holder.get("variables", ())


def _slices(document: Document) -> Iterator[Row]:
    for variable in _variables(document):
        for part in variable.get("slices", ()):
            yield {"variable": variable["name"], **part}


def _object_graph(document: Document) -> Iterator[Row]:
    yield from (variable for variable in _variables(document) if "full_name" in variable)


def _signatures(document: Document) -> Iterator[Row]:
    for which, graph in _meta_graphs(document):
        for key, signature in graph.get("signatures", {}).items():
            head = {**which, "signature": key, "method_name": signature["method_name"]}
            for side in ("inputs", "outputs"):
                for name, info in signature[side].items():
                    yield from (
                        {**head, "side": side, "key": name, **row} for row in _tensors(info)
                    )
            if not signature["inputs"] and not signature["outputs"]:
                yield head


def _tensors(info: Document) -> Iterator[Row]:
    """The tensors of one key: itself; the parts of a sparse one; the components of another."""
    waiting = [info]
    while waiting:
        tensor = waiting.pop()
        if "components" in tensor:
            waiting.extend(reversed(tensor["components"]))
            continue
        for part, name in tensor.get("sparse", {"": tensor["name"]}).items():
            yield {**tensor, "name": name, "part": part}


def _candidates(document: Document) -> Iterator[Row]:
    for which, graph in _meta_graphs(document):
        found = graph["candidates"] or {"inputs": (), "outputs": ()}
        for side in ("inputs", "outputs"):
            yield from ({**which, "side": side, **candidate} for candidate in found[side])


def _placeholders(document: Document) -> Iterator[Row]:
    for which, graph in _meta_graphs(document):
        yield from ({**which, **placeholder} for placeholder in graph["placeholders"])


def _ops(document: Document) -> Iterator[Row]:
    for which, graph in _meta_graphs(document):
        ops, inside = graph["ops"], graph["function_ops"]
        for op in (*ops, *(op for op in inside if op not in ops)):
            numbers = {"num_nodes": ops.get(op, 0), "num_function_nodes": inside.get(op, 0)}
            yield {**which, "op": op, **numbers}


def _functions(document: Document) -> Iterator[Row]:
    for which, graph in _meta_graphs(document):
        yield from ({**which, **function} for function in graph["functions"])


def _devices(document: Document) -> Iterator[Row]:
    for which, graph in _meta_graphs(document):
        for device, number in graph["devices"].items():
            yield {**which, "device": device, "num_nodes": number}


def _collections(document: Document) -> Iterator[Row]:
    for which, graph in _meta_graphs(document):
        for name, collection in graph.get("collections", {}).items():
            head = {**which, "collection": name, "kind": collection["kind"]}
            yield from ({**head, "value": value} for value in collection.get("values") or (None,))


def _savers(document: Document) -> Iterator[Row]:
    for which, graph in _meta_graphs(document):
        if graph.get("saver") is not None:
            yield {**which, **graph["saver"]}


def _assets(document: Document) -> Iterator[Row]:
    yield from document.get("assets", ())
    if "assets" not in document:
        for _, graph in _meta_graphs(document):
            for asset in graph.get("asset_files", ()):
                yield {**asset, "tensor_names": [asset["tensor_name"]]}


def _nodes(document: Document) -> Iterator[Row]:
    for which, graph in _meta_graphs(document):
        yield from ({**which, **node} for node in graph.get("nodes", ()))
        for function in graph["functions"]:
            head = {**which, "function": function["name"]}
            yield from ({**head, **node} for node in function.get("nodes", ()))


_SECTIONS: dict[str, tuple[tuple[str, ...], Callable[[Document], Iterator[Row]]]] = {
    "files": (("path", "nbytes", "modified"), _files),
    "variables": (
        (*_TENSOR, "nbytes", "shard", "offset", "role", "full_name", "num_slices"),
        _variables,
    ),
    "slices": (("variable", "spec", "shape", "nbytes", "shard", "offset"), _slices),
    "object-graph": (("name", "full_name"), _object_graph),
    "signatures": (
        ("tags", "signature", "method_name", "side", "key", "part", *_TENSOR, "encoding"),
        _signatures,
    ),
    "candidates": (
        ("tags", "side", "role", *_TENSOR, "op", "connected", "reason"),
        _candidates,
    ),
    "placeholders": (("tags", *_TENSOR, "op"), _placeholders),
    "ops": (("tags", "op", "num_nodes", "num_function_nodes"), _ops),
    "functions": (("tags", "name", "num_nodes", "inputs", "outputs"), _functions),
    "devices": (("tags", "device", "num_nodes"), _devices),
    "collections": (("tags", "collection", "kind", "value"), _collections),
    "saver": (
        (
            "tags",
            "filename_tensor_name",
            "save_tensor_name",
            "restore_op_name",
            "max_to_keep",
            "sharded",
            "keep_checkpoint_every_n_hours",
            "version",
        ),
        _savers,
    ),
    "assets": (("filename", "tensor_names", "nbytes"), _assets),
    "nodes": (("tags", "function", "name", "op", "inputs", "device"), _nodes),
}
