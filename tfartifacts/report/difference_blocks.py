"""A difference as blocks, with the answer in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tfartifacts.report.blocks import Block, Facts, Notes, Statement, Table
from tfartifacts.report.comparing import number
from tfartifacts.report.differences import difference_rows
from tfartifacts.report.formats import Presentation
from tfartifacts.report.graph_difference_blocks import graph_difference_blocks
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.units import count, counted, shape
from tfartifacts.report.view import Document

_CHANGED_COLUMNS = (
    Column("name", elastic=True),
    Column("different", right=True),
    Column("max abs.", right=True),
    Column("mean", right=True),
    Column("max rel.", right=True),
    Column("cosine", right=True),
    Column("what", prose=True, below=True),
)
_ALONE_COLUMNS = (Column("name", elastic=True), Column("dtype"), Column("shape"), Column("role"))
_RENAMED_COLUMNS = (
    Column("in A", elastic=True),
    Column("in B", elastic=True),
    Column("values"),
    Column("found by"),
)
_RULE_WIDTH = 6
_UNREADABLE_COLUMNS = (Column("name", elastic=True), Column("why", prose=True, below=True))

# Variables that are listed one by one; the others too where variables were asked for.
_LISTED = frozenset({"model", "average"})


def difference_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """The answer, then what differs in variables, then in graphs."""
    yield Statement(summary(document))
    by_checksum = document["num_by_checksum"]
    yield Facts(
        [
            ("A", _side(document["a"])),
            ("B", _side(document["b"])),
            (
                "not read",
                f"{counted(by_checksum, 'variable')} with equal stored checksums"
                if by_checksum
                else "",
            ),
        ]
    )
    yield Notes(document["notes"])
    if document["num_other_constants"]:
        others = counted(document["num_other_constants"], "constant")
        yield Notes([f"{others} of the frozen graph stand for no variable there"])
    yield from _variables(document, layout)
    yield from graph_difference_blocks(document)


def _side(side: Document) -> str:
    variables = "" if side["num_variables"] is None else f", {counted_variables(side)}"
    return f"{side['path'] or 'made here'} ({side['kind']}{variables})"


def counted_variables(side: Document) -> str:
    """`32 variables`, `5 constants`."""
    noun = "constant" if side["format"] == "constants" else "variable"
    return counted(side["num_variables"], noun)


# --- the answer -----------------------------------------------------------------------------------


def summary(document: Document) -> str:
    """One line: whether the weights are the same, whether the graphs are, and what else differs."""
    parts = [_weights(document)] if document["equal_variables"] is not None else []
    if document["equal_graphs"] is not None:
        parts.append("graphs equal" if document["equal_graphs"] else "graphs differ")
    parts += _others(document)
    return "; ".join(part for part in parts if part) or "nothing was compared"


def _weights(document: Document) -> str:
    roles = document["roles"]
    if not roles:
        return "no variables"
    model = roles.get("model")
    noun = "variable" if set(roles) == {"model"} else "model variable"
    if model is None:
        model = _sum(roles.values())
        noun = "variable"
    total, equal = model["all"], model.get("equal", 0)
    of_all = f"{count(equal)} of {counted(total, noun)}"
    if document["values"] == "none":
        same = "same" if equal == total else "different"
        return f"{same} variables: {of_all} equal in type and shape; values were not compared"
    if model.get("unreadable"):
        return f"not all could be read: {of_all} equal, {model['unreadable']} not readable"
    if equal == total:
        if document["values"] in ("auto", "exact"):
            how = ", bit for bit"
        else:
            how = f", within {document['values']}"
        renamed = f", {model['renamed']} of them renamed" if model.get("renamed") else ""
        return f"same weights: {of_all} equal{how}{renamed}"
    return f"different weights: {of_all} equal; {_changes(model)}"


def _sum(roles: Iterable[Document]) -> Document:
    total: Counter[str] = Counter()
    for role in roles:
        total.update(role)
    return dict(total)


_WORDS = (
    ("changed", "{} changed"),
    ("retyped", "{} retyped"),
    ("reshaped", "{} reshaped"),
    ("removed", "{} only in A"),
    ("added", "{} only in B"),
    ("unreadable", "{} not readable"),
)


def _changes(role: Document) -> str:
    return ", ".join(text.format(count(role[key])) for key, text in _WORDS if role.get(key))


def _others(document: Document) -> Iterator[str]:
    for role, counts in document["roles"].items():
        if role != "model" and "model" in document["roles"] and (changes := _changes(counts)):
            yield f"{role}: {changes}"


# --- variables ------------------------------------------------------------------------------------


def _variables(document: Document, layout: Layout) -> Iterator[Block]:
    everything = "variables" in layout.sections
    listed = [item for item in document["variables"] if everything or item["role"] in _LISTED]
    left = [item for item in document["variables"] if not everything and item not in listed]
    unreadable = [
        (item["name"], item["error"]["message"]) for item in document["variables"] if item["error"]
    ]
    yield Table("Not readable", _UNREADABLE_COLUMNS, unreadable)
    yield from _renamed(document, listed)
    changed = [item for item in listed if {"changed", "retyped", "reshaped"} & set(item["changes"])]
    yield Table("Changed", _CHANGED_COLUMNS, [_changed(item) for item in changed])
    for title, change, side in (
        ("Only in A", "removed", "before"),
        ("Only in B", "added", "after"),
    ):
        rows = [
            (
                item["name"],
                item[side]["dtype"],
                shape(item[side]["shape"]),
                item["role"],
            )
            for item in listed
            if change in item["changes"]
        ]
        yield Table(title, _ALONE_COLUMNS, rows)
    if left:
        roles = Counter(item["role"] for item in left)
        text = ", ".join(f"{count(number)} {role}" for role, number in roles.items())
        yield Statement(f"Also different: {text}; --show variables lists them")


def _renamed(document: Document, listed: Sequence[Document]) -> Iterator[Block]:
    rows = []
    for item in listed:
        if "renamed" in item["changes"]:
            comparison = item["comparison"]
            equal = "-" if comparison is None else "equal" if comparison["equal"] else "changed"
            rows.append((item["before"]["name"], item["after"]["name"], equal, item["found_by"]))
    if not rows:
        return
    yield Table("Renamed", _RENAMED_COLUMNS, rows)
    rules = []
    for rule in document["rules"]:
        explained = f"(explains {count(rule['count'])})"
        text = f"{rule['pattern']}  ->  {rule['replacement'] or '(nothing)'}  {explained}"
        rules.append(("rule", text))
    yield Facts(rules, _RULE_WIDTH)


def _changed(item: Document) -> Sequence[str]:
    comparison = item["comparison"]
    what = [
        f"{before} -> {after}"
        for before, after in (
            (item["before"]["dtype"], item["after"]["dtype"]),
            (shape(item["before"]["shape"]), shape(item["after"]["shape"])),
        )
        if before != after
    ]
    if item["before"]["name"] != item["after"]["name"]:
        what.append(f"in B {item['after']['name']}")
    if comparison is None:
        return item["name"], *["-"] * 5, ", ".join(what)
    total, different = comparison["num_elements"], comparison["num_different"]
    share = f" of {count(total)}" if total > 1 else ""
    if 0 < different < total:
        what.append(f"first at {_index(comparison['first_different'], item['before']['shape'])}")
    missing = different and comparison["max_absolute"] is not None
    if missing and comparison["num_comparable"] < total:
        what.append(f"{count(total - comparison['num_comparable'])} not finite")
    if comparison["num_beyond"] != different:
        what.append(f"{count(comparison['num_beyond'])} beyond the tolerance")
    return (
        item["name"],
        f"{count(different)}{share}",
        *(number(comparison[key]) for key in ("max_absolute", "mean_absolute", "max_relative")),
        _cosine(comparison["cosine"]),
        ", ".join(what),
    )


def _cosine(cosine: float | None) -> str:
    """Enough digits to tell from 1 and -1."""
    if cosine is None:
        return "-"
    if abs(cosine) < 0.9999995:
        return f"{cosine:.6f}"
    short = 1 - abs(cosine)
    if not short:
        return f"{cosine:.0f}"
    return f"1-{short:.0e}" if cosine > 0 else f"-1+{short:.0e}"


def _index(position: int | None, sizes: Sequence[int]) -> str:
    index: list[int] = []
    left = position or 0
    for size in reversed(sizes):
        left, place = divmod(left, max(size, 1))
        index.append(place)
    return str(index[::-1])


PRESENTATION = Presentation(difference_blocks, difference_rows)
