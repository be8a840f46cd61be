"""What a graph's saver restores: which variable from which key, and what it leaves out.

    restore_op_name : NoOp <- ^NoOp (a shard) <- ^Assign(variable, value)
                                              <- ^AssignVariableOp(handle, value)
                                              <- ^LookupTableImportV2(table, keys, values)
    value           : (Identity | Reshape | ...)* <- restored tensor
                    | anything (Concat, Mul, ...)  <- restored tensors
    restored tensor : RestoreV2(prefix, tensor_names, shape_and_slices):i   one op, many tensors
                      Restore(pattern, tensor_name):0                        one tensor
                      RestoreSlice(pattern, tensor_name, shape_and_slice):0  one tensor

A key is not the variable's name: a saver may map names (moving averages), a partitioned variable
has one key and a slice for each part. In TensorFlow 2 the restore op calls a function whose
arguments are the variables' handles; its body has the same nodes.

Source: tensorflow/python/training/saver.py, BaseSaverBuilder; saving/functional_saver.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tfartifacts.dtypes import DType
from tfartifacts.errors import UnsupportedError, name_not_found
from tfartifacts.graphs.edges import Edges, edges_of, needed, parse_input, walk
from tfartifacts.model import FunctionCall, Graph, MetaGraph, Node
from tfartifacts.model.graphs import ConstantValue
from tfartifacts.records import dataclass

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

RESTORE_OPS = frozenset("Restore RestoreV2 RestoreSlice".split())
_ASSIGN_OPS = frozenset("Assign AssignVariableOp".split())
_CHANGES = re.compile(
    r"(Resource)?(Assign\w*|Scatter(Nd)?(Add|Sub|Mul|Div|Min|Max|Update)|StridedSliceAssign"
    r"|(Sparse)?Apply\w+|CountUpTo)",
    re.ASCII,
)
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

# The kind, container and name of state: see resource_of.
Resource = tuple[object, object, object]


@dataclass(frozen=True, slots=True)
class RestoredVariable:
    """A variable and where its value comes from.

    `variable` is the node that holds it, `key` the checkpoint's, `shape_and_slice` empty for the
    whole tensor (else such as `4 3 0,2:-`). `assign` and `restore` are the nodes that do it; for
    a saver that is a function, `function` names the one they are in (else ""). `dtype` is the
    type in the checkpoint; None where the node does not say. `output` is the one of `restore`.

    A value that is `computed` is not the tensor of that key: it is made of it, and of others,
    each of which is a RestoredVariable of its own with the same `assign`.
    """

    variable: str
    key: str
    shape_and_slice: str
    dtype: DType | None
    restore: str
    assign: str
    function: str = ""
    output: int = 0
    computed: bool = False


@dataclass(frozen=True, slots=True)
class RestoredTable:
    """A mutable table and where its content comes from, as for RestoredVariable.

    `sources` are the keys its keys and values are restored from, each with slice and type; made
    of them rather than equal to them where `computed`.
    """

    table: str
    sources: tuple[tuple[str, str, DType | None], ...]
    importer: str
    function: str = ""
    computed: bool = False


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


def restored_tables(meta_graph: MetaGraph) -> tuple[RestoredTable, ...]:
    """The tables that the saver fills (LookupTableImportV2). Errors as restored_variables."""
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
    found = _restore_walk(source) if isinstance(source, MetaGraph) else _RestoreWalk()
    names = [*(item.variable for item in found.variables), *(item.table for item in found.tables)]
    restored = {resource_of(edges.nodes[index]) for index in edges.indices(names)}
    states: list[UnrestoredState] = []
    for index in sorted(needed(edges, wanted, fed)):
        node_ = edges.nodes[index]
        kind = kind_of_state(node_.op)
        if kind is None or resource_of(node_) in restored:
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


def resource_of(node: Node) -> Resource:
    """What several nodes have in common that stand for the same state (ResourceMgr).

    State of two kinds may have one name; a variable and its handle are of two kinds.
    """
    kind = "handle" if node.op == "VarHandleOp" else kind_of_state(node.op)
    name = node.attrs.get("shared_name") or node.name.encode()
    return kind, node.attrs.get("container") or b"", name


def changes_variable(op: str) -> bool:
    """Whether an op gives the variable that is its operand 0 another value."""
    return _CHANGES.fullmatch(op) is not None


def _fills(initializer: Node, name: str) -> bool:
    """Whether an initializer fills that node: operand 0, of MakeIterator operand 1."""
    operand = 1 if initializer.op == "MakeIterator" else 0
    data = data_inputs(initializer)[operand : operand + 1]
    return bool(data) and parse_input(data[0]).node == name


@dataclass(frozen=True, slots=True)
class _RestoreWalk:
    """What was found behind the restore op; `inside` are the positions of the nodes walked."""

    variables: tuple[RestoredVariable, ...] = ()
    tables: tuple[RestoredTable, ...] = ()
    inside: frozenset[int] | set[int] = frozenset()


def _restore_walk(meta_graph: MetaGraph) -> _RestoreWalk:
    """Walked once for each meta graph, which does not change."""
    known: _RestoreWalk | None = vars(meta_graph).get("_restore_walk")
    if known is None:
        known = vars(meta_graph)["_restore_walk"] = _walk(meta_graph)
    return known


def _walk(meta_graph: MetaGraph) -> _RestoreWalk:
    saver = meta_graph.saver
    if saver is None or not saver.restore_op_name:
        return _RestoreWalk()
    edges = edges_of(meta_graph.graph)
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
    return _RestoreWalk(tuple(variables), tuple(tables), inside)


def _restored_by_call(
    graph: Graph, edges: Edges, node: Node
) -> tuple[list[RestoredVariable], list[RestoredTable]]:
    """What a restore function assigns to the variables whose handles it is given.

    Calls inside the function are followed in the same way, each function once.
    """
    variables: list[RestoredVariable] = []
    tables: list[RestoredTable] = []
    handles = [_node_behind(edges, parse_input(text).node) for text in data_inputs(node)]
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
                names = [parse_input(text).node for text in data_inputs(inner)]
                todo.append((inner, [arguments.get(_node_behind(body, n), "") for n in names]))
    return variables, tables


def _assignments(
    edges: Edges, among: Iterable[int], arguments: Mapping[str, str], function: str
) -> tuple[list[RestoredVariable], list[RestoredTable]]:
    """Assignments of restored values among these nodes; arguments stand for outer nodes."""
    variables: list[RestoredVariable] = []
    tables: list[RestoredTable] = []
    strings: dict[str, tuple[bytes, ...]] = {}
    dtype_of = _Dtypes()
    for index in sorted(among):
        node = edges.nodes[index]
        is_table = node.op in _TABLE_IMPORTS
        if not (is_table or changes_variable(node.op)):
            continue
        data = data_inputs(node)
        if not data:
            continue
        found, computed = _sources(edges, node, data[1:])
        if not found:
            continue
        target = _node_behind(edges, parse_input(data[0]).node)
        target = arguments.get(target, target)
        keys = [_key_of(edges, restore, output, strings) for restore, output in found]
        dtypes = [dtype_of(restore, output) for restore, output in found]
        if is_table:
            sources = tuple((*key, dtype) for key, dtype in zip(keys, dtypes, strict=True))
            tables.append(RestoredTable(target, sources, node.name, function, computed))
        else:
            variables += [
                RestoredVariable(
                    target, *key, dtype, restore.name, node.name, function, output, computed
                )
                for key, dtype, (restore, output) in zip(keys, dtypes, found, strict=True)
            ]
    return variables, tables


def data_inputs(node: Node) -> list[str]:
    return [text for text in node.inputs if not text.startswith("^")]


def _node_behind(edges: Edges, name: str) -> str:
    """The node a reference or handle comes from, through Identity and the like."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        index = edges.position.get(name)
        if index is None or edges.nodes[index].op not in _CARRIERS:
            break
        data = data_inputs(edges.nodes[index])
        if not data:
            break
        name = parse_input(data[0]).node
    return name


