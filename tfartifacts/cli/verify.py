"""`tfartifacts verify`: everything that is wrong with an artifact."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import AsJson, Debug, Jobs, OutputFormat, output_format

if TYPE_CHECKING:
    from tfartifacts.checks.verify import Verification


class Purpose(str, Enum):
    """What an artifact is to be good for."""

    SERVING = "serving"


def verify(
    paths: Annotated[
        list[str],
        Argument(
            metavar="PATH...",
            help="A folder, a checkpoint prefix, or any file of a checkpoint or SavedModel.",
            show_default=False,
        ),
    ],
    purpose: Annotated[
        Purpose | None,
        Option(
            "--for",
            help="Check also what it needs for that: serving, with TensorFlow Serving.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool, Option("--strict", help="Warnings count: they make the exit code 1, too.")
    ] = False,
    jobs: Jobs = None,
    limit: Annotated[
        int | None,
        Option(
            "--limit",
            min=0,
            metavar="N",
            help="Most findings to show, 0: all. Default: 40 on a terminal, else all.",
            show_default=False,
        ),
    ] = None,
    output: OutputFormat = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Verify checksums, sizes, references, and that all parts fit each other.

    Every finding is told, not the first. Exit code 0: no error; 1: errors (with --strict also
    warnings); 3: nothing to verify; 4: too damaged to be read at all.

    \b
    Examples:
      tfartifacts verify checkpoints/
      tfartifacts verify export/ --for serving --strict
      tfartifacts verify checkpoints/model.ckpt-7 --json
    """
    from tfartifacts.checks.verify import verify as verify_path
    from tfartifacts.cli.errors import DONE, tell
    from tfartifacts.cli.progress import TerminalProgress
    from tfartifacts.cli.rendering import Request, Writer
    from tfartifacts.errors import TfArtifactsError
    from tfartifacts.report.formats import Format
    from tfartifacts.report.verification import PRESENTATION, describe_verification

    code = DONE
    request = Request(limit=limit, output=output_format(output, as_json))
    writer = Writer(request.output, PRESENTATION, request.layout(), many=len(paths) > 1)
    for path in paths:
        try:
            with TerminalProgress(quiet=request.output is not Format.TEXT) as progress:
                verification = verify_path(
                    path,
                    for_serving=purpose is Purpose.SERVING,
                    jobs=jobs,
                    progress=progress if progress.wanted else None,
                )
        except TfArtifactsError as error:
            code = max(code, tell(error, debug=debug))
            continue
        code = max(code, _exit_code(verification, strict=strict))
        writer.write(describe_verification(verification))
    writer.end()
    return code


def _exit_code(verification: Verification, *, strict: bool) -> int:
    from tfartifacts.checks.findings import Severity
    from tfartifacts.cli.errors import DAMAGED, DONE, FINDING

    if not verification.is_readable:
        return DAMAGED
    counted = [Severity.ERROR, Severity.WARNING] if strict else [Severity.ERROR]
    return FINDING if any(verification.count(severity) for severity in counted) else DONE
