"""Say what a path is, and read it.

A path may be a folder, a checkpoint prefix, or any member file: `.index`, `.data-...`, `.meta`,
`checkpoint`, `saved_model.pb`, a variables file, a frozen graph under any name. Content decides
before names do.

    prefixes      which checkpoints there are
    checkpoints   a checkpoint, a folder of them with its state file
    messages      files of one message: graphs, meta graphs; what is none of ours
    saved_models  a SavedModel's folder
    changes       a source that changes while it is read
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from tfartifacts.errors import (
    NotThisFormatError,
    PathNotFoundError,
    TfArtifactsError,
    UnsupportedError,
    close_names,
)
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats import sniff
from tfartifacts.formats.bundle_entries import index_file, prefix_of_data_file
from tfartifacts.formats.checkpoint_state import STATE_FILE
from tfartifacts.formats.tensor_bundle import read_bundle
from tfartifacts.formats.v1_checkpoint import set_of_shard, shard_files
from tfartifacts.model.checkpoints import File
from tfartifacts.model.saved_models import MetaGraph, SavedModel
from tfartifacts.opening.changes import while_unchanged as while_unchanged
from tfartifacts.opening.checkpoints import (
    open_checkpoint,
    open_checkpoint_directory,
    without_state_file,
)
from tfartifacts.opening.messages import graph_or_meta_graph, read_content
from tfartifacts.opening.prefixes import (
    INDEX_SUFFIX,
    META_SUFFIX,
    ends_as_table,
    listing,
    prefixes_in,
)
from tfartifacts.opening.saved_models import read_folder
from tfartifacts.storage.files import BytesSource, FileSource, describe_file, read_file

if TYPE_CHECKING:
    from tfartifacts.model import Artifact


def open_artifact(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes], *, follow_external: bool = False
) -> Artifact:
    """What TensorFlow left at a path: a folder, a checkpoint prefix, or any member file.

    Metadata is read and checked now, so that it cannot fail later; values of variables are read
    when asked for, as are a checkpoint's graph and object graph. Nothing is executed or written.
    A state file's path that leads out of its folder is followed only with `follow_external`.

    Raises PathNotFoundError, NotThisFormatError (naming what the file is), UnsupportedError,
    ChecksumError and FormatError (with the byte offset).
    """
    name = os.fsdecode(path)
    if not os.path.lexists(name):
        return _open_prefix(name)
    try:
        if os.path.isdir(name):
            return _open_folder(name, follow_external)
        return _open_file(name, follow_external)
    except NotThisFormatError:
        # A folder or file that is none of ours may have the name of a prefix.
        if not os.path.isfile(index_file(name)):
            raise
        return open_checkpoint(name)


def open_to_convert(path: str | os.PathLike[str], *, follow_external: bool = False) -> Artifact:
    """As open_artifact, but a `.meta` file stands for the checkpoint of its name beside it."""
    artifact = open_artifact(path, follow_external=follow_external)
    if isinstance(artifact, MetaGraph) and artifact.checkpoint_prefix is not None:
        return open_checkpoint(artifact.checkpoint_prefix)
    return artifact


def open_saved_model(path: str | os.PathLike[str]) -> SavedModel:
    """As open_artifact, of a SavedModel. Raises NotThisFormatError for anything else."""
    artifact = open_artifact(path)
    if not isinstance(artifact, SavedModel):
        raise NotThisFormatError(
            f"found a {artifact.kind}, expected a SavedModel", path=os.fspath(path)
        )
    return artifact


def _open_folder(folder: str, follow_external: bool) -> Artifact:
    names = listing(folder)
    for file in layout.FILES:
        if file in names:
            return _open_saved_model_file(os.path.join(folder, file), folder)
    if STATE_FILE in names and os.path.isfile(os.path.join(folder, STATE_FILE)):
        return open_checkpoint_directory(folder, follow_external=follow_external)
    if prefixes := prefixes_in(folder, names):
        return without_state_file(folder, prefixes)
    if versions := _version_folders(folder, names):
        return _open_version(folder, versions)
    return _open_only_graph(folder, names)


def _version_folders(folder: str, names: Iterable[str]) -> list[str]:
    """Numbered version folders that hold a SavedModel, lowest first."""
    versions = [
        name
        for name in names
        if re.fullmatch(r"\d{1,18}", name)
        and any(os.path.isfile(os.path.join(folder, name, file)) for file in layout.FILES)
    ]
    return sorted(versions, key=int)


def _open_version(folder: str, versions: list[str]) -> Artifact:
    newest = os.path.join(folder, versions[-1])
    artifact = _open_folder(newest, follow_external=False)
    note = f"version {versions[-1]} of {folder}"
    if len(versions) > 1:
        note += f"; also there: {', '.join(versions[:-1])}"
    return replace(artifact, notes=(note, *artifact.notes))


def _open_only_graph(folder: str, names: list[str]) -> Artifact:
    graphs = [name for name in names if name.endswith((META_SUFFIX, ".pb", ".pbtxt"))]
    if len(graphs) == 1:
        return _open_file(os.path.join(folder, graphs[0]), follow_external=False)
    if graphs:
        shown = ", ".join(graphs[:5]) + (", ..." if len(graphs) > 5 else "")
        raise NotThisFormatError(f"found {len(graphs)} graphs, pass one: {shown}", path=folder)
    if "variables" in names and os.path.isdir(os.path.join(folder, "variables")):
        raise NotThisFormatError(
            "found variables/ but no saved_model.pb: half a SavedModel; pass variables/ to see "
            "the variables alone",
            path=folder,
        )
    expected = "expected a checkpoint, SavedModel or graph"
    if not names:
        raise NotThisFormatError(f"found an empty folder, {expected}", path=folder)
    shown = ", ".join(_with_kind(folder, name) for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    raise NotThisFormatError(f"found {shown}{more}, {expected}", path=folder)


def _with_kind(folder: str, name: str) -> str:
    path = os.path.join(folder, name)
    file = describe_file(path)
    if file is None:
        return f"{name}/" if os.path.isdir(path) else name
    try:
        foreign = sniff.describe_foreign(read_file(path, sniff.HEAD_SIZE), file.size)
    except TfArtifactsError:
        foreign = None
    return f"{name} ({foreign.split(';')[0]})" if foreign else name


def _open_prefix(prefix: str) -> Artifact:
    """A path at which there is no file: a checkpoint prefix, or nothing."""
    if os.path.lexists(index_file(prefix)):
        return open_checkpoint(prefix)
    if (whole := set_of_shard(prefix)) and shard_files(whole):
        return open_checkpoint(whole)
    if shard_files(prefix):
        return open_checkpoint(prefix)
    if os.path.lexists(prefix + META_SUFFIX):
        meta_graph = _open_file(prefix + META_SUFFIX, follow_external=False)
        note = f"no {os.path.basename(prefix)}.index: the graph alone, without variables"
        return replace(meta_graph, notes=(note, *meta_graph.notes))
    if (data_prefix := prefix_of_data_file(prefix)) is not None:
        raise PathNotFoundError(
            f"no such file; the checkpoint's prefix would be {data_prefix}", path=prefix
        )
    raise PathNotFoundError(_no_such_path(prefix), path=prefix)


def _no_such_path(path: str) -> str:
    folder, base = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except (OSError, ValueError):
        return f"no such file or folder, and no folder {folder}" if folder else "no such file"
    data = sorted(name for name in names if prefix_of_data_file(name) == base)
    if data:
        return (
            f"found {data[0]} but no {base}.index: without the index the data cannot be read; "
            "copy it from where the checkpoint was written"
        )
    message = "no such file, folder or checkpoint prefix"
    prefixes = {name.removesuffix(INDEX_SUFFIX) for name in names if name.endswith(INDEX_SUFFIX)}
    if close := close_names(base, sorted(prefixes | set(names))):
        message += "; did you mean " + " or ".join(os.path.join(folder, n) for n in close) + "?"
    return message


def _open_file(path: str, follow_external: bool) -> Artifact:
    file = describe_file(path)
    if file is None:
        read_file(path, 1)  # raises, saying why it cannot be read
        raise PathNotFoundError("found no regular file, expected one", path=path)
    if (prefix := prefix_of_data_file(path)) is not None:
        return _open_data_file(path, prefix)
    if path.endswith(INDEX_SUFFIX):
        return open_checkpoint(path.removesuffix(INDEX_SUFFIX))
    if ends_as_table(path):
        return _open_table(path, file)
    data, content = read_content(path, file)
    if content.kind == "CheckpointState":
        folder = os.path.dirname(path)
        return open_checkpoint_directory(folder, follow_external=follow_external, state_file=path)
    if content.kind == "SavedModel":
        return read_folder(path, file, data, content)
    return graph_or_meta_graph(path, data, content)


def _open_data_file(path: str, prefix: str) -> Artifact:
    if not os.path.lexists(index_file(prefix)):
        raise PathNotFoundError(
            f"found a data file without its index: {os.path.basename(index_file(prefix))} is not "
            "beside it, and without it the data cannot be read",
            path=path,
        )
    return open_checkpoint(prefix)


def _open_table(path: str, file: File) -> Artifact:
    if sniff.table_kind(FileSource(path, file.size)) == "V1":
        return open_checkpoint(set_of_shard(path) or path)
    # An index under another name: its data files are named after the prefix it would have.
    checkpoint = read_bundle(path, BytesSource(path, read_file(path)).data)
    note = "an index that is not named .index; its data files are looked for under this name"
    return replace(checkpoint, notes=(note, *checkpoint.notes))


def _open_saved_model_file(path: str, folder: str) -> Artifact:
    if os.path.basename(path) == layout.CHUNKED_FILE:
        raise UnsupportedError(
            "found a SavedModel in chunks (.cpb, TensorFlow 2.16 or later, for models of over "
            "2 GiB), which is not read; save it without experimental_image_format. Its variables "
            f"can be read: pass {os.path.join(folder, layout.VARIABLES_FOLDER)}",
            path=path,
        )
    return _open_file(path, follow_external=False)
