"""Signatures and init op of a meta graph: what they name is there, and a caller can use it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tfartifacts.checks.faults import Faults, few
from tfartifacts.checks.findings import Finding
from tfartifacts.errors import TfArtifactsError
from tfartifacts.graphs.edges import parse_input
from tfartifacts.graphs.signature_check import (
    INTERNAL_SIGNATURES,
    signature_problems,
    unfed_placeholders,
)
from tfartifacts.model import MetaGraph, Signature
from tfartifacts.model.saved_models import INIT_OP_COLLECTIONS, INIT_OP_SIGNATURE
from tfartifacts.records import replace

_MOST_STEPS = 500_000
_LEAST_WALKED = 10

TRAIN_OP_SIGNATURE = "__saved_model_train_op"


def check_signatures(meta_graph: MetaGraph, *, path: str, where: str = "") -> Iterator[Finding]:
    """What is wrong with the signatures and the init op of a meta graph.

    `path` is its file, `where` which of the meta graphs there. Type and shape that a signature
    says are not checked by loaders: callers rely on them, so that a wrong one is a warning.
    """
    faults = Faults(path, where)
    _check_tensors(meta_graph, faults)
    for key, signature in meta_graph.signatures.items():
        if not key.startswith(INTERNAL_SIGNATURES):
            _check_signature(key, signature, faults)
    _check_init_op(meta_graph, faults)
    _check_train_op(meta_graph, faults)
    yield from faults.findings()


def walkable(meta_graph: MetaGraph, faults: Faults) -> MetaGraph:
    """The meta graph with as many signatures as can be walked back from in a few seconds."""
    most = max(_LEAST_WALKED, _MOST_STEPS // (len(meta_graph.graph) + 1))
    signatures = meta_graph.signatures
    if len(signatures) <= most:
        return meta_graph
    faults.note(
        "signatures-not-walked",
        f"found {len(signatures):,} signatures, more than can be followed through the graph: what "
        f"those after the first {most:,} need is not looked at",
    )
    return replace(meta_graph, signatures=dict(islice(signatures.items(), most)))


def _check_tensors(meta_graph: MetaGraph, faults: Faults) -> None:
    try:
        problems = signature_problems(meta_graph)
        unfed = unfed_placeholders(walkable(meta_graph, faults))
    except TfArtifactsError as error:
        faults.error("signature", f"what a signature names cannot be read: {error.message}")
        return
    for problem in problems:
        if problem.is_missing:
            faults.error("signature-tensor", str(problem), problem.key)
        else:
            faults.warning("signature-type", str(problem), problem.key)
    for placeholder in unfed:
        users = f", for {few(placeholder.consumers)}" if placeholder.consumers else ""
        faults.warning(
            "unfed-placeholder",
            f"found placeholder {placeholder.node!r} that outputs of {few(placeholder.signatures)} "
            f"need and no input feeds, expected an input for it{users}",
            placeholder.node,
        )


def _check_signature(key: str, signature: Signature, faults: Faults) -> None:
    if not signature.outputs:
        what = "no tensors" if not signature.inputs else "no outputs"
        faults.warning(
            "empty-signature", f"found signature {key!r} with {what}, expected outputs", key
        )
    fed: dict[str, str] = {}
    for name, info in signature.inputs.items():
        for tensor in info.tensor_names:
            node, output, _ = parse_input(tensor)
            other = fed.setdefault(f"{node}:{output}", name)
            if other != name:
                faults.warning(
                    "shared-input",
                    f"found inputs {other!r} and {name!r} of signature {key!r} that are both "
                    f"{tensor}, expected a tensor each: it cannot be fed twice",
                    key,
                )
    for side in ("inputs", "outputs"):
        for name, info in getattr(signature, side).items():
            if info.encoding == "none":
                faults.error(
                    "signature-tensor",
                    f"signature {key!r}, {side[:-1]} {name!r}: found no tensor's name, expected "
                    "such as 'softmax:0'",
                    key,
                )


def _check_init_op(meta_graph: MetaGraph, faults: Faults) -> None:
    signature = meta_graph.signatures.get(INIT_OP_SIGNATURE)
    if signature is not None and INIT_OP_SIGNATURE not in signature.outputs:
        # GetInitOp of older TensorFlow dereferenced what it did not find (CVE-2022-23577).
        faults.error(
            "init-op",
            f"found signature {INIT_OP_SIGNATURE!r} without an output of that name, expected the "
            "init op's name there",
            INIT_OP_SIGNATURE,
        )
        return
    if signature is None:
        for key in INIT_OP_COLLECTIONS:
            collection = meta_graph.collections.get(key)
            if collection is None:
                continue
            number = len(collection.values) if collection.kind == "node_list" else 0
            if number != 1:
                faults.error(
                    "init-op",
                    f"found {number} ops in collection {key!r}, expected one: loaders refuse it",
                    key,
                )
                return
            break  # the other is not looked at
    init_op = meta_graph.init_op
    if init_op is not None and parse_input(init_op.removeprefix("^")).node not in meta_graph.graph:
        faults.error("init-op", f"found init op {init_op!r}, expected a node of that name", init_op)


def _check_train_op(meta_graph: MetaGraph, faults: Faults) -> None:
    signature = meta_graph.signatures.get(TRAIN_OP_SIGNATURE)
    if signature is not None:
        info = signature.outputs.get(TRAIN_OP_SIGNATURE)
        if info is None:
            faults.warning(
                "train-op",
                f"found signature {TRAIN_OP_SIGNATURE!r} without an output of that name",
                TRAIN_OP_SIGNATURE,
            )
        elif parse_input(info.name).node not in meta_graph.graph:
            faults.error(
                "train-op",
                f"found train op {info.name!r}, expected a node of that name",
                info.name,
            )
