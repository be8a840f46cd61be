"""What a scan finds: a row for each thing that can be done, and from where it is reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from enum import Enum

from tfartifacts.checks.findings import Severity
from tfartifacts.checks.scan.capabilities import Capability
from tfartifacts.errors import TfArtifactsError, name_not_found
from tfartifacts.records import dataclass

ALLOW_CAPABILITY = "capability:"


class Reach(str, Enum):
    """How what was found comes to run, the easiest first.

    signature    a call of a signature
    init         loading: init op, main op, table initialisers, resources' initialisers
    function     a call of another function of the object graph (tf.saved_model.load)
    saver        saving or restoring
    graph        naming it: no signature says what of this graph is to be run
    iterator     initialising an iterator over a dataset
    keras        loading by Keras, which builds the layers anew
    unreachable  nothing that is declared runs it
    beside       nothing here: a file beside the model, a value in a checkpoint
    """

    SIGNATURE = "signature"
    INIT = "init"
    FUNCTION = "function"
    SAVER = "saver"
    GRAPH = "graph"
    ITERATOR = "iterator"
    KERAS = "keras"
    UNREACHABLE = "unreachable"
    BESIDE = "beside"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a model can do.

    `op` does it (the class of a layer, for Keras; "" for a file), in `num_nodes` nodes, the first
    of which `nodes` names. `function` is the function of the library they are in, `nesting` the
    nodes whose serialized graphs they are in, outermost first. `callers` are the signatures or
    functions that reach it. `target` is what is written, read or called, "" where that is not in
    the file. `part` is the meta graph: its tags, or its file. `is_allowed`: the caller said so.
    """

    severity: Severity
    capability: Capability
    op: str
    nodes: tuple[str, ...]
    num_nodes: int
    reach: Reach
    explanation: str
    callers: tuple[str, ...] = ()
    function: str = ""
    nesting: tuple[str, ...] = ()
    target: str = ""
    part: str = ""
    is_allowed: bool = False

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR and not self.is_allowed

    @property
    def is_warning(self) -> bool:
        return self.severity is Severity.WARNING and not self.is_allowed


@dataclass(frozen=True, slots=True)
class Scan:
    """What an artifact could do to who loads or runs it.

    `rows` has what matters most first. `problems` are parts that are damaged and could not be
    looked at, `notes` what else is worth knowing. `num_nested_graphs` are graphs that were found
    inside strings.
    """

    path: str | None
    kind: str
    rows: tuple[Row, ...]
    num_graphs: int
    num_nodes: int
    num_functions: int
    num_nested_graphs: int
    problems: tuple[TfArtifactsError, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.is_error)

    @property
    def warnings(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.is_warning)

    @property
    def counts(self) -> Mapping[str, int]:
        """Errors by capability; nothing for a capability without."""
        return Counter(row.capability.value for row in self.errors)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is to worry about and everything could be looked at."""
        return not self.errors and not self.problems


_SEVERITIES = list(Severity)
_REACHES = list(Reach)
_CAPABILITIES = list(Capability)


def in_order(rows: list[Row]) -> tuple[Row, ...]:
    """What matters most first; what is allowed among the notes, last."""

    def key(row: Row) -> tuple[bool, int, int, int]:
        return (
            row.is_allowed,
            _SEVERITIES.index(row.severity),
            _CAPABILITIES.index(row.capability),
            _REACHES.index(row.reach),
        )

    return tuple(sorted(rows, key=key))


@dataclass(frozen=True, slots=True)
class Allowed:
    """Ops and capabilities that are no alarm, by name."""

    ops: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()

    def covers(self, row: Row) -> bool:
        return row.op in self.ops or row.capability.value in self.capabilities


def allowed(names: Collection[str]) -> Allowed:
    """What `--allow` names: ops, and `capability:NAME`.

    Raises NameNotFoundError for a capability that does not exist. An op may have any name: custom
    ops have.
    """
    ops = {name for name in names if not name.startswith(ALLOW_CAPABILITY)}
    wanted = {name.removeprefix(ALLOW_CAPABILITY) for name in names if name not in ops}
    known = [capability.value for capability in Capability]
    for name in wanted:
        if name not in known:
            raise name_not_found("capability", name, known)
    return Allowed(frozenset(ops), frozenset(wanted))
