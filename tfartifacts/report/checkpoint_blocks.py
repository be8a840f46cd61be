"""Checkpoints, and folders of them, as blocks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from tfartifacts.report.blocks import Block, Facts, Heading, Notes, Statement, Table
from tfartifacts.report.graph_blocks import graph_blocks
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column, Columns
from tfartifacts.report.units import count, counted, readable_time, shape, size
from tfartifacts.report.view import Document


def directory_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """The kept checkpoints, what is wrong with the folder, and the latest in a few lines."""
    yield Heading(f"Checkpoints in {document['path']}", 1)
    latest = document["latest_checkpoint"]
    yield Facts(
        [
            ("latest", _latest(document)),
            ("kept", counted(len(document["checkpoints"]), "checkpoint")),
            ("relocated", _relocated(document["checkpoints"])),
            ("unlisted", _counted_or_nothing(document["unlisted"])),
            ("missing", _counted_or_nothing(document["missing"])),
            ("broken", _counted_or_nothing(document["broken"])),
        ]
    )
    yield Notes(document["notes"])
    yield from _kept_blocks(document, layout)
    yield from _recorded_blocks(document, layout)
    if latest is not None:
        yield Heading(f"Latest checkpoint {latest['path']}")
        yield from _summary_blocks(latest, layout)
        yield from _content_blocks(latest, layout, usually=False)
        yield from graph_blocks(latest["meta_graph"], layout, convert=document["path"])


def _latest(document: Document) -> str:
    if document["latest"] is not None:
        return os.path.relpath(document["latest"], document["path"])
    state = document["state"]
    if state is not None and state["latest_path"]:
        recorded = state["latest_path"]
        outside = any(e["outside"] for e in document["missing"] if e["recorded"] == recorded)
        why = "outside this folder" if outside else "which is not there"
        return f"none; the state file names {recorded}, {why}"
    return "none"


def _counted_or_nothing(items: Sequence[Document]) -> str:
    return count(len(items)) if items else ""


def _kept_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    rows = [
        [
            kept["name"],
            "" if kept["step"] is None else str(kept["step"]),
            readable_time(kept["time"] or ""),
            size(kept["file_bytes"]),
            ", ".join(_marks(kept, listed)),
        ]
        for listed, group in ((True, "checkpoints"), (False, "unlisted"))
        for kept in document[group]
    ]
    rows += [[entry["recorded"], "", "", "", _gone(entry)] for entry in document["missing"]]
    rows += [
        [os.path.relpath(entry["prefix"], document["path"]), "", "", "", "broken"]
        for entry in document["broken"]
    ]
    times = {kept["time_source"] for kept in (*document["checkpoints"], *document["unlisted"])}
    columns = (
        Column("checkpoint", elastic=True),
        Column("step", right=True),
        # The file system's time is when a copy was made, as often as not.
        Column("saved (UTC)" if times == {"state file"} else "file time (UTC)"),
        Column("size", right=True),
        Column("state"),
    )
    yield Table("Kept", columns, rows, empty="none")


def _marks(kept: Document, listed: bool) -> Iterator[str]:
    if kept["latest"]:
        yield "latest"
    if kept["relocated"]:
        yield "relocated"
    if kept["outside"]:
        yield "outside"
    if not listed:
        yield "not in the state file"
    if kept["problems"]:
        yield "incomplete"


def _gone(entry: Document) -> str:
    return "outside the folder, not followed" if entry["outside"] else "missing"


def _relocated(kept: Sequence[Document]) -> str:
    """Where the state file thought its checkpoints were, if they all were in one place."""
    moved = [item["recorded"] for item in kept if item["relocated"]]
    if not moved:
        return ""
    folders = {re.split(r"[/\\][^/\\]*\Z", recorded)[0] for recorded in moved}
    where = f", recorded in {folders.pop()}" if len(folders) == 1 else ""
    return f"{count(len(moved))}{where}"


def _recorded_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """Where each was thought to be, if its name or folder cannot be told from the others'."""
    moved = [item for item in document["checkpoints"] if item["relocated"]]
    if ", recorded in " in _relocated(moved):
        return
    rows = [[item["name"], item["recorded"]] for item in moved]
    columns = (Column("found as", elastic=True), Column("recorded as", elastic=True))
    yield Table("Relocated", columns, rows)


def checkpoint_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    yield Heading(f"Checkpoint {document['path']}", 1)
    yield from _summary_blocks(document, layout)
    yield from _content_blocks(document, layout)
    yield from graph_blocks(document["meta_graph"], layout, convert=document["path"])


def saved_variables_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """The variables of a SavedModel: the summary of its checkpoint, and a table on request."""
    checkpoint = document["checkpoint"]
    if checkpoint is None:
        yield Statement("Variables: none")
        return
    yield Heading("Variables")
    yield from _summary_blocks(checkpoint, layout)
    contents = {**checkpoint, "variables": document["variables"]}
    yield from _content_blocks(contents, layout, usually=False)


