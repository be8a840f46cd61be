"""Meta graphs, graphs and SavedModels as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tfartifacts.report.blocks import Block, Facts, Heading, Notes, Statement, Table
from tfartifacts.report.layout import Layout
from tfartifacts.report.signature_blocks import (
    callable_signatures,
    candidates_blocks,
    placeholders_blocks,
    signatures_blocks,
)
from tfartifacts.report.tables import Column, Columns
from tfartifacts.report.units import count, counted, size
from tfartifacts.report.view import Document

_MOST_OPS = 8
_SAVER_LABEL_WIDTH = 32


def graph_blocks(
    document: Document | None, layout: Layout, *, convert: str | None
) -> Iterator[Block]:
    """The graph beside a checkpoint; nothing but a word where there is none."""
    if document is None:
        if not layout.sections:
            yield Statement("Graph: none (no readable .meta file); values can be read, not run")
        return
    yield Heading(f"Graph {document['path'] or ''}".rstrip())
    yield from _graph_blocks(document, layout, convert=convert)


def meta_graph_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    yield Heading(f"Meta graph {document['path'] or ''}".rstrip(), 1)
    yield from _graph_blocks(document, layout, convert=document["checkpoint_prefix"] or "")


def graph_def_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    title = f"Graph (GraphDef, without signatures or saver) {document['path'] or ''}"
    yield Heading(title.rstrip(), 1)
    yield from _graph_blocks(document, layout, convert=None)


def saved_model_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    from tfartifacts.report.checkpoint_blocks import saved_variables_blocks

    yield Heading(f"SavedModel {document['path'] or ''}".rstrip(), 1)
    tag_sets = [tag_set(meta_graph) for meta_graph in document["meta_graphs"]]
    yield Facts([("tag sets", ", ".join(tag_sets) or "none")])
    yield Notes(document["notes"])
    for meta_graph in document["meta_graphs"]:
        yield Heading(f"Meta graph {tag_set(meta_graph)}")
        yield from _graph_blocks(meta_graph, layout, convert=None)
    yield from saved_variables_blocks(document, layout)
    if layout.shows("assets"):
        yield from _assets_blocks(document["assets"], layout)
    if layout.shows("files", usually=False):
        rows = [[file["path"], size(file["nbytes"])] for file in document["other_files"]]
        columns: Columns = (Column("file", elastic=True), Column("size", right=True))
        yield Table("Other files", columns, rows)


def tag_set(document: Document) -> str:
    return "{" + ", ".join(document["tags"]) + "}"


def _assets_blocks(assets: Sequence[Document], layout: Layout) -> Iterator[Block]:
    rows = [
        [
            asset["filename"],
            "missing" if asset["nbytes"] is None else size(asset["nbytes"]),
            ", ".join(asset["tensor_names"]) or "not declared",
        ]
        for asset in assets
    ]
    columns = (
        Column("asset", elastic=True),
        Column("size", right=True),
        Column("path fed to"),
    )
    yield Table("Assets", columns, rows, empty="" if not layout.sections else "none")


def _graph_blocks(document: Document, layout: Layout, *, convert: str | None) -> Iterator[Block]:
    """`convert` is what the proposed command would convert, "" if nothing; None: no proposal."""
    yield Facts(list(_facts(document, layout)))
    yield Notes([problem["message"] for problem in document.get("problems", ())])
    yield Notes(document["notes"])
    signatures = callable_signatures(document)
    if layout.shows("signatures"):
        yield from signatures_blocks(signatures, layout)
    if layout.shows("candidates", usually=not signatures) and document["candidates"] is not None:
        yield from candidates_blocks(document["candidates"], layout, convert)
    if layout.shows("placeholders", usually=bool(signatures)):
        yield from placeholders_blocks(document, layout)
    yield from _detail_blocks(document, layout)


def _facts(document: Document, layout: Layout) -> Iterator[tuple[str, str]]:
    yield "written by", _written_by(document)
    yield "nodes", _nodes(document)
    if document["num_functions"]:
        inside = sum(document["function_ops"].values())
        yield (
            "functions",
            f"{count(document['num_functions'])} with {count(inside)} nodes: "
            + _top(document["function_ops"]),
        )
    yield "devices", _devices(document["devices"])
    if not layout.sections:
        yield "init op", document.get("init_op") or ""
        saver = document.get("saver")
        yield "saver", "" if saver is None else _saver(saver)
        if "signatures" in document and not callable_signatures(document):
            yield "signatures", "none"


def _written_by(document: Document) -> str:
    version = document.get("tensorflow_version")
    if not version:
        return "unknown (no TensorFlow version recorded)" if "tags" in document else ""
    git = document["tensorflow_git_version"]
    return f"TensorFlow {version}" + (f" (git {git})" if git not in ("", "unknown") else "")


def _nodes(document: Document) -> str:
    ops = document["ops"]
    if not ops:
        return "none"
    return f"{count(document['num_nodes'])}: {_top(ops)}"


def _top(ops: Mapping[str, int]) -> str:
    top = ", ".join(f"{op} {count(number)}" for op, number in list(ops.items())[:_MOST_OPS])
    more = f", and {counted(len(ops) - _MOST_OPS, 'other op')}" if len(ops) > _MOST_OPS else ""
    return top + more


def _devices(devices: Mapping[str, int]) -> str:
    """Nothing where no node is placed anywhere, the usual case."""
    if not any(devices):
        return ""
    return ", ".join(f"{device or 'not placed'} {count(n)}" for device, n in devices.items())


def _saver(saver: Document) -> str:
    layout = ", sharded" if saver["sharded"] else ""
    keep = f", keeps {count(saver['max_to_keep'])}" if saver["max_to_keep"] else ""
    return f"V{saver['version']}{layout}{keep}"


def _detail_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    if layout.shows("ops", usually=False):
        inside = document["function_ops"]
        rows = [
            [op, count(document["ops"].get(op, 0)), count(inside.get(op, 0))]
            for op in (*document["ops"], *(op for op in inside if op not in document["ops"]))
        ]
        columns: Columns = (Column("op", elastic=True), Column("nodes", right=True))
        if inside:
            columns = (*columns, Column("in functions", right=True))
        else:
            rows = [row[:2] for row in rows]
        yield Table("Ops", columns, rows, empty="none")
    if layout.shows("functions", usually=False):
        rows = [
            [
                function["name"],
                count(function["num_nodes"]),
                count(len(function["inputs"])),
                count(len(function["outputs"])),
            ]
            for function in document["functions"]
        ]
        columns = (
            Column("function", elastic=True),
            Column("nodes", right=True),
            Column("inputs", right=True),
            Column("outputs", right=True),
        )
        yield Table("Functions", columns, rows, empty="none")
    if layout.shows("devices", usually=False):
        rows = [[device or "not placed", count(n)] for device, n in document["devices"].items()]
        columns = (Column("device", elastic=True), Column("nodes", right=True))
        yield Table("Devices", columns, rows, empty="none")
    if "tags" in document:
        yield from _meta_blocks(document, layout)
    if "nodes" in document:
        rows = [[node["name"], node["op"], ", ".join(node["inputs"])] for node in document["nodes"]]
        columns = (
            Column("node", elastic=True),
            Column("op", elastic=True),
            Column("inputs", elastic=True),
        )
        yield Table("Nodes", columns, rows, empty="none")


def _meta_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    if layout.shows("collections", usually=False):
        rows = [
            [name, collection["kind"] or "empty", str(value)]
            for name, collection in document["collections"].items()
            for value in (_collection_values(collection) or [""])
        ]
        columns: Columns = (
            Column("collection", elastic=True),
            Column("kind"),
            Column("value", elastic=True),
        )
        yield Table("Collections", columns, rows, empty="none")
    if layout.shows("saver", usually=False):
        if document["saver"]:
            yield Heading("Saver")
            facts = [(key, str(value)) for key, value in document["saver"].items()]
            yield Facts(facts, _SAVER_LABEL_WIDTH)
        else:
            yield Statement("Saver: none")
    if layout.shows("assets", usually=False) and document["asset_files"]:
        rows = [[asset["filename"], asset["tensor_name"]] for asset in document["asset_files"]]
        columns = (Column("asset", elastic=True), Column("path fed to", elastic=True))
        yield Table("Asset files", columns, rows)


def _collection_values(collection: Document) -> list[str]:
    """Text as it is; encoded messages, most of them of some length, by their size only."""
    return [
        f"{(len(value['base64']) * 3) // 4:,} bytes, encoded"
        if isinstance(value, dict)
        else str(value)
        for value in collection.get("values", ())
    ]
