"""Signatures of what is made: given, kept, or proposed; what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from keyword import iskeyword
from shlex import quote

from tfartifacts.errors import ConversionError, NameNotFoundError, close_names, name_not_found
from tfartifacts.graphs.candidates import candidates, proposed
from tfartifacts.graphs.edges import parse_input
from tfartifacts.graphs.signature_check import (
    INTERNAL_SIGNATURES,
    UnfedPlaceholder,
    signature_problems,
    unfed_placeholders,
)
from tfartifacts.model.graphs import Graph, TensorInfo
from tfartifacts.model.saved_models import (
    DEFAULT_SIGNATURE,
    INIT_OP_SIGNATURE,
    PREDICT_METHOD,
    MetaGraph,
    Signature,
)
from tfartifacts.model.tensors import PLACEHOLDER_OPS, parse_tensor_name
from tfartifacts.model.values import PartialShape
from tfartifacts.records import dataclass, replace


@dataclass(frozen=True, slots=True)
class SignatureNames:
    """A signature as it is asked for: keys and the tensors behind them."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    method_name: str = PREDICT_METHOD


def signatures_of(
    meta_graph: MetaGraph,
    wanted: Mapping[str, SignatureNames],
    wanted_key: str | None,
    method_name: str,
) -> tuple[dict[str, Signature], tuple[str, ...]]:
    """Those wanted and those the graph has; without any the candidates, under the wanted key.

    And what is to be said of the choice. Raises ConversionError where there is none.
    """
    graph = meta_graph.graph
    if "" in wanted or wanted_key == "":
        raise ConversionError(
            'found an empty signature key, expected one such as "serving_default"'
        )
    for name in [*wanted, *([] if wanted_key is None else [wanted_key])]:
        refuse_reserved(name)
        refuse_not_utf8(name)
    refuse_not_utf8(method_name)
    for item in wanted.values():
        refuse_not_utf8(item.method_name, *item.inputs, *item.outputs)
        refuse_not_utf8(*item.inputs.values(), *item.outputs.values())
    if wanted:
        made = {
            name: Signature(
                {inner: tensor_info(graph, tensor) for inner, tensor in item.inputs.items()},
                {inner: tensor_info(graph, tensor) for inner, tensor in item.outputs.items()},
                item.method_name,
            )
            for name, item in wanted.items()
        }
        return {**meta_graph.signatures, **made}, ()
    kept = [name for name in meta_graph.signatures if name != INIT_OP_SIGNATURE]
    if kept:
        if wanted_key is not None and wanted_key not in kept:
            error = name_not_found("signature", wanted_key, kept)
            error.message += "; pass --inputs and --outputs to make it"
            raise error
        for problem in signature_problems(meta_graph):
            raise ConversionError(f"signature {problem.key!r}: {problem.message}")
        shown = ", ".join(repr(name) for name in kept)
        return dict(meta_graph.signatures), (f"kept the graph's own signatures: {shown}",)
    best = _proposed(meta_graph, method_name)
    inside = [f"{name}={info.name}" for name, info in best.inputs.items()]
    outside = [f"{name}={info.name}" for name, info in best.outputs.items()]
    note = (
        f"no inputs and outputs were given; took --inputs {quote(','.join(inside))} --outputs "
        f"{quote(','.join(outside))}"
    )
    return {DEFAULT_SIGNATURE if wanted_key is None else wanted_key: best}, (note,)


def refuse_reserved(key: str) -> None:
    """Raise ConversionError for a signature key that loaders use themselves."""
    if not key or key.startswith(INTERNAL_SIGNATURES):
        raise ConversionError(
            f"found the signature key {key!r}, expected one of a caller's: loaders use "
            f"{INTERNAL_SIGNATURES}... themselves"
        )


