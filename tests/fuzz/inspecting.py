"""What must hold of all that is told of a file: it is told, whatever the file says."""

from __future__ import annotations

from tfartifacts.errors import TfArtifactsError
from tfartifacts.formats.meta_graph import read_meta_graph
from tfartifacts.formats.wire import Message
from tfartifacts.report.describe import describe
from tfartifacts.report.json_text import json_lines
from tfartifacts.report.layout import Layout
from tfartifacts.report.text import text_lines
from tfartifacts.report.view import SECTIONS, View

_EVERYTHING = View(frozenset(SECTIONS), complete=True)
_LAYOUT = Layout(
    width=80, limit=20, ascii_only=False, sections=frozenset(SECTIONS), all_values=False
)


def examine_inspected(data: bytes) -> bool:
    """A meta graph as `inspect` shows it, as text and as JSON."""
    try:
        meta_graph = read_meta_graph(Message(data), "fuzzed")
        report = describe(meta_graph, _EVERYTHING)
        text = list(text_lines(report.document, _LAYOUT))
        json = list(json_lines([report.document]))
    except TfArtifactsError:
        return False
    assert all(line.isprintable() for line in text)
    assert all(line.isascii() for line in json)
    assert sum(map(len, text)) + sum(map(len, json)) <= 200 * len(data) + 20_000
    return True
