"""The variables that are meant by an artifact."""

from __future__ import annotations

from tfartifacts.errors import ConversionError
from tfartifacts.model.checkpoints import Checkpoint, CheckpointDirectory
from tfartifacts.model.saved_models import SavedModel
from tfartifacts.model.values import Always, Deferred
from tfartifacts.records import replace

Source = Checkpoint | CheckpointDirectory | SavedModel


def variables_of(source: Source) -> Checkpoint:
    """The checkpoint itself, the latest of a folder, or that of a SavedModel, without a graph.

    Raises ConversionError where there is none.
    """
    match source:
        case Checkpoint():
            return source
        case CheckpointDirectory():
            if source.latest is None:
                raise ConversionError(
                    "found no latest checkpoint, expected one; pass a prefix", path=source.path
                )
            return source.latest
        case SavedModel():
            if source.checkpoint is None:
                raise ConversionError(
                    "found a SavedModel without variables, expected some", path=source.path
                )
            note = "the SavedModel's graph is left out; tfartifacts convert keeps it"
            return replace(
                source.checkpoint,
                meta_graph_part=Deferred(Always(None)),
                notes=(*source.checkpoint.notes, note),
            )
    kind = getattr(source, "kind", type(source).__name__)
    raise ConversionError(f"found a {kind}, expected a checkpoint or a SavedModel")
