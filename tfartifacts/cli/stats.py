"""`tfartifacts stats`: what the elements of variables come to."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import (
    AsJson,
    Debug,
    FollowExternal,
    Jobs,
    Limit,
    OutputFormat,
    Roles,
    output_format,
)


class SortKey(str, Enum):
    """What the rows of variables are ordered by."""

    FILE = "file"
    NAME = "name"
    SIZE = "size"
    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    STD = "std"
    L2 = "l2"
    ZEROS = "zeros"
    NAN = "nan"


def stats(
    path: Annotated[
        str,
        Argument(
            help="A checkpoint, a folder of them (the latest), a SavedModel or a frozen graph."
        ),
    ],
    pattern: Annotated[
        str,
        Option(
            "--filter",
            metavar="PATTERN",
            help="Only variables with this in their name; with * or ? a glob for the whole name.",
            show_default=False,
        ),
    ] = "",
    role: Roles = None,
    sort: Annotated[
        SortKey,
        Option("--sort", help="Order of variables; by a number: largest first."),
    ] = SortKey.FILE,
    limit: Limit = None,
    strict: Annotated[
        bool, Option("--strict", help="Exit with 1 where there is NaN or an infinity.")
    ] = False,
    jobs: Jobs = None,
    no_quantiles: Annotated[
        bool,
        Option(
            "--no-quantiles",
            help="Leave out quantiles and histograms of large variables: twice as fast.",
        ),
    ] = False,
    follow_external: FollowExternal = False,
    output: OutputFormat = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Show range, mean, spread, zeros, NaN and quantiles of each variable.

    Quantiles of more than 131,072 elements of 4 bytes and more are estimates, within 0.4 %.
    Exits with 4 where something could not be read; everything else is still shown.

    \b
    Examples:
      tfartifacts stats checkpoints/
      tfartifacts stats model.ckpt-7 --strict --role model
      tfartifacts stats export/ --sort std --limit 10
      tfartifacts stats model.ckpt-7 --format csv > weights.csv
    """
    from tfartifacts.cli.errors import DAMAGED, DONE, FINDING, tell_all
    from tfartifacts.cli.options import roles
    from tfartifacts.cli.rendering import Request, Writer
    from tfartifacts.opening import open_to_convert
    from tfartifacts.report.statistics import describe_statistics
    from tfartifacts.report.statistics_blocks import PRESENTATION
    from tfartifacts.report.view import View
    from tfartifacts.weights.statistics import statistics

    request = Request(limit=limit, output=output_format(output, as_json))
    found = statistics(
        open_to_convert(path, follow_external=follow_external),
        select=View(pattern=pattern).selects if pattern else None,
        roles=roles(role),
        jobs=jobs,
        quantiles=not no_quantiles,
    )
    writer = Writer(request.output, PRESENTATION, request.layout())
    writer.write(describe_statistics(found, sort.value))
    writer.end()
    if tell_all(found.damage, debug=debug):
        return DAMAGED
    return FINDING if strict and found.not_finite else DONE
