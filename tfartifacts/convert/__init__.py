"""One artifact -> another form: which converter an artifact and a wish need.

    checkpoint        -> SavedModel, frozen graph    to_saved_model
    graph, meta graph -> SavedModel, frozen graph    to_saved_model
    SavedModel        -> checkpoint                  to_checkpoint
                      -> SavedModel, frozen graph    to_saved_model: pruned, other signatures

From one model to another: no tensor is read, no disk touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tfartifacts.convert.asset_files import FindAsset
from tfartifacts.convert.choosing import source_path
from tfartifacts.convert.signatures import SignatureNames, tensor_info, with_keys
from tfartifacts.convert.to_checkpoint import saved_model_to_checkpoint
from tfartifacts.convert.to_saved_model import (
    SavedModelOptions,
    checkpoint_to_saved_model,
    frozen_graph,
    to_saved_model,
)
from tfartifacts.errors import ConversionError
from tfartifacts.model.checkpoints import Checkpoint, CheckpointDirectory
from tfartifacts.model.graphs import Graph
from tfartifacts.model.manifests import SAVED_MODEL_MANIFEST
from tfartifacts.model.saved_models import SERVING_TAG, MetaGraph, SavedModel
from tfartifacts.records import replace
from tfartifacts.storage.recorded_files import find_beside

if TYPE_CHECKING:
    from tfartifacts.model import Artifact

__all__ = [
    "FindAsset",
    "SavedModelOptions",
    "SignatureNames",
    "checkpoint_to_saved_model",
    "convert",
    "saved_model_to_checkpoint",
    "source_path",
    "tensor_info",
    "with_keys",
]

_EXTRA_FOLDER = "assets.extra"


def convert(
    source: Artifact,
    *,
    to: str | None = None,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    signature: str | None = None,
    tags: Iterable[str] | None = None,
    names: str | None = None,
    with_meta: bool = False,
    options: SavedModelOptions | None = None,
) -> SavedModel | Checkpoint | Graph:
    """The other form of an artifact: a SavedModel of a checkpoint, a checkpoint of a SavedModel.

    `to` ("saved-model", "checkpoint" or "graph-def", a frozen graph) follows from the source where
    it is not given. `options` are those of to_saved_model. Raises ConversionError where the
    source has nothing to convert, and what the converters raise.
    """
    target = to or ("checkpoint" if isinstance(source, SavedModel) else "saved-model")
    if target == "checkpoint":
        if not isinstance(source, SavedModel):
            raise ConversionError(
                f"the source is a {source.kind} already, expected a SavedModel to make a checkpoint"
            )
        if inputs or outputs or signature is not None or options not in (None, SavedModelOptions()):
            raise ConversionError(
                "found inputs, outputs, a signature or other options of a SavedModel for a "
                "checkpoint, which has none; they go with --to saved-model"
            )
        return saved_model_to_checkpoint(source, tags, names=names, with_meta=with_meta)
    if names is not None or with_meta:
        raise ConversionError("found options of a checkpoint for a result that is a SavedModel")
    options = options or SavedModelOptions()
    if target == "graph-def":
        options = replace(options, freeze=True)
    original = source
    if isinstance(source, SavedModel):
        meta_graph = source.meta_graph(tags)
        tags = meta_graph.info.tags
        options = replace(
            options,
            meta_graph=options.meta_graph or meta_graph,
            finders=(*options.finders, FindAsset(source)),
        )
        source = source.checkpoint if source.checkpoint is not None else meta_graph
    elif isinstance(source, MetaGraph | Graph) and source.path is not None:
        options = replace(options, finders=(*options.finders, find_beside(source.path)))
    if not isinstance(source, Checkpoint | CheckpointDirectory | MetaGraph | Graph):
        raise ConversionError(f"found a {source.kind}, expected a checkpoint, graph or SavedModel")
    made = to_saved_model(
        source,
        inputs,
        outputs,
        signature,
        (SERVING_TAG,) if tags is None else tags,
        options,
    )
    if target == "graph-def":
        return frozen_graph(made)
    return _with_extras(made, original) if isinstance(original, SavedModel) else made


def _with_extras(made: SavedModel, original: SavedModel) -> SavedModel:
    """The SavedModel with the extra assets of the one it was made of, such as warm-up requests."""
    root = os.path.join(original.path or ".", _EXTRA_FOLDER, "")
    extras = tuple(file for file in original.other_files if file.path.startswith(root))
    if not extras:
        return made
    made = replace(made, other_files=extras, others_folder=original.path or ".")
    names = [file.path.removeprefix(root) for file in extras]
    # Who saves it leaves a manifest behind, and says so.
    names = [name for name in names if f"{_EXTRA_FOLDER}/{name}" != SAVED_MODEL_MANIFEST]
    if not names:
        return made
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    note = (
        f"{_EXTRA_FOLDER}/ is carried as it is ({shown}): warm-up requests name signatures and "
        "inputs, which the result is to have"
    )
    return replace(made, notes=(*made.notes, note))