def refuse_not_utf8(*names: str) -> None:
    """Raise ConversionError for a name that no SavedModel can hold."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ConversionError(
                f"found {name!r}, expected text in UTF-8, which is all a SavedModel can hold"
            ) from None


def _proposed(meta_graph: MetaGraph, method_name: str) -> Signature:
    """The best candidates as a signature, where there is no doubt about them."""
    found = candidates(meta_graph)
    inputs, outputs = proposed(found)
    if not inputs or len(outputs) != 1:
        likely_inputs = ", ".join(item.name for item in found.inputs[:5]) or "none found"
        likely_outputs = ", ".join(item.name for item in found.outputs[:5]) or "none found"
        raise ConversionError(
            "found no inputs and outputs given, and no single choice; pass --inputs and --outputs "
            f"(likely inputs: {likely_inputs}; likely outputs: {likely_outputs})"
        )
    graph = meta_graph.graph
    return Signature(
        {name: tensor_info(graph, tensor) for name, tensor in with_keys(inputs).items()},
        {name: tensor_info(graph, tensor) for name, tensor in with_keys(outputs).items()},
        method_name,
    )


def without_fixed(
    meta_graph: MetaGraph, wanted: Mapping[str, SignatureNames], fixed: Iterable[str]
) -> tuple[MetaGraph, tuple[str, ...]]:
    """The meta graph whose own signatures have no inputs that were made constants; what went.

    Raises ConversionError for such an input of a wanted signature: nobody could feed it.
    """
    tensors = {_full(name) for name in fixed}
    if not tensors:
        return meta_graph, ()
    for key, names in wanted.items():
        for name, tensor in names.inputs.items():
            if _full(tensor) in tensors:
                raise ConversionError(
                    f"found {tensor} fixed, and as input {name!r} of signature {key!r}, expected "
                    "one of the two: leave --set or the input out"
                )
    signatures, notes = {}, []
    for key, signature in meta_graph.signatures.items():
        gone = []
        for name, info in signature.inputs.items():
            parts = [_full(part) for part in info.tensor_names]
            if not tensors.intersection(parts):
                continue
            if not tensors.issuperset(parts):
                raise ConversionError(
                    f"found a part of input {name!r} of signature {key!r} fixed, expected all of "
                    f"it: {', '.join(parts)}"
                )
            gone.append(name)
            if key not in wanted:
                notes.append(f"signature {key!r} has no input {name!r} any more: it is fixed")
        inputs = {name: info for name, info in signature.inputs.items() if name not in gone}
        signatures[key] = replace(signature, inputs=inputs) if gone else signature
    return replace(meta_graph, signatures=signatures), tuple(notes)


def _full(tensor: str) -> str:
    """`x` as `x:0`; a name that is none as it is."""
    name = parse_input(tensor)
    return f"{name.node}:{name.output}"


def reshaped(
    graph: Graph, signatures: Mapping[str, Signature], shapes: Mapping[str, PartialShape]
) -> dict[str, Signature]:
    """The signatures with the shapes that were given for inputs, and the graph's for the rest.

    Raises ConversionError for a shape of what is neither a placeholder nor an input.
    """
    if not shapes:
        return dict(signatures)
    by_name = {"{}:{}".format(*parse_tensor_name(name)): shape for name, shape in shapes.items()}
    fed = {name for signature in signatures.values() for name in tensors_of(signature, "inputs")}
    for name in by_name:
        if name not in fed and graph[parse_tensor_name(name)[0]].op not in PLACEHOLDER_OPS:
            raise ConversionError(
                f"found a shape for {name}, expected one for a placeholder or an input: the shapes "
                "of other tensors follow from those"
            )

    def known(info: TensorInfo, is_input: bool) -> TensorInfo:
        if is_input and info.name in by_name:
            return replace(info, shape=by_name[info.name])
        return replace(info, shape=graph.tensor(info.name).shape) if info.name else info

    return {
        key: signature
        if key == INIT_OP_SIGNATURE
        else replace(
            signature,
            inputs={name: known(info, True) for name, info in signature.inputs.items()},
            outputs={name: known(info, False) for name, info in signature.outputs.items()},
        )
        for key, signature in signatures.items()
    }


def with_keys(mappings: Iterable[str]) -> dict[str, str]:
    """`["image=myInput:0", "b/scores:0"]` as {"image": "myInput:0", "scores": "b/scores:0"}.

    Without a key the last component of the node's name is taken. Raises ConversionError where two
    tensors would have the same key.
    """
    keyed: dict[str, str] = {}
    for mapping in mappings:
        key, equals, tensor = (part.strip() for part in mapping.partition("="))
        if not equals:
            key, tensor = key.partition(":")[0].rpartition("/")[2], key
        if not key or not tensor:
            raise ConversionError(f"found {mapping!r}, expected KEY=TENSOR or TENSOR")
        if key in keyed and keyed[key] != tensor:
            raise ConversionError(
                f"found the key {key!r} for {keyed[key]} and for {tensor}; give one another: "
                f"other_key={tensor}"
            )
        keyed[key] = tensor
    return keyed


def tensor_info(graph: Graph, name: str) -> TensorInfo:
    """Type and shape of a tensor for a signature.

    Raises NameNotFoundError with close names, ConversionError where its type cannot be known.
    """
    try:
        info = graph.tensor(name)
    except NameNotFoundError as error:
        node = name.partition(":")[0]
        # The tensor a caller may have meant, ready to be copied.
        close = [f"{found}:0" for found in close_names(node, (n.name for n in graph.nodes))]
        if close and node not in graph:
            shown = " or ".join(repr(tensor) for tensor in close)
            error.message = f"no tensor {name!r}; did you mean {shown}?"
        raise
    if info.dtype is None:
        node = parse_tensor_name(name)[0]
        raise ConversionError(
            f"cannot tell the type of {info.name}: the graph carries no signature of op "
            f"{graph[node].op}"
        )
    if info.dtype.name in ("resource", "variant"):
        raise ConversionError(f"{info.name} is a {info.dtype}, which no signature can hold")
    return replace(info, dtype=info.dtype.base)


def tensors_of(signature: Signature, side: str) -> list[str]:
    """The tensors of a signature's inputs or outputs."""
    infos: Mapping[str, TensorInfo] = getattr(signature, side)
    return [tensor for info in infos.values() for tensor in info.tensor_names]


