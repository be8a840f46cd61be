"""How a source is to be run as a conversion takes it: its graph, its keys, the files it reads."""

from __future__ import annotations

from collections.abc import Mapping

from tfartifacts.convert import SavedModelOptions
from tfartifacts.convert.restoring import AVERAGE_SUFFIX
from tfartifacts.execution.loading import Loading, files_of
from tfartifacts.graphs.renaming import rename
from tfartifacts.model import Artifact, Checkpoint, CheckpointDirectory, SavedModel

_NO_OPTIONS = SavedModelOptions()


def loading_of(
    source: Artifact,
    result: Artifact,
    options: SavedModelOptions,
    tags: tuple[str, ...] | None = None,
) -> Loading:
    """How to load the source so that it computes what a result of these options should."""
    return Loading(
        tags=tags,
        graph=options.meta_graph,
        keys=keys_of(source, options),
        files=files_of(result) if isinstance(result, SavedModel | Checkpoint) else {},
        lenient=True,
        as_written=True,
    )


def keys_of(source: Artifact, options: SavedModelOptions = _NO_OPTIONS) -> Mapping[str, str]:
    """The key in the checkpoint of each that a graph asks for, where that is another.

    None of a SavedModel that is taken as it is: its loader knows.
    """
    checkpoint: Checkpoint | None = None
    match source:
        case Checkpoint():
            checkpoint = source
        case CheckpointDirectory():
            checkpoint = source.latest
        case SavedModel() if options.rename or options.use_ema or options.meta_graph is not None:
            checkpoint = source.checkpoint
    return {} if checkpoint is None else _keys(checkpoint, options)


def _keys(checkpoint: Checkpoint, options: SavedModelOptions) -> Mapping[str, str]:
    """The keys of a checkpoint, by what they are called after all options.

    Names of an object-based checkpoint's variables first (a graph that restores by object keys
    asks for those, which stay), then renamings, then averages.
    """
    objects = checkpoint.object_graph
    full_names = {} if objects is None else objects.full_names
    keys: dict[str, str] = {}
    for key in checkpoint.variables:
        keys.setdefault(rename(full_names.get(key) or key, options.rename), key)
    if options.use_ema:
        averaged = [name for name in keys if name + AVERAGE_SUFFIX in keys]
        keys |= {name: keys[name + AVERAGE_SUFFIX] for name in averaged}
    return {name: key for name, key in keys.items() if name != key}
