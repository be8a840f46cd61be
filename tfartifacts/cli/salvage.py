"""`tfartifacts salvage`: a checkpoint of what is intact in a damaged one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import AsJson, Debug
from tfartifacts.cli.writing import DryRun, UpdateState, Writing

if TYPE_CHECKING:
    from tfartifacts.checks.salvage import Salvaged
    from tfartifacts.model import Checkpoint


def salvage(
    source: Annotated[
        str,
        Argument(
            metavar="SOURCE",
            help="A checkpoint (folder, prefix or any member), or a SavedModel for its variables.",
            show_default=False,
        ),
    ],
    destination: Annotated[
        str,
        Argument(
            metavar="DESTINATION",
            help="A new prefix, such as salvaged/model-4.",
            show_default=False,
        ),
    ],
    unchecked_names: Annotated[
        bool,
        Option(
            "--unchecked-names",
            help="Take variables out of damaged blocks of the index, too, where the checksums of "
            "their values fit: one wrong bit in a small index makes all of it doubtful.",
        ),
    ] = False,
    update_state: UpdateState = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Write a valid checkpoint of what is intact in a damaged one.

    Every byte is checked; a variable is taken whole or not at all. The exit code is 0 if all was
    intact, 1 if something was lost and the rest written, 4 if nothing could be saved.

    \b
    Examples:
      tfartifacts salvage runs/model.ckpt-7 salvaged/model.ckpt-7
      tfartifacts salvage runs/model.ckpt-7 salvaged/model.ckpt-7 --unchecked-names --dry-run
    """
    from tfartifacts.checks.salvage import salvage as salvage_checkpoint
    from tfartifacts.cli.errors import DONE, FINDING
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.progress import TerminalProgress
    from tfartifacts.cli.rendering import Request
    from tfartifacts.report.salvage import describe_salvage, salvage_lines

    found: list[Salvaged] = []

    def made() -> Checkpoint:
        with TerminalProgress(quiet=as_json) as progress:
            found[:] = [
                salvage_checkpoint(
                    source,
                    unchecked_names=unchecked_names,
                    progress=progress if progress.wanted else None,
                )
            ]
        return found[0].checkpoint

    writing = Writing(update_state=update_state, dry_run=dry_run, quiet=as_json)
    _, saved = writing.save(source, destination, made)
    (salvaged,) = found
    document = describe_salvage(salvaged, destination, saved.files, saved.notes, dry_run=dry_run)
    if as_json:
        from tfartifacts.report.json_text import json_lines

        write_lines(json_lines([document], many=False))
    else:
        write_lines(salvage_lines(document, Request(limit=0).layout()))
    return DONE if salvaged.is_whole else FINDING
