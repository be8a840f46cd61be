"""Document -> lines of text: the summary first, then tables.

Every line is safe to show on a terminal: whatever it is made of, it passes the sanitizer last.
"""

from __future__ import annotations

from collections.abc import Iterator

from tfartifacts.report import checkpoint_blocks, graph_blocks
from tfartifacts.report.escape import printable
from tfartifacts.report.layout import Layout
from tfartifacts.report.view import Document


def text_lines(document: Document, layout: Layout) -> Iterator[str]:
    """The lines of a document, without line ends."""
    for line in _lines(document, layout):
        yield printable(line, ascii_only=layout.ascii_only)


def _lines(document: Document, layout: Layout) -> Iterator[str]:
    if "values" in document:
        from tfartifacts.report.value_blocks import value_lines

        yield from value_lines(document["values"], layout)
        return
    match document["kind"]:
        case "checkpoint-directory":
            yield from checkpoint_blocks.directory_lines(document, layout)
        case "checkpoint":
            yield from checkpoint_blocks.checkpoint_lines(document, layout)
        case "saved-model":
            yield from graph_blocks.saved_model_lines(document, layout)
        case "meta-graph":
            yield from graph_blocks.meta_graph_lines(document, layout)
        case _:
            yield from graph_blocks.graph_def_lines(document, layout)
