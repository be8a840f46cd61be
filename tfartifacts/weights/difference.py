"""What differs between any two artifacts: variables here, graphs in graphs.meta_graph_difference.

values  auto       what has equal checksums is equal, all else is read and compared bit by bit
        exact      everything is read, which finds damage too
        rtol=,atol= as auto, and elements need only be close
        none       names, types and shapes alone
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from math import isfinite
from typing import Literal

from tfartifacts.errors import ConversionError, TfArtifactsError
from tfartifacts.graphs.meta_graph_difference import PARTS as GRAPH_PARTS
from tfartifacts.graphs.meta_graph_difference import MetaGraphDifference
from tfartifacts.graphs.renaming import explaining_rules
from tfartifacts.model import (
    Artifact,
    Checkpoint,
    CheckpointDirectory,
    Variable,
)
from tfartifacts.model.jobs import side_by_side
from tfartifacts.records import dataclass
from tfartifacts.weights.comparison import Tolerance, ValueComparison, compare_values
from tfartifacts.weights.fingerprints import have_equal_checksums
from tfartifacts.weights.graph_pairs import NOTHING, compare_graphs_of, graphs_of
from tfartifacts.weights.holders import CONSTANTS, Held, held
from tfartifacts.weights.pairing import pair_variables
from tfartifacts.weights.roles import Role, variable_roles
from tfartifacts.weights.statistics import nothing_selected

PARTS = ("variables", *GRAPH_PARTS)
_WORTH_ELEMENTS = 1 << 22  # elements

Change = Literal["added", "removed", "renamed", "retyped", "reshaped", "changed", "unreadable"]


@dataclass(frozen=True, slots=True)
class VariableDifference:
    """A variable of A (`before`), of B (`after`), or of both.

    `found_by` says how its counterpart was found: see weights.pairing; "" for one alone.
    `comparison` is None where values were not compared, `error` why they could not be. `changes`
    is empty for one that is equal; cut in other slices it is equal too.
    """

    before: Variable | None
    after: Variable | None
    role: Role
    found_by: str = ""
    comparison: ValueComparison | None = None
    error: TfArtifactsError | None = None

    @property
    def name(self) -> str:
        """That of A, or of B where A has none."""
        variable = self.before or self.after
        assert variable is not None
        return variable.name

    @property
    def changes(self) -> tuple[Change, ...]:
        if self.before is None:
            return ("added",)
        if self.after is None:
            return ("removed",)
        found: list[Change] = []
        if self.before.name != self.after.name:
            found.append("renamed")
        if self.before.dtype != self.after.dtype:
            found.append("retyped")
        if self.before.shape != self.after.shape:
            found.append("reshaped")
        if self.comparison is not None and not self.comparison.equal:
            found.append("changed")
        if self.error is not None:
            found.append("unreadable")
        return tuple(found)

    @property
    def has_equal_values(self) -> bool:
        """Whether both have the variable, with values that were compared and found equal."""
        return self.comparison is not None and self.comparison.equal


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: what it is, and where its variables are.

    `num_variables` is None for what holds none, such as a meta graph; `format` is that of its
    variables, "constants" for a frozen graph.
    """

    path: str | None
    kind: str
    num_variables: int | None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What `diff` found.

    `variables` are all of A in file order, then those that B alone has: equal ones too; None
    where a side has none to compare. `rules` are renamings that each explain several of the new
    names, as `--rename` takes them, with how many. `meta_graphs` are pairs of them; None where a
    side has no graph. `only_in_a` and `only_in_b` are tag sets of the others. `values` is what
    was asked for. `damage` is what could not be read: the rest was compared.
    """

    a: Side
    b: Side
    values: str
    variables: tuple[VariableDifference, ...] | None
    rules: tuple[tuple[str, int], ...] = ()
    meta_graphs: tuple[MetaGraphDifference, ...] | None = None
    only_in_a: tuple[tuple[str, ...], ...] = ()
    only_in_b: tuple[tuple[str, ...], ...] = ()
    num_other_constants: int = 0
    notes: tuple[str, ...] = ()
    damage: tuple[TfArtifactsError, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether nothing that was compared differs, and all could be read."""
        return self.equal_variables and self.equal_graphs and not self.damage

    @property
    def equal_variables(self) -> bool:
        return not any(variable.changes for variable in self.variables or ())

    @property
    def equal_graphs(self) -> bool:
        pairs = self.meta_graphs or ()
        return all(pair.equal for pair in pairs) and not (self.only_in_a or self.only_in_b)

    @property
    def same_weights(self) -> bool | None:
        """Whether both have the same variables of the model, by whatever names, with equal values.

        Types and shapes included. None where values were not compared, or there are none.
        """
        model = [item for item in self.variables or () if item.role == "model"]
        if not model or any(
            item.comparison is None and item.changes and item.changes[-1] == "unreadable"
            for item in model
        ):
            return None
        if any({"added", "removed", "retyped", "reshaped"} & set(item.changes) for item in model):
            return False
        if any(item.comparison is None for item in model):
            return None
        return all(item.has_equal_values for item in model)

    @property
    def renames(self) -> Mapping[str, str]:
        """Names in A and what they are in B, where that is another: what `edit --map` takes."""
        return {
            item.before.name: item.after.name
            for item in self.variables or ()
            if item.before is not None and item.after is not None and "renamed" in item.changes
        }


