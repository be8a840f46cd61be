"""`tfartifacts inspect`: show what is in an artifact."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated

from tfartifacts.cli.declaring import Argument, Option, UsageError
from tfartifacts.cli.options import AsJson, Debug, FollowExternal, OutputFormat, output_format
from tfartifacts.report.formats import Format
from tfartifacts.report.view import SECTIONS


class SortKey(str, Enum):
    """What the rows of variables are ordered by."""

    FILE = "file"
    NAME = "name"
    SIZE = "size"
    SHAPE = "shape"
    DTYPE = "dtype"
    SHARD = "shard"


def inspect(
    paths: Annotated[
        list[str],
        Argument(
            metavar="PATH...",
            help="A folder, a checkpoint prefix, or any file of a checkpoint or SavedModel.",
            show_default=False,
        ),
    ],
    show: Annotated[
        list[str] | None,
        Option(
            "--show",
            metavar="SECTION,...",
            help="Show these sections in full: " + ", ".join((*SECTIONS, "all")) + ".",
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        Option(
            "--values",
            metavar="NAME",
            help="Show the values of the variable of that name, or of all that a glob matches.",
        ),
    ] = None,
    pattern: Annotated[
        str,
        Option(
            "--filter",
            metavar="PATTERN",
            help="List only names with this in them; with * or ? a glob for the whole name.",
            show_default=False,
        ),
    ] = "",
    sort: Annotated[
        SortKey, Option("--sort", help="Order of variables; size: largest first.")
    ] = SortKey.FILE,
    limit: Annotated[
        int | None,
        Option(
            "--limit",
            min=0,
            metavar="N",
            help="Most rows of a table, 0: all. Default: 40 on a terminal, else all. "
            "0 also prints all elements with --values.",
            show_default=False,
        ),
    ] = None,
    follow_external: FollowExternal = False,
    output: OutputFormat = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Show what is in a checkpoint, a folder of them, a graph or a SavedModel.

    --format csv writes the one section of --show: by default the variables of a checkpoint, the
    signatures of a SavedModel or .meta, the candidates of another graph. Names of files and
    tensors are shown with escapes in all formats but json, which has them exactly.

    \b
    Examples:
      tfartifacts inspect checkpoints/
      tfartifacts inspect checkpoints/model.ckpt-7 --sort size --limit 10
      tfartifacts inspect model.ckpt-7.meta --show placeholders,ops
      tfartifacts inspect export/ --values 'dense/*' --json
      tfartifacts inspect export/ --format html > export.html
      tfartifacts inspect model.ckpt-7 --format csv --sort size > variables.csv
    """
    from tfartifacts.cli.rendering import Request, report_all

    chosen = output_format(output, as_json)
    sections = _sections(show or ())
    if chosen is Format.CSV and len(sections) > 1:
        raise UsageError(
            f"found {len(sections)} sections, expected one: CSV has one table",
            option="'--show'",
        )
    request = Request(
        sections=sections,
        values=tuple(values or ()),
        pattern=pattern,
        sort=sort.value,
        limit=limit,
        follow_external=follow_external,
        output=chosen,
        debug=debug,
    )
    return report_all(paths, request)


def _sections(show: Sequence[str]) -> frozenset[str]:
    """The sections of comma-separated, repeated --show options."""
    wanted = [name for option in show for name in option.split(",") if name]
    if "all" in wanted:
        return frozenset(SECTIONS)
    if unknown := [name for name in wanted if name not in SECTIONS]:
        known = ", ".join((*SECTIONS, "all"))
        raise UsageError(f"no section {unknown[0]!r}; there is {known}", option="'--show'")
    return frozenset(wanted)
