"""Checkpoints by prefix, and folders of them with their state file.

Two kinds of paths lead out of a folder. Those that a file names, as a state file does, were chosen
by whoever wrote it: they are not followed, listed or opened unless `follow_external` says so. And
links that are members of the artifact themselves, of which caches of models are made: they are
followed, as TensorFlow does, if they lead to a regular file. Of a file that is none of ours no more
than its kind is told, and of a tensor no value before its checksum fits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from functools import cache

from tfartifacts.errors import (
    FormatError,
    NotThisFormatError,
    PathNotFoundError,
    TfArtifactsError,
    located,
)
from tfartifacts.formats import sniff
from tfartifacts.formats.bundle_entries import index_file, prefix_of_data_file
from tfartifacts.formats.bundle_variables import BundleVariables
from tfartifacts.formats.checkpoint_state import STATE_FILE, read_checkpoint_state
from tfartifacts.formats.object_graph import LoadObjectGraph
from tfartifacts.formats.table import is_table
from tfartifacts.formats.tensor_bundle import read_bundle
from tfartifacts.formats.v1_checkpoint import prefix_of_shard, read_v1_checkpoint, set_of_shard
from tfartifacts.model.checkpoints import (
    Checkpoint,
    CheckpointDirectory,
    CheckpointState,
    StateEntry,
)
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.model.values import Deferred
from tfartifacts.opening.messages import graph_or_meta_graph, read_content
from tfartifacts.opening.prefixes import (
    INDEX_SUFFIX,
    META_SUFFIX,
    checkpoint_exists,
    ends_as_table,
    listing,
    prefixes_in,
)
from tfartifacts.records import dataclass, replace
from tfartifacts.storage.files import absolute, can_be_path, describe_file, read_file
from tfartifacts.storage.recorded_files import find_beside

MAX_INDEX = 1 << 32  # bytes; 40 million variables


@dataclass(frozen=True, slots=True)
class _LoadMetaGraph:
    """Reads a `.meta` file when called; `shown` is its path as the checkpoint was named."""

    path: str
    shown: str

    def __call__(self) -> MetaGraph | None:
        file = describe_file(self.path)
        if file is None:
            raise PathNotFoundError("no such file any more", path=self.path)
        data, content = read_content(self.path, file)
        if content.kind != "MetaGraphDef":
            raise NotThisFormatError(
                f"found a {content.kind}, expected a MetaGraphDef", path=self.path
            )
        artifact = graph_or_meta_graph(self.path, data, content)
        assert isinstance(artifact, MetaGraph)  # what the content is
        return replace(artifact, path=self.shown)


def open_checkpoint(prefix: str) -> Checkpoint:
    """The checkpoint of that prefix; V2 wins over V1 where both are there, as in TensorFlow."""
    if os.path.lexists(index_file(prefix)):
        checkpoint = _open_bundle(prefix)
    else:
        checkpoint = read_v1_checkpoint(prefix)
    return with_graphs(checkpoint)


def with_graphs(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with what is said of its graphs, which are read when asked for."""
    prefix = checkpoint.path
    variables = checkpoint.variables
    if isinstance(variables, BundleVariables):
        checkpoint = replace(checkpoint, object_graph_part=Deferred(LoadObjectGraph(variables)))
    meta_path = (prefix_of_shard(prefix) or prefix) + META_SUFFIX
    if os.path.lexists(meta_path):
        meta_file = describe_file(meta_path)
        files = checkpoint.files if meta_file is None else (*checkpoint.files, meta_file)
        load = _LoadMetaGraph(absolute(meta_path), meta_path)
        checkpoint = replace(checkpoint, files=files, meta_graph_part=Deferred(load))
    return replace(checkpoint, find_file=find_beside(prefix))


