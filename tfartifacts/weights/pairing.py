"""Which variable of A is which of B: by name, and guessed where the names differ.

    name           both have it
    object graph   an object-based checkpoint says that a key is the variable of that name
    values         the only two of their type and shape with these values
    rule           what turns a name into the other, found from the names that are left
    similar name   of one type and shape, the names, or names and values, alike

The guesses are made in that order, each among what is left. All but the first two want the same
role: a slot is no variable of the model.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from tfartifacts.dtypes import DType
from tfartifacts.errors import TfArtifactsError
from tfartifacts.graphs.renaming import likely_rules, rename
from tfartifacts.model import Checkpoint, Variable
from tfartifacts.model.values import Shape
from tfartifacts.records import dataclass, field
from tfartifacts.weights.fingerprints import checksums
from tfartifacts.weights.roles import OBJECT_GRAPH_KEY, Role

# Names of one type and shape that are compared with one another.
_MOST_ALIKE = 100
_SIMILAR = 0.6
_EQUAL_VALUES = 0.4  # what equal values are worth, of names that need not be similar then

Kind = tuple[DType, Shape, Role]


@dataclass(frozen=True, slots=True)
class Pairs:
    """`found` maps a name in A to (the name in B, how it was found)."""

    found: Mapping[str, tuple[str, str]]
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]


@dataclass(slots=True)
class _Left:
    """What has no counterpart yet."""

    a: dict[str, Variable]
    b: dict[str, Variable]
    found: dict[str, tuple[str, str]] = field(default_factory=dict)

    def pair(self, name: str, other: str, how: str) -> None:
        self.found[name] = (other, how)
        del self.a[name], self.b[other]


def pair_variables(
    a: Checkpoint,
    b: Checkpoint,
    roles: tuple[Mapping[str, Role], Mapping[str, Role]],
    *,
    guess: bool = True,
    may_read: bool = True,
) -> Pairs:
    """Pair the variables of two checkpoints.

    With `may_read` values that have no stored checksum are read, if they could be a counterpart;
    without `guess` names alone count.
    """
    left = _Left(dict(a.variables), dict(b.variables))
    for name in [name for name in left.a if name in left.b]:
        left.pair(name, name, "name")
    if left.a and left.b:
        _by_object_graph(left, _full_names(a), _full_names(b))
    if guess and left.a and left.b:
        kinds = _kinds(left.a, roles[0]), _kinds(left.b, roles[1])
        known = _known_values(left, a.byte_order, b.byte_order, kinds, may_read=may_read)
        _by_values(left, kinds, known)
        _by_rules(left, roles)
        _by_similarity(left, kinds, known)
    return Pairs(left.found, tuple(left.a), tuple(left.b))


def _full_names(checkpoint: Checkpoint) -> dict[str, str]:
    """Names by key, of an object-based checkpoint, those that only one key has."""
    if OBJECT_GRAPH_KEY not in checkpoint.variables:
        return {}
    try:
        graph = checkpoint.object_graph
    except TfArtifactsError:
        return {}  # told where it is read as the variable it is
    if graph is None:
        return {}
    keys: dict[str, list[str]] = defaultdict(list)
    for key, name in graph.full_names.items():
        keys[name].append(key)
    return {only[0]: name for name, only in keys.items() if len(only) == 1}


def _by_object_graph(left: _Left, ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    if not ours and not theirs:
        return
    there: dict[str, list[str]] = defaultdict(list)
    for name in left.b:
        there[theirs.get(name, name)].append(name)
    for name in list(left.a):
        candidates = there.get(ours.get(name, name), [])
        if len(candidates) == 1 and candidates[0] in left.b:
            other = candidates[0]
            if left.a[name].shape == left.b[other].shape:
                left.pair(name, other, "object graph")


def _kinds(variables: Mapping[str, Variable], roles: Mapping[str, Role]) -> dict[str, Kind]:
    return {
        name: (variable.dtype, variable.shape, roles[name]) for name, variable in variables.items()
    }


def _known_values(
    left: _Left,
    our_order: str,
    their_order: str,
    kinds: tuple[Mapping[str, Kind], Mapping[str, Kind]],
    *,
    may_read: bool,
) -> tuple[dict[str, int], dict[str, int]]:
    """Checksums of what could have a counterpart; nothing of a side that cannot be read."""
    both = set(kinds[0].values()) & set(kinds[1].values())
    known = []
    for variables, order, of in ((left.a, our_order, kinds[0]), (left.b, their_order, kinds[1])):
        found: dict[str, int] = {}
        for name in [name for name in variables if of[name] in both]:
            try:
                found |= checksums({name: variables[name]}, order, may_read=may_read)
            except TfArtifactsError:
                continue  # told when its values are compared, or not needed
        known.append(found)
    return known[0], known[1]


def _groups(
    names: Iterable[str], kinds: Mapping[str, Kind], known: Mapping[str, int]
) -> dict[tuple[Kind, int], list[str]]:
    groups: dict[tuple[Kind, int], list[str]] = defaultdict(list)
    for name in names:
        if name in known:
            groups[kinds[name], known[name]].append(name)
    return groups


def _by_values(
    left: _Left,
    kinds: tuple[Mapping[str, Kind], Mapping[str, Kind]],
    known: tuple[Mapping[str, int], Mapping[str, int]],
) -> None:
    ours = _groups(left.a, kinds[0], known[0])
    theirs = _groups(left.b, kinds[1], known[1])
    for key, names in ours.items():
        others = theirs.get(key, [])
        # Scalars are equal by chance.
        if len(names) == len(others) == 1 and left.a[names[0]].shape:
            left.pair(names[0], others[0], "values")


def _by_rules(left: _Left, roles: tuple[Mapping[str, Role], Mapping[str, Role]]) -> None:
    if not left.a or not left.b:
        return
    shapes = {name: variable.shape for name, variable in left.b.items()}
    rules = [rule for rule, _ in likely_rules(shapes, left.a)]
    for name in list(left.a):
        other = rename(name, rules) if rules else name
        if other not in left.b or not _alike(left.a[name], left.b[other]):
            continue
        if roles[0][name] == roles[1][other]:
            left.pair(name, other, "rule")


def _alike(ours: Variable, theirs: Variable) -> bool:
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape


def _by_similarity(
    left: _Left,
    kinds: tuple[Mapping[str, Kind], Mapping[str, Kind]],
    known: tuple[Mapping[str, int], Mapping[str, int]],
) -> None:
    there: dict[Kind, list[str]] = defaultdict(list)
    for name in left.b:
        there[kinds[1][name]].append(name)
    here: dict[Kind, list[str]] = defaultdict(list)
    for name in left.a:
        here[kinds[0][name]].append(name)
    for kind, names in here.items():
        scores = sorted(
            _scores(names[:_MOST_ALIKE], there.get(kind, [])[:_MOST_ALIKE], known), reverse=True
        )
        for _, name, other in scores:
            if name in left.a and other in left.b:
                left.pair(name, other, "similar name")


def _scores(
    names: Collection[str],
    others: Collection[str],
    known: tuple[Mapping[str, int], Mapping[str, int]],
) -> Iterable[tuple[float, str, str]]:
    for other in others:
        matcher = difflib.SequenceMatcher(b=other, autojunk=False)
        for name in names:
            if len(name) + len(other) > 1000:
                continue  # quadratic in the length of names
            matcher.set_seq1(name)
            checksum = known[0].get(name)
            equal = checksum is not None and checksum == known[1].get(other)
            score = matcher.quick_ratio() + (_EQUAL_VALUES if equal else 0)
            if score < _SIMILAR:
                continue
            score = matcher.ratio() + (_EQUAL_VALUES if equal else 0)
            if score >= _SIMILAR:
                yield score, name, other
