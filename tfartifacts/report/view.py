"""What the reader asked to see: sections, a filter, an order, values."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache
from typing import Any

from tfartifacts.records import dataclass

# Document is what `describe` makes: JSON's types only, keys as the model's field names.
Document = dict[str, Any]

# In the order in which they are shown.
SECTIONS = (
    "files",
    "variables",
    "slices",
    "object-graph",
    "signatures",
    "candidates",
    "placeholders",
    "ops",
    "functions",
    "devices",
    "collections",
    "saver",
    "assets",
    "nodes",
)


@dataclass(frozen=True, slots=True)
class View:
    """The reader's choice.

    `sections`: shown in full, in place of the usual ones; empty for the usual ones. `pattern`
    selects among named things (variables, nodes, placeholders, functions, files, ...), never
    among what totals count. `values`: names or globs of variables whose elements are wanted.
    `complete`: everything that is cheap, asked for or not, as a program expects it.
    """

    sections: frozenset[str] = frozenset()
    pattern: str = ""
    sort: str = "file"
    values: tuple[str, ...] = ()
    complete: bool = False

    def shows(self, section: str) -> bool:
        """Whether the section was asked for by name."""
        return section in self.sections

    def selects(self, name: str) -> bool:
        """Whether the pattern selects the name; without a pattern every name."""
        return not self.pattern or _matcher(self.pattern)(name)


EVERYTHING = View(complete=True)


def is_glob(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def matches(name: str, pattern: str) -> bool:
    """Whether a name is selected: by a glob if the pattern has `*` or `?`, else by a part.

    `*` also stands for `/`. Letters count as they are written. Brackets are literal, for names
    have them.
    """
    return _matcher(pattern)(name)


@lru_cache(maxsize=16)
def _matcher(pattern: str) -> Callable[[str], bool]:
    if not is_glob(pattern):
        return lambda name: pattern in name
    compiled = re.compile(translate(pattern.replace("[", "[[]")))
    return lambda name: compiled.match(name) is not None