def _open_bundle(prefix: str) -> Checkpoint:
    path = index_file(prefix)
    # Looked at before it is read: if it is replaced meanwhile, it is seen to have changed.
    file = describe_file(path)
    if file is not None and file.size > MAX_INDEX:
        raise FormatError(f"found {file.size} bytes, an index has at most {MAX_INDEX}", path=path)
    index = read_file(path)
    if not is_table(index[-8:]):
        if target := stored_link(path, index):
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
        return read_bundle(prefix, index, file)
    except NotThisFormatError as error:
        # By its name it is an index: what is wrong with it is damage.
        raise FormatError(error.message, path=path, offset=error.offset) from None


def stored_link(path: str, content: bytes) -> str | None:
    """The prefix a file names that was a symbolic link before git or an archive stored it.

    Only a plain name in the same folder counts, and only if it is a real index.
    """
    if len(content) > 255 or not content.endswith(INDEX_SUFFIX.encode()) or b"/" in content:
        return None
    target = os.path.join(os.path.dirname(path), os.fsdecode(content))
    if b"\0" in content or target == path or not ends_as_table(target):
        return None
    return target.removesuffix(INDEX_SUFFIX)


def without_state_file(folder: str, prefixes: list[str]) -> CheckpointDirectory:
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
    entries = resolve_entries(state, folder, follow_external)
    found = list(dict.fromkeys(entry.prefix for entry in entries if entry.prefix is not None))
    listed, broken = _open_all(found)
    known = {os.path.abspath(prefix) for prefix in found}
    others = [
        prefix
        for prefix in prefixes_in(folder or ".", listing(folder or "."))
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


def resolve_entries(
    state: CheckpointState, folder: str, follow_external: bool
) -> tuple[StateEntry, ...]:
    """What became of each path of a state file, and last of the latest if it is not listed."""
    matching = len(state.timestamps) == len(state.all_paths)
    times: dict[int, float] = dict(enumerate(state.timestamps if matching else ()))
    paths = list(state.all_paths)
    if state.latest_path not in paths:
        paths.append(state.latest_path)
    # A state file may name many paths, but hardly as many folders.
    inside: Callable[[str], bool] = cache(lambda parent: follow_external or _below(parent, folder))
    return tuple(
        _resolve_path(path, folder, inside, times.get(position))
        for position, path in enumerate(paths)
    )


def _resolve_path(
    recorded: str, folder: str, inside: Callable[[str], bool], timestamp: float | None
) -> StateEntry:
    """Where a recorded path leads: there, beside the state file, or nowhere.

    `inside` tells of a folder whether what lies there may be looked at.
    """
    # People write the name of a member by hand; a prefix does not end so.
    path = without_member_suffix(recorded)
    there = path if os.path.isabs(path) else os.path.join(folder, path)
    outside = False
    if can_be_path(there):
        if inside(os.path.dirname(there)):
            # A V1 Saver with sharded=True recorded a pattern for its shards.
            there = set_of_shard(there) or there
            if checkpoint_exists(there):
                return StateEntry(recorded, there, timestamp=timestamp)
        else:
            # Only whether there is something: it is not looked into.
            outside = any(map(os.path.isfile, (index_file(there), there)))
    # Windows wrote backslashes; os.path would take them for part of the name.
    beside = os.path.join(folder, re.split(r"[/\\]", path)[-1])
    beside = set_of_shard(beside) or beside
    if beside != there and can_be_path(beside) and checkpoint_exists(beside):
        return StateEntry(recorded, beside, relocated=True, outside=outside, timestamp=timestamp)
    return StateEntry(recorded, None, outside=outside, timestamp=timestamp)


def without_member_suffix(path: str) -> str:
    """The prefix where a path names a member file of a V2 checkpoint; else the path itself."""
    return prefix_of_data_file(path) or path.removesuffix(INDEX_SUFFIX).removesuffix(META_SUFFIX)


def _below(parent: str, folder: str) -> bool:
    """Whether a folder is the other one or lies in it, links resolved."""
    parent = os.path.realpath(parent or ".")
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
