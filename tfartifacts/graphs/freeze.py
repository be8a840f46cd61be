"""Freeze a graph: its restored variables become constants of the same names.

    VariableV2, Variable -> Const;  RefIdentity, RefSwitch, RefEnter ... -> Identity, Switch, Enter
    VarHandleOp          -> Const;  ReadVariableOp   -> Identity
                                    ResourceGather   -> GatherV2 (axis in a constant)
                                    ResourceGatherNd -> GatherNd
                                    VariableShape    -> Shape
                                    VarIsInitializedOp, IsVariableInitialized -> Const true
    Identity, Enter, Switch, Merge, Exit of a handle pass the value on.

Any other consumer would change the variable, or would have to be changed itself (a function that
takes the handle): it is refused by name. Values are read when the graph is encoded.
Source: tensorflow/python/framework/convert_to_constants.py, graph_util_impl.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import Any

from tfartifacts.dtypes import DType, dtype_from_name
from tfartifacts.errors import ConversionError
from tfartifacts.graphs.edges import Edges, edges_of
from tfartifacts.graphs.rewrite import free_name
from tfartifacts.graphs.saver import (
    Resource,
    RestoredVariable,
    carriers_behind,
    data_inputs,
    resource_of,
    restored_tables,
    restored_variables,
)
from tfartifacts.model import Variable
from tfartifacts.model.graphs import Constant, Node, TensorShape
from tfartifacts.model.graphs import only as only_these
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.model.values import Shape
from tfartifacts.records import dataclass, replace

# Bytes; a graph is one protobuf message, of which nobody reads more.
MAX_GRAPH = (1 << 31) - 1

_EXTENT = re.compile(r"-|\d{1,18},\d{1,18}", re.ASCII)

_BOOL = dtype_from_name("bool")
_INT32 = dtype_from_name("int32")

# Between what is restored and a variable: the same elements in another shape.
_RESHAPING = frozenset("Reshape Squeeze ExpandDims".split())
_REFERENCE_CARRIERS = {
    "Identity": "Identity",
    "RefIdentity": "Identity",
    "RefSwitch": "Switch",
    "RefMerge": "Merge",
    "RefEnter": "Enter",
    "RefExit": "Exit",
    "RefNextIteration": "NextIteration",
}
_HANDLE_CARRIERS = frozenset("Identity Switch Merge Enter Exit NextIteration".split())
# What changes a variable that it is given by reference; told by op signatures where there are any.
_CHANGES_REFERENCE = frozenset(
    "Assign AssignAdd AssignSub CountUpTo ScatterUpdate ScatterAdd ScatterSub ScatterMul "
    "ScatterDiv ScatterMin ScatterMax ScatterNdUpdate ScatterNdAdd ScatterNdSub StridedSliceAssign "
    "DestroyTemporaryVariable RefSelect AccumulateNV2Variable".split()
)


@dataclass(frozen=True, slots=True)
class VariableValue:
    """The value of a variable, or of a slice of it, as a constant; read when asked for.

    `reshaped` is what the variable's shape is where the checkpoint has another.
    """

    variable: Variable
    bounds: tuple[tuple[int, int], ...] | None = None
    reshaped: Shape | None = None

    @property
    def dtype(self) -> DType:
        return self.variable.dtype

    @property
    def shape(self) -> Shape:
        if self.reshaped is not None:
            return self.reshaped
        if self.bounds is None:
            return self.variable.shape
        return tuple(end - start for start, end in self.bounds)

    @property
    def nbytes(self) -> int:
        if self.bounds is None or self.dtype.itemsize is None:
            return self.variable.nbytes
        return prod(self.shape) * self.dtype.itemsize

    def read(self) -> Any:
        value = self.variable.read()
        if self.bounds is not None:
            value = value[tuple(slice(start, end) for start, end in self.bounds)].copy()
        return value if self.reshaped is None else value.reshape(self.reshaped)

    def strings(self) -> tuple[bytes, ...]:
        return tuple(self.read().ravel().tolist())


def slice_bounds(shape_and_slice: str, shape: Shape) -> tuple[tuple[int, int], ...] | None:
    """First and one past the last index of each dimension of `4 3 0,2:-`; None for the whole."""
    if not shape_and_slice:
        return None
    extents = shape_and_slice.rpartition(" ")[2].split(":") if shape else []
    well_formed = all(_EXTENT.fullmatch(extent) for extent in extents)
    if not well_formed or len(extents) != len(shape):
        raise ConversionError(
            f"found slice {shape_and_slice!r} of a variable of shape {shape}, expected its rank"
        )
    bounds = []
    for extent, dimension in zip(extents, shape, strict=True):
        start, comma, length = extent.partition(",")
        begin, end = (int(start), int(start) + int(length)) if comma else (0, dimension)
        if end > dimension:
            raise ConversionError(
                f"found slice {shape_and_slice!r} of a variable of shape {shape}, expected it in it"
            )
        bounds.append((begin, end))
    return tuple(bounds)


def freeze(meta_graph: MetaGraph, variables: Mapping[str, Variable]) -> MetaGraph:
    """The meta graph with its restored variables as constants, and without a saver.

    `variables` are the checkpoint's, by key. Variables that are not restored, and tables, stay:
    the init op fills them.

    Raises ConversionError for a node that cannot take a constant, for a variable that is not what
    the checkpoint has but computed of it, and for a graph that would not fit into a message.
    """
    tables = restored_tables(meta_graph)
    if tables:
        raise ConversionError(
            f"found table {tables[0].table!r}, which the saver fills, expected variables alone: a "
            "table cannot be frozen"
        )
    edges = edges_of(meta_graph.graph)
    frozen = _constants(edges, restored_variables(meta_graph), variables)
    _refuse_too_large(frozen)
    inside = _saver_nodes(meta_graph, edges)
    rewritten, more = _consumers(meta_graph, edges, frozen, inside)
    nodes: list[Node] = []
    for index, node in enumerate(edges.nodes):
        if index in inside:
            continue
        if index in frozen:
            nodes.append(_constant(node, frozen[index]))
        else:
            nodes += more.get(index, ())
            nodes.append(rewritten.get(index, node))
    kept = {
        key: collection
        for key, collection in meta_graph.collections.items()
        if key not in meta_graph.variable_defs
    }
    graph = replace(meta_graph.graph, nodes=tuple(nodes))
    return replace(meta_graph, graph=graph, saver=None, collections=kept)


def _constants(
    edges: Edges, restored: tuple[RestoredVariable, ...], variables: Mapping[str, Variable]
) -> dict[int, VariableValue]:
    """The value of each node that stands for a restored variable."""
    values: dict[Resource, VariableValue] = {}
    for item in restored:
        if item.computed:
            raise ConversionError(
                f"found {item.assign!r}, which gives {item.variable} a value that is computed of "
                f"{item.key!r} and perhaps others, expected the value itself in the checkpoint: it "
                "cannot be frozen; do without freezing"
            )
        variable = variables[item.key]
        node = edges.nodes[edges.position[item.variable]]
        dtype = node.attrs.get("dtype")
        if isinstance(dtype, DType) and dtype.base != variable.dtype:
            raise ConversionError(
                f"found {item.key!r} as {variable.dtype}, expected {dtype.base}, the type of "
                f"{item.variable}; a value that is converted while it is restored cannot be frozen"
            )
        value = VariableValue(variable, slice_bounds(item.shape_and_slice, variable.shape))
        values[resource_of(node)] = _carried(edges, item, node, value)
    return {
        index: values[resource_of(node)]
        for index, node in enumerate(edges.nodes)
        if node.op in ("Variable", "VariableV2", "VarHandleOp") and resource_of(node) in values
    }


def _carried(
    edges: Edges, item: RestoredVariable, node: Node, value: VariableValue
) -> VariableValue:
    """The value as it is when it has come to the variable, past a Reshape or a Cast."""
    assign = edges.nodes[edges.position[item.assign]]
    carriers = carriers_behind(edges, data_inputs(assign)[1])
    for carrier in carriers:
        if carrier.op == "Cast" and carrier.attrs.get("SrcT") != carrier.attrs.get("DstT"):
            raise ConversionError(
                f"found {carrier.name!r} (Cast) between the checkpoint and {item.variable}, "
                "expected the value itself; a value that is converted while it is restored cannot "
                "be frozen"
            )
    reshaping = [carrier for carrier in carriers if carrier.op in _RESHAPING]
    if not reshaping:
        return value
    shape = node.attrs.get("shape")
    sizes = (
        tuple(size for size in shape if size is not None) if isinstance(shape, TensorShape) else ()
    )
    if not isinstance(shape, TensorShape) or None in shape or prod(sizes) != prod(value.shape):
        raise ConversionError(
            f"found {reshaping[0].name!r} ({reshaping[0].op}), which gives {item.variable} another "
            f"shape than the checkpoint's {list(value.shape)}, expected a variable of known shape "
            "and of as many elements; do without freezing"
        )
    return value if sizes == value.shape else replace(value, reshaped=sizes)


def _refuse_too_large(frozen: Mapping[int, VariableValue]) -> None:
    # Each node gets a constant of its own, also where several stand for one variable.
    size = sum(value.nbytes for value in frozen.values())
    if size > MAX_GRAPH:
        raise ConversionError(
            f"found {size} bytes of variables, expected at most {MAX_GRAPH}: a graph with its "
            "constants is one message, of which TensorFlow reads no more; do without freezing"
        )


def _saver_nodes(meta_graph: MetaGraph, edges: Edges) -> set[int]:
    """The nodes that only the saver needs."""
    saver = meta_graph.saver
    if saver is None:
        return set()
    ends = edges.indices([saver.restore_op_name, saver.save_tensor_name])
    outputs = [
        tensor
        for signature in meta_graph.signatures.values()
        for info in (*signature.inputs.values(), *signature.outputs.values())
        for tensor in info.tensor_names
    ]
    init = [] if meta_graph.init_op is None else [meta_graph.init_op]
    assets = [asset.tensor_name for asset in meta_graph.asset_files]
    needed = edges.ancestors(edges.indices([*outputs, *init, *assets]))
    return edges.ancestors(ends) - needed


def _constant(node: Node, value: VariableValue) -> Node:
    attrs: dict[str, Any] = {"dtype": value.dtype, "value": value}
    # Colocation goes by names, which stay.
    if "_class" in node.attrs:
        attrs["_class"] = node.attrs["_class"]
    controls = tuple(name for name in node.inputs if name.startswith("^"))
    return Node(node.name, "Const", controls, "", attrs)


def _consumers(
    meta_graph: MetaGraph, edges: Edges, frozen: Mapping[int, VariableValue], inside: set[int]
) -> tuple[dict[int, Node], dict[int, tuple[Node, ...]]]:
    """The consumers of variables as they read constants, and nodes to put before them."""
    taken = {node.name for node in edges.nodes}
    rewritten: dict[int, Node] = {}
    more: dict[int, tuple[Node, ...]] = {}
    # A node, the type of the value it hands on, whether that was a handle.
    todo = [
        (index, value.dtype, edges.nodes[index].op == "VarHandleOp")
        for index, value in frozen.items()
    ]
    while todo:
        source, dtype, is_handle = todo.pop()
        for index in dict.fromkeys(edges.consumers[source]):
            if index in inside or index in rewritten:
                continue
            node = edges.nodes[index]
            operands = [
                place for place, producer in enumerate(edges.producers[index]) if producer == source
            ]
            if not is_handle:
                new = _of_reference(meta_graph, node, operands)
                if new is not None:
                    rewritten[index] = new
                    if node.op.startswith("Ref"):
                        todo.append((index, dtype, False))
                continue
            if node.op in _HANDLE_CARRIERS and operands == [0]:
                # A handle is a scalar, what it stands for is not.
                rewritten[index] = _with_attrs(
                    node, node.op, {"T": dtype}, drop={"T", "_output_shapes"}
                )
                todo.append((index, dtype, True))
                continue
            rewritten[index], extra = _of_handle(node, dtype, operands, taken)
            if extra:
                more[index] = extra
    return rewritten, more


def _refuse(node: Node, variable: str) -> ConversionError:
    return ConversionError(
        f"found {node.name!r} ({node.op}), which takes {variable} itself, expected only nodes that "
        "read it: it cannot be frozen; do without freezing, or prune to other outputs"
    )


def _of_reference(meta_graph: MetaGraph, node: Node, operands: list[int]) -> Node | None:
    """A consumer of a reference variable, as it takes a value; None where it does as it is."""
    if node.op in _REFERENCE_CARRIERS:
        op = _REFERENCE_CARRIERS[node.op]
        return None if op == node.op else replace(node, op=op)
    if node.op == "IsVariableInitialized":
        return _always_true(node)
    op_def = meta_graph.graph.op_defs.get(node.op)
    by_reference = node.op in _CHANGES_REFERENCE
    if op_def is not None and not any(
        argument.number_attr or argument.type_list_attr for argument in op_def.inputs
    ):
        by_reference = any(
            op_def.inputs[place].is_reference for place in operands if place < len(op_def.inputs)
        )
    if by_reference:
        raise _refuse(node, node.inputs[operands[0]])
    return None


def _of_handle(
    node: Node, dtype: DType, operands: list[int], taken: set[str]
) -> tuple[Node, tuple[Node, ...]]:
    if operands == [0]:
        match node.op:
            case "ReadVariableOp":
                return _with_attrs(node, "Identity", {"T": dtype}, drop={"dtype"}), ()
            case "ResourceGather":
                axis = Node(
                    free_name(f"{node.name}/axis", taken),
                    "Const",
                    (),
                    "",
                    {"dtype": _INT32, "value": Constant(_INT32, (), (0,))},
                )
                batch_dims = node.attrs.get("batch_dims", 0)
                if batch_dims:
                    axis = replace(
                        axis,
                        attrs={"dtype": _INT32, "value": Constant(_INT32, (), (batch_dims,))},
                    )
                attrs = {"Tparams": dtype, "Taxis": _INT32}
                gather = _with_attrs(node, "GatherV2", attrs, drop={"dtype", "validate_indices"})
                data = [name for name in node.inputs if not name.startswith("^")]
                control = [name for name in node.inputs if name.startswith("^")]
                return replace(gather, inputs=(*data[:2], axis.name, *control)), (axis,)
            case "ResourceGatherNd":
                return _with_attrs(node, "GatherNd", {"Tparams": dtype}, drop={"dtype"}), ()
            case "VariableShape":
                return _with_attrs(node, "Shape", {"T": dtype}, drop=set()), ()
            case "VarIsInitializedOp":
                return _always_true(node), ()
    raise _refuse(node, node.inputs[operands[0]])


def _always_true(node: Node) -> Node:
    controls = tuple(name for name in node.inputs if name.startswith("^"))
    attrs = {"dtype": _BOOL, "value": Constant(_BOOL, (), (True,))}
    return Node(node.name, "Const", controls, "", attrs)


def _with_attrs(node: Node, op: str, attrs: Mapping[str, Any], drop: set[str]) -> Node:
    kept = only_these(node.attrs, {name for name in node.attrs if name not in drop})
    return replace(node, op=op, attrs={**kept, **attrs})