def keyword_notes(meta_graph: MetaGraph) -> tuple[str, ...]:
    """Keys that tf.saved_model.load refuses: it makes each a parameter of a Python function."""
    keys = [
        name
        for signature in meta_graph.signatures.values()
        for name in signature.inputs
        if iskeyword(name) or name == "self"
    ]
    return tuple(
        f"the input key {name!r} means something to Python: tf.saved_model.load cannot call it"
        for name in dict.fromkeys(keys)
    )


def unfed_notes(meta_graph: MetaGraph, command: str = "") -> tuple[str, ...]:
    """Placeholders that callers of a signature would have to feed besides its inputs.

    `command` is the one that takes --set, where another says this.
    """
    notes = []
    for unfed in unfed_placeholders(meta_graph):
        keys = ", ".join(repr(key) for key in unfed.signatures)
        notes.append(
            f"signature {keys} also needs {unfed.node}:0, which is not among its inputs "
            f"({_use(unfed)}): calls will fail until it is, or is fixed: "
            f"{command}--set {quote(unfed.node)}=VALUE"
        )
    return tuple(notes)


def _use(unfed: UnfedPlaceholder) -> str:
    users = ", ".join(unfed.consumers[:3])
    more = len(unfed.consumers) - 3
    if not users:
        return "an output itself"
    return f"taken by {users}" + (f" and {more} more" if more > 0 else "")


def fed_notes(meta_graph: MetaGraph) -> tuple[str, ...]:
    """The same of a graph alone, which has no inputs: what is to be fed."""
    return tuple(
        f"{unfed.node}:0 is to be fed ({_use(unfed)}), or fixed: --set {quote(unfed.node)}=VALUE"
        for unfed in unfed_placeholders(meta_graph)
    )
