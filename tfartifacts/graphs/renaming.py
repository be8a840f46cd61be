"""Renamings of a checkpoint's variables: applied, and guessed from names that are missing.

    OLD=NEW                  one name
    OLD/=NEW/                everything in a scope; NEW may be empty
    re:PATTERN=REPLACEMENT   Python's re.sub on each name

OLD is the name in the checkpoint, NEW the graph's. Several are applied in turn.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tfartifacts.errors import ConversionError
from tfartifacts.model import Checkpoint, Variable
from tfartifacts.model.values import Shape
from tfartifacts.records import replace

_REGULAR_EXPRESSION = "re:"
# Of a guess: names compared with one another, names that may share a part, edits tried, rules.
_MOST_COMPARED = 2_000
_MOST_ALIKE = 20
_MOST_CLOSE = 100
_MOST_TRIED = 20
_MOST_RULES = 5


def rename(name: str, rules: Iterable[str]) -> str:
    """A name after the renamings, each in turn. Raises ConversionError for what is none."""
    for rule in rules:
        name = _renaming(rule)(name)
    return name


def _renaming(rule: str) -> Callable[[str], str]:
    is_pattern = rule.startswith(_REGULAR_EXPRESSION)
    old, equals, new = rule.removeprefix(_REGULAR_EXPRESSION).partition("=")
    if not equals or not (old or is_pattern):
        raise ConversionError(
            f"found renaming {rule!r}, expected OLD=NEW or re:PATTERN=REPLACEMENT"
        )
    if not is_pattern:
        return lambda name: _renamed_scope(name, old, new)
    try:
        pattern = re.compile(old)
    except (re.error, OverflowError) as error:
        raise ConversionError(f"found renaming {rule!r}: {error}") from None

    def substitute(name: str) -> str:
        try:
            return pattern.sub(new, name)
        except (re.error, IndexError) as error:
            raise ConversionError(f"found renaming {rule!r}: {error}") from None

    return substitute


def _renamed_scope(name: str, old: str, new: str) -> str:
    if name == old:
        return new
    return new + name[len(old) :] if old.endswith("/") and name.startswith(old) else name


def renamed(checkpoint: Checkpoint, rules: Iterable[str]) -> Checkpoint:
    """The checkpoint with its variables renamed; values stay where they are.

    Raises ConversionError where two variables would have one name, or a rule fits none.
    """
    rules = list(rules)
    if not rules:
        return checkpoint
    names = renamed_names({name: name for name in checkpoint.variables}, rules, checkpoint.path)
    return replace(
        checkpoint,
        variables={
            names[name]: variable if names[name] == name else replace(variable, name=names[name])
            for name, variable in checkpoint.variables.items()
        },
    )


def renamed_names(
    names: Mapping[str, str], rules: Iterable[str], path: str | None = None
) -> dict[str, str]:
    """Each variable's name now, mapped to what the rules make of it, in turn.

    `names` maps the names in the checkpoint to what they are now. Raises ConversionError where two
    variables would have one name, one none, or a rule fits none.
    """
    now = dict(names)
    for rule in rules:
        change = _renaming(rule)
        after = {name: change(before) for name, before in now.items()}
        if after == now:
            raise ConversionError(
                f"found no variable that {rule!r} renames, expected one", path=path
            )
        now = after
    refuse_clashes(now, path)
    return now


def refuse_clashes(names: Mapping[str, str], path: str | None = None) -> None:
    """Raise ConversionError where two variables would have one name, or one none."""
    origin: dict[str, str] = {}
    for name, new in names.items():
        if not new:
            raise ConversionError(f"found {name!r} renamed to nothing, expected a name", path=path)
        if new in origin:
            raise ConversionError(
                f"found {origin[new]!r} and {name!r} both renamed to {new!r}, expected different "
                "names",
                path=path,
            )
        origin[new] = name


class Edit(NamedTuple):
    """What turns one name into another: a part at the front, the back, or in between."""

    where: str
    old: str
    new: str


def likely_rules(
    wanted: Mapping[str, Shape | None], variables: Mapping[str, Variable]
) -> tuple[tuple[str, int], ...]:
    """Renamings that make wanted names of a checkpoint's, each with how many more it finds.

    `wanted` are all names the graph restores, with shapes where they are known. The rules are for
    all variables and to be applied in turn: none takes away a name that fitted, or gives two
    variables one name.
    """
    names = {name: name for name in variables}
    found: list[tuple[str, int]] = []
    while len(found) < _MOST_RULES:
        missing = {key: wanted[key] for key in wanted.keys() - set(names.values())}
        if not missing:
            break
        extra = {now: variables[name] for name, now in names.items() if now not in wanted}
        best: tuple[int, str, dict[str, str]] | None = None
        for edit, _ in _votes(missing, extra).most_common(_MOST_TRIED):
            rule = _as_rule(edit)
            after = _applied(rule, names, wanted)
            if after is not None:
                gain = len(missing) - len(wanted.keys() - set(after.values()))
                if gain > 0 and (best is None or gain > best[0]):
                    best = gain, rule, after
        if best is None:
            break
        found.append((best[1], best[0]))
        names = best[2]
    return tuple(found)


def _applied(
    rule: str, names: Mapping[str, str], wanted: Mapping[str, Shape | None]
) -> dict[str, str] | None:
    """The names after one more rule; None where it would do harm."""
    change = _renaming(rule)
    after = {name: change(now) for name, now in names.items()}
    if len(set(after.values())) < len(after) or "" in after.values():
        return None
    harmed = any(now in wanted and after[name] != now for name, now in names.items())
    return None if harmed else after


def _votes(missing: Mapping[str, Shape | None], extra: Mapping[str, Variable]) -> Counter[Edit]:
    """Edits that make a missing name of an extra one, by how many pairs of names say so.

    Names are paired that end, or begin, with the same components and have the same shape: found
    by those, for comparing all with all would take as long as there are pairs.
    """
    alike: dict[tuple[bool, str], list[str]] = {}
    for name in extra:
        for part in _parts(name):
            alike.setdefault(part, []).append(name)
    among = sorted(extra)[:_MOST_CLOSE]
    votes: Counter[Edit] = Counter()
    for number, key in enumerate(sorted(missing)[:_MOST_COMPARED]):
        shape = missing[key]
        paired: set[str] = set()
        for part in _parts(key):
            candidates = alike.get(part, ())
            if len(candidates) <= _MOST_ALIKE:
                paired.update(candidates)
        if not paired and number < _MOST_CLOSE:
            paired.update(difflib.get_close_matches(key, among, n=3))
        fitting = [name for name in sorted(paired) if shape in (None, extra[name].shape)]
        votes.update(dict.fromkeys((_edit(name, key) for name in fitting), 1))
        votes.update(Edit("whole", name, key) for name in fitting)
    return votes


def _parts(name: str) -> Iterator[tuple[bool, str]]:
    """What a name may share with another: its ends and its beginnings, and all of it."""
    components = name.split("/")
    for count in range(len(components) - 1, 0, -1):
        yield True, "/".join(components[-count:])
        yield False, "/".join(components[:count])
    # Where something is added in front or behind.
    yield True, name
    yield False, name


def _edit(old: str, new: str) -> Edit:
    """What turns one name into the other, of the components that differ."""
    before, after = old.split("/"), new.split("/")
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    if tail and len(before) == head + tail:
        # Something is new behind the front, which says where.
        head = 0
    middle_old = "/".join(before[head : len(before) - tail])
    middle_new = "/".join(after[head : len(after) - tail])
    where = "front" if head == 0 else "back" if tail == 0 else "inside"
    return Edit(where if tail or head else "whole", middle_old, middle_new)


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _as_rule(edit: Edit) -> str:
    """An edit as it is typed: names of scopes where that says it, else a regular expression."""
    old, new = edit.old, edit.new
    if edit.where == "whole" and "=" not in old and not old.startswith(_REGULAR_EXPRESSION):
        return f"{old}={new}"
    if edit.where == "front" and old and "=" not in old and not old.startswith("re:"):
        return f"{old}/={new}/" if new else f"{old}/="
    pattern = _escaped(old)
    replacement = new.replace("\\", r"\\")
    match edit.where:
        case "whole":
            return f"re:^{pattern}$={replacement}"
        case "front":
            before = f"^{pattern}/" if old else "^"
            return f"re:{before}={replacement}/" if new else f"re:{before}="
        case "back":
            behind = f"/{pattern}$" if old else "$"
            return f"re:{behind}=/{replacement}" if new else f"re:{behind}="
    inner = f"/{replacement}/" if new else "/"
    return f"re:/{pattern}/={inner}" if old else f"re:/={inner}"


def _escaped(text: str) -> str:
    """As a pattern; `=` parts a renaming in two, and only its first part may have none."""
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text).replace("=", r"\x3d")


def explaining_rules(pairs: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Rules that each turn several old names into their new ones, with how many they explain.

    Those that explain most come first; a name counts for one rule. Other names are not looked at:
    a rule may change them too.
    """
    votes = Counter(_edit(old, new) for old, new in pairs.items())
    # Something on both sides of the old name, as object-based checkpoints have it.
    around = Counter(
        (front, back)
        for old, new in pairs.items()
        if old
        for front, found, back in [new.partition(old)]
        if found and front and back
    )
    rules = [_as_rule(edit) for edit, count in votes.most_common(_MOST_TRIED) if count > 1]
    for (front, back), count in around.most_common(_MOST_RULES):
        if count > 1:
            before, behind = (text.replace("\\", r"\\") for text in (front, back))
            rules.append(rf"re:^(.+)$={before}\g<1>{behind}")
    left = dict(pairs)
    found: list[tuple[str, int]] = []
    while rules and len(found) < _MOST_RULES:
        explained = {}
        for rule in rules:
            change = _renaming(rule)
            explained[rule] = [old for old, new in left.items() if change(old) == new]
        best = max(rules, key=lambda rule: len(explained[rule]))
        if len(explained[best]) < 2:
            break
        found.append((best, len(explained[best])))
        rules.remove(best)
        for old in explained[best]:
            del left[old]
    return tuple(found)


def as_regular_expression(rule: str) -> tuple[str, str]:
    """A rule as Python's re.sub takes it: pattern and replacement."""
    is_pattern = rule.startswith(_REGULAR_EXPRESSION)
    old, _, new = rule.removeprefix(_REGULAR_EXPRESSION).partition("=")
    if is_pattern:
        return old, new
    end = "" if old.endswith("/") else "$"
    return f"^{_escaped(old)}{end}", new.replace("\\", r"\\")
