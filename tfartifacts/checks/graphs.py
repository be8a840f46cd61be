"""A graph on its own: what TensorFlow would refuse to import or run, and what is odd about it.

Every node is looked at once, those of functions too, and every fault is told, those of one kind
together. Time is in proportion to nodes and inputs, whatever the graph: cycles, functions that
call themselves, names twice.

What is wrong inside a function keeps TensorFlow from running what calls it, and is a warning where
nothing does.
"""

from __future__ import annotations

from collections.abc import Iterator

from tfartifacts.checks.faults import Faults
from tfartifacts.checks.findings import Finding
from tfartifacts.checks.graph_body import Body
from tfartifacts.checks.graph_functions import FunctionCheck
from tfartifacts.checks.graph_nodes import NodeCheck
from tfartifacts.checks.op_signatures import OpSignatures, is_everywhere
from tfartifacts.model import Graph, Node


def check_graph(
    graph: Graph, *, path: str | None, where: str = "", all_functions: bool = False
) -> Iterator[Finding]:
    """What is wrong with a graph, or worth knowing.

    `path` is the file it is in, `where` which of several it is there. `all_functions`: whoever
    loads it takes every function, called or not (tf.saved_model.load of a model of TensorFlow 2).
    """
    faults = Faults(path, where)
    signatures = OpSignatures(graph)
    nodes = NodeCheck(graph)
    body = Body(graph.nodes, signatures, faults)
    functions = FunctionCheck(graph, faults)

    def check_node(node: Node) -> None:
        nodes.check(body, node)
        functions.add_calls("", (node,))

    body.check(check_node)
    _check_library(graph, faults)
    functions.check(signatures, nodes, set(graph.functions) if all_functions else None)
    nodes.tell_unknown_ops(faults)
    functions.check_recursion()
    yield from faults.findings()


def _check_library(graph: Graph, faults: Faults) -> None:
    for name in graph.repeated_functions:
        faults.error(
            "duplicate-function",
            f"found two functions {name!r} that differ, expected each name once",
            name,
        )
    for name in graph.functions:
        if is_everywhere(name):
            faults.error(
                "function-name",
                f"found function {name!r}, expected a name that no op of TensorFlow has",
                name,
            )
    for name, gradient in graph.gradients.items():
        for missing in (name, gradient):
            if missing not in graph.functions:
                faults.error(
                    "gradient",
                    f"found {gradient!r} as the gradient of {name!r}, expected function "
                    f"{missing!r} in the library",
                    missing,
                )
