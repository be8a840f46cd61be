"""A SavedModel's folder: what lies beside `saved_model.pb`.

Links are followed as TensorFlow follows them: `saved_model.pb`, `variables/` and each file may be
links, as caches of models lay them. Names that the model gives its assets are looked for in
`assets/` alone, and a folder that is a link out of the SavedModel is not listed: it may be any.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.model.checkpoints import File
from tfartifacts.model.saved_models import Asset, MetaGraph, SavedModel
from tfartifacts.model.values import Buffer
from tfartifacts.opening.checkpoints import open_checkpoint
from tfartifacts.opening.messages import parse_message, reading
from tfartifacts.opening.prefixes import checkpoint_exists, listing, prefixes_in
from tfartifacts.records import replace
from tfartifacts.storage.files import describe_file
from tfartifacts.storage.recorded_files import is_inside

if TYPE_CHECKING:
    from tfartifacts.formats.sniff import Content

# What SavedModels called their variables when these lay elsewhere than in variables/variables.
_FLAT_NAMES = ("variables", "saved_model_variables")


def read_folder(path: str, file: File, data: Buffer, content: Content) -> SavedModel:
    """The SavedModel of a `saved_model.pb` that was read, with what lies beside it."""
    saved_model = read_without_variables(path, file, data, content)
    prefix, notes = find_variables(os.path.dirname(path), saved_model.meta_graphs)
    if prefix is None:
        return replace(saved_model, notes=(*notes, *saved_model.notes))
    checkpoint = open_checkpoint(prefix)
    notes = (*notes, *checkpoint.notes, *saved_model.notes)
    return replace(saved_model, checkpoint=checkpoint, notes=notes)


def read_without_variables(path: str, file: File, data: Buffer, content: Content) -> SavedModel:
    """As read_folder, but its variables are not looked for."""
    message = parse_message(path, data, content)
    with reading(path, content):
        saved_model = layout.read_saved_model(message, path)
    folder = os.path.dirname(path)
    other_files, notes = _other_files(folder, os.path.basename(path))
    return replace(
        saved_model,
        path=folder or ".",
        file=file,
        assets=_assets(folder, saved_model.meta_graphs),
        other_files=other_files,
        notes=notes,
    )


def find_variables(
    folder: str, meta_graphs: Iterable[MetaGraph]
) -> tuple[str | None, tuple[str, ...]]:
    """The prefix of a SavedModel's variables, and what is odd about where they are.

    TensorFlow looks at variables/variables only. Models from before 2017 and flat uploads have
    them elsewhere, under a name of their own: any other checkpoint beside the model is not its.
    """
    standard = os.path.join(folder, *layout.VARIABLES_PREFIX.split("/"))
    if checkpoint_exists(standard) or os.path.lexists(index_file(standard)):
        return standard, ()
    if all(meta_graph.saver is None for meta_graph in meta_graphs):
        return None, ()
    inside = os.path.join(folder, layout.VARIABLES_FOLDER)
    found = prefixes_in(inside, listing(inside)) if os.path.isdir(inside) else []
    flat = [os.path.join(folder, name) for name in _FLAT_NAMES]
    found = found or [prefix for prefix in flat if checkpoint_exists(prefix)]
    if not found:
        return None, (f"its variables are missing: there is no {layout.VARIABLES_PREFIX}.index",)
    shown = [os.path.relpath(prefix, folder or ".") for prefix in found]
    if len(found) > 1:
        return None, (f"found {', '.join(shown)}: which of them are its variables is unknown",)
    note = (
        f"its variables are at {shown[0]}, not at {layout.VARIABLES_PREFIX}: TensorFlow does not "
        "load it as it is"
    )
    return found[0], (note,)


def _assets(folder: str, meta_graphs: Iterable[MetaGraph]) -> tuple[Asset, ...]:
    declared: dict[str, list[str]] = {}
    for meta_graph in meta_graphs:
        for asset in meta_graph.asset_files:
            tensors = declared.setdefault(asset.filename, [])
            if asset.tensor_name not in tensors:
                tensors.append(asset.tensor_name)
    root = os.path.join(folder, layout.ASSETS_FOLDER)
    if is_inside(root, folder):
        files = _files_below(root)
    else:
        named = (os.path.join(root, name) for name in declared if _is_plain(name))
        files = [file for file in map(describe_file, named) if file is not None]
    present = {os.path.relpath(file.path, root): file for file in files}
    return tuple(
        Asset(name, tuple(declared.get(name, ())), present.get(name))
        for name in [*declared, *(name for name in present if name not in declared)]
    )


def _is_plain(name: str) -> bool:
    """Whether a name leads nowhere but into the folder it is looked for in."""
    return bool(name) and not os.path.isabs(name) and ".." not in name.split("/")


def _other_files(folder: str, own: str) -> tuple[tuple[File, ...], tuple[str, ...]]:
    """The other files of a SavedModel, and what is to be said of folders that are not entered."""
    known = {own, layout.VARIABLES_FOLDER, layout.ASSETS_FOLDER}
    files = []
    notes = []
    for name in listing(folder or "."):
        path = os.path.join(folder, name)
        if name in known or re.search(r"\.(index|data-\d+-of-\d+)\Z", name):
            continue
        if name in ("assets.extra", "debug") and os.path.isdir(path):
            if is_inside(path, folder):
                files += _files_below(path)
            else:
                notes.append(f"{name} is a link out of the SavedModel: not followed")
        elif (file := describe_file(path)) is not None:
            files.append(file)
    return tuple(files), tuple(notes)


def _files_below(folder: str, most: int = 10_000) -> list[File]:
    """The regular files in a folder and below, by name; links to folders are not entered."""
    files: list[File] = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = describe_file(os.path.join(parent, name))
            if file is not None:
                files.append(file)
            if len(files) >= most:
                return files
    return files
