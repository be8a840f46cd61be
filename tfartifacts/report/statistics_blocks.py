"""Statistics as blocks, with a small picture of how the elements of each variable lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tfartifacts.report.blocks import Block, Facts, Heading, Notes, Statement, Table
from tfartifacts.report.comparing import number
from tfartifacts.report.formats import Presentation
from tfartifacts.report.layout import Layout
from tfartifacts.report.statistics import statistics_rows
from tfartifacts.report.tables import Column
from tfartifacts.report.units import count, counted, shape, size
from tfartifacts.report.view import Document

_TITLES = {
    "model": "Model",
    "average": "Moving averages",
    "optimizer": "Optimizer: slots, powers, rates",
    "bookkeeping": "Bookkeeping: steps, counters, metrics",
    "copy": "Second copies",
    "all": "all",
}

_COLUMNS = (
    Column("name", elastic=True),
    Column("histogram"),
    Column("min", right=True),
    Column("max", right=True),
    Column("mean", right=True),
    Column("std", right=True),
    Column("more", prose=True, below=True),
)
_STRING_COLUMNS = (
    Column("name", elastic=True),
    Column("strings", right=True),
    Column("empty", right=True),
    Column("shortest", right=True),
    Column("longest", right=True),
    Column("mean", right=True),
)
_OTHER_COLUMNS = (Column("name", elastic=True), Column("why", prose=True, elastic=True))
_SUM_COLUMNS = (
    Column("role"),
    Column("variables", right=True),
    Column("elements", right=True),
    Column("size", right=True),
    Column("L2", right=True),
    Column("zeros", right=True),
    Column("NaN", right=True),
    Column("infinite", right=True),
)

# From empty to full; what is not empty is never shown as empty.
_BLOCKS = "\u00b7\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_ASCII = "_.:-=+*#@"


def statistics_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """What is odd first, then the variables by role, then the sums."""
    yield Statement(_summary(document))
    yield Facts([("path", document["path"] or "")])
    for role in document["roles"]:
        of_role = [item for item in document["variables"] if item["role"] == role["role"]]
        numbers = [item for item in of_role if "min" in item]
        strings = [item for item in of_role if "num_empty" in item]
        others = [item for item in of_role if "min" not in item and "num_empty" not in item]
        title = _TITLES[role["role"]]
        yield Table(title, _COLUMNS, [_row(item, layout) for item in numbers])
        yield Table(f"{title}, strings", _STRING_COLUMNS, [*map(_strings, strings)])
        yield Table(f"{title}, no numbers", _OTHER_COLUMNS, [*map(_other, others)])
    sums = [*document["roles"], document["total"]]
    rows = [_sum(role) for role in (sums if len(sums) > 2 else sums[-1:])]
    # The sums are few, and what people look for: never cut.
    yield Heading("Together")
    yield Table("", _SUM_COLUMNS, rows)
    if any(item.get("quantile_error") for item in document["variables"]):
        yield Notes(["quantiles marked ~ are estimates, within 0.4 % of the element at that place"])


def _summary(document: Document) -> str:
    total = document["total"]
    what = f"{counted(total['num_variables'], 'variable')}, {count(total['num_elements'])} elements"
    odd = [
        f"{count(total[key])} {name}"
        for key, name in (("num_nan", "NaN"), ("num_infinite", "infinite"))
        if total[key]
    ]
    if not odd:
        return f"{what}: no NaN, no infinity"
    names = document["not_finite"]
    first = f"{names[0]}" + (f" and {count(len(names) - 1)} more" if len(names) > 1 else "")
    return f"{what}: {' and '.join(odd)} in {first}"


def _row(item: Document, layout: Layout) -> Sequence[str]:
    return (
        item["name"],
        picture(item.get("histogram"), ascii_only=layout.ascii_only),
        *(number(item[key]) for key in ("min", "max", "mean", "std")),
        _more(item),
    )


def picture(histogram: Sequence[int] | None, *, ascii_only: bool) -> str:
    """A histogram as one character for each step."""
    if not histogram:
        return ""
    levels = _ASCII if ascii_only else _BLOCKS
    most = max(histogram)
    steps = len(levels) - 1
    return "".join(levels[-(-part * steps // most) if part else 0] for part in histogram)


def _more(item: Document) -> str:
    parts = [f"{item['dtype']} {shape(item['shape'])}"]
    if item["num_slices"]:
        parts.append(f"in {counted(item['num_slices'], 'slice')}")
    if item["num_nan"]:
        parts.append(f"{count(item['num_nan'])} NaN")
    if item["num_infinite"]:
        parts.append(f"{count(item['num_infinite'])} infinite")
    if item["num_zeros"]:
        parts.append(counted(item["num_zeros"], "zero"))
    parts.append(f"L2 {number(item['l2'])}")
    quantiles = item.get("quantiles")
    if quantiles and item["min"] != item["max"]:
        mark = "" if item["quantile_error"] == 0 else "~"
        shown = " ".join(number(value) for value in quantiles.values())
        parts.append(f"{mark}1/25/50/75/99 %: {shown}")
    return ", ".join(parts)


def _strings(item: Document) -> Sequence[str]:
    return (
        item["name"],
        count(item["num_elements"]),
        count(item["num_empty"]),
        *(number(item[key]) for key in ("min_length", "max_length", "mean_length")),
    )


def _other(item: Document) -> Sequence[str]:
    if "error" in item:
        return item["name"], f"not readable: {item['error']['message']}"
    reason = "" if item["num_elements"] else ", no elements"
    return item["name"], f"{item['dtype']} {shape(item['shape'])}{reason}"


def _sum(role: Document) -> Sequence[str]:
    return (
        role["role"],
        count(role["num_variables"]),
        count(role["num_elements"]),
        size(role["nbytes"]),
        number(role["l2"]),
        *(count(role[key]) for key in ("num_zeros", "num_nan", "num_infinite")),
    )


PRESENTATION = Presentation(statistics_blocks, statistics_rows)
