"""`tfartifacts edit`: a checkpoint with other names, types and values."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import AsJson, Debug, FollowExternal, Jobs
from tfartifacts.cli.writing import MaxToKeep, UpdateState, Writing

if TYPE_CHECKING:
    from tfartifacts.weights.edits import EditPlan


class CastTo(str, Enum):
    """What numbers can be cast to."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


_RENAMING = "OLD=NEW"
_GLOB = "GLOB"


def edit(
    source: Annotated[
        str,
        Argument(
            metavar="SOURCE",
            help="A checkpoint (folder, prefix or any member), or a SavedModel for its variables.",
            show_default=False,
        ),
    ],
    destination: Annotated[
        str,
        Argument(
            metavar="DESTINATION",
            help="A new prefix, such as edited/model-4.",
            show_default=False,
        ),
    ],
    keep: Annotated[
        list[str] | None,
        Option("--keep", metavar=_GLOB, help="Drop all other variables. Repeatable."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        Option("--drop", metavar=_GLOB, help="Drop these variables. Repeatable."),
    ] = None,
    strip_optimizer: Annotated[
        bool,
        Option(
            "--strip-optimizer",
            help="Drop slots, powers of beta and the optimizer's own counters; global_step stays.",
        ),
    ] = False,
    use_ema: Annotated[
        bool,
        Option("--use-ema", help="Give variables the values of their moving averages, which go."),
    ] = False,
    map_: Annotated[
        str | None,
        Option(
            "--map",
            metavar="FILE",
            help='New names, all at once: {"old": "new"}, or lines OLD<TAB>NEW; or rules as '
            '--rename has them: ["OLD=NEW"], or lines.',
            show_default=False,
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        Option(
            "--rename",
            metavar=_RENAMING,
            help="Rename a variable, or with OLD/=NEW/ a scope. Repeatable, in turn.",
        ),
    ] = None,
    rename_regex: Annotated[
        list[str] | None,
        Option(
            "--rename-regex",
            metavar="PATTERN=REPLACEMENT",
            help="Rename by a regular expression, as Python's re.sub; after --rename.",
        ),
    ] = None,
    merge_partitions: Annotated[
        bool, Option("--merge-partitions", help="Store partitioned variables whole.")
    ] = False,
    cast: Annotated[
        CastTo | None,
        Option(
            "--cast",
            help="Cast floating types, as tf.cast does to the bit.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        Option(
            "--only",
            metavar=_GLOB,
            help="With --cast, cast these alone; integers where the pattern is their whole name.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="NAME=VALUE",
            help="Other values, as JSON: global_step=0, 'w=[[1, 2]]'. Type and shape stay.",
        ),
    ] = None,
    add: Annotated[
        list[str] | None,
        Option("--add", metavar="FILE.npz", help="Add the arrays of an archive by their names."),
    ] = None,
    shards: Annotated[
        int | None,
        Option("--shards", metavar="N", min=1, help="Write N data files.", show_default=False),
    ] = None,
    update_state: UpdateState = False,
    max_to_keep: MaxToKeep = None,
    dry_run: Annotated[
        bool,
        Option("--dry-run", help="Say what would become of each variable; write nothing."),
    ] = False,
    follow_external: FollowExternal = False,
    jobs: Jobs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Rename, drop, cast and set the variables of a checkpoint.

    All in one pass, in the order of the options here; from --cast on, names are the new ones. The
    result is written whole or not at all, and nothing is replaced. A GLOB without * and ? is one
    name. A .meta comes along where it can restore the result.

    \b
    Examples:
      tfartifacts edit checkpoints/ small/model --strip-optimizer --cast bfloat16
      tfartifacts edit bert/model.ckpt new/model.ckpt --rename bert/=encoder/ --set global_step=0
      tfartifacts edit runs/model-9 served/model-9 --use-ema --dry-run
    """
    from tfartifacts.cli.errors import DONE
    from tfartifacts.cli.name_maps import read_name_map
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.rendering import Request
    from tfartifacts.convert.choosing import source_path
    from tfartifacts.opening import open_to_convert
    from tfartifacts.report.edits import describe_edit, edit_lines
    from tfartifacts.weights.editing import overflowed, plan_edits
    from tfartifacts.weights.edits import Edits

    names, rules = ({}, ()) if map_ is None else read_name_map(map_)
    edits = Edits(
        keep=tuple(keep or ()),
        drop=tuple(drop or ()),
        strip_optimizer=strip_optimizer,
        use_ema=use_ema,
        names=names,
        rename=(*rules, *(rename or ()), *(f"re:{rule}" for rule in rename_regex or ())),
        merge_partitions=merge_partitions,
        cast=None if cast is None else cast.value,
        only=tuple(only or ()),
        values=_values(set_ or ()),
        add=_arrays(add or ()),
        shards=shards,
    )
    writing = Writing(False, update_state, max_to_keep, None, dry_run, quiet=as_json, jobs=jobs)
    plans: list[EditPlan] = []
    paths: list[str] = []

    def made() -> Any:
        artifact, said = _chosen(open_to_convert(source, follow_external=follow_external))
        paths[:] = [source_path(artifact) or source]
        plans[:] = [_with_notes(plan_edits(artifact, edits), said)]
        return plans[0].checkpoint

    result, saved = writing.save(source, destination, made)
    document = describe_edit(
        paths[0],
        plans[0],
        destination,
        saved.files,
        saved.notes,
        dry_run=dry_run,
        overflowed=overflowed(result),
    )
    if as_json:
        from tfartifacts.report.json_text import json_lines

        write_lines(json_lines([document], many=False))
    else:
        write_lines(edit_lines(document, Request(limit=0).layout()))
    return DONE


def _chosen(artifact: Any) -> tuple[Any, tuple[str, ...]]:
    """Of a folder of checkpoints the latest, where that is beyond doubt; what is said of it."""
    from tfartifacts.convert.choosing import one_checkpoint
    from tfartifacts.model import CheckpointDirectory

    if isinstance(artifact, CheckpointDirectory):
        return one_checkpoint(artifact)
    return artifact, ()


def _with_notes(plan: EditPlan, notes: tuple[str, ...]) -> EditPlan:
    from tfartifacts.records import replace

    checkpoint = replace(plan.checkpoint, notes=(*notes, *plan.checkpoint.notes))
    return replace(plan, checkpoint=checkpoint)


def _values(options: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE`, the value as JSON, or as text where it is none."""
    import json

    from tfartifacts.errors import ConversionError

    values: dict[str, Any] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not name or not equals:
            raise ConversionError(f"found --set {option!r}, expected NAME=VALUE")
        if name in values:
            raise ConversionError(f"found two values for {name!r}, expected one")
        try:
            values[name] = json.loads(text, parse_float=_finite)
        except (ValueError, RecursionError):
            values[name] = text
    return values


def _finite(text: str) -> float:
    """A number as it is written. Raises ConversionError for one that would become infinite."""
    from math import isinf

    from tfartifacts.errors import ConversionError

    number = float(text)
    if isinf(number):
        raise ConversionError(
            f"found {text}, which float64 cannot hold, expected a number or Infinity"
        )
    return number


def _arrays(paths: Sequence[str]) -> dict[str, Any]:
    """The arrays of archives by their names."""
    from tfartifacts.errors import ConversionError
    from tfartifacts.execution.arrays import read_all

    arrays: dict[str, Any] = {}
    for path in paths:
        for name, array in read_all(path).items():
            if name in arrays:
                raise ConversionError(f"found a second array {name!r} to add", path=path)
            arrays[name] = array
    return arrays
