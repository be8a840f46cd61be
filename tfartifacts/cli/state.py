"""`tfartifacts state`: a `checkpoint` state file, what is wrong with it, and its repair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import AsJson, Debug, FollowExternal

if TYPE_CHECKING:
    from tfartifacts.checks.findings import Finding
    from tfartifacts.checks.states import ExaminedState


def state(
    path: Annotated[
        str,
        Argument(
            metavar="PATH", help="A folder of checkpoints, or its state file.", show_default=False
        ),
    ],
    fix: Annotated[bool, Option("--fix", help="Repair it, in one step.")] = False,
    add_unlisted: Annotated[
        bool,
        Option("--add-unlisted", help="List the checkpoints that it does not name, too."),
    ] = False,
    backup: Annotated[
        bool, Option("--backup", help="With --fix, keep the old file as checkpoint.bak.")
    ] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="With --fix, say what would change; write nothing.")
    ] = False,
    follow_external: FollowExternal = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Show a `checkpoint` state file and what TensorFlow makes of it; repair it with --fix.

    After a repair all paths are relative, and each leads to a checkpoint that is there. A file
    that is missing, empty or cannot be read is made anew. No checkpoint is touched.

    Exits with 1 where TensorFlow would not find what is meant, with 4 for a file that cannot be
    read.

    \b
    Examples:
      tfartifacts state checkpoints/
      tfartifacts state checkpoints/ --fix --backup
      tfartifacts state checkpoints/ --fix --add-unlisted --dry-run
    """
    from tfartifacts.checks.state_repair import repaired
    from tfartifacts.checks.states import examine_state, state_findings
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.rendering import Request
    from tfartifacts.cli.writing import taking_back_before_the_end
    from tfartifacts.errors import ConversionError, PathNotFoundError
    from tfartifacts.report.json_text import json_lines
    from tfartifacts.report.states import describe_state_file, state_lines
    from tfartifacts.saving.repaired_state import clear_state_file, replace_state_file

    if (dry_run or backup) and not fix:
        option = "--dry-run" if dry_run else "--backup"
        raise ConversionError(f"found {option}, expected it with --fix")
    examined = examine_state(path, follow_external=follow_external)
    findings = list(state_findings(examined))
    repair, notes, kept = None, list[str](), None
    try:
        repair = repaired(examined, add_unlisted=add_unlisted)
    except PathNotFoundError as error:
        # There is nothing to repair it to; that is no reason not to show it.
        if fix:
            raise
        notes += [error.message, *error.details]
    is_written = fix and not dry_run and repair is not None and repair.changes
    with taking_back_before_the_end():
        if fix and not dry_run:
            notes += clear_state_file(examined.path)
        if is_written and repair is not None:
            kept = replace_state_file(
                examined.path, repair.data, repair.state, examined.data, backup=backup
            )
    document = describe_state_file(
        examined,
        findings,
        repair,
        fixed=is_written,
        dry_run=dry_run,
        backup=kept,
        notes=notes,
    )
    if as_json:
        write_lines(json_lines([document], many=False))
    else:
        write_lines(state_lines(document, Request(limit=0).layout()))
    if is_written:
        examined = examine_state(path, follow_external=follow_external)
        findings = list(state_findings(examined))
    return _code(examined, findings)


def _code(examined: ExaminedState, findings: list[Finding]) -> int:
    from tfartifacts.checks.findings import Severity
    from tfartifacts.cli.errors import DAMAGED, DONE, FINDING

    if examined.fault is not None:
        return DAMAGED
    return FINDING if any(each.severity is not Severity.NOTE for each in findings) else DONE
