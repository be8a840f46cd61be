"""`tfartifacts manifest`: sizes and sha256 sums of an artifact's files, for `verify` to check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import AsJson, Debug

if TYPE_CHECKING:
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.report.view import Document


def manifest(
    paths: Annotated[
        list[str],
        Argument(
            metavar="PATH...",
            help="A SavedModel, a checkpoint (or a folder of them), a graph.",
            show_default=False,
        ),
    ],
    latest: Annotated[
        bool, Option("--latest", help="Of a folder of checkpoints, the latest alone.")
    ] = False,
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace a manifest that no longer fits.")
    ] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Say what would be written; write nothing.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Write a manifest: sizes and sha256 sums of all files, which `verify` checks from then on.

    A SavedModel has it in assets.extra/, where no loader looks; a checkpoint, and any other file,
    beside it. It finds damage that no checksum of TensorFlow's does. Who can change the files can
    change the manifest as well: it is no signature.

    \b
    Examples:
      tfartifacts manifest export/
      tfartifacts manifest checkpoints/ --latest
      tfartifacts manifest frozen.pb --overwrite
    """
    from tfartifacts.cli.errors import DONE, tell_all
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.rendering import Request
    from tfartifacts.cli.writing import taking_back_before_the_end
    from tfartifacts.report.json_text import json_lines
    from tfartifacts.report.manifests import manifest_lines

    code = DONE
    documents: list[Document] = []
    with taking_back_before_the_end():
        for path in paths:
            document, failures = _write(path, latest, overwrite, dry_run, quiet=as_json)
            if document is not None and as_json:
                documents.append(document)
            elif document is not None:
                write_lines(manifest_lines(document, Request(limit=0).layout()))
            code = max(code, tell_all(failures, debug=debug))
    if as_json and (documents or len(paths) > 1):
        write_lines(json_lines(documents, many=len(paths) > 1))
    return code


def _write(
    path: str, latest: bool, overwrite: bool, dry_run: bool, *, quiet: bool
) -> tuple[Document | None, list[TfArtifactsError]]:
    """What was written of a path, None where nothing was found; and what went wrong."""
    from tfartifacts.cli.progress import TerminalProgress
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.opening import while_unchanged
    from tfartifacts.opening.members import find_members
    from tfartifacts.report.manifests import describe_manifest, describe_manifests
    from tfartifacts.saving.manifests import save_manifest

    failures: list[TfArtifactsError] = []
    notes: list[str] = []
    described: list[Document] = []
    try:
        found = while_unchanged(path, lambda: find_members(path, latest=latest))
    except TfArtifactsError as error:
        return None, [error]
    failures += found.failures
    notes += found.notes
    for members in found.artifacts:
        try:
            with TerminalProgress(quiet=quiet) as progress:
                saved = save_manifest(
                    members,
                    overwrite=overwrite,
                    dry_run=dry_run,
                    progress=progress if progress.wanted else None,
                )
        except TfArtifactsError as error:
            failures.append(error)
            continue
        notes += saved.notes
        described.append(
            describe_manifest(
                saved.path,
                saved.file.path,
                saved.manifest,
                unchanged=saved.unchanged,
                replaces=saved.replaces,
            )
        )
    if not described:
        return None, failures
    return describe_manifests(path, described, notes, dry_run=dry_run), failures
