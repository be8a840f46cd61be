"""SavedModel -> checkpoint: from one model to another, no tensor read, no disk touched.

A SavedModel of TensorFlow 1 becomes a name-based checkpoint with its graph: what
`import_meta_graph` and `Saver.restore` take. The object-based one of TensorFlow 2 becomes an
object-based checkpoint, which `tf.train.Checkpoint(...).restore` takes and which has no graph; its
keys, paths through the objects, can be rewritten to the variables' names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tfartifacts.convert.fit import refuse_mismatch, with_restore_v2
from tfartifacts.convert.variable_names import listed, with_variable_names
from tfartifacts.errors import ConversionError, name_not_found
from tfartifacts.graphs.assets import ASSET_PATHS
from tfartifacts.graphs.edges import edges_of, parse_input
from tfartifacts.graphs.initializers import TABLE_INITIALIZERS
from tfartifacts.graphs.saver import restored_variables
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.model.saved_models import (
    Asset,
    Collection,
    MetaGraph,
    SavedModel,
)
from tfartifacts.model.values import Always, Deferred
from tfartifacts.records import replace

# How the entries of a checkpoint are named.
NAMES = ("object", "variable")


def saved_model_to_checkpoint(
    saved_model: SavedModel,
    tags: Iterable[str] | None = None,
    *,
    names: str | None = None,
    with_meta: bool = False,
) -> Checkpoint:
    """The checkpoint in a SavedModel, with one of its meta graphs.

    `tags` choose the meta graph; they may be left out where there is just one. Tags and
    signatures stay in it, which TensorFlow ignores in a `.meta` file. Assets come along: `save`
    puts them into `<prefix>.assets` and their absolute paths into the graph. A SavedModel without
    variables gives a checkpoint without any, of which only the `.meta` file is written.

    An object-based SavedModel of TensorFlow 2 gives an object-based checkpoint without a graph.
    `names="variable"` names its entries after the variables; `with_meta` adds the graph, which
    saves and restores through functions and which TensorFlow 2 alone can import. One of
    tf.keras 1.x has object names in its checkpoint, and a graph that restores them; the graph is
    left out where entries are named after the variables.

    Raises NameNotFoundError that lists the tag sets there are, and ConversionError where
    variables, saver or assets are missing, or where two variables have the same name.
    """
    if names is not None and names not in NAMES:
        raise ConversionError(f"found names {names!r}, expected one of {', '.join(NAMES)}")
    meta_graph = saved_model.meta_graph(tags)
    checkpoint = saved_model.checkpoint
    by_object = checkpoint is not None and checkpoint.object_graph is not None
    if by_object and names == "variable":
        return _by_variable_names(saved_model, meta_graph, with_meta)
    if checkpoint is not None and meta_graph.object_graph is not None:
        return _object_based(saved_model, meta_graph, checkpoint, with_meta)
    if names == "object" and not by_object:
        raise ConversionError(
            "found a SavedModel of TensorFlow 1, whose variables have names alone; object names "
            "are for those of TensorFlow 2"
        )
    meta_graph, assets, notes = _with_assets(saved_model, meta_graph)
    meta_graph = replace(meta_graph, graph=with_restore_v2(meta_graph), path=None, notes=())
    if checkpoint is None:
        return _graph_alone(saved_model, meta_graph, assets, notes)
    if meta_graph.saver is None:
        raise ConversionError(
            "found no saver in the meta graph, expected one: TensorFlow could not restore the "
            "checkpoint"
        )
    refuse_mismatch(meta_graph, checkpoint)
    return replace(
        checkpoint,
        files=_sources(saved_model, checkpoint),
        assets=assets,
        meta_graph_part=Deferred(Always(meta_graph)),
        notes=notes,
    )


def _by_variable_names(
    saved_model: SavedModel, meta_graph: MetaGraph, with_meta: bool
) -> Checkpoint:
    checkpoint = saved_model.checkpoint
    assert checkpoint is not None  # the caller looked
    if with_meta:
        raise ConversionError(
            "found variable names asked for together with the graph, which restores object names; "
            "leave one of them out"
        )
    named = with_variable_names(checkpoint)
    return replace(
        named,
        files=_sources(saved_model, checkpoint),
        meta_graph_part=Deferred(Always(None)),
        notes=(*named.notes, *_without_graph(meta_graph)),
    )


def _without_graph(meta_graph: MetaGraph) -> tuple[str, ...]:
    """What is to be said of the assets where the graph that reads them is not written."""
    if not meta_graph.asset_files:
        return ()
    names = list(dict.fromkeys(asset.filename for asset in meta_graph.asset_files))
    return (f"assets belong to the graph and are not written: {listed(names)}",)


def _object_based(
    saved_model: SavedModel, meta_graph: MetaGraph, checkpoint: Checkpoint, with_meta: bool
) -> Checkpoint:
    files = _sources(saved_model, checkpoint)
    if not with_meta:
        note = (
            "object-based, without a .meta: tf.train.Checkpoint(root).read(prefix) restores it, as "
            "does .restore, whose assertions miss a save_counter, which no SavedModel has"
        )
        return replace(
            checkpoint,
            files=files,
            meta_graph_part=Deferred(Always(None)),
            notes=(note, *_without_graph(meta_graph)),
        )
    meta_graph, assets, notes = _with_assets(saved_model, meta_graph)
    refuse_mismatch(meta_graph, checkpoint)
    note = "the .meta restores through functions: TensorFlow 2 alone imports it"
    return replace(
        checkpoint,
        files=files,
        assets=assets,
        meta_graph_part=Deferred(Always(replace(meta_graph, path=None, notes=()))),
        notes=(note, *notes),
    )


def _sources(saved_model: SavedModel, checkpoint: Checkpoint | None) -> tuple[File, ...]:
    own = () if saved_model.file is None else (saved_model.file,)
    return (*(() if checkpoint is None else checkpoint.files), *own)


def _graph_alone(
    saved_model: SavedModel,
    meta_graph: MetaGraph,
    assets: tuple[Asset, ...],
    notes: tuple[str, ...],
) -> Checkpoint:
    """A checkpoint without variables, of a SavedModel that has none."""
    restored = restored_variables(meta_graph)
    if restored:
        raise ConversionError(
            f"found no variables, expected those the graph restores, such as {restored[0].key!r} "
            f"({len(restored)} in all); copy the folder variables/ from where the SavedModel was "
            "written",
            path=saved_model.path,
        )
    note = "no variables: only the .meta is written, which import_meta_graph takes"
    return Checkpoint(
        path=saved_model.path or "",
        format="V2",
        num_shards=0,
        variables={},
        files=_sources(saved_model, None),
        assets=assets,
        meta_graph_part=Deferred(Always(replace(meta_graph, saver=None))),
        notes=(note, *notes),
    )


def _with_assets(
    saved_model: SavedModel, meta_graph: MetaGraph
) -> tuple[MetaGraph, tuple[Asset, ...], tuple[str, ...]]:
    """The meta graph, able to use its assets without a SavedModel's loader; its assets; notes."""
    notes: list[str] = []
    collections = dict(meta_graph.collections)
    init_op = _initialized_by(meta_graph, collections)
    if init_op is not None:
        notes.append(
            f"run {init_op} (tf.compat.v1.tables_initializer() does) after restoring: a "
            "SavedModel's loader did"
        )
    wanted = {asset.filename for asset in meta_graph.asset_files}
    assets = tuple(asset for asset in saved_model.assets if asset.filename in wanted)
    missing = sorted(wanted - {asset.filename for asset in assets if asset.file is not None})
    if missing:
        raise ConversionError(
            f"found no assets/{missing[0]}, expected it: the graph reads it ({len(missing)} "
            "such in all)",
            path=saved_model.path,
        )
    if assets:
        names = tuple(dict.fromkeys(asset.tensor_name for asset in meta_graph.asset_files))
        if _names_in(collections, ASSET_PATHS) == ():
            collections[ASSET_PATHS] = Collection("node_list", names)
        notes.append(
            "assets are written beside the checkpoint, their absolute paths into the graph: after "
            f"moving it, convert again ({listed([asset.filename for asset in assets])})"
        )
    return replace(meta_graph, collections=collections), assets, tuple(notes)


def _initialized_by(meta_graph: MetaGraph, collections: dict[str, Collection]) -> str | None:
    """The op that a loader runs; tables_initializer() will run it, too, if it does more than that.

    None without one, and for one that does nothing, as exporters write them. Raises
    NameNotFoundError where the graph does not have it.
    """
    if meta_graph.init_op is None:
        return None
    edges = edges_of(meta_graph.graph)
    name = parse_input(meta_graph.init_op).node
    if name not in edges.position:
        raise name_not_found("init op", name, edges.position)

    def done_by(names: Iterable[str]) -> set[int]:
        nodes = edges.ancestors(edges.indices(names))
        return {index for index in nodes if edges.nodes[index].op != "NoOp"}

    wanted = done_by([name])
    if not wanted:
        return None
    there = _names_in(collections, TABLE_INITIALIZERS)
    if there is not None and wanted - done_by(there):
        collections[TABLE_INITIALIZERS] = Collection("node_list", (*there, name))
    return name


def _names_in(collections: Mapping[str, Collection], key: str) -> tuple[str, ...] | None:
    """The nodes a collection names; None for one of another kind."""
    there = collections.get(key)
    if there is None or not there.values:
        return ()
    return tuple(map(str, there.values)) if there.kind == "node_list" else None