def diff(
    a: Artifact,
    b: Artifact,
    *,
    values: str = "auto",
    parts: Collection[str] = PARTS,
    select: Callable[[str], bool] | None = None,
    roles: Iterable[str] | None = None,
    jobs: int | None = None,
) -> Difference:
    """Compare two artifacts of any kind; reads now what is not equal by checksum, in blocks.

    Of a folder the latest checkpoint is compared, of a frozen graph its constants as variables; a
    meta graph has none. `values` is "auto", "exact", "none" or a tolerance such as
    "rtol=1e-5,atol=1e-8": see the head of this module. `parts` are of PARTS. `select` chooses
    among names of variables (in A or B), nodes and functions, `roles` among what variables are
    for (weights.roles). `jobs` threads compare pairs side by side (None: one for each processor).

    Raises ConversionError for values or parts there are none of, NameNotFoundError where nothing
    is selected, PathNotFoundError for a folder without its latest checkpoint.
    """
    tolerance = read_values(values)
    if unknown := [part for part in parts if part not in PARTS]:
        raise ConversionError(f"found part {unknown[0]!r}, expected one of {', '.join(PARTS)}")
    sides = held(a), held(b)
    damage: list[TfArtifactsError] = [*sides[0].problems, *sides[1].problems]
    variables, others = None, 0
    ours, theirs = sides[0].variables, sides[1].variables
    if "variables" in parts and ours is not None and theirs is not None:
        variables, others = _compare_variables(ours, theirs, values, tolerance, select, roles, jobs)
        damage += [item.error for item in variables if item.error is not None]
    compared = NOTHING
    if graph_parts := [part for part in GRAPH_PARTS if part in parts]:
        # Where both have constants these are compared as variables.
        constants = variables is None or not (sides[0].are_constants and sides[1].are_constants)
        compared = compare_graphs_of(a, b, graph_parts, constants=constants, select=select)
        damage += compared.damage
    if select is not None and not variables and not _any_selected(a, b, sides, select):
        names = () if ours is None else ours.variables
        raise nothing_selected(names, a.path)
    renames = {
        item.before.name: item.after.name
        for item in variables or ()
        if item.before is not None
        and item.after is not None
        and item.before.name != item.after.name
    }
    return Difference(
        _side(a, ours),
        _side(b, theirs),
        values,
        variables,
        explaining_rules(renames),
        compared.pairs,
        compared.only_in_a,
        compared.only_in_b,
        others,
        tuple(_notes(a, b, ours, theirs, parts, compared.pairs)),
        tuple(damage),
    )


def read_values(text: str) -> Tolerance | None:
    """The tolerance that `values` gives; None for auto, exact and none.

    Raises ConversionError for anything else.
    """
    if text in ("auto", "exact", "none"):
        return None
    given: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        try:
            amount = float(number)
        except ValueError:
            amount = -1.0
        if name not in ("rtol", "atol") or name in given or amount < 0 or not isfinite(amount):
            raise ConversionError(
                f"found values {text!r}, expected auto, exact, none, or such as rtol=1e-5,atol=1e-8"
            )
        given[name] = amount
    return Tolerance(given.get("rtol", 0.0), given.get("atol", 0.0))


# --- variables ------------------------------------------------------------------------------------


