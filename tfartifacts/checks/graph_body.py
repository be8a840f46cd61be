"""The nodes of a graph, or of a function in its library: names, inputs, cycles.

    input     : node | node:output | ^node                        of a graph
    in a body : argument | node:argument | node:argument:index    of a function

TensorFlow refuses what is an error here when it imports the graph; a function's body, when it
meets a call of it. Source: tensorflow/core/common_runtime/{graph_constructor,function_body}.cc,
core/framework/{node_def_util,function}.cc.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from tfartifacts.checks.faults import Faults
from tfartifacts.checks.findings import Severity
from tfartifacts.checks.graph_cycles import describe_cycle, nodes_in_cycles, one_cycle
from tfartifacts.checks.op_signatures import OpSignatures, dtypes_of
from tfartifacts.dtypes import DType
from tfartifacts.errors import TfArtifactsError, UnsupportedError, close_names
from tfartifacts.model import Node
from tfartifacts.model.graphs import node_names, node_ops
from tfartifacts.records import dataclass, field

# Names that are no longer legal, or not yet, in some version count as legal.
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*", re.ASCII)
_TENSOR = re.compile(r"(?P<node>.*):(?P<output>[0-9]{1,9})", re.ASCII | re.DOTALL)
_MOST_HINTS = 3  # looking for close names takes a while in a large graph


@dataclass(slots=True)
class Body:
    """Nodes that refer to each other.

    `where` is how messages begin, `severity` what its faults are: those of a function that nothing
    calls keep nobody from running the graph. `arguments` are a function's; None for a graph.

    Attributes are read of nodes made anew from `source`: once read, they take ten times the room.
    """

    source: Sequence[Node]
    signatures: OpSignatures
    faults: Faults
    where: str = ""
    severity: Severity = Severity.ERROR
    arguments: Collection[str] | None = None
    names: Sequence[str] = field(init=False)
    ops: Sequence[str] = field(init=False)
    position: dict[str, int] = field(default_factory=dict)
    sources: list[list[int]] = field(default_factory=list)
    _outputs: dict[int, list[DType] | None] = field(default_factory=dict)
    _ranges: dict[int, Mapping[str, int] | None] = field(default_factory=dict)
    _hints: int = 0

    def __post_init__(self) -> None:
        self.names = node_names(self.source)
        self.ops = node_ops(self.source)

    def check(self, each: Callable[[Node], object]) -> None:
        """Everything about names and inputs; `each` is called with every node besides."""
        for index, (name, op) in enumerate(zip(self.names, self.ops, strict=True)):
            self._check_name(index, name, op)
        for index, node in enumerate(self.source):
            self._check_inputs(node)
            each(node)
            if self.arguments is None and index not in self._outputs:
                # While its attributes are at hand: most nodes have one that takes an output.
                self._outputs[index] = self._find_outputs(node)
        self._check_cycles()

    def fault(self, code: str, message: str, node: str) -> None:
        self.faults.add(self.severity, code, self.where + message, node)

    def _check_name(self, index: int, name: str, op: str) -> None:
        if not name or not op:
            what = "op" if name else "name"
            self.fault("node-without-name", f"found node {name!r} without {what}", name)
        elif self.arguments is None and _NAME.fullmatch(name) is None:
            self.fault(
                "node-name",
                f"found node {name!r}, expected a name of letters, digits and _./-",
                name,
            )
        if self.position.setdefault(name, index) != index or (
            self.arguments is not None and name in self.arguments
        ):
            self.fault(
                "duplicate-node",
                f"found two nodes {name!r}, expected each name once",
                name,
            )

    # ------------------------------------------------------------------ inputs

    def _check_inputs(self, node: Node) -> None:
        sources: list[int] = []
        data: list[tuple[str, int | None, int]] = []
        in_order = True
        controls = False
        for text in node.inputs:
            if text.startswith("^"):
                controls = True
                index = self.position.get(text[1:])
                if index is None and not self._is_argument(text[1:]):
                    self._dangling(node, text, text[1:])
                elif index is not None:
                    sources.append(index)
                continue
            in_order = in_order and not controls
            found = self._data_source(node, text)
            if found is not None:
                data.append((text, *found))
                if found[0] is not None:
                    sources.append(found[0])
        self.sources.append(sources)
        if not in_order:
            self.fault(
                "control-input-order",
                f"found a control input of node {node.name!r} before its data inputs, expected "
                "those first",
                node.name,
            )
        try:
            self._check_types(node, data)
        except UnsupportedError:
            pass  # a type this package does not know
        except TfArtifactsError as error:
            self.fault(
                "attribute",
                f"found attributes of node {node.name!r} that cannot be read: {error.message}",
                node.name,
            )

    def _is_argument(self, name: str) -> bool:
        return self.arguments is not None and name in self.arguments

    def _data_source(self, node: Node, text: str) -> tuple[int | None, int] | None:
        """The node behind a data input, None for an argument, and its output; None for nothing."""
        if self.arguments is not None:
            return self._source_in_body(node, text)
        match = _TENSOR.fullmatch(text) if ":" in text else None
        name, output = (text, 0) if match is None else (match["node"], int(match["output"]))
        index = self.position.get(name)
        if index is None:
            self._dangling(node, text, name)
            return None
        there = self._outputs_of(index)
        if there is not None and output >= len(there):
            self._no_output(node, text, index, len(there))
            return None
        return index, output

    def _source_in_body(self, node: Node, text: str) -> tuple[int | None, int] | None:
        name = text.partition(":")[0]
        index = self.position.get(name)
        if index is None:
            if self._is_argument(name):
                return None, 0
            self._dangling(node, text, name)
            return None
        if not self.has_tensor(text):
            self._no_output(node, text, index, None)
            return None
        return index, -1

    def has_tensor(self, text: str) -> bool:
        """Whether a function's body has a tensor of that name."""
        name, _, rest = text.partition(":")
        index = self.position.get(name)
        if index is None:
            return self._is_argument(name)
        argument, _, number = rest.partition(":")
        ranges = self._ranges_of(index)
        return bool(argument) and (ranges is None or _place(number) < ranges.get(argument, 0))

    def _dangling(self, node: Node, text: str, name: str) -> None:
        hint = ""
        self._hints += 1
        if self._hints <= _MOST_HINTS:
            close = close_names(name, self.position)
            hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        self.fault(
            "dangling-input",
            f"found input {text!r} of node {node.name!r}, expected a node {name!r}{hint}",
            node.name,
        )

    def _no_output(self, node: Node, text: str, source: int, number: int | None) -> None:
        op = self.ops[source]
        has = f"; {op} has {number}" if number is not None else f" of {op}"
        self.fault(
            "dangling-output",
            f"found input {text!r} of node {node.name!r}, expected an output that is there{has}",
            node.name,
        )

    def _outputs_of(self, index: int) -> list[DType] | None:
        if index not in self._outputs:
            self._outputs[index] = self._find_outputs(self.source[index])
        return self._outputs[index]

    def _find_outputs(self, node: Node) -> list[DType] | None:
        try:
            return self.signatures.outputs(node)
        except TfArtifactsError:
            return None

    def _ranges_of(self, index: int) -> Mapping[str, int] | None:
        """How many tensors each output argument of a node stands for."""
        if index not in self._ranges:
            self._ranges[index] = self._find_ranges(self.source[index])
        return self._ranges[index]

    def _find_ranges(self, node: Node) -> Mapping[str, int] | None:
        op_def = self.signatures.of(node.op)
        if op_def is None:
            return None
        ranges = {}
        for argument in op_def.outputs:
            try:
                dtypes = dtypes_of([argument], node)
            except TfArtifactsError:
                dtypes = None
            ranges[argument.name] = 1_000_000 if dtypes is None else len(dtypes)
        return ranges

    def _check_types(self, node: Node, data: Sequence[tuple[str, int | None, int]]) -> None:
        """As many inputs as the op takes, of the types it takes."""
        expected = self.signatures.inputs(node)
        if expected is None:
            return
        given = sum(not text.startswith("^") for text in node.inputs)
        if given != len(expected):
            self.fault(
                "number-of-inputs",
                f"found {given} data inputs of node {node.name!r}, expected {len(expected)} for "
                f"{node.op}",
                node.name,
            )
            return
        if len(data) != given:
            return  # some of them dangle
        for wanted, (text, index, output) in zip(expected, data, strict=True):
            there = None if index is None or output < 0 else self._outputs_of(index)
            if there is not None and there[output].base != wanted.base:
                self.fault(
                    "input-type",
                    f"found input {text!r} of node {node.name!r} of type {there[output]}, "
                    f"expected {wanted}",
                    node.name,
                )

    # ------------------------------------------------------------------ cycles

    def _check_cycles(self) -> None:
        found = nodes_in_cycles(self.ops, self.sources)
        if not found:
            return
        cycle = one_cycle(self.ops, self.sources, found)
        more = len(found) - len(cycle)
        self.fault(
            "cycle",
            f"found a cycle of {len(cycle)} nodes that is no while loop: "
            f"{describe_cycle(self.names, cycle)}, expected none"
            + (f"; {more:,} more nodes are in cycles or between them" if more else ""),
            self.names[cycle[0]],
        )


def _place(number: str) -> int:
    return int(number) if re.fullmatch("[0-9]{1,9}", number) else 0
