"""State that a signature needs and nothing gives a value: neither the saver nor the init op.

Such a model loads, and fails when it is called: tables without an init op are the usual case
(tf.saved_model.load runs their initialisers on its own; TensorFlow Serving does not).
"""

from __future__ import annotations

from collections.abc import Iterator

from tfartifacts.checks.faults import Faults
from tfartifacts.checks.findings import Finding
from tfartifacts.checks.signatures import walkable
from tfartifacts.errors import TfArtifactsError
from tfartifacts.graphs.edges import edges_of, parse_input
from tfartifacts.graphs.saver import UnrestoredState, unrestored_state
from tfartifacts.graphs.signature_check import INTERNAL_SIGNATURES
from tfartifacts.model import MetaGraph, Signature


def check_unfilled_state(meta_graph: MetaGraph, *, path: str, where: str = "") -> Iterator[Finding]:
    """State without a value, for each signature that needs it."""
    faults = Faults(path, where)
    edges = edges_of(meta_graph.graph)
    init_op = meta_graph.init_op
    # Whatever the init op runs may fill what it is given, a function that takes a handle too.
    run = edges.ancestors(edges.indices([] if init_op is None else [init_op]))
    told: set[str] = set()
    # That some are left out is told with the signatures.
    meta_graph = walkable(meta_graph, Faults(None))
    for key, signature in meta_graph.signatures.items():
        if key.startswith(INTERNAL_SIGNATURES):
            continue
        for state in _needed(meta_graph, signature):
            users = edges.consumers[edges.position[state.node]]
            if state.node in told or not run.isdisjoint(users):
                continue
            told.add(state.node)
            _tell(state, key, faults)
    yield from faults.findings()


def _needed(meta_graph: MetaGraph, signature: Signature) -> tuple[UnrestoredState, ...]:
    there = edges_of(meta_graph.graph).position
    outputs = [
        name
        for info in signature.outputs.values()
        for name in info.tensor_names
        if parse_input(name).node in there
    ]
    fed = [name for info in signature.inputs.values() for name in info.tensor_names]
    try:
        return unrestored_state(meta_graph, outputs, fed)
    except TfArtifactsError:
        return ()  # a saver that cannot be followed is told where it is held against its variables


def _tell(state: UnrestoredState, key: str, faults: Faults) -> None:
    if state.op == "OneShotIterator":
        return  # starts by itself
    if state.kind == "table" and state.op.startswith(("Mutable", "AnonymousMutable")):
        faults.note(
            "empty-table",
            f"found table {state.node!r} ({state.op}), which signature {key!r} needs and nothing "
            "fills: it starts empty",
            state.node,
        )
        return
    filled = f": {state.initializers[0]!r} fills it" if state.initializers else ""
    faults.warning(
        "uninitialized-state",
        f"found {state.kind} {state.node!r} ({state.op}), which signature {key!r} needs, and "
        f"neither saver nor init op gives it a value, expected an init op that does{filled}",
        state.node,
    )
