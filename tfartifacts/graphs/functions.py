"""Functions of a graph's library: which are called from where.

A function is called by a node whose op is its name, or named by an attribute of any node: func,
list(func), and functions bound to the attributes of those. Its body calls others in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tfartifacts.model.graphs import AttrValue, FunctionCall, Graph, Node


def functions_named(node: Node) -> Iterator[str]:
    """Names of functions, or of ops, that a node may call."""
    yield node.op
    attrs = node.attrs
    # Of one that was read it is known, without decoding it, which others hold plain values.
    lists_and_calls: Callable[[], Iterable[str]] = getattr(attrs, "lists_and_calls", attrs.keys)
    for name in lists_and_calls():
        # The great many attributes are one of these; decoding a large constant would be lost time.
        if name not in ("T", "dtype", "value", "_output_shapes", "shape", "_class"):
            yield from _in_value(attrs[name])


def _in_value(value: AttrValue) -> Iterator[str]:
    if isinstance(value, FunctionCall):
        yield value.name
        for bound in value.attrs.values():
            yield from _in_value(bound)
    elif isinstance(value, list):
        for item in value:
            yield from _in_value(item)


def reachable_functions(graph: Graph, nodes: Iterable[Node]) -> set[str]:
    """The functions that running these nodes, or taking gradients of what they call, can reach."""
    found: set[str] = set()
    if not graph.functions:
        return found
    todo = [name for node in nodes for name in functions_named(node)]
    while todo:
        name = todo.pop()
        if name in found or name not in graph.functions:
            continue
        found.add(name)
        if name in graph.gradients:
            todo.append(graph.gradients[name])
        todo += [called for node in graph.functions[name].nodes for called in functions_named(node)]
    return found
