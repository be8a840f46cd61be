"""`tfartifacts diff`: what differs between any two artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from tfartifacts.cli.declaring import Argument, Option, UsageError
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


def diff(
    a: Annotated[
        str,
        Argument(
            metavar="A",
            help="A checkpoint, a folder of them (the latest), a .meta file, a SavedModel or a "
            "frozen graph.",
            show_default=False,
        ),
    ],
    b: Annotated[str, Argument(metavar="B", help="Another one.", show_default=False)],
    values: Annotated[
        str,
        Option(
            "--values",
            metavar="HOW",
            help="auto: what has equal stored checksums is not read; exact: read everything; "
            "rtol=1e-5,atol=1e-8: close is enough; none: names, types and shapes alone.",
        ),
    ] = "auto",
    show: Annotated[
        list[str] | None,
        Option(
            "--show",
            metavar="PART,...",
            help="Compare these parts alone, and show them in full: variables, graph, "
            "signatures, collections, versions, saver, assets.",
        ),
    ] = None,
    role: Roles = None,
    pattern: Annotated[
        str,
        Option(
            "--filter",
            metavar="PATTERN",
            help="Only variables, nodes and functions with this in their name; with * or ? a "
            "glob for the whole name.",
            show_default=False,
        ),
    ] = "",
    limit: Limit = None,
    rename_map: Annotated[
        str | None,
        Option(
            "--rename-map",
            metavar="FILE",
            help="Write the names in A that are others in B, as JSON: {old: new}.",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = None,
    follow_external: FollowExternal = False,
    output: OutputFormat = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Compare two artifacts of any kind: their variables, and their graphs where both have one.

    The first line answers whether the weights are the same. Exits with 0 where all that was
    compared is equal, 1 where something differs, 4 where something could not be read.

    \b
    Examples:
      tfartifacts diff model.ckpt-7 export/
      tfartifacts diff model.ckpt-7 export/ --show variables --role model
      tfartifacts diff old/ new/ --values rtol=1e-5,atol=1e-8
      tfartifacts diff old.ckpt new.ckpt --rename-map names.json
    """
    from tfartifacts.cli.errors import DAMAGED, DONE, FINDING, tell_all
    from tfartifacts.cli.options import roles, split
    from tfartifacts.cli.rendering import Request, Writer
    from tfartifacts.opening import open_artifact
    from tfartifacts.report.difference_blocks import PRESENTATION
    from tfartifacts.report.differences import describe_difference
    from tfartifacts.report.view import View
    from tfartifacts.storage.publishing import refuse_existing
    from tfartifacts.weights.difference import PARTS
    from tfartifacts.weights.difference import diff as compare

    parts = split(show or ())
    request = Request(sections=frozenset(parts), limit=limit, output=output_format(output, as_json))
    if unknown := [part for part in parts if part not in PARTS]:
        raise UsageError(f"no part {unknown[0]!r}; there is {', '.join(PARTS)}", option="'--show'")
    if rename_map is not None:
        refuse_existing(rename_map)
    found = compare(
        open_artifact(a, follow_external=follow_external),
        open_artifact(b, follow_external=follow_external),
        values=values,
        parts=parts or PARTS,
        select=View(pattern=pattern).selects if pattern else None,
        roles=roles(role),
        jobs=jobs,
    )
    writer = Writer(request.output, PRESENTATION, request.layout())
    writer.write(describe_difference(found))
    writer.end()
    if rename_map is not None:
        _write_map(rename_map, found.renames)
    if tell_all(found.damage, debug=debug):
        return DAMAGED
    return DONE if found.equal else FINDING


def _write_map(path: str, renames: Mapping[str, str]) -> None:
    import json
    import os

    from tfartifacts.storage.publishing import publish_files
    from tfartifacts.storage.temporary import staging_folder
    from tfartifacts.storage.writing import write_file

    text = json.dumps(dict(renames), indent=2) + "\n"
    with staging_folder(path) as staged:
        write_file(os.path.join(staged, os.path.basename(path)), [text.encode("ascii")])
        publish_files(staged, os.path.dirname(path) or os.curdir, [os.path.basename(path)])
