"""The init op: what a loader has to run once for state that no saver restores.

    collection saved_model_main_op : node_list, one name
    init op                        : NoOp <- ^initializer of a table
                                          <- ^initializer of a variable that is not saved
                                          <- ^the init op there was before

What one of them reads of what another fills waits for that (init_order.py).
Loaders run it after the restore op, and feed it nothing but the paths of assets. Source:
tensorflow/python/saved_model/loader_impl.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tfartifacts.errors import ConversionError, name_not_found
from tfartifacts.graphs.edges import Edges, edges_of, parse_input, walk
from tfartifacts.graphs.init_order import in_order
from tfartifacts.graphs.rewrite import free_name
from tfartifacts.graphs.saver import (
    RESTORE_OPS,
    Resource,
    UnrestoredState,
    changes_variable,
    is_restored,
    kind_of_state,
    resource_of,
    unrestored_state,
)
from tfartifacts.model.graphs import Node, node_names
from tfartifacts.model.saved_models import (
    INIT_OP_COLLECTIONS,
    INIT_OP_SIGNATURE,
    Collection,
    MetaGraph,
)
from tfartifacts.model.tensors import PLACEHOLDER_OPS
from tfartifacts.records import dataclass, field, replace

MAIN_OP_COLLECTION = INIT_OP_COLLECTIONS[0]
INIT_OP_NAME = "saved_model_init"
TABLE_INITIALIZERS = "table_initializer"
LOCAL_VARIABLES = "local_variables"
_TRAINABLE_VARIABLES = "trainable_variables"
_AVERAGED_VARIABLES = "moving_average_variables"
# What starts anew in every session, such as counters.
_OF_A_SESSION = (LOCAL_VARIABLES, "metric_variables")
# What batch normalisation and averages call their variables.
_STATISTICS = frozenset("moving_mean moving_variance ExponentialMovingAverage".split())
# What passes a variable or its handle on.
_CARRIERS = frozenset("Identity RefIdentity Switch RefSwitch Merge RefMerge Enter RefEnter".split())
_MOST_SHOWN = 5
_FED = PLACEHOLDER_OPS - {"PlaceholderWithDefault"}


def with_init_op(
    meta_graph: MetaGraph, needs: Iterable[tuple[Iterable[str], Iterable[str]]]
) -> tuple[MetaGraph, tuple[str, ...]]:
    """The meta graph with an init op for all unrestored state that is needed, and notes.

    `needs` are tensors that are to be computed, with those that are fed meanwhile. An init op
    that is there and does all this is kept as it is; otherwise the new one runs it too.

    Raises ConversionError for state nothing fills, or of which it is not clear what does, or whose
    value was trained and is in no checkpoint; for initialisers that cannot be put in order; and for
    several init ops. NameNotFoundError for an init op that is not there.
    """
    _refuse_wrong_init_op(meta_graph)
    needs = [(list(outputs), list(fed)) for outputs, fed in needs]
    choice = _Choice(meta_graph, edges_of(meta_graph.graph))
    runs: list[str] = []
    # What initialises may itself need state: a vocabulary's size in a variable, say.
    while True:
        needed = {
            state.node: state
            for outputs, fed in [*needs, (runs, [])]
            for state in unrestored_state(meta_graph, outputs, fed)
        }
        fillers = {name: choice.initializers(state) for name, state in needed.items()}
        found = list(dict.fromkeys(name for group in fillers.values() for name in group))
        if set(found) <= set(runs):
            break
        runs = found
    choice.refuse_changed()
    notes = tuple(choice.notes.values())
    if not runs:
        return meta_graph, notes
    if meta_graph.init_op is not None:
        covered = [parse_input(meta_graph.init_op).node]
        fillers = {
            name: covered if choice.is_covered(state) else fillers[name]
            for name, state in needed.items()
        }
    graph = in_order(meta_graph.graph, fillers, _reads(choice.edges, fillers, runs))
    return _with_node(replace(meta_graph, graph=graph), runs), notes


def _reads(
    edges: Edges, fillers: Mapping[str, Iterable[str]], runs: Iterable[str]
) -> dict[str, list[str]]:
    """The state that each initialiser needs, besides that which it fills."""
    filled: dict[str, set[Resource]] = {}
    for state, names in fillers.items():
        for name in names:
            filled.setdefault(name, set()).add(resource_of(edges.nodes[edges.position[state]]))
    reads: dict[str, list[str]] = {}
    for run in runs:
        behind = edges.ancestors([edges.position[run]])
        nodes = (edges.nodes[index] for index in sorted(behind))
        reads[run] = [
            node.name
            for node in nodes
            if node.name in fillers and resource_of(node) not in filled.get(run, ())
        ]
    return reads


def _refuse_wrong_init_op(meta_graph: MetaGraph) -> None:
    """Refuse several init ops, and one that is not there."""
    for key in INIT_OP_COLLECTIONS:
        collection = meta_graph.collections.get(key)
        if collection is not None and len(collection.values) > 1:
            names = ", ".join(str(name) for name in collection.values)
            raise ConversionError(
                f"found {len(collection.values)} ops in collection {key!r} ({names}), expected "
                "one: loaders refuse more"
            )
    if meta_graph.init_op is not None:
        position = edges_of(meta_graph.graph).position
        name = parse_input(meta_graph.init_op).node
        if name not in position:
            raise name_not_found("init op", name, position)


@dataclass(slots=True)
class _Choice:
    """Which nodes fill a piece of state; `notes` collects what is to be said, by node.

    `changed` are variables that training changes, each with how that is known.
    """

    meta_graph: MetaGraph
    edges: Edges
    notes: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    _covered: set[int] | None = None
    _places: dict[Resource, list[int]] | None = None

    def initializers(self, state: UnrestoredState) -> list[str]:
        """The nodes that an init op has to run besides the one there is."""
        if self.is_covered(state):
            return []
        reasons = {name: self._why_not(name) for name in state.initializers}
        usable = [name for name, reason in reasons.items() if not reason]
        if state.kind == "queue":
            raise _refused(state, _CUT)
        if not usable:
            if state.kind == "table" and state.op.startswith("Mutable"):
                self.notes[state.node] = (
                    f"table {state.node} starts empty: the saver does not restore it, and nothing "
                    "fills it"
                )
                return []
            hint = next(iter(reasons.values()), "nothing in the graph does")
            # One that starts by itself (OneShotIterator) does not run in tf.saved_model.load.
            raise _refused(state, _CUT if state.kind == "iterator" and not reasons else hint)
        if state.kind == "table":
            listed = self.meta_graph.collections.get(TABLE_INITIALIZERS)
            named = set() if listed is None else {str(name) for name in listed.values}
            return [name for name in usable if name in named] or usable
        if state.kind == "iterator":
            self.notes[state.node] = (
                f"each call takes the next element of {state.node} ({state.op}), until there is "
                "none; to feed the outputs instead, name a tensor behind it as an input"
            )
        known = self._known(state)
        if reasons.get(known):
            raise _refused(state, reasons[known])
        chosen = self._only(state, usable, known)
        if state.kind == "variable" and not any(self._is_in(state, key) for key in _OF_A_SESSION):
            self._refuse_trained(state, chosen)
            change = self._change(state, chosen)
            if change:
                self.changed[state.node] = change
            self.notes[state.node] = (
                f"variable {state.node} starts as its initialiser makes it: the saver does not "
                "restore it"
            )
        return [chosen]

    def is_covered(self, state: UnrestoredState) -> bool:
        """Whether the init op there is fills it."""
        if self._covered is None:
            existing = self.meta_graph.init_op
            starts = [] if existing is None else self.edges.indices([existing])
            self._covered = self.edges.ancestors(starts)
        return any(self.edges.position[name] in self._covered for name in state.initializers)

    def _why_not(self, initializer: str) -> str:
        """Why a loader cannot run it: what it would have to be given; "" where it can."""
        assets = {parse_input(asset.tensor_name).node for asset in self.meta_graph.asset_files}
        for index in sorted(self.edges.ancestors(self.edges.indices([initializer]))):
            node = self.edges.nodes[index]
            if node.op in RESTORE_OPS:
                return f"{initializer!r} reads a checkpoint, which no init op is told of"
            if node.op in _FED and node.name not in assets:
                return f"{initializer!r} needs {node.name}:0, which no loader feeds it"
        return ""

    def _refuse_trained(self, state: UnrestoredState, initializer: str) -> None:
        """Refuse to start a variable from an initialiser that cannot be what was served."""
        lost = "its value is not in the checkpoint"
        if self._is_in(state, _TRAINABLE_VARIABLES):
            raise _refused(state, f"it is trained, and {lost}")
        for index in self.edges.ancestors(self.edges.indices([initializer])):
            op = self.edges.nodes[index].op
            if "Random" in op or "TruncatedNormal" in op or op == "Multinomial":
                raise _refused(state, f"its initialiser draws random numbers, and {lost}")

    def _change(self, state: UnrestoredState, initializer: str) -> str:
        """How it is known that training changes a variable; "" where nothing says so."""
        if self._is_in(state, _AVERAGED_VARIABLES):
            return "has a moving average"
        places = self._nodes_of(state)
        carried = walk(
            places,
            [self.edges.consumers],
            lambda index: index in places or self.edges.nodes[index].op in _CARRIERS,
        )
        for index in sorted(carried):
            node = self.edges.nodes[index]
            target = self.edges.producers[index][:1]
            if (
                node.name != initializer
                and changes_variable(node.op)
                and carried.issuperset(target)
                and not is_restored(self.edges, node)
            ):
                return f"changed by {node.name}"
        return "by its name a statistic" if state.node.rpartition("/")[2] in _STATISTICS else ""

    def refuse_changed(self) -> None:
        """Refuse to serve initial values in place of what training made of them."""
        if not self.changed:
            return
        shown = [f"{name} ({change})" for name, change in list(self.changed.items())[:_MOST_SHOWN]]
        left = len(self.changed) - len(shown)
        more = f" and {left} more" if left else ""
        raise ConversionError(
            f"found {', '.join(shown)}{more}, which the outputs need, training changes and the "
            "saver does not restore, expected them in the checkpoint: with their initial values "
            "the outputs would be others; save all variables (tf.compat.v1.train.Saver() without "
            "a list of them) where the model was trained"
        )

    def _nodes_of(self, state: UnrestoredState) -> list[int]:
        """All nodes that stand for that state."""
        if self._places is None:
            self._places = {}
            for index, node in enumerate(self.edges.nodes):
                if kind_of_state(node.op) is not None:
                    self._places.setdefault(resource_of(node), []).append(index)
        return self._places[resource_of(self.edges.nodes[self.edges.position[state.node]])]

    def _known(self, state: UnrestoredState) -> str:
        """The initialiser that the graph says a variable has."""
        known = f"{state.node}/Assign"
        for variables in self.meta_graph.variable_defs.values():
            for variable in variables:
                if parse_input(variable.name).node == state.node:
                    known = parse_input(variable.initializer).node
        return known

    def _only(self, state: UnrestoredState, usable: list[str], known: str) -> str:
        if len(usable) == 1:
            return usable[0]
        if known in usable:
            return known
        raise ConversionError(
            f"found {len(usable)} initialisers of {state.node} ({', '.join(usable[:3])}), which "
            "the saver does not restore, expected one"
        )

    def _is_in(self, state: UnrestoredState, collection: str) -> bool:
        variables = self.meta_graph.variable_defs.get(collection, ())
        return any(parse_input(variable.name).node == state.node for variable in variables)


_CUT = "name a tensor behind it as an input, and the graph is cut there"


def _refused(state: UnrestoredState, reason: str) -> ConversionError:
    return ConversionError(
        f"found {state.node} ({state.op}), which the outputs need and the saver does not restore, "
        f"expected something that gives it a value; {reason}"
    )


def _with_node(meta_graph: MetaGraph, runs: list[str]) -> MetaGraph:
    graph = meta_graph.graph
    existing = meta_graph.init_op
    name = free_name(INIT_OP_NAME, set(node_names(graph.nodes)))
    before = [] if existing is None else [parse_input(existing).node]
    node = Node(name, "NoOp", tuple(f"^{run}" for run in (*before, *runs)))
    collections = {
        key: collection
        for key, collection in meta_graph.collections.items()
        if key not in INIT_OP_COLLECTIONS
    }
    return replace(
        meta_graph,
        graph=replace(graph, nodes=(*graph.nodes, node)),
        collections={**collections, MAIN_OP_COLLECTION: Collection("node_list", (name,))},
        signatures={
            key: signature
            for key, signature in meta_graph.signatures.items()
            if key != INIT_OP_SIGNATURE
        },
    )
