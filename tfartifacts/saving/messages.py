"""Save a meta graph, a graph or any bytes as one file."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tfartifacts.formats.manifest import SUFFIX as MANIFEST_SUFFIX
from tfartifacts.model.checkpoints import File
from tfartifacts.saving.leftovers import clear_place
from tfartifacts.saving.plans import Message, Options, Plan, Saved, saved
from tfartifacts.saving.staging import stage
from tfartifacts.storage.publishing import publish_files, refuse_existing
from tfartifacts.storage.temporary import staging_folder


def save_message(
    message: Message, path: str, options: Options, sources: Sequence[File] = ()
) -> Saved:
    refuse_existing(path)
    # Of a file of that name that was removed; it would not fit this one.
    refuse_existing(path + MANIFEST_SUFFIX)
    message.check_size(path)
    folder, name = os.path.split(os.path.abspath(path))
    plan = Plan(messages={name: message})
    if not options.dry_run:
        with staging_folder(path) as staging:
            staged = os.path.join(staging, "graph")
            stage(plan, staged, sources, options)
            publish_files(staged, folder, [name])
    return saved(os.path.dirname(path), plan.sizes())


def save_bytes(data: bytes, path: str) -> None:
    """A new file of these bytes, whole or not at all."""
    clear_place(path)
    save_message(Message([data], lambda _: None), path, Options())
