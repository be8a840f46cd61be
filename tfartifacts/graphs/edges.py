"""Who feeds whom in a graph: input names, producers, consumers, ancestors, descendants.

    input     : node | node:output | ^node        (node_def.proto; `node` means `node:0`)
    in a body : argument | node:argument:index    (function.proto)

`Edges` numbers nodes by their place in the file, so that a walk is a loop over integers: linear
in nodes and edges, whatever the graph (cycles of while loops, duplicate names, inputs that lead
nowhere). Of several nodes of one name the first counts, as in `Graph`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from tfartifacts.model import Graph, Node
from tfartifacts.model.collecting import not_collecting
from tfartifacts.model.graphs import node_inputs, node_names, positions_of


class Input(NamedTuple):
    """One entry of a node's `inputs`, taken apart."""

    node: str
    output: int
    is_control: bool


def parse_input(text: str) -> Input:
    """What `node`, `node:1`, `^node` or (in a function) `node:output:1` refers to.

    Nothing is refused: an output that is no number counts as 0, as such a node is found nowhere.
    """
    if text.startswith("^"):
        return Input(text[1:], 0, True)
    name, colon, output = text.partition(":")
    if not colon:
        return Input(name, 0, False)
    number = output.rpartition(":")[2]
    return Input(name, int(number) if _is_output(number) else 0, False)


def _is_output(text: str) -> bool:
    # int() would also take "1_0", " 1" and digits of other scripts, and be slow for very long ones.
    return text.isascii() and text.isdigit() and len(text) <= 9


_KNOWN_OUTPUTS = {outputs: outputs for n in range(9) for outputs in ((0,) * n,)}


class Edges:
    """The edges of a graph, by the position of a node in `nodes`.

    `producers[i]` are the nodes that feed node i, one for each data input that exists, with
    `outputs[i]` the output each is taken from; `control[i]` those it waits for.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        given = nodes if isinstance(nodes, Sequence) else list(nodes)
        self.nodes: Sequence[Node] = list(given)
        self.position: dict[str, int] = positions_of(node_names(given))
        self.producers: list[tuple[int, ...]] = []
        self.outputs: list[tuple[int, ...]] = []
        self.control: list[tuple[int, ...]] = []
        with not_collecting():
            for inputs in node_inputs(given):
                self._add_inputs(inputs)
        self._consumers: list[list[int]] | None = None
        self._control_consumers: list[list[int]] | None = None

    def _add_inputs(self, inputs: Iterable[str]) -> None:
        producers: list[int] = []
        outputs: list[int] = []
        control: list[int] = []
        position = self.position
        for text in inputs:
            if ":" in text or text.startswith("^"):
                name, output, is_control = parse_input(text)
                index = position.get(name)
                if index is None:
                    continue
                if is_control:
                    control.append(index)
                else:
                    producers.append(index)
                    outputs.append(output)
            elif (index := position.get(text)) is not None:
                producers.append(index)
                outputs.append(0)
        self.producers.append(tuple(producers))
        # Nearly all of them are the same few.
        taken = tuple(outputs)
        self.outputs.append(_KNOWN_OUTPUTS.get(taken, taken))
        self.control.append(tuple(control))

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def consumers(self) -> list[list[int]]:
        """For each node those it feeds, once for each input that takes one of its outputs."""
        if self._consumers is None:
            self._consumers = _turned(self.producers)
        return self._consumers

    @property
    def control_consumers(self) -> list[list[int]]:
        """For each node those that wait for it."""
        if self._control_consumers is None:
            self._control_consumers = _turned(self.control)
        return self._control_consumers

    def indices(self, names: Iterable[str]) -> list[int]:
        """Positions of nodes or tensors by name; unknown names are left out."""
        found = (self.position.get(parse_input(name).node) for name in names)
        return [index for index in found if index is not None]

    def ancestors(
        self,
        starts: Iterable[int],
        *,
        control: bool = True,
        stop: Collection[int] = frozenset(),
    ) -> set[int]:
        """All nodes the starts need, themselves included; what feeds nodes in `stop` is not."""
        towards = [self.producers, self.control] if control else [self.producers]
        return walk(starts, towards, lambda index: index not in stop)

    def computed(
        self, tensors: Iterable[tuple[int, int]], fed: Collection[tuple[int, int]]
    ) -> set[int]:
        """The nodes that run so that some tensors are known while others are fed.

        Tensors are a position and an output. As a session prunes: an edge that is fed is not
        followed; the node behind it may still run for another output, or a control edge.
        """
        seen = {index for index, output in tensors if (index, output) not in fed}
        todo = list(seen)
        while todo:
            index = todo.pop()
            data = zip(self.producers[index], self.outputs[index], strict=True)
            wanted = [other for other, output in data if (other, output) not in fed]
            for other in (*wanted, *self.control[index]):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    def tensors(self, names: Iterable[str]) -> list[tuple[int, int]]:
        """Position and output of tensors by name; unknown names are left out."""
        sources = [parse_input(name) for name in names]
        found = [(self.position.get(source.node), source.output) for source in sources]
        return [(index, output) for index, output in found if index is not None]

    def descendants(
        self,
        starts: Iterable[int],
        *,
        control: bool = False,
        stop: Collection[int] = frozenset(),
    ) -> set[int]:
        """All nodes that depend on the starts, themselves included; not past nodes in `stop`."""
        towards = [self.consumers, self.control_consumers] if control else [self.consumers]
        return walk(starts, towards, lambda index: index not in stop)


def edges_of(graph: Graph) -> Edges:
    """The edges of a graph's own nodes (not of its functions); found once for each graph."""
    # As functools.cached_property does: a graph does not change.
    known: Edges | None = vars(graph).get("_edges")
    if known is None:
        known = vars(graph)["_edges"] = Edges(graph.nodes)
    return known


def needed(edges: Edges, tensors: Iterable[str], fed: Iterable[str]) -> set[int]:
    """The nodes that run to compute some tensors while others are fed, all by name.

    Tensors of nodes that are not there are left out. See Edges.computed.
    """
    return edges.computed(edges.tensors(tensors), frozenset(edges.tensors(fed)))


def behind_identities(edges: Edges, index: int) -> int:
    """The node that an Identity passes on, however many there are."""
    seen: set[int] = set()
    while edges.nodes[index].op == "Identity" and edges.producers[index] and index not in seen:
        seen.add(index)
        index = edges.producers[index][0]
    return index


def walk(
    starts: Iterable[int],
    towards: Sequence[Sequence[Iterable[int]]],
    goes_on: Callable[[int], bool],
) -> set[int]:
    """All that is reached from the starts over any of the adjacencies.

    A node for which `goes_on` is false is part of the result, but not walked past.
    """
    seen = set(starts)
    todo = list(seen)
    while todo:
        index = todo.pop()
        if not goes_on(index):
            continue
        for adjacent in towards:
            for other in adjacent[index]:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
    return seen


def _turned(producers: Sequence[tuple[int, ...]]) -> list[list[int]]:
    consumers: list[list[int]] = [[] for _ in producers]
    for index, sources in enumerate(producers):
        for source in sources:
            consumers[source].append(index)
    return consumers
