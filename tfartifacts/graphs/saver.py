"""What a graph's saver restores: which variable from which key, and what it leaves out.

    restore_op_name : NoOp <- ^NoOp (a shard) <- ^Assign(variable, value)
                                              <- ^AssignVariableOp(handle, value)
                                              <- ^LookupTableImportV2(table, keys, values)
    value           : (Identity | Reshape | ...)* <- restored tensor
    restored tensor : RestoreV2(prefix, tensor_names, shape_and_slices):i   one op, many tensors
                      Restore(pattern, tensor_name):0                        one tensor
                      RestoreSlice(pattern, tensor_name, shape_and_slice):0  one tensor

A key is not the variable's name: a saver may map names (moving averages), a partitioned variable
has one key and a slice for each part. In TensorFlow 2 the restore op calls a function whose
arguments are the variables' handles; its body has the same nodes.

Source: tensorflow/python/training/saver.py, BaseSaverBuilder; saving/functional_saver.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tfartifacts.dtypes import DType
from tfartifacts.errors import UnsupportedError, name_not_found
from tfartifacts.graphs.edges import Edges, edges_of, needed, parse_input
from tfartifacts.model import FunctionCall, Graph, MetaGraph, Node
from tfartifacts.model.graphs import ConstantValue

VARIABLE_OPS = frozenset(
    "Variable VariableV2 VarHandleOp AutoReloadVariable TemporaryVariable".split()
)
TABLE_OPS = frozenset(
    "HashTable HashTableV2 MutableHashTable MutableHashTableV2 MutableHashTableOfTensors "
    "MutableHashTableOfTensorsV2 MutableDenseHashTable MutableDenseHashTableV2 "
    "AnonymousHashTable AnonymousMutableHashTable AnonymousMutableHashTableOfTensors "
    "AnonymousMutableDenseHashTable".split()
)
ITERATOR_OPS = frozenset(
    "Iterator IteratorV2 OneShotIterator AnonymousIterator AnonymousIteratorV2 "
    "AnonymousIteratorV3 MultiDeviceIterator".split()
)
QUEUE_OPS = frozenset(
    "FIFOQueue FIFOQueueV2 RandomShuffleQueue RandomShuffleQueueV2 PaddingFIFOQueue "
    "PaddingFIFOQueueV2 PriorityQueue PriorityQueueV2 Barrier FakeQueue".split()
)
CALL_OPS = frozenset("PartitionedCall StatefulPartitionedCall TPUPartitionedCall".split())

_RESTORE_OPS = frozenset("Restore RestoreV2 RestoreSlice".split())
_ASSIGN_OPS = frozenset("Assign AssignVariableOp".split())
_TABLE_IMPORTS = frozenset("LookupTableImport LookupTableImportV2".split())
# Between the restore op and the assignment; the value is operand 0.
_CARRIERS = frozenset(
    "Identity Reshape Cast Squeeze ExpandDims Enter RefEnter Snapshot EnsureShape".split()
)
_INITIALIZERS = (
    _ASSIGN_OPS
    | _TABLE_IMPORTS
    | frozenset(
        "InitializeTable InitializeTableV2 InitializeTableFromTextFile "
        "InitializeTableFromTextFileV2 InitializeTableFromDataset LookupTableInsert "
        "LookupTableInsertV2 MakeIterator QueueEnqueue QueueEnqueueV2 QueueEnqueueMany "
        "QueueEnqueueManyV2".split()
    )
)


@dataclass(frozen=True, slots=True)
class RestoredVariable:
    """A variable and where its value comes from.

    `variable` is the node that holds it, `key` the checkpoint's, `shape_and_slice` empty for the
    whole tensor (else such as `4 3 0,2:-`). `assign` and `restore` are the nodes that do it; for
    a saver that is a function, `function` names the one they are in (else ""). `dtype` is the
    type in the checkpoint; None where the node does not say.
    """

    variable: str
    key: str
    shape_and_slice: str
    dtype: DType | None
    restore: str
    assign: str
    function: str = ""


@dataclass(frozen=True, slots=True)
class UnrestoredState:
    """A node with state that is needed and that the saver does not fill.

    `kind` is "variable", "table", "iterator" or "queue". `initializers` are the nodes outside the
    saver that fill it, in file order: what an init op has to run.
    """

    node: str
    op: str
    kind: str
    initializers: tuple[str, ...]


def restored_variables(meta_graph: MetaGraph) -> tuple[RestoredVariable, ...]:
    """What running the saver's restore op assigns, in file order of the assignments.

    Empty for a meta graph without a saver. An assignment of something that was not restored is
    left out. Raises NameNotFoundError if the saver names an op that is not there, and
    UnsupportedError if the names to restore are not constants, or the restore op calls a
    function that is not in the library.
    """
    return _restore_walk(meta_graph).variables


def restored_tables(meta_graph: MetaGraph) -> tuple[str, ...]:
    """The table nodes that the saver fills (LookupTableImportV2). Errors as restored_variables."""
    return _restore_walk(meta_graph).tables


def unrestored_state(
    source: MetaGraph | Graph, outputs: Iterable[str], fed: Iterable[str] = ()
) -> tuple[UnrestoredState, ...]:
    """State the outputs need and the saver does not restore, in file order.

    `outputs` and `fed` are tensor or node names; what lies behind a fed tensor is not needed. A
    bare graph has no saver: all its state is unrestored. Raises NameNotFoundError for an output
    that is not there; errors as restored_variables.
    """
    graph = source.graph
    edges = edges_of(graph)
    wanted = [name.removeprefix("^") for name in outputs]
    for name in wanted:
        node = parse_input(name).node
        if node not in edges.position:
            raise name_not_found("node", node, edges.position)
    found = _restore_walk(source, edges) if isinstance(source, MetaGraph) else _RestoreWalk()
    names = [*(item.variable for item in found.variables), *found.tables]
    restored = {_resource(edges.nodes[index]) for index in edges.indices(names)}
    states: list[UnrestoredState] = []
    for index in sorted(needed(edges, wanted, fed)):
        node_ = edges.nodes[index]
        kind = kind_of_state(node_.op)
        if kind is None or _resource(node_) in restored:
            continue
        initializers = tuple(
            edges.nodes[user].name
            for user in dict.fromkeys(edges.consumers[index])
            if user not in found.inside
            and edges.nodes[user].op in _INITIALIZERS
            and _fills(edges.nodes[user], node_.name)
        )
        states.append(UnrestoredState(node_.name, node_.op, kind, initializers))
    return tuple(states)


def kind_of_state(op: str) -> str | None:
    """ "variable", "table", "iterator" or "queue"; None for an op that keeps no state."""
    if op in VARIABLE_OPS:
        return "variable"
    if op in TABLE_OPS:
        return "table"
    if op in ITERATOR_OPS:
        return "iterator"
    return "queue" if op in QUEUE_OPS else None


def _resource(node: Node) -> tuple[object, object]:
    """What several nodes have in common that stand for the same state (ResourceMgr)."""
    return node.attrs.get("container") or b"", node.attrs.get("shared_name") or node.name.encode()


def _fills(initializer: Node, name: str) -> bool:
    """Whether an initializer fills that node: operand 0, of MakeIterator operand 1."""
    operand = 1 if initializer.op == "MakeIterator" else 0
    data = _data_inputs(initializer)[operand : operand + 1]
    return bool(data) and parse_input(data[0]).node == name


@dataclass(frozen=True, slots=True)
class _RestoreWalk:
    """What was found behind the restore op; `inside` are the positions of the nodes walked."""

    variables: tuple[RestoredVariable, ...] = ()
    tables: tuple[str, ...] = ()
    inside: frozenset[int] | set[int] = frozenset()


def _restore_walk(meta_graph: MetaGraph, edges: Edges | None = None) -> _RestoreWalk:
    saver = meta_graph.saver
    if saver is None or not saver.restore_op_name:
        return _RestoreWalk()
    edges = edges or edges_of(meta_graph.graph)
    name = parse_input(saver.restore_op_name.removeprefix("^")).node
    start = edges.position.get(name)
    if start is None:
        raise name_not_found("restore op", name, edges.position)
    # Past a variable there is its use, not its restoring: nothing to walk there, so no limit.
    inside = edges.ancestors([start])
    variables, tables = _assignments(edges, inside, {}, "")
    for index in sorted(inside):
        node = edges.nodes[index]
        if node.op in CALL_OPS or node.op in meta_graph.graph.functions:
            more = _restored_by_call(meta_graph.graph, edges, node)
            variables += more[0]
            tables += more[1]
    return _RestoreWalk(tuple(variables), tuple(dict.fromkeys(tables)), inside)


def _restored_by_call(
    graph: Graph, edges: Edges, node: Node
) -> tuple[list[RestoredVariable], list[str]]:
    """What a restore function assigns to the variables whose handles it is given.

    Calls inside the function are followed in the same way, each function once.
    """
    variables: list[RestoredVariable] = []
    tables: list[str] = []
    handles = [_node_behind(edges, parse_input(text).node) for text in _data_inputs(node)]
    todo: list[tuple[Node, list[str]]] = [(node, handles)]
    seen: set[str] = set()
    while todo:
        call, given = todo.pop()
        called = call.attrs.get("f")
        name = called.name if isinstance(called, FunctionCall) else call.op
        function = graph.functions.get(name)
        if function is None:
            raise UnsupportedError(
                f"the saver's restore op calls function {name!r}, which is not in the graph's "
                "library; the names of its variables cannot be found"
            )
        if name in seen:
            continue
        seen.add(name)
        body = Edges(function.nodes)
        arguments = {
            argument.name: handle
            for argument, handle in zip(function.inputs, given, strict=False)
            if handle
        }
        more = _assignments(body, range(len(body)), arguments, name)
        variables += more[0]
        tables += more[1]
        for inner in body.nodes:
            if inner.op in CALL_OPS or inner.op in graph.functions:
                names = [parse_input(text).node for text in _data_inputs(inner)]
                todo.append((inner, [arguments.get(_node_behind(body, n), "") for n in names]))
    return variables, tables


def _assignments(
    edges: Edges, among: Iterable[int], arguments: Mapping[str, str], function: str
) -> tuple[list[RestoredVariable], list[str]]:
    """Assignments of restored values among these nodes; arguments stand for outer nodes."""
    variables: list[RestoredVariable] = []
    tables: list[str] = []
    strings: dict[str, tuple[bytes, ...]] = {}
    for index in sorted(among):
        node = edges.nodes[index]
        data = _data_inputs(node)
        if node.op in _TABLE_IMPORTS and data:
            if any(_restore_behind(edges, text) is not None for text in data[1:]):
                target = _node_behind(edges, parse_input(data[0]).node)
                tables.append(arguments.get(target, target))
        elif node.op in _ASSIGN_OPS and len(data) >= 2:
            source = _restore_behind(edges, data[1])
            if source is None:
                continue
            target = _node_behind(edges, parse_input(data[0]).node)
            restore, output = source
            key, slice_ = _key_of(edges, restore, output, strings)
            variables.append(
                RestoredVariable(
                    arguments.get(target, target),
                    key,
                    slice_,
                    _restored_dtype(restore, output),
                    restore.name,
                    node.name,
                    function,
                )
            )
    return variables, tables


def _data_inputs(node: Node) -> list[str]:
    return [text for text in node.inputs if not text.startswith("^")]


def _node_behind(edges: Edges, name: str) -> str:
    """The node a reference or handle comes from, through Identity and the like."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        index = edges.position.get(name)
        if index is None or edges.nodes[index].op not in _CARRIERS:
            break
        data = _data_inputs(edges.nodes[index])
        if not data:
            break
        name = parse_input(data[0]).node
    return name


