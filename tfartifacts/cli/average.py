"""`tfartifacts average`: the mean of checkpoints of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import AsJson, Debug, FollowExternal, Jobs, split
from tfartifacts.cli.writing import DryRun, MaxToKeep, UpdateState, Writing

if TYPE_CHECKING:
    from tfartifacts.model import Checkpoint
    from tfartifacts.weights.averaging import AveragePlan


def average(
    paths: Annotated[
        list[str],
        Argument(
            metavar="CHECKPOINT... DESTINATION",
            help="Checkpoints, the newest last, or with --last their folder; then a new prefix.",
            show_default=False,
        ),
    ],
    last: Annotated[
        int | None,
        Option(
            "--last",
            metavar="N",
            min=1,
            help="Average the last N checkpoints of a folder.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        Option(
            "--weights", metavar="NUMBER,...", help="What each checkpoint counts for: 0.25,0.75."
        ),
    ] = None,
    with_optimizer: Annotated[
        bool,
        Option("--with-optimizer", help="Average the optimizer's slots, too."),
    ] = False,
    update_state: UpdateState = False,
    max_to_keep: MaxToKeep = None,
    dry_run: DryRun = False,
    follow_external: FollowExternal = False,
    jobs: Jobs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Average the floating-point variables of checkpoints.

    Summed in float64 and rounded once. Integers, counters and strings are those of the newest
    checkpoint, the last one given. Names, types and shapes must agree; what does not is listed.

    \b
    Examples:
      tfartifacts average runs/model-8 runs/model-9 averaged/model
      tfartifacts average runs/ averaged/model --last 5
      tfartifacts average a/model b/model soup/model --weights 0.3,0.7
    """
    from tfartifacts.cli.errors import DONE
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.rendering import Request
    from tfartifacts.errors import ConversionError
    from tfartifacts.report.edits import average_lines, describe_average
    from tfartifacts.weights.averaging import plan_average

    *sources, destination = paths
    if not sources:
        raise ConversionError(
            f"found one path, {destination!r}, expected checkpoints and a destination"
        )
    if last is not None and len(sources) != 1:
        raise ConversionError(f"found {len(sources)} paths with --last, expected one folder")
    numbers = None if weights is None else _numbers(weights)
    writing = Writing(False, update_state, max_to_keep, None, dry_run, quiet=as_json, jobs=jobs)
    plans: list[AveragePlan] = []
    opened: list[Checkpoint] = []

    def made() -> Any:
        opened[:] = _opened(sources, last, follow_external)
        plans[:] = [plan_average(opened, weights=numbers, with_optimizer=with_optimizer)]
        return plans[0].checkpoint

    _, saved = writing.save(sources[-1], destination, made)
    document = describe_average(
        [checkpoint.path for checkpoint in opened],
        plans[0],
        destination,
        saved.files,
        saved.notes,
        weights=numbers,
        dry_run=dry_run,
    )
    if as_json:
        from tfartifacts.report.json_text import json_lines

        write_lines(json_lines([document], many=False))
    else:
        write_lines(average_lines(document, Request(limit=0).layout()))
    return DONE


def _opened(sources: list[str], last: int | None, follow_external: bool) -> list[Checkpoint]:
    from tfartifacts.convert.choosing import one_checkpoint
    from tfartifacts.errors import ConversionError
    from tfartifacts.model import CheckpointDirectory
    from tfartifacts.opening import open_to_convert
    from tfartifacts.weights.averaging import last_of
    from tfartifacts.weights.choosing import variables_of

    found: list[Checkpoint] = []
    for path in sources:
        artifact: Any = open_to_convert(path, follow_external=follow_external)
        is_folder = isinstance(artifact, CheckpointDirectory)
        if last is not None:
            if not is_folder:
                raise ConversionError(
                    "found no folder of checkpoints, expected one with --last", path=path
                )
            return last_of(artifact.checkpoints, last, path)
        if is_folder:
            artifact = one_checkpoint(artifact)[0]
        found.append(variables_of(artifact))
    return found


def _numbers(options: list[str]) -> list[float]:
    from tfartifacts.errors import ConversionError

    try:
        return [float(part) for part in split(options)]
    except ValueError:
        raise ConversionError(
            f"found --weights {','.join(options)}, expected numbers such as 0.5,0.5"
        ) from None
