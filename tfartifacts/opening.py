"""Say what a path is, and read it.

A path may be a folder, a checkpoint prefix, or any member file: `.index`, `.data-...`, `.meta`,
`checkpoint`, `saved_model.pb`, a variables file, a frozen graph under any name. Content decides
before names do.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tfartifacts.errors import (
    FormatError,
    NotThisFormatError,
    PathNotFoundError,
    TfArtifactsError,
    UnsupportedError,
    close_names,
    located,
)
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats import sniff
from tfartifacts.formats.checkpoint_state import STATE_FILE, read_checkpoint_state
from tfartifacts.formats.graph_def import read_graph
from tfartifacts.formats.meta_graph import read_meta_graph
from tfartifacts.formats.object_graph import LoadObjectGraph
from tfartifacts.formats.table import FOOTER_SIZE
from tfartifacts.formats.tensor_bundle import (
    BundleVariables,
    index_file,
    prefix_of_data_file,
    read_bundle,
)
from tfartifacts.formats.v1_checkpoint import (
    prefix_of_shard,
    read_v1_checkpoint,
    set_of_shard,
    shard_files,
)
from tfartifacts.formats.wire import Message
from tfartifacts.model.checkpoints import (
    Checkpoint,
    CheckpointDirectory,
    CheckpointState,
    File,
    StateEntry,
)
from tfartifacts.model.graphs import Graph
from tfartifacts.model.saved_models import Asset, MetaGraph, SavedModel
from tfartifacts.model.values import Deferred
from tfartifacts.storage.files import (
    BytesSource,
    FileSource,
    absolute,
    describe_file,
    not_readable,
    read_file,
    read_range,
)

if TYPE_CHECKING:
    from tfartifacts.formats.sniff import Content
    from tfartifacts.model import Artifact

META_SUFFIX = ".meta"
INDEX_SUFFIX = ".index"
MAX_MESSAGE = (1 << 31) - 1  # bytes; protobuf has none that is larger
MAX_INDEX = 1 << 32  # bytes; 40 million variables


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


# --- folders -------------------------------------------------------------------------------------


def _open_folder(folder: str, follow_external: bool) -> Artifact:
    names = _listing(folder)
    for file in layout.FILES:
        if file in names:
            return _open_saved_model_file(os.path.join(folder, file), folder)
    if STATE_FILE in names and os.path.isfile(os.path.join(folder, STATE_FILE)):
        return open_checkpoint_directory(folder, follow_external=follow_external)
    if prefixes := _prefixes(folder, names):
        return _without_state_file(folder, prefixes)
    if versions := _version_folders(folder, names):
        return _open_version(folder, versions)
    return _open_only_graph(folder, names)


def _listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise not_readable(folder, error) from None


def _prefixes(folder: str, names: Iterable[str]) -> list[str]:
    """The checkpoint prefixes in a folder, in natural order."""
    prefixes = set()
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(INDEX_SUFFIX):
            prefixes.add(path.removesuffix(INDEX_SUFFIX))
        elif _may_be_v1(name) and _ends_as_table(path):
            prefixes.add(set_of_shard(path) or path)
    return sorted(prefixes, key=_natural_order)


def _may_be_v1(name: str) -> bool:
    """Whether V1 checkpoints had such names: the files whose last bytes are worth a look."""
    return "." not in name or ".ckpt" in name or prefix_of_shard(name) is not None


def _natural_order(prefix: str) -> list[tuple[int, str]]:
    """A key that sorts `cp-9.ckpt` before `cp-10.ckpt`."""
    parts = re.findall(r"\d{1,18}|\D+", os.path.basename(prefix))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _ends_as_table(path: str) -> bool:
    file = describe_file(path)
    if file is None or file.size < FOOTER_SIZE:
        return False
    return sniff.ends_as_table(read_range(path, file.size - 8, 8))


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


# --- checkpoints ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _LoadMetaGraph:
    """Reads a `.meta` file when called; `shown` is its path as the checkpoint was named."""

    path: str
    shown: str

    def __call__(self) -> MetaGraph | None:
        artifact = _open_file(self.path, follow_external=False)
        if isinstance(artifact, MetaGraph):
            return replace(artifact, path=self.shown)
        raise NotThisFormatError(f"found a {artifact.kind}, expected a meta graph", path=self.path)


def checkpoint_exists(prefix: str) -> bool:
    """Whether there is a V2 or V1 checkpoint of that prefix. Nothing is globbed."""
    if os.path.isfile(index_file(prefix)):
        return True
    return any(_ends_as_table(path) for path in shard_files(prefix)[:1])


def open_checkpoint(prefix: str) -> Checkpoint:
    """The checkpoint of that prefix; V2 wins over V1 where both are there, as in TensorFlow."""
    if os.path.lexists(index_file(prefix)):
        checkpoint = _open_bundle(prefix)
    else:
        checkpoint = read_v1_checkpoint(prefix)
    variables = checkpoint.variables
    if isinstance(variables, BundleVariables):
        checkpoint = replace(checkpoint, object_graph_part=Deferred(LoadObjectGraph(variables)))
    meta_path = (prefix_of_shard(prefix) or prefix) + META_SUFFIX
    if os.path.lexists(meta_path):
        meta_file = describe_file(meta_path)
        files = checkpoint.files if meta_file is None else (*checkpoint.files, meta_file)
        load = _LoadMetaGraph(absolute(meta_path), meta_path)
        checkpoint = replace(checkpoint, files=files, meta_graph_part=Deferred(load))
    return checkpoint


def _open_bundle(prefix: str) -> Checkpoint:
    path = index_file(prefix)
    file = describe_file(path)
    if file is not None and file.size > MAX_INDEX:
        raise FormatError(f"found {file.size} bytes, an index has at most {MAX_INDEX}", path=path)
    index = read_file(path)
    if not sniff.ends_as_table(index[-8:]):
        if target := _link_target(path, index):
            checkpoint = _open_bundle(target)
            note = (
                f"{os.path.basename(path)} is a symbolic link that was stored as a file; read "
                f"{os.path.basename(index_file(target))}"
            )
            return replace(checkpoint, path=prefix, notes=(note, *checkpoint.notes))
        foreign = sniff.describe_foreign(index[: sniff.HEAD_SIZE], len(index))
        if foreign and not sniff.looks_like_cut_table(index[:16]):
            raise NotThisFormatError(f"found {foreign}", path=path)
    try:
        return read_bundle(prefix, index)
    except NotThisFormatError as error:
        # By its name it is an index: what is wrong with it is damage.
        raise FormatError(error.message, path=path, offset=error.offset) from None


def _link_target(path: str, content: bytes) -> str | None:
    """The prefix a file names that was a symbolic link before git or an archive stored it.

    Only a plain name in the same folder counts, and only if it is a real index.
    """
    if len(content) > 255 or not content.endswith(INDEX_SUFFIX.encode()) or b"/" in content:
        return None
    target = os.path.join(os.path.dirname(path), os.fsdecode(content))
    if b"\0" in content or target == path or not _ends_as_table(target):
        return None
    return target.removesuffix(INDEX_SUFFIX)


def _without_state_file(folder: str, prefixes: list[str]) -> CheckpointDirectory:
    checkpoints, broken = _open_all(prefixes)
    note = (
        f"no {STATE_FILE} file: the checkpoints there are, in the order of their names; the last "
        "counts as the latest"
    )
    return CheckpointDirectory(
        path=folder,
        state=None,
        entries=(),
        checkpoints=tuple(checkpoints.values()),
        latest=checkpoints.get(prefixes[-1]),
        broken=broken,
        notes=(note,),
    )


def _open_all(
    prefixes: Iterable[str],
) -> tuple[dict[str, Checkpoint], dict[str, TfArtifactsError]]:
    checkpoints: dict[str, Checkpoint] = {}
    broken: dict[str, TfArtifactsError] = {}
    for prefix in prefixes:
        try:
            checkpoints[prefix] = open_checkpoint(prefix)
        except TfArtifactsError as error:
            broken[prefix] = error
    return checkpoints, broken


def open_checkpoint_directory(
    folder: str, *, follow_external: bool = False, state_file: str | None = None
) -> CheckpointDirectory:
    """A folder with a `checkpoint` state file, and the checkpoints that file names."""
    path = state_file or os.path.join(folder, STATE_FILE)
    with located(path):
        state = read_checkpoint_state(read_file(path))
    entries = _resolve(state, folder, follow_external)
    found = list(dict.fromkeys(entry.prefix for entry in entries if entry.prefix is not None))
    listed, broken = _open_all(found)
    known = {os.path.abspath(prefix) for prefix in found}
    others = [
        prefix
        for prefix in _prefixes(folder or ".", _listing(folder or "."))
        if os.path.abspath(prefix) not in known
    ]
    unlisted, broken_others = _open_all(others)
    latest = next(entry for entry in entries if entry.recorded == state.latest_path)
    return CheckpointDirectory(
        path=folder,
        state=state,
        entries=entries,
        checkpoints=tuple(listed.values()),
        latest=None if latest.prefix is None else listed.get(latest.prefix),
        unlisted=tuple(unlisted.values()),
        broken={**broken, **broken_others},
        notes=_state_notes(entries),
    )


def _resolve(state: CheckpointState, folder: str, follow_external: bool) -> tuple[StateEntry, ...]:
    matching = len(state.timestamps) == len(state.all_paths)
    times: dict[int, float] = dict(enumerate(state.timestamps if matching else ()))
    paths = list(state.all_paths)
    if state.latest_path not in paths:
        paths.append(state.latest_path)
    return tuple(
        _resolve_path(path, folder, follow_external, times.get(position))
        for position, path in enumerate(paths)
    )


def _resolve_path(
    recorded: str, folder: str, follow_external: bool, timestamp: float | None
) -> StateEntry:
    """Where a recorded path leads: there, beside the state file, or nowhere."""
    # People write the name of a member by hand; a prefix does not end so.
    path = recorded.removesuffix(INDEX_SUFFIX).removesuffix(META_SUFFIX)
    there = path if os.path.isabs(path) else os.path.join(folder, path)
    # A V1 Saver with sharded=True recorded a pattern for its shards.
    there = set_of_shard(there) or there
    exists = checkpoint_exists(there)
    if exists and (follow_external or _is_inside(there, folder)):
        return StateEntry(recorded, there, timestamp=timestamp)
    # Windows wrote backslashes; os.path would take them for part of the name.
    beside = os.path.join(folder, re.split(r"[/\\]", path)[-1])
    beside = set_of_shard(beside) or beside
    if beside != there and checkpoint_exists(beside):
        return StateEntry(recorded, beside, relocated=True, outside=exists, timestamp=timestamp)
    return StateEntry(recorded, None, outside=exists, timestamp=timestamp)


def _is_inside(path: str, folder: str) -> bool:
    """Whether a path lies in the folder, links in the way resolved; the file itself may be one."""
    parent = os.path.realpath(os.path.dirname(path) or ".")
    root = os.path.realpath(folder or ".")
    return parent == root or parent.startswith(root.rstrip("/") + "/")


def _state_notes(entries: Iterable[StateEntry]) -> tuple[str, ...]:
    notes = []
    for entry in entries:
        # What was relocated, and what is gone, the entries themselves say.
        if entry.outside:
            taken = ""
            if entry.prefix is not None:
                taken = f", but {os.path.basename(entry.prefix)} beside it was taken"
            notes.append(
                f"the state file says {entry.recorded}, outside this folder: not followed{taken} "
                "(pass that path itself, or --follow-external)"
            )
    return tuple(notes)


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


# --- files ---------------------------------------------------------------------------------------


def _open_file(path: str, follow_external: bool) -> Artifact:
    file = describe_file(path)
    if file is None:
        with_reason = read_file(path, 1)  # raises, saying why it cannot be read
        raise PathNotFoundError(f"found no regular file ({len(with_reason)})", path=path)
    if (prefix := prefix_of_data_file(path)) is not None:
        return _open_data_file(path, prefix)
    if path.endswith(INDEX_SUFFIX):
        return open_checkpoint(path.removesuffix(INDEX_SUFFIX))
    if _ends_as_table(path):
        return _open_table(path, file)
    if file.size > MAX_MESSAGE:
        raise _too_large(path, file)
    data = read_file(path)
    if os.path.basename(path) == STATE_FILE and sniff.is_blank_text(data) and data:
        raise FormatError("found no paths in the state file", path=path, offset=0)
    content = sniff.text_content(data) or sniff.binary_content(data)
    if content is None:
        raise _not_ours(path, data)
    if content.kind == "CheckpointState":
        folder = os.path.dirname(path)
        return open_checkpoint_directory(folder, follow_external=follow_external, state_file=path)
    if content.kind == "SavedModel":
        return _saved_model(path, data, content)
    return _graph_or_meta_graph(path, data, content)


def _too_large(path: str, file: File) -> TfArtifactsError:
    """A file that is no table, and larger than any message can be: named by how it begins."""
    head = read_file(path, sniff.HEAD_SIZE)
    if (foreign := sniff.describe_foreign(head, file.size)) is not None:
        return NotThisFormatError(f"found {foreign}", path=path)
    return NotThisFormatError(
        f"found {file.size} bytes that are no checkpoint's table, expected at most {MAX_MESSAGE} "
        "of a graph",
        path=path,
    )


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


def _not_ours(path: str, data: bytes) -> TfArtifactsError:
    name = os.path.basename(path)
    if name in ("keras_metadata.pb", "fingerprint.pb", "saved_model_debug_info.pb"):
        return NotThisFormatError(
            f"found {name}, a part of a SavedModel; pass its folder", path=path
        )
    foreign = sniff.describe_foreign(data[: sniff.HEAD_SIZE], len(data))
    if sniff.looks_like_cut_table(data[:16]):
        return FormatError(
            "found the beginning of a checkpoint's table but not its end; the file is truncated",
            path=path,
            offset=len(data),
        )
    if foreign:
        return NotThisFormatError(f"found {foreign}", path=path)
    if name == STATE_FILE:
        return FormatError(
            "found text that is no checkpoint state, expected model_checkpoint_path",
            path=path,
            offset=0,
        )
    if name.endswith((META_SUFFIX, ".pb")) and not sniff.is_message(data):
        return _damaged_message(path, data)
    what = "text" if _is_text(data) else "a binary file"
    return NotThisFormatError(
        f"found {what} of no kind known here, expected a checkpoint, meta graph, SavedModel or "
        "frozen graph",
        path=path,
        offset=0,
    )


def _damaged_message(path: str, data: bytes) -> FormatError:
    """Where a file that is named as a graph stops being a protobuf message."""
    try:
        Message(data)
    except FormatError as error:
        return FormatError(error.message, path=path, offset=error.offset)
    return FormatError("found no graph", path=path, offset=0)


def _is_text(data: bytes) -> bool:
    head = data[: sniff.HEAD_SIZE]
    try:
        # A character may be cut in two by the end of the head.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in head)


def _message(path: str, data: bytes, content: Content) -> Message:
    from tfartifacts.formats.schema import text_to_binary

    with located(path):
        return Message(text_to_binary(content.kind, data) if content.is_text else data)


@contextmanager
def _reading(path: str, content: Content) -> Iterator[None]:
    """As located; an offset in the binary form of a text means nothing to who has the text."""
    with located(path):
        try:
            yield
        except FormatError as error:
            if content.is_text:
                error.offset = None
            raise


def _graph_or_meta_graph(path: str, data: bytes, content: Content) -> Graph | MetaGraph:
    message = _message(path, data, content)
    notes: tuple[str, ...] = ()
    if os.path.basename(path) in layout.FILES:
        notes = (f"a {content.kind} that is named {os.path.basename(path)}: no SavedModel",)
    with _reading(path, content):
        if content.kind == "GraphDef":
            return read_graph(message, path=path, notes=notes)
        prefix = path.removesuffix(META_SUFFIX)
        beside = prefix if path.endswith(META_SUFFIX) and checkpoint_exists(prefix) else None
        return read_meta_graph(message, path, beside, notes)


# --- SavedModels ---------------------------------------------------------------------------------


def _open_saved_model_file(path: str, folder: str) -> Artifact:
    if os.path.basename(path) == layout.CHUNKED_FILE:
        raise UnsupportedError(
            "found a SavedModel in chunks (.cpb, TensorFlow 2.16 or later, for models of over "
            "2 GiB), which is not read; save it without experimental_image_format. Its variables "
            f"can be read: pass {os.path.join(folder, layout.VARIABLES_FOLDER)}",
            path=path,
        )
    return _open_file(path, follow_external=False)


def _saved_model(path: str, data: bytes, content: Content) -> SavedModel:
    message = _message(path, data, content)
    with _reading(path, content):
        saved_model = layout.read_saved_model(message, path)
    folder = os.path.dirname(path)
    checkpoint, notes = _variables(folder, saved_model.meta_graphs)
    return replace(
        saved_model,
        path=folder or ".",
        checkpoint=checkpoint,
        assets=_assets(folder, saved_model.meta_graphs),
        other_files=_other_files(folder, os.path.basename(path)),
        notes=notes,
    )


# What SavedModels called their variables when these lay elsewhere than in variables/variables.
_FLAT_NAMES = ("variables", "saved_model_variables")


def _variables(
    folder: str, meta_graphs: Iterable[MetaGraph]
) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """The variables of a SavedModel, and what is odd about where they are.

    TensorFlow looks at variables/variables only. Models from before 2017 and flat uploads have
    them elsewhere, under a name of their own: any other checkpoint beside the model is not its.
    """
    standard = os.path.join(folder, *layout.VARIABLES_PREFIX.split("/"))
    if checkpoint_exists(standard) or os.path.lexists(index_file(standard)):
        checkpoint = open_checkpoint(standard)
        return checkpoint, checkpoint.notes
    if all(meta_graph.saver is None for meta_graph in meta_graphs):
        return None, ()
    inside = os.path.join(folder, layout.VARIABLES_FOLDER)
    found = _prefixes(inside, _listing(inside)) if os.path.isdir(inside) else []
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
    checkpoint = open_checkpoint(found[0])
    return checkpoint, (note, *checkpoint.notes)


def _assets(folder: str, meta_graphs: Iterable[MetaGraph]) -> tuple[Asset, ...]:
    declared: dict[str, list[str]] = {}
    for meta_graph in meta_graphs:
        for asset in meta_graph.asset_files:
            tensors = declared.setdefault(asset.filename, [])
            if asset.tensor_name not in tensors:
                tensors.append(asset.tensor_name)
    root = os.path.join(folder, layout.ASSETS_FOLDER)
    present = {os.path.relpath(file.path, root): file for file in _files_below(root)}
    return tuple(
        Asset(name, tuple(declared.get(name, ())), present.get(name))
        for name in [*declared, *(name for name in present if name not in declared)]
    )


def _other_files(folder: str, own: str) -> tuple[File, ...]:
    known = {own, layout.VARIABLES_FOLDER, layout.ASSETS_FOLDER}
    files = []
    for name in _listing(folder or "."):
        path = os.path.join(folder, name)
        if name in known or re.search(r"\.(index|data-\d+-of-\d+)\Z", name):
            continue
        if name in ("assets.extra", "debug") and os.path.isdir(path):
            files += _files_below(path)
        elif (file := describe_file(path)) is not None:
            files.append(file)
    return tuple(files)


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
