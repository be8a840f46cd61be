"""What is to be done to a checkpoint, and what that does to each of its variables.

In this order, whatever the order in which it is asked for:

    1  keep, then drop, strip_optimizer     by names in the source
    2  use_ema                              the average takes its variable's name
    3  names, all at once; then rename      rules in turn, as graphs.renaming has them
    4  merge_partitions
    5  cast                                 `only`: by the new names, as everything below
    6  values                               type and shape stay
    7  add
    8  shards

A pattern with `*` or `?` is a glob, in which `*` also stands for `/` and brackets for themselves;
any other is one name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from typing import Any

from tfartifacts.dtypes import DType
from tfartifacts.errors import ConversionError, name_not_found
from tfartifacts.model.checkpoints import Checkpoint
from tfartifacts.model.values import Shape
from tfartifacts.records import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What `edit` is to do; see the head of this module for the order.

    `keep` and `drop` are patterns. `strip_optimizer` drops slots, powers of beta and the counters
    of optimizers, but not global_step. `use_ema` gives each variable the value of its moving
    average, which goes. `names` maps old names to new ones, all at once; `rename` are rules
    (`OLD=NEW`, `OLD/=NEW/`, `re:PATTERN=REPLACEMENT`), in turn.

    `merge_partitions` stores partitioned variables whole. `cast` is the floating type that others
    become: of `only` those that these patterns match, if there are any. Integers and bool are cast
    where a pattern is their name, without `*` and `?`.

    `values` gives variables other values, a number or text for all elements or nested lists of
    their shape; `add` adds arrays, as Checkpoint.from_arrays takes them. `shards` is the number of
    data files; None keeps each variable in its own.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    strip_optimizer: bool = False
    use_ema: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    rename: tuple[str, ...] = ()
    merge_partitions: bool = False
    cast: str | None = None
    only: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, Any] = field(default_factory=dict)
    shards: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of a variable.

    `name` is that in the source, None for one that is added; `new_name` None for one that goes.
    `dtype` and `nbytes` are those after the edit (of one that goes, before), `old_dtype` the one
    before. `actions` are in the order in which they are done; empty where it stays as it is:
    dropped, optimizer, replaced (by its average), average, renamed, merged, cast, set, added.
    """

    name: str | None
    new_name: str | None
    dtype: DType
    shape: Shape
    nbytes: int
    old_dtype: DType
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditPlan:
    """An edited checkpoint, of which nothing is written, and what was done to each variable.

    `graph` says what became of the graph beside it: "none", "carried", "rewritten", "left out".
    """

    checkpoint: Checkpoint
    rows: tuple[Row, ...]
    graph: str


def is_glob(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a name is the pattern's, or of those its glob stands for."""
    if not is_glob(pattern):
        return pattern.__eq__
    compiled = re.compile(translate(pattern.replace("[", "[[]")))
    return lambda name: compiled.match(name) is not None


def matched(patterns: Iterable[str], names: Iterable[str], path: str | None = None) -> set[str]:
    """The names that patterns match. Raises where one matches nothing.

    That is NameNotFoundError for a name, ConversionError for a glob.
    """
    names = list(names)
    known = set(names)
    found: set[str] = set()
    for pattern in patterns:
        if is_glob(pattern):
            fits = matcher(pattern)
            these = {name for name in names if fits(name)}
        else:
            these = {pattern} & known
        if not these and is_glob(pattern):
            raise ConversionError(
                f"found no variable that {pattern!r} matches, expected one", path=path
            )
        if not these:
            raise name_not_found("variable", pattern, names)
        found |= these
    return found
