"""The paths of assets in a graph: constants, fed by a SavedModel's loader, not by a Saver.

Source: tensorflow/python/saved_model/loader_impl.py, get_asset_tensors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from tfartifacts.dtypes import STRING
from tfartifacts.errors import ConversionError, name_not_found
from tfartifacts.model.graphs import Constant, Graph, Node, node_names
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.records import replace

_ASSETS_COLLECTION = "saved_model_assets"
_FED_OPS = frozenset({"Const", "Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})


def with_asset_paths(meta_graph: MetaGraph, folder: str) -> MetaGraph:
    """The meta graph with the path of each asset, in that folder, in place of what it was fed.

    It declares no assets any more: nobody is to feed them.

    Raises NameNotFoundError for an asset's tensor that is not in the graph, ConversionError for one
    that is neither a constant nor a placeholder.
    """
    paths = {
        asset.tensor_name.partition(":")[0]: os.path.join(folder, *asset.filename.split("/"))
        for asset in meta_graph.asset_files
    }
    if not paths:
        return meta_graph
    collections = {
        key: value for key, value in meta_graph.collections.items() if key != _ASSETS_COLLECTION
    }
    return replace(
        meta_graph,
        graph=_with_strings(meta_graph.graph, paths),
        collections=collections,
        asset_files=(),
    )


def _with_strings(graph: Graph, strings: Mapping[str, str]) -> Graph:
    for name in strings:
        if name not in graph:
            raise name_not_found("node", name, node_names(graph.nodes))
        if graph[name].op not in _FED_OPS:
            raise ConversionError(
                f"found {name!r} of op {graph[name].op}, expected a constant for the path of an "
                "asset"
            )
    nodes = tuple(
        _as_constant(node, strings[node.name]) if node.name in strings else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)


def _as_constant(node: Node, text: str) -> Node:
    encoded = text.encode("utf-8", "surrogateescape")
    old = node.attrs.get("value")
    shape = () if old is None else old.shape
    count = 1
    for size in shape:
        count *= size
    value = Constant(STRING, shape, (encoded,) * count)
    kept = {key: node.attrs[key] for key in node.attrs if key == "_output_shapes"}
    inputs = tuple(name for name in node.inputs if name.startswith("^"))
    return replace(node, op="Const", inputs=inputs, attrs={"dtype": STRING, "value": value, **kept})
