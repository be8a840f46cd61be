"""`tfartifacts import`: safetensors, .npz or .npy files to a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.export import NameMap
from tfartifacts.cli.options import AsJson, Debug, Jobs
from tfartifacts.cli.writing import DryRun, MaxToKeep, UpdateState, Writing

if TYPE_CHECKING:
    from tfartifacts.model import Checkpoint


def import_file(
    source: Annotated[
        str,
        Argument(
            metavar="FILE",
            help="A .safetensors file, the .index.json of several, a .npz or .npy file, or a "
            "folder of these.",
            show_default=False,
        ),
    ],
    prefix: Annotated[
        str,
        Argument(
            metavar="PREFIX", help="The new checkpoint: folder/model.ckpt.", show_default=False
        ),
    ],
    name_map: NameMap = None,
    step: Annotated[
        int | None,
        Option(
            "--step",
            metavar="N",
            min=0,
            help="Write PREFIX-N, with N as its global_step.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        Option(
            "--dtype",
            metavar="NAME=TYPE",
            help="The type of a tensor that NumPy's files do not tell: w=bfloat16. Repeatable.",
        ),
    ] = None,
    update_state: UpdateState = False,
    max_to_keep: MaxToKeep = None,
    dry_run: DryRun = False,
    jobs: Jobs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Make a checkpoint of safetensors or of NumPy's .npz and .npy files.

    What `export` wrote comes back with the same bits. The result is written whole or not at all.

    \b
    Examples:
      tfartifacts import model.safetensors restored/model.ckpt
      tfartifacts import weights.npz restored/model.ckpt --step 7
    """
    from tfartifacts.cli.errors import DONE
    from tfartifacts.cli.name_maps import read_names
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.rendering import Request
    from tfartifacts.errors import ConversionError
    from tfartifacts.exchange import import_checkpoint
    from tfartifacts.report.conversions import conversion_lines, describe_conversion

    names = None if name_map is None else read_names(name_map)
    dtypes: dict[str, str] = {}
    for text in dtype or ():
        name, equals, wanted = text.rpartition("=")
        if not equals or not name or name in dtypes:
            raise ConversionError(f"found --dtype {text!r}, expected NAME=TYPE, each name once")
        dtypes[name] = wanted
    if step is not None:
        prefix = f"{prefix}-{step}"

    def made() -> Checkpoint:
        return import_checkpoint(source, names=names, step=step, dtypes=dtypes)

    writing = Writing(False, update_state, max_to_keep, None, dry_run, quiet=as_json, jobs=jobs)
    checkpoint, saved = writing.save(source, prefix, made)
    document = describe_conversion(
        source, checkpoint, prefix, saved.files, saved.notes, dry_run=dry_run
    )
    if as_json:
        from tfartifacts.report.json_text import json_lines

        write_lines(json_lines([document], many=False))
    else:
        write_lines(conversion_lines(document, Request(limit=0).layout()))
    return DONE
