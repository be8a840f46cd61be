"""Two meta graphs: their graphs, signatures, collections, versions, saver and assets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from tfartifacts.graphs.graph_difference import ChangeKind, GraphDifference, compare_graphs
from tfartifacts.model import Graph, MetaGraph
from tfartifacts.model.graphs import NO_VERSIONS
from tfartifacts.model.saved_models import Collection as StoredCollection
from tfartifacts.model.saved_models import Saver, Signature
from tfartifacts.records import dataclass

# What can be compared of meta graphs, in the order in which it is shown.
PARTS = ("graph", "signatures", "collections", "versions", "saver", "assets")


@dataclass(frozen=True, slots=True)
class ItemDifference:
    """Something that has a name: a signature, a collection, a version, a field of the saver.

    `lines` say what changed in it, one thing each, as `before -> after`; of what is on one side
    alone what it is.
    """

    name: str
    kind: ChangeKind
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetaGraphDifference:
    """How one meta graph differs from another; `graph` None where it was not compared.

    `tags` are those of A and B; empty for a `.meta` file and a frozen graph.
    """

    tags: tuple[tuple[str, ...], tuple[str, ...]]
    graph: GraphDifference | None
    signatures: tuple[ItemDifference, ...] = ()
    collections: tuple[ItemDifference, ...] = ()
    versions: tuple[ItemDifference, ...] = ()
    saver: tuple[ItemDifference, ...] = ()
    assets: tuple[ItemDifference, ...] = ()

    @property
    def equal(self) -> bool:
        return (self.graph is None or self.graph.equal) and not (
            self.signatures or self.collections or self.versions or self.saver or self.assets
        )


def compare_meta_graphs(
    a: MetaGraph | Graph,
    b: MetaGraph | Graph,
    *,
    parts: Collection[str] = PARTS,
    constants: bool = True,
    select: Callable[[str], bool] | None = None,
) -> MetaGraphDifference:
    """Compare two meta graphs, or a meta graph or graph with a bare graph: what both can have.

    `parts` are of PARTS. `constants` and `select` as compare_graphs has them.
    """
    graph = None
    if "graph" in parts:
        graph = compare_graphs(a.graph, b.graph, constants=constants, select=select)
    if not isinstance(a, MetaGraph) or not isinstance(b, MetaGraph):
        versions = _versions(a.graph, b.graph) if "versions" in parts else {}
        return MetaGraphDifference((_tags(a), _tags(b)), graph, versions=_facts(versions))
    return MetaGraphDifference(
        (_tags(a), _tags(b)),
        graph,
        _signatures(a, b) if "signatures" in parts else (),
        _collections(a, b) if "collections" in parts else (),
        _facts({**_writers(a, b), **_versions(a.graph, b.graph)}) if "versions" in parts else (),
        _savers(a.saver, b.saver) if "saver" in parts else (),
        _assets(a, b) if "assets" in parts else (),
    )


def _tags(graph: MetaGraph | Graph) -> tuple[str, ...]:
    return tuple(sorted(graph.tags)) if isinstance(graph, MetaGraph) else ()


def _facts(pairs: Mapping[str, tuple[object, object]]) -> tuple[ItemDifference, ...]:
    """Facts that differ; one that is empty on a side is not known there."""
    return tuple(
        ItemDifference(name, "changed", (f"{before} -> {after}",))
        for name, (before, after) in pairs.items()
        if before != after
    )


def _writers(a: MetaGraph, b: MetaGraph) -> dict[str, tuple[object, object]]:
    return {
        "tensorflow_version": (a.tensorflow_version or "none", b.tensorflow_version or "none"),
        "stripped_default_attrs": (
            a.info.stripped_default_attrs,
            b.info.stripped_default_attrs,
        ),
    }


def _versions(a: Graph, b: Graph) -> dict[str, tuple[object, object]]:
    ours, theirs = a.versions or NO_VERSIONS, b.versions or NO_VERSIONS
    return {
        "graph producer": (ours.producer, theirs.producer),
        "graph min_consumer": (ours.min_consumer, theirs.min_consumer),
        "graph bad_consumers": (list(ours.bad_consumers), list(theirs.bad_consumers)),
    }


def _items(
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    alone: Callable[[Any], tuple[str, ...]],
    changes: Callable[[Any, Any], tuple[str, ...]],
) -> tuple[ItemDifference, ...]:
    found = []
    for name, value in ours.items():
        if name not in theirs:
            found.append(ItemDifference(name, "removed", alone(value)))
        elif lines := changes(value, theirs[name]):
            found.append(ItemDifference(name, "changed", lines))
    found += [
        ItemDifference(name, "added", alone(value))
        for name, value in theirs.items()
        if name not in ours
    ]
    return tuple(found)


# --- signatures -----------------------------------------------------------------------------------


def _signatures(a: MetaGraph, b: MetaGraph) -> tuple[ItemDifference, ...]:
    return _items(a.signatures, b.signatures, _signature, _signature_changes)


def _signature(signature: Signature) -> tuple[str, ...]:
    return (
        *(f"input {key}: {info}" for key, info in signature.inputs.items()),
        *(f"output {key}: {info}" for key, info in signature.outputs.items()),
    )


def _signature_changes(ours: Signature, theirs: Signature) -> tuple[str, ...]:
    lines = []
    if ours.method_name != theirs.method_name:
        lines.append(f"method_name: {ours.method_name or 'none'} -> {theirs.method_name or 'none'}")
    for side, before, after in (
        ("input", ours.inputs, theirs.inputs),
        ("output", ours.outputs, theirs.outputs),
    ):
        for key, info in before.items():
            if key not in after:
                lines.append(f"{side} {key}: {info} -> none")
            elif info != after[key]:
                lines.append(f"{side} {key}: {info} -> {after[key]}")
        lines += [
            f"{side} {key}: none -> {info}" for key, info in after.items() if key not in before
        ]
    return tuple(lines)


# --- collections, saver, assets -------------------------------------------------------------------


def _collections(a: MetaGraph, b: MetaGraph) -> tuple[ItemDifference, ...]:
    return _items(a.collections, b.collections, _collection, _collection_changes)


def _collection(collection: StoredCollection) -> tuple[str, ...]:
    return (f"{collection.kind or 'empty'} of {len(collection.values)}",)


def _collection_changes(ours: StoredCollection, theirs: StoredCollection) -> tuple[str, ...]:
    if ours == theirs:
        return ()
    lines = []
    if ours.kind != theirs.kind:
        lines.append(f"kind: {ours.kind or 'empty'} -> {theirs.kind or 'empty'}")
    here, there = set(ours.values), set(theirs.values)
    removed = [value for value in ours.values if value not in there]
    added = [value for value in theirs.values if value not in here]
    for what, values in (("removed", removed), ("added", added)):
        if values and all(isinstance(value, str) for value in values):
            lines.append(f"{what}: {', '.join(values)}")
        elif values:
            lines.append(f"{what}: {len(values)} value{'' if len(values) == 1 else 's'}")
    if not lines:
        lines.append("order, or how often a value is there")
    return tuple(lines)


def _savers(ours: Saver | None, theirs: Saver | None) -> tuple[ItemDifference, ...]:
    if ours is None or theirs is None:
        if ours is theirs:
            return ()
        kind: ChangeKind = "added" if ours is None else "removed"
        return (ItemDifference("saver", kind),)
    names = (
        "filename_tensor_name save_tensor_name restore_op_name max_to_keep sharded "
        "keep_checkpoint_every_n_hours version"
    ).split()
    return _facts({name: (getattr(ours, name), getattr(theirs, name)) for name in names})


def _assets(a: MetaGraph, b: MetaGraph) -> tuple[ItemDifference, ...]:
    ours, theirs = (
        {asset.tensor_name: asset.filename for asset in meta_graph.asset_files}
        for meta_graph in (a, b)
    )
    return _items(
        ours,
        theirs,
        lambda filename: (filename,),
        lambda before, after: (f"{before} -> {after}",) if before != after else (),
    )
