"""`tfartifacts scan`: what a model could do to who loads or runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tfartifacts.cli.options import AsJson, Debug, FollowExternal

if TYPE_CHECKING:
    from tfartifacts.checks.scan import Scan
    from tfartifacts.report.layout import Layout

SHOW = ("hits", "all")


def scan(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="A SavedModel, a .meta file, a frozen graph, a checkpoint or a folder of them.",
            show_default=False,
        ),
    ],
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="OP",
            help="No alarm for this op, or with capability:NAME for all that can do that; "
            "repeat it for more. They stay listed.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 for warnings as well.")
    ] = False,
    show: Annotated[
        str,
        typer.Option("--show", metavar="hits|all", help="all: also what is explained or allowed."),
    ] = "hits",
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=0,
            metavar="N",
            help="Most rows of a table, 0: all. Default: 40 on a terminal, else all.",
            show_default=False,
        ),
    ] = None,
    follow_external: FollowExternal = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Tell what a model could do: run code, write or read files, use the network.

    Nothing is executed. Looked at are all ops, the functions they are in, graphs nested in
    constants, compiled payloads, Keras' layers and files beside the model; told is what reaches
    them. Exit code 0: nothing to worry about, 1: a hit.

    \b
    Examples:
      tfartifacts scan export/
      tfartifacts scan export/ --show all
      tfartifacts scan downloads/*.pb --strict --json
      tfartifacts scan export/ --allow SimpleMLInferenceOp --allow capability:network
    """
    from tfartifacts.checks.scan.rows import allowed
    from tfartifacts.errors import NameNotFoundError

    if show not in SHOW:
        raise typer.BadParameter(
            f"found {show!r}, expected {' or '.join(SHOW)}", param_hint="'--show'"
        )
    try:
        allowed(allow or ())
    except NameNotFoundError as error:
        raise typer.BadParameter(error.message, param_hint="'--allow'") from None
    return _scan_all(
        paths, allow or (), _Options(strict, show == "all", limit, follow_external, as_json, debug)
    )


class _Options:
    def __init__(
        self,
        strict: bool,
        complete: bool,
        limit: int | None,
        follow_external: bool,
        as_json: bool,
        debug: bool,
    ) -> None:
        self.strict = strict
        self.complete = complete
        self.limit = limit
        self.follow_external = follow_external
        self.as_json = as_json
        self.debug = debug

    def layout(self) -> Layout:
        from tfartifacts.cli.output import LIMIT_ON_TERMINAL, is_ascii_only, terminal_width
        from tfartifacts.report.layout import Layout

        width = terminal_width()
        usual = 0 if width is None else LIMIT_ON_TERMINAL
        return Layout(
            width=width,
            limit=usual if self.limit is None else self.limit,
            ascii_only=is_ascii_only(sys.stdout),
        )


def _scan_all(paths: Sequence[str], allow: Sequence[str], options: _Options) -> int:
    """Scan each path; the worst exit code."""
    from tfartifacts.checks.scan import scan as scan_artifact
    from tfartifacts.cli.errors import DONE, tell
    from tfartifacts.cli.output import write_lines
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.report.json_text import json_lines
    from tfartifacts.report.scanning import describe_scan, scan_lines

    code = DONE
    documents = []
    for path in paths:
        try:
            scanned = scan_artifact(path, allow=allow, follow_external=options.follow_external)
        except TfArtifactsError as error:
            code = max(code, tell(error, debug=options.debug))
            continue
        if options.as_json:
            documents.append(describe_scan(scanned))
        else:
            lines = scan_lines(scanned, options.layout(), complete=options.complete)
            write_lines(["", *lines] if documents else lines)
            documents.append({})
        code = max(code, _code(scanned, options))
    if options.as_json and (documents or len(paths) > 1):
        write_lines(json_lines(documents, many=len(paths) > 1, limit=options.limit or 0))
    return code


def _code(scanned: Scan, options: _Options) -> int:
    from tfartifacts.cli.errors import DAMAGED, DONE, FINDING, tell_all

    found = scanned.errors or (options.strict and scanned.warnings)
    damaged = tell_all(scanned.problems, debug=options.debug)
    return max(FINDING if found else DONE, DAMAGED if damaged else DONE)
