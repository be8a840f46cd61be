"""The functions of a graph's library: their bodies, what they return, who calls whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial

from tfartifacts.checks.faults import Faults, few
from tfartifacts.checks.findings import Severity
from tfartifacts.checks.graph_body import Body
from tfartifacts.checks.graph_nodes import NodeCheck
from tfartifacts.checks.op_signatures import OpSignatures, is_known
from tfartifacts.errors import FormatError, TfArtifactsError
from tfartifacts.formats.wire import Message
from tfartifacts.graphs.functions import functions_named
from tfartifacts.graphs.saver import CALL_OPS
from tfartifacts.model import Function, Graph, Node, OpDef
from tfartifacts.records import dataclass, field

_CONTROL_RETURNS = 6  # FunctionDef.control_ret


def calls_of(node: Node) -> list[tuple[str, bool]]:
    """The functions, or ops, that a node names, and whether every run of the node runs them.

    Of a node whose attributes cannot be read, its op alone.
    """
    try:
        op, *names = functions_named(node)
    except TfArtifactsError:
        op, names = node.op, []  # told by the check of its attributes
    return [(op, True), *((name, node.op in CALL_OPS) for name in names)]


@dataclass(slots=True)
class FunctionCheck:
    """Functions of one graph; `_called` maps each, and "" for the graph, to those it calls."""

    graph: Graph
    faults: Faults
    _called: dict[str, dict[str, bool]] = field(default_factory=dict)
    _missing: list[tuple[str, str, Node]] = field(default_factory=list)
    _run: Collection[str] = frozenset()

    def add_calls(self, caller: str, nodes: Iterable[Node]) -> None:
        called = self._called.setdefault(caller, {})
        for node in nodes:
            for name, at_once in calls_of(node):
                if name in self.graph.functions:
                    called[name] = called.get(name, False) or at_once
                elif name != node.op and not is_known(name):
                    self._missing.append((caller, name, node))

    def check(
        self, signatures: OpSignatures, node_check: NodeCheck, run: Collection[str] | None
    ) -> None:
        """The body of each function: its nodes, names, inputs and returns.

        `run` are the functions that are run; None: those that the graph's nodes can reach.
        """
        functions: list[tuple[Function, Body]] = []
        for name in self.graph.functions:
            try:
                function = self.graph.functions[name]
            except TfArtifactsError as error:
                self.faults.error(
                    "function",
                    f"found function {name!r} that cannot be read: {error.message}",
                    name,
                )
                continue
            signatures.add(name, OpDef(name, function.inputs, function.outputs))
            body = Body(
                function.nodes,
                signatures,
                self.faults,
                where=f"function {name!r}: ",
                arguments={argument.name for argument in function.inputs},
            )
            self.add_calls(name, function.nodes)
            functions.append((function, body))
        self._run = self._reached() if run is None else run
        for caller, missing, node in self._missing:
            self._tell_missing(caller, missing, node)
        for function, body in functions:
            if function.name not in self._run:
                body.severity = Severity.WARNING
            body.check(partial(node_check.check, body))
            self._check_returns(function, body)

    def _reached(self) -> set[str]:
        reached: set[str] = set()
        todo = list(self._called.get("", ()))
        while todo:
            name = todo.pop()
            if name in reached or name not in self.graph.functions:
                continue
            reached.add(name)
            todo += self._called.get(name, ())
            if name in self.graph.gradients:
                todo.append(self.graph.gradients[name])
        return reached

    def _tell_missing(self, caller: str, missing: str, node: Node) -> None:
        severity = Severity.ERROR if not caller or caller in self._run else Severity.WARNING
        place = f"function {caller!r}: " if caller else ""
        self.faults.add(
            severity,
            "missing-function",
            f"{place}found node {node.name!r} ({node.op}) that calls {missing!r}, expected that "
            "function in the library",
            missing,
        )

    # ------------------------------------------------------------------ returns

    def _check_returns(self, function: Function, body: Body) -> None:
        for output in function.outputs:
            returned = function.returns.get(output.name)
            if returned is None:
                body.fault(
                    "function-return",
                    f"found no value for output {output.name!r}, expected one in ret",
                    function.name,
                )
            elif not body.has_tensor(returned):
                body.fault(
                    "function-return",
                    f"found output {output.name!r} that is {returned!r}, expected a tensor of the "
                    "function",
                    function.name,
                )
        for name in _control_returns(function):
            if name not in body.position:
                self.faults.warning(
                    "function-return",
                    f"{body.where}found control output {name!r}, expected a node of that name",
                    function.name,
                )

    # ------------------------------------------------------------------ recursion

    def check_recursion(self) -> None:
        """Functions that call themselves, directly or not.

        Where each call runs the next, TensorFlow overflows its stack (CVE-2022-23591).
        """
        endless = {
            name: [other for other, at_once in called.items() if at_once]
            for name, called in self._called.items()
        }
        told: set[str] = set()
        for group in _groups(endless):
            told.update(group)
            severity = Severity.ERROR if self._run_any(group) else Severity.WARNING
            self._tell_recursion(
                severity, group, "expected none: it never ends, and TensorFlow crashes"
            )
        for group in _groups({name: list(called) for name, called in self._called.items()}):
            if told.isdisjoint(group):
                self._tell_recursion(
                    Severity.WARNING, group, "which TensorFlow may never finish, or not load"
                )

    def _run_any(self, group: Iterable[str]) -> bool:
        return any(name in self._run for name in group)

    def _tell_recursion(self, severity: Severity, group: list[str], what: str) -> None:
        names = sorted(group)
        verb = "calls itself" if len(names) == 1 else "call each other"
        kind = "a function that" if len(names) == 1 else f"{len(names):,} functions that"
        self.faults.add(
            severity, "recursion", f"found {kind} {verb}: {few(names)}, {what}", names[0]
        )


def _control_returns(function: Function) -> list[str]:
    try:
        return [entry.text(2) for _, entry in Message(function.encoded).entries(_CONTROL_RETURNS)]
    except FormatError:
        return []


def _groups(called: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Functions that can reach each other, and those that call themselves: Tarjan's components."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in called:
        if root in number:
            continue
        todo = [(root, iter(called[root]))]
        number[root] = lowest[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while todo:
            name, others = todo[-1]
            other = next((each for each in others if each in called), None)
            if other is None:
                todo.pop()
                if todo:
                    above = todo[-1][0]
                    lowest[above] = min(lowest[above], lowest[name])
                if lowest[name] == number[name]:
                    group: list[str] = []
                    while not group or group[-1] != name:
                        group.append(stack.pop())
                        on_stack.discard(group[-1])
                    if len(group) > 1 or name in called[name]:
                        yield group
            elif other not in number:
                number[other] = lowest[other] = len(number)
                stack.append(other)
                on_stack.add(other)
                todo.append((other, iter(called[other])))
            elif other in on_stack:
                lowest[name] = min(lowest[name], number[other])
