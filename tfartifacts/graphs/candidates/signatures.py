"""What a meta graph says of its own graph: signatures, which come first, and its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfartifacts.errors import NameNotFoundError
from tfartifacts.graphs.candidates.candidate import (
    ALTERNATIVE,
    INPUT,
    OUTPUT,
    Candidate,
    Candidates,
)
from tfartifacts.graphs.edges import parse_input
from tfartifacts.model import Graph, MetaGraph, TensorInfo
from tfartifacts.model.saved_models import INIT_OP_SIGNATURE
from tfartifacts.records import replace


def trainable_variables(source: MetaGraph) -> frozenset[str]:
    """Names of the variables in the collection of that name: field 1 of each VariableDef."""
    collection = source.collections.get("trainable_variables")
    names: set[str] = set()
    for encoded in () if collection is None else collection.values:
        # Field 1 comes first: TensorFlow writes fields in their order.
        if isinstance(encoded, bytes) and len(encoded) > 2 and encoded[0] == 0x0A:
            size, start = encoded[1], 2
            if size & 0x80:
                size, start = (size & 0x7F) | (encoded[2] & 0x7F) << 7, 3
            name = encoded[start : start + size].decode("utf-8", "replace")
            names.add(parse_input(name).node)
    return frozenset(names)


def with_signatures(source: MetaGraph, found: Candidates) -> Candidates:
    """Tensors of signatures first: somebody who knew the graph has chosen them."""
    inputs: dict[str, Candidate] = {}
    outputs: dict[str, Candidate] = {}
    for key, signature in source.signatures.items():
        if key == INIT_OP_SIGNATURE:
            continue
        for side, infos, role in (
            (inputs, signature.inputs, INPUT),
            (outputs, signature.outputs, OUTPUT),
        ):
            for name, info in infos.items():
                for tensor in info.tensor_names:
                    reason = f"{name!r} of signature {key!r}"
                    item = _of_signature(source.graph, tensor, info, role, reason)
                    side.setdefault(item.name, item)
    return Candidates(_ahead(inputs, found.inputs), _ahead(outputs, found.outputs))


def _of_signature(graph: Graph, tensor: str, info: TensorInfo, role: str, reason: str) -> Candidate:
    node = parse_input(tensor).node
    op, known = "", TensorInfo(tensor, None, None)
    if node in graph:
        op = graph[node].op
        try:
            known = graph.tensor(tensor)
        except NameNotFoundError:
            # The node is there, that output is not: shown as the signature says.
            known = TensorInfo(tensor, None, None)
    single = info.encoding == "name"
    dtype = info.dtype if single and info.dtype is not None else known.dtype
    shape = info.shape if single and info.shape is not None else known.shape
    return Candidate(known.name, dtype, shape, op, role, reason, 100.0)


def _ahead(named: Mapping[str, Candidate], guessed: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The named ones, then the guesses, which are no longer proposed."""
    if not named:
        return tuple(guessed)
    rest = [_demoted(item) for item in guessed if item.name not in named]
    # A signature has no order (it is a map): keep the guess's.
    place = {item.name: number for number, item in enumerate(guessed)}
    ordered = sorted(named.values(), key=lambda item: place.get(item.name, len(place)))
    return (*ordered, *rest)


def _demoted(item: Candidate) -> Candidate:
    if item.role == OUTPUT:
        return replace(item, role=ALTERNATIVE)
    return replace(item, connected=False) if item.role == INPUT else item