def _summary_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    shards = counted(document["num_shards"], "shard")
    order = "" if document["byte_order"] == "little" else f", {document['byte_order']}-endian"
    facts = [
        ("format", f"{document['format']}, {shards}{order}"),
        ("step", "" if document["step"] is None else count(document["step"])),
        (
            "file time" if document["time_source"] == "file" else "saved",
            f"{readable_time(document['time'])} UTC" if document["time"] else "",
        ),
        ("files", _files(document["files"], document["file_bytes"])),
    ]
    if not layout.sections:
        facts.append(("variables", _total(document)))
    yield Facts(facts)
    if document["object_graph"] is not None:
        objects = document["object_graph"]
        yield Facts(
            [("object graph", f"{counted(objects['num_objects'], 'object')} (object-based)")]
        )
    if not layout.sections:
        yield from _account_blocks(document, layout)
    yield Notes([_problem(problem) for problem in document["problems"]])
    yield Notes(document["notes"])


def _files(files: Sequence[Document], file_bytes: int) -> str:
    if not files:
        return ""
    return f"{counted(len(files), 'file')}, {size(file_bytes)}"


def _total(document: Document) -> str:
    return (
        f"{count(document['num_variables'])}; "
        f"{counted(document['num_parameters'], 'parameter')}, {size(document['nbytes'])}"
    )


_ROLES = {"optimizer": "optimizer slots", "average": "moving averages"}


def _account_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """Model, optimizer slots and the rest apart, where there is more than one of them."""
    present = {
        role: part for role, part in (document["account"] or {}).items() if part["num_variables"]
    }
    if len(present) < 2:
        return
    rows = [
        [
            _ROLES.get(role, role),
            count(part["num_variables"]),
            count(part["num_parameters"]),
            size(part["nbytes"]),
        ]
        for role, part in (*present.items(), ("together", document))
    ]
    columns = (
        Column("of which"),
        Column("variables", right=True),
        Column("parameters", right=True),
        Column("size", right=True),
    )
    yield Table("", columns, rows)


def _problem(problem: Document) -> str:
    where = [
        problem["path"],
        None if problem["offset"] is None else f"byte {problem['offset']}",
        problem["message"],
    ]
    return ": ".join(part for part in where if part)


def _content_blocks(document: Document, layout: Layout, *, usually: bool = True) -> Iterator[Block]:
    if layout.shows("files", usually=False):
        rows = [
            [os.path.basename(file["path"]), size(file["nbytes"]), readable_time(file["modified"])]
            for file in document["files"]
        ]
        columns: Columns = (
            Column("file", elastic=True),
            Column("size", right=True),
            Column("file time (UTC)"),
        )
        yield Table("Files", columns, rows, empty="none")
    if layout.shows("variables", usually=usually):
        yield from _variables_blocks(document["variables"], layout)
    if layout.shows("slices", usually=False):
        yield from _slices_blocks(document["variables"], layout)
    if layout.shows("object-graph", usually=False):
        rows = [
            [variable["name"], variable["full_name"]]
            for variable in document["variables"]
            if "full_name" in variable
        ]
        columns = (Column("key", elastic=True), Column("name", elastic=True))
        yield Table("Object graph", columns, rows, empty="no names")


def _variables_blocks(variables: Sequence[Document], layout: Layout) -> Iterator[Block]:
    named = any("full_name" in variable for variable in variables)
    sliced = any("num_slices" in variable for variable in variables)
    sharded = any(variable["shard"] is not None for variable in variables)
    roles = len({variable.get("role") for variable in variables}) > 1
    columns = [
        Column("name", elastic=True),
        *([Column("full name", elastic=True)] if named else []),
        Column("dtype"),
        Column("shape"),
        Column("size", right=True),
        *([Column("shard", right=True)] if sharded else []),
        *([Column("slices", right=True)] if sliced else []),
        *([Column("role")] if roles else []),
    ]
    rows = [
        [
            variable["name"],
            *([variable.get("full_name", "")] if named else []),
            variable["dtype"],
            shape(variable["shape"]),
            size(variable["nbytes"]),
            *([_shard(variable)] if sharded else []),
            *([count(variable.get("num_slices", 1))] if sliced else []),
            *([variable.get("role", "")] if roles else []),
        ]
        for variable in variables
    ]
    yield Table("Variables", columns, rows, empty="none")


def _shard(variable: Document) -> str:
    if variable["shard"] is not None:
        return str(variable["shard"])
    return "several" if "num_slices" in variable else ""


def _slices_blocks(variables: Sequence[Document], layout: Layout) -> Iterator[Block]:
    rows = [
        [
            variable["name"],
            part["spec"],
            shape(part["shape"]),
            size(part["nbytes"]),
            "" if part["shard"] is None else str(part["shard"]),
        ]
        for variable in variables
        for part in variable.get("slices", ())
    ]
    columns = (
        Column("variable", elastic=True),
        Column("slice (start,length)"),
        Column("shape"),
        Column("size", right=True),
        Column("shard", right=True),
    )
    yield Table("Slices", columns, rows, empty="no variable is partitioned")
