"""What a model computed: types, shapes and elements, as text or as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfartifacts.report.escape import printable
from tfartifacts.report.layout import Layout
from tfartifacts.report.units import counted, shape
from tfartifacts.report.value_blocks import array_text, is_shortened
from tfartifacts.report.view import Document

SCHEMA = 1


def describe_outputs(path: str, values: Mapping[str, Any], out: str | None) -> Document:
    """The document; without elements where they went to a file."""
    return {
        "schema": SCHEMA,
        "kind": "outputs",
        "path": path,
        "out": out,
        "outputs": {key: _describe(value, out is None) for key, value in values.items()},
    }


def _describe(value: Any, complete: bool) -> Document:
    dtype = "string" if value.dtype == object else str(value.dtype)
    described: Document = {"dtype": dtype, "shape": list(value.shape)}
    if complete:
        described["values"] = value
    return described


def output_lines(document: Document, values: Mapping[str, Any], layout: Layout) -> Iterator[str]:
    """The same for a person; the elements of `values`."""
    for line in _lines(document, values, layout):
        yield printable(line, ascii_only=layout.ascii_only)


def _lines(document: Document, values: Mapping[str, Any], layout: Layout) -> Iterator[str]:
    if document["out"] is not None:
        yield f"wrote {document['out']}"
    for position, (key, output) in enumerate(document["outputs"].items()):
        if position and values:
            yield ""
        yield f"{key}  {output['dtype']}  {shape(output['shape'])}"
        if key in values:
            text = array_text(values[key], layout)
            yield from (f"  {line}" for line in text.split("\n"))
            if is_shortened(values[key], layout):
                count = counted(values[key].size, "element")
                yield f"  ... of {count}; --out FILE or --json gives all"
