"""`tfartifacts export`: variables to safetensors, .npz or .npy files."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import AsJson, Debug, FollowExternal, Jobs
from tfartifacts.cli.writing import DryRun, taking_back_before_the_end

if TYPE_CHECKING:
    from tfartifacts.exchange import Exported


class FileFormat(str, Enum):
    """What can be written."""

    SAFETENSORS = "safetensors"
    NPZ = "npz"
    NPY = "npy"


class Preset(str, Enum):
    """Names and shapes of other libraries."""

    BERT_PYTORCH = "bert-pytorch"


NameMap = Annotated[
    str | None,
    Option(
        "--map",
        metavar="FILE",
        help='New names: a JSON object {"old": "new"}, or lines of OLD, a tab, NEW.',
        show_default=False,
    ),
]


def export(
    source: Annotated[
        str,
        Argument(
            metavar="PATH",
            help="A checkpoint (folder, prefix or any member) or a SavedModel.",
            show_default=False,
        ),
    ],
    destination: Annotated[
        str,
        Argument(
            metavar="OUT",
            help="OUT.safetensors, OUT.npz, or a folder for .npy files: OUT/.",
            show_default=False,
        ),
    ],
    format_: Annotated[
        FileFormat | None,
        Option("--format", help="What to write, whatever OUT is called.", show_default=False),
    ] = None,
    name_map: NameMap = None,
    preset: Annotated[
        Preset | None,
        Option(
            "--preset",
            help="bert-pytorch: names and shapes of Hugging Face's BERT for Google's; what is the "
            "optimizer's stays behind.",
            show_default=False,
        ),
    ] = None,
    pattern: Annotated[
        str,
        Option(
            "--filter",
            metavar="PATTERN",
            help="Only variables with this in their names; with * or ? a glob for the whole name.",
            show_default=False,
        ),
    ] = "",
    keep: Annotated[
        list[str] | None,
        Option("--keep", metavar="GLOB", help="Only variables that match. Repeatable."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        Option("--drop", metavar="GLOB", help="No variables that match. Repeatable."),
    ] = None,
    strip_optimizer: Annotated[
        bool,
        Option(
            "--strip-optimizer",
            help="Leave out optimizer slots and the like, which are written otherwise.",
        ),
    ] = False,
    skip_unsupported: Annotated[
        bool,
        Option(
            "--skip-unsupported",
            help="Leave out what the format cannot hold, such as strings in safetensors.",
        ),
    ] = False,
    max_shard_size: Annotated[
        str,
        Option(
            "--max-shard-size",
            metavar="SIZE",
            help="Write more safetensors as several files with an index: 5GB, 500MiB.",
        ),
    ] = "5GB",
    compress: Annotated[bool, Option("--compress", help="Deflate what is in an .npz.")] = (False),
    overwrite: Annotated[
        bool,
        Option(
            "--overwrite",
            help="Replace a file that is there, or a folder that holds nothing but an export.",
        ),
    ] = False,
    dry_run: DryRun = False,
    follow_external: FollowExternal = False,
    jobs: Jobs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Write variables for other libraries: safetensors, or NumPy's .npz and .npy.

    Optimizer slots are written too, unless --strip-optimizer. Files appear whole or not at all.

    \b
    Examples:
      tfartifacts export checkpoints/ model.safetensors --strip-optimizer
      tfartifacts export bert/bert_model.ckpt model.safetensors --preset bert-pytorch
      tfartifacts export export/ weights.npz --keep 'dense*'
    """
    from tfartifacts.cli.errors import DONE
    from tfartifacts.cli.name_maps import read_names
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.progress import TerminalProgress
    from tfartifacts.cli.rendering import Request
    from tfartifacts.exchange import export as export_artifact
    from tfartifacts.opening import open_to_convert, while_unchanged
    from tfartifacts.report.exchanges import describe_export, export_lines
    from tfartifacts.report.view import is_glob

    names = None if name_map is None else read_names(name_map)
    kept = list(keep or ())
    if pattern:
        kept.append(pattern if is_glob(pattern) else f"*{pattern}*")

    def attempt() -> Exported:
        artifact = open_to_convert(source, follow_external=follow_external)
        with TerminalProgress(quiet=as_json) as progress:
            return export_artifact(
                artifact,
                destination,
                format=None if format_ is None else format_.value,
                names=names,
                preset=None if preset is None else preset.value,
                keep=kept,
                drop=drop or (),
                strip_optimizer=strip_optimizer,
                skip_unsupported=skip_unsupported,
                max_shard_size=max_shard_size,
                compress=compress,
                overwrite=overwrite,
                dry_run=dry_run,
                progress=progress if progress.wanted else None,
                jobs=jobs,
            )

    with taking_back_before_the_end():
        exported = while_unchanged(source, attempt)
    document = describe_export(exported, destination, dry_run=dry_run)
    if as_json:
        from tfartifacts.report.json_text import json_lines

        write_lines(json_lines([document], many=False))
    else:
        write_lines(export_lines(document, Request(limit=0).layout()))
    return DONE
