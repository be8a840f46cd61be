"""The order of initialisers: state that one of them reads is filled before.

    n      <- n/Assign                              a local variable
    table  <- InitializeTable(table, keys, n + 1)   what reads it

An init op runs what it waits for side by side. What is between n and InitializeTable is also what
the model reads n by, so that it cannot wait for n/Assign itself: it is copied for the initialiser,
and the copy of what takes n waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tfartifacts.errors import ConversionError
from tfartifacts.graphs.edges import Edges, edges_of, parse_input, walk
from tfartifacts.graphs.rewrite import free_name
from tfartifacts.graphs.saver import kind_of_state
from tfartifacts.model.graphs import Graph, Node
from tfartifacts.records import replace

_LOOP_OPS = frozenset("Enter RefEnter NextIteration RefNextIteration".split())


def in_order(
    graph: Graph, fillers: Mapping[str, Iterable[str]], reads: Mapping[str, Iterable[str]]
) -> Graph:
    """The graph whose initialisers wait for those of the state they read.

    `fillers` are the nodes that fill a piece of state, by its node; `reads` the nodes of the state
    that an initialiser reads, by its name. Raises ConversionError for initialisers that wait for
    each other, and for one that reads state in a loop.
    """
    waits = {
        name: {state: tuple(run for run in fillers.get(state, ()) if run != name) for state in read}
        for name, read in reads.items()
    }
    waits = {
        name: {state: runs for state, runs in waiting.items() if runs}
        for name, waiting in waits.items()
    }
    _refuse_circle({name: set().union(*waiting.values()) for name, waiting in waits.items()})
    edges = edges_of(graph)
    taken = set(edges.position)
    initializers = {run for runs in fillers.values() for run in runs} | set(reads)
    changed: dict[int, Node] = {}
    copies: list[Node] = []
    for name, waiting in waits.items():
        if waiting:
            made, node = _waiting(edges, name, waiting, initializers, taken)
            copies += made
            changed[edges.position[name]] = node
    if not changed:
        return graph
    nodes = [changed.get(index, node) for index, node in enumerate(edges.nodes)]
    return replace(graph, nodes=(*nodes, *copies))


def _waiting(
    edges: Edges,
    name: str,
    waiting: Mapping[str, tuple[str, ...]],
    initializers: Iterable[str],
    taken: set[str],
) -> tuple[list[Node], Node]:
    """What is between state and one initialiser as copies that wait, and the initialiser."""
    start = edges.position[name]
    states = set(edges.indices(waiting))
    stop = set(edges.indices(initializers)) - {start}
    # Another initialiser that this one waits for as it is stays what it is.
    behind = edges.ancestors([start], stop=stop)
    towards = [edges.consumers, edges.control_consumers]
    between = (walk(states, towards, behind.__contains__) & behind) - states - stop
    for index in sorted(between):
        if edges.nodes[index].op in _LOOP_OPS:
            raise ConversionError(
                f"found {name!r}, which reads {', '.join(sorted(waiting))} in a loop, expected an "
                "initialiser that can wait until that has a value"
            )
    between = {index for index in between if kind_of_state(edges.nodes[index].op) is None}
    names = {
        edges.nodes[index].name: free_name(f"{name}/after/{edges.nodes[index].name}", taken)
        for index in sorted(between - {start})
    }
    made: list[Node] = []
    for index in sorted(between | {start}):
        node = edges.nodes[index]
        runs = [
            run
            for producer in dict.fromkeys(edges.producers[index])
            for run in waiting.get(edges.nodes[producer].name, ())
        ]
        made.append(
            replace(
                node,
                name=names.get(node.name, node.name),
                inputs=_after([_renamed(text, names) for text in node.inputs], runs),
            )
        )
    return [node for node in made if node.name != name], next(n for n in made if n.name == name)


def _renamed(text: str, names: Mapping[str, str]) -> str:
    source = parse_input(text)
    if source.node not in names:
        return text
    if source.is_control:
        return f"^{names[source.node]}"
    return f"{names[source.node]}:{source.output}" if source.output else names[source.node]


def _after(inputs: list[str], runs: Iterable[str]) -> tuple[str, ...]:
    more = dict.fromkeys(f"^{run}" for run in runs)
    return (*inputs, *(text for text in more if text not in inputs))


def _refuse_circle(waits: Mapping[str, set[str]]) -> None:
    """Refuse initialisers none of which can be the first."""
    left = {name: set(runs) & set(waits) for name, runs in waits.items()}
    waited_for: dict[str, list[str]] = {}
    for name, runs in left.items():
        for run in runs:
            waited_for.setdefault(run, []).append(name)
    ready = [name for name, runs in left.items() if not runs]
    while ready:
        done = ready.pop()
        del left[done]
        for name in waited_for.get(done, ()):
            left[name].discard(done)
            if not left[name]:
                ready.append(name)
    if left:
        shown = ", ".join(sorted(left)[:3])
        raise ConversionError(
            f"found initialisers that wait for each other ({shown}), expected one that can run "
            "first"
        )
