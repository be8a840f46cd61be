"""Signatures, and what could become one, as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tfartifacts.report.blocks import Block, Command, Notes, Statement, Table
from tfartifacts.report.layout import Layout
from tfartifacts.report.tables import Column, Columns
from tfartifacts.report.tensor_rows import (
    SIGNATURE_COLUMNS,
    TENSOR_COLUMNS,
    signature_rows,
    tensor_row,
)
from tfartifacts.report.view import Document

# Signatures that are told elsewhere (init op) or concern nobody who calls the model.
_INTERNAL = "__saved_model_"
_MOST_CANDIDATES = 6  # of each side, where nobody asked for them


def callable_signatures(document: Document) -> dict[str, Document]:
    return {
        key: signature
        for key, signature in document.get("signatures", {}).items()
        if not key.startswith(_INTERNAL)
    }


def signatures_blocks(signatures: Mapping[str, Document], layout: Layout) -> Iterator[Block]:
    for key, signature in signatures.items():
        rows = signature_rows(signature)
        method = signature["method_name"]
        title = f"Signature {key}" + (f" ({method})" if method else "")
        for row in rows:
            row[0] = row[0].removesuffix("s")
        yield Table(title, SIGNATURE_COLUMNS, rows, empty="no inputs, no outputs")
    if layout.sections and not signatures:
        yield Table("Signatures", (), [], empty="none")


def candidates_blocks(candidates: Document, layout: Layout, convert: str | None) -> Iterator[Block]:
    most = _MOST_CANDIDATES if not layout.sections else layout.limit
    rows = [
        [_role(candidate), *tensor_row(candidate), candidate["reason"]]
        for side in ("inputs", "outputs")
        for candidate in (candidates[side][:most] if most else candidates[side])
    ]
    columns = (Column("role"), *TENSOR_COLUMNS, Column("why", prose=True, below=True))
    title = "Candidates for a signature, likeliest first"
    yield Table(title, columns, rows, empty="none found")
    if candidates["flags"] and convert is not None:
        yield from _convert_blocks(candidates, convert)


def _role(candidate: Document) -> str:
    if candidate["role"] == "input" and not candidate["connected"]:
        return "other input"
    return str(candidate["role"])


def _convert_blocks(candidates: Document, convert: str) -> Iterator[Block]:
    """The command that takes the proposal, or in a line why there is none."""
    words = ["tfartifacts", "convert", convert, "DESTINATION", *candidates["flags"]]
    if not convert:
        yield Statement("Not to be converted: there is no checkpoint of this name beside the graph")
        return
    if candidates["refused"] is not None:
        yield Statement(f"Not to be converted: {candidates['refused']}")
        return
    if any("\0" in word for word in words):
        yield Statement("Not to be converted by a command: a name has a NUL, which none can hold")
        return
    yield Command("To convert", words)
    yield Notes(
        [
            f"the result depends on {candidate['name']} too"
            for candidate in candidates["inputs"]
            if candidate["connected"] and candidate["role"] != "input"
        ]
    )


def placeholders_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """All where asked for; else those that callers of a signature would have to feed besides."""
    if layout.sections:
        rows = [tensor_row(placeholder) for placeholder in document["placeholders"]]
        yield Table("Placeholders", TENSOR_COLUMNS, rows, empty="none")
        return
    rows = [
        [*tensor_row(placeholder), ", ".join(placeholder["signatures"])]
        for placeholder in document.get("unfed", ())
    ]
    columns: Columns = (*TENSOR_COLUMNS, Column("needed by signature", prose=True, below=True))
    title = "Placeholders that outputs of a signature need and its inputs lack"
    yield Table(title, columns, rows)