def is_restored(edges: Edges, assign: Node) -> bool:
    """Whether what an assignment gives a variable comes from a checkpoint, whoever restores it."""
    return bool(_sources(edges, assign, data_inputs(assign)[1:])[0])


def _sources(
    edges: Edges, node: Node, operands: Sequence[str]
) -> tuple[list[tuple[Node, int]], bool]:
    """The restored tensors that an assignment takes its value from; whether it is computed."""
    plain = [_restore_behind(edges, text) for text in operands]
    found = [source for source in plain if source is not None]
    if len(found) == len(operands) and (node.op in _ASSIGN_OPS or node.op in _TABLE_IMPORTS):
        return found, False
    starts = edges.tensors(operands)
    # What feeds a restore op are names alone.
    walked = walk(
        [index for index, _ in starts],
        [edges.producers],
        lambda index: edges.nodes[index].op not in RESTORE_OPS,
    )
    behind = dict.fromkeys(starts)
    for index in sorted(walked):
        if edges.nodes[index].op not in RESTORE_OPS:
            behind.update(
                dict.fromkeys(zip(edges.producers[index], edges.outputs[index], strict=True))
            )
    return [
        (edges.nodes[index], output)
        for index, output in behind
        if edges.nodes[index].op in RESTORE_OPS
    ], True


def carriers_behind(edges: Edges, text: str) -> list[Node]:
    """The nodes that pass a value on, from a tensor back to what it is: not computed."""
    passed: dict[str, Node] = {}
    while True:
        index = edges.position.get(parse_input(text).node)
        if index is None or edges.nodes[index].name in passed:
            return list(passed.values())
        node = edges.nodes[index]
        data = data_inputs(node)
        if node.op not in _CARRIERS or not data:
            return list(passed.values())
        passed[node.name] = node
        text = data[0]


def _restore_behind(edges: Edges, text: str) -> tuple[Node, int] | None:
    """The restore op, and which of its outputs, that a value is; None for any other."""
    carriers = carriers_behind(edges, text)
    source = parse_input(data_inputs(carriers[-1])[0] if carriers else text)
    index = edges.position.get(source.node)
    if index is None or edges.nodes[index].op not in RESTORE_OPS:
        return None
    return edges.nodes[index], source.output


def _key_of(
    edges: Edges, restore: Node, output: int, strings: dict[str, tuple[bytes, ...]]
) -> tuple[str, str]:
    data = data_inputs(restore)
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


class _Dtypes:
    """Types of the outputs of restore ops; one has as many as there are variables."""

    def __init__(self) -> None:
        self._known: dict[str, list[DType | None]] = {}

    def __call__(self, restore: Node, output: int) -> DType | None:
        if restore.name not in self._known:
            value = restore.attrs.get("dtypes" if restore.op == "RestoreV2" else "dt")
            listed = value if isinstance(value, list) else [value]
            self._known[restore.name] = [d if isinstance(d, DType) else None for d in listed]
        dtypes = self._known[restore.name]
        return dtypes[output] if output < len(dtypes) else None
