"""Check a checkpoint: every checksum there is, and that its parts fit together.

tables        the blocks of a table, damaged or not
indexes       a bundle's index: header, entries, slices
reading       data files, read once by several threads
data_files    a bundle's tensors, and the bytes that no tensor has
bundles       V2 checkpoints: all of that, and files left by others
v1_checkpoints   V1 checkpoints: tables that hold the tensors themselves
"""

from __future__ import annotations

import os

from tfartifacts.checks.bundles import BundleParts, check_bundle
from tfartifacts.checks.findings import Finding, Severity, of_error
from tfartifacts.checks.v1_checkpoints import V1Parts, check_v1_checkpoint
from tfartifacts.errors import TfArtifactsError
from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.v1_checkpoint import shard_files
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.values import Progress
from tfartifacts.opening.checkpoints import open_checkpoint
from tfartifacts.records import dataclass


@dataclass(frozen=True, slots=True)
class CheckedCheckpoint:
    """What is wrong with a checkpoint, and what of it is not.

    `intact` are the names of the variables all whose bytes fit their checksums, `damaged` of those
    that are known to be there and do not; what a damaged block of a table held may be in neither.
    `num_blocks` are table blocks, `num_tensors` stored tensors (each slice is one), `nbytes` the
    bytes whose checksum was computed. `checkpoint` is None where it cannot be opened.
    """

    prefix: str
    format: str
    findings: tuple[Finding, ...]
    num_blocks: int
    num_tensors: int
    nbytes: int
    intact: tuple[str, ...]
    damaged: tuple[str, ...]
    checkpoint: Checkpoint | None


def check_checkpoint(
    prefix: str, *, jobs: int | None = None, progress: Progress | None = None
) -> CheckedCheckpoint:
    """Check the checkpoint of that prefix; V2 wins over V1 where both are there.

    Data is read once, by `jobs` threads (None: as many as there are cores, at most 8), in memory
    that does not grow with it. `progress` is told how far it is. Raises nothing for what is in
    the files, nor for files that are missing.
    """
    parts = check_parts(prefix, jobs=jobs, progress=progress)
    findings = list(parts.findings)
    checkpoint = None
    try:
        checkpoint = open_checkpoint(prefix)
    except TfArtifactsError as fault:
        if not any(finding.severity is Severity.ERROR for finding in findings):
            findings.append(of_error("unreadable", fault, path=prefix))
    return CheckedCheckpoint(
        prefix,
        parts.format,
        tuple(findings),
        parts.num_blocks,
        parts.num_tensors,
        parts.nbytes,
        tuple(parts.intact),
        tuple(parts.reasons),
        checkpoint,
    )


def check_parts(
    prefix: str, *, jobs: int | None = None, progress: Progress | None = None
) -> BundleParts | V1Parts:
    """The same, with what is intact as variables that can be read."""
    if os.path.lexists(index_file(prefix)) or not shard_files(prefix):
        return check_bundle(prefix, jobs=jobs, progress=progress)
    return check_v1_checkpoint(prefix, progress=progress)
