"""Where an artifact's manifest is."""

from __future__ import annotations

import os

from tfartifacts.formats.manifest import manifest_path
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.opening.prefixes import META_SUFFIX


def find_manifest(path: str, kind: str) -> str | None:
    """Where an artifact's manifest is, None if it has none.

    `path` and `kind` are those of its model: a SavedModel's folder, a checkpoint prefix, the file
    of a graph or meta graph. That of a checkpoint covers its `.meta` as well.
    """
    own = manifest_path(path, kind)
    if os.path.lexists(own):
        return own
    if kind == MetaGraph.kind and path.endswith(META_SUFFIX):
        whole = manifest_path(path.removesuffix(META_SUFFIX), Checkpoint.kind)
        return whole if os.path.lexists(whole) else None
    return None
