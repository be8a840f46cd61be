"""What a path is, told without reading more than the last bytes of a file.

checkpoint            a prefix: V2, or V1 where there is no index
index                 an index under a name that does not end so
checkpoint-directory  a folder, with a state file or at least one prefix
versions              a folder of numbered folders with a SavedModel each
message               a file of one message: its content tells which
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress

from tfartifacts.errors import (
    FormatError,
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
from tfartifacts.formats.v1_checkpoint import set_of_shard, shard_files
from tfartifacts.opening.prefixes import (
    INDEX_SUFFIX,
    META_SUFFIX,
    ends_as_table,
    listing,
    prefixes_in,
)
from tfartifacts.records import dataclass
from tfartifacts.storage.files import FileSource, describe_file, read_file


@dataclass(frozen=True, slots=True)
class Located:
    """What a path is; `path` is the prefix, folder or file to open.

    `names` are the prefixes of a folder without state file, or the version folders, lowest first.
    """

    kind: str
    path: str
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def locate(path: str) -> Located:
    """What is at a path.

    Raises PathNotFoundError where there is nothing, NotThisFormatError for a folder that holds
    nothing of ours, UnsupportedError for a SavedModel in chunks.
    """
    if not os.path.lexists(path):
        return _locate_prefix(path)
    if not os.path.isdir(path):
        return _locate_file(path)
    try:
        return _locate_folder(path)
    except NotThisFormatError:
        # A folder that is none of ours may have the name of a prefix.
        if not os.path.isfile(index_file(path)):
            raise
        return Located("checkpoint", path)


def _locate_folder(folder: str) -> Located:
    names = listing(folder)
    for file in layout.FILES:
        if file == layout.CHUNKED_FILE and file in names:
            raise _chunked(os.path.join(folder, file))
        if file in names:
            return _locate_file(os.path.join(folder, file))
    if STATE_FILE in names and os.path.isfile(os.path.join(folder, STATE_FILE)):
        return Located("checkpoint-directory", folder)
    if prefixes := prefixes_in(folder, names):
        return Located("checkpoint-directory", folder, tuple(prefixes))
    if versions := _version_folders(folder, names):
        return Located("versions", folder, tuple(versions))
    return _locate_file(_only_graph(folder, names))


def _version_folders(folder: str, names: Iterable[str]) -> list[str]:
    """Numbered version folders that hold a SavedModel, lowest first."""
    versions = [
        name
        for name in names
        if re.fullmatch(r"\d{1,18}", name)
        and any(os.path.isfile(os.path.join(folder, name, file)) for file in layout.FILES)
    ]
    return sorted(versions, key=int)


def _only_graph(folder: str, names: list[str]) -> str:
    graphs = [name for name in names if name.endswith((META_SUFFIX, ".pb", ".pbtxt"))]
    if len(graphs) == 1:
        return os.path.join(folder, graphs[0])
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


def _locate_prefix(prefix: str) -> Located:
    """A path at which there is no file: a checkpoint prefix, or nothing."""
    if os.path.lexists(index_file(prefix)):
        return Located("checkpoint", prefix)
    if (whole := set_of_shard(prefix)) and shard_files(whole):
        return Located("checkpoint", whole)
    if shard_files(prefix):
        return Located("checkpoint", prefix)
    if os.path.lexists(prefix + META_SUFFIX):
        note = f"no {os.path.basename(prefix)}.index: the graph alone, without variables"
        return Located("message", prefix + META_SUFFIX, notes=(note,))
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


def _locate_file(path: str) -> Located:
    file = describe_file(path)
    if file is None:
        read_file(path, 1)  # raises, saying why it cannot be read
        raise PathNotFoundError("found no regular file, expected one", path=path)
    if (prefix := prefix_of_data_file(path)) is not None:
        return _locate_data_file(path, prefix)
    if path.endswith(INDEX_SUFFIX):
        return Located("checkpoint", path.removesuffix(INDEX_SUFFIX))
    if ends_as_table(path):
        with suppress(FormatError):  # a damaged one is taken for V1: whose name may be any
            if sniff.table_kind(FileSource(path, file.size)) == "V2":
                # Its data files are named after the prefix it would have.
                note = (
                    "an index that is not named .index; its data files are looked for under this "
                    "name"
                )
                return Located("index", path, notes=(note,))
        return Located("checkpoint", set_of_shard(path) or path)
    return Located("message", path)


def _locate_data_file(path: str, prefix: str) -> Located:
    if not os.path.lexists(index_file(prefix)):
        raise PathNotFoundError(
            f"found a data file without its index: {os.path.basename(index_file(prefix))} is not "
            "beside it, and without it the data cannot be read",
            path=path,
        )
    return Located("checkpoint", prefix)


def _chunked(path: str) -> UnsupportedError:
    variables = os.path.join(os.path.dirname(path), layout.VARIABLES_FOLDER)
    return UnsupportedError(
        "found a SavedModel in chunks (.cpb, TensorFlow 2.16 or later, for models of over "
        "2 GiB), which is not read; save it without experimental_image_format. Its variables "
        f"can be read: pass {variables}",
        path=path,
    )