def _restore_behind(edges: Edges, text: str) -> tuple[Node, int] | None:
    """The restore op, and which of its outputs, that a value comes from; None for any other."""
    seen: set[str] = set()
    while True:
        source = parse_input(text)
        index = edges.position.get(source.node)
        if index is None or source.node in seen:
            return None
        seen.add(source.node)
        node = edges.nodes[index]
        if node.op in _RESTORE_OPS:
            return node, source.output
        data = _data_inputs(node)
        if node.op not in _CARRIERS or not data:
            return None
        text = data[0]


def _key_of(
    edges: Edges, restore: Node, output: int, strings: dict[str, tuple[bytes, ...]]
) -> tuple[str, str]:
    data = _data_inputs(restore)
    keys = _strings_of(edges, restore, data[1:2], strings)
    if output >= len(keys):
        raise UnsupportedError(
            f"restore op {restore.name!r} has {len(keys)} names, expected one for output {output}"
        )
    slices: Sequence[bytes] = ()
    if restore.op != "Restore":
        slices = _strings_of(edges, restore, data[2:3], strings)
    slice_ = slices[output] if output < len(slices) else b""
    return keys[output].decode("utf-8", "surrogateescape"), slice_.decode("utf-8", "replace")


def _strings_of(
    edges: Edges, restore: Node, operand: Sequence[str], known: dict[str, tuple[bytes, ...]]
) -> tuple[bytes, ...]:
    name = _node_behind(edges, parse_input(operand[0]).node) if operand else ""
    if name in known:
        return known[name]
    index = edges.position.get(name)
    value: ConstantValue | None = None
    if index is not None and edges.nodes[index].op == "Const":
        value = edges.nodes[index].attrs.get("value")
    if value is None or not hasattr(value, "strings"):
        raise UnsupportedError(
            f"restore op {restore.name!r} takes its names from {name!r}, expected a constant"
        )
    known[name] = value.strings()
    return known[name]


def _restored_dtype(restore: Node, output: int) -> DType | None:
    if restore.op != "RestoreV2":
        dtype = restore.attrs.get("dt")
        return dtype if isinstance(dtype, DType) else None
    dtypes = restore.attrs.get("dtypes")
    if isinstance(dtypes, list) and output < len(dtypes) and isinstance(dtypes[output], DType):
        found: DType = dtypes[output]
        return found
    return None
