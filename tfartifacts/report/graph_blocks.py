"""Meta graphs, graphs and SavedModels as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tfartifacts.report.escape import shell_quote
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column, Columns
from tfartifacts.report.tensor_rows import (
    SIGNATURE_COLUMNS,
    TENSOR_COLUMNS,
    signature_rows,
    tensor_row,
)
from tfartifacts.report.units import count, counted, size
from tfartifacts.report.view import Document

# Signatures that are told elsewhere (init op) or concern nobody who calls the model.
_INTERNAL = "__saved_model_"
_MOST_OPS = 8
_MOST_CANDIDATES = 6  # of each side, where nobody asked for them


def graph_lines(document: Document | None, layout: Layout, *, convert: str | None) -> Iterator[str]:
    """The graph beside a checkpoint; nothing but a word where there is none."""
    if document is None:
        if not layout.sections:
            yield ""
            yield "Graph: none (no readable .meta file); values can be read, not run"
        return
    yield ""
    yield f"Graph {document['path'] or ''}".rstrip()
    yield from _graph_lines(document, layout, convert=convert)


def meta_graph_lines(document: Document, layout: Layout) -> Iterator[str]:
    yield f"Meta graph {document['path'] or ''}".rstrip()
    yield from _graph_lines(document, layout, convert=document["checkpoint_prefix"] or "")


def graph_def_lines(document: Document, layout: Layout) -> Iterator[str]:
    yield f"Graph (GraphDef, without signatures or saver) {document['path'] or ''}".rstrip()
    yield from _graph_lines(document, layout, convert=None)


def saved_model_lines(document: Document, layout: Layout) -> Iterator[str]:
    from tfartifacts.report.checkpoint_blocks import saved_variables_lines

    yield f"SavedModel {document['path'] or ''}".rstrip()
    tag_sets = [tag_set(meta_graph) for meta_graph in document["meta_graphs"]]
    yield from layout.facts([("tag sets", ", ".join(tag_sets) or "none")])
    yield from layout.notes(document["notes"])
    for meta_graph in document["meta_graphs"]:
        yield ""
        yield f"Meta graph {tag_set(meta_graph)}"
        yield from _graph_lines(meta_graph, layout, convert=None)
    yield from saved_variables_lines(document, layout)
    if layout.shows("assets"):
        yield from _assets_lines(document["assets"], layout)
    if layout.shows("files", usually=False):
        rows = [[file["path"], size(file["nbytes"])] for file in document["other_files"]]
        columns: Columns = (Column("file", elastic=True), Column("size", right=True))
        yield from layout.table("Other files", columns, rows)


def tag_set(document: Document) -> str:
    return "{" + ", ".join(document["tags"]) + "}"


def _assets_lines(assets: Sequence[Document], layout: Layout) -> Iterator[str]:
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
    yield from layout.table("Assets", columns, rows, empty="" if not layout.sections else "none")


def _graph_lines(document: Document, layout: Layout, *, convert: str | None) -> Iterator[str]:
    """`convert` is what the proposed command would convert, "" if nothing; None: no proposal."""
    yield from layout.facts(list(_facts(document, layout)))
    yield from layout.notes([problem["message"] for problem in document.get("problems", ())])
    yield from layout.notes(document["notes"])
    signatures = callable_signatures(document)
    if layout.shows("signatures"):
        yield from _signatures_lines(signatures, layout)
    if layout.shows("candidates", usually=not signatures) and document["candidates"] is not None:
        yield from _candidates_lines(document["candidates"], layout, convert)
    if layout.shows("placeholders", usually=bool(signatures)):
        yield from _placeholders_lines(document, layout)
    yield from _detail_lines(document, layout)


def _placeholders_lines(document: Document, layout: Layout) -> Iterator[str]:
    """All where asked for; else those that callers of a signature would have to feed besides."""
    if layout.sections:
        rows = [tensor_row(placeholder) for placeholder in document["placeholders"]]
        yield from layout.table("Placeholders", TENSOR_COLUMNS, rows, empty="none")
        return
    rows = [
        [*tensor_row(placeholder), ", ".join(placeholder["signatures"])]
        for placeholder in document.get("unfed", ())
    ]
    columns: Columns = (*TENSOR_COLUMNS, Column("needed by signature", prose=True, below=True))
    title = "Placeholders that outputs of a signature need and its inputs lack"
    yield from layout.table(title, columns, rows)


def callable_signatures(document: Document) -> dict[str, Document]:
    return {
        key: signature
        for key, signature in document.get("signatures", {}).items()
        if not key.startswith(_INTERNAL)
    }


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


def _signatures_lines(signatures: Mapping[str, Document], layout: Layout) -> Iterator[str]:
    for key, signature in signatures.items():
        rows = signature_rows(signature)
        method = signature["method_name"]
        title = f"Signature {key}" + (f" ({method})" if method else "")
        for row in rows:
            row[0] = row[0].removesuffix("s")
        yield from layout.table(title, SIGNATURE_COLUMNS, rows, empty="no inputs, no outputs")
    if layout.sections and not signatures:
        yield from layout.table("Signatures", (), [], empty="none")


def _candidates_lines(candidates: Document, layout: Layout, convert: str | None) -> Iterator[str]:
    most = _MOST_CANDIDATES if not layout.sections else layout.limit
    rows = [
        [_role(candidate), *tensor_row(candidate), candidate["reason"]]
        for side in ("inputs", "outputs")
        for candidate in (candidates[side][:most] if most else candidates[side])
    ]
    columns = (Column("role"), *TENSOR_COLUMNS, Column("why", prose=True, below=True))
    title = "Candidates for a signature, likeliest first"
    yield from layout.table(title, columns, rows, empty="none found")
    if candidates["flags"] and convert is not None:
        yield from _convert_lines(candidates, layout, convert)


def _convert_lines(candidates: Document, layout: Layout, convert: str) -> Iterator[str]:
    """The command that takes the proposal, or in a line why there is none."""
    yield ""
    if not convert:
        yield "Not to be converted: there is no checkpoint of this name beside the graph"
        return
    if candidates["refused"] is not None:
        yield from layout.wrapped("", layout.safe(f"Not to be converted: {candidates['refused']}"))
        return
    yield "To convert"
    words = ["tfartifacts", "convert", convert, "DESTINATION", *candidates["flags"]]
    yield f"  {' '.join(map(shell_quote, words))}"
    for candidate in candidates["inputs"]:
        if candidate["connected"] and candidate["role"] != "input":
            yield from layout.notes([f"the result depends on {candidate['name']} too"])


def _role(candidate: Document) -> str:
    if candidate["role"] == "input" and not candidate["connected"]:
        return "other input"
    return str(candidate["role"])


def _detail_lines(document: Document, layout: Layout) -> Iterator[str]:
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
        yield from layout.table("Ops", columns, rows, empty="none")
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
        yield from layout.table("Functions", columns, rows, empty="none")
    if layout.shows("devices", usually=False):
        rows = [[device or "not placed", count(n)] for device, n in document["devices"].items()]
        columns = (Column("device", elastic=True), Column("nodes", right=True))
        yield from layout.table("Devices", columns, rows, empty="none")
    if "tags" in document:
        yield from _meta_lines(document, layout)
    if "nodes" in document:
        rows = [[node["name"], node["op"], ", ".join(node["inputs"])] for node in document["nodes"]]
        columns = (
            Column("node", elastic=True),
            Column("op", elastic=True),
            Column("inputs", elastic=True),
        )
        yield from layout.table("Nodes", columns, rows, empty="none")


def _meta_lines(document: Document, layout: Layout) -> Iterator[str]:
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
        yield from layout.table("Collections", columns, rows, empty="none")
    if layout.shows("saver", usually=False):
        yield ""
        yield "Saver" if document["saver"] else "Saver: none"
        for key, value in (document["saver"] or {}).items():
            yield f"  {key:<30}  {value}"
    if layout.shows("assets", usually=False) and document["asset_files"]:
        rows = [[asset["filename"], asset["tensor_name"]] for asset in document["asset_files"]]
        columns = (Column("asset", elastic=True), Column("path fed to", elastic=True))
        yield from layout.table("Asset files", columns, rows)


def _collection_values(collection: Document) -> list[str]:
    """Text as it is; encoded messages, most of them of some length, by their size only."""
    return [
        f"{(len(value['base64']) * 3) // 4:,} bytes, encoded"
        if isinstance(value, dict)
        else str(value)
        for value in collection.get("values", ())
    ]
