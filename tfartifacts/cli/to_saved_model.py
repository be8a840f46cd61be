"""What `convert` asks of a SavedModel it makes: types of options, and how they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from tfartifacts.cli.declaring import Option

if TYPE_CHECKING:
    from tfartifacts.convert import SavedModelOptions, SignatureNames
    from tfartifacts.model import Graph, MetaGraph
    from tfartifacts.model.checkpoints import FindFile

SignatureFlags = Annotated[
    list[str] | None,
    Option(
        "--signature",
        metavar="KEY",
        help="The signature's key. Default: serving_default. Repeated, each a whole signature: "
        "'KEY: image=x:0 -> scores=y:0'.",
    ),
]
Spec = Annotated[
    str | None,
    Option(
        "--spec",
        metavar="FILE",
        help="Signatures from a JSON or YAML file: {KEY: {inputs: {..}, outputs: {..}, "
        "method_name}}.",
        show_default=False,
    ),
]
MethodName = Annotated[
    str | None,
    Option(
        "--method-name",
        metavar="NAME",
        help="Of the signature: predict (default), classify, regress, or a full name.",
        show_default=False,
    ),
]
KeepTrainingGraph = Annotated[
    bool,
    Option("--keep-training-graph", help="Keep nodes and variables that no signature needs."),
]
Freeze = Annotated[bool, Option("--freeze", help="Make constants of the variables.")]
UseEma = Annotated[
    bool,
    Option("--use-ema", help="Take each variable's moving average where there is one."),
]
Rename = Annotated[
    list[str] | None,
    Option(
        "--rename",
        metavar="OLD=NEW",
        help="Rename variables of the checkpoint: a name, a scope (old/=new/), or "
        "re:PATTERN=REPLACEMENT. Repeatable; applied in turn.",
    ),
]
Set = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="PLACEHOLDER=VALUE",
        help="Make a constant of a placeholder: keep_prob=1.0, is_training=false. Repeatable.",
    ),
]
Shape = Annotated[
    list[str] | None,
    Option(
        "--shape",
        metavar="TENSOR=SHAPE",
        help="Another shape for a placeholder or input: myInput:0=[?,28,28,1]. Repeatable.",
    ),
]
ForTensorflow = Annotated[
    str | None,
    Option(
        "--for-tensorflow",
        metavar="VERSION",
        help="Drop what that TensorFlow does not know, name the ops it does not have: 1.15, 2.4, "
        "2.8, 2.11, 2.15, 2.18.",
        show_default=False,
    ),
]
GraphFile = Annotated[
    str | None,
    Option(
        "--graph",
        metavar="PATH",
        help="The graph, in place of the checkpoint's own: a .meta, .pb, .pbtxt or SavedModel (of "
        "several meta graphs the one of --tag).",
        show_default=False,
    ),
]
AssetFiles = Annotated[
    list[str] | None,
    Option(
        "--asset",
        metavar="OLD=NEW",
        help="Where a file is that the graph reads as OLD (its path, or its name). Repeatable.",
    ),
]


def read_options(
    *,
    signature: Sequence[str] | None,
    spec: str | None,
    method_name: str | None,
    keep_training_graph: bool,
    freeze: bool,
    use_ema: bool,
    rename: Sequence[str] | None,
    set_: Sequence[str] | None,
    shape: Sequence[str] | None,
    for_tensorflow: str | None,
    graph: str | None,
    asset: Sequence[str] | None,
    follow_external: bool,
    tags: Sequence[str] | None = None,
) -> tuple[str | None, SavedModelOptions]:
    """The key for --inputs and --outputs, and the options of a SavedModel.

    Raises ConversionError for what cannot be read as such.
    """
    from tfartifacts.cli.signature_files import full_method_name, read_signature_file
    from tfartifacts.convert import SavedModelOptions
    from tfartifacts.errors import ConversionError
    from tfartifacts.graphs.placeholders import parse_shape

    method = None if method_name is None else full_method_name(method_name)
    key, signatures = _signatures(signature or (), method)
    if spec is not None:
        written = read_signature_file(spec, method)
        for twice in written.keys() & signatures.keys():
            raise ConversionError(
                f"found signature {twice!r} in --signature and in {spec}, expected it once"
            )
        signatures = {**written, **signatures}
    given: dict[str, Any] = {} if method is None else {"method_name": method}
    if graph is not None:
        given["meta_graph"], given["finders"] = _graph(graph, tags)
    return key, SavedModelOptions(
        signatures=signatures,
        keep_training_graph=keep_training_graph,
        freeze=freeze,
        use_ema=use_ema,
        rename=tuple(rename or ()),
        placeholders=_pairs("--set", set_),
        shapes={name: parse_shape(text) for name, text in _pairs("--shape", shape).items()},
        for_tensorflow=for_tensorflow,
        assets=_pairs("--asset", asset),
        follow_external=follow_external,
        **given,
    )


def _pairs(flag: str, options: Iterable[str] | None) -> dict[str, str]:
    from tfartifacts.errors import ConversionError

    pairs = {}
    for option in options or ():
        name, equals, value = option.partition("=")
        if not equals or not name:
            raise ConversionError(f"found {flag} {option!r}, expected NAME=VALUE")
        if name in pairs:
            raise ConversionError(f"found {flag} {name!r} twice, expected it once")
        pairs[name] = value
    return pairs


def _signatures(
    flags: Iterable[str], method: str | None
) -> tuple[str | None, dict[str, SignatureNames]]:
    """The one flag that is a key, and the signatures of those that are whole ones."""
    from tfartifacts.convert import SignatureNames, with_keys
    from tfartifacts.errors import ConversionError

    keys = []
    signatures: dict[str, SignatureNames] = {}
    for flag in flags:
        head, arrow, outputs = flag.partition("->")
        if not arrow:
            keys.append(flag)
            continue
        key, colon, inputs = head.partition(": ")
        if not colon or not key.strip() or not outputs.strip():
            raise ConversionError(
                f"found --signature {flag!r}, expected 'KEY: INPUT,... -> OUTPUT,...'"
            )
        if key.strip() in signatures:
            raise ConversionError(f"found --signature {key.strip()!r} twice, expected it once")
        signatures[key.strip()] = SignatureNames(
            with_keys(_listed(inputs)),
            with_keys(_listed(outputs)),
            *([] if method is None else [method]),
        )
    if len(keys) > 1:
        raise ConversionError(
            f"found --signature {' and '.join(keys)}, expected one for --inputs and --outputs; "
            "several are written whole: 'KEY: INPUT,... -> OUTPUT,...'"
        )
    return (keys[0] if keys else None), signatures


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _graph(path: str, tags: Sequence[str] | None) -> tuple[MetaGraph | Graph, tuple[FindFile, ...]]:
    """The graph in a .meta, .pb, .pbtxt or SavedModel, and where the files are that it reads."""
    from tfartifacts.convert import FindAsset
    from tfartifacts.errors import ConversionError
    from tfartifacts.model import Checkpoint, CheckpointDirectory, Graph, MetaGraph, SavedModel
    from tfartifacts.opening import open_artifact
    from tfartifacts.storage.recorded_files import find_beside

    artifact = open_artifact(path)
    if isinstance(artifact, SavedModel):
        several = len(artifact.meta_graphs) > 1
        return artifact.meta_graph(tags if several else None), (FindAsset(artifact),)
    if isinstance(artifact, CheckpointDirectory):
        artifact = artifact.latest or artifact
    if isinstance(artifact, Checkpoint) and artifact.meta_graph is not None:
        return artifact.meta_graph, (artifact.find_file,)
    if isinstance(artifact, Graph | MetaGraph):
        return artifact, (find_beside(artifact.path or path),)
    raise ConversionError(f"found a {artifact.kind}, expected a graph", path=path)