def _compare_variables(
    a: Checkpoint,
    b: Checkpoint,
    values: str,
    tolerance: Tolerance | None,
    select: Callable[[str], bool] | None,
    wanted_roles: Iterable[str] | None,
    jobs: int | None,
) -> tuple[tuple[VariableDifference, ...], int]:
    """All variables, and how many constants that are no variables were left out."""
    roles = variable_roles(a), variable_roles(b)
    pairs = pair_variables(a, b, roles, may_read=values != "none")
    one_has_constants = (a.format == CONSTANTS) != (b.format == CONSTANTS)
    others = 0
    pairings: list[_Pairing] = []
    wanted = None if wanted_roles is None else frozenset(wanted_roles)

    def chosen(role: Role, *names: str) -> bool:
        return (wanted is None or role in wanted) and (select is None or any(map(select, names)))

    may_trust = values != "exact" and a.byte_order == b.byte_order
    for name, variable in a.variables.items():
        role = roles[0][name]
        if name in pairs.found:
            other, how = pairs.found[name]
            if chosen(role, name, other):
                pairings.append((variable, b.variables[other], role, how))
        elif one_has_constants and a.format == CONSTANTS:
            others += 1
        elif chosen(role, name):
            pairings.append((variable, None, role, ""))
    for name in pairs.only_in_b:
        if one_has_constants and b.format == CONSTANTS:
            others += 1
        elif chosen(roles[1][name], name):
            pairings.append((None, b.variables[name], roles[1][name], ""))

    def compare(pairing: _Pairing) -> VariableDifference:
        before, after, role, how = pairing
        if before is None or after is None:
            return VariableDifference(before, after, role)
        return _compare(before, after, role, how, values, tolerance, may_trust)

    return tuple(side_by_side(compare, pairings, jobs, _work_of, least=_WORTH_ELEMENTS)), others


# A variable of A, one of B, their role, and how they were found.
_Pairing = tuple[Variable | None, Variable | None, Role, str]


def _work_of(pairing: _Pairing) -> int:
    before, after, *_ = pairing
    return 0 if before is None or after is None else before.num_elements


def _compare(
    before: Variable,
    after: Variable,
    role: Role,
    how: str,
    values: str,
    tolerance: Tolerance | None,
    may_trust: bool,
) -> VariableDifference:
    comparison: ValueComparison | None = None
    error: TfArtifactsError | None = None
    is_number = before.dtype.itemsize is not None
    comparable = (
        before.num_elements == after.num_elements
        and is_number == (after.dtype.itemsize is not None)
        and (is_number or before.dtype == after.dtype)
    )
    alike = before.dtype == after.dtype and before.shape == after.shape
    if values != "none" and comparable:
        if alike and may_trust and have_equal_checksums(before, after):
            comparison = ValueComparison(before.num_elements, by_checksum=True)
        else:
            try:
                comparison = compare_values(before, after, tolerance)
            except TfArtifactsError as raised:
                error = raised
    return VariableDifference(before, after, role, how, comparison, error)


# --- what was compared ----------------------------------------------------------------------------


def _any_selected(
    a: Artifact, b: Artifact, sides: tuple[Held, Held], select: Callable[[str], bool]
) -> bool:
    """Whether anything there is has a name that is selected."""
    names: list[Iterable[str]] = []
    for artifact, side in zip((a, b), sides, strict=True):
        if side.variables is not None:
            names.append(side.variables.variables)
        try:
            for graph in graphs_of(artifact):
                names.append(node.name for node in graph.graph.nodes)
                names.append(graph.graph.functions)
        except TfArtifactsError:
            continue  # told already
    return any(select(name) for some in names for name in some)


def _side(artifact: Artifact, variables: Checkpoint | None) -> Side:
    path = artifact.path
    if isinstance(artifact, CheckpointDirectory) and variables is not None:
        path = variables.path
    if variables is None:
        return Side(path, artifact.kind, None)
    return Side(path, artifact.kind, len(variables.variables), variables.format)


def _notes(
    a: Artifact,
    b: Artifact,
    ours: Checkpoint | None,
    theirs: Checkpoint | None,
    parts: Collection[str],
    pairs: tuple[MetaGraphDifference, ...] | None,
) -> Iterator[str]:
    if "variables" in parts:
        for side, artifact, variables in (("A", a, ours), ("B", b, theirs)):
            if variables is None:
                yield f"variables were not compared: {side} is a {artifact.kind}, which has none"
        if ours is not None and theirs is not None:
            for what in ("format", "num_shards", "byte_order"):
                before, after = getattr(ours, what), getattr(theirs, what)
                if before != after and CONSTANTS not in (ours.format, theirs.format):
                    yield f"stored otherwise, which is no difference: {what} {before} -> {after}"
    if pairs is None and any(part in parts for part in GRAPH_PARTS):
        for side, artifact in (("A", a), ("B", b)):
            if isinstance(artifact, Checkpoint | CheckpointDirectory) and not _has_graph(artifact):
                yield f"graphs were not compared: {side} has none beside it (.meta)"


def _has_graph(artifact: Artifact) -> bool:
    try:
        return bool(graphs_of(artifact))
    except TfArtifactsError:
        return True  # a damaged one
