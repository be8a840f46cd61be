"""Assets: files a graph reads while it initialises, whose paths are constants in the graph.

    constant   : string scalar, in collection asset_filepaths, or feeding
                 InitializeTableFromTextFile(V2) as operand 1
    asset file : the constant's tensor, a name below assets/; loaders feed the path to the tensor

One asset file for each tensor: the C++ loader refuses two for one.
Source: tensorflow/python/saved_model/builder_impl.py; cc/saved_model/loader_util.cc.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from tfartifacts.dtypes import STRING
from tfartifacts.graphs.edges import Edges, behind_identities, edges_of, needed
from tfartifacts.graphs.saver import data_inputs
from tfartifacts.model.graphs import ConstantValue, Node
from tfartifacts.model.saved_models import AssetFile, MetaGraph
from tfartifacts.records import dataclass, replace

ASSET_PATHS = "asset_filepaths"
_READS_FILE = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})

_MOST_BYTES = 255


@dataclass(frozen=True, slots=True)
class RecordedAsset:
    """A tensor that holds a file's path, as recorded when the graph was made."""

    tensor: str
    path: str


@dataclass(frozen=True, slots=True)
class ComputedPath:
    """A node that reads a file, and the one that computes its path: `name (Op)` of each."""

    reader: str
    node: str


def recorded_assets(
    meta_graph: MetaGraph, outputs: Iterable[str], fed: Iterable[str] = ()
) -> tuple[RecordedAsset, ...]:
    """The files that are needed for the outputs and by the init op, in file order, one per tensor.

    A tensor that the meta graph declares an asset already is left out.
    """
    edges = edges_of(meta_graph.graph)
    run = _run(meta_graph, edges, outputs, fed)
    collection = meta_graph.collections.get(ASSET_PATHS)
    listed = set() if collection is None else set(edges.indices(map(str, collection.values)))
    read = {source for _, source in _read(edges, run)}
    declared = set(edges.indices(asset.tensor_name for asset in meta_graph.asset_files))
    found = []
    for index in sorted(run & (listed | read)):
        index = behind_identities(edges, index)  # noqa: PLW2901 - what stands for the path
        if index in declared:
            continue
        declared.add(index)
        path = _path_in(edges, index)
        if path:
            found.append(RecordedAsset(f"{edges.nodes[index].name}:0", path))
    return tuple(found)


def computed_paths(
    meta_graph: MetaGraph, outputs: Iterable[str], fed: Iterable[str] = ()
) -> tuple[ComputedPath, ...]:
    """Paths of such files that no node holds, in file order: they are known when they are read."""
    edges = edges_of(meta_graph.graph)
    declared = set(edges.indices(asset.tensor_name for asset in meta_graph.asset_files))
    found = []
    for reader, source in sorted(_read(edges, _run(meta_graph, edges, outputs, fed))):
        index = behind_identities(edges, source)
        # The loader feeds what is declared an asset, whatever it is.
        if index not in declared and source not in declared:
            node = edges.nodes[index]
            if node.op != "Const" and not _path_in(edges, index):
                found.append(ComputedPath(_named(edges.nodes[reader]), _named(node)))
    return tuple(found)


def _named(node: Node) -> str:
    return f"{node.name} ({node.op})"


def _run(
    meta_graph: MetaGraph, edges: Edges, outputs: Iterable[str], fed: Iterable[str]
) -> set[int]:
    """The nodes that run for the outputs, and for the init op."""
    run = needed(edges, outputs, fed)
    if meta_graph.init_op is not None:
        run |= needed(edges, [meta_graph.init_op], ())
    return run


def _read(edges: Edges, run: Iterable[int]) -> Iterator[tuple[int, int]]:
    """What reads files among these nodes, each with the node of its file's path."""
    for index in run:
        if edges.nodes[index].op in _READS_FILE:
            for source in edges.indices(data_inputs(edges.nodes[index])[1:2]):
                yield index, source


def _path_in(edges: Edges, index: int) -> str:
    """The path a constant, or a placeholder's default, holds; "" where it holds none."""
    node = edges.nodes[index]
    if node.op == "PlaceholderWithDefault" and edges.producers[index]:
        node = edges.nodes[edges.producers[index][0]]
    value = node.attrs.get("value") if node.op == "Const" else None
    if not isinstance(value, ConstantValue) or value.dtype != STRING:
        return ""
    strings = value.strings()
    return os.fsdecode(strings[0]) if len(strings) == 1 else ""


def with_assets(meta_graph: MetaGraph, filenames: Mapping[str, str]) -> MetaGraph:
    """The meta graph that declares these assets too: tensor -> name below `assets/`."""
    added = tuple(AssetFile(tensor, filename) for tensor, filename in filenames.items())
    return replace(meta_graph, asset_files=(*meta_graph.asset_files, *added))


def basename(path: str) -> str:
    """The last part of a recorded path, which Windows may have written."""
    return re.split(r"[/\\]", path)[-1]


def asset_names(paths: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A name below `assets/` for each distinct path: its last part, made safe and unique."""
    names: dict[str, str] = {}
    used = {name.casefold() for name in taken}
    for path in paths:
        if path in names:
            continue
        safe = re.sub(r"[\x00-\x1f\x7f/\\:*?\"<>|]", "_", basename(path)).strip(" ") or "asset"
        if set(safe) == {"."}:
            safe = "asset"
        stem, dot, suffix = safe.rpartition(".")
        if not stem:
            stem, dot, suffix = safe, "", ""
        name, number = _shortened(stem, dot + suffix), 1
        # Some file systems take vocab.txt and Vocab.txt for one file.
        while name.casefold() in used:
            name, number = _shortened(stem, f"_{number}{dot}{suffix}"), number + 1
        used.add(name.casefold())
        names[path] = name
    return names


def _shortened(stem: str, rest: str) -> str:
    """A name that file systems take: of at most 255 bytes."""
    left = _MOST_BYTES - len(os.fsencode(rest))
    if left < 1:
        return os.fsdecode(os.fsencode(stem + rest)[:_MOST_BYTES])
    while len(os.fsencode(stem)) > left:
        stem = stem[:-1]
    return stem + rest
