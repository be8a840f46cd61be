"""From where each node runs: signatures, init op, saver, functions of the object graph, nothing.

In the graph a root runs what its tensors need, as a session prunes it (edges.needed); a function
that is called runs whole. Classes are walked together, so that the walks are linear in the graph;
which of many signatures it was is asked only for what was found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from tfartifacts.checks.scan.bodies import Bodies
from tfartifacts.checks.scan.rows import Reach
from tfartifacts.formats.saved_functions import SavedFunctions
from tfartifacts.model.saved_models import INIT_OP_SIGNATURE, MetaGraph
from tfartifacts.records import dataclass, field

# Run by loaders and by sessions that initialise themselves (monitored_session.py, supervisor.py).
_INIT_COLLECTIONS = (
    *("saved_model_main_op", "legacy_init_op", "init_op", "local_init_op", "ready_op"),
    *("ready_for_local_init_op", "table_initializer", "saved_model_initializers"),
)
_ITERATOR_INITIALIZERS = frozenset(
    {"MakeIterator", "MultiDeviceIteratorInit", "InitializeTableFromDataset"}
)
# Roots of a class that are walked one by one, to name them.
MOST_NAMED = 32
_RESTORE = "restore"
Place = tuple[str, int]  # a body's name, a node's place in it


@dataclass(frozen=True, slots=True)
class Root:
    """What is run at once: tensors and ops of the graph while others are fed; functions."""

    reach: Reach
    name: str
    tensors: tuple[str, ...] = ()
    fed: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()


@dataclass(slots=True)
class Reached:
    """What some roots reach: nodes of the graph by their place, functions by name, whole."""

    nodes: set[int] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)

    def has(self, place: Place) -> bool:
        body, position = place
        return body in self.functions if body else position in self.nodes


def roots_of(meta_graph: MetaGraph, saved: SavedFunctions) -> list[Root]:
    """What is declared to be run."""
    roots = []
    for key, signature in meta_graph.signatures.items():
        reach = Reach.INIT if key == INIT_OP_SIGNATURE else Reach.SIGNATURE
        outputs = [name for info in signature.outputs.values() for name in info.tensor_names]
        inputs = [name for info in signature.inputs.values() for name in info.tensor_names]
        roots.append(Root(reach, key, tuple(outputs), tuple(inputs)))
    assets = tuple(asset.tensor_name for asset in meta_graph.asset_files)
    for key in _INIT_COLLECTIONS:
        collection = meta_graph.collections.get(key)
        if collection is not None and collection.kind == "node_list":
            names = tuple(str(name) for name in collection.values)
            roots.append(Root(Reach.INIT, key, names, assets))
    if (saver := meta_graph.saver) is not None:
        fed = (saver.filename_tensor_name,)
        roots.append(Root(Reach.SAVER, "save", (saver.save_tensor_name,), fed))
        roots.append(Root(Reach.SAVER, _RESTORE, (saver.restore_op_name,), fed))
    roots += [
        Root(Reach(function.role), function.path, functions=(function.name,))
        for function in saved.functions
    ]
    return roots


def fed_of(roots: Iterable[Root]) -> set[str]:
    """The tensors that callers of signatures feed."""
    return {name for root in roots if root.reach is Reach.SIGNATURE for name in root.fed}


class Reachability:
    """Which classes of roots reach which nodes. A graph without signatures is open to all."""

    def __init__(self, bodies: Bodies, roots: Sequence[Root]) -> None:
        self.bodies = bodies
        self.roots = roots
        self._one: dict[int, Reached] = {}
        self._by_reach: dict[Reach, list[tuple[int, Root]]] = {}
        for number, root in enumerate(roots):
            self._by_reach.setdefault(root.reach, []).append((number, root))
        self._sites: dict[str, list[Place]] | None = None
        self._restoring: Reached | None = None
        self.classes: dict[Reach, Reached] = {}
        for reach in (Reach.SIGNATURE, Reach.INIT, Reach.FUNCTION, Reach.SAVER):
            self.classes[reach] = self._walk(root for _, root in self._by_reach.get(reach, ()))
        self._add_iterators()
        self.is_open = not any(root.reach in (Reach.SIGNATURE, Reach.FUNCTION) for root in roots)
        if self.is_open:
            everything = set(range(len(bodies.main.nodes)))
            self.classes[Reach.GRAPH] = self._close(everything - self._all_nodes())

    def _all_nodes(self) -> set[int]:
        declared = (Reach.SIGNATURE, Reach.INIT, Reach.SAVER)
        return set().union(*(self.classes[reach].nodes for reach in declared))

    def _add_iterators(self) -> None:
        edges = self.bodies.main.edges
        starts = [i for i, node in enumerate(edges.nodes) if node.op in _ITERATOR_INITIALIZERS]
        self.classes[Reach.ITERATOR] = self._close(edges.ancestors(starts)) if starts else Reached()

    def _walk(self, roots: Iterable[Root]) -> Reached:
        edges = self.bodies.main.edges
        nodes: set[int] = set()
        functions: list[str] = []
        # Roots that are fed the same share a walk: that of many signatures stays linear.
        by_fed: dict[tuple[str, ...], list[str]] = {}
        for root in roots:
            functions += root.functions
            by_fed.setdefault(root.fed, []).extend(root.tensors)
        groups = list(by_fed.items())
        if len(groups) > MOST_NAMED:
            # More than can be walked each: nothing that one of them feeds is left out.
            groups = [*groups[:MOST_NAMED], ((), [t for _, ts in groups[MOST_NAMED:] for t in ts])]
        for fed, tensors in groups:
            nodes |= edges.computed(edges.tensors(tensors), frozenset(edges.tensors(fed)))
        return self._close(nodes, functions)

    def _close(self, nodes: set[int], functions: Iterable[str] = ()) -> Reached:
        """The nodes, and all functions that they and these functions call."""
        calls = self.bodies.main.calls
        if len(nodes) < len(calls):
            todo = [name for position in nodes for name in calls.get(position, ())]
        else:
            todo = [
                name for position, names in calls.items() if position in nodes for name in names
            ]
        todo += functions
        found: set[str] = set()
        while todo:
            name = todo.pop()
            if name in found or name not in self.bodies.functions:
                continue
            found.add(name)
            body = self.bodies.functions[name]
            todo += body.linked
            for called in body.calls.values():
                todo += called
        return Reached(nodes, found)

    def of(self, place: Place) -> Reach:
        """The easiest way to a node."""
        return next(
            (reach for reach in Reach if reach in self.classes and self.classes[reach].has(place)),
            Reach.UNREACHABLE,
        )

    def callers(self, place: Place, reach: Reach) -> tuple[str, ...]:
        """Which roots of the class it is that reach a node, as far as they are told apart."""
        if reach not in (Reach.SIGNATURE, Reach.INIT, Reach.FUNCTION, Reach.SAVER):
            return ()
        found: dict[str, None] = {}
        roots = self._by_reach.get(reach, [])
        for number, root in roots[:MOST_NAMED]:
            if number not in self._one:
                self._one[number] = self._walk([root])
            if self._one[number].has(place):
                found[root.name] = None
        if not found and len(roots) > MOST_NAMED:
            found[f"one of {len(roots)}"] = None
        return tuple(found)

    def call_sites(self, name: str, reach: Reach) -> list[Place]:
        """The nodes that call a function, of those that the class reaches."""
        if self._sites is None:
            self._sites = {}
            for body in self.bodies:
                for position, called in body.calls.items():
                    for function in called:
                        self._sites.setdefault(function, []).append((body.name, position))
        reached: Collection[Place] = self._sites.get(name, ())
        within = self.classes.get(reach)
        return [place for place in reached if within is None or within.has(place)]

    def is_restoring(self, place: Place) -> bool:
        """Whether a node runs when the saver restores, as loading does."""
        if self._restoring is None:
            self._restoring = self._walk(
                root
                for root in self.roots
                if root.reach is Reach.SAVER and root.name == _RESTORE
                if root.tensors
            )
        return self._restoring.has(place)
