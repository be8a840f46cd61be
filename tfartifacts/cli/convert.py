"""`tfartifacts convert`: a checkpoint to a SavedModel, a SavedModel to a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated

import typer

from tfartifacts.cli.options import AsJson, Debug, FollowExternal


class Target(str, Enum):
    """What can be made."""

    SAVED_MODEL = "saved-model"
    CHECKPOINT = "checkpoint"


_MAPPING = "[KEY=]TENSOR,..."


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A checkpoint (folder, prefix or any member) or a SavedModel.",
            show_default=False,
        ),
    ],
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DESTINATION",
            help="A new folder for a SavedModel, a new prefix (export/model-4) for a checkpoint.",
            show_default=False,
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--inputs",
            metavar=_MAPPING,
            help="Inputs of the signature: image=myInput:0. Without KEY the node's last name.",
        ),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option("--outputs", metavar=_MAPPING, help="Outputs of the signature."),
    ] = None,
    signature: Annotated[
        str | None,
        typer.Option("--signature", metavar="KEY", help="Its key. Default: serving_default."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="TAG,...",
            help="Tags to write (default: serve), or of the meta graph to take from a SavedModel.",
        ),
    ] = None,
    to: Annotated[
        Target | None,
        typer.Option("--to", help="What to make; follows from the source.", show_default=False),
    ] = None,
    follow_external: FollowExternal = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Convert a checkpoint to a SavedModel, or a SavedModel to a checkpoint.

    The result is written whole or not at all; nothing is overwritten.

    \b
    Examples:
      tfartifacts convert checkpoints/ export/ --inputs image=myInput:0 \\
          --outputs prediction=myPrediction:0
      tfartifacts convert export/ restored/my_model-4
    """
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.rendering import Request
    from tfartifacts.convert import convert as convert_artifact
    from tfartifacts.convert import source_path, with_keys
    from tfartifacts.opening import open_to_convert
    from tfartifacts.report.conversions import (
        conversion_lines,
        describe_conversion,
    )
    from tfartifacts.saving import save

    artifact = open_to_convert(source, follow_external=follow_external)
    result = convert_artifact(
        artifact,
        to=None if to is None else to.value,
        inputs=None if inputs is None else with_keys(_split(inputs)),
        outputs=None if outputs is None else with_keys(_split(outputs)),
        signature=signature,
        tags=None if tag is None else _split(tag),
    )
    written = save(result, destination)
    document = describe_conversion(source_path(artifact) or source, result, destination, written)
    if as_json:
        from tfartifacts.report.json_text import json_lines

        write_lines(json_lines([document], many=False))
    else:
        write_lines(conversion_lines(document, Request(limit=0).layout()))
    return 0


def _split(options: Sequence[str]) -> list[str]:
    """The parts of comma-separated, repeated options."""
    return [part.strip() for option in options for part in option.split(",") if part.strip()]
