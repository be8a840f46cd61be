"""One graph: every hit in it, in its functions, and in the graphs that its strings hold."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from functools import cache
from itertools import chain

from tfartifacts.checks.findings import Severity
from tfartifacts.checks.scan.attributes import judge_attributes
from tfartifacts.checks.scan.bodies import (
    Bodies,
    Body,
    constant_strings,
    python_objects,
    take_apart,
)
from tfartifacts.checks.scan.capabilities import CONTRIB, RULES, UNKNOWN, Capability, Rule
from tfartifacts.checks.scan.judging import Judge, Verdict, by_reach
from tfartifacts.checks.scan.paths import Origin, Paths
from tfartifacts.checks.scan.payloads import Budget, NestedNodes, search
from tfartifacts.checks.scan.reachability import Place, Reachability, fed_of, roots_of
from tfartifacts.checks.scan.rows import Reach, Row
from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats.graph_def import read_graph
from tfartifacts.formats.saved_functions import SavedFunctions
from tfartifacts.formats.wire import Message
from tfartifacts.graphs.compatibility import VERSIONS, ops_of
from tfartifacts.model.graphs import ConstantValue, Graph, Node
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.records import dataclass, field, replace

# Rows name so many nodes, and count the others.
MOST_NODES_NAMED = 5
_ATTRIBUTE_OPS = frozenset(op for op, rule in RULES.items() if rule.attr) | {"XlaCallModule"}
_GRAPH_INPUTS = {"DatasetFromGraph": 0}


@cache
def known_ops() -> frozenset[str]:
    """The ops of every TensorFlow whose list there is, and those of tf.contrib that are known."""
    return frozenset(CONTRIB).union(*(ops_of(version) for version in VERSIONS))


@dataclass(slots=True)
class Found:
    """What was found in the graphs of an artifact; rows of one kind are counted together."""

    known_ops: Collection[str]
    budget: Budget = field(default_factory=Budget)
    rows: dict[Row, tuple[list[str], int]] = field(default_factory=dict)
    problems: list[TfArtifactsError] = field(default_factory=list)
    num_graphs: int = 0
    num_nodes: int = 0
    num_functions: int = 0
    num_nested_graphs: int = 0

    def add(self, row: Row, node: str) -> None:
        names, count = self.rows.get(row, ([], 0))
        if count < MOST_NODES_NAMED:
            names.append(node)
        self.rows[row] = (names, count + 1)

    def finished(self) -> Iterator[Row]:
        for row, (names, count) in self.rows.items():
            yield replace(row, nodes=tuple(names), num_nodes=count)


def scan_meta_graph(
    meta_graph: MetaGraph, saved: SavedFunctions, found: Found, part: str, folder: str | None
) -> None:
    """Add what a meta graph can do; `saved` is what its object graph offers."""
    scanning = _Scanning(meta_graph, saved, found, part, folder)
    scanning.hits()
    scanning.strings()


def scan_graph(graph: Graph, found: Found, folder: str | None) -> None:
    """Add what a graph without signatures can do."""
    scan_meta_graph(MetaGraph(graph), SavedFunctions(), found, "", folder)


class _Scanning:
    def __init__(
        self,
        meta_graph: MetaGraph,
        saved: SavedFunctions,
        found: Found,
        part: str,
        folder: str | None,
    ) -> None:
        self.found = found
        self.part = part
        self.bodies = take_apart(meta_graph.graph, found.known_ops)
        found.problems += self.bodies.problems
        found.num_graphs += 1
        found.num_functions += len(self.bodies.functions)
        found.num_nodes += sum(len(body.nodes) for body in self.bodies)
        roots = roots_of(meta_graph, saved)
        self.reachability = Reachability(self.bodies, roots)
        self.paths = Paths(
            self.bodies, self.reachability, meta_graph, saved.captured, fed_of(roots)
        )
        self.judge = Judge(self.reachability.is_open, _inside(folder))
        # Constants that an op takes as graphs, whatever is in them.
        self.graphs: set[Place] = set()

    def hits(self) -> None:
        for body in self.bodies:
            for hit in body.hits:
                node = body.nodes[hit.position]
                place = (body.name, hit.position)
                reach = self.reachability.of(place)
                try:
                    verdict = self._verdict(node, hit.rule, place, reach)
                except FormatError as error:
                    self.found.problems.append(error)
                    verdict = Verdict(
                        by_reach(reach, is_open=self.judge.is_open),
                        f"{hit.rule.does}; its attributes are damaged",
                    )
                if verdict is not None:
                    self._add(node.op, node.name, hit.rule, verdict, place, reach)

    def _verdict(
        self, node: Node, rule: Rule, place: Place, reach: Reach, nested: Paths | None = None
    ) -> Verdict | None:
        """What is said of a node, with `nested` of one in a nested graph, whose names it traces."""
        if node.op in _ATTRIBUTE_OPS:
            return judge_attributes(self.judge, node, rule, reach)

        def origins(operand: int) -> frozenset[Origin]:
            if nested is not None:
                return nested.origins(place, operand, Reach.GRAPH)
            return self.paths.origins(place, operand, reach)

        if node.op in _GRAPH_INPUTS:
            graphs = origins(_GRAPH_INPUTS[node.op])
            if nested is None:
                self.graphs.update(origin.place for origin in graphs if origin.place is not None)
            severity = by_reach(reach, is_open=self.judge.is_open)
            bodies = self.bodies if nested is None else nested.bodies
            if not graphs or any(origin.place is None for origin in graphs):
                return Verdict(severity, f"{rule.does}, which is not in the file as it is")
            if not all(_holds_graphs(bodies, origin.place) for origin in graphs):
                return Verdict(severity, f"{rule.does}, which cannot be looked into")
            return Verdict(Severity.NOTE, f"{rule.does}: a constant, which is looked into")
        names = frozenset(origin for operand in rule.paths for origin in origins(operand))
        writes = rule.capability is Capability.WRITE_FILES
        if nested is None and writes and self.reachability.is_restoring(place):
            return Verdict(Severity.ERROR, f"{rule.does} when a checkpoint is restored")
        return self.judge.judge(rule, reach, names)

    def _add(
        self,
        op: str,
        name: str,
        rule: Rule,
        verdict: Verdict,
        place: Place,
        reach: Reach,
        nesting: tuple[str, ...] = (),
    ) -> None:
        row = Row(
            severity=verdict.severity,
            capability=verdict.capability or rule.capability,
            op=op,
            nodes=(),
            num_nodes=0,
            reach=reach,
            explanation=verdict.explanation,
            callers=self.reachability.callers(place, reach),
            function=place[0],
            nesting=nesting,
            target=verdict.target,
            part=self.part,
        )
        self.found.add(row, name)

    def strings(self) -> None:
        """What the strings of the graph hold."""
        for body in self.bodies:
            for position, strings in body.strings.items():
                place = (body.name, position)
                for string in strings:
                    self._string(body, place, string)
            for position, kind in python_objects(body):
                place = (body.name, position)
                node = body.nodes[position]
                verdict = Verdict(
                    Severity.NOTE, f"holds {kind}, which TensorFlow itself does not load"
                )
                rule = Rule(Capability.RUN_CODE, "")
                reach = self.reachability.of(place)
                self._add(node.op, node.name, rule, verdict, place, reach)

    def _string(self, body: Body, place: Place, string: bytes) -> None:
        budget = self.found.budget
        if budget.exceeded and place not in self.graphs:
            return
        node = body.nodes[place[1]]
        result = search(string, self.found.known_ops, budget, is_graph=place in self.graphs)
        reach = self.reachability.of(place)
        if budget.exceeded:
            verdict = Verdict(
                Severity.ERROR if place in self.graphs else Severity.WARNING,
                "holds more than is looked at: the limits of nested graphs are reached",
            )
            self._add(node.op, node.name, UNKNOWN, verdict, place, reach)
        self.found.num_nested_graphs += sum(1 for nodes in result.found if nodes.nodes)
        for nodes in result.found:
            self._nested(nodes, result.function_names, place, node.name, reach)

    def _nested(
        self,
        nested: NestedNodes,
        functions: set[str],
        place: Place,
        name: str,
        reach: Reach,
    ) -> None:
        """Hits among the nodes of a graph in a string, which runs where its node does."""
        hits = [
            (position, rule)
            for position, node in enumerate(nested.nodes)
            if (rule := self._rule(node, functions)) is not None
        ]
        if not hits:
            return
        bodies = Bodies(Body("", nested.nodes))
        meta_graph = MetaGraph(Graph(nested.nodes))
        paths = Paths(bodies, Reachability(bodies, []), meta_graph, {}, set())
        nesting = (name, *nested.nesting)
        for position, rule in hits:
            node = nested.nodes[position]
            try:
                verdict = self._verdict(node, rule, ("", position), reach, paths)
            except FormatError:
                verdict = Verdict(by_reach(reach, is_open=self.judge.is_open), rule.does)
            if verdict is not None:
                self._add(node.op, node.name, rule, verdict, place, reach, nesting)

    def _rule(self, node: Node, functions: set[str]) -> Rule | None:
        if (rule := RULES.get(node.op)) is not None:
            return rule
        if node.op in self.found.known_ops or node.op in functions:
            return None
        if node.op in self.bodies.functions:
            return None
        return UNKNOWN


def _holds_graphs(bodies: Bodies, place: Place | None) -> bool:
    """Whether all strings of a constant are graphs that can be read, as one may not be hidden."""
    if place is None:
        return False
    value = bodies.body(place[0]).nodes[place[1]].attrs.get("value")
    strings = list(constant_strings(value)) if isinstance(value, ConstantValue) else []
    try:
        for string in strings:
            graph = read_graph(Message(string))
            functions = [graph.functions[name] for name in graph.functions]
            for node in chain(graph.nodes, *(function.nodes for function in functions)):
                for value in node.attrs.values():
                    if isinstance(value, ConstantValue):
                        constant_strings(value)
    except FormatError:
        return False
    return bool(strings)


class _inside:  # noqa: N801  # a function with a folder
    """Whether an absolute path lies in a folder."""

    def __init__(self, folder: str | None) -> None:
        self.folder = None if folder is None else os.path.realpath(folder)

    def __call__(self, text: str) -> bool:
        if self.folder is None or not os.path.isabs(text) or "\0" in text:
            return False
        path = os.path.normpath(text)
        return path.startswith(os.path.join(self.folder, ""))
