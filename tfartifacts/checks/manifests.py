"""An artifact's files against its manifest: all there, none more, every byte the same.

manifest-unreadable     error    it is damaged, or of a later schema
manifest-missing-file   error    a file it names is not there
manifest-not-a-file     error    there is a folder, a FIFO, a link out of the artifact ...
manifest-size           error    a file is longer or shorter
manifest-checksum       error    a file has other bytes
manifest-unread-file    error    a file cannot be read
manifest-extra-file     warning  a file it does not name; an error where loaders would prefer it
manifest-checked        note     all files fit
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from tfartifacts.checks.findings import Finding, error, note, of_error, warning
from tfartifacts.errors import FormatError, TfArtifactsError, located
from tfartifacts.formats import saved_model as layout
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.manifest import base_of_checkpoint, manifest_path, read_manifest
from tfartifacts.model.checkpoints import Checkpoint, File
from tfartifacts.model.manifests import Manifest, ManifestEntry, Members
from tfartifacts.model.saved_models import SavedModel
from tfartifacts.model.values import Progress
from tfartifacts.opening.manifests import find_manifest
from tfartifacts.opening.members import Roots, members_of, roots_of, why_not_read
from tfartifacts.opening.prefixes import META_SUFFIX
from tfartifacts.storage.files import describe_file, linked_folder, read_file
from tfartifacts.storage.hashing import sha256_sums


def check_manifest(
    path: str, kind: str, *, jobs: int | None = None, progress: Progress | None = None
) -> Iterator[Finding]:
    """Findings about an artifact and its manifest; none where it has none.

    `path` and `kind` as in find_manifest; the artifact need not be one that opens. Files of the
    right size are summed in `jobs` threads, in constant memory; `progress` is told of the bytes.
    """
    found = find_manifest(path, kind)
    if found is None:
        return
    if found != manifest_path(path, kind):
        path, kind = path.removesuffix(META_SUFFIX), Checkpoint.kind
    try:
        with located(found):
            linked = os.path.islink(found) and linked_folder(found) != roots_of(path, kind).cache
            if describe_file(found) is None or linked:
                raise FormatError("found no regular file, expected a manifest")
            manifest = read_manifest(read_file(found))
            if manifest.kind != kind:
                raise FormatError(f"found the manifest of a {manifest.kind}, expected of a {kind}")
        members = members_of(path, kind)
    except TfArtifactsError as raised:
        yield of_error("manifest-unreadable", raised, path=found)
        return
    yield from _check(manifest, members, found, jobs, progress)


def _check(
    manifest: Manifest,
    members: Members,
    found: str,
    jobs: int | None,
    progress: Progress | None,
) -> Iterator[Finding]:
    to_sum: list[tuple[ManifestEntry, File]] = []
    num_wrong = 0
    roots = roots_of(members.path, members.kind)
    for entry in manifest.files:
        file = _file_of(entry, members, roots)
        if isinstance(file, Finding):
            num_wrong += 1
            yield file
        else:
            to_sum.append((entry, file))
    sums = sha256_sums([file for _, file in to_sum], jobs=jobs, progress=progress)
    for (entry, file), found_sum in zip(to_sum, sums, strict=True):
        if found_sum == entry.sha256:
            continue
        num_wrong += 1
        if isinstance(found_sum, TfArtifactsError):
            yield of_error("manifest-unread-file", found_sum, path=file.path, name=entry.name)
        else:
            yield error(
                "manifest-checksum",
                f"found sha256 {found_sum}, expected {entry.sha256} of the manifest; the file is "
                "not the one that it was made of",
                file.path,
                name=entry.name,
            )
    yield from _extra(manifest, members)
    if not num_wrong:
        files = "1 file fits" if len(manifest.files) == 1 else f"{len(manifest.files)} files fit"
        yield note("manifest-checked", f"{files} size and sha256 of the manifest", found)


def _file_of(entry: ManifestEntry, members: Members, roots: Roots) -> File | Finding:
    """The file of an entry if it has the right size; else what is wrong with it."""
    path = os.path.join(members.folder, *entry.name.split("/"))
    if not os.path.lexists(path):
        return error(
            "manifest-missing-file",
            "found no such file, expected it by the manifest",
            path,
            name=entry.name,
        )
    is_given = path == members.path  # a path that was given is followed wherever it leads
    reason = None if is_given else why_not_read(path, roots)
    file = describe_file(path)
    if reason is not None or file is None:
        return error(
            "manifest-not-a-file",
            f"found {reason or 'no regular file'}, expected a file of {entry.size} bytes",
            path,
            name=entry.name,
        )
    if file.size != entry.size:
        return error(
            "manifest-size",
            f"found {file.size} bytes, expected {entry.size} by the manifest",
            path,
            name=entry.name,
        )
    return file


def _extra(manifest: Manifest, members: Members) -> Iterator[Finding]:
    named = {entry.name for entry in manifest.files}
    found = [(name, "") for name, _ in members.files]
    found += [(odd.name, f", {odd.reason}") for odd in members.odd]
    for name, reason in sorted(found, key=lambda item: os.fsencode(item[0])):
        if name in named:
            continue
        path = os.path.join(members.folder, name)
        if _is_preferred(name, members, named):
            yield error(
                "manifest-extra-file",
                f"found a file that the manifest does not name{reason}; TensorFlow reads it in "
                "place of another",
                path,
                name=name,
            )
        else:
            yield warning(
                "manifest-extra-file",
                f"found a file that the manifest does not name{reason}; it came later",
                path,
                name=name,
            )


def _is_preferred(name: str, members: Members, named: set[str]) -> bool:
    """Whether its being there changes what TensorFlow takes for the graph or the variables."""
    if members.kind == SavedModel.kind:
        if name in layout.FILES:
            return named.isdisjoint(layout.FILES[: layout.FILES.index(name)])
        return name == index_file(layout.VARIABLES_PREFIX)
    base = os.path.basename(base_of_checkpoint(members.path))
    return members.kind == Checkpoint.kind and name == index_file(base)
