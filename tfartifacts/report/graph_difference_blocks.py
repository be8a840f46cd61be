"""What differs between meta graphs, as blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tfartifacts.model.saved_models import format_tags
from tfartifacts.report.blocks import Block, Notes, Statement, Table
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
    Column("change"),
    Column("what", prose=True, below=True),
)
_FUNCTION_COLUMNS = (Column("name", elastic=True), Column("what", prose=True, below=True))
_SIDES = {"removed": "only in A", "added": "only in B", "changed": "changed"}


def graph_difference_blocks(document: Document) -> Iterator[Block]:
    """Each pair of meta graphs that differs, and those that are on one side alone."""
    for side, tag_sets in (("A", document["only_in_a"]), ("B", document["only_in_b"])):
        for tags in tag_sets:
            yield Statement(f"Meta graph {format_tags(tags)} is only in {side}")
    pairs = document["meta_graphs"] or []
    for pair in pairs:
        if not pair["equal"]:
            title = f" {format_tags(pair['tags_b'] or pair['tags_a'])}" if len(pairs) > 1 else ""
            yield from _pair(pair, title)


def _pair(pair: Document, title: str) -> Iterator[Block]:
    for what in ("signatures", "collections", "versions", "saver", "assets"):
        items = [
            (item["name"], _SIDES[item["kind"]], "; ".join(item["lines"])) for item in pair[what]
        ]
        yield Table(f"{what.capitalize()}{title}", _ITEM_COLUMNS, items)
    graph = pair["graph"]
    if graph is None or graph["equal"]:
        return
    numbers = f"{counted(graph['num_nodes_a'], 'node')} in A, {count(graph['num_nodes_b'])} in B"
    yield Statement(f"Graph{title}: {numbers}{_kinds(graph['nodes'])}")
    for kind in ("changed", "removed", "added"):
        nodes = [_node(node) for node in graph["nodes"] if node["kind"] == kind]
        columns = _NODE_COLUMNS if kind == "changed" else _NODE_COLUMNS[:2]
        name = f"Nodes{title} {_SIDES[kind]}"
        yield Table(name, columns, [row[: len(columns)] for row in nodes])
    ops = [(op, count(here), count(there)) for op, (here, there) in graph["ops"].items()]
    yield Table(f"Ops{title}", _OP_COLUMNS, ops)
    names = [(function["name"], _function(function)) for function in graph["functions"]]
    yield Table(f"Functions{title}", _FUNCTION_COLUMNS, names)
    if graph["gradients_changed"]:
        yield Notes(["which functions compute gradients differs"])


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
