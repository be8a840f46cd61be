"""Where the name of a file comes from: a constant, an asset, the saver's prefix, the caller.

    saver.filename_tensor_name <- fed the prefix     save/Const -> StringJoin -> ShardedFilename
    a function's argument      <- what its call sites pass, or what it captured
    a constant                 <- the text

A name counts as derived from the saver's prefix only if it begins with it and what is appended
cannot lead elsewhere; a constant that something is appended to is computed. The walk goes from a
node to its inputs with a list of what is to be looked at, through functions to their call sites,
and ends where a name is computed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cached_property

from tfartifacts.checks.scan.bodies import Bodies, Body, constant_strings
from tfartifacts.checks.scan.reachability import Place, Reachability
from tfartifacts.checks.scan.rows import Reach
from tfartifacts.errors import TfArtifactsError
from tfartifacts.formats.saved_functions import Captured
from tfartifacts.graphs.edges import parse_input
from tfartifacts.graphs.saver import data_inputs
from tfartifacts.model.graphs import ConstantValue, Node
from tfartifacts.model.saved_models import MetaGraph
from tfartifacts.records import dataclass, replace

MOST_STEPS = 10_000
MOST_STEPS_TOGETHER = 1_000_000  # over all names of a graph; what is left counts as computed
MOST_STRINGS = 100
DEFAULT_FILENAME = "model"  # what a Saver's placeholder holds where nobody feeds it


class OriginKind(str, Enum):
    """Where a name comes from."""

    FILENAME = "the saver's prefix"
    ASSET = "an asset"
    CONSTANT = "a constant"
    CALLER = "the caller"
    COMPUTED = "computed"


@dataclass(frozen=True, slots=True)
class Origin:
    """One origin of a name; `text` of an asset or constant, or of what a computed one begins with.

    `place` is the node of a constant that is taken as it is, None of one that is not.
    """

    kind: OriginKind
    text: str = ""
    place: Place | None = None


_FIRST = frozenset(
    "Identity Snapshot StopGradient ExpandDims Reshape Squeeze Slice StridedSlice "
    "Unpack Gather GatherV2 Switch RefSwitch RefIdentity Enter Exit PreventGradient EnsureShape "
    "TensorSliceDataset TensorDataset Unique CheckNumerics".split()
)
_ALL = frozenset("Pack Merge RefMerge".split())
_PLACEHOLDERS = frozenset("Placeholder PlaceholderV2 PlaceholderWithDefault _Arg".split())
_CALLS = {"PartitionedCall": 0, "StatefulPartitionedCall": 0, "TPUPartitionedCall": 0}
_BRANCHES = {"If": 1, "StatelessIf": 1, "Case": 1, "StatelessCase": 1, "_If": 1}


def is_outside(text: str) -> bool:
    """Whether a path leads out of the folder it is taken from: absolute, upwards, or a URL."""
    return bool(
        text.startswith(("/", "\\", "~"))
        or re.match(r"[A-Za-z]:", text)
        or is_url(text)
        or ".." in re.split(r"[/\\]", text)
        or "\0" in text
    )


def is_url(text: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


@dataclass(frozen=True, slots=True)
class _Step:
    """A tensor to look at; as the first part of a name, with more behind it, or as what follows."""

    body: str
    tensor: str
    is_prefix: bool = False
    is_suffix: bool = False


class Paths:
    """Traces the inputs of nodes of one graph."""

    def __init__(
        self,
        bodies: Bodies,
        reachability: Reachability,
        meta_graph: MetaGraph,
        captured: Mapping[str, Sequence[Captured]],
        fed: set[str],
    ) -> None:
        self.bodies = bodies
        self.reachability = reachability
        self.captured = captured
        edges = bodies.main.edges
        self.assets = {
            position: asset.filename
            for asset in meta_graph.asset_files
            for position in edges.indices([asset.tensor_name])
        }
        self.asset_names = [asset.filename for asset in meta_graph.asset_files]
        saver = meta_graph.saver
        self.filename = set(edges.indices([saver.filename_tensor_name]) if saver else ())
        self.fed = set(edges.indices(fed)) - set(self.assets)
        self.offered = {
            (root.reach, name) for root in reachability.roots for name in root.functions
        }
        self._steps_left = MOST_STEPS_TOGETHER
        self._known: dict[tuple[_Step, Reach], frozenset[Origin]] = {}

    def origins(self, place: Place, operand: int, reach: Reach) -> frozenset[Origin]:
        """All origins of one input of a node, by the call sites that a class reaches."""
        body = self.bodies.body(place[0])
        inputs = data_inputs(body.nodes[place[1]])
        if operand >= len(inputs):
            return frozenset({Origin(OriginKind.COMPUTED)})
        start = _Step(body.name, inputs[operand])
        if (start, reach) not in self._known:
            self._known[start, reach] = self._traced(start, reach)
        return self._known[start, reach]

    def _traced(self, start: _Step, reach: Reach) -> frozenset[Origin]:
        found: set[Origin] = set()
        todo = [start]
        seen = set(todo)
        while todo:
            self._steps_left -= 1
            too_many = len(seen) > MOST_STEPS or len(found) > MOST_STRINGS
            if too_many or self._steps_left < 0:
                found.add(Origin(OriginKind.COMPUTED))
                break
            step = todo.pop()
            for following in self._follow(step, reach):
                if isinstance(following, _Step):
                    if following not in seen:
                        seen.add(following)
                        todo.append(following)
                elif (origin := _as_part(following, step)) is not None:
                    found.add(origin)
        return frozenset(found)

    def _follow(self, step: _Step, reach: Reach) -> list[_Step | Origin]:
        body = self.bodies.body(step.body)
        source = parse_input(step.tensor)
        position = body.edges.position.get(source.node)
        if position is None:
            return self._argument(body, source.node, step, reach)
        node = body.nodes[position]
        if not body.name:
            if position in self.filename:
                default = self._default(node) if reach is not Reach.SAVER else []
                return [Origin(OriginKind.FILENAME), *default]
            if position in self.assets:
                asset = Origin(OriginKind.ASSET, self.assets[position])
                # Loaders feed it to the init op alone: elsewhere a constant is what it says.
                is_fed = reach is Reach.INIT or node.op != "Const"
                return [asset] if is_fed else [asset, *_constants(node, ("", position))]
            if position in self.fed:
                return [Origin(OriginKind.CALLER)]
        return self._through(body, position, node, source.output, step)

    def _default(self, node: Node) -> list[_Step | Origin]:
        """What the name is where nobody feeds it."""
        inputs = data_inputs(node)
        if node.op == "PlaceholderWithDefault" and inputs:
            return [_Step("", inputs[0])]
        if node.op == "Const":
            return list(_constants(node, None))
        return []

    def _through(
        self, body: Body, position: int, node: Node, output: int, step: _Step
    ) -> list[_Step | Origin]:
        inputs = data_inputs(node)

        def steps(names: Sequence[str], part: _Step = step) -> list[_Step | Origin]:
            return [replace(part, tensor=name) for name in names]

        if node.op == "Const":
            return list(_constants(node, (body.name, position)))
        if node.op in _PLACEHOLDERS:
            return [Origin(OriginKind.CALLER), *steps(inputs[:1])]
        if node.op in _FIRST and inputs:
            return steps(inputs[:1])
        if node.op == "IdentityN" and output < len(inputs):
            return steps(inputs[output : output + 1])
        if node.op in _ALL and inputs:
            return steps(inputs)
        if node.op in ("ConcatV2", "Concat") and len(inputs) > 1:
            return steps(inputs[:-1] if node.op == "ConcatV2" else inputs[1:])
        if node.op in ("Split", "Select", "SelectV2", "SplitV") and len(inputs) > 1:
            wanted = {"Split": inputs[1:2], "SplitV": inputs[:1]}.get(node.op, inputs[1:3])
            return steps(wanted)
        if node.op in ("StringJoin", "Add", "AddV2") and inputs:
            separator = _attr(node, "separator")
            if isinstance(separator, bytes) and (b"." in separator or b"/" in separator):
                return [Origin(OriginKind.COMPUTED)]
            suffix = replace(step, is_suffix=True)
            return [*steps(inputs[:1], replace(step, is_prefix=True)), *steps(inputs[1:], suffix)]
        if node.op == "ShardedFilename":
            return steps(inputs[:1], replace(step, is_prefix=True))
        if node.op == "ReadVariableOp" and not body.name and inputs:
            assigned = self._assigned(inputs[0])
            return steps(assigned) if assigned else [Origin(OriginKind.COMPUTED)]
        return [Origin(OriginKind.COMPUTED)]

    def _assigned(self, handle: str) -> list[str]:
        """What a variable of the graph is assigned; nothing where that is not all it can hold.

        TensorFlow 2 keeps the path of an asset in one, which the init op assigns.
        """
        edges = self.bodies.main.edges
        variable = edges.position.get(parse_input(handle).node)
        if variable is None or edges.nodes[variable].op != "VarHandleOp":
            return []
        shared = _attr(edges.nodes[variable], "shared_name")
        if not shared or self._handles[shared] > 1:
            return []
        assigned = []
        for position in edges.consumers[variable]:
            node = edges.nodes[position]
            inputs = data_inputs(node)
            if node.op == "AssignVariableOp" and len(inputs) > 1:
                assigned.append(inputs[1])
            elif node.op not in ("ReadVariableOp", "VarIsInitializedOp"):
                return []
        return assigned

    @cached_property
    def _handles(self) -> Counter[object]:
        """How many nodes share each variable, in the graph and in functions."""
        return Counter(
            _attr(node, "shared_name")
            for body in self.bodies
            for node in body.nodes
            if node.op == "VarHandleOp"
        )

    def _argument(self, body: Body, name: str, step: _Step, reach: Reach) -> list[_Step | Origin]:
        """What is passed for an argument of a function."""
        number = body.argument_numbers.get(name)
        if number is None:
            return [Origin(OriginKind.COMPUTED)]
        found: list[_Step | Origin] = []
        sites = self.reachability.call_sites(body.name, reach)
        self._steps_left -= len(sites)
        for caller, position in sites:
            node = self.bodies.body(caller).nodes[position]
            skipped = 0 if node.op == body.name else _CALLS.get(node.op, _BRANCHES.get(node.op))
            inputs = data_inputs(node)
            if skipped is None or number + skipped >= len(inputs):
                found.append(Origin(OriginKind.COMPUTED))
            else:
                found.append(replace(step, body=caller, tensor=inputs[number + skipped]))
        if (reach, body.name) in self.offered:
            found += self._captured(body, number, reach)
        return found or [Origin(OriginKind.COMPUTED)]

    def _captured(self, body: Body, number: int, reach: Reach) -> list[_Step | Origin]:
        captured = self.captured.get(body.name, ())
        place = number - (len(body.arguments) - len(captured))
        if place < 0:
            kind = OriginKind.FILENAME if reach is Reach.SAVER else OriginKind.CALLER
            return [Origin(kind)]
        what = captured[place]
        if what.asset is not None and 0 <= what.asset < len(self.asset_names):
            return [Origin(OriginKind.ASSET, self.asset_names[what.asset])]
        if what.constant:
            return [_Step("", what.constant)]
        return [Origin(OriginKind.COMPUTED)]


def _as_part(origin: Origin, step: _Step) -> Origin | None:
    """What an origin means for a name that it is a part of; None: nothing."""
    is_constant = origin.kind is OriginKind.CONSTANT
    if step.is_suffix:
        # "/." and "./" make "/../" together.
        if is_constant and not {".", ".."}.intersection(re.split(r"[/\\]", origin.text)):
            return None
        return None if origin.kind is OriginKind.FILENAME else Origin(OriginKind.COMPUTED)
    if step.is_prefix and is_constant:
        own = origin.text == DEFAULT_FILENAME
        return Origin(OriginKind.CONSTANT if own else OriginKind.COMPUTED, origin.text)
    return origin


def _attr(node: Node, name: str) -> object:
    try:
        return node.attrs.get(name)
    except TfArtifactsError:
        return None


def _constants(node: Node, place: Place | None) -> list[Origin]:
    try:
        # Already the question what it is decodes it.
        value = node.attrs.get("value")
        strings = list(constant_strings(value)) if isinstance(value, ConstantValue) else []
    except TfArtifactsError:
        strings = []
    texts = dict.fromkeys(
        string[:4096].decode("utf-8", "surrogateescape") for string in strings[: MOST_STRINGS + 1]
    )
    if texts:
        return [Origin(OriginKind.CONSTANT, text, place) for text in texts]
    return [Origin(OriginKind.COMPUTED)]
