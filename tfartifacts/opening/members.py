"""Which files an artifact consists of, by their names: of damaged ones, too.

    SavedModel        all below its folder
    checkpoint        <prefix>.index, .data-*-of-*, .meta, <prefix>.assets/; of V1 the file of that
                      name or its shards
    graph or .meta    the file

A manifest, and what killed processes left, are no members. Links are followed to regular files in
the same folder, and no further; where the graph or index is a link itself, as in caches of
downloads, also to files beside its target.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from tfartifacts.errors import (
    ConversionError,
    PathNotFoundError,
    TfArtifactsError,
    UnsupportedError,
)
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.bundle_entries import index_file, prefix_of_data_file
from tfartifacts.formats.manifest import (
    SUFFIX,
    base_of_checkpoint,
    manifest_path,
)
from tfartifacts.formats.v1_checkpoint import prefix_of_shard
from tfartifacts.model.checkpoints import Checkpoint, CheckpointDirectory, File
from tfartifacts.model.graphs import Graph
from tfartifacts.model.manifests import SAVED_MODEL_MANIFEST, Members, OddMember
from tfartifacts.model.saved_models import MetaGraph, SavedModel
from tfartifacts.opening import open_to_convert
from tfartifacts.opening.prefixes import INDEX_SUFFIX, META_SUFFIX, ends_as_table, listing
from tfartifacts.records import dataclass
from tfartifacts.storage.files import describe_file, linked_folder, not_readable, with_parents
from tfartifacts.storage.recorded_files import is_inside
from tfartifacts.storage.temporary import MARK

ASSETS_SUFFIX = ".assets"
MOST_FILES = 10_000  # what a manifest can hold


@dataclass(frozen=True, slots=True)
class FoundMembers:
    """The artifacts at a path by their files; those that are damaged as errors."""

    artifacts: tuple[Members, ...]
    failures: tuple[TfArtifactsError, ...] = ()
    notes: tuple[str, ...] = ()


def find_members(path: str | os.PathLike[str], *, latest: bool = False) -> FoundMembers:
    """The artifact at a path, opened as open_to_convert does; each checkpoint of a folder.

    With `latest` the latest checkpoint of a folder alone. One that lacks a file, or is damaged as
    far as that is seen without reading values, is among `failures`.
    """
    artifact = open_to_convert(path)
    failures: tuple[TfArtifactsError, ...] = ()
    match artifact:
        case SavedModel():
            assert artifact.path is not None  # it was read from there
            problems = () if artifact.checkpoint is None else artifact.checkpoint.problems
            found = () if problems else (members_of(artifact.path, artifact.kind),)
            return FoundMembers(found, problems, artifact.notes)
        case Checkpoint():
            _refuse_variables(artifact.path)
            return _of_checkpoints([artifact], (), artifact.notes)
        case CheckpointDirectory() if latest:
            if artifact.latest is None:
                raise PathNotFoundError(
                    "found no latest checkpoint; `tfartifacts state` says why", path=artifact.path
                )
            return _of_checkpoints([artifact.latest], (), artifact.notes)
        case CheckpointDirectory():
            checkpoints = [*artifact.checkpoints, *artifact.unlisted]
            for checkpoint in checkpoints[:1]:
                _refuse_variables(checkpoint.path)
            failures = tuple(artifact.broken.values())
            notes = (*artifact.notes, *_orphans(artifact.path))
            return _of_checkpoints(checkpoints, failures, notes)
        case MetaGraph() | Graph():
            assert artifact.path is not None  # it was read from there
            return FoundMembers((members_of(artifact.path, artifact.kind),), (), artifact.notes)


def _of_checkpoints(
    checkpoints: list[Checkpoint],
    failures: tuple[TfArtifactsError, ...],
    notes: tuple[str, ...],
) -> FoundMembers:
    problems = [problem for each in checkpoints for problem in each.problems[:1]]
    whole = [members_of(each.path, each.kind) for each in checkpoints if not each.problems]
    return FoundMembers(tuple(whole), (*failures, *problems), notes)


def _refuse_variables(prefix: str) -> None:
    """Refuse the variables of a SavedModel, whose manifest covers them."""
    folder = os.path.dirname(os.path.abspath(prefix))
    model = os.path.dirname(folder)
    if os.path.basename(folder) == layout.VARIABLES_FOLDER and any(
        os.path.lexists(os.path.join(model, name)) for name in layout.FILES
    ):
        raise ConversionError(
            f"found the variables of a SavedModel; pass its folder, {model}", path=prefix
        )


def _orphans(folder: str) -> tuple[str, ...]:
    """What to say of manifests whose checkpoints were deleted: a Saver leaves them behind."""
    return tuple(
        f"found {name}, but nothing of its checkpoint; remove it"
        for name in listing(folder or ".")
        if name.endswith(SUFFIX)
        and not os.path.lexists(os.path.join(folder, name.removesuffix(SUFFIX)))
        and not members_of(os.path.join(folder, name.removesuffix(SUFFIX)), Checkpoint.kind).files
    )


def members_of(path: str, kind: str) -> Members:
    """The files of an artifact, given its path and kind as its model has them.

    Nothing is opened: what is damaged has members as well. Raises PathNotFoundError for a folder
    that cannot be listed, UnsupportedError for one of more than MOST_FILES files.
    """
    roots = roots_of(path, kind)
    if kind == SavedModel.kind:
        folder, found = path, _Found(path, roots)
        found.add_below("")
    elif kind == Checkpoint.kind:
        base = base_of_checkpoint(path)
        folder = os.path.dirname(base) or "."
        found = _Found(folder, roots)
        for name in listing(folder):
            if _is_of_checkpoint(folder, name, os.path.basename(base)):
                found.add(name)
    else:
        # A path that was given is followed wherever it leads.
        folder = os.path.dirname(path) or "."
        found = _Found(folder, roots)
        if (file := describe_file(path)) is not None:
            found.files.append((os.path.basename(path), file))
    files = sorted(found.files, key=lambda item: os.fsencode(item[0]))
    return Members(kind, path, folder, manifest_path(path, kind), files, found.odd)


def _is_of_checkpoint(folder: str, name: str, base: str) -> bool:
    if name in (base + INDEX_SUFFIX, base + META_SUFFIX, base + ASSETS_SUFFIX):
        return True
    if prefix_of_data_file(name) is not None:
        return prefix_of_data_file(name) == base
    if name == base:
        path = os.path.join(folder, name)
        return not os.path.lexists(index_file(path)) and ends_as_table(path)
    return prefix_of_shard(name) == base


class _Found:
    """Files in a folder, and what is none."""

    def __init__(self, folder: str, roots: Roots) -> None:
        self.files: list[tuple[str, File]] = []
        self.odd: list[OddMember] = []
        self._folder = folder
        self._roots = roots

    def add(self, name: str) -> None:
        """A file, or a folder with all that is below."""
        path = os.path.join(self._folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            self.add_below(name)
        elif (reason := why_not_read(path, self._roots)) is not None:
            self.odd.append(OddMember(name, reason))
        elif (file := describe_file(path)) is not None:
            self.files.append((name, file))

    def add_below(self, name: str) -> None:
        waiting = [name]
        while waiting:
            within = waiting.pop()
            for entry in _entries(os.path.join(self._folder, within)):
                below = f"{within}/{entry.name}" if within else entry.name
                if _is_ours(entry.name, below):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(below)
                else:
                    self.add(below)
                if len(self.files) > MOST_FILES:
                    raise UnsupportedError(
                        f"found more than {MOST_FILES} files below, expected one artifact's",
                        path=self._folder,
                    )


def _is_ours(name: str, below: str) -> bool:
    """Whether it is a temporary folder, or the manifest itself."""
    return (name.startswith(".") and MARK in name) or below == SAVED_MODEL_MANIFEST


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise not_readable(folder, error) from None


@dataclass(frozen=True, slots=True)
class Roots:
    """Where an artifact's files may really lie, without links: below its folder, or in a cache.

    `cache` is the folder that its graph or index is linked into, None where that is no link.
    """

    folder: str
    cache: str | None


def roots_of(path: str, kind: str) -> Roots:
    """Where the files of an artifact may lie, given its path and kind as its model has them."""
    if kind == SavedModel.kind:
        folder, main = path, [os.path.join(path, name) for name in layout.FILES]
    elif kind == Checkpoint.kind:
        base = base_of_checkpoint(path)
        folder, main = os.path.dirname(base), [index_file(base)]
    else:
        folder, main = os.path.dirname(path), [path]
    linked = (linked_folder(file) for file in main if os.path.lexists(file))
    return Roots(os.path.realpath(folder or "."), next(linked, None))


def is_own(path: str, folder: str) -> bool:
    """Whether a file lies in the folder of its SavedModel, or in the cache that one is linked into.

    Links are resolved.
    """
    cache = roots_of(folder, SavedModel.kind).cache
    return is_inside(path, folder) or os.path.dirname(os.path.realpath(path)) == cache


def why_not_read(path: str, roots: Roots) -> str | None:
    """Why a path is not read as a file of the artifact; None for a regular file."""
    target = os.path.realpath(path)
    parent = os.path.dirname(target)
    if parent != roots.cache and roots.folder not in with_parents(parent):
        return f"a link to {target}, outside of the artifact, which is not followed"
    if os.path.islink(path) and os.path.isdir(path):
        return "a link to a folder, which is not followed"
    if describe_file(path) is None:
        return "a link to nothing" if os.path.islink(path) else "no regular file"
    return None
