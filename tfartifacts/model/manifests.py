"""What an artifact's files were when a manifest of them was made, and which files those are."""

from __future__ import annotations

from collections.abc import Sequence

from tfartifacts.model.checkpoints import File
from tfartifacts.records import dataclass

# Where a SavedModel has its manifest: in a folder that no loader reads.
SAVED_MODEL_MANIFEST = "assets.extra/tfartifacts.manifest.json"


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """A file: its name below the artifact's folder, its size in bytes, its sha256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Sizes and sha256 sums of an artifact's files, by name as bytes.

    `kind` is the artifact's (`Checkpoint.kind` and so on), `tool` what wrote it, with its version.
    """

    kind: str
    files: tuple[ManifestEntry, ...]
    tool: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.files)


@dataclass(frozen=True, slots=True)
class OddMember:
    """Something among an artifact's files that is not read, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Members:
    """The files of an artifact, by their names alone: nothing in them has been looked at.

    `path` is the artifact as its model has it: a SavedModel's folder, a checkpoint prefix, a
    file. `folder` is what names are relative to, with `/` between their parts, and `manifest` the
    path at which a manifest of them belongs; that one is not a member. `files` are in the order of
    their names as bytes. `odd` are links that lead out of the folder or to folders, and what is no
    regular file.
    """

    kind: str
    path: str
    folder: str
    manifest: str
    files: Sequence[tuple[str, File]]
    odd: Sequence[OddMember] = ()
