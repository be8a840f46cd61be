"""`tfartifacts scan`: what a model could do to who loads or runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from tfartifacts.cli.declaring import Argument, Option, UsageError
from tfartifacts.cli.options import (
    AsJson,
    Debug,
    FollowExternal,
    Limit,
    OutputFormat,
    output_format,
)

if TYPE_CHECKING:
    from tfartifacts.checks.scan import Scan
    from tfartifacts.cli.rendering import Request

SHOW = ("hits", "all")


def scan(
    paths: Annotated[
        list[str],
        Argument(
            metavar="PATH...",
            help="A SavedModel, a .meta file, a frozen graph, a checkpoint or a folder of them.",
            show_default=False,
        ),
    ],
    allow: Annotated[
        list[str] | None,
        Option(
            "--allow",
            metavar="OP",
            help="No alarm for this op, or with capability:NAME for all that can do that; "
            "repeat it for more. They stay listed.",
        ),
    ] = None,
    strict: Annotated[bool, Option("--strict", help="Exit with 1 for warnings as well.")] = False,
    show: Annotated[
        str,
        Option("--show", metavar="hits|all", help="all: also what is explained or allowed."),
    ] = "hits",
    limit: Limit = None,
    follow_external: FollowExternal = False,
    output: OutputFormat = None,
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
    from tfartifacts.cli.rendering import Request
    from tfartifacts.errors import NameNotFoundError

    if show not in SHOW:
        raise UsageError(f"found {show!r}, expected {' or '.join(SHOW)}", option="'--show'")
    try:
        allowed(allow or ())
    except NameNotFoundError as error:
        raise UsageError(error.message, option="'--allow'") from None
    request = Request(
        sections=frozenset({"all"} if show == "all" else ()),
        limit=limit,
        follow_external=follow_external,
        output=output_format(output, as_json),
        debug=debug,
    )
    return _scan_all(paths, allow or (), request, strict=strict)


def _scan_all(paths: Sequence[str], allow: Sequence[str], request: Request, *, strict: bool) -> int:
    """Scan each path; the worst exit code."""
    from tfartifacts.checks.scan import scan as scan_artifact
    from tfartifacts.cli.errors import DONE, tell
    from tfartifacts.cli.rendering import Writer
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.report.scanning import PRESENTATION, describe_scan

    code = DONE
    writer = Writer(request.output, PRESENTATION, request.layout(), many=len(paths) > 1)
    for path in paths:
        try:
            scanned = scan_artifact(path, allow=allow, follow_external=request.follow_external)
        except TfArtifactsError as error:
            code = max(code, tell(error, debug=request.debug))
            continue
        writer.write(describe_scan(scanned))
        code = max(code, _exit_code(scanned, request, strict=strict))
    writer.end()
    return code


def _exit_code(scanned: Scan, request: Request, *, strict: bool) -> int:
    from tfartifacts.cli.errors import DAMAGED, DONE, FINDING, tell_all

    found = scanned.errors or (strict and scanned.warnings)
    damaged = tell_all(scanned.problems, debug=request.debug)
    return max(FINDING if found else DONE, DAMAGED if damaged else DONE)
