"""The document of an artifact -> blocks: the summary first, then tables."""

from __future__ import annotations

from collections.abc import Iterator

from tfartifacts.report import checkpoint_blocks, graph_blocks
from tfartifacts.report.blocks import Block
from tfartifacts.report.layout import Layout
from tfartifacts.report.view import Document


def document_blocks(document: Document, layout: Layout) -> Iterator[Block]:
    """What the layout wants to be shown of it."""
    if "values" in document:
        from tfartifacts.report.value_blocks import value_blocks

        yield from value_blocks(document["values"], layout)
        return
    match document["kind"]:
        case "checkpoint-directory":
            yield from checkpoint_blocks.directory_blocks(document, layout)
        case "checkpoint":
            yield from checkpoint_blocks.checkpoint_blocks(document, layout)
        case "saved-model":
            yield from graph_blocks.saved_model_blocks(document, layout)
        case "meta-graph":
            yield from graph_blocks.meta_graph_blocks(document, layout)
        case _:
            yield from graph_blocks.graph_def_blocks(document, layout)
