"""Signatures and tags of a SavedModel, changed in the model: nothing else of it is touched.

`saving.rewrite` puts the result into the file it was read from, the graph's bytes as they are; in
the objects of TensorFlow 2 a signature is renamed and removed there, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tfartifacts.convert.signatures import (
    keyword_notes,
    refuse_not_utf8,
    refuse_reserved,
    tensor_info,
    unfed_notes,
)
from tfartifacts.errors import ConversionError, name_not_found
from tfartifacts.graphs.signature_check import INTERNAL_SIGNATURES
from tfartifacts.model.saved_models import (
    PREDICT_METHOD,
    MetaGraph,
    SavedModel,
    Signature,
    format_tags,
)
from tfartifacts.records import replace


def add_signature(
    saved_model: SavedModel,
    key: str,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    *,
    tags: Iterable[str] | None = None,
    method_name: str = PREDICT_METHOD,
    replace_existing: bool = False,
) -> SavedModel:
    """The SavedModel with one more signature; `inputs` and `outputs` map keys to tensors.

    `tags` choose the meta graph, and may be left out where there is just one. Placeholders that
    the outputs need and the inputs lack are noted. Raises NameNotFoundError (with close names) for
    a tensor that is not in the graph, ConversionError for a key that is taken or cannot be one.
    """
    meta_graph = saved_model.meta_graph(tags)
    refuse_reserved(key)
    refuse_not_utf8(key, method_name, *inputs, *outputs)
    replaces = key in meta_graph.signatures
    if replaces and not replace_existing:
        raise ConversionError(f"found a signature {key!r} already; pass --replace, or another key")
    if not outputs:
        raise ConversionError("found no outputs, expected one or more")
    graph = meta_graph.graph
    made = Signature(
        {name: tensor_info(graph, tensor) for name, tensor in inputs.items()},
        {name: tensor_info(graph, tensor) for name, tensor in outputs.items()},
        method_name,
    )
    alone = replace(meta_graph, signatures={key: made})
    notes = [*unfed_notes(alone, command="convert "), *keyword_notes(alone)]
    if meta_graph.object_graph is not None:
        seen = "still sees the one there was" if replaces else "does not see it"
        notes.append(
            f"tf.saved_model.load {seen}: the SavedModel's objects have no function for it; "
            "TensorFlow Serving, saved_model_cli run and the loader of TensorFlow 1 take it"
        )
    changed = _with(saved_model, meta_graph, {**meta_graph.signatures, key: made})
    return replace(changed, notes=(*changed.notes, *notes))


def rename_signature(
    saved_model: SavedModel, old: str, new: str, *, tags: Iterable[str] | None = None
) -> SavedModel:
    """The SavedModel with a signature under another key. Errors as in add_signature."""
    meta_graph = saved_model.meta_graph(tags)
    refuse_reserved(old)
    refuse_reserved(new)
    refuse_not_utf8(new)
    _find(meta_graph, old)
    if new in meta_graph.signatures:
        raise ConversionError(f"found a signature {new!r} already; remove it first")
    signatures = {
        new if key == old else key: signature for key, signature in meta_graph.signatures.items()
    }
    return _with(saved_model, meta_graph, signatures)


def remove_signatures(
    saved_model: SavedModel, keys: Iterable[str], *, tags: Iterable[str] | None = None
) -> SavedModel:
    """The SavedModel without these signatures. Raises NameNotFoundError for one it lacks."""
    meta_graph = saved_model.meta_graph(tags)
    unwanted = set(keys)
    for key in sorted(unwanted):
        refuse_reserved(key)
        _find(meta_graph, key)
    signatures = {
        key: signature for key, signature in meta_graph.signatures.items() if key not in unwanted
    }
    return _with(saved_model, meta_graph, signatures)


def set_tags(
    saved_model: SavedModel, new: Iterable[str], *, tags: Iterable[str] | None = None
) -> SavedModel:
    """The SavedModel with other tags on one of its meta graphs, chosen by its present `tags`.

    Raises ConversionError for tags that another meta graph has: loaders would find one alone.
    """
    meta_graph = saved_model.meta_graph(tags)
    wanted = tuple(dict.fromkeys(new))
    if not wanted or not all(wanted):
        raise ConversionError("found no tags, expected one or more, such as 'serve'")
    refuse_not_utf8(*wanted)
    others = [other for other in saved_model.meta_graphs if other is not meta_graph]
    if any(other.tags == frozenset(wanted) for other in others):
        raise ConversionError(f"found another meta graph with tags {format_tags(wanted)}")
    changed = replace(meta_graph, info=replace(meta_graph.info, tags=wanted))
    return _with_meta_graph(saved_model, meta_graph, changed)


def _find(meta_graph: MetaGraph, key: str) -> None:
    if key not in meta_graph.signatures:
        known = [name for name in meta_graph.signatures if not name.startswith(INTERNAL_SIGNATURES)]
        raise name_not_found("signature", key, known)


def _with(
    saved_model: SavedModel, meta_graph: MetaGraph, signatures: Mapping[str, Signature]
) -> SavedModel:
    changed = replace(meta_graph, signatures=signatures)
    return _with_meta_graph(saved_model, meta_graph, changed)


def _with_meta_graph(saved_model: SavedModel, old: MetaGraph, new: MetaGraph) -> SavedModel:
    meta_graphs = tuple(new if each is old else each for each in saved_model.meta_graphs)
    return replace(saved_model, meta_graphs=meta_graphs)
