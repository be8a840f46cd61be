"""What differs between meta graphs, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tfartifacts.model.saved_models import format_tags
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column
from tfartifacts.report.units import count, counted
from tfartifacts.report.view import Document

_NODE_COLUMNS = (
    Column("node", elastic=True),
    Column("op"),
    Column("what", prose=True, elastic=True, below=True),
)
_OP_COLUMNS = (Column("op"), Column("in A", right=True), Column("in B", right=True))
_ITEM_COLUMNS = (
    Column("name", elastic=True),
    Column("what", prose=True, below=True),
)
_SIDES = {"removed": "only in A", "added": "only in B", "changed": "changed"}


def graph_lines(document: Document, layout: Layout) -> Iterator[str]:
    """Each pair of meta graphs that differs, and those that are on one side alone."""
    for side, tag_sets in (("A", document["only_in_a"]), ("B", document["only_in_b"])):
        for tags in tag_sets:
            yield ""
            yield f"Meta graph {format_tags(tags)} is only in {side}"
    pairs = document["meta_graphs"] or []
    for pair in pairs:
        if not pair["equal"]:
            title = f" {format_tags(pair['tags_b'] or pair['tags_a'])}" if len(pairs) > 1 else ""
            yield from _pair(pair, title, layout)


def _pair(pair: Document, title: str, layout: Layout) -> Iterator[str]:
    for what in ("signatures", "collections", "versions", "saver", "assets"):
        yield from _items(f"{what.capitalize()}{title}", pair[what], layout)
    graph = pair["graph"]
    if graph is None or graph["equal"]:
        return
    yield ""
    numbers = f"{counted(graph['num_nodes_a'], 'node')} in A, {count(graph['num_nodes_b'])} in B"
    yield from layout.wrapped("", f"Graph{title}: {numbers}{_kinds(graph['nodes'])}")
    for kind in ("changed", "removed", "added"):
        nodes = [_node(node) for node in graph["nodes"] if node["kind"] == kind]
        columns = _NODE_COLUMNS if kind == "changed" else _NODE_COLUMNS[:2]
        name = f"Nodes{title} {_SIDES[kind]}"
        yield from layout.table(name, columns, [row[: len(columns)] for row in nodes])
    ops = [(op, count(here), count(there)) for op, (here, there) in graph["ops"].items()]
    yield from layout.table(f"Ops{title}", _OP_COLUMNS, ops)
    names = [(function["name"], _function(function)) for function in graph["functions"]]
    yield from layout.table(f"Functions{title}", _ITEM_COLUMNS, names)
    if graph["gradients_changed"]:
        yield from layout.notes(["which functions compute gradients differs"])


def _items(title: str, items: Sequence[Document], layout: Layout) -> Iterator[str]:
    """A line for each, and one for each thing that changed in it."""
    if not items:
        return
    yield ""
    yield title
    for item in items[: layout.limit or None]:
        lines = [layout.safe(line) for line in item["lines"]]
        start = f"  {layout.safe(item['name'])}  {_SIDES[item['kind']]}"
        if len(lines) == 1 and (layout.width is None or len(start + lines[0]) + 2 <= layout.width):
            yield f"{start}: {lines[0]}"
            continue
        yield start
        for line in lines:
            yield from layout.wrapped("      ", line)
    if layout.limit and len(items) > layout.limit:
        yield f"  ... {count(len(items) - layout.limit)} more, --limit 0 shows all"


def _kinds(nodes: Sequence[Document]) -> str:
    kinds = Counter(node["kind"] for node in nodes)
    return "".join(f"; {count(kinds[kind])} {_SIDES[kind]}" for kind in _SIDES if kinds[kind])


def _node(node: Document) -> tuple[str, ...]:
    what = "; ".join(
        f"{field['name']}: {field['before']} -> {field['after']}" for field in node["fields"]
    )
    return node["name"], node["op"], what


def _function(function: Document) -> str:
    if function["kind"] != "changed":
        return _SIDES[function["kind"]]
    what = "changed" + (": its signature" if function["signature_changed"] else "")
    return what + _kinds(function["nodes"])
