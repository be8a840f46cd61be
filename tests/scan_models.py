"""Models made to do harm, one for each op that can: by hand, for no TensorFlow would make most.

WAYS : directly, through functions (called, in a branch, in a list, as a gradient, ...), inside
       a graph in a constant, twice inside
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tfartifacts.checks.scan.capabilities import RULES
from tfartifacts.dtypes import STRING
from tfartifacts.formats.graph_def import encode_graph
from tfartifacts.formats.saved_model import encode_saved_model
from tfartifacts.formats.wire import put_bytes, put_text
from tfartifacts.model import Graph, MetaGraph, Node, SavedModel, Signature, TensorInfo
from tfartifacts.model.graphs import Constant, Function, FunctionCall
from tfartifacts.model.saved_models import MetaInfo

TARGET = "/etc/target"
HARM = "harm"
# Attributes that make an op do what it can.
_ATTRS: dict[str, dict[str, object]] = {
    "debug_urls": {"debug_urls": [b"file:///etc/target"]},
    "output_stream": {"output_stream": b"file:///etc/target"},
}


def string_constant(name: str, *elements: bytes) -> Node:
    shape = () if len(elements) == 1 else (len(elements),)
    value = Constant(STRING, shape, elements)
    return Node(name, "Const", attrs={"dtype": STRING, "value": value})


def dangerous_nodes(op: str) -> tuple[Node, ...]:
    """A node of the op named `harm`, with what it needs to do it."""
    rule = RULES[op]
    nodes: list[Node] = []
    attrs: dict[str, object] = {}
    inputs: list[str] = []
    if rule.paths:
        nodes.append(string_constant("path", TARGET.encode()))
        inputs = ["path"] * (max(rule.paths) + 1)
    if rule.attr:
        attrs |= _ATTRS.get(rule.attr, {rule.attr: TARGET.encode()})
    if op == "XlaCallModule":
        attrs["module"] = b"module { stablehlo.custom_call @evil(%0) : () -> () }"
    if op == "DatasetFromGraph":
        nodes.append(Node("given", "ReadFile", ("name",)))
        inputs = ["given"]
    return (*nodes, Node(HARM, op, tuple(inputs), attrs=attrs))


def function(name: str, nodes: tuple[Node, ...], encoded: bytes = b"") -> Function:
    signature = put_bytes(1, put_text(1, name))
    return Function(name, (), (), nodes, encoded=signature + encoded)


Way = Callable[[tuple[Node, ...]], Graph]
_OUT = Node("out", "NoOp")


def _through(*calls: Node, functions: Mapping[str, Function], **graph: object) -> Graph:
    out = replace(_OUT, inputs=tuple(f"^{node.name}" for node in calls))
    made = Graph((*calls, out), functions=functions)
    return replace(made, **graph)  # type: ignore[arg-type]  # fields of Graph


def directly(nodes: tuple[Node, ...]) -> Graph:
    return Graph((*nodes, replace(_OUT, inputs=(f"^{HARM}",))))


def in_called_function(nodes: tuple[Node, ...]) -> Graph:
    inner = function("inner", nodes)
    call = Node("call", "StatefulPartitionedCall", attrs={"f": FunctionCall("inner")})
    outer = function("outer", (call,))
    start = Node("start", "PartitionedCall", attrs={"f": FunctionCall("outer")})
    return _through(start, functions={"outer": outer, "inner": inner})


def in_function_as_op(nodes: tuple[Node, ...]) -> Graph:
    inner = function("inner", nodes)
    outer = function("outer", (Node("call", "inner"),))
    return _through(Node("start", "outer"), functions={"outer": outer, "inner": inner})


def in_branch(nodes: tuple[Node, ...]) -> Graph:
    attrs = {"then_branch": FunctionCall("then"), "else_branch": FunctionCall("nothing")}
    functions = {"then": function("then", nodes), "nothing": function("nothing", ())}
    inner = function("body", (Node("if", "StatelessIf", attrs=attrs),))
    loop = Node("loop", "While", attrs={"cond": FunctionCall("x"), "body": FunctionCall("body")})
    return _through(loop, functions={**functions, "body": inner})


def in_list_of_functions(nodes: tuple[Node, ...]) -> Graph:
    attrs = {"branches": [FunctionCall("nothing"), FunctionCall("branch")]}
    functions = {"nothing": function("nothing", ()), "branch": function("branch", nodes)}
    return _through(Node("case", "Case", attrs=attrs), functions=functions)


def in_bound_function(nodes: tuple[Node, ...]) -> Graph:
    bound = FunctionCall("outer", {"g": FunctionCall("inner")})
    functions = {"outer": function("outer", ()), "inner": function("inner", nodes)}
    return _through(Node("call", "MapDataset", attrs={"f": bound}), functions=functions)


def in_gradient(nodes: tuple[Node, ...]) -> Graph:
    functions = {"f": function("f", ()), "gradient": function("gradient", nodes)}
    return _through(Node("call", "f"), functions=functions, gradients={"f": "gradient"})


def in_registered_gradient(nodes: tuple[Node, ...]) -> Graph:
    registered = put_bytes(3, put_text(1, "gradient") + put_text(2, "CustomGradient-1"))
    node = Node("call", "IdentityN", attrs={"_gradient_op_type": b"CustomGradient-1"})
    return _through(
        node, functions={"gradient": function("gradient", nodes)}, library_unknown_fields=registered
    )


def in_chosen_implementation(nodes: tuple[Node, ...]) -> Graph:
    """Grappler may take one function for another that says it does the same."""
    same = put_bytes(5, put_text(1, "api_implements") + put_bytes(2, put_bytes(2, b"lstm")))
    functions = {"f": function("f", (), same), "other": function("other", nodes, same)}
    return _through(Node("call", "f"), functions=functions)


def encoded(graph: Graph) -> bytes:
    return b"".join(bytes(piece) for piece in encode_graph(graph))


def in_constant(nodes: tuple[Node, ...]) -> Graph:
    # TensorFlow's own graphs have functions and ops that it knows beside the harmful one.
    inner = _through(Node("c", "inner"), functions={"inner": function("inner", nodes)})
    known = replace(inner, nodes=(*inner.nodes, Node("result", "Identity", ("c",))))
    constant = string_constant("graph", encoded(known))
    take = Node("take", "DatasetFromGraph", ("graph",))
    return Graph((constant, take, replace(_OUT, inputs=("^take",))))


def in_constant_twice(nodes: tuple[Node, ...]) -> Graph:
    constant = string_constant("outer_graph", encoded(in_constant(nodes)))
    take = Node("take", "DatasetFromGraph", ("outer_graph",))
    return Graph((constant, take, replace(_OUT, inputs=("^take",))))


def in_constant_of_function(nodes: tuple[Node, ...]) -> Graph:
    return in_called_function(in_constant(nodes).nodes)  # type: ignore[arg-type]  # is a tuple


WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        *(directly, in_called_function, in_function_as_op, in_branch, in_list_of_functions),
        *(in_bound_function, in_gradient, in_registered_gradient, in_chosen_implementation),
        *(in_constant, in_constant_twice, in_constant_of_function),
    )
}


def saved_model(graph: Graph, **fields: object) -> SavedModel:
    """A SavedModel whose serving_default needs the node `out`."""
    signature = Signature({}, {"y": TensorInfo("out:0", None, None)})
    meta_graph = MetaGraph(
        graph, info=MetaInfo(tags=("serve",)), signatures={"serving_default": signature}
    )
    meta_graph = replace(meta_graph, **fields)  # type: ignore[arg-type]  # fields of MetaGraph
    return SavedModel(path=None, meta_graphs=(meta_graph,))


def encoded_saved_model(model: SavedModel) -> bytes:
    return b"".join(bytes(piece) for piece in encode_saved_model(model))
