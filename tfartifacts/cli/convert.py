"""`tfartifacts convert`: a checkpoint to a SavedModel, a SavedModel to a checkpoint."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

from tfartifacts.cli.declaring import Argument, Option
from tfartifacts.cli.options import AsJson, Debug, FollowExternal, Jobs, split
from tfartifacts.cli.to_saved_model import (
    AssetFiles,
    ForTensorflow,
    Freeze,
    GraphFile,
    KeepTrainingGraph,
    MethodName,
    Rename,
    Set,
    Shape,
    SignatureFlags,
    Spec,
    UseEma,
    read_options,
)
from tfartifacts.cli.writing import (
    DryRun,
    LinkFiles,
    MaxToKeep,
    Overwrite,
    Unread,
    UpdateState,
    Writing,
)

if TYPE_CHECKING:
    from tfartifacts.model import Artifact, Checkpoint, Graph, SavedModel


class Names(str, Enum):
    """How the entries of a checkpoint are named."""

    OBJECT = "object"
    VARIABLE = "variable"


class Target(str, Enum):
    """What can be made."""

    SAVED_MODEL = "saved-model"
    CHECKPOINT = "checkpoint"
    GRAPH_DEF = "graph-def"


_MAPPING = "[KEY=]TENSOR,..."


def convert(
    source: Annotated[
        str,
        Argument(
            metavar="SOURCE",
            help="A checkpoint (folder, prefix or any member) or a SavedModel.",
            show_default=False,
        ),
    ],
    destination: Annotated[
        str,
        Argument(
            metavar="DESTINATION",
            help="A new folder for a SavedModel, a new prefix (export/model-4) for a checkpoint.",
            show_default=False,
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        Option(
            "--inputs",
            metavar=_MAPPING,
            help="Inputs of the signature: image=myInput:0. Without KEY the node's last name.",
        ),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        Option("--outputs", metavar=_MAPPING, help="Outputs of the signature."),
    ] = None,
    signature: SignatureFlags = None,
    spec: Spec = None,
    method_name: MethodName = None,
    tag: Annotated[
        list[str] | None,
        Option(
            "--tag",
            metavar="TAG,...",
            help="Tags to write (default: serve), or of the meta graph to take from a SavedModel.",
        ),
    ] = None,
    to: Annotated[
        Target | None,
        Option(
            "--to",
            help="What to make; follows from the source. graph-def: one frozen .pb.",
            show_default=False,
        ),
    ] = None,
    freeze: Freeze = False,
    keep_training_graph: KeepTrainingGraph = False,
    use_ema: UseEma = False,
    rename: Rename = None,
    set_: Set = None,
    shape: Shape = None,
    graph: GraphFile = None,
    asset: AssetFiles = None,
    for_tensorflow: ForTensorflow = None,
    names: Annotated[
        Names | None,
        Option(
            "--names",
            help="Of a SavedModel of TensorFlow 2: keep its object paths (default), or name the "
            "checkpoint's entries after the variables.",
            show_default=False,
        ),
    ] = None,
    with_meta: Annotated[
        bool,
        Option(
            "--with-meta",
            help="Of a SavedModel of TensorFlow 2: write the graph too, for TensorFlow 2 alone.",
        ),
    ] = False,
    overwrite: Overwrite = False,
    update_state: UpdateState = False,
    max_to_keep: MaxToKeep = None,
    link: LinkFiles = None,
    unread: Unread = False,
    dry_run: DryRun = False,
    check: Annotated[
        bool,
        Option(
            "--check",
            help="Then run source and result on the same values and compare the outputs bit for "
            "bit. Needs TensorFlow: pip install 'tfartifacts[tensorflow]'.",
        ),
    ] = False,
    feed: Annotated[
        list[str] | None,
        Option(
            "--feed",
            metavar="KEY=VALUE",
            help="With --check, a value for an input or tensor, as `run` takes it. Repeatable; "
            "others are made up.",
        ),
    ] = None,
    follow_external: FollowExternal = False,
    jobs: Jobs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Convert a checkpoint or graph to a SavedModel, or a SavedModel to a checkpoint.

    The result is written whole or not at all; without --overwrite nothing is replaced.

    \b
    Examples:
      tfartifacts convert checkpoints/ export/ --inputs image=myInput:0 \\
          --outputs prediction=myPrediction:0
      tfartifacts convert checkpoints/ small/ --freeze --set keep_prob=1.0
      tfartifacts convert export/ restored/my_model-4
    """
    from tfartifacts.cli.checking import Check, check_source
    from tfartifacts.cli.errors import DONE, FINDING
    from tfartifacts.cli.output import write_lines
    from tfartifacts.cli.rendering import Request
    from tfartifacts.convert import convert as convert_artifact
    from tfartifacts.convert import source_path, with_keys
    from tfartifacts.errors import ConversionError
    from tfartifacts.model import SavedModel
    from tfartifacts.opening import open_to_convert
    from tfartifacts.report.conversions import conversion_lines, describe_conversion

    if feed and not check:
        raise ConversionError("found --feed, expected it with --check")
    if unread and link is None:
        raise ConversionError("found --unread, expected it with --link")
    if check and dry_run:
        raise ConversionError("found --check with --dry-run: what is not written cannot be run")
    key, options = read_options(
        signature=signature,
        spec=spec,
        method_name=method_name,
        keep_training_graph=keep_training_graph,
        freeze=freeze,
        use_ema=use_ema,
        rename=rename,
        set_=set_,
        shape=shape,
        for_tensorflow=for_tensorflow,
        graph=graph,
        asset=asset,
        follow_external=follow_external,
        tags=None if tag is None else split(tag),
    )
    writing = Writing(
        overwrite,
        update_state,
        max_to_keep,
        link,
        dry_run,
        quiet=as_json,
        jobs=jobs,
        unread=unread,
    )
    opened: list[Artifact] = []
    checks: list[Check] = []

    def converted(target: str | None) -> SavedModel | Checkpoint | Graph:
        return convert_artifact(
            opened[0],
            to=target,
            inputs=None if inputs is None else with_keys(split(inputs)),
            outputs=None if outputs is None else with_keys(split(outputs)),
            signature=key,
            tags=None if tag is None else split(tag),
            names=None if names is None else names.value,
            with_meta=with_meta,
            options=options,
        )

    def made() -> SavedModel | Checkpoint | Graph:
        opened[:] = [open_to_convert(source, follow_external=follow_external)]
        result = converted(None if to is None else to.value)
        if check:
            checks[:] = [
                check_source(
                    opened[0],
                    result,
                    options,
                    None if tag is None else split(tag),
                    feed or (),
                    lambda: converted(Target.SAVED_MODEL.value),
                    is_quiet=as_json,
                )
            ]
        return result

    result, saved = writing.save(source, destination, made)
    given_graph = options.meta_graph
    if given_graph is None and isinstance(opened[0], SavedModel):
        given_graph = opened[0].meta_graph(None if tag is None else split(tag))
    document = describe_conversion(
        source_path(opened[0]) or source,
        result,
        destination,
        saved.files,
        saved.notes,
        dry_run=dry_run,
        before=opened[0],
        given_graph=given_graph,
    )
    if check:
        document["check"] = checks[0].rows(destination)
    if as_json:
        from tfartifacts.report.json_text import json_lines

        write_lines(json_lines([document], many=False))
    else:
        write_lines(conversion_lines(document, Request(limit=0).layout()))
    return FINDING if any(row["num_different"] for row in document.get("check", ())) else DONE
