"""Checkpoint and graph -> SavedModel: from one model to another, no tensor read, nothing written.

    graph       devices cleared, restore ops of 2016 raised, placeholders fixed or reshaped
    signatures  given, kept, or proposed
    saver       restores the keys the checkpoint has (restoring.py)
    init op     for state that no saver restores
    prune       what none of this needs goes, from the graph and from the checkpoint
    assets      the files that what is left reads
    freeze      on request, variables become constants
    version     on request, what an older TensorFlow does not know goes

What the result would not load with is refused here, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tfartifacts.convert.asset_files import Search, with_asset_files
from tfartifacts.convert.choosing import one_checkpoint
from tfartifacts.convert.fit import (
    no_graph,
    refuse_mismatch,
    refuse_missing_nodes,
    refuse_variables,
    with_restore_v2,
)
from tfartifacts.convert.restoring import restoring
from tfartifacts.convert.signatures import (
    SignatureNames,
    fed_notes,
    keyword_notes,
    refuse_not_utf8,
    reshaped,
    signatures_of,
    tensors_of,
    unfed_notes,
    without_fixed,
)
from tfartifacts.errors import ConversionError, UnsupportedError
from tfartifacts.graphs.compatibility import for_tensorflow as adapt
from tfartifacts.graphs.freeze import freeze as freeze_variables
from tfartifacts.graphs.initializers import with_init_op
from tfartifacts.graphs.placeholders import set_placeholders, with_shapes
from tfartifacts.graphs.prune import fed_tensors, prune
from tfartifacts.graphs.rewrite import clear_devices
from tfartifacts.graphs.saver import restored_tables, restored_variables
from tfartifacts.model.checkpoints import Checkpoint, CheckpointDirectory, File, FindFile
from tfartifacts.model.graphs import Graph
from tfartifacts.model.saved_models import (
    DEFAULT_SIGNATURE,
    INIT_OP_SIGNATURE,
    PREDICT_METHOD,
    SERVING_TAG,
    MetaGraph,
    SavedModel,
)
from tfartifacts.model.tensors import parse_tensor_name
from tfartifacts.model.values import PartialShape
from tfartifacts.records import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class SavedModelOptions:
    """How a SavedModel is made; see checkpoint_to_saved_model."""

    method_name: str = PREDICT_METHOD
    signatures: Mapping[str, SignatureNames] = field(default_factory=dict)
    meta_graph: MetaGraph | Graph | None = None
    keep_training_graph: bool = False
    freeze: bool = False
    use_ema: bool = False
    rename: tuple[str, ...] = ()
    placeholders: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, PartialShape] = field(default_factory=dict)
    for_tensorflow: str | None = None
    assets: Mapping[str, str] = field(default_factory=dict)
    finders: tuple[FindFile, ...] = ()
    follow_external: bool = False


_NO_OPTIONS = SavedModelOptions()


def checkpoint_to_saved_model(
    checkpoint: Checkpoint | CheckpointDirectory,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    signature: str | None = None,
    tags: Iterable[str] = (SERVING_TAG,),
    *,
    method_name: str = PREDICT_METHOD,
    signatures: Mapping[str, SignatureNames] | None = None,
    meta_graph: MetaGraph | Graph | None = None,
    keep_training_graph: bool = False,
    freeze: bool = False,
    use_ema: bool = False,
    rename: Iterable[str] = (),
    placeholders: Mapping[str, str] | None = None,
    shapes: Mapping[str, PartialShape] | None = None,
    for_tensorflow: str | None = None,
    assets: Mapping[str, str] | None = None,
    follow_external: bool = False,
) -> SavedModel:
    """A SavedModel of a checkpoint and the graph saved beside it.

    `inputs` and `outputs` map the keys callers use to tensors of the graph (`myInput:0`, or
    `myInput`); `signatures` are further ones, by key. Without any, those the graph has are kept,
    or the best candidates are taken if there is no doubt; `notes` says which. Of a folder of
    checkpoints the latest is taken. `meta_graph` takes the place of the checkpoint's own.

    Graph and variables are pruned to what the signatures need, unless `keep_training_graph`;
    `freeze` makes constants of the variables. `use_ema` takes the moving average of each variable
    that has one. `rename` are renamings of the checkpoint's variables (graphs/renaming.py),
    `placeholders` values for placeholders that become constants, `shapes` other shapes for
    placeholders. `for_tensorflow` ("1.15") drops what that one does not know. `assets` maps
    recorded paths of files the graph reads, or their last parts, to where those are now; others
    are looked for beside the checkpoint, and elsewhere only with `follow_external`.

    Raises NameNotFoundError (with close names) for a tensor that is not in the graph, and
    ConversionError where the graph or the checkpoint lacks what the result would need.
    """
    options = SavedModelOptions(
        method_name,
        signatures or {},
        meta_graph,
        keep_training_graph,
        freeze,
        use_ema,
        tuple(rename),
        placeholders or {},
        shapes or {},
        for_tensorflow,
        assets or {},
        follow_external=follow_external,
    )
    return to_saved_model(checkpoint, inputs, outputs, signature, tags, options)


def to_saved_model(
    source: Checkpoint | CheckpointDirectory | MetaGraph | Graph,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    signature: str | None = None,
    tags: Iterable[str] = (SERVING_TAG,),
    options: SavedModelOptions = _NO_OPTIONS,
) -> SavedModel:
    """As checkpoint_to_saved_model; also of a graph alone, whose variables are constants."""
    checkpoint: Checkpoint | None = None
    given: MetaGraph | Graph | None = options.meta_graph
    chosen: tuple[str, ...] = ()
    if isinstance(source, Checkpoint | CheckpointDirectory):
        checkpoint, chosen = one_checkpoint(source)
        chosen = (*chosen, *checkpoint.notes)
        given = given or checkpoint.meta_graph
        if given is None:
            raise no_graph(checkpoint)
    else:
        if options.rename or options.use_ema:
            raise ConversionError(
                "found variables to rename or to average, expected a checkpoint: the source is a "
                f"{source.kind}"
            )
        given = given or source
    meta_graph = given if isinstance(given, MetaGraph) else MetaGraph(given)
    if options.freeze and options.keep_training_graph:
        raise ConversionError("a frozen graph cannot be trained, expected one of the two options")
    meta_graph, notes = _prepared(meta_graph, options)
    wanted = dict(options.signatures)
    if inputs or outputs:
        if not outputs:
            raise ConversionError("found inputs alone, expected outputs too")
        key = DEFAULT_SIGNATURE if signature is None else signature
        if key in wanted:
            raise ConversionError(f"found signature {key!r} twice, expected it once")
        wanted[key] = SignatureNames(inputs or {}, outputs, options.method_name)
    tags = tuple(dict.fromkeys(tags))
    refuse_not_utf8(*tags)
    meta_graph, fixed = without_fixed(meta_graph, wanted, options.placeholders)
    notes += fixed
    made, said = signatures_of(meta_graph, wanted, signature, options.method_name)
    made = reshaped(meta_graph.graph, made, options.shapes)
    meta_graph = replace(
        meta_graph,
        info=replace(meta_graph.info, tags=tags),
        signatures=made,
        checkpoint_prefix=None,
        path=None,
        notes=(),
    )
    if not meta_graph.tags:
        raise ConversionError("found no tags, expected one or more, such as 'serve'")
    return _finished(meta_graph, checkpoint, options, (*chosen, *said, *notes))


def frozen_graph(saved_model: SavedModel) -> Graph:
    """The graph of a frozen SavedModel on its own, as a GraphDef file holds it.

    Raises ConversionError where it still has state: its init op and its assets would be lost.
    """
    (meta_graph,) = saved_model.meta_graphs
    if meta_graph.init_op is not None:
        name = parse_tensor_name(meta_graph.init_op)[0]
        runs = [text.removeprefix("^") for text in meta_graph.graph[name].inputs]
        raise ConversionError(
            f"found an init op ({', '.join(runs) or name}), expected constants alone: a graph has "
            "nobody to run it; make a SavedModel, which may be frozen all the same (--freeze)"
        )
    graph = meta_graph.graph
    read = () if graph.path is None else (File(graph.path, 0, 0.0),)
    unfed = unfed_notes(meta_graph)
    notes = (*(n for n in saved_model.notes if n not in unfed), *fed_notes(meta_graph))
    return replace(graph, op_defs={}, path=None, notes=notes, sources=(*graph.sources, *read))


def _prepared(
    meta_graph: MetaGraph, options: SavedModelOptions
) -> tuple[MetaGraph, tuple[str, ...]]:
    """The meta graph before its signatures: what is done to all of it."""
    if meta_graph.object_graph is not None:
        raise UnsupportedError(
            "found an object-based SavedModel of TensorFlow 2, expected a graph of a session: its "
            "graph restores through functions, so that it is not pruned, frozen or exported "
            "again; serve it as it is, change signatures in place (tfartifacts signature), or "
            "make a checkpoint of it (--to checkpoint)",
            path=meta_graph.path,
        )
    if not options.keep_training_graph:
        # Read once instead of at every pass; what is kept whole is carried as it is encoded.
        nodes = tuple(meta_graph.graph.nodes)
        meta_graph = replace(meta_graph, graph=replace(meta_graph.graph, nodes=nodes))
    graph = clear_devices(with_restore_v2(meta_graph))
    graph = set_placeholders(graph, options.placeholders)
    graph, notes = with_shapes(graph, options.shapes)
    return replace(meta_graph, graph=graph), notes


def _finished(
    meta_graph: MetaGraph,
    checkpoint: Checkpoint | None,
    options: SavedModelOptions,
    notes: tuple[str, ...],
) -> SavedModel:
    """The SavedModel of a meta graph with its signatures: state, assets, pruned, frozen."""
    needs = _needs(meta_graph)
    if checkpoint is None:
        refuse_variables(meta_graph, needs)
    else:
        meta_graph, checkpoint, more = restoring(
            meta_graph, checkpoint, needs, options.rename, use_ema=options.use_ema
        )
        notes += more
    meta_graph, more = with_init_op(meta_graph, needs)
    notes += (*more, *unfed_notes(meta_graph))
    if not options.keep_training_graph:
        meta_graph = prune(meta_graph)
    finders = options.finders if checkpoint is None else (*options.finders, checkpoint.find_file)
    search = Search(finders, options.assets, options.follow_external)
    meta_graph, assets, more = with_asset_files(meta_graph, _needs(meta_graph), search)
    notes += more
    refuse_missing_nodes(meta_graph.graph)
    if checkpoint is not None:
        refuse_mismatch(meta_graph, checkpoint)
        graph = replace(meta_graph.graph, sources=checkpoint.files)
        meta_graph = replace(meta_graph, graph=graph)
        if options.freeze:
            meta_graph = freeze_variables(meta_graph, checkpoint.variables)
            checkpoint = None
        elif not options.keep_training_graph:
            checkpoint = _restored_part(meta_graph, checkpoint)
    if options.for_tensorflow is not None:
        graph, more = adapt(meta_graph.graph, options.for_tensorflow)
        meta_graph = replace(meta_graph, graph=graph)
        notes += more
    return SavedModel(
        path=None,
        meta_graphs=(meta_graph,),
        checkpoint=checkpoint if checkpoint is not None and checkpoint.variables else None,
        assets=assets,
        notes=(*notes, *keyword_notes(meta_graph)),
    )


def _needs(meta_graph: MetaGraph) -> list[tuple[list[str], tuple[str, ...]]]:
    """The tensors that each signature computes, with those its callers feed."""
    return [
        (tensors_of(signature, "outputs"), fed_tensors(meta_graph.graph, signature))
        for key, signature in meta_graph.signatures.items()
        if key != INIT_OP_SIGNATURE
    ]


def _restored_part(meta_graph: MetaGraph, checkpoint: Checkpoint) -> Checkpoint:
    """The variables that the saver restores."""
    keys = {restored.key for restored in restored_variables(meta_graph)}
    keys |= {key for table in restored_tables(meta_graph) for key, _, _ in table.sources}
    if len(keys) == len(checkpoint.variables):
        return checkpoint
    variables = {name: checkpoint.variables[name] for name in checkpoint.variables if name in keys}
    return replace(checkpoint, variables=variables)
