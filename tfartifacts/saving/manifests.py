"""Write the manifest of an artifact beside or into it."""

from __future__ import annotations

import os
import time

from tfartifacts.errors import (
    ConversionError,
    DestinationExistsError,
    FormatError,
    TfArtifactsError,
)
from tfartifacts.formats.manifest import TOOL, read_manifest
from tfartifacts.formats.manifest import write_manifest as encode_manifest
from tfartifacts.model.checkpoints import File
from tfartifacts.model.manifests import Manifest, ManifestEntry, Members
from tfartifacts.model.values import Progress
from tfartifacts.opening.members import find_members
from tfartifacts.records import dataclass
from tfartifacts.saving.leftovers import clear_place
from tfartifacts.saving.plans import Message
from tfartifacts.saving.sources import noticing_changes, refuse_changed
from tfartifacts.saving.staging import check_message
from tfartifacts.storage.files import read_file
from tfartifacts.storage.hashing import sha256_sums
from tfartifacts.storage.publishing import Steps
from tfartifacts.storage.temporary import staging_folder
from tfartifacts.storage.writing import copy_mode, sync_folder, write_file


@dataclass(frozen=True, slots=True)
class SavedManifest:
    """A manifest that is there now, or would be.

    `path` is the artifact's. `unchanged`: the same one was there already. `replaces`: another was.
    """

    kind: str
    path: str
    file: File
    manifest: Manifest
    unchanged: bool = False
    replaces: bool = False
    notes: tuple[str, ...] = ()


def save_manifest(
    members: Members,
    *,
    overwrite: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> SavedManifest:
    """Sum the files of an artifact, `jobs` at a time, and write the manifest, whole or not at all.

    The same manifest is left as it is; another one only `overwrite` replaces.

    Raises ConversionError for links that lead out and for what is no regular file,
    SourceChangedError for a file that changed meanwhile, DestinationExistsError, WriteError.
    """
    _refuse_odd(members)
    notes = () if dry_run else clear_place(members.manifest)
    files = [file for _, file in members.files]
    with noticing_changes(files):
        sums = sha256_sums(files, jobs=jobs, progress=progress)
        for found in sums:
            if isinstance(found, TfArtifactsError):
                raise found
    refuse_changed(files)
    manifest = Manifest(
        members.kind,
        tuple(
            ManifestEntry(name, file.size, str(found))
            for (name, file), found in zip(members.files, sums, strict=True)
        ),
        TOOL,
    )
    data = encode_manifest(manifest)
    there = _read(members.manifest)
    if there is not None and there != data and not overwrite:
        raise DestinationExistsError(
            f"exists already, and {_difference(there, manifest)}; --overwrite replaces it",
            path=members.manifest,
        )
    if there != data and not dry_run:
        _publish(members, data, files, replaces=there is not None)
    return SavedManifest(
        members.kind,
        members.path,
        File(members.manifest, len(data), time.time()),
        manifest,
        unchanged=there == data,
        replaces=there is not None and there != data,
        notes=notes,
    )


def _refuse_odd(members: Members) -> None:
    for odd in members.odd:
        raise ConversionError(
            f"found {odd.reason}; put the file itself in its place, or remove it",
            path=os.path.join(members.folder, odd.name),
        )
    if not members.files:
        raise ConversionError("found no file, expected those of the artifact", path=members.path)


def _read(path: str) -> bytes | None:
    if not os.path.lexists(path):
        return None
    if os.path.islink(path) or not os.path.isfile(path):
        raise DestinationExistsError(
            "found no regular file where the manifest belongs; remove it", path=path
        )
    return read_file(path)


def _difference(there: bytes, manifest: Manifest) -> str:
    """How a manifest that is there differs from the one that was made."""
    try:
        old = {entry.name: entry for entry in read_manifest(there).files}
    except FormatError as error:
        return f"cannot be read ({error.message})"
    new = {entry.name: entry for entry in manifest.files}
    differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if not differing:
        return "says the same in another form"
    more = f" and {len(differing) - 1} more" if differing[1:] else ""
    return f"does not fit the files that are there now ({differing[0]}{more})"


def _publish(members: Members, data: bytes, files: list[File], *, replaces: bool) -> None:
    path = members.manifest
    message = Message([data], read_manifest)
    with staging_folder(path) as staging:
        staged = os.path.join(staging, os.path.basename(path))
        write_file(staged, message.pieces)
        check_message(staged, message)
        if replaces:
            copy_mode(path, staged)
        sync_folder(staging)
        refuse_changed(files)
        with Steps() as steps:
            if replaces:
                steps.replace(staged, path)
            else:
                steps.appear(staged, path)
            sync_folder(os.path.dirname(os.path.abspath(path)))


def write_manifest(
    path: str | os.PathLike[str],
    *,
    latest: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
) -> tuple[SavedManifest, ...]:
    """Write sizes and sha256 sums of an artifact's files, as `tfartifacts manifest` does.

    A folder of checkpoints gets one for each of them, or for the `latest` alone. A manifest that
    fits is left as it is; one that does not only `overwrite` replaces. `dry_run` writes nothing.

    Raises what open does, FormatError for a checkpoint that is damaged or lacks files (before
    anything is written), ConversionError for links that lead out, SourceChangedError,
    DestinationExistsError, WriteError.
    """
    found = find_members(path, latest=latest)
    for failure in found.failures:
        raise failure
    return tuple(
        save_manifest(members, overwrite=overwrite, dry_run=dry_run) for members in found.artifacts
    )
